// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.berth.BerthException.Code;
import dev.berth.v1.InputRequest;
import dev.berth.v1.InputResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The standard input of an execution. */
final class StdinStream extends OutputStream {
    static final int CHUNK = 256 << 10;
    /** Of an execution that somebody else started: how much input it had is asked first. */
    static final long UNKNOWN = -1;

    private final Execution execution;
    private final Channel channel;
    private long offset;
    private boolean closed;
    private volatile CompletableFuture<Void> fed = CompletableFuture.completedFuture(null);

    StdinStream(Execution execution, Channel channel, long offset) {
        this.execution = execution;
        this.channel = channel;
        this.offset = offset;
    }

    /** What did not go with the request; what is written comes behind it. The program may end without reading it. */
    void feed(ByteString rest, boolean end) {
        fed = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                for (int done = 0; done < rest.size(); ) {
                    int count = Math.min(CHUNK, rest.size() - done);
                    send(rest.substring(done, done + count), end && done + count == rest.size());
                    done += count;
                }
            } catch (BerthException over) {
                // Who writes on is told the same; the end of the program tells the rest.
            } finally {
                fed.complete(null);
            }
        }, "berth-input");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int from, int length) throws IOException {
        fed.join();
        put(bytes, from, length);
    }

    private synchronized void put(byte[] bytes, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, bytes.length);
        if (closed) {
            throw failure(new BerthException(Code.FAILED_PRECONDITION, "the input was closed"));
        }
        try {
            for (int done = 0; done < length; ) {
                int count = Math.min(CHUNK, length - done);
                // Safe: the caller waits, and has its array back when the request was written.
                send(UnsafeByteOperations.unsafeWrap(bytes, from + done, count), false);
                done += count;
            }
        } catch (BerthException error) {
            throw failure(error);
        }
    }

    /** End of file. That the program does not want it any more is no error. */
    @Override
    public void close() throws IOException {
        fed.join();
        end();
    }

    private synchronized void end() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try {
            send(ByteString.EMPTY, true);
        } catch (BerthException error) {
            if (error.code() != Code.NOT_FOUND && error.code() != Code.FAILED_PRECONDITION) {
                throw failure(error);
            }
        }
    }

    private void send(ByteString data, boolean end) {
        if (offset == UNKNOWN) {
            offset = call(0, ByteString.EMPTY, false);
        }
        offset = call(offset, data, end);
    }

    private static IOException failure(BerthException error) {
        return new IOException(error.getMessage(), error);
    }

    private long call(long offset, ByteString data, boolean end) {
        InputRequest request = InputRequest.newBuilder()
                .setLease(execution.lease)
                .setExecution(execution.id())
                .setOffset(offset)
                .setData(data)
                .setEnd(end)
                .build();
        return channel.call("Input", request, InputResponse.parser(), null).getOffset();
    }
}
