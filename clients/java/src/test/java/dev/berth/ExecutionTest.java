// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.v1.AcknowledgeRequest;
import dev.berth.v1.AcknowledgeResponse;
import dev.berth.v1.DetachRequest;
import dev.berth.v1.DetachResponse;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.ExecuteRequest;
import dev.berth.v1.HelloResponse;
import dev.berth.v1.InputRequest;
import dev.berth.v1.InputResponse;
import dev.berth.v1.OutputStream;
import dev.berth.v1.SignalRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("an execution")
@Timeout(30)
class ExecutionTest {
    /** Keeps to windows as a Berth server does, and checks that the client does. */
    private static final class Flooder implements StubServer.Handler {
        static final int TOTAL = 8 << 20;
        final AtomicLong mostUnacknowledged = new AtomicLong();
        final Semaphore credit = new Semaphore(0);
        final AtomicLong acknowledged = new AtomicLong();

        @Override
        public void handle(StubServer.Peer peer, int stream, dev.berth.ttrpc.Request request) throws IOException {
            switch (request.getMethod()) {
                case "Hello" -> peer.answer(stream, HelloResponse.newBuilder().setServer("stub/1").build());
                case "Acknowledge" -> {
                    AcknowledgeRequest acknowledge = AcknowledgeRequest.parseFrom(request.getPayload());
                    assertEquals(7, acknowledge.getWatcher());
                    long now = acknowledge.getStdoutOffset();
                    credit.release((int) (now - acknowledged.getAndSet(now)));
                    peer.answer(stream, AcknowledgeResponse.getDefaultInstance());
                }
                case "Execute" -> {
                    int window = (int) ExecuteRequest.parseFrom(request.getPayload()).getWindowBytes();
                    credit.release(window);
                    Thread writer = new Thread(() -> flood(peer, stream));
                    writer.setDaemon(true);
                    writer.start();
                }
                default -> peer.answer(stream, DetachResponse.getDefaultInstance());
            }
        }

        private void flood(StubServer.Peer peer, int stream) {
            try {
                peer.started(stream, "e", 7);
                byte[] piece = new byte[32 << 10];
                for (int sent = 0; sent < TOTAL; sent += piece.length) {
                    credit.acquire(piece.length);
                    peer.output(stream, OutputStream.STDOUT, sent, piece);
                    mostUnacknowledged.accumulateAndGet(sent + piece.length - acknowledged.get(), Math::max);
                }
                peer.exited(stream, 0);
            } catch (IOException | InterruptedException gone) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Test
    @DisplayName("that nobody reads takes its window and no more, blocks no other call, and comes whole when read")
    void slowReader() throws Exception {
        Flooder flooder = new Flooder();
        try (StubServer server = new StubServer(flooder); Client client = new Client(server.options().window(65536))) {
            Execution execution = client.execute(Command.of("yes"));
            for (int i = 0; i < 100; i++) {
                client.hello();
            }
            assertEquals(0, flooder.acknowledged.get(), "nothing was read");
            assertEquals(Flooder.TOTAL, execution.collect().stdout().length);
            assertTrue(flooder.mostUnacknowledged.get() <= 65536, "window, " + flooder.mostUnacknowledged);
            // What was outstanding when the end had come is not given back any more.
            assertTrue(
                    Flooder.TOTAL - flooder.acknowledged.get() <= 65536, "acknowledged " + flooder.acknowledged);
        }
    }

    @Test
    @DisplayName("as a stream, is read to its end and no further")
    void inputStream() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.output(stream, OutputStream.STDERR, 0, "oops".getBytes());
            peer.output(stream, OutputStream.STDOUT, 0, "hello ".getBytes());
            peer.output(stream, OutputStream.STDOUT, 6, "world".getBytes());
            peer.exited(stream, 3);
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            try (Execution execution = client.execute(Command.of("x"))) {
                assertEquals("hello world", new String(execution.stdout().readAllBytes()));
                assertEquals("oops", new String(execution.stderr().readAllBytes()));
                assertEquals(3, execution.waitFor().getExitCode());
                assertEquals(11, execution.stdoutOffset());
            }
        }
    }

