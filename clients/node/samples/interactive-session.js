// SPDX-License-Identifier: Apache-2.0

// Talks with a program: a line goes in, its answer comes out.

import { createInterface } from "node:readline";
import { Client, describeEnd } from "berth";

const program = `
for line in iter(input, "quit"):
    print(eval(line), flush=True)
`;

const client = new Client();
await client.withLease(async (lease) => {
  const session = lease.execute(["python3", "-c", program], { keepStdinOpen: true });
  const answers = createInterface({ input: session.stdout })[Symbol.asyncIterator]();
  for (const question of ["6 * 7", "2 ** 64", "'berth'.upper()"]) {
    session.stdin.write(`${question}\n`);
    console.log(`${question} = ${(await answers.next()).value}`);
  }
  session.stdin.end("quit\n");
  console.log(describeEnd(await session.wait()));
});
