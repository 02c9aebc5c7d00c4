// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import dev.berth.v1.Ended;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.FileEvent;
import dev.berth.v1.FileInfo;
import dev.berth.v1.OutputStream;
import dev.berth.v1.Started;
import java.io.FilterInputStream;
import java.io.IOException;
import java.lang.ref.Reference;

/**
 * A file of a container, or an archive of a directory, read while it is sent. A read throws {@link IOException} when the
 * call failed. Closed before its end, it is sent no further.
 */
public final class RemoteFile extends FilterInputStream {
    private final EventQueue queue;
    private final Info info;

    private RemoteFile(Lease lease, EventQueue queue, Info info) {
        super(new OutputReader(lease, queue, OutputStream.STDOUT));
        this.queue = queue;
        this.info = info;
    }

    /** Waits for the file to be opened, so that what is wrong with it is told here. */
    static RemoteFile open(Channel channel, Lease lease, String method, MessageLite request) {
        Info info = new Info();
        EventQueue queue = new EventQueue(lease.token(), channel.options.window, null, info);
        queue.start(channel.connection(null), method, request);
        queue.awaitStarted();
        RemoteFile file = new RemoteFile(lease, queue, info);
        Leftovers.watch(file, "a file that is read", queue::abandon);
        return file;
    }

    /** The file's size, mode, time …; of an archive, its default instance. */
    public FileInfo info() {
        return info.value;
    }

    /** Reads what is left, in one piece. */
    @Override
    public byte[] readAllBytes() throws IOException {
        try {
            return in.readAllBytes();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    @Override
    public int read() throws IOException {
        try {
            return in.read();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        try {
            return in.read(into, offset, length);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    @Override
    public void close() {
        queue.abandon();
    }

    /** Files come as programs do, with other names for the same things. */
    private static final class Info implements EventQueue.Decoder {
        private volatile FileInfo value = FileInfo.getDefaultInstance();

        @Override
        public ExecuteEvent decode(ByteString message) throws InvalidProtocolBufferException {
            FileEvent event = Client.decode(message, FileEvent.parser());
            ExecuteEvent.Builder builder = ExecuteEvent.newBuilder();
            switch (event.getEventCase()) {
                case START -> {
                    value = event.getStart().getInfo();
                    builder.setStarted(Started.newBuilder()
                            .setExecution(event.getStart().getExecution())
                            .setWatcher(event.getStart().getWatcher()));
                }
                case OUTPUT -> builder.setOutput(event.getOutput());
                case END -> builder.setEnded(Ended.newBuilder().setStdoutBytes(event.getEnd().getBytes()));
                default -> {}
            }
            return builder.build();
        }
    }
}
