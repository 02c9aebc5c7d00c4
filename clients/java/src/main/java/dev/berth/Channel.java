// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import dev.berth.BerthException.Code;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** The connection of a client: made at the first call, and again at the next call after it was lost. */
final class Channel {
    static final String SERVICE = "berth.v1.Pool";
    private static final long FIRST_PAUSE = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long LONGEST_PAUSE = TimeUnit.SECONDS.toNanos(1);

    final ClientOptions options;
    private Security security; // of who holds `connecting`
    private final ReentrantLock connecting = new ReentrantLock();
    private final Condition closing = connecting.newCondition();
    private volatile Connection current;
    private volatile boolean closed;

    Channel(ClientOptions options) {
        this.options = new ClientOptions(options);
        security = Security.of(options, System.getenv());
    }

    void close() {
        closed = true;
        Connection open = current;
        if (open != null) {
            open.close();
        }
        connecting.lock(); // one that is being made is let be made, and closed
        try {
            closing.signalAll();
            if (current != null) {
                current.close();
            }
        } finally {
            connecting.unlock();
        }
    }

    /** Calls that have not ended. */
    int openCalls() {
        Connection open = current;
        return open == null ? 0 : open.openCalls();
    }

    /** When a call that may take this long has to be over, in the time of {@link System#nanoTime}. */
    static long deadline(Duration timeout) {
        return System.nanoTime() + Math.min(timeout.toNanos(), Long.MAX_VALUE / 4);
    }

    <R> R call(String method, MessageLite request, Parser<R> parser, Duration timeout) {
        long deadline = timeout == null ? 0 : deadline(timeout);
        Connection connection = connection(timeout == null ? null : deadline);
        long left = timeout == null ? 0 : Math.max(1, deadline - System.nanoTime());
        return await(connection.unary(SERVICE, method, request, left), method, parser, left);
    }

    /** @param left nanoseconds; 0 waits for as long as it takes. */
    static <R> R await(CompletableFuture<ByteString> answer, String method, Parser<R> parser, long left) {
        try {
            return parse(left == 0 ? answer.get() : answer.get(left, TimeUnit.NANOSECONDS), parser);
        } catch (ExecutionException failed) {
            throw ((BerthException) failed.getCause()).again();
        } catch (TimeoutException late) {
            answer.cancel(false);
            throw new BerthException(Code.DEADLINE_EXCEEDED, "no answer to " + method + " in its time");
        } catch (InterruptedException interrupted) {
            answer.cancel(false);
            throw BerthException.interrupted(interrupted);
        }
    }

    static <R> R parse(ByteString payload, Parser<R> parser) {
        try {
            return parser.parseFrom(payload);
        } catch (InvalidProtocolBufferException error) {
            throw Connection.internal("a message that is none: " + error.getMessage());
        }
    }

    /**
     * One that is open.
     *
     * @param deadline of the call that needs it; null has none
     * @throws BerthException UNAVAILABLE when none can be made in time
     */
    Connection connection(Long deadline) {
        Connection open = current;
        if (open != null && open.isOpen()) {
            return open;
        }
        long now = System.nanoTime();
        long giveUp = now + options.connectTimeout.toNanos();
        if (deadline != null && deadline - giveUp < 0) {
            giveUp = deadline;
        }
        try {
            if (!connecting.tryLock(giveUp - now, TimeUnit.NANOSECONDS)) {
                throw unreachable(new IOException("another call is still trying to connect"));
            }
            try {
                return connect(giveUp);
            } finally {
                connecting.unlock();
            }
        } catch (InterruptedException interrupted) {
            throw BerthException.interrupted(interrupted);
        }
    }

    private Connection connect(long giveUp) throws InterruptedException {
        long pause = FIRST_PAUSE;
        IOException last = null;
        while (true) {
            if (closed) {
                throw new BerthException(Code.UNAVAILABLE, "the client was closed");
            }
            if (current != null && current.isOpen()) {
                return current;
            }
            long left = giveUp - System.nanoTime();
            if (left <= 0 && last != null) {
                throw unreachable(last);
            }
            if (current != null) {
                security = Security.of(options, System.getenv()); // the files may have been exchanged
            }
            try {
                int millis = (int) Math.max(1, Math.min(Integer.MAX_VALUE, TimeUnit.NANOSECONDS.toMillis(left)));
                current = new Connection(Transport.connect(options, security, millis), options, security);
            } catch (IOException error) {
                String wrong = security.distrust(error);
                if (wrong != null) { // which does not get better by being tried again
                    throw new BerthException(
                            Code.UNAVAILABLE, "no TLS with the server at " + options.address + ": " + wrong, error);
                }
                last = error;
                // Half to all of it, so that many clients of one server don't come back at once.
                long jittered = pause / 2 + ThreadLocalRandom.current().nextLong(pause / 2);
                closing.awaitNanos(Math.min(jittered, Math.max(1, giveUp - System.nanoTime())));
                pause = Math.min(2 * pause, LONGEST_PAUSE);
            }
        }
    }

    private BerthException unreachable(IOException why) {
        return new BerthException(
                Code.UNAVAILABLE,
                "no Berth server at " + options.address + ": " + why.getMessage()
                        + "; start one with \"berth serve\", or name another with BERTH_SERVER",
                why);
    }
}
