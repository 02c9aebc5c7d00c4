// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.v1.AcquireResponse;
import dev.berth.v1.HelloResponse;
import dev.berth.v1.ReleaseRequest;
import dev.berth.v1.RenewRequest;
import dev.berth.v1.RenewResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("a connection to a plain ttrpc server")
@Timeout(30)
class ConnectionTest {
    private static void hello(StubServer.Peer peer, int stream, dev.berth.ttrpc.Request request) throws IOException {
        if (request.getMethod().equals("Hello")) {
            peer.answer(stream, HelloResponse.newBuilder().setServer("stub/1").build());
        }
    }

    @Test
    @DisplayName("an unary call sends service, method and time-out, and gets its answer")
    void unary() throws Exception {
        try (StubServer server = new StubServer(ConnectionTest::hello); Client client = new Client(server.options())) {
            assertEquals("stub/1", client.hello().getServer());
            var request = server.take("Hello");
            assertEquals("berth.v1.Pool", request.getService());
            long timeout = request.getTimeoutNano();
            assertTrue(timeout > 25_000_000_000L && timeout <= 30_000_000_000L, "time-out " + timeout);
            assertEquals(0, client.openCalls());
        }
    }

    @Test
    @DisplayName("an error has the server's code and words")
    void error() throws Exception {
        try (StubServer server = new StubServer((peer, stream, request) ->
                        peer.fail(stream, Code.RESOURCE_EXHAUSTED, "the line is full"));
                Client client = new Client(server.options())) {
            BerthException error = assertThrows(BerthException.class, client::stats);
            assertEquals(Code.RESOURCE_EXHAUSTED, error.code());
            assertEquals("the line is full", error.getMessage());
        }
    }

    @Test
    @DisplayName("a hundred calls at once get each its own answer, in whatever order they come")
    void concurrent() throws Exception {
        List<Runnable> answers = new ArrayList<>();
        StubServer server = new StubServer((peer, stream, request) -> {
            long n = answers.size();
            answers.add(() -> {
                try {
                    int time = RenewRequest.parseFrom(request.getPayload()).getTtlMs();
                    peer.answer(stream, RenewResponse.newBuilder().setTtlMs(time).build());
                } catch (IOException impossible) {
                    throw new AssertionError(impossible);
                }
            });
            if (n == 99) {
                for (int i = 99; i >= 0; i--) {
                    answers.get(i).run();
                }
            }
        });
        try (server; Client client = new Client(server.options())) {
            List<CompletableFuture<Duration>> calls = new ArrayList<>();
            var threads = java.util.concurrent.Executors.newFixedThreadPool(100);
            Lease lease = client.lease("x");
            for (int i = 0; i < 100; i++) {
                Duration time = Duration.ofMillis(i + 1);
                calls.add(CompletableFuture.supplyAsync(() -> lease.renew(time), threads));
            }
            for (int i = 0; i < 100; i++) {
                assertEquals(i + 1, calls.get(i).join().toMillis());
            }
            threads.shutdown();
        }
    }

    @Test
    @DisplayName("a call that gets no answer ends at its deadline, and leaves nothing behind")
    void deadline() throws Exception {
        try (StubServer server = new StubServer((peer, stream, request) -> {});
                Client client = new Client(server.options().callTimeout(Duration.ofMillis(100)))) {
            assertEquals(Code.DEADLINE_EXCEEDED, assertThrows(BerthException.class, client::hello).code());
            assertEquals(Code.DEADLINE_EXCEEDED, assertThrows(BerthException.class, () -> client.lease("x").list("/"))
                    .code());
            Command command = Command.of("true").deadline(Duration.ofMillis(100));
            assertEquals(
                    Code.DEADLINE_EXCEEDED, assertThrows(BerthException.class, () -> client.run(command)).code());
            assertEquals(0, client.openCalls());
        }
    }

    @Test
    @DisplayName("a lease that comes after its caller gave up is released")
    void lateLease() throws Exception {
        CompletableFuture<Void> late = new CompletableFuture<>();
        StubServer server = new StubServer((peer, stream, request) -> {
            if (request.getMethod().equals("Acquire")) {
                late.thenRun(() -> {
                    try {
                        peer.answer(stream, AcquireResponse.newBuilder().setLease("late").build());
                    } catch (IOException impossible) {
                        throw new AssertionError(impossible);
                    }
                });
            }
        });
        try (server; Client client = new Client(server.options())) {
            CompletableFuture<Code> outcome = new CompletableFuture<>();
            Thread caller = new Thread(() -> {
                try {
                    client.acquire();
                    outcome.complete(Code.OK);
                } catch (BerthException error) {
                    outcome.complete(error.code());
                }
            });
            caller.start();
            server.take("Acquire");
            caller.interrupt();
            assertEquals(Code.CANCELLED, outcome.get(5, TimeUnit.SECONDS));
            late.complete(null);
            assertEquals("late", ReleaseRequest.parseFrom(server.take("Release").getPayload()).getLease());
        }
    }

