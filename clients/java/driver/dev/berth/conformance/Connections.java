// SPDX-License-Identifier: Apache-2.0

package dev.berth.conformance;

import static dev.berth.conformance.Driver.print;

import dev.berth.ConnectOptions;
import dev.berth.ContainerStream;
import java.io.IOException;
import java.net.SocketException;
import java.time.Duration;
import java.util.Map;
import java.util.function.Function;

/** What the verbs of connections do. */
final class Connections {
    private Connections() {}

    /** A connection, and what came of it and was not yet shown. */
    static final class Connected {
        final ContainerStream stream;
        final Driver.Collected kept = new Driver.Collected();
        String end = "";

        Connected(ContainerStream stream) {
            this.stream = stream;
        }

        /** What a step's line adds: nothing, or how it failed. */
        String send(byte[] data, boolean end) {
            try {
                stream.output().write(data);
                if (end) {
                    stream.shutdownOutput();
                }
                return "";
            } catch (SocketException broken) {
                return " broken";
            } catch (IOException error) {
                return " aborted";
            }
        }

        /** Takes what comes, until so much is there, or the end. */
        void take(int count) {
            byte[] piece = new byte[64 << 10];
            while (kept.bytes.size() < count && end.isEmpty()) {
                try {
                    int size = stream.input().read(piece);
                    if (size < 0) {
                        end = "end";
                    } else {
                        kept.bytes.write(piece, 0, size);
                    }
                } catch (SocketException reset) {
                    end = "reset";
                } catch (IOException error) {
                    end = "aborted";
                }
            }
        }
    }

    static void dial(Driver driver, Step step) {
        ConnectOptions options = step.has("path")
                ? ConnectOptions.path(step.bytes("path"))
                : ConnectOptions.port((int) step.number("port", 0));
        Map<String, Function<Duration, ConnectOptions>> times = Map.of(
                "wait_ms", options::waitTime, "timeout_ms", options::timeout, "idle_timeout_ms", options::idleTimeout);
        times.forEach((key, setter) -> {
            if (step.has(key)) {
                setter.apply(Duration.ofMillis(step.number(key, 0)));
            }
        });
        if (step.has("window")) {
            options.window((int) step.number("window", 0));
        }
        driver.connections.put(step.text("as", ""), new Connected(driver.lease(step).connect(options)));
        print("dialled " + step.text("as", ""));
    }

    static void send(Driver driver, Step step) {
        Connected connected = driver.connections.get(step.text("conn", ""));
        boolean end = step.number("end", 0) == 1;
        print("send " + step.text("conn", "") + connected.send(step.repeated("data", "repeat"), end));
    }

    static void receive(Driver driver, Step step) {
        String name = step.text("conn", "");
        Connected connected = driver.connections.get(name);
        int count = (int) step.number("bytes", Integer.MAX_VALUE);
        connected.take(count);
        byte[] taken = connected.kept.take(count);
        if (taken.length > 0) {
            print(name + " received " + Bytes.summary(taken));
        }
        if (!connected.end.isEmpty() && connected.kept.bytes.size() == 0) {
            print(name + " " + connected.end);
        }
    }

    static void exchange(Driver driver, Step step) {
        Connected connected = driver.connections.get(step.text("conn", ""));
        byte[] data = step.repeated("data", "repeat");
        Thread sender = new Thread(() -> connected.send(data, true));
        sender.start();
        receive(driver, step);
        try {
            sender.join();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    static void hangUp(Driver driver, Step step) {
        driver.connections.get(step.text("conn", "")).stream.close();
        print("hung-up " + step.text("conn", ""));
    }
}
