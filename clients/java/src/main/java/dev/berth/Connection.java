// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import com.google.protobuf.UnsafeByteOperations;
import dev.berth.BerthException.Code;
import dev.berth.ttrpc.Response;
import dev.berth.v1.HelloRequest;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

/**
 * ttrpc on one connection: any number of calls at a time. A caller's thread writes its own request; one daemon thread
 * reads, and hands what came to the calls. When the connection ends, every open call ends with UNAVAILABLE.
 */
final class Connection {
    /** Takes what comes for a call; called by the reading thread, or by who ends the connection. */
    interface Receiver {
        /** A message of a stream; the array is the receiver's. */
        void message(ByteString data);

        /**
         * The last thing that a call gets.
         *
         * @param error null if all went well
         * @param payload the answer of a unary call; of a stream null
         */
        void end(BerthException error, ByteString payload);
    }

    /** Looks after servers that say nothing, of all connections, and after handshakes. */
    static final ScheduledThreadPoolExecutor WATCHER = new ScheduledThreadPoolExecutor(1, task -> {
        Thread thread = new Thread(task, "berth-watcher");
        thread.setDaemon(true);
        return thread;
    });

    static {
        WATCHER.setRemoveOnCancelPolicy(true);
        WATCHER.setKeepAliveTime(1, TimeUnit.SECONDS);
        WATCHER.allowCoreThreadTimeOut(true);
    }

    private static final AtomicInteger COUNT = new AtomicInteger();

    private final Transport transport;
    private final String server;
    private final ClientOptions options;
    private final Security security;
    private final Thread reader;
    private final ScheduledFuture<?> watch;
    private volatile boolean heard = true;
    /** The reader waits for who takes what has come: then nothing more is read. */
    private volatile boolean delivers;
    private boolean asked; // of the watching thread's
    private final ReentrantLock writing = new ReentrantLock();
    private final Map<Integer, Receiver> calls = new ConcurrentHashMap<>();
    private final AtomicInteger lastId = new AtomicInteger(-1);
    private volatile BerthException end;

    Connection(Transport transport, ClientOptions options, Security security) {
        this.transport = transport;
        this.security = security;
        this.server = options.address.toString();
        this.options = options;
        long half = Math.max(1, options.keepalive.toNanos() / 2);
        watch = WATCHER.scheduleWithFixedDelay(this::look, half, half, TimeUnit.NANOSECONDS);
        reader = new Thread(this::read, "berth-reader-" + COUNT.incrementAndGet());
        reader.setDaemon(true);
        reader.start();
    }

    /** Asks a server that says nothing to open calls whether it is there, and gives it up if it is silent on. */
    private void look() {
        boolean silent = !heard && !delivers && !calls.isEmpty();
        heard = false;
        if (silent && asked) {
            String time = options.keepalive.toMillis() + " ms";
            fail(new BerthException(
                    Code.UNAVAILABLE,
                    "the server at " + server + " has said nothing for " + time + ", and did not answer a Hello"));
        } else if (silent) {
            // On a thread of its own: a server that does not read holds up who writes.
            HelloRequest hello = HelloRequest.newBuilder().setClient(options.name).build();
            Thread thread = new Thread(() -> unary(Channel.SERVICE, "Hello", hello, 0), "berth-asks");
            thread.setDaemon(true);
            thread.start();
        }
        asked = silent;
    }

    boolean isOpen() {
        return end == null;
    }

    void close() {
        fail(new BerthException(Code.UNAVAILABLE, "the client was closed"));
    }

    /** A unary call; the future fails with {@link BerthException} only. */
    CompletableFuture<ByteString> unary(String service, String method, MessageLite request, long timeoutNanos) {
        Unary call = new Unary();
        int id = start(Frame.UNARY, service, method, request, timeoutNanos, call);
        // Who gives up on the future has no use for the answer, and the table must not keep it.
        call.answer.whenComplete((payload, error) -> calls.remove(id, call));
        return call.answer;
    }

    /** A call that streams to the receiver. @return its id, for {@link #forget}. */
    int stream(String service, String method, MessageLite request, long timeoutNanos, Receiver receiver) {
        return start(Frame.REMOTE_CLOSED, service, method, request, timeoutNanos, receiver);
    }

    /** What still comes for this call is dropped. */
    void forget(int id) {
        calls.remove(id);
    }

