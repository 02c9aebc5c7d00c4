// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.MessageLite;
import dev.berth.ttrpc.KeyValue;
import dev.berth.ttrpc.Request;
import java.io.EOFException;
import java.io.IOException;

/** A frame of ttrpc that came from the server: ten bytes, then data. */
record Frame(int stream, byte type, byte flags, byte[] data) {
    static final int HEADER = 10;
    static final int MAX_DATA = 4 << 20;

    static final byte REQUEST = 1;
    static final byte RESPONSE = 2;
    static final byte DATA = 3;

    static final byte UNARY = 0;
    /** Of a request: one message, and a stream comes back. Of data: it is the last. */
    static final byte REMOTE_CLOSED = 1;
    static final byte NO_DATA = 4;

    /** How the last that a server of TLS says begins. No frame does, for its length would be too much. */
    private static final int TLS_ALERT = 0x1503;

    /**
     * Header and data of a request, to be written at once.
     *
     * @throws BerthException RESOURCE_EXHAUSTED when it is over what a frame may hold
     */
    static byte[] request(
            int stream, byte flags, String service, String method, MessageLite message, long timeoutNanos,
            String authorization) {
        Request.Builder builder = Request.newBuilder()
                .setService(service)
                .setMethod(method)
                .setPayload(payload(message, method))
                .setTimeoutNano(timeoutNanos);
        if (authorization != null) {
            builder.addMetadata(KeyValue.newBuilder().setKey("authorization").setValue(authorization));
        }
        Request request = builder.build();
        int length = request.getSerializedSize();
        checkLength(length, method);
        byte[] frame = new byte[HEADER + length];
        putInt(frame, 0, length);
        putInt(frame, 4, stream);
        frame[8] = REQUEST;
        frame[9] = flags;
        try {
            request.writeTo(CodedOutputStream.newInstance(frame, HEADER, length));
        } catch (IOException impossible) {
            throw new AssertionError(impossible);
        }
        return frame;
    }

    private static ByteString payload(MessageLite message, String method) {
        checkLength(message.getSerializedSize(), method);
        return message.toByteString();
    }

    private static void checkLength(int length, String method) {
        if (length > MAX_DATA || length < 0) {
            throw new BerthException(
                    BerthException.Code.RESOURCE_EXHAUSTED,
                    "a " + method + " request of " + Integer.toUnsignedString(length)
                            + " bytes is over the limit of " + MAX_DATA);
        }
    }

    private static void putInt(byte[] into, int at, int value) {
        into[at] = (byte) (value >>> 24);
        into[at + 1] = (byte) (value >>> 16);
        into[at + 2] = (byte) (value >>> 8);
        into[at + 3] = (byte) value;
    }

    /** Takes frames from a transport, however its bytes come in pieces. */
    static final class Reader {
        /** At least one byte; -1 at the end. */
        interface Source {
            int read(byte[] into) throws IOException;
        }

        private final Source source;
        private final byte[] buffer = new byte[64 << 10];
        private int begin;
        private int end;

        Reader(Source source) {
            this.source = source;
        }

        /**
         * The next frame; null at the end of the stream, between two frames.
         *
         * <p>Data over 4 MiB, which a server never sends, is passed over and is null.
         */
        Frame next() throws IOException {
            if (begin == end && !fill()) {
                return null;
            }
            int length = takeInt();
            if (length >>> 16 == TLS_ALERT) {
                throw new IOException("it speaks TLS: put tls:// before its address");
            }
            int stream = takeInt();
            byte type = take();
            byte flags = take();
            if (length < 0 || length > MAX_DATA) {
                skip(Integer.toUnsignedLong(length));
                return new Frame(stream, type, flags, null);
            }
            byte[] data = new byte[length];
            for (int done = 0; done < length; ) {
                need();
                int count = Math.min(length - done, end - begin);
                System.arraycopy(buffer, begin, data, done, count);
                begin += count;
                done += count;
            }
            return new Frame(stream, type, flags, data);
        }

        private void skip(long left) throws IOException {
            while (left > 0) {
                need();
                int count = (int) Math.min(left, end - begin);
                begin += count;
                left -= count;
            }
        }

        private int takeInt() throws IOException {
            return (take() & 0xff) << 24 | (take() & 0xff) << 16 | (take() & 0xff) << 8 | take() & 0xff;
        }

        private byte take() throws IOException {
            need();
            return buffer[begin++];
        }

        private void need() throws IOException {
            if (begin == end && !fill()) {
                throw new EOFException("in the middle of a frame");
            }
        }

        private boolean fill() throws IOException {
            begin = 0;
            end = Math.max(0, source.read(buffer));
            return end > 0;
        }
    }
}