    @Test
    @DisplayName("when the connection breaks, every open call fails with UNAVAILABLE within a second, no thread stays, "
            + "and the next call connects again")
    void broken() throws Exception {
        StubServer server = new StubServer((peer, stream, request) -> {
            hello(peer, stream, request);
            if (request.getMethod().equals("Execute")) {
                peer.started(stream, "e", 1);
            }
        });
        try (server; Client client = new Client(server.options())) {
            List<CompletableFuture<?>> calls = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                Execution execution = client.execute(Command.of("sleep"));
                execution.id();
                calls.add(CompletableFuture.runAsync(execution::waitFor));
                calls.add(CompletableFuture.supplyAsync(client::acquire));
            }
            for (int i = 0; i < 5; i++) {
                server.take("Acquire");
            }
            long begin = System.nanoTime();
            server.dropConnections();
            for (CompletableFuture<?> call : calls) {
                ExecutionException failed =
                        assertThrows(ExecutionException.class, () -> call.get(1, TimeUnit.SECONDS));
                assertEquals(Code.UNAVAILABLE, ((BerthException) failed.getCause()).code());
            }
            assertTrue(System.nanoTime() - begin < 1_000_000_000L, "within a second");
            assertEquals(0, client.openCalls());
            assertEquals("stub/1", client.hello().getServer());
        }
        awaitNoReaders();
    }

    static void awaitNoReaders() throws InterruptedException {
        for (int i = 0; i < 500; i++) {
            if (Thread.getAllStackTraces().keySet().stream().noneMatch(t -> t.getName().startsWith("berth-reader"))) {
                return;
            }
            Thread.sleep(10);
        }
        throw new AssertionError("a reading thread is left 5 s after its client was closed");
    }

    @Test
    @DisplayName("while no server is there, a call tries for the connect time-out; one that comes meanwhile is found")
    void backoff() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        ClientOptions options = new ClientOptions().address("127.0.0.1:" + port);
        try (Client client = new Client(options.connectTimeout(Duration.ofMillis(300)))) {
            long begin = System.nanoTime();
            BerthException error = assertThrows(BerthException.class, client::hello);
            long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
            assertEquals(Code.UNAVAILABLE, error.code());
            assertTrue(error.getMessage().contains("berth serve"), error.getMessage());
            assertTrue(took >= 290 && took < 2000, "took " + took + " ms");
        }
        try (Client client = new Client(options.connectTimeout(Duration.ofSeconds(20)))) {
            CompletableFuture<HelloResponse> call = CompletableFuture.supplyAsync(client::hello);
            assertThrows(java.util.concurrent.TimeoutException.class, () -> call.get(200, TimeUnit.MILLISECONDS));
            try (StubServer server = new StubServer(
                    new ServerSocket(port, 50, InetAddress.getLoopbackAddress()), ConnectionTest::hello)) {
                assertEquals("stub/1", call.get(5, TimeUnit.SECONDS).getServer());
            }
        }
    }

    @Test
    @DisplayName("a closed client refuses calls")
    void closed() throws Exception {
        try (StubServer server = new StubServer(ConnectionTest::hello)) {
            Client client = new Client(server.options());
            client.hello();
            client.close();
            assertEquals(Code.UNAVAILABLE, assertThrows(BerthException.class, client::hello).code());
        }
    }

    @Test
    @DisplayName("addresses are taken as every client takes them, and refused in words")
    void addresses() {
        assertEquals("127.0.0.1:1", ServerAddress.parse(":1").toString());
        assertEquals("[::1]:7411", ServerAddress.parse("[::1]:7411").toString());
        assertEquals("unix:/run/b", ServerAddress.parse("unix:///run/b").toString());
        for (String wrong : List.of("", "host", "host:", "host:70000", "::1:7411", "unix:")) {
            BerthException error = assertThrows(BerthException.class, () -> ServerAddress.parse(wrong), wrong);
            assertEquals(Code.INVALID_ARGUMENT, error.code());
        }
    }
}
