// SPDX-License-Identifier: Apache-2.0

// Every promise of the README that no other test holds: its names are there, and what it says of them is so.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import test, { afterEach } from "node:test";
import { promisify } from "node:util";

import { Client, Context, ErrorReason, Execution, ExecutionFailed, Lease } from "../src/index.js";
import * as messages from "../src/messages.js";
import { Double } from "./double.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const types = readFileSync(new URL("../src/index.d.ts", import.meta.url), "utf8");
const run = promisify(execFile);
const doubles = [], clients = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const double of doubles.splice(0)) await double.close();
});

async function connect(handlers) {
  doubles.push(await Double.start(handlers));
  clients.push(new Client({ address: doubles.at(-1).address }));
  return clients.at(-1);
}

test("every name of the API is there, and in the types", () => {
  const tables = { "new Client": Client, Lease, Execution, Context };
  for (const [name, type] of Object.entries(tables)) {
    const rows = readme.slice(readme.indexOf(`| \`${name}`)).split("\n\n")[0].split("\n").slice(2);
    const words = rows.map((row) => row.split(" | ")[0]).join(" ");
    const wanted = [...words.matchAll(/`(?:for await \(.* of execution\.)?([a-z]\w*)[^`]*`/g)].map((match) => match[1]);
    assert.ok(wanted.length > 5, rows.join("\n"));
    for (const member of new Set(wanted)) {
      if (member === "for") continue;
      assert.ok(member in type.prototype || ["close", "language", "version"].includes(member), `${name}.${member} is not there`);
      assert.match(types, new RegExp(`\\b${member}[(<:]`), `${member} has no type`);
    }
  }
  for (const option of /new Client\(\{ (.*?) \}\)/.exec(readme)[1].split(", ")) assert.match(types, new RegExp(`  ${option}\\?:`));
  for (const [, reason] of readme.matchAll(/`"([A-Z_]+)"`/g)) {
    assert.ok(reason in ErrorReason || ["UNAVAILABLE", "NOT_FOUND"].includes(reason), reason);
  }
});

test("run collects at most 16 MiB when it is not told", async () => {
  const asked = [];
  const client = await connect({
    Execute: (request) => {
      asked.push(messages.ExecuteRequest.decode(request.payload).maxOutputBytes);
      request.started();
      request.exited();
    },
  });
  await client.run(["x"]);
  await client.run(["x"], { maxOutput: 7 });
  await client.execute(["x"]).wait();
  assert.deepEqual(asked, [16 << 20, 7, 0]);
});

test("nothing is run twice by itself", async () => {
  let ran = 0;
  const client = await connect({
    Execute: (request) => {
      ran++;
      request.socket.destroy();
    },
  });
  await assert.rejects(client.run(["x"]), { code: "UNAVAILABLE" });
  await client.hello();
  assert.equal(ran, 1);
});

test("any end of a program is an end, and check makes an error of it", async () => {
  const client = await connect({
    Execute: (request) => {
      request.started();
      request.exited(3);
    },
  });
  const result = await client.run(["false"]);
  assert.throws(() => result.check(), (error) => error instanceof ExecutionFailed && error.result === result);
});

test("a client without open calls does not keep the process alive", async () => {
  doubles.push(await Double.start());
  const program = `import { Client } from "berth"; console.log((await new Client().hello()).version);`;
  const { stdout: output } = await run(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: new URL("..", import.meta.url), encoding: "utf8", timeout: 10_000,
    env: { ...process.env, BERTH_SERVER: doubles.at(-1).address },
  });
  assert.equal(output, "double/1\n");
});
