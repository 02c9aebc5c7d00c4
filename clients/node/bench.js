// SPDX-License-Identifier: Apache-2.0

// How long a warm run of `true` takes: bench.js [N]. Prints quantiles in microseconds.

import { Client } from "./src/index.js";

const count = Number(process.argv[2] ?? 1000);
const times = [];
await new Client().withLease(async (lease) => {
  for (let run = 0; run < count + 50; run++) {
    const begin = performance.now();
    (await lease.run(["true"])).check();
    if (run >= 50) times.push((performance.now() - begin) * 1000);
  }
});
times.sort((one, other) => one - other);
const at = (quantile) => times[Math.floor(count * quantile)].toFixed(0);
console.log(`run true: n ${count}  p50 ${at(0.5)} us  p99 ${at(0.99)} us`);
