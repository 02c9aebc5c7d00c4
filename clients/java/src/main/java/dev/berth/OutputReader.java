// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.OutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Reference;
import java.util.Objects;

/** One stream of an execution, as it comes. */
final class OutputReader extends InputStream {
    /** What is read: given up if nobody held it. */
    private final Object of;
    private final EventQueue queue;
    private final OutputStream stream;
    private volatile ByteString current = ByteString.EMPTY;

    OutputReader(Object of, EventQueue queue, OutputStream stream) {
        this.of = of;
        this.queue = queue;
        this.stream = stream;
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public synchronized int read(byte[] into, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, into.length);
        if (length == 0) {
            return 0;
        }
        if (current.isEmpty()) {
            ExecuteEvent event;
            try {
                event = queue.next(stream);
            } catch (BerthException error) {
                throw new IOException(error.getMessage(), error);
            } finally {
                Reference.reachabilityFence(of);
            }
            if (event == null) {
                return -1;
            }
            if (event.hasDropped()) {
                throw new IOException(Execution.describe(event.getDropped()));
            }
            current = event.getOutput().getData();
        }
        int count = Math.min(length, current.size());
        current.copyTo(into, 0, offset, count);
        current = current.substring(count);
        return count;
    }

    @Override
    public int available() {
        return current.size();
    }
}
