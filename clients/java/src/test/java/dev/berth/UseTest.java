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
import dev.berth.v1.AcquireResponse;
import dev.berth.v1.Dropped;
import dev.berth.v1.ErrorReason;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.ExecuteRequest;
import dev.berth.v1.FileInfo;
import dev.berth.v1.HelloResponse;
import dev.berth.v1.InputRequest;
import dev.berth.v1.InputResponse;
import dev.berth.v1.OutputStream;
import dev.berth.v1.ReleaseRequest;
import dev.berth.v1.ReleaseResponse;
import dev.berth.v1.RenameFileRequest;
import dev.berth.v1.RenameFileResponse;
import dev.berth.v1.StatResponse;
import dev.berth.v1.Terminal;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("what people of the language try, and the README promises:")
@Timeout(30)
class UseTest {
    private static final byte[] SPLIT = concat("aé€🚢".getBytes(StandardCharsets.UTF_8), new byte[] {-1, 'z', -30, -126});
    private static final String JOINED = "aé€🚢\ufffdz\ufffd";

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    private static void hello(StubServer.Peer peer, int stream) throws IOException {
        peer.answer(stream, HelloResponse.newBuilder().setServer("stub/1").build());
    }

    // Text

    @Test
    @DisplayName("a character that is split between two pieces comes whole, as texts and as a stream")
    void splitCharacters() throws Exception {
        for (int size = 1; size <= 4; size++) {
            int step = size;
            StubServer.Handler handler = (peer, stream, request) -> {
                peer.started(stream, "e", 1);
                for (int at = 0; at < SPLIT.length; at += step) {
                    byte[] piece = Arrays.copyOfRange(SPLIT, at, Math.min(SPLIT.length, at + step));
                    peer.output(stream, OutputStream.STDOUT, at, piece);
                }
                peer.exited(stream, 0);
            };
            try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
                StringBuilder text = new StringBuilder();
                for (Text piece : client.execute(Command.of("x")).texts()) {
                    assertFalse(piece.text().isEmpty());
                    text.append(piece.text());
                }
                assertEquals(JOINED, text.toString(), "in pieces of " + size);
                InputStreamReader reader =
                        new InputStreamReader(client.execute(Command.of("x")).stdout(), StandardCharsets.UTF_8);
                text.setLength(0);
                for (int c; (c = reader.read()) >= 0; ) {
                    text.append((char) c);
                }
                assertEquals(JOINED, text.toString(), "as a stream, in pieces of " + size);
            }
        }
    }

    @Test
    @DisplayName("what is behind a gap is not the rest of a character before it")
    void gaps() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.output(stream, OutputStream.STDOUT, 0, new byte[] {'a', -30, -126});
            peer.event(stream, ExecuteEvent.newBuilder()
                    .setDropped(Dropped.newBuilder().setOffset(3).setBytes(7))
                    .build());
            peer.output(stream, OutputStream.STDOUT, 10, new byte[] {-84, 'b'});
            peer.exited(stream, 0);
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            List<Text> pieces = new ArrayList<>();
            client.attach("e", new AttachOptions()).texts().forEach(pieces::add);
            OutputStream out = OutputStream.STDOUT;
            List<Text> wanted =
                    List.of(new Text(out, "a", 0), new Text(out, "\ufffd", 7), new Text(out, "\ufffdb", 0));
            assertEquals(wanted, pieces);
        }
    }

    // Input

    /** Writes what it reads, and waits for its reader when a window of it was not taken. */
    private static final class Cat implements StubServer.Handler {
        private StubServer.Peer peer;
        private int stream;
        private long window;
        private long taken;
        private long acknowledged;
        private int most;

        @Override
        public void handle(StubServer.Peer peer, int stream, dev.berth.ttrpc.Request request) throws IOException {
            switch (request.getMethod()) {
                case "Execute" -> {
                    ExecuteRequest execute = ExecuteRequest.parseFrom(request.getPayload());
                    this.peer = peer;
                    this.stream = stream;
                    window = execute.getWindowBytes();
                    peer.started(stream, "e", 7);
                    start(() -> write(execute.getStdin()));
                }
                case "Input" -> {
                    InputRequest input = InputRequest.parseFrom(request.getPayload());
                    start(() -> {
                        assertEquals(taken, input.getOffset());
                        most = Math.max(most, input.getData().size());
                        write(input.getData());
                        peer.answer(stream, InputResponse.newBuilder().setOffset(taken).build());
                        if (input.getEnd()) {
                            this.peer.exited(this.stream, 0);
                        }
                    });
                }
                case "Acknowledge" -> {
                    synchronized (this) {
                        acknowledged = AcknowledgeRequest.parseFrom(request.getPayload()).getStdoutOffset();
                        notifyAll();
                    }
                }
                default -> hello(peer, stream);
            }
        }

        private interface Work {
            void run() throws IOException, InterruptedException;
        }

        // One after another: what comes by Input is behind what came with the request.
        private final ExecutorService works = Executors.newSingleThreadExecutor(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        });

        private void start(Work work) {
            works.execute(() -> {
                try {
                    work.run();
                } catch (IOException | InterruptedException gone) {
                    Thread.currentThread().interrupt();
                }
            });
        }

        private synchronized void write(ByteString data) throws IOException, InterruptedException {
            for (int at = 0; at < data.size(); at += 32 << 10) {
                ByteString piece = data.substring(at, Math.min(data.size(), at + (32 << 10)));
                while (taken + piece.size() - acknowledged > window) {
                    wait();
                }
                peer.output(stream, OutputStream.STDOUT, taken, piece.toByteArray());
                taken += piece.size();
            }
        }
    }

    @Test
    @DisplayName("standard input of any length is sent in pieces while the output is read")
    void longInput() throws Exception {
        Cat cat = new Cat();
        byte[] data = new byte[5_000_000];
        new Random(7).nextBytes(data);
        try (StubServer server = new StubServer(cat); Client client = new Client(server.options())) {
            assertArrayEquals(data, client.run(Command.of("cat").stdin(data)).stdout());
            assertTrue(cat.most <= 256 << 10);
        }
    }

    @Test
    @DisplayName("what is written comes behind a long first input")
    void writtenAfterLongInput() throws Exception {
        try (StubServer server = new StubServer(new Cat()); Client client = new Client(server.options())) {
            Execution execution = client.execute(Command.of("wc").stdin(new byte[2_000_000]).openStdin());
            CompletableFuture<Result> result = CompletableFuture.supplyAsync(execution::collect);
            execution.stdin().write("last".getBytes());
            execution.stdin().close();
            byte[] stdout = result.get().stdout();
            assertEquals(2_000_004, stdout.length);
            assertEquals("last", new String(stdout, 2_000_000, 4));
        }
    }

    @Test
    @DisplayName("a program that does not read its long input ends as it does")
    void unreadInput() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Input")) {
                peer.fail(stream, Code.FAILED_PRECONDITION, "the input has ended");
            } else {
                peer.started(stream, "e", 1);
                peer.exited(stream, 3);
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            assertEquals(3, client.run(Command.of("false").stdin(new byte[5_000_000])).exitCode());
        }
    }

    @Test
    @DisplayName("run refuses an input that is kept open, text that is none, and a URL for an address")
    void refused() {
        Client client = new Client("127.0.0.1:1");
        assertThrows(IllegalArgumentException.class, () -> client.run(Command.of("cat").openStdin()));
        assertThrows(IllegalArgumentException.class, () -> Command.of("echo", "\ud800"));
        assertThrows(IllegalArgumentException.class, () -> Command.of());
        assertThrows(IllegalArgumentException.class, () -> client.lease("l").list("\ud800"));
        for (String address : List.of("http://127.0.0.1:7411", "https://berth", "tcp://127.0.0.1:7411/")) {
            BerthException error = assertThrows(BerthException.class, () -> new Client(address));
            assertTrue(error.getMessage().contains("is a URL"), error.getMessage());
        }
    }

    @Test
    @DisplayName("what is not UTF-8 goes as bytes")
    void bytes() throws Exception {
        byte[] odd = {'a', -1};
        StubServer.Handler handler = (peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Execute" -> {
                    peer.started(stream, "e", 1);
                    peer.exited(stream, 0);
                }
                case "RenameFile" -> peer.answer(stream, RenameFileResponse.getDefaultInstance());
                default -> peer.answer(stream, StatResponse.newBuilder()
                        .setInfo(FileInfo.newBuilder().setNameRaw(ByteString.copyFrom(odd)))
                        .build());
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Lease lease = client.lease("l");
            lease.run(Command.ofBytes(List.of("ls".getBytes(), odd)).cwd(odd).env("A".getBytes(), odd).env("B", "b"));
            ExecuteRequest ran = ExecuteRequest.parseFrom(server.take("Execute").getPayload());
            assertEquals(0, ran.getArgvCount());
            assertEquals(ByteString.copyFrom(odd), ran.getArgvRaw(1));
            assertEquals(ByteString.copyFrom(odd), ran.getCwdRaw());
            assertEquals(Map.of("B", "b"), ran.getEnvMap());
            assertEquals(ByteString.copyFromUtf8("A=").concat(ByteString.copyFrom(odd)), ran.getEnvRaw(0));
            lease.rename(odd, "/tmp/a".getBytes(), true);
            RenameFileRequest renamed = RenameFileRequest.parseFrom(server.take("RenameFile").getPayload());
            assertEquals(ByteString.copyFrom(odd), renamed.getFromRaw());
            assertEquals("/tmp/a", renamed.getTo());
            assertEquals(ByteString.copyFrom(odd), lease.stat("/tmp", true).getNameRaw());
        }
    }

    @Test
    @DisplayName("merged output and a terminal without echo are asked for, and only then, in whatever order")
    void mergedAndSilent() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            peer.started(stream, "e", 1);
            peer.exited(stream, 0);
        };
        Terminal plain = Terminal.newBuilder().setRows(24).setColumns(80).build();
        Terminal silent = plain.toBuilder().setNoEcho(true).build();
        Terminal none = Terminal.getDefaultInstance();
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            Map<Command, Map.Entry<Boolean, Terminal>> cases = Map.of(
                    Command.of("x"), Map.entry(false, none),
                    Command.of("x").mergeOutput(), Map.entry(true, none),
                    Command.of("x").terminal(24, 80), Map.entry(false, plain),
                    Command.of("x").terminal(24, 80).noEcho(), Map.entry(false, silent),
                    Command.of("x").noEcho().terminal(24, 80), Map.entry(false, silent));
            for (Map.Entry<Command, Map.Entry<Boolean, Terminal>> each : cases.entrySet()) {
                client.run(each.getKey());
                ExecuteRequest ran = ExecuteRequest.parseFrom(server.take("Execute").getPayload());
                assertEquals(each.getValue().getKey(), ran.getMergeOutput());
                assertEquals(each.getValue().getValue(), ran.getTerminal());
                assertEquals(each.getValue().getValue() != none, ran.hasTerminal());
            }
        }
    }

    // Ends and times

    @Test
    @DisplayName("after the server was killed everything about an execution says UNAVAILABLE")
    void killed() throws Exception {
        try (StubServer server = new StubServer((peer, stream, request) -> peer.started(stream, "e", 1));
                Client client = new Client(server.options())) {
            Execution execution = client.execute(Command.of("sleep"));
            execution.id();
            server.dropConnections();
            List<Runnable> asks =
                    List.of(execution::waitFor, execution::waitFor, execution::collect, execution::next, () ->
                            execution.texts().iterator().hasNext());
            for (Runnable ask : asks) {
                assertEquals(Code.UNAVAILABLE, assertThrows(BerthException.class, ask::run).code());
            }
        }
    }

    @Test
    @DisplayName("a mute server holds nobody for ever")
    void mute() throws Exception {
        List<Consumer<Client>> calls = List.of(client -> client.run(Command.of("sleep")), Client::acquire);
        for (Consumer<Client> call : calls) {
            try (StubServer server = new StubServer((peer, stream, request) -> {});
                    Client client = new Client(server.options().keepalive(Duration.ofMillis(200)))) {
                BerthException error = assertThrows(BerthException.class, () -> call.accept(client));
                assertEquals(Code.UNAVAILABLE, error.code());
                assertTrue(error.getMessage().contains("said nothing for 200 ms"), error.getMessage());
                server.take("Hello");
            }
        }
    }

    @Test
    @DisplayName("a program that is quiet for long is not given up")
    void quiet() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        int[] execution = {0};
        StubServer.Handler handler = (peer, stream, request) -> {
            if (request.getMethod().equals("Execute")) {
                execution[0] = stream;
                peer.started(stream, "e", 1);
                return;
            }
            hello(peer, stream);
            if (asked.incrementAndGet() == 5) {
                peer.exited(execution[0], 0);
            }
        };
        try (StubServer server = new StubServer(handler);
                Client client = new Client(server.options().keepalive(Duration.ofMillis(100)))) {
            assertTrue(client.run(Command.of("sleep")).ok());
        }
    }

    // What was dropped

    private static void collectUntil(java.util.concurrent.Callable<Boolean> isDone) throws Exception {
        for (long end = System.nanoTime() + 10_000_000_000L; !isDone.call(); Thread.sleep(10)) {
            assertTrue(System.nanoTime() < end, "it was not collected");
            System.gc();
        }
    }

    @Test
    @DisplayName("a lease that was dropped is released with a warning, its execution first, and no other one is")
    void dropped() throws Exception {
        List<String> released = Collections.synchronizedList(new ArrayList<>());
        List<String> warnings = Collections.synchronizedList(new ArrayList<>());
        Handler log = new Handler() {
            @Override
            public void publish(LogRecord line) {
                warnings.add(line.getMessage());
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger("dev.berth");
        logger.addHandler(log);
        logger.setUseParentHandlers(false);
        AtomicInteger leases = new AtomicInteger();
        StubServer.Handler handler = (peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Acquire" -> peer.answer(stream, AcquireResponse.newBuilder()
                        .setLease("l" + leases.incrementAndGet())
                        .setMember("m1")
                        .build());
                case "Execute" -> peer.started(stream, "e", 1);
                case "Release" -> {
                    released.add(ReleaseRequest.parseFrom(request.getPayload()).getLease());
                    peer.answer(stream, ReleaseResponse.getDefaultInstance());
                }
                default -> hello(peer, stream);
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            client.acquire(new AcquireOptions().detached()); // l1
            client.acquire().close(); // l2
            client.lease("l0");
            Execution execution = client.acquire().execute(Command.of("sleep")); // l3
            execution.id();
            client.acquire(); // l4: that it is found shows that the collector was there
            collectUntil(() -> released.contains("l4"));
            assertEquals(List.of("l2", "l4"), released, "an execution holds its lease");
            assertEquals(List.of("a lease of m1 was dropped without being closed"), warnings);
            assertEquals("e", execution.id());
            execution = null;
            collectUntil(() -> released.contains("l3"));
            server.take("Detach");
        } finally {
            logger.removeHandler(log);
        }
    }

    // Credit

    @Test
    @DisplayName("credit comes in large pieces and before sixty events are on their way")
    void credit() throws Exception {
        List<Long> acknowledged = Collections.synchronizedList(new ArrayList<>());
        int[] state = {0, 0}; // the stream, and how much was sent
        StubServer.Handler handler = (peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Execute" -> {
                    state[0] = stream;
                    peer.started(stream, "e", 7);
                }
                case "Acknowledge" ->
                    acknowledged.add(AcknowledgeRequest.parseFrom(request.getPayload()).getStdoutOffset());
                default -> {
                    hello(peer, stream);
                    return;
                }
            }
            if (state[1] == 300) {
                return;
            }
            long given = acknowledged.isEmpty() ? 0 : acknowledged.get(acknowledged.size() - 1);
            for (; state[1] < 300 && state[1] - given < 60; state[1]++) {
                peer.output(state[0], OutputStream.STDOUT, state[1], new byte[] {'x'});
            }
            if (state[1] == 300) {
                peer.exited(state[0], 0);
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            assertEquals(300, client.run(Command.of("x")).stdout().length);
            // Of a copy: the server may still be adding to it, and a view of it would be read without its lock.
            List<Long> first = List.copyOf(acknowledged).subList(0, 8);
            assertEquals(List.of(30L, 60L, 90L, 120L, 150L, 180L, 210L, 240L), first);
        }
    }

    // Errors

    @Test
    @DisplayName("errors have a reason where the code is too coarse")
    void reasons() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Stat" -> peer.fail(stream, Code.FAILED_PRECONDITION, "it is one", "IS_A_DIRECTORY", Map.of());
                case "Acquire" ->
                    peer.fail(stream, Code.UNAVAILABLE, "later", "BREAKER_OPEN", Map.of("retry_after_ms", "1500"));
                default -> peer.fail(stream, Code.RESOURCE_EXHAUSTED, "no", "A_REASON_OF_LATER", Map.of());
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            BerthException stat = assertThrows(BerthException.class, () -> client.lease("l").stat("/tmp", false));
            assertEquals(ErrorReason.IS_A_DIRECTORY, stat.reason());
            assertEquals("BerthException: FAILED_PRECONDITION (IS_A_DIRECTORY): it is one", stat.toString());
            BerthException acquire = assertThrows(BerthException.class, client::acquire);
            assertEquals("1500", acquire.metadata().get("retry_after_ms"));
            BerthException hello = assertThrows(BerthException.class, client::hello);
            assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, hello.reason());
            assertEquals(Code.RESOURCE_EXHAUSTED, hello.code());
        }
    }
}
