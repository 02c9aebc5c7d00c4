// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Command;
import java.util.Arrays;

/** {@code Bench [N]}: N runs of true, one after another, each in a container of its own; prints p50 and p99. */
public class Bench {
    public static void main(String[] args) {
        int count = args.length > 0 ? Integer.parseInt(args[0]) : 1000;
        Command command = Command.of("true");
        long[] micros = new long[count];
        try (Client client = new Client()) {
            boolean leased = args.length > 1 && args[1].equals("lease");
            var lease = leased ? client.acquire() : null;
            for (int i = -count / 10; i < count; i++) { // the first are for the compiler
                long begin = System.nanoTime();
                boolean ok = (leased ? lease.run(command) : client.run(command)).ok();
                if (!ok) {
                    throw new IllegalStateException("true has failed");
                }
                if (i >= 0) {
                    micros[i] = (System.nanoTime() - begin) / 1000;
                }
            }
        }
        Arrays.sort(micros);
        System.out.printf("java: %d runs, p50 %d us, p99 %d us%n", count, micros[count / 2], micros[count * 99 / 100]);
    }
}
