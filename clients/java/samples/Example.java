// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Command;
import dev.berth.Lease;

public class Example {
    public static void main(String[] args) {
        try (Client client = new Client(); Lease lease = client.acquire()) {
            System.out.print(lease.run(Command.code("python", "print('hello from', 6 * 7)")).stdoutText());
        }
    }
}
