// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.berth.BerthException.Code;
import dev.berth.v1.AcknowledgeRequest;
import dev.berth.v1.AttachRequest;
import dev.berth.v1.CloseContextRequest;
import dev.berth.v1.CloseContextResponse;
import dev.berth.v1.CompleteRequest;
import dev.berth.v1.CompleteResponse;
import dev.berth.v1.ContextInfo;
import dev.berth.v1.Display;
import dev.berth.v1.Dropped;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.ExecuteRequest;
import dev.berth.v1.Failure;
import dev.berth.v1.ForkContextRequest;
import dev.berth.v1.ForkContextResponse;
import dev.berth.v1.HelloResponse;
import dev.berth.v1.InputRequest;
import dev.berth.v1.InputResponse;
import dev.berth.v1.InspectRequest;
import dev.berth.v1.InspectResponse;
import dev.berth.v1.ListContextsResponse;
import dev.berth.v1.MimeData;
import dev.berth.v1.OpenContextRequest;
import dev.berth.v1.OpenContextResponse;
import dev.berth.v1.OutputStream;
import dev.berth.v1.Prompt;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("a context")
@Timeout(30)
class ContextTest {
    private static Display.Builder display(long position, String text) {
        return Display.newBuilder()
                .setPosition(position)
                .addData(MimeData.newBuilder().setMime("text/plain").setData(ByteString.copyFromUtf8(text)));
    }

    private static ExecuteEvent event(Display.Builder display) {
        return ExecuteEvent.newBuilder().setDisplay(display).build();
    }

    /** Opens any number of contexts, which are {@code c}; the rest is the test's. */
    private static StubServer serve(StubServer.Handler handler) throws IOException {
        return new StubServer((peer, stream, request) -> {
            switch (request.getMethod()) {
                case "OpenContext" -> peer.answer(
                        stream, OpenContextResponse.newBuilder().setContext("c").setVersion("3.11.2").build());
                case "ForkContext" -> peer.answer(
                        stream, ForkContextResponse.newBuilder().setContext("copy").setVersion("3.11.2").build());
                case "CloseContext" -> peer.answer(stream, CloseContextResponse.getDefaultInstance());
                case "Hello" -> peer.answer(stream, HelloResponse.getDefaultInstance());
                default -> handler.handle(peer, stream, request);
            }
        });
    }

    private static String closed(StubServer server) throws Exception {
        return CloseContextRequest.parseFrom(server.take("CloseContext").getPayload()).getContext();
    }

    @Test
    @DisplayName("is opened with what belongs to the interpreter, and closed at the end of its block")
    void opened() throws Exception {
        try (StubServer server = serve((peer, stream, request) -> {}); Client client = new Client(server.options())) {
            Lease lease = client.lease("l");
            ContextOptions options = new ContextOptions("bash").env("A", "b").cwd("/tmp").uid(7);
            options.env(new byte[] {'B'}, new byte[] {-1});
            try (Context context = lease.context(options)) {
                assertEquals("c", context.id());
                assertEquals("bash", context.language());
                assertEquals("3.11.2", context.version());
            }
            OpenContextRequest request = OpenContextRequest.parseFrom(server.take("OpenContext").getPayload());
            assertEquals("l", request.getLease());
            assertEquals("bash", request.getLanguage());
            assertEquals("/tmp", request.getCwd());
            assertEquals("b", request.getEnvOrThrow("A"));
            assertArrayEquals(new byte[] {'B', '=', -1}, request.getEnvRaw(0).toByteArray());
            assertEquals(7, request.getUid());
            assertEquals("c", closed(server));
        }
    }

    @Test
    @DisplayName("is copied into one of its own, which is closed at the end of its block")
    void copied() throws Exception {
        try (StubServer server = serve((peer, stream, request) -> {}); Client client = new Client(server.options());
                Context context = client.lease("l").context("python")) {
            try (Context copy = context.fork()) {
                assertEquals("copy", copy.id());
                assertEquals("python", copy.language());
                assertEquals("3.11.2", copy.version());
            }
            ForkContextRequest request = ForkContextRequest.parseFrom(server.take("ForkContext").getPayload());
            assertEquals("l", request.getLease());
            assertEquals("c", request.getContext());
            assertEquals("copy", closed(server));
        }
    }

