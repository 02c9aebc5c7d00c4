// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.v1.OutputPolicy;
import dev.berth.v1.Unwatched;
import java.time.Duration;

/**
 * A piece of code for a {@link Context}, and how it is run; what is not set is the server's choice. What belongs to the
 * interpreter (its environment, its directory, its user) is said when the context is opened.
 */
public final class Piece {
    final Command command;

    private Piece(Command command) {
        this.command = command;
    }

    /** At most 1 MiB of code. */
    public static Piece of(String code) {
        return new Piece(Command.piece(code));
    }

    /** The first, and without {@link #openStdin} all, of its standard input. */
    public Piece stdin(byte[] bytes) {
        command.stdin(bytes);
        return this;
    }

    public Piece stdin(String text) {
        command.stdin(text);
        return this;
    }

    /** More input comes, by {@link Execution#stdin}: the answer to a {@code Prompt}, with its line feed. */
    public Piece openStdin() {
        command.openStdin();
        return this;
    }

    /** After this it is interrupted: TIMED_OUT. */
    public Piece timeout(Duration timeout) {
        command.timeout(timeout);
        return this;
    }

    /** Between the interrupt and the end of the whole context, when it is to end and does not. */
    public Piece grace(Duration grace) {
        command.grace(grace);
        return this;
    }

    /** After so long without output it is interrupted: IDLE_TIMEOUT. */
    public Piece idleTimeout(Duration timeout) {
        command.idleTimeout(timeout);
        return this;
    }

    /** CPU time at which it is interrupted: CPU_TIME_LIMIT. */
    public Piece cpuTime(Duration limit) {
        command.cpuTime(limit);
        return this;
    }

    /** Bytes of each of its streams at most, and what is done then. */
    public Piece maxOutput(long bytes, OutputPolicy policy) {
        command.maxOutput(bytes, policy);
        return this;
    }

    /** As {@link ClientOptions#window}, for this piece. */
    public Piece window(int bytes) {
        command.window(bytes);
        return this;
    }

    /** It goes on for so long when nobody watches it, and its end is kept for so long. */
    public Piece resumable(Duration time, Unwatched unwatched) {
        command.resumable(time, unwatched);
        return this;
    }

    /** The time of the whole call; past it, reading fails with DEADLINE_EXCEEDED. */
    public Piece deadline(Duration deadline) {
        command.deadline(deadline);
        return this;
    }
}
