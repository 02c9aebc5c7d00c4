// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import dev.berth.ttrpc.Request;
import dev.berth.ttrpc.Response;
import dev.berth.ttrpc.Status;
import dev.berth.v1.Ended;
import dev.berth.v1.EndCause;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.Output;
import dev.berth.v1.OutputStream;
import dev.berth.v1.Started;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A plain ttrpc server: a test says what it answers. */
final class StubServer implements Closeable {
    interface Handler {
        void handle(Peer peer, int stream, Request request) throws IOException;
    }

    private final ServerSocket listener;
    private final Handler handler;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    final BlockingQueue<Request> requests = new LinkedBlockingQueue<>();

    StubServer(Handler handler) throws IOException {
        this(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()), handler);
    }

    StubServer(ServerSocket listener, Handler handler) {
        this.listener = listener;
        this.handler = handler;
        start(this::accept);
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    int port() {
        return listener.getLocalPort();
    }

    ClientOptions options() {
        return new ClientOptions().address(address());
    }

    /** The next request for this method that came; those for others are passed over. */
    Request take(String method) throws InterruptedException {
        for (Request request; (request = requests.poll(5, TimeUnit.SECONDS)) != null; ) {
            if (request.getMethod().equals(method)) {
                return request;
            }
        }
        throw new AssertionError("no " + method + " came within 5 s");
    }

    void dropConnections() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
        dropConnections();
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work, "stub-server");
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = listener.accept();
                sockets.add(socket);
                start(() -> serve(socket));
            }
        } catch (IOException closed) {
            // The test is over.
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            Peer peer = new Peer(socket);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            while (true) {
                int length = in.readInt();
                int stream = in.readInt();
                in.readShort();
                Request request = Request.parseFrom(in.readNBytes(length));
                requests.add(request);
                handler.handle(peer, stream, request);
            }
        } catch (IOException gone) {
            // The client went, or the test is over.
        } finally {
            sockets.remove(socket);
        }
    }

    /** The client's end of a connection. */
    static final class Peer {
        private final DataOutputStream out;

        Peer(Socket socket) throws IOException {
            out = new DataOutputStream(socket.getOutputStream());
        }

        synchronized void frame(int stream, int type, int flags, byte[] data) throws IOException {
            java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
            DataOutputStream frame = new DataOutputStream(bytes);
            frame.writeInt(data.length);
            frame.writeInt(stream);
            frame.writeByte(type);
            frame.writeByte(flags);
            frame.write(data);
            out.write(bytes.toByteArray());
            out.flush();
        }

        void answer(int stream, MessageLite message) throws IOException {
            frame(stream, 2, 0, Response.newBuilder().setPayload(message.toByteString()).build().toByteArray());
        }

        void fail(int stream, BerthException.Code code, String message) throws IOException {
            Status status = Status.newBuilder().setCode(code.ordinal()).setMessage(message).build();
            frame(stream, 2, 0, Response.newBuilder().setStatus(status).build().toByteArray());
        }

        void fail(int stream, BerthException.Code code, String message, String reason, java.util.Map<String, String> metadata)
                throws IOException {
            ByteString info = dev.berth.ttrpc.ErrorInfo.newBuilder()
                    .setReason(reason)
                    .setDomain("berth.dev")
                    .putAllMetadata(metadata)
                    .build()
                    .toByteString();
            dev.berth.ttrpc.Any.Builder detail = dev.berth.ttrpc.Any.newBuilder().setValue(info);
            Status status = Status.newBuilder()
                    .setCode(code.ordinal())
                    .setMessage(message)
                    .addDetails(detail.setTypeUrl("x/other"))
                    .addDetails(detail.setTypeUrl("type.googleapis.com/google.rpc.ErrorInfo"))
                    .build();
            frame(stream, 2, 0, Response.newBuilder().setStatus(status).build().toByteArray());
        }

        void event(int stream, ExecuteEvent event) throws IOException {
            frame(stream, 3, 0, event.toByteArray());
        }

        void started(int stream, String execution, int watcher) throws IOException {
            event(stream, ExecuteEvent.newBuilder()
                    .setStarted(Started.newBuilder().setExecution(execution).setWatcher(watcher))
                    .build());
        }

        void output(int stream, OutputStream of, long offset, byte[] data) throws IOException {
            event(stream, ExecuteEvent.newBuilder()
                    .setOutput(Output.newBuilder().setStream(of).setOffset(offset).setData(ByteString.copyFrom(data)))
                    .build());
        }

        void exited(int stream, int code) throws IOException {
            event(stream, ExecuteEvent.newBuilder()
                    .setEnded(Ended.newBuilder().setCause(EndCause.EXITED).setExitCode(code))
                    .build());
            frame(stream, 3, 5, new byte[0]);
        }
    }
}
