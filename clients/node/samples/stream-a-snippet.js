// SPDX-License-Identifier: Apache-2.0

// Runs a snippet, and shows what it writes as it writes it.

import { Client, describeEnd } from "berth";

const snippet = `
import time
for number in range(3):
    print(number, flush=True)
    time.sleep(0.2)
`;

const client = new Client();
const execution = client.execute({ code: snippet, language: "python", timeout: 10_000 });
for await (const event of execution) {
  if (event.type === "output") process[event.stream].write(event.data);
}
console.log(describeEnd(execution.end));
