// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.ttrpc.KeyValue;
import dev.berth.ttrpc.Request;
import dev.berth.v1.HelloResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import javax.net.ssl.SSLServerSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("TLS and tokens, against servers whose certificates are right and wrong")
@Timeout(60)
class SecurityTest {
    @TempDir
    static Path folder;

    @BeforeAll
    static void makeCertificates() throws Exception {
        Process script = new ProcessBuilder("../conformance/certificates.py", folder.toString()).inheritIO().start();
        assertEquals(0, script.waitFor());
    }

    @AfterEach
    void leavesNoReaders() throws Exception {
        ConnectionTest.awaitNoReaders();
    }

    private static Path pem(String name) {
        return folder.resolve(name);
    }

    private static ClientOptions options() {
        return new ClientOptions().address("127.0.0.1:1");
    }

    private static StubServer serve(String certificate, boolean wantsClient) throws IOException {
        ClientOptions files = options()
                .authorities(pem("ca.pem"))
                .certificate(pem(certificate + ".pem"))
                .key(pem(certificate + ".key"));
        SSLServerSocket listener = (SSLServerSocket) Security.of(files, Map.of())
                .context()
                .getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
        listener.setNeedClientAuth(wantsClient);
        return new StubServer(listener, SecurityTest::hello);
    }

    private static void hello(StubServer.Peer peer, int stream, Request request) throws IOException {
        peer.answer(stream, HelloResponse.newBuilder().setServer("stub/1").build());
    }

    private static ClientOptions to(StubServer server) {
        return to("tls://" + server.address());
    }

    private static ClientOptions to(String address) {
        return new ClientOptions().address(address).authorities(pem("ca.pem"));
    }

    private static void hello(ClientOptions options) {
        try (Client client = new Client(options)) {
            assertEquals("stub/1", client.hello().getServer());
        }
    }

    /** Fails at once, in these words. */
    private static void refused(ClientOptions options, String... words) {
        long begin = System.nanoTime();
        if (options.connectTimeout.equals(Duration.ofSeconds(5))) {
            options.connectTimeout(Duration.ofSeconds(60));
        }
        try (Client client = new Client(options)) {
            BerthException error = assertThrows(BerthException.class, client::hello);
            assertEquals(Code.UNAVAILABLE, error.code(), error::getMessage);
            for (String word : words) {
                assertTrue(error.getMessage().contains(word), () -> error.getMessage() + " does not say " + word);
            }
        }
        assertTrue(System.nanoTime() - begin < 20_000_000_000L, "what cannot get better is not tried again");
    }

    private static List<String> tokens(Request request) {
        return request.getMetadataList().stream()
                .filter(pair -> pair.getKey().equals("authorization"))
                .map(KeyValue::getValue)
                .collect(Collectors.toList());
    }

    @Test
    @DisplayName("an address with TLS is one of a host and a port")
    void addresses() {
        assertEquals("tls://[::1]:7411", ServerAddress.parse("tls://[::1]:7411").toString());
        for (String wrong : List.of("tls://", "tls://host", "tls://unix:/x", "tls://tls://host:1", "tls:host:1", "tls://host:1/")) {
            BerthException error = assertThrows(BerthException.class, () -> ServerAddress.parse(wrong), wrong);
            assertTrue(error.getMessage().contains("tls://HOST:PORT"), error::getMessage);
        }
    }

    @Test
    @DisplayName("the environment names the authority, our certificate and our token")
    void environment() throws Exception {
        Map<String, String> named = Map.of(
                "BERTH_TLS_CA", pem("ca.pem").toString(),
                "BERTH_TLS_CERT", pem("client.pem").toString(),
                "BERTH_TLS_KEY", pem("client.key").toString(),
                "BERTH_TOKEN", "of-the-environment");
        try (StubServer server = serve("server", true)) {
            ClientOptions options = new ClientOptions().address("tls://" + server.address());
            Security security = Security.of(options, named);
            assertTrue(security.isNamed());
            assertEquals("Bearer of-the-environment", security.authorization());
            try (Transport transport = Transport.connect(options, security, 5000)) {
                transport.write(Frame.request(
                        1, Frame.UNARY, "s", "Hello", HelloResponse.getDefaultInstance(), 0, security.authorization()));
                assertTrue(transport.read(new byte[100]) > 0);
                assertEquals(List.of("Bearer of-the-environment"), tokens(server.take("Hello")));
            }
        }
    }

    @Test
    @DisplayName("a token comes from the option, else the environment, else a file, and goes with calls and streams")
    void tokens() throws Exception {
        Path file = Files.writeString(folder.resolve("token"), "of-the-file\n");
        Map<String, String> named = new HashMap<>(Map.of("BERTH_TOKEN_FILE", file.toString()));
        assertEquals("Bearer of-the-file", Security.of(options(), named).authorization());
        named.put("BERTH_TOKEN", "of-the-environment");
        assertEquals("Bearer of-the-environment", Security.of(options(), named).authorization());
        assertEquals("Bearer of-the-option", Security.of(options().token("of-the-option"), named).authorization());
        assertEquals(null, Security.of(options().token(""), named).authorization());
        try (StubServer server = new StubServer(SecurityTest::hello);
                Client client = new Client(server.options().token("everywhere"))) {
            client.hello();
            assertEquals(List.of("Bearer everywhere"), tokens(server.take("Hello")));
            client.execute(Command.of("true")).close();
            assertEquals(List.of("Bearer everywhere"), tokens(server.take("Execute")));
        }
    }

