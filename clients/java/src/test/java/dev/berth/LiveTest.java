// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.berth.BerthException.Code;
import dev.berth.v1.ContextInfo;
import dev.berth.v1.Display;
import dev.berth.v1.EndCause;
import dev.berth.v1.ErrorReason;
import dev.berth.v1.Unwatched;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the scenarios of proto/vectors do not show: the API, the samples and the README against a real server. */
@DisplayName("a live server on runc")
@Timeout(60)
class LiveTest {
    private static Process server;
    private static Path state;
    private static String address;

    @BeforeAll
    static void serve() throws Exception {
        String berth = System.getenv("BERTH");
        assertTrue(berth != null && new File(berth).canExecute(), "BERTH must name the berth binary, not " + berth);
        state = Files.createTempDirectory("berth-java");
        server = new ProcessBuilder(
                        berth, "serve", "--runtime", "runc", "--image", "host", "--listen", "127.0.0.1:0",
                        "--instance", "java-" + ProcessHandle.current().pid(), "--state-dir", state.toString(),
                        "--size", "2")
                .redirectError(new File("target/berth-serve.log"))
                .start();
        String line = new BufferedReader(new InputStreamReader(server.getInputStream())).readLine();
        assertTrue(line != null && line.contains("listening on "), "the server said: " + line);
        address = line.substring(line.lastIndexOf(' ') + 1);
    }

    @AfterAll
    static void stop() throws Exception {
        if (server != null) {
            server.destroy();
            if (!server.waitFor(20, TimeUnit.SECONDS)) {
                server.destroyForcibly().waitFor();
            }
        }
        delete(state.toFile());
    }

    /** Deletes what is there: the server's janitor may be deleting at the same time. */
    private static void delete(File file) {
        File[] inside = file.listFiles();
        if (inside != null) {
            for (File one : inside) {
                delete(one);
            }
        }
        file.delete();
    }