    @Test
    @DisplayName("that was attached to tells what was dropped, and where it goes on")
    void dropped() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.event(stream, ExecuteEvent.newBuilder()
                    .setDropped(dev.berth.v1.Dropped.newBuilder().setOffset(0).setBytes(100))
                    .build());
            peer.output(stream, OutputStream.STDOUT, 100, "rest".getBytes());
            peer.exited(stream, 0);
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Execution execution = client.lease("l").attach("e", new AttachOptions());
            IOException loss = assertThrows(IOException.class, () -> execution.stdout().read());
            assertTrue(loss.getMessage().contains("100 bytes of stdout"), loss.getMessage());
            assertEquals("rest", new String(execution.stdout().readAllBytes()));
            assertEquals(104, execution.stdoutOffset());
        }
    }

    @Test
    @DisplayName("closed before its start is detached as soon as it has started; after its start, at once")
    void close() throws Exception {
        CompletableFuture<Runnable> start = new CompletableFuture<>();
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Execute")) {
                start.complete(() -> {
                    try {
                        peer.started(stream, "e", 9);
                    } catch (IOException impossible) {
                        throw new AssertionError(impossible);
                    }
                });
            } else {
                peer.answer(stream, DetachResponse.getDefaultInstance());
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Execution execution = client.lease("l").execute(Command.of("sleep"));
            execution.close();
            assertEquals(Code.CANCELLED, assertThrows(BerthException.class, execution::next).code());
            start.get(5, TimeUnit.SECONDS).run();
            DetachRequest request = DetachRequest.parseFrom(server.take("Detach").getPayload());
            assertEquals("e", request.getExecution());
            assertEquals(9, request.getWatcher());
            assertEquals("l", request.getLease());
        }
    }

    @Test
    @DisplayName("on a server from before Detach is killed when it is closed")
    void olderServer() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Execute")) {
                peer.started(stream, "e", 0);
            } else {
                peer.fail(stream, Code.UNIMPLEMENTED, "no such method");
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Execution execution = client.execute(Command.of("sleep"));
            execution.id();
            execution.close();
            assertEquals(9, SignalRequest.parseFrom(server.take("Signal").getPayload()).getSignal());
        }
    }

    @Test
    @DisplayName("gets its input in pieces with offsets, after what it began with; attached, from where it is")
    void input() throws Exception {
        AtomicLong expected = new AtomicLong(5);
        ByteArrayOutputStream taken = new ByteArrayOutputStream();
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Input")) {
                InputRequest input = InputRequest.parseFrom(request.getPayload());
                if (!input.getData().isEmpty() || input.getEnd()) {
                    assertEquals(expected.get(), input.getOffset());
                }
                assertTrue(input.getData().size() <= 256 << 10);
                input.getData().writeTo(taken);
                long next = expected.addAndGet(input.getData().size());
                peer.answer(stream, InputResponse.newBuilder().setOffset(next).build());
            } else {
                peer.started(stream, "e", 1);
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            byte[] million = new byte[1_000_000];
            new java.util.Random(1).nextBytes(million);
            Execution execution = client.execute(Command.of("cat").stdin("12345").openStdin());
            execution.stdin().write(million);
            Execution attached = client.attach("e", new AttachOptions());
            attached.stdin().write(33);
            attached.stdin().close();
            assertArrayEquals(million, java.util.Arrays.copyOf(taken.toByteArray(), million.length));
            assertEquals(1_000_006, expected.get());
            IOException late = assertThrows(IOException.class, () -> attached.stdin().write(1));
            assertEquals(Code.FAILED_PRECONDITION, ((BerthException) late.getCause()).code());
        }
    }

    @Test
    @DisplayName("that ends without an end event is an error, as is an event that is none")
    void brokenStreams() throws Exception {
        for (byte[] event : new byte[][] {{}, {(byte) 0xff}}) {
            StubServer.Handler handler = (peer, stream, request) -> {
                peer.frame(stream, 3, 0, event);
                peer.frame(stream, 3, 5, new byte[0]);
            };
            try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
                BerthException error = assertThrows(BerthException.class, () -> client.run(Command.of("x")));
                assertEquals(Code.INTERNAL, error.code());
            }
        }
    }

    @Test
    @DisplayName("is published as it is asked for, to one subscriber")
    void publisher() throws Exception {
        Flooder flooder = new Flooder();
        try (StubServer server = new StubServer(flooder); Client client = new Client(server.options())) {
            Execution execution = client.execute(Command.of("yes"));
            Flow.Publisher<ExecuteEvent> publisher = execution.publisher(ForkJoinPool.commonPool());
            Counter counter = new Counter();
            publisher.subscribe(counter);
            counter.subscription.get(5, TimeUnit.SECONDS).request(3);
            for (int i = 0; i < 3; i++) {
                assertTrue(counter.arrived.tryAcquire(5, TimeUnit.SECONDS));
            }
            client.hello();
            assertFalse(counter.arrived.tryAcquire(50, TimeUnit.MILLISECONDS), "only what was asked for");
            counter.subscription.get().request(Long.MAX_VALUE);
            counter.done.get(10, TimeUnit.SECONDS);
            assertEquals(Flooder.TOTAL, counter.bytes);
            assertTrue(counter.last.hasEnded());

            Counter second = new Counter();
            publisher.subscribe(second);
            assertThrows(java.util.concurrent.ExecutionException.class, () -> second.done.get(5, TimeUnit.SECONDS));
            assertNull(execution.next());
        }
    }

    private static final class Counter implements Flow.Subscriber<ExecuteEvent> {
        final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
        final CompletableFuture<Void> done = new CompletableFuture<>();
        final Semaphore arrived = new Semaphore(0);
        long bytes;
        ExecuteEvent last;

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription.complete(subscription);
        }

        @Override
        public void onNext(ExecuteEvent event) {
            bytes += event.getOutput().getData().size();
            last = event;
            arrived.release();
        }

        @Override
        public void onError(Throwable error) {
            done.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            done.complete(null);
        }
    }

    @Test
    @DisplayName("can be walked through as events, in order")
    void events() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.output(stream, OutputStream.STDOUT, 0, "a".getBytes());
            peer.exited(stream, 0);
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            List<ExecuteEvent.EventCase> seen = new ArrayList<>();
            for (ExecuteEvent event : client.execute(Command.of("x"))) {
                seen.add(event.getEventCase());
            }
            assertEquals(
                    List.of(
                            ExecuteEvent.EventCase.STARTED, ExecuteEvent.EventCase.OUTPUT,
                            ExecuteEvent.EventCase.ENDED),
                    seen);
        }
    }
}