    /** Calls that have not ended. */
    int openCalls() {
        return calls.size();
    }

    private int start(
            byte flags, String service, String method, MessageLite request, long timeoutNanos, Receiver receiver) {
        int id;
        do {
            id = lastId.addAndGet(2);
        } while (calls.putIfAbsent(id, receiver) != null);
        byte[] frame;
        try {
            frame = Frame.request(id, flags, service, method, request, timeoutNanos, security.authorization());
        } catch (BerthException tooLarge) {
            calls.remove(id);
            throw tooLarge;
        }
        writing.lock();
        try {
            transport.write(frame);
        } catch (IOException error) {
            hearLastWords();
            fail(lost(error));
        } finally {
            writing.unlock();
        }
        // Whoever ended the connection before this call was in the table has not ended it.
        BerthException end = this.end;
        if (end != null && calls.remove(id, receiver)) {
            receiver.end(end, null);
        }
        return id;
    }

    private void read() {
        BerthException why;
        try {
            Frame.Reader reader = new Frame.Reader(into -> {
                int count = transport.read(into);
                heard = true;
                return count;
            });
            for (Frame frame; (frame = reader.next()) != null; ) {
                delivers = true;
                deliver(frame);
                delivers = false;
            }
            why = new BerthException(Code.UNAVAILABLE, "the server at " + server + " closed the connection");
        } catch (IOException error) {
            why = lost(error);
        } catch (RuntimeException | Error bug) {
            fail(new BerthException(Code.INTERNAL, "the client failed: " + bug, bug));
            throw bug;
        }
        fail(why);
    }

    private void deliver(Frame frame) {
        Receiver receiver = calls.get(frame.stream());
        if (receiver == null) {
            return; // of a call that was given up
        }
        if (frame.data() == null) {
            finish(frame.stream(), receiver, internal("a frame over 4 MiB"), null);
        } else if (frame.type() == Frame.RESPONSE) {
            respond(frame, receiver);
        } else if (frame.type() == Frame.DATA && receiver instanceof Unary) {
            finish(frame.stream(), receiver, internal("a stream where one answer is due"), null);
        } else if (frame.type() == Frame.DATA) {
            if ((frame.flags() & Frame.NO_DATA) == 0) {
                receiver.message(UnsafeByteOperations.unsafeWrap(frame.data()));
            }
            if ((frame.flags() & Frame.REMOTE_CLOSED) != 0) {
                finish(frame.stream(), receiver, null, null);
            }
        }
    }

    private void respond(Frame frame, Receiver receiver) {
        Response response;
        try {
            response = Response.parseFrom(frame.data());
        } catch (InvalidProtocolBufferException error) {
            finish(frame.stream(), receiver, internal("a response that is none: " + error.getMessage()), null);
            return;
        }
        BerthException error = response.getStatus().getCode() == 0 ? null : BerthException.of(response.getStatus());
        finish(frame.stream(), receiver, error, response.getPayload());
    }

    private void finish(int id, Receiver receiver, BerthException error, ByteString payload) {
        if (calls.remove(id, receiver)) {
            receiver.end(error, payload);
        }
    }

    private void fail(BerthException why) {
        synchronized (this) {
            if (end == null) {
                end = why;
            }
        }
        transport.close();
        watch.cancel(false);
        calls.forEach((id, receiver) -> finish(id, receiver, end, null));
    }

    /** A server that refuses this client's certificate has said so before it closed: the reader may find it. */
    private void hearLastWords() {
        if (security.context() == null || Thread.currentThread() == reader) {
            return;
        }
        try {
            reader.join(100);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private BerthException lost(IOException error) {
        String wrong = security.distrust(error);
        return new BerthException(
                Code.UNAVAILABLE,
                "the connection to the server at " + server + " was lost: " + (wrong == null ? error.getMessage() : wrong),
                error);
    }

    static BerthException internal(String what) {
        return new BerthException(Code.INTERNAL, "the server sent " + what);
    }

    private static final class Unary implements Receiver {
        final CompletableFuture<ByteString> answer = new CompletableFuture<>();

        @Override
        public void message(ByteString data) {}

        @Override
        public void end(BerthException error, ByteString payload) {
            if (error != null) {
                answer.completeExceptionally(error);
            } else {
                answer.complete(payload);
            }
        }
    }
}
