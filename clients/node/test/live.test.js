// SPDX-License-Identifier: Apache-2.0

// What users copy, against the server at BERTH_SERVER.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import http from "node:http";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client } from "../src/index.js";

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
assert.ok(process.env.BERTH_SERVER, "these tests want a server: run them with clients/conformance/with-server");

const output = (...words) => execFileSync(process.execPath, words, { cwd: folder, encoding: "utf8", timeout: 60_000 });

test("the examples of the README print what it says", () => {
  const blocks = [...readFileSync(`${folder}/README.md`, "utf8").matchAll(/```(js|text)\n(.*?)```/gs)];
  assert.deepEqual(blocks.map((block) => block[1]), ["js", "text", "js", "text", "js", "text"]);
  for (const at of [0, 2, 4]) assert.equal(output("--input-type=module", "--eval", blocks[at][2]), blocks[at + 1][2]);
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

test("a copy of a context has its own variables, and is refused with the reason", { timeout: 60_000 }, async () => {
  const client = new Client();
  await client.withLease(async (lease) => {
    const context = await lease.context("python");
    await context.run("x = 6");
    const copy = await context.fork();
    assert.deepEqual([copy.language, copy.version], ["python", context.version]);
    await copy.run("x += 1");
    assert.deepEqual([(await context.run("x")).value, (await copy.run("x")).value], ["6", "7"]);
    await context.close();
    await copy.run("import threading; done = threading.Event(); threading.Thread(target=done.wait, name='busy').start()");
    await assert.rejects(copy.fork(), {
      code: "FAILED_PRECONDITION", reason: "CONTEXT_START_FAILED", message: /a thread runs in it: busy/,
    });
    await copy.run("done.set()");
    await assert.rejects((await lease.context("bash")).fork(), { code: "UNIMPLEMENTED" });
  });
  client.close();
});

test("a web server in a container is asked with node:http", { timeout: 60_000 }, async () => {
  const program = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()`;
  const client = new Client();
  await client.withLease(async (lease) => {
    await assert.rejects(lease.connect({ port: 8000 }), { reason: "CONNECTION_REFUSED" });
    await assert.rejects(lease.connect({ path: "/tmp/none" }), { reason: "NO_SUCH_FILE" });
    const server = lease.execute({ code: program, language: "python" });
    const agent = new (class extends http.Agent {
      createConnection(_, made) {
        lease.connect({ port: 8000, wait: 10_000 }).then((socket) => made(null, socket), made);
      }
    })();
    const request = http.request({ agent, method: "POST", host: "container" });
    const body = Buffer.alloc(4_000_000, "0123456789abcdef");
    request.end(body);
    const [response] = await once(request, "response");
    const pieces = [];
    for await (const piece of response) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(body));
    const open = await lease.connect({ port: 8000 });
    const failed = once(open.resume(), "error");
    await lease.release();
    assert.equal((await failed)[0].code, "ECONNABORTED");
    server.close();
  });
  client.close();
});

test("the benchmark runs", () => {
  assert.match(output("bench.js", "20"), /^run true: n 20  p50 \d+ us  p99 \d+ us\n$/);
});

test("who attaches goes on with the input where others left it", { timeout: 60_000 }, async () => {
  const client = new Client();
  await client.withLease(async (lease) => {
    const first = lease.execute(["cat"], { keepStdinOpen: true });
    await first.write("first\n");
    const second = lease.attach(await first.id());
    const result = second.result();
    // At once, so that they wait for the same answer.
    await Promise.all([second.write("second\n"), second.write("third\n"), second.closeStdin()]);
    assert.equal((await result).text, "first\nsecond\nthird\n");
  });
  client.close();
});
