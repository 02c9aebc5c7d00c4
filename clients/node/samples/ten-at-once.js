// SPDX-License-Identifier: Apache-2.0

// Runs ten programs at once, on one connection.

import { Client } from "berth";

const client = new Client();
const runs = Array.from({ length: 10 }, (_, number) =>
  client.run({ shell: `sleep 0.1; echo ${number} squared is $((${number} * ${number}))` }));
for (const result of await Promise.all(runs)) process.stdout.write(result.check().text);
