// SPDX-License-Identifier: Apache-2.0

package dev.berth.conformance;

import dev.berth.BerthException;
import dev.berth.Client;
import dev.berth.ClientOptions;
import dev.berth.Context;
import dev.berth.Execution;
import dev.berth.Lease;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Does the scenarios of proto/vectors/scenarios.txt with this client, and prints what came of them. */
public final class Driver {
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.US_ASCII);
    static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));

    final Map<String, Client> clients = new HashMap<>();
    final Map<String, String> tokens = new HashMap<>();
    final Map<String, ContextName> contexts = new HashMap<>();
    /** Leases and contexts, so that none is given back before the scenario's end. */
    final List<Object> kept = new ArrayList<>();
    final Map<String, Stream> streams = new HashMap<>();
    final Map<String, byte[]> archives = new HashMap<>();
    final Map<String, Connections.Connected> connections = new HashMap<>();

    /** By which any client may use a context. */
    record ContextName(String lease, String id) {}

    /** An execution, and what was taken from it but not printed. */
    static final class Stream {
        final Execution execution;
        final String lease;
        final Collected[] collected = {new Collected(), new Collected(), new Collected()};

        Stream(Execution execution, String lease) {
            this.execution = execution;
            this.lease = lease;
        }
    }

    static final class Collected {
        final java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
        long dropped;

        byte[] take(int count) {
            byte[] all = bytes.toByteArray();
            int taken = Math.min(count, all.length);
            bytes.reset();
            bytes.write(all, taken, all.length - taken);
            return java.util.Arrays.copyOf(all, taken);
        }
    }

    public static void main(String[] arguments) throws IOException {
        List<String> wanted = List.of(arguments).subList(1, arguments.length);
        List<String> lines = new ArrayList<>();
        String name = null;
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            if (line.startsWith("scenario ")) {
                name = line.split(" ")[1];
                lines.clear();
            } else if (line.equals("end")) {
                if (wanted.isEmpty() || wanted.contains(name)) {
                    new Driver().play(name, lines);
                }
            } else if (!line.isEmpty() && !line.startsWith("#") && !line.startsWith("= ")) {
                lines.add(line);
            }
        }
    }

    static void print(String line) {
        OUT.println(line);
    }

    private void play(String name, List<String> lines) {
        print("scenario " + name);
        clients.put("main", new Client());
        for (String line : lines) {
            Step step = Step.parse(line);
            long begin = System.nanoTime();
            try {
                Verbs.find(step.verb()).perform(this, step);
                String unused = step.unused();
                if (unused != null) {
                    print("unsupported " + step.verb() + " " + unused);
                }
            } catch (BerthException error) {
                print(failure(step, error));
            } catch (IOException | RuntimeException error) {
                BerthException cause = error.getCause() instanceof BerthException berth ? berth : null;
                print(cause != null ? failure(step, cause) : "failed " + Bytes.encode(error));
            }
            long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
            if (took > step.number("within_ms", Long.MAX_VALUE)) {
                print("late");
            }
        }
        streams.values().forEach(stream -> stream.execution.close());
        connections.values().forEach(connected -> connected.stream.close());
        clients.values().forEach(Client::close);
        print("end");
    }

    private static String failure(Step step, BerthException error) {
        String line = step.subject() + " error " + error.code();
        if (step.number("reason", 0) == 1) {
            boolean isNone = error.reason() == dev.berth.v1.ErrorReason.ERROR_REASON_UNSPECIFIED;
            line += " reason=" + (isNone ? "NONE" : error.reason());
        }
        return line;
    }

    Client client(Step step) {
        String name = step.text("client", "main");
        Client client = clients.get(name);
        if (client == null) {
            throw new IllegalArgumentException("no client " + name);
        }
        return client;
    }

    /** By its token: any client may use a lease. */
    Lease lease(Step step) {
        return client(step).lease(tokens.get(step.text("lease", "")));
    }

    Context context(Step step) {
        ContextName name = contexts.get(step.text("context", ""));
        if (name == null) {
            throw new IllegalArgumentException("no such context");
        }
        return client(step).lease(name.lease()).existingContext(name.id());
    }

    void connect(Step step) {
        ClientOptions options = new ClientOptions();
        if (step.has("window")) {
            options.window((int) step.number("window", 0));
        }
        if (step.has("connect_timeout_ms")) {
            options.connectTimeout(Duration.ofMillis(step.number("connect_timeout_ms", 0)));
        }
        String name = step.text("as", "");
        try {
            if (step.has("address")) {
                options.address(step.text("address", ""));
            }
            clients.put(name, new Client(options));
            print("connected " + name);
        } catch (BerthException error) {
            print("connect " + name + " refused " + Bytes.summary(error.getMessage().getBytes(StandardCharsets.UTF_8)));
        }
    }
}