    @Test
    @DisplayName("what cannot be used is said before anything is sent")
    void unusable() throws Exception {
        Path old = Files.writeString(folder.resolve("old.key"), "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n");
        ClientOptions[] wrong = {
            options().authorities(pem("nothing.pem")),
            options().authorities(pem("client.key")),
            options().certificate(pem("client.pem")).key(pem("server.key")),
            options().certificate(pem("client.pem")).key(old),
            options().key(pem("client.key")),
            options().token("two\nlines"),
            new ClientOptions().address("10.0.0.1:7411").token("x"),
            new ClientOptions().address("127.example.com:1").token("x"),
        };
        String[] words = {
            "nothing.pem", "no certificate", "do not belong together", "openssl pkcs8", "without its certificate", "token",
            "without TLS", "without TLS",
        };
        for (int i = 0; i < wrong.length; i++) {
            ClientOptions options = wrong[i];
            BerthException error = assertThrows(BerthException.class, () -> new Client(options), words[i]);
            assertEquals(Code.INVALID_ARGUMENT, error.code());
            assertTrue(error.getMessage().contains(words[i]), error::getMessage);
        }
        for (String local : List.of("tls://10.0.0.1:1", "localhost:1", "127.0.0.2:1", "[::1]:1", "unix:/run/berth.sock")) {
            assertNotNull(Security.of(new ClientOptions().address(local).token("x"), Map.of()).authorization());
        }
    }

    @Test
    @DisplayName("a wrong certificate is refused with what is wrong and what would be right")
    void wrongCertificates() throws Exception {
        try (StubServer server = serve("server", false)) {
            hello(to(server));
            hello(to(server).serverName("berth.test"));
            refused(new ClientOptions().address("tls://" + server.address()), "is not trusted", "BERTH_TLS_CA");
        }
        try (StubServer server = serve("self-signed", false)) {
            refused(to(server), "is not trusted");
        }
        try (StubServer server = serve("other", false)) {
            refused(to(server), "not for \"127.0.0.1\"", "serverName()");
            hello(to(server).serverName("other.test"));
        }
        try (StubServer server = serve("expired", false)) {
            refused(to(server), "expired", "clock");
        }
    }

    @Test
    @DisplayName("a server that wants a certificate of ours says so")
    void clientCertificates() throws Exception {
        // What speaks TLS in front of a server reads on after its last words: a server that does not may reset them away.
        for (String version : List.of("1.2", "1.3")) {
            try (StubServer server = new StubServer(SecurityTest::hello)) {
                Process front = new ProcessBuilder(
                                "../conformance/relay.py", server.address(), pem("server.pem").toString(),
                                pem("server.key").toString(), "--client-ca", pem("ca.pem").toString(), "--highest", version)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
                try {
                    String address = "tls://" + front.inputReader().readLine();
                    hello(to(address).certificate(pem("client.pem")).key(pem("client.key")));
                    refused(to(address), "wants a certificate of this client", "BERTH_TLS_CERT");
                    refused(
                            to(address).certificate(pem("self-signed.pem")).key(pem("self-signed.key")),
                            "does not accept this client's certificate");
                } finally {
                    front.getOutputStream().close(); // which ends it
                    assertEquals(0, front.waitFor());
                }
            }
        }
    }

    @Test
    @DisplayName("TLS to a server without, and plain to a server with it, are told apart")
    void toldApart() throws Exception {
        try (ServerSocket plain = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            Thread answers = new Thread(() -> {
                try (Socket socket = plain.accept()) {
                    socket.getInputStream().read();
                    socket.getOutputStream().write(new byte[30]);
                } catch (IOException gone) {
                    // The client says what happened.
                }
            });
            answers.start();
            refused(
                    new ClientOptions().address("tls://127.0.0.1:" + plain.getLocalPort()).authorities(pem("ca.pem")),
                    "does not speak TLS");
            answers.join();
        }
        try (StubServer server = serve("server", false)) {
            refused(server.options(), "it speaks TLS", "tls://");
        }
    }

    @Test
    @DisplayName("the connect time-out counts for the handshake too")
    void handshakeTimeout() throws Exception {
        try (ServerSocket mute = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            refused(
                    new ClientOptions()
                            .address("tls://127.0.0.1:" + mute.getLocalPort())
                            .authorities(pem("ca.pem"))
                            .connectTimeout(Duration.ofMillis(300)),
                    "handshake");
        }
    }

    @Test
    @DisplayName("the next connection is made in the same way, with what the files hold then")
    void reconnects() throws Exception {
        Path authorities = Files.copy(pem("ca.pem"), pem("exchanged.pem"));
        Set<StubServer.Peer> peers = ConcurrentHashMap.newKeySet();
        AtomicInteger withToken = new AtomicInteger();
        ClientOptions files = options()
                .authorities(pem("ca.pem"))
                .certificate(pem("server.pem"))
                .key(pem("server.key"));
        ServerSocket listener = Security.of(files, Map.of())
                .context()
                .getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
        try (StubServer server = new StubServer(listener, (peer, stream, request) -> {
                    peers.add(peer);
                    withToken.addAndGet(tokens(request).equals(List.of("Bearer same")) ? 1 : 0);
                    hello(peer, stream, request);
                });
                Client client = new Client(to(server).authorities(authorities).token("same"))) {
            client.hello();
            server.dropConnections();
            while (true) {
                try {
                    client.hello();
                    break;
                } catch (BerthException lost) {
                    assertEquals(Code.UNAVAILABLE, lost.code());
                }
            }
            assertEquals(2, peers.size());
            assertEquals(2, withToken.get());
            Files.writeString(authorities, "nothing");
            server.dropConnections();
            BerthException error;
            do {
                error = assertThrows(BerthException.class, client::hello);
            } while (error.code() == Code.UNAVAILABLE);
            assertEquals(Code.INVALID_ARGUMENT, error.code());
            assertTrue(error.getMessage().contains("exchanged.pem"), error::getMessage);
        }
    }
}
