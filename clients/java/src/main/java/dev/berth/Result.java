// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.EndCause;
import dev.berth.v1.Ended;
import java.nio.charset.StandardCharsets;

/** All that a program wrote, and how it ended. */
public record Result(byte[] stdout, byte[] stderr, Ended ended) {
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
