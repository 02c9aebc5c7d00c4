// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Context;
import dev.berth.Lease;
import dev.berth.Result;
import dev.berth.Shown;

public class Contexts {
    public static void main(String[] args) {
        try (Client client = new Client();
                Lease lease = client.acquire();
                Context context = lease.context("python")) {
            context.run("x = 6");
            Result result = context.run("print('so:'); x * 7");
            System.out.println(result.stdoutText() + result.value().orElse(""));
            Result failed = context.run("x / 0");
            failed.failure().ifPresent(failure ->
                    System.out.println(Shown.text(failure) + ", exit code " + failed.exitCode()));
        }
    }
}