    @Test
    @DisplayName("that has ended is closed without an error, and ended with one")
    void ended() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> peer.fail(stream, Code.NOT_FOUND, "it has ended");
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Context context = client.lease("l").existingContext("c");
            context.close();
            assertEquals(Code.NOT_FOUND, assertThrows(BerthException.class, context::end).code());
        }
    }

    @Test
    @DisplayName("whose opening, or copying, is interrupted is closed when it comes all the same")
    void interrupted() throws Exception {
        interrupted("OpenContext", lease -> lease.context("python"));
        interrupted("ForkContext", lease -> lease.existingContext("c").fork());
    }

    private static void interrupted(String method, Function<Lease, Context> opening) throws Exception {
        CompletableFuture<Runnable> answer = new CompletableFuture<>();
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals(method)) {
                answer.complete(() -> {
                    try {
                        // Both answers have the id in the same field.
                        peer.answer(stream, OpenContextResponse.newBuilder().setContext("late").build());
                    } catch (IOException error) {
                        throw new AssertionError(error);
                    }
                });
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Thread opener = new Thread(() ->
                    assertThrows(BerthException.class, () -> opening.apply(client.lease("l"))));
            opener.start();
            Runnable late = answer.get(5, TimeUnit.SECONDS);
            opener.interrupt();
            opener.join();
            late.run();
            assertEquals("late", closed(server));
        }
    }

    @Test
    @DisplayName("that was dropped is closed, unless a piece of code still runs in it")
    void dropped() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Execute")) {
                peer.started(stream, "e", 1);
            }
        };
        AtomicInteger count = new AtomicInteger();
        StubServer.Handler counting = (peer, stream, request) -> {
            if (request.getMethod().equals("OpenContext")) {
                String id = "c" + count.incrementAndGet();
                peer.answer(stream, OpenContextResponse.newBuilder().setContext(id).build());
            } else {
                handler.handle(peer, stream, request);
            }
        };
        try (StubServer server = new StubServer(counting); Client client = new Client(server.options())) {
            Lease lease = client.lease("l");
            Execution execution = lease.context("python").execute("1"); // c1
            execution.id();
            lease.context("python"); // c2: that it is found shows that the collector was there
            assertEquals("c2", collectUntilClosed(server));
            assertEquals("e", execution.id());
            execution = null;
            assertEquals("c1", collectUntilClosed(server));
        }
    }

    private static String collectUntilClosed(StubServer server) throws Exception {
        for (int i = 0; i < 100; i++) {
            System.gc();
            dev.berth.ttrpc.Request request = server.requests.poll(100, TimeUnit.MILLISECONDS);
            if (request != null && request.getMethod().equals("CloseContext")) {
                return CloseContextRequest.parseFrom(request.getPayload()).getContext();
            }
        }
        throw new AssertionError("no context was closed");
    }

    @Test
    @DisplayName("gets its id and the code, and the result has what the piece showed")
    void piece() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.output(stream, OutputStream.STDOUT, 0, "so:\n".getBytes());
            peer.event(stream, event(display(10, "a table").setId("t").setUpdate(true).addData(MimeData.newBuilder()
                    .setMime("text/html")
                    .setData(ByteString.copyFromUtf8("<b>")))));
            peer.event(stream, event(display(20, "42").setResult(true)));
            peer.event(stream, ExecuteEvent.newBuilder()
                    .setFailure(Failure.newBuilder().setPosition(30).setName("ValueError").setMessage("no"))
                    .build());
            peer.exited(stream, 1);
        };
        try (StubServer server = serve(handler); Client client = new Client(server.options())) {
            Context context = client.lease("l").context("python");
            Result result = context.run(Piece.of("x * 7").stdin("in"));
            ExecuteRequest request = ExecuteRequest.parseFrom(server.take("Execute").getPayload());
            assertEquals("l c x * 7 in", String.join(
                    " ", request.getLease(), request.getContext(), request.getCode(), request.getStdin().toStringUtf8()));
            assertEquals("", request.getLanguage());
            assertEquals("so:\n", result.stdoutText());
            assertEquals("42", result.value().orElseThrow());
            Display table = result.displays().get(0);
            assertEquals("t", table.getId());
            assertTrue(table.getUpdate());
            assertEquals("a table", Shown.text(table));
            assertEquals("<b>", Shown.form(table, "text/html").orElseThrow().toStringUtf8());
            assertTrue(Shown.form(table, "image/png").isEmpty());
            assertEquals("ValueError: no", Shown.text(result.failure().orElseThrow()));
            assertFalse(result.ok());
        }
    }

    /** Shows 300 things, with at most 60 on their way, from a position on. */
    private static final class Shower implements StubServer.Handler {
        static final int SHOWN = 300;
        private int stream;
        private long shown;
        private long acknowledged;

        @Override
        public synchronized void handle(StubServer.Peer peer, int of, dev.berth.ttrpc.Request request)
                throws IOException {
            switch (request.getMethod()) {
                case "Execute", "Attach" -> {
                    stream = of;
                    boolean attaches = request.getMethod().equals("Attach");
                    shown = attaches ? AttachRequest.parseFrom(request.getPayload()).getEventsPosition() / 10 : 0;
                    acknowledged = shown;
                    peer.started(stream, "e", 7);
                    peer.output(stream, OutputStream.STDOUT, 0, new byte[] {'a'});
                }
                case "Acknowledge" ->
                    acknowledged = AcknowledgeRequest.parseFrom(request.getPayload()).getEventsPosition() / 10;
                default -> {
                    return;
                }
            }
            while (shown < Math.min(SHOWN, acknowledged + 60)) {
                long position = ++shown * 10;
                ExecuteEvent.Builder event = ExecuteEvent.newBuilder();
                switch ((int) (shown % 3)) {
                    case 0 -> event.setDisplay(display(position, "x"));
                    case 1 -> event.setFailure(Failure.newBuilder().setPosition(position));
                    default -> event.setPrompt(Prompt.newBuilder().setPosition(position));
                }
                peer.event(stream, event.build());
                if (shown == SHOWN) {
                    peer.output(stream, OutputStream.STDOUT, 1, new byte[] {'b'});
                    peer.exited(stream, 0);
                }
            }
        }
    }

    @Test
    @DisplayName("shows as much as it likes: credit comes back for it as for output")
    void credit() throws Exception {
        try (StubServer server = serve(new Shower()); Client client = new Client(server.options())) {
            Result result = client.lease("l").context("python").run("show");
            assertEquals(100, result.displays().size());
            assertEquals("ab", result.stdoutText());
        }
    }

    @Test
    @DisplayName("does not hold up who reads only bytes")
    void bytes() throws Exception {
        List<Function<Execution, String>> ways = List.of(
                execution -> {
                    try {
                        return new String(execution.stdout().readAllBytes());
                    } catch (IOException error) {
                        throw new AssertionError(error);
                    }
                },
                execution -> {
                    StringBuilder all = new StringBuilder();
                    execution.texts().forEach(text -> all.append(text.text()));
                    return all.toString();
                },
                execution -> {
                    try {
                        // The other stream's reader takes nothing of this one.
                        assertEquals(-1, execution.stderr().read());
                    } catch (IOException error) {
                        throw new AssertionError(error);
                    }
                    return execution.collect().stdoutText();
                });
        for (Function<Execution, String> way : ways) {
            try (StubServer server = serve(new Shower()); Client client = new Client(server.options())) {
                Execution execution = client.lease("l").context("python").execute("show");
                assertEquals("ab", way.apply(execution));
                assertEquals(Shower.SHOWN * 10, execution.eventsPosition());
            }
        }
    }

    @Test
    @DisplayName("gives a subscriber its events, as many as it asks for")
    void publisher() throws Exception {
        CompletableFuture<Integer> displays = new CompletableFuture<>();
        try (StubServer server = serve(new Shower()); Client client = new Client(server.options())) {
            Execution execution = client.lease("l").context("python").execute("show");
            execution.publisher(ForkJoinPool.commonPool()).subscribe(new Flow.Subscriber<>() {
                private Flow.Subscription subscription;
                private int count;

                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                    this.subscription = subscription;
                    subscription.request(1);
                }

                @Override
                public void onNext(ExecuteEvent event) {
                    count += event.hasDisplay() ? 1 : 0;
                    subscription.request(1);
                }

                @Override
                public void onError(Throwable error) {
                    displays.completeExceptionally(error);
                }

                @Override
                public void onComplete() {
                    displays.complete(count);
                }
            });
            assertEquals(100, displays.get(10, TimeUnit.SECONDS));
        }
    }

    @Test
    @DisplayName("is attached to after what was shown, and credit counts from there")
    void attach() throws Exception {
        try (StubServer server = serve(new Shower()); Client client = new Client(server.options())) {
            Execution execution = client.lease("l").attach("e", new AttachOptions().eventsFrom(1000));
            assertEquals(1000, execution.eventsPosition());
            assertEquals(67, execution.collect().displays().size());
            assertEquals(1000, AttachRequest.parseFrom(server.take("Attach").getPayload()).getEventsPosition());
        }
    }

    @Test
    @DisplayName("whose events were dropped loses nothing of its output's place or text")
    void droppedEvents() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.output(stream, OutputStream.STDOUT, 0, new byte[] {'a', -61});
            peer.event(stream, ExecuteEvent.newBuilder()
                    .setDropped(Dropped.newBuilder().setStream(OutputStream.EVENTS).setOffset(0).setBytes(1000))
                    .build());
            peer.output(stream, OutputStream.STDOUT, 2, new byte[] {-87});
            peer.exited(stream, 0);
        };
        try (StubServer server = serve(handler); Client client = new Client(server.options())) {
            Execution execution = client.lease("l").attach("e", new AttachOptions());
            StringBuilder all = new StringBuilder();
            execution.texts().forEach(text -> all.append(text.text()));
            assertEquals("aé", all.toString());
            assertEquals(3, execution.stdoutOffset());
            assertEquals(1000, execution.eventsPosition());
        }
    }

    @Test
    @DisplayName("asks, and is answered through standard input")
    void prompt() throws Exception {
        CompletableFuture<Integer> piece = new CompletableFuture<>();
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Execute")) {
                piece.complete(stream);
                peer.started(stream, "e", 1);
                peer.event(stream, ExecuteEvent.newBuilder()
                        .setPrompt(Prompt.newBuilder().setPosition(9).setText("Name: ").setPassword(true))
                        .build());
            } else {
                InputRequest input = InputRequest.parseFrom(request.getPayload());
                long next = input.getOffset() + input.getData().size();
                peer.answer(stream, InputResponse.newBuilder().setOffset(next).build());
                peer.output(piece.join(), OutputStream.STDOUT, 0, input.getData().toByteArray());
                peer.exited(piece.join(), 0);
            }
        };
        try (StubServer server = serve(handler); Client client = new Client(server.options())) {
            Context context = client.lease("l").context("python");
            assertThrows(IllegalArgumentException.class, () -> context.run(Piece.of("input()").openStdin()));
            Execution execution = context.execute(Piece.of("input()").openStdin());
            ExecuteEvent event = execution.next();
            while (!event.hasPrompt()) {
                event = execution.next();
            }
            assertEquals("Name: ", event.getPrompt().getText());
            assertTrue(event.getPrompt().getPassword());
            execution.stdin().write("Ada\n".getBytes());
            assertEquals("Ada\n", execution.collect().stdoutText());
        }
    }

    @Test
    @DisplayName("is listed, completes and inspects; places in code are in bytes, and the end where none is said")
    void places() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Complete" -> peer.answer(
                        stream, CompleteResponse.newBuilder().addMatches("print").setStart(3).setEnd(5).build());
                case "Inspect" -> peer.answer(
                        stream,
                        InspectResponse.newBuilder().setFound(true).addAllData(display(0, "a function").getDataList())
                                .build());
                default -> peer.answer(
                        stream,
                        ListContextsResponse.newBuilder().addContexts(ContextInfo.newBuilder().setPieces(3)).build());
            }
        };
        try (StubServer server = serve(handler); Client client = new Client(server.options())) {
            Lease lease = client.lease("l");
            assertEquals(3, lease.contexts().get(0).getPieces());
            Context context = lease.existingContext("c");
            assertEquals(List.of("print"), context.complete("é;pr").getMatchesList());
            CompleteRequest complete = CompleteRequest.parseFrom(server.take("Complete").getPayload());
            assertEquals(5, complete.getCursor());
            assertEquals("l c", complete.getLease() + " " + complete.getContext());
            assertEquals("a function", Shown.text(context.inspect("print", 2, true)));
            InspectRequest inspect = InspectRequest.parseFrom(server.take("Inspect").getPayload());
            assertEquals(2, inspect.getCursor());
            assertTrue(inspect.getDetail());
        }
    }
}
