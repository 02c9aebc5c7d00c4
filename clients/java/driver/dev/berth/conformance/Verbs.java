// SPDX-License-Identifier: Apache-2.0

package dev.berth.conformance;

import static dev.berth.conformance.Driver.print;

import dev.berth.AcquireOptions;
import dev.berth.AttachOptions;
import dev.berth.BerthException;
import dev.berth.Command;
import dev.berth.Execution;
import dev.berth.Lease;
import dev.berth.RemoteFile;
import dev.berth.Result;
import dev.berth.Text;
import dev.berth.v1.EndCause;
import dev.berth.v1.Ended;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.FileInfo;
import dev.berth.v1.FileType;
import dev.berth.v1.OutputPolicy;
import dev.berth.v1.PoolStats;
import dev.berth.v1.StartFailure;
import dev.berth.v1.StatsResponse;
import dev.berth.v1.Unwatched;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What each verb of a scenario does. */
final class Verbs {
    interface Verb {
        void perform(Driver driver, Step step) throws IOException;
    }

    private static final Map<String, Verb> ALL = Map.ofEntries(
            Map.entry("connect", Driver::connect),
            Map.entry("close", (driver, step) -> {
                driver.client(step).close();
                print("closed " + step.text("client", ""));
            }),
            Map.entry("hello", (driver, step) -> print(
                    "hello pools=" + String.join(",", driver.client(step).hello().getPoolsList()))),
            Map.entry("acquire", Verbs::acquire),
            Map.entry("token", (driver, step) -> driver.tokens.put(
                    step.text("as", ""), step.text("token", ""))),
            Map.entry("renew", Verbs::renew),
            Map.entry("release", (driver, step) -> {
                driver.lease(step).release();
                print("released " + step.text("lease", ""));
            }),
            Map.entry("stats", (driver, step) -> {
                StringBuilder line = new StringBuilder("stats");
                for (String field : step.texts("field")) {
                    line.append(' ').append(field).append('=').append(field(driver.client(step).stats(), field));
                }
                print(line.toString());
            }),
            Map.entry("await", Verbs::await),
            Map.entry("run", (driver, step) -> {
                if (step.has("context")) {
                    Contexts.run(driver, step);
                } else {
                    run(driver, step);
                }
            }),
            Map.entry("start", (driver, step) -> {
                if (step.has("context")) {
                    String lease = driver.contexts.get(step.text("context", "")).lease();
                    keep(driver, step, Contexts.start(driver, step), lease);
                    print("started " + step.text("as", ""));
                } else {
                    start(driver, step);
                }
            }),
            Map.entry("open-context", Contexts::open),
            Map.entry("close-context", (driver, step) -> {
                driver.context(step).end();
                print("closed-context " + step.text("context", ""));
            }),
            Map.entry("fork-context", Contexts::fork),
            Map.entry("dial", Connections::dial),
            Map.entry("send", Connections::send),
            Map.entry("receive", Connections::receive),
            Map.entry("exchange", Connections::exchange),
            Map.entry("hang-up", Connections::hangUp),
            Map.entry("contexts", Contexts::list),
            Map.entry("complete", Contexts::complete),
            Map.entry("inspect", Contexts::inspect),
            Map.entry("events", Contexts::events),
            Map.entry("read", Verbs::read),
            Map.entry("finish", Verbs::finish),
            Map.entry("text", Verbs::text),
            Map.entry("stat", Verbs::stat),
            Map.entry("make-directory", (driver, step) -> {
                int mode = Integer.parseInt(step.text("mode", "0"), 8);
                driver.lease(step).makeDirectory(step.bytes("path"), mode, step.number("parents", 0) == 1);
                print("made " + Bytes.encode(step.bytes("path")));
            }),
            Map.entry("rename", (driver, step) -> {
                boolean noReplace = step.number("no_replace", 0) == 1;
                driver.lease(step).rename(step.bytes("path"), step.bytes("to"), noReplace);
                print("renamed " + Bytes.encode(step.bytes("path")));
            }),
            Map.entry("change-mode", (driver, step) -> {
                driver.lease(step).changeMode(step.bytes("path"), Integer.parseInt(step.text("mode", "0"), 8));
                print("changed " + Bytes.encode(step.bytes("path")));
            }),
            Map.entry("input", Verbs::input),
            Map.entry("signal", (driver, step) -> {
                String signal = step.text("signal", "");
                if (signal.matches("[0-9]+")) {
                    execution(driver, step).signal(Integer.parseInt(signal));
                } else {
                    execution(driver, step).signal(signal);
                }
                print("signal " + step.text("exec", ""));
            }),
            Map.entry("cancel", (driver, step) -> {
                execution(driver, step).cancel();
                print("cancel " + step.text("exec", ""));
            }),
            Map.entry("resize", (driver, step) -> {
                execution(driver, step).resize((int) step.number("rows", 0), (int) step.number("columns", 0));
                print("resize " + step.text("exec", ""));
            }),
            Map.entry("detach", (driver, step) -> {
                execution(driver, step).close();
                print("detach " + step.text("exec", ""));
            }),
            Map.entry("attach", Verbs::attach),
            Map.entry("executions", (driver, step) -> {
                var all = driver.lease(step).executions();
                long ended = all.stream().filter(info -> info.hasEnded()).count();
                print("executions running=" + (all.size() - ended) + " ended=" + ended);
            }),
            Map.entry("write-file", (driver, step) -> {
                byte[] path = step.bytes("path");
                byte[] data = step.repeated("data", "repeat");
                driver.lease(step).writeFile(
                        path, new ByteArrayInputStream(data), Integer.parseInt(step.text("mode", "0"), 8),
                        step.number("parents", 0) == 1);
                print("wrote " + Bytes.encode(path));
            }),
            Map.entry("read-file", Verbs::readFile),
            Map.entry("list", Verbs::list),
            Map.entry("remove", (driver, step) -> {
                byte[] path = step.bytes("path");
                if (step.number("recursive", 0) == 1) {
                    driver.lease(step).removeTree(path);
                } else {
                    driver.lease(step).remove(path);
                }
                print("removed " + Bytes.encode(path));
            }),
            Map.entry("read-archive", (driver, step) -> {
                try (RemoteFile archive = driver.lease(step).readArchive(step.bytes("path"))) {
                    driver.archives.put(step.text("as", ""), archive.readAllBytes());
                }
                print("archive " + step.text("as", ""));
            }),
            Map.entry("write-archive", (driver, step) -> {
                byte[] archive = driver.archives.get(step.text("archive", ""));
                long files = driver.lease(step).writeArchive(step.bytes("path"), new ByteArrayInputStream(archive));
                print("unpacked files=" + files);
            }),
            Map.entry("world", (driver, step) -> {
                print("@" + step.text("action", ""));
                Driver.IN.readLine();
            }));

