// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.v1.HelloResponse;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("other ways to a server")
@Timeout(30)
class TransportTest {
    private static final char[] PASSWORD = "changeit".toCharArray();

    @Test
    @DisplayName("TLS: the certificate must be trusted and for the host, unless that is switched off")
    void tls(@TempDir Path directory) throws Exception {
        Path store = directory.resolve("keys.p12");
        Process keytool = new ProcessBuilder(
                        "keytool", "-genkeypair", "-alias", "stub", "-keyalg", "EC", "-dname", "CN=stub.example",
                        "-ext", "SAN=dns:stub.example", "-storetype", "PKCS12", "-keystore", store.toString(),
                        "-storepass", new String(PASSWORD))
                .inheritIO()
                .start();
        assertEquals(0, keytool.waitFor());
        SSLContext context = context(store);
        ServerSocket listener =
                context.getServerSocketFactory().createServerSocket(0, 50, InetAddress.getLoopbackAddress());
        try (StubServer server = new StubServer(listener, (peer, stream, request) ->
                peer.answer(stream, HelloResponse.newBuilder().setServer("stub/1").build()))) {
            ClientOptions trusting = server.options().tls(context).verifyHost(false);
            try (Client client = new Client(trusting)) {
                assertEquals("stub/1", client.hello().getServer());
            }
            ClientOptions strict = server.options().tls(context).connectTimeout(Duration.ofMillis(300));
            try (Client client = new Client(strict)) {
                assertEquals(Code.UNAVAILABLE, assertThrows(BerthException.class, client::hello).code());
            }
            ClientOptions untrusting = server.options()
                    .tls(SSLContext.getDefault())
                    .verifyHost(false)
                    .connectTimeout(Duration.ofMillis(300));
            try (Client client = new Client(untrusting)) {
                assertEquals(Code.UNAVAILABLE, assertThrows(BerthException.class, client::hello).code());
            }
        }
        ConnectionTest.awaitNoReaders();
    }

    private static SSLContext context(Path store) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(store)) {
            keys.load(in, PASSWORD);
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys, PASSWORD);
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null, null);
        trust.setCertificateEntry("stub", keys.getCertificate("stub"));
        TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trusted.init(trust);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), trusted.getTrustManagers(), null);
        return context;
    }

    @Test
    @DisplayName("a unix socket: reads and writes go on at the same time, and an interrupt does not break them")
    void unix(@TempDir Path directory) throws Exception {
        Path path = directory.resolve("s");
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(path));
            ClientOptions options = new ClientOptions().address("unix:" + path);
            try (Transport transport = Transport.connect(options, Security.NONE, 1000); SocketChannel peer = listener.accept()) {
                CompletableFuture<Integer> read = CompletableFuture.supplyAsync(() -> {
                    try {
                        return transport.read(new byte[10]);
                    } catch (IOException error) {
                        return -2;
                    }
                });
                byte[] much = new byte[4 << 20];
                CompletableFuture<Boolean> written = new CompletableFuture<>();
                Thread writer = new Thread(() -> {
                    try {
                        transport.write(much);
                        written.complete(Thread.interrupted());
                    } catch (IOException error) {
                        written.completeExceptionally(error);
                    }
                });
                writer.start();
                ByteBuffer sink = ByteBuffer.allocate(1 << 16);
                long total = peer.read(sink.clear());
                writer.interrupt();
                while (total < much.length) {
                    total += peer.read(sink.clear());
                }
                assertTrue(written.get(5, TimeUnit.SECONDS), "the interrupt is kept for its thread");
                peer.write(ByteBuffer.wrap(new byte[] {1, 2, 3}));
                assertEquals(3, read.get(5, TimeUnit.SECONDS));
            }
        }
    }
}
