// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import dev.berth.v1.ExecuteRequest;
import dev.berth.v1.OutputPolicy;
import dev.berth.v1.Terminal;
import dev.berth.v1.Unwatched;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * A program to run, and how. What is not set is the server's choice. Each setter returns the command, so that they
 * chain; it may be run any number of times.
 */
public final class Command {
    final ExecuteRequest.Builder request = ExecuteRequest.newBuilder();
    Duration deadline;

    private Command() {}

    /** The program and its arguments; a program without a slash is looked up in PATH. */
    public static Command of(String... argv) {
        return of(List.of(argv));
    }

    public static Command of(List<String> argv) {
        return ofBytes(argv.stream().map(word -> Words.bytes(word, "a word of argv")).toList());
    }

    /** The same of bytes, for what is not UTF-8. */
    public static Command ofBytes(List<byte[]> argv) {
        if (argv.isEmpty()) {
            throw new IllegalArgumentException("argv is empty: it begins with the program");
        }
        Command command = new Command();
        if (argv.stream().allMatch(Words::isText)) {
            argv.forEach(word -> command.request.addArgv(new String(word, StandardCharsets.UTF_8)));
        } else {
            argv.forEach(word -> command.request.addArgvRaw(ByteString.copyFrom(word)));
        }
        return command;
    }

    /** A line for the container's {@code /bin/sh}. */
    public static Command shell(String line) {
        Command command = new Command();
        command.request.setShell(Words.text(line, "shell"));
        return command;
    }

    /** Source text, less than 128 KiB, in a language that the server knows: {@code "python"}, {@code "sh"} … */
    public static Command code(String language, String source) {
        Command command = new Command();
        command.request.setLanguage(language).setCode(Words.text(source, "code"));
        return command;
    }

    /** A piece of code for a context. */
    static Command piece(String source) {
        return code("", source);
    }

    /** Without a lease: the pool that the container is of. */
    public Command pool(String pool) {
        request.setPool(pool);
        return this;
    }

    /** Without a lease: how long to wait for a container when none is warm. */
    public Command waitTime(Duration wait) {
        request.setWaitMs(millis(wait));
        return this;
    }

    public Command env(String name, String value) {
        return env(Words.bytes(name, "a name in env"), Words.bytes(value, "env " + name));
    }

    /** The same of bytes, for what is not UTF-8. */
    public Command env(byte[] name, byte[] value) {
        Words.putVariable(name, value, request::putEnv, request::addEnvRaw);
        return this;
    }

    public Command env(Map<String, String> env) {
        env.forEach(this::env);
        return this;
    }

    /** The directory it runs in; absolute. */
    public Command cwd(String directory) {
        return cwd(Words.bytes(directory, "cwd"));
    }

    /** The same of bytes, for what is not UTF-8. */
    public Command cwd(byte[] directory) {
        Words.put(directory, request.clearCwdRaw()::setCwd, request.clearCwd()::setCwdRaw);
        return this;
    }

    /** The user id it runs as. */
    public Command uid(int uid) {
        request.setUid(uid);
        return this;
    }

    /**
     * The first, and without {@link #openStdin} all, of its standard input. What is over 1 MiB follows in pieces, as the
     * program reads.
     */
    public Command stdin(byte[] bytes) {
        request.setStdin(ByteString.copyFrom(bytes));
        return this;
    }

    public Command stdin(String text) {
        return stdin(text.getBytes(StandardCharsets.UTF_8));
    }

    /** More input comes, by {@link Execution#stdin}. */
    public Command openStdin() {
        request.setKeepStdinOpen(true);
        return this;
    }

    /** It has a terminal of this size: all it writes is stdout, and its input is what is typed. */
    public Command terminal(int rows, int columns) {
        request.getTerminalBuilder().setRows(rows).setColumns(columns);
        return this;
    }

    /** After this it is ended, with all it started: TIMED_OUT. */
    public Command timeout(Duration timeout) {
        request.setTimeoutMs(millis(timeout));
        return this;
    }

    /** Between TERM and KILL, when it is ended. */
    public Command grace(Duration grace) {
        request.setGraceMs(millis(grace));
        return this;
    }

    /** After so long without output it is ended: IDLE_TIMEOUT. */
    public Command idleTimeout(Duration timeout) {
        request.setIdleTimeoutMs(millis(timeout));
        return this;
    }

    /** CPU time, of all that it started, at which it is ended: CPU_TIME_LIMIT. */
    public Command cpuTime(Duration limit) {
        request.setCpuTimeMs(millis(limit));
        return this;
    }

    /** With {@link #terminal}: what is typed is not echoed. */
    public Command noEcho() {
        request.getTerminalBuilder().setNoEcho(true);
        return this;
    }

    /** stdout and stderr are one pipe, in the order of writing: all is stdout. */
    public Command mergeOutput() {
        request.setMergeOutput(true);
        return this;
    }

    /** What it leaves running goes on until the lease ends. */
    public Command keepBackground() {
        request.setKeepBackground(true);
        return this;
    }

    /** Bytes of each of its streams at most, and what is done then. */
    public Command maxOutput(long bytes, OutputPolicy policy) {
        request.setMaxOutputBytes(bytes).setOutputPolicy(policy);
        return this;
    }

    /** As {@link ClientOptions#window}, for this execution. */
    public Command window(int bytes) {
        request.setWindowBytes(ClientOptions.checkWindow(bytes));
        return this;
    }

    /** It goes on for so long when nobody watches it, and its end is kept for so long. */
    public Command resumable(Duration time, Unwatched unwatched) {
        request.setResumableMs(millis(time)).setUnwatched(unwatched);
        return this;
    }

    /** The time of the whole call; past it, reading fails with DEADLINE_EXCEEDED. */
    public Command deadline(Duration deadline) {
        this.deadline = deadline;
        return this;
    }

    /** Whole milliseconds for the wire, where 0 means "the server's choice": at least 1. */
    static int millis(Duration duration) {
        return (int) Math.max(1, Math.min(0xffff_ffffL, duration.toMillis()));
    }
}
