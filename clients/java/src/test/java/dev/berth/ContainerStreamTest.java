// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.v1.ConnectRequest;
import dev.berth.v1.DetachRequest;
import dev.berth.v1.DetachResponse;
import dev.berth.v1.EndCause;
import dev.berth.v1.Ended;
import dev.berth.v1.ErrorReason;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.HelloResponse;
import dev.berth.v1.InputRequest;
import dev.berth.v1.InputResponse;
import dev.berth.v1.OutputEnded;
import dev.berth.v1.OutputStream;
import java.io.IOException;
import java.net.SocketException;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("a connection into a container")
@Timeout(30)
class ContainerStreamTest {
    private static void finish(StubServer.Peer peer, int stream, EndCause cause) throws IOException {
        peer.event(stream, ExecuteEvent.newBuilder().setEnded(Ended.newBuilder().setCause(cause)).build());
        peer.frame(stream, 3, 5, new byte[0]);
    }

    /** Echoes what it gets, and ends as the test says when it has got all. */
    private static StubServer echo(EndCause cause) throws IOException {
        AtomicInteger connection = new AtomicInteger();
        return new StubServer((peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Connect" -> {
                    connection.set(stream);
                    peer.started(stream, "e", 7);
                }
                case "Input" -> {
                    InputRequest input = InputRequest.parseFrom(request.getPayload());
                    byte[] data = input.getData().toByteArray();
                    if (data.length > 0) {
                        peer.output(connection.get(), OutputStream.STDOUT, input.getOffset(), data);
                    }
                    if (input.getEnd()) {
                        finish(peer, connection.get(), cause);
                    }
                    peer.answer(
                            stream, InputResponse.newBuilder().setOffset(input.getOffset() + data.length).build());
                }
                case "Detach" -> peer.answer(stream, DetachResponse.getDefaultInstance());
                default -> peer.answer(stream, HelloResponse.getDefaultInstance());
            }
        });
    }

    @Test
    @DisplayName("carries what is written, while another thread reads what comes, to both ends")
    void both() throws Exception {
        byte[] million = new byte[1_000_000];
        Arrays.fill(million, (byte) 7);
        try (StubServer server = echo(EndCause.EXITED); Client client = new Client(server.options());
                ContainerStream stream = client.lease("l").connect(ConnectOptions.port(80).window(65536))) {
            ConnectRequest request = ConnectRequest.parseFrom(server.take("Connect").getPayload());
            assertEquals("l", request.getLease());
            assertEquals(80, request.getPort());
            assertEquals(65536, request.getWindowBytes());
            CompletableFuture<byte[]> all = CompletableFuture.supplyAsync(() -> {
                try {
                    return stream.input().readAllBytes();
                } catch (IOException error) {
                    throw new AssertionError(error);
                }
            });
            stream.output().write(million);
            stream.shutdownOutput();
            assertArrayEquals(million, all.get(10, TimeUnit.SECONDS));
            assertThrows(SocketException.class, () -> stream.output().write(1));
        }
    }

    @Test
    @DisplayName("may be ended by the other side first, which still takes what is written")
    void halfClosed() throws Exception {
        StubServer.Handler handler = (peer, stream, request) -> {
            switch (request.getMethod()) {
                case "Connect" -> {
                    peer.started(stream, "e", 7);
                    peer.output(stream, OutputStream.STDOUT, 0, "all".getBytes());
                    OutputEnded end = OutputEnded.newBuilder().setOffset(3).build();
                    peer.event(stream, ExecuteEvent.newBuilder().setOutputEnded(end).build());
                }
                case "Input" -> {
                    InputRequest input = InputRequest.parseFrom(request.getPayload());
                    long next = input.getOffset() + input.getData().size();
                    peer.answer(stream, InputResponse.newBuilder().setOffset(next).build());
                }
                default -> peer.answer(stream, DetachResponse.getDefaultInstance());
            }
        };
        try (StubServer server = new StubServer(handler); Client client = new Client(server.options())) {
            try (ContainerStream stream = client.lease("l").connect(ConnectOptions.path("/tmp/s"))) {
                assertEquals("all", new String(stream.input().readAllBytes()));
                assertEquals(-1, stream.input().read());
                stream.output().write("thanks".getBytes());
                InputRequest input = InputRequest.parseFrom(server.take("Input").getPayload());
                assertEquals("thanks", input.getData().toStringUtf8());
            }
            assertEquals(7, DetachRequest.parseFrom(server.take("Detach").getPayload()).getWatcher());
        }
    }

    @Test
    @DisplayName("that breaks off is an error of the reader")
    void broken() throws Exception {
        for (EndCause cause : new EndCause[] {EndCause.CONNECTION_RESET, EndCause.CANCELLED, EndCause.IDLE_TIMEOUT}) {
            try (StubServer server = echo(cause); Client client = new Client(server.options());
                    ContainerStream stream = client.lease("l").connect(ConnectOptions.port(80))) {
                stream.output().write('x');
                stream.shutdownOutput();
                assertEquals('x', stream.input().read());
                IOException error = assertThrows(IOException.class, () -> stream.input().read());
                assertEquals(cause == EndCause.CONNECTION_RESET, error instanceof SocketException, error.toString());
            }
        }
    }

    @Test
    @DisplayName("that can't be made is an error of the call, as is one that ends while it waits")
    void refused() throws Exception {
        StubServer.Handler refuse = (peer, stream, request) ->
                peer.fail(stream, Code.FAILED_PRECONDITION, "nobody", "CONNECTION_REFUSED", Map.of());
        try (StubServer server = new StubServer(refuse); Client client = new Client(server.options())) {
            BerthException error = assertThrows(
                    BerthException.class, () -> client.lease("l").connect(ConnectOptions.port(80)));
            assertEquals(ErrorReason.CONNECTION_REFUSED, error.reason());
        }
        StubServer.Handler cancel = (peer, stream, request) -> finish(peer, stream, EndCause.CANCELLED);
        try (StubServer server = new StubServer(cancel); Client client = new Client(server.options())) {
            BerthException error = assertThrows(
                    BerthException.class, () -> client.lease("l").connect(ConnectOptions.port(80)));
            assertEquals(Code.CANCELLED, error.code());
            assertTrue(error.getMessage().contains("cancelled"), error.getMessage());
        }
    }
}
