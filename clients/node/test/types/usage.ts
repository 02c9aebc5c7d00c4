// SPDX-License-Identifier: Apache-2.0

// Compiled by a test, never run.

import { BerthError, Client, type End } from "../../src/index.js";
import { BreakerState, DrainRequest, DrainResponse } from "../../src/messages.js";

export async function use(signal: AbortSignal): Promise<number> {
  const client = new Client({ address: "unix:/run/berth.sock", tls: { servername: "berth.test" }, window: 65536 });
  const text: string = (await client.run(["echo", "hello"], { signal, timeout: 1000 })).check().text;
  const files = await client.withLease({ pool: "python" }, async (lease) => {
    await lease.writeFile("/workspace/in", text, { mode: 0o600 });
    const execution = lease.execute({ shell: "cat in", keepStdinOpen: true });
    execution.stdin.end("input");
    for await (const event of execution) {
      if (event.type === "output") event.data.subarray(1);
      else event.bytes.toFixed();
    }
    const python = await lease.context("python", { env: { A: "b" }, cwd: "/tmp", deadline: 5000 });
    const value: string | undefined = (await python.run("6 * 7", { timeout: 1000 })).value;
    for await (const event of python.execute(`input(${value})`, { keepStdinOpen: true })) {
      if (event.type === "display") event.data["text/html"]?.subarray(1);
      else if (event.type === "prompt") text.concat(event.text, event.password ? "*" : "");
      else if (event.type === "failure") event.traceback.join(event.name);
    }
    (await python.complete("val", 3)).matches.concat((await python.inspect("f"))?.["text/plain"]?.toString() ?? "");
    await (await python.fork({ signal })).close();
    // @ts-expect-error: its user is the context's
    await python.run("1", { uid: 1 });
    for await (const piece of execution.text()) piece.text.trim();
    await lease.run(["ls", new Uint8Array([0xff])], { cwd: new Uint8Array(1), env: { A: "b" } });
    const end: End | undefined = execution.end;
    if (end?.cause === "timed_out") throw new Error(end.message);
    return lease.listDirectory("/workspace");
  });
  try {
    await client.call("Drain", DrainRequest, { pool: "a" }, DrainResponse, { service: "berth.v1.Admin" });
  } catch (error) {
    if (error instanceof BerthError && error.code === "NOT_FOUND" && error.reason === "NO_SUCH_POOL") return 1;
  }
  // @ts-expect-error: a line is not an array of words
  await client.run("ls -l");
  // @ts-expect-error: nobody could write to it
  await client.run(["cat"], { keepStdinOpen: true });
  // @ts-expect-error: there is no such option
  await client.run(["true"], { timeOut: 1 });
  const stats = await client.stats();
  return stats.pools.filter((pool) => pool.breaker === BreakerState.OPEN).length + files.length;
}
