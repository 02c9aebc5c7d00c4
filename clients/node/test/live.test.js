// SPDX-License-Identifier: Apache-2.0

// What users copy, against the server at BERTH_SERVER.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
assert.ok(process.env.BERTH_SERVER, "these tests want a server: run them with clients/conformance/with-server");

const output = (...words) => execFileSync(process.execPath, words, { cwd: folder, encoding: "utf8", timeout: 60_000 });

test("the examples of the README print what it says", () => {
  const blocks = [...readFileSync(`${folder}/README.md`, "utf8").matchAll(/```(js|text)\n(.*?)```/gs)];
  assert.deepEqual(blocks.map((block) => block[1]), ["js", "text", "js", "text"]);
  for (const at of [0, 2]) assert.equal(output("--input-type=module", "--eval", blocks[at][2]), blocks[at + 1][2]);
});

test("the samples", () => {
  assert.equal(output("samples/stream-a-snippet.js"), "0\n1\n2\nexited with 0\n");
  assert.equal(
    output("samples/interactive-session.js"),
    "6 * 7 = 42\n2 ** 64 = 18446744073709551616\n'berth'.upper() = BERTH\nexited with 0\n",
  );
  const squares = Array.from({ length: 10 }, (_, number) => `${number} squared is ${number * number}\n`);
  assert.equal(output("samples/ten-at-once.js"), squares.join(""));
});

test("the benchmark runs", () => {
  assert.match(output("bench.js", "20"), /^run true: n 20  p50 \d+ us  p99 \d+ us\n$/);
});
