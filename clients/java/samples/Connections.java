// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Command;
import dev.berth.ConnectOptions;
import dev.berth.ContainerStream;
import dev.berth.Execution;
import dev.berth.Lease;
import java.io.IOException;
import java.time.Duration;

public class Connections {
    static final String SERVER = """
            import socket
            with socket.create_server(('127.0.0.1', 8000)) as listener:
                connection = listener.accept()[0]
                connection.sendall(connection.makefile('rb').read().upper())
            """;

    public static void main(String[] args) throws IOException {
        ConnectOptions options = ConnectOptions.port(8000).waitTime(Duration.ofSeconds(10));
        try (Client client = new Client();
                Lease lease = client.acquire();
                Execution server = lease.execute(Command.code("python", SERVER));
                ContainerStream stream = lease.connect(options)) {
            stream.output().write("hello".getBytes());
            stream.shutdownOutput(); // the server reads to the end
            System.out.println(new String(stream.input().readAllBytes()));
        }
    }
}