    private static String java(String main, String... arguments) throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java", "-cp", System.getProperty("java.class.path"), main));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("BERTH_SERVER", address);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        return output;
    }

    @Test
    @DisplayName("the example of the README is the one that is run here, and says what it should")
    void example() throws Exception {
        // The first lines are the licence's.
        String source = Files.readString(Path.of("samples/Example.java")).split("\n\n", 2)[1];
        assertTrue(Files.readString(Path.of("README.md")).contains(source), "README.md shows samples/Example.java");
        assertEquals("hello from 42\n", java("Example"));
    }

    @Test
    @DisplayName("the README's example of a context is run here, and says what the README says")
    void contextExample() throws Exception {
        String readme = Files.readString(Path.of("README.md"));
        assertTrue(readme.contains(Files.readString(Path.of("samples/Contexts.java")).split("\n\n", 2)[1]));
        String said = java("Contexts");
        assertTrue(readme.contains("```text\n" + said + "```"), said);
    }

    @Test
    @DisplayName("the README's example of a connection is run here, and says what the README says")
    void connectionExample() throws Exception {
        String readme = Files.readString(Path.of("README.md"));
        assertTrue(readme.contains(Files.readString(Path.of("samples/Connections.java")).split("\n\n", 2)[1]));
        String said = java("Connections");
        assertTrue(readme.contains("```text\n" + said + "```"), said);
    }

    @Test
    @DisplayName("a context keeps its variables, shows values and failures, and says what it knows")
    void context() throws Exception {
        ContextOptions options = new ContextOptions("python").env("WHO", "it").cwd("/tmp");
        try (Client client = new Client(address); Lease lease = client.acquire();
                Context context = lease.context(options)) {
            assertTrue(context.version().startsWith("3."), context.version());
            context.run("import os; x = 6");
            Result result = context.run("print(os.getcwd(), os.environ['WHO']); x * 7");
            assertEquals("/tmp it\n", result.stdoutText());
            assertEquals("42", result.value().orElseThrow());
            assertTrue(result.ok());

            Result failed = context.run("def f():\n    return x / 0\nf()");
            assertEquals("ZeroDivisionError: division by zero", Shown.text(failed.failure().orElseThrow()));
            assertEquals(1, failed.exitCode());
            assertTrue(failed.failure().orElseThrow().getTracebackList().toString().contains("return x / 0"));

            List<Display> displays = context.run(
                            "h = display({'text/html': '<b>x</b>', 'text/plain': 'x'}, raw=True, display_id='d')\n"
                                    + "h.update({'text/plain': 'y'}, raw=True)")
                    .displays();
            assertEquals("<b>x</b>", Shown.form(displays.get(0), "text/html").orElseThrow().toStringUtf8());
            assertTrue(displays.get(1).getUpdate());
            assertEquals("d y", displays.get(1).getId() + " " + Shown.text(displays.get(1)));
            // More than can be on their way without credit, whoever reads.
            String many = "for i in range(500): display(i)\nprint('end')";
            assertEquals(500, context.run(many).displays().size());
            assertEquals("end\n", new String(context.execute(many).stdout().readAllBytes()));

            assertTrue(context.complete("os.getcw").getMatchesList().toString().contains("getcwd"));
            assertTrue(context.inspect("os.getcwd").getFound());
            assertFalse(context.inspect("nothing_of_this_name").getFound());
        }
    }

    @Test
    @DisplayName("a piece asks, is interrupted and loses its context, and the lease lists those that are open")
    void pieces() throws Exception {
        try (Client client = new Client(address); Lease lease = client.acquire();
                Context context = lease.context("python")) {
            Execution asks = context.execute(Piece.of("print('hello', input('Name: '))").openStdin());
            String asked = "";
            while (asked.isEmpty()) {
                asked = asks.next().getPrompt().getText();
            }
            assertEquals("Name: ", asked);
            asks.stdin().write("Ada\n".getBytes());
            assertEquals("hello Ada\n", asks.collect().stdoutText());

            Execution runs = context.execute("y = 1\nprint('ready', flush=True)\nwhile True: pass");
            assertEquals("ready\n", new String(runs.stdout().readNBytes(6)));
            Context same = lease.existingContext(context.id());
            assertEquals(
                    ErrorReason.CONTEXT_BUSY,
                    assertThrows(BerthException.class, () -> same.run("1")).reason());
            runs.signal("INT");
            assertEquals("KeyboardInterrupt", runs.collect().failure().orElseThrow().getName());
            assertEquals("1", context.run("y").value().orElseThrow());

            Context shell = lease.context("bash");
            assertEquals(
                    List.of("python", "bash"), lease.contexts().stream().map(ContextInfo::getLanguage).toList());
            assertEquals(3, lease.contexts().get(0).getPieces());
            shell.end();
            assertEquals(ErrorReason.NO_SUCH_CONTEXT, assertThrows(BerthException.class, shell::end).reason());
            assertTrue(context.run("import os; os._exit(3)").ended().getContextLost());
            assertEquals(
                    ErrorReason.NO_SUCH_CONTEXT,
                    assertThrows(BerthException.class, () -> context.run("y")).reason());
            assertTrue(lease.contexts().isEmpty());
            assertEquals(
                    Code.INVALID_ARGUMENT,
                    assertThrows(BerthException.class, () -> lease.context("cobol")).code());
        }
    }

    @Test
    @DisplayName("a copy of a context has its own variables, and is refused with the reason")
    void copies() {
        String threads =
                "import threading; done = threading.Event(); threading.Thread(target=done.wait, name='busy').start()";
        try (Client client = new Client(address); Lease lease = client.acquire();
                Context context = lease.context("python"); Context shell = lease.context("bash")) {
            context.run("x = 6");
            try (Context copy = context.fork()) {
                assertEquals(context.version(), copy.version());
                copy.run("x += 1");
                assertEquals("7", copy.run("x").value().orElseThrow());
                assertEquals("6", context.run("x").value().orElseThrow());
                context.end();
                copy.run(threads);
                BerthException refused = assertThrows(BerthException.class, copy::fork);
                assertEquals(Code.FAILED_PRECONDITION, refused.code());
                assertEquals(ErrorReason.CONTEXT_START_FAILED, refused.reason());
                assertTrue(refused.getMessage().contains("a thread runs in it: busy"), refused.getMessage());
                copy.run("done.set()");
            }
            assertEquals(Code.UNIMPLEMENTED, assertThrows(BerthException.class, shell::fork).code());
        }
    }

    /** Takes connections on port 8000 and on a unix socket, and echoes each; what begins with "reset" is broken off. */
    private static final String ECHO = """
            import socket, struct, threading
            def serve(listener):
                while True:
                    threading.Thread(target=echo, args=(listener.accept()[0],)).start()
            def echo(connection):
                with connection:
                    while data := connection.recv(65536):
                        if data.startswith(b"reset"):
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            return
                        connection.sendall(data)
            unix = socket.socket(socket.AF_UNIX)
            unix.bind("/tmp/echo.sock")
            unix.listen()
            threading.Thread(target=serve, args=(unix,), daemon=True).start()
            serve(socket.create_server(("127.0.0.1", 8000)))
            """;

    @Test
    @DisplayName("a connection carries bytes both ways, to a port and a socket, and tells how it ended")
    void connections() throws Exception {
        byte[] bytes = new byte[8 << 20];
        new java.util.Random(9).nextBytes(bytes);
        try (Client client = new Client(address); Lease lease = client.acquire()) {
            assertEquals(
                    ErrorReason.CONNECTION_REFUSED,
                    assertThrows(BerthException.class, () -> lease.connect(ConnectOptions.port(8000))).reason());
            Execution echo = lease.execute(Command.code("python", ECHO));
            for (ConnectOptions options :
                    List.of(ConnectOptions.port(8000), ConnectOptions.path("/tmp/echo.sock"))) {
                try (ContainerStream stream = lease.connect(options.waitTime(Duration.ofSeconds(10)))) {
                    Thread writer = new Thread(() -> {
                        try {
                            stream.output().write(bytes);
                            stream.shutdownOutput();
                        } catch (IOException error) {
                            throw new AssertionError(error);
                        }
                    });
                    writer.start();
                    assertArrayEquals(bytes, stream.input().readAllBytes());
                    writer.join();
                }
            }
            try (ContainerStream stream = lease.connect(ConnectOptions.port(8000))) {
                stream.output().write("reset".getBytes());
                assertThrows(SocketException.class, () -> stream.input().read());
            }
            try (ContainerStream stream = lease.connect(ConnectOptions.port(8000))) {
                lease.release();
                assertThrows(IOException.class, () -> stream.input().read());
            }
            echo.close();
        }
    }

    @Test
    @DisplayName("the three samples do what they say")
    void samples() throws Exception {
        String snippet = java("Snippet");
        assertTrue(snippet.matches("(?s)step 0\nstep 1\nstep 2\n.*EXITED 0 after \\d+ ms\n.*"), snippet);
        assertTrue(snippet.contains("done\n"), snippet);
        String interactive = java("Interactive");
        assertTrue(interactive.contains("2 ** 100 = 1267650600228229401496703205376\n"), interactive);
        assertTrue(interactive.endsWith("ended: SIGNALLED\n") || interactive.endsWith("ended: EXITED\n"), interactive);
        assertEquals(10, java("TenAtOnce").lines().filter(line -> line.matches("program \\d of 10")).count());
        assertTrue(java("Bench", "20").startsWith("java: 20 runs, p50 "));
    }

    @Test
    @DisplayName("a lease ends with its block, and knows its member and time")
    void lease() {
        try (Client client = new Client(address)) {
            String token;
            try (Lease lease = client.acquire(new AcquireOptions().leaseTime(Duration.ofSeconds(20)))) {
                token = lease.token();
                assertFalse(lease.member().isEmpty());
                assertEquals(20, lease.time().toSeconds());
                assertEquals(10, lease.renew(Duration.ofSeconds(10)).toSeconds());
                Result result = lease.run(Command.of("sh", "-c", "echo out; echo err >&2; exit 3"));
                assertEquals("out\n", result.stdoutText());
                assertEquals("err\n", result.stderrText());
                assertEquals(EndCause.EXITED, result.cause());
                assertEquals(3, result.exitCode());
                assertFalse(result.ok());
                assertTrue(result.ended().getUsage().getWallUs() > 0);
            }
            BerthException error =
                    assertThrows(BerthException.class, () -> client.lease(token).run(Command.of("true")));
            assertEquals(Code.NOT_FOUND, error.code());
        }
    }

    @Test
    @DisplayName("streams carry binary both ways, more than any window")
    void binary() throws Exception {
        byte[] bytes = new byte[3 << 20];
        new java.util.Random(7).nextBytes(bytes);
        try (Client client = new Client(address);
                Lease lease = client.acquire();
                Execution execution = lease.execute(Command.of("cat").openStdin())) {
            Thread writer = new Thread(() -> {
                try (var stdin = execution.stdin()) {
                    stdin.write(bytes);
                } catch (IOException error) {
                    throw new AssertionError(error);
                }
            });
            writer.start();
            assertArrayEquals(bytes, execution.stdout().readAllBytes());
            writer.join();
            assertTrue(execution.waitFor().getCause() == EndCause.EXITED);
        }
    }

    @Test
    @DisplayName("an execution goes on without its connection, and is taken up where it was left")
    void resume() throws Exception {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        String token;
        String id;
        long offset;
        try (Client first = new Client(address)) {
            Lease lease = first.acquire(new AcquireOptions().detached());
            token = lease.token();
            Command command = Command.shell("seq 1 200000").resumable(Duration.ofSeconds(30), Unwatched.WAIT);
            Execution execution = lease.execute(command);
            id = execution.id();
            all.write(execution.stdout().readNBytes(100_000));
            offset = execution.stdoutOffset();
        }
        assertEquals(100_000, offset);
        try (Client second = new Client(address); Lease lease = second.lease(token)) {
            Execution execution = lease.attach(id, new AttachOptions().from(offset, 0));
            execution.stdout().transferTo(all);
            assertEquals(0, execution.waitFor().getExitCode());
        }
        StringBuilder expected = new StringBuilder();
        for (int i = 1; i <= 200000; i++) {
            expected.append(i).append('\n');
        }
        assertEquals(expected.toString(), all.toString());
    }

    @Test
    @DisplayName("files go in and out, and what is wrong with one is told when it is opened")
    void files() throws Exception {
        byte[] bytes = new byte[1_000_000];
        new java.util.Random(8).nextBytes(bytes);
        try (Client client = new Client(address); Lease lease = client.acquire()) {
            lease.writeFile("/workspace/big", bytes);
            try (RemoteFile file = lease.readFile("/workspace/big")) {
                assertEquals(bytes.length, file.info().getSize());
                assertArrayEquals(bytes, file.readAllBytes());
            }
            try (RemoteFile file = lease.readFile("/workspace/big")) {
                file.readNBytes(10); // and given up, which must not hold up what follows
            }
            try (InputStream archive = lease.readArchive("/workspace")) {
                assertEquals(1, lease.writeArchive("/tmp/copy", archive));
            }
            assertEquals("big", lease.list("/tmp/copy").get(0).getName());
            assertEquals(
                    Code.NOT_FOUND,
                    assertThrows(BerthException.class, () -> lease.readFile("/workspace/none")).code());
            lease.removeTree("/tmp/copy");
        }
    }

    @Test
    @DisplayName("a client that closes leaves no thread")
    void threads() throws Exception {
        try (Client client = new Client(address)) {
            client.run(Command.of("true"));
        }
        ConnectionTest.awaitNoReaders();
    }
}
