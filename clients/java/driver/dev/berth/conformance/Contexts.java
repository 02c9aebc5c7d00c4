// SPDX-License-Identifier: Apache-2.0

package dev.berth.conformance;

import static dev.berth.conformance.Driver.print;

import com.google.protobuf.ByteString;
import dev.berth.BerthException;
import dev.berth.Context;
import dev.berth.ContextOptions;
import dev.berth.Execution;
import dev.berth.Lease;
import dev.berth.Piece;
import dev.berth.Result;
import dev.berth.v1.CompleteResponse;
import dev.berth.v1.Display;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.Failure;
import dev.berth.v1.InspectResponse;
import dev.berth.v1.OutputPolicy;
import dev.berth.v1.OutputStream;
import dev.berth.v1.Prompt;
import dev.berth.v1.Unwatched;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.zip.CRC32;

/** Contexts and pieces of code: what their verbs do, and how what they show is printed. */
final class Contexts {
    private Contexts() {}

    static void open(Driver driver, Step step) {
        ContextOptions options = new ContextOptions(step.text("language", ""));
        for (byte[] variable : step.all("env")) {
            int equals = 0;
            while (variable[equals] != '=') {
                equals++;
            }
            options.env(Arrays.copyOf(variable, equals), Arrays.copyOfRange(variable, equals + 1, variable.length));
        }
        if (step.has("cwd")) {
            options.cwd(step.bytes("cwd"));
        }
        if (step.has("uid")) {
            options.uid((int) step.number("uid", 0));
        }
        Lease lease = driver.lease(step);
        Context context = lease.context(options);
        driver.kept.add(context);
        driver.contexts.put(step.text("as", ""), new Driver.ContextName(lease.token(), context.id()));
        print("opened " + step.text("as", ""));
    }

    static void fork(Driver driver, Step step) {
        Context copy = driver.context(step).fork();
        driver.kept.add(copy);
        String lease = driver.contexts.get(step.text("context", "")).lease();
        driver.contexts.put(step.text("as", ""), new Driver.ContextName(lease, copy.id()));
        print("forked " + step.text("as", ""));
    }

    static void list(Driver driver, Step step) {
        var contexts = driver.lease(step).contexts();
        contexts.forEach(info -> print("context " + info.getLanguage() + " pieces=" + info.getPieces()
                + (info.getExecution().isEmpty() ? " idle" : " running")));
        print("contexts " + contexts.size());
    }

    static void complete(Driver driver, Step step) {
        Context context = driver.context(step);
        String code = step.text("code", "");
        CompleteResponse completion =
                step.has("cursor") ? context.complete(code, step.number("cursor", 0)) : context.complete(code);
        StringBuilder line = new StringBuilder("complete start=" + completion.getStart() + " end=" + completion.getEnd());
        completion.getMatchesList().forEach(match -> line.append(' ').append(Bytes.encode(match)));
        print(line.toString());
    }

    static void inspect(Driver driver, Step step) {
        Context context = driver.context(step);
        String code = step.text("code", "");
        long end = code.getBytes(StandardCharsets.UTF_8).length;
        InspectResponse known =
                context.inspect(code, step.number("cursor", end), step.number("detail", 0) == 1);
        known.getDataList().stream()
                .sorted(Comparator.comparing(form -> form.getMime()))
                .forEach(form -> print(
                        "form " + Bytes.encode(form.getMime()) + " " + Bytes.summary(form.getData().toByteArray())));
        print("inspected " + (known.getFound() ? 1 : 0));
    }

    private static Piece piece(Step step) {
        Piece piece = Piece.of(step.text("code", "")).stdin(step.repeated("stdin", "stdin_repeat"));
        Map<String, Function<Duration, Piece>> times = Map.of(
                "timeout_ms", piece::timeout,
                "grace_ms", piece::grace,
                "idle_timeout_ms", piece::idleTimeout,
                "deadline_ms", piece::deadline);
        times.forEach((key, setter) -> {
            if (step.has(key)) {
                setter.apply(Duration.ofMillis(step.number(key, 0)));
            }
        });
        if (step.has("max_output_bytes")) {
            boolean kill = step.text("output_policy", "").equals("kill");
            piece.maxOutput(
                    step.number("max_output_bytes", 0),
                    kill ? OutputPolicy.KILL_AT_LIMIT : OutputPolicy.TRUNCATE_OUTPUT);
        }
        if (step.number("stdin_open", 0) == 1) {
            piece.openStdin();
        }
        if (step.has("window")) {
            piece.window((int) step.number("window", 0));
        }
        if (step.has("resumable_ms")) {
            boolean wait = step.text("unwatched", "").equals("wait");
            piece.resumable(
                    Duration.ofMillis(step.number("resumable_ms", 0)), wait ? Unwatched.WAIT : Unwatched.RUN_ON);
        }
        return piece;
    }