    private Verbs() {}

    static Verb find(String verb) {
        return ALL.getOrDefault(verb, (driver, step) -> print("unsupported " + verb));
    }

    private static Execution execution(Driver driver, Step step) {
        return driver.streams.get(step.text("exec", "")).execution;
    }

    private static void acquire(Driver driver, Step step) {
        AcquireOptions options = new AcquireOptions().pool(step.text("pool", ""));
        if (step.has("wait_ms")) {
            options.waitTime(Duration.ofMillis(step.number("wait_ms", 0)));
        }
        if (step.number("detached", 0) == 1) {
            options.detached();
        }
        if (step.has("ttl_ms")) {
            options.leaseTime(Duration.ofMillis(step.number("ttl_ms", 0)));
        }
        Lease lease = driver.client(step).acquire(options);
        driver.kept.add(lease);
        driver.tokens.put(step.text("as", ""), lease.token());
        print("acquired " + step.text("as", ""));
    }

    private static void renew(Driver driver, Step step) {
        Lease lease = driver.lease(step);
        if (step.has("ttl_ms")) {
            lease.renew(Duration.ofMillis(step.number("ttl_ms", 0)));
        } else {
            lease.renew();
        }
        print("renewed " + step.text("lease", ""));
    }

    private static void await(Driver driver, Step step) {
        String field = step.text("field", "");
        long end = System.nanoTime() + step.number("timeout_ms", 5000) * 1_000_000;
        while (true) {
            String value = field(driver.client(step).stats(), field);
            if (value.equals(step.text("value", "")) || System.nanoTime() > end) {
                print("await " + field + "=" + value);
                return;
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private static String field(StatsResponse stats, String name) {
        PoolStats pool = stats.getPools(0);
        if (name.equals("connections")) {
            return Integer.toString(stats.getConnections());
        } else if (name.equals("executions")) {
            return Integer.toString(stats.getExecutions());
        } else if (name.equals("breaker")) {
            return pool.getBreaker().name().toLowerCase(Locale.ROOT);
        }
        var field = PoolStats.getDescriptor().findFieldByName(name);
        return field == null ? "unsupported" : String.valueOf(pool.getField(field));
    }

    // Programs

    private static Command command(Step step) {
        Command command = step.has("shell")
                ? Command.shell(step.text("shell", ""))
                : step.has("code") ? Command.code(step.text("language", ""), step.text("code", ""))
                : Command.ofBytes(argv(step));
        command.pool(step.text("pool", "")).cwd(step.bytes("cwd")).stdin(step.repeated("stdin", "stdin_repeat"));
        for (byte[] variable : step.all("env")) {
            int equals = 0;
            while (variable[equals] != '=') {
                equals++;
            }
            command.env(
                    Arrays.copyOf(variable, equals), Arrays.copyOfRange(variable, equals + 1, variable.length));
        }
        if (step.number("merge_output", 0) == 1) {
            command.mergeOutput();
        }
        Map<String, java.util.function.Function<Duration, Command>> times = Map.of(
                "wait_ms", command::waitTime,
                "timeout_ms", command::timeout,
                "grace_ms", command::grace,
                "idle_timeout_ms", command::idleTimeout,
                "cpu_time_ms", command::cpuTime,
                "deadline_ms", command::deadline);
        times.forEach((key, setter) -> {
            if (step.has(key)) {
                setter.apply(Duration.ofMillis(step.number(key, 0)));
            }
        });
        if (step.has("uid")) {
            command.uid((int) step.number("uid", 0));
        }
        if (step.has("max_output_bytes")) {
            boolean kill = step.text("output_policy", "").equals("kill");
            command.maxOutput(
                    step.number("max_output_bytes", 0),
                    kill ? OutputPolicy.KILL_AT_LIMIT : OutputPolicy.TRUNCATE_OUTPUT);
        }
        if (step.number("keep_background", 0) == 1) {
            command.keepBackground();
        }
        if (step.number("stdin_open", 0) == 1) {
            command.openStdin();
        }
        if (step.has("terminal")) {
            String[] size = step.text("terminal", "").split("x");
            command.terminal(Integer.parseInt(size[0]), Integer.parseInt(size[1]));
        }
        if (step.number("no_echo", 0) == 1) {
            command.noEcho();
        }
        if (step.has("window")) {
            command.window((int) step.number("window", 0));
        }
        if (step.has("resumable_ms")) {
            boolean wait = step.text("unwatched", "").equals("wait");
            command.resumable(
                    Duration.ofMillis(step.number("resumable_ms", 0)), wait ? Unwatched.WAIT : Unwatched.RUN_ON);
        }
        return command;
    }

    private static List<byte[]> argv(Step step) {
        List<byte[]> argv = new ArrayList<>(step.all("argv"));
        if (step.has("argv_repeat")) {
            byte[] word = argv.remove(argv.size() - 1);
            int count = (int) step.number("argv_repeat", 1);
            byte[] all = new byte[word.length * count];
            for (int i = 0; i < count; i++) {
                System.arraycopy(word, 0, all, i * word.length, word.length);
            }
            argv.add(all);
        }
        return argv;
    }

    private static void run(Driver driver, Step step) {
        Command command = command(step);
        Result result = step.has("lease") ? driver.lease(step).run(command) : driver.client(step).run(command);
        if (result.stdout().length > 0) {
            print("stdout " + Bytes.summary(result.stdout()));
        }
        if (result.stderr().length > 0) {
            print("stderr " + Bytes.summary(result.stderr()));
        }
        print("ended " + describe(result.ended()));
    }

    private static void start(Driver driver, Step step) {
        Command command = command(step);
        Execution execution =
                step.has("lease") ? driver.lease(step).execute(command) : driver.client(step).execute(command);
        keep(driver, step, execution, step.has("lease") ? driver.lease(step).token() : "");
        print("started " + step.text("as", ""));
    }

    private static void attach(Driver driver, Step step) {
        AttachOptions options = new AttachOptions()
                .from(step.number("stdout_offset", 0), step.number("stderr_offset", 0));
        if (step.number("from_now", 0) == 1) {
            options.fromNow();
        }
        if (step.number("observe", 0) == 1) {
            options.observe();
        }
        if (step.has("window")) {
            options.window((int) step.number("window", 0));
        }
        Driver.Stream of = driver.streams.get(step.text("exec", ""));
        String lease = of.lease;
        Execution execution = lease.isEmpty()
                ? driver.client(step).attach(of.execution.id(), options)
                : driver.client(step).lease(lease).attach(of.execution.id(), options);
        keep(driver, step, execution, lease);
        print("attached " + step.text("as", ""));
    }

    private static void keep(Driver driver, Step step, Execution execution, String lease) {
        try {
            execution.id(); // waits for its start
        } catch (BerthException error) {
            execution.close();
            throw error;
        }
        driver.streams.put(step.text("as", ""), new Driver.Stream(execution, lease));
    }

    private static void read(Driver driver, Step step) throws IOException {
        Driver.Stream stream = driver.streams.get(step.text("exec", ""));
        String name = step.text("stream", "stdout");
        Driver.Collected wanted = stream.collected[name.equals("stderr") ? 1 : 0];
        int count = (int) step.number("bytes", 0);
        while (wanted.bytes.size() < count) {
            ExecuteEvent event = stream.execution.next();
            if (event == null) {
                break;
            }
            collect(stream, event);
        }
        print(step.text("exec", "") + " " + name + " " + Bytes.summary(wanted.take(count)));
    }

    private static void collect(Driver.Stream stream, ExecuteEvent event) throws IOException {
        if (event.hasOutput()) {
            event.getOutput().getData().writeTo(stream.collected[event.getOutput().getStreamValue()].bytes);
        } else if (event.hasDropped()) {
            stream.collected[event.getDropped().getStreamValue()].dropped += event.getDropped().getBytes();
        }
    }

    private static void finish(Driver driver, Step step) throws IOException {
        String name = step.text("exec", "");
        Driver.Stream stream = driver.streams.get(name);
        BerthException failure = null;
        try {
            for (ExecuteEvent event; (event = stream.execution.next()) != null; ) {
                collect(stream, event);
            }
        } catch (BerthException error) {
            failure = error;
        }
        String[] labels = {"stdout", "stderr", "events"};
        for (int i = 0; i < 2; i++) {
            byte[] left = stream.collected[i].bytes.toByteArray();
            if (left.length > 0) {
                print(name + " " + labels[i] + " " + Bytes.summary(left));
            }
        }
        for (int i = 0; i < 3; i++) {
            if (stream.collected[i].dropped > 0) {
                print(name + " dropped " + labels[i] + "=" + stream.collected[i].dropped);
            }
        }
        if (failure != null) {
            throw failure;
        }
        print(name + " ended " + describe(stream.execution.ended().orElseThrow()));
    }

    private static void text(Driver driver, Step step) {
        String name = step.text("exec", "");
        Execution execution = execution(driver, step);
        StringBuilder[] texts = {new StringBuilder(), new StringBuilder()};
        for (Text piece : execution.texts()) {
            texts[piece.stream().getNumber()].append(piece.text());
        }
        String[] labels = {"stdout", "stderr"};
        for (int i = 0; i < 2; i++) {
            if (texts[i].length() > 0) {
                print(name + " " + labels[i] + " "
                        + Bytes.summary(texts[i].toString().getBytes(StandardCharsets.UTF_8)));
            }
        }
        print(name + " ended " + describe(execution.ended().orElseThrow()));
    }

    private static void input(Driver driver, Step step) throws IOException {
        OutputStream stdin = execution(driver, step).stdin();
        byte[] data = step.repeated("data", "repeat");
        boolean end = step.number("end", 0) == 1;
        stdin.write(data);
        if (end) {
            stdin.close();
        }
        print("input " + step.text("exec", ""));
    }

    static String describe(Ended ended) {
        StringBuilder text = new StringBuilder(ended.getCause().name().toLowerCase(Locale.ROOT));
        if (ended.getCause() == EndCause.EXITED || ended.getExitCode() != 0) {
            text.append(" code=").append(ended.getExitCode());
        }
        if (ended.getSignal() != 0) {
            text.append(" signal=").append(ended.getSignal());
        }
        if (ended.getStartFailure() != StartFailure.START_FAILURE_UNSPECIFIED) {
            text.append(" failure=").append(ended.getStartFailure().name().toLowerCase(Locale.ROOT));
        }
        if (ended.getStdoutTruncated() != 0) {
            text.append(" stdout_truncated=").append(Long.toUnsignedString(ended.getStdoutTruncated()));
        }
        if (ended.getStderrTruncated() != 0) {
            text.append(" stderr_truncated=").append(Long.toUnsignedString(ended.getStderrTruncated()));
        }
        if (ended.getContextLost()) {
            text.append(" context_lost=1");
        }
        return text.toString();
    }

    // Files

    private static void readFile(Driver driver, Step step) throws IOException {
        byte[] path = step.bytes("path");
        try (RemoteFile file =
                driver.lease(step).readFile(path, step.number("offset", 0), step.number("length", 0))) {
            byte[] data = file.readAllBytes();
            print("file " + Bytes.encode(path) + " size=" + file.info().getSize() + " mode=" + mode(file.info()));
            if (data.length > 0) {
                print("data " + Bytes.summary(data));
            }
        }
    }

    private static void list(Driver driver, Step step) {
        var entries = driver.lease(step).list(step.bytes("path"));
        for (FileInfo entry : entries) {
            String size = entry.getType() == FileType.REGULAR ? " size=" + entry.getSize() : "";
            print("entry " + Bytes.encode(name(entry)) + " " + entry.getType().name().toLowerCase(Locale.ROOT)
                    + size + " mode=" + mode(entry));
        }
        print("listed " + entries.size());
    }

    private static byte[] name(FileInfo info) {
        return info.getNameRaw().isEmpty() ? info.getNameBytes().toByteArray() : info.getNameRaw().toByteArray();
    }

    private static void stat(Driver driver, Step step) {
        FileInfo info = driver.lease(step).stat(step.bytes("path"), step.number("follow", 0) == 1);
        String size = info.getType() == FileType.REGULAR ? " size=" + info.getSize() : "";
        String target =
                info.getLinkTarget().isEmpty() ? "" : " target=" + Bytes.encode(info.getLinkTarget().toByteArray());
        print("info " + Bytes.encode(name(info)) + " " + info.getType().name().toLowerCase(Locale.ROOT) + size
                + " mode=" + mode(info) + target);
    }

    private static String mode(FileInfo info) {
        return String.format("%04o", info.getMode());
    }
}
