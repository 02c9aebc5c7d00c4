// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Command;
import dev.berth.Result;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;

/** Ten programs at once on one connection, each in a container of its own. */
public class TenAtOnce {
    public static void main(String[] args) {
        ExecutorService threads = Executors.newFixedThreadPool(10);
        try (Client client = new Client()) {
            List<CompletableFuture<Result>> runs = IntStream.range(0, 10)
                    .mapToObj(i -> Command.shell("echo program " + i + " of 10"))
                    .map(command -> CompletableFuture.supplyAsync(() -> client.run(command), threads))
                    .toList();
            runs.forEach(run -> System.out.print(run.join().stdoutText()));
        } finally {
            threads.shutdown();
        }
    }
}
