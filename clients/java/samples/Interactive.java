// SPDX-License-Identifier: Apache-2.0

import dev.berth.Client;
import dev.berth.Command;
import dev.berth.Execution;
import dev.berth.Lease;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Talks with a program that runs: a line in, a line out. */
public class Interactive {
    public static void main(String[] args) throws IOException {
        Command calculator = Command.code("python", "while True: print(eval(input()), flush=True)").openStdin();
        try (Client client = new Client();
                Lease lease = client.acquire();
                Execution execution = lease.execute(calculator);
                BufferedReader answers =
                        new BufferedReader(new InputStreamReader(execution.stdout(), StandardCharsets.UTF_8))) {
            PrintStream questions = new PrintStream(execution.stdin(), true, StandardCharsets.UTF_8);
            for (String question : new String[] {"1 + 1", "2 ** 100", "'berth'.upper()"}) {
                questions.println(question);
                System.out.println(question + " = " + answers.readLine());
            }
            execution.signal("INT");
            System.out.println("ended: " + execution.waitFor().getCause());
        }
    }
}
