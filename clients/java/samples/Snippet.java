// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Command;
import dev.berth.Execution;
import dev.berth.v1.ExecuteEvent;
import dev.berth.v1.OutputStream;
import java.io.IOException;
import java.time.Duration;

/** Runs a snippet in a container of its own, and shows what it writes while it writes it. */
public class Snippet {
    private static final String SOURCE = """
            import sys, time
            for i in range(3):
                print("step", i, flush=True)
                time.sleep(0.1)
            print("done", file=sys.stderr)
            """;

    public static void main(String[] args) throws IOException {
        Command command = Command.code("python", SOURCE).timeout(Duration.ofSeconds(10));
        try (Client client = new Client(); Execution execution = client.execute(command)) {
            for (ExecuteEvent event : execution) {
                switch (event.getEventCase()) {
                    case OUTPUT -> event.getOutput().getData().writeTo(
                            event.getOutput().getStream() == OutputStream.STDOUT ? System.out : System.err);
                    case ENDED -> System.out.println(
                            event.getEnded().getCause() + " " + event.getEnded().getExitCode()
                                    + " after " + event.getEnded().getUsage().getWallUs() / 1000 + " ms");
                    default -> {}
                }
            }
        }
    }
}