    static Execution start(Driver driver, Step step) {
        return driver.context(step).execute(piece(step));
    }

    static void run(Driver driver, Step step) {
        Result result = driver.context(step).run(piece(step));
        if (result.stdout().length > 0) {
            print("stdout " + Bytes.summary(result.stdout()));
        }
        if (result.stderr().length > 0) {
            print("stderr " + Bytes.summary(result.stderr()));
        }
        result.displays().forEach(display -> print(show(display)));
        result.failure().ifPresent(failure -> print(show(failure)));
        result.value().ifPresent(value -> print("value " + summary(value)));
        print("ended " + Verbs.describe(result.ended()));
    }

    /** What came of an execution, as lines; neighbouring outputs of a stream are one. */
    private static final class Transcript {
        final String name;
        final List<String> lines = new ArrayList<>();
        private OutputStream stream = OutputStream.STDOUT;
        private ByteString output = ByteString.EMPTY;

        Transcript(String name) {
            this.name = name;
        }

        private void line(String words) {
            endOutput();
            lines.add(name + " " + words);
        }

        void endOutput() {
            if (!output.isEmpty()) {
                lines.add(name + " " + lower(stream) + " " + Bytes.summary(output.toByteArray()));
                output = ByteString.EMPTY;
            }
        }

        /** Whether it counts to {@code shown}. */
        boolean add(ExecuteEvent event) {
            switch (event.getEventCase()) {
                case OUTPUT -> {
                    if (event.getOutput().getStream() != stream) {
                        endOutput();
                        stream = event.getOutput().getStream();
                    }
                    output = output.concat(event.getOutput().getData());
                }
                case DROPPED ->
                    line("dropped " + lower(event.getDropped().getStream()) + "=" + event.getDropped().getBytes());
                case ENDED -> line("ended " + Verbs.describe(event.getEnded()));
                case DISPLAY -> line(show(event.getDisplay()));
                case FAILURE -> line(show(event.getFailure()));
                case PROMPT -> line(show(event.getPrompt()));
                default -> {}
            }
            return event.hasDisplay() || event.hasFailure() || event.hasPrompt();
        }
    }

    static void events(Driver driver, Step step) {
        Transcript transcript = new Transcript(step.text("exec", ""));
        Execution execution = driver.streams.get(transcript.name).execution;
        BerthException error = null;
        try {
            long left = step.number("shown", Long.MAX_VALUE);
            for (ExecuteEvent event; left > 0 && (event = execution.next()) != null; ) {
                left -= transcript.add(event) ? 1 : 0;
            }
        } catch (BerthException failed) {
            error = failed;
        }
        transcript.endOutput();
        if (step.number("digest", 0) == 1) {
            CRC32 crc = new CRC32();
            transcript.lines.forEach(line -> crc.update((line + "\n").getBytes(StandardCharsets.US_ASCII)));
            print(String.format("%s events %d crc32=%08x", transcript.name, transcript.lines.size(), crc.getValue()));
        } else {
            transcript.lines.forEach(Driver::print);
        }
        if (error != null) {
            throw error;
        }
    }

    private static String lower(OutputStream stream) {
        return stream.name().toLowerCase(Locale.ROOT);
    }

    private static String summary(String text) {
        return Bytes.summary(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String show(Display display) {
        StringBuilder line = new StringBuilder("display");
        if (!display.getId().isEmpty()) {
            line.append(" id=").append(summary(display.getId()));
        }
        if (display.getUpdate()) {
            line.append(" update=1");
        }
        if (display.getResult()) {
            line.append(" result=1");
        }
        display.getDataList().stream()
                .sorted(Comparator.comparing(form -> form.getMime()))
                .forEach(form -> line.append(' ')
                        .append(Bytes.encode(form.getMime()))
                        .append('=')
                        .append(Bytes.summary(form.getData().toByteArray())));
        display.getLeftOutList().forEach(form -> line.append(" left-out=")
                .append(Bytes.encode(form.getMime()))
                .append(':')
                .append(form.getBytes()));
        return line.toString();
    }

    private static String show(Failure failure) {
        String line = "failure " + Bytes.encode(failure.getName());
        if (!failure.getMessage().isEmpty()) {
            line += " " + summary(failure.getMessage());
        }
        int count = failure.getTracebackCount();
        return count == 0 ? line : line + " last=" + summary(failure.getTraceback(count - 1));
    }

    private static String show(Prompt prompt) {
        return "prompt " + summary(prompt.getText()) + (prompt.getPassword() ? " password=1" : "");
    }
}
