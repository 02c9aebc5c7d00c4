// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.Display;
import dev.berth.v1.EndCause;
import dev.berth.v1.Ended;
import dev.berth.v1.Failure;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/**
 * All that a program wrote, and how it ended.
 *
 * @param displays what a piece of code has shown, in order: see {@link Shown}
 * @param failure how a piece of code failed
 */
public record Result(byte[] stdout, byte[] stderr, Ended ended, List<Display> displays, Optional<Failure> failure) {
    /** The value of a piece's last expression, as text; empty where it has none, or it is not shown. */
    public Optional<String> value() {
        return displays.stream().filter(Display::getResult).reduce((first, last) -> last).map(Shown::text);
    }

    /** It ran to its end, with exit code 0. */
    public boolean ok() {
        return ended.getCause() == EndCause.EXITED && ended.getExitCode() == 0;
    }

    public EndCause cause() {
        return ended.getCause();
    }

    /** 0 to 255; means nothing when it did not exit by itself. */
    public int exitCode() {
        return ended.getExitCode();
    }

    public String stdoutText() {
        return new String(stdout, StandardCharsets.UTF_8);
    }

    public String stderrText() {
        return new String(stderr, StandardCharsets.UTF_8);
    }

    @Override
    public String toString() {
        return "Result[" + cause() + ", exit code " + exitCode() + ", signal " + ended.getSignal() + ", "
                + stdout.length + " + " + stderr.length + " bytes" + (ended.getMessage().isEmpty() ? "" : ", ")
                + ended.getMessage() + "]";
    }
}
