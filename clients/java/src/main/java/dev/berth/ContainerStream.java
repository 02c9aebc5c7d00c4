// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.BerthException.Code;
import dev.berth.v1.EndCause;
import dev.berth.v1.Ended;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.SocketException;

/**
 * A byte stream to something that listens in a container. One thread may read while another writes.
 *
 * <p>A read throws {@link SocketException} where the other side broke the connection off, and another {@link IOException}
 * where the lease, a time-out or the server ended it; a write throws {@link SocketException} where the other side takes no more.
 */
public final class ContainerStream implements Closeable {
    private final Execution execution;
    private final InputStream input = new Input();
    private final OutputStream output = new Output();

    private ContainerStream(Execution execution) {
        this.execution = execution;
    }

    /** Waits until it is made. */
    static ContainerStream open(Execution execution) {
        try {
            execution.id();
            return new ContainerStream(execution);
        } catch (BerthException error) {
            execution.close();
            // One that was given up while it waited has an end, and no start.
            Ended ended = execution.ended().orElse(null);
            throw ended == null ? error : new BerthException(code(ended), words(ended));
        }
    }

    private static Code code(Ended ended) {
        return switch (ended.getCause()) {
            case CANCELLED -> Code.CANCELLED;
            case TIMED_OUT, IDLE_TIMEOUT -> Code.DEADLINE_EXCEEDED;
            default -> Code.UNAVAILABLE;
        };
    }

    private static String words(Ended ended) {
        String cause = ended.getCause().name().toLowerCase().replace('_', ' ');
        return "the connection has ended: " + (ended.getMessage().isEmpty() ? cause : ended.getMessage());
    }

    /** What comes from there. */
    public InputStream input() {
        return input;
    }

    /** What goes there; a write returns when the container's kernel has the bytes. Closing it is {@link #shutdownOutput}. */
    public OutputStream output() {
        return output;
    }

    /** Tells the other side that nothing follows; what comes from there still comes. */
    public void shutdownOutput() throws IOException {
        output.close();
    }

    /** Closes it. What was written arrives. */
    @Override
    public void close() {
        execution.close();
    }

    private final class Input extends InputStream {
        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int count = execution.stdout().read(into, offset, length);
            Ended ended = count < 0 ? execution.ended().orElse(null) : null;
            if (ended == null || ended.getCause() == EndCause.EXITED) {
                return count;
            }
            throw ended.getCause() == EndCause.CONNECTION_RESET
                    ? new SocketException("the other side broke the connection off")
                    : new IOException(words(ended));
        }

        @Override
        public int available() throws IOException {
            return execution.stdout().available();
        }

        @Override
        public void close() {
            ContainerStream.this.close();
        }
    }

    private final class Output extends OutputStream {
        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                execution.stdin().write(bytes, offset, length);
            } catch (IOException error) {
                boolean takesNoMore = error.getCause() instanceof BerthException cause
                        && (cause.code() == Code.FAILED_PRECONDITION || cause.code() == Code.NOT_FOUND);
                throw takesNoMore ? (IOException) new SocketException("Broken pipe").initCause(error) : error;
            }
        }

        @Override
        public void close() throws IOException {
            execution.stdin().close();
        }
    }
}
