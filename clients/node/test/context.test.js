// SPDX-License-Identifier: Apache-2.0

// Contexts, against a server that does what the test tells it to.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";

import { Client } from "../src/index.js";
import * as messages from "../src/messages.js";
import { Double } from "./double.js";

const doubles = [], clients = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const double of doubles.splice(0)) await double.close();
});

async function leaseOf(handlers) {
  doubles.push(await Double.start(handlers));
  clients.push(new Client({ address: doubles.at(-1).address, window: 64 << 10 }));
  return clients.at(-1).lease("l1");
}

const opens = (asked) => asked.answer(messages.OpenContextResponse, { context: "c1", version: "3.11.2" });

/** Shows displays, and never has more than 60 events, or the window and one display, on their way, as the server does. */
class Shower {
  position = 0;
  acknowledged = 0;
  posts = 0;
  #ahead = [];
  #asked;

  constructor(displays, { dropped = false } = {}) {
    this.displays = displays;
    this.dropped = dropped;
    this.handlers = {
      OpenContext: opens,
      Execute: (asked) => this.begin(asked, messages.ExecuteRequest.decode(asked.payload)),
      Attach: (asked) => this.begin(asked, messages.AttachRequest.decode(asked.payload)),
      Acknowledge: (asked) => this.acknowledge(asked),
      Detach: (asked) => asked.answer(),
    };
  }

  begin(asked, request) {
    this.request = request;
    this.#asked = asked;
    this.acknowledged = this.position = request.eventsPosition ?? 0;
    asked.started();
    this.send();
  }

  acknowledge(asked) {
    this.posts++;
    this.acknowledged = Math.max(this.acknowledged, messages.AcknowledgeRequest.decode(asked.payload).eventsPosition);
    this.#ahead = this.#ahead.filter((position) => position > this.acknowledged);
    asked.answer();
    this.send();
  }

  send() {
    while (this.displays.length > 0) {
      const ahead = this.position - this.acknowledged, data = this.displays[0];
      if (this.#ahead.length >= 60) return;
      if (ahead > this.request.windowBytes / 4 && ahead + data.length > this.request.windowBytes) return;
      this.displays.shift();
      this.position += data.length + 20;
      this.#ahead.push(this.position);
      this.#asked.event({ display: { position: this.position, data: [{ mime: "text/plain", data }], leftOut: [] } });
      if (this.displays.length > 0) continue;
      if (this.dropped) this.#asked.event({ dropped: { stream: 2, offset: this.position, bytes: 5 } });
      this.#asked.exited();
    }
  }
}

const buffers = (count, size) => Array.from({ length: count }, () => Buffer.alloc(size, "x"));

test("a context is opened, asked and closed with its lease", async () => {
  const asked = [];
  const keep = (name, response, answer) => (request) => {
    asked.push([name, messages[`${name}Request`].decode(request.payload)]);
    request.answer(messages[response], answer);
  };
  const lease = await leaseOf({
    OpenContext: keep("OpenContext", "OpenContextResponse", { context: "c1", version: "3.11.2" }),
    ListContexts: keep("ListContexts", "ListContextsResponse", {
      contexts: [{ context: "c1", language: "python", version: "3.11.2", ageMs: 5, pieces: 2, execution: "" }],
    }),
    Complete: keep("Complete", "CompleteResponse", { matches: ["value"], start: 1, end: 3 }),
    Inspect: keep("Inspect", "InspectResponse", { found: true, data: [{ mime: "text/plain", data: Buffer.from("f(x)") }] }),
    ForkContext: keep("ForkContext", "ForkContextResponse", { context: "c2", version: "3.11.2" }),
    CloseContext: keep("CloseContext", "CloseContextResponse", {}),
  });
  const context = await lease.context("python", { env: { A: "b" }, cwd: Buffer.from([0x2f, 0xff]), uid: 5 });
  assert.deepEqual([context.id, context.language, context.version], ["c1", "python", "3.11.2"]);
  assert.deepEqual(await lease.contexts(), [
    { id: "c1", language: "python", version: "3.11.2", age: 5, pieces: 2, execution: "" },
  ]);
  assert.deepEqual(await context.complete("é", undefined), { matches: ["value"], start: 1, end: 3 });
  assert.equal((await context.inspect("f", 1, { detail: true }))["text/plain"].toString(), "f(x)");
  const copy = await context.fork();
  assert.deepEqual([copy.id, copy.language, copy.version], ["c2", "python", "3.11.2"]);
  await lease.contextById("c1").close();
  const about = { lease: "l1", context: "c1" };
  assert.deepEqual(asked, [
    ["OpenContext", {
      lease: "l1", language: "python", cwd: "", env: { A: "b" }, uid: 5, envRaw: [], cwdRaw: Buffer.from([0x2f, 0xff]),
    }],
    ["ListContexts", { lease: "l1" }],
    ["Complete", { ...about, code: "é", cursor: 2 }],
    ["Inspect", { ...about, code: "f", cursor: 1, detail: true }],
    ["ForkContext", about],
    ["CloseContext", about],
  ]);
});

test("an AbortSignal leaves an opening and a copying, and a context that comes all the same is closed", async () => {
  const lease = await leaseOf(), double = doubles.at(-1);
  const ways = [
    ["OpenContext", (signal) => lease.context("python", { signal })],
    ["ForkContext", (signal) => lease.contextById("c1").fork({ signal })],
  ];
  for (const [method, begin] of ways) {
    const controller = new AbortController();
    const opening = begin(controller.signal);
    const asked = await double.next(method);
    controller.abort(new Error("enough"));
    await assert.rejects(opening, /enough/);
    asked.answer(messages[`${method}Response`], { context: "late" });
    const closed = messages.CloseContextRequest.decode((await double.next("CloseContext")).payload);
    assert.deepEqual(closed, { lease: "l1", context: "late" });
  }
});

test("a piece of code goes with its context and its options, and what is the context's is refused", async () => {
  const requests = [];
  const lease = await leaseOf({
    Execute: (asked) => {
      requests.push(messages.ExecuteRequest.decode(asked.payload));
      asked.started();
      asked.exited();
    },
  });
  const context = lease.contextById("c1");
  await context.run("x = 1", { stdin: "in", timeout: 1000, window: 65536, resumable: 6, waitUnwatched: true });
  const { lease: token, context: id, code, language, stdin, timeoutMs, windowBytes, resumableMs, unwatched } = requests[0];
  assert.deepEqual(
    { token, id, code, language, stdin: stdin.toString(), timeoutMs, windowBytes, resumableMs, unwatched },
    { token: "l1", id: "c1", code: "x = 1", language: "", stdin: "in", timeoutMs: 1000, windowBytes: 65536, resumableMs: 6,
      unwatched: 1 });
  for (const options of [{ env: {} }, { uid: 1 }, { argv: ["x"] }, { terminal: {} }, { keepBackground: true }]) {
    await assert.rejects(context.run("x", options), TypeError);
    assert.throws(() => context.execute("x", options), TypeError);
  }
  await assert.rejects(context.run("x", { keepStdinOpen: true }), TypeError);
  await assert.rejects(context.run(5), TypeError);
  assert.equal(requests.length, 1);
});

test("what a piece shows comes in its place among its output", async () => {
  const lease = await leaseOf({
    OpenContext: opens,
    Execute: (asked) => {
      asked.started();
      asked.output(0, "a");
      asked.event({ display: {
        position: 40, id: "d", update: true, result: false, leftOut: [{ mime: "image/png", bytes: 9 }],
        data: [{ mime: "text/plain", data: Buffer.from("one") }, { mime: "__proto__", data: Buffer.from("two") }],
      } });
      asked.output(1, "b");
      asked.event({ prompt: { position: 60, text: "name? ", password: true } });
      asked.event({ dropped: { stream: 2, offset: 60, bytes: 7 } });
      asked.output(0, "c", 1);
      asked.event({ failure: { position: 97, name: "ValueError", message: "no", traceback: ["a line", "ValueError: no"] } });
      asked.event({ ended: { cause: 1, exitCode: 1, contextLost: true } });
      asked.send(3, 5, Buffer.alloc(0));
    },
  });
  const context = await lease.context("python");
  const execution = context.execute("x"), seen = [];
  for await (const event of execution) seen.push(event);
  assert.deepEqual(seen.map(({ type, data, text, bytes, name }) => [type, text ?? name ?? bytes ?? data.toString()]), [
    ["output", "a"], ["display", "one"], ["output", "b"], ["prompt", "name? "], ["dropped", 7], ["output", "c"],
    ["failure", "ValueError"],
  ]);
  const { data, ...display } = seen[1];
  assert.deepEqual(display, {
    type: "display", position: 40, text: "one", id: "d", update: true, isResult: false, leftOut: { "image/png": 9 },
  });
  assert.deepEqual(Object.entries(data).map(String), ["text/plain,one", "__proto__,two"]);
  assert.equal(seen[3].password, true);
  assert.equal(seen[4].stream, "events");
  assert.deepEqual(seen[6].traceback, ["a line", "ValueError: no"]);
  assert.equal(execution.end.contextLost, true);
  let text = "";
  for await (const piece of context.execute("x").text()) text += piece.stream + piece.text;
  assert.equal(text, "stdoutastdoutbstderrc");
});

test("a result has the value, the displays and the failure of a piece", async () => {
  const display = (position, text, result) => ({
    display: { position, result, data: [{ mime: "text/plain", data: Buffer.from(text) }], leftOut: [] },
  });
  const lease = await leaseOf({
    Execute: (asked) => {
      asked.started();
      asked.event(display(30, "shown", false));
      asked.event(display(60, "42", true));
      asked.event({ failure: { position: 90, name: "KeyboardInterrupt", message: "", traceback: [] } });
      asked.exited(1);
    },
  });
  const result = await lease.contextById("c1").run("x");
  assert.deepEqual(result.displays.map(({ text }) => text), ["shown", "42"]);
  assert.equal(result.value, "42");
  assert.equal(result.failure.name, "KeyboardInterrupt");
  assert.equal(result.ok, false);
});

const WAYS = {
  "iterating": async (execution) => {
    let count = 0;
    for await (const event of execution) count += event.type === "display" ? 1 : 0;
    assert.equal(count, 300);
  },
  "result": async (execution) => assert.equal((await execution.result()).displays.length, 300),
  "wait": async (execution) => assert.equal((await execution.wait()).ok, true),
  "text": async (execution) => {
    for await (const _ of execution.text());
  },
  "stdout": async (execution) => {
    for await (const _ of execution.stdout);
  },
};

for (const [kind, size] of [["many small ones", 1], ["more than the window", 40_000]]) {
  for (const [way, take] of Object.entries(WAYS)) {
    test(`what is shown is credited however it is taken: ${way}, ${kind}`, { timeout: 10_000 }, async () => {
      const shower = new Shower(buffers(300, size), { dropped: true });
      const context = await (await leaseOf(shower.handlers)).context("python");
      await take(context.execute("x"));
      if (size === 1) assert.ok(shower.posts <= 10, `${shower.posts} acknowledgements`);
    });
  }
}

test("an attach goes on behind what was shown, and gives credit from there", { timeout: 10_000 }, async () => {
  const shower = new Shower(buffers(200, 1));
  const execution = (await leaseOf(shower.handlers)).attach("e1", { eventsPosition: 42 });
  const positions = [];
  for await (const event of execution) positions.push(event.position);
  assert.equal(shower.request.eventsPosition, 42);
  assert.deepEqual(positions, Array.from({ length: 200 }, (_, index) => 42 + 21 * (index + 1)));
  // Neither at once, as if what it had were new, nor late.
  assert.ok(shower.posts >= 5 && shower.posts <= 7, `${shower.posts} acknowledgements`);
});

test("interrupt is the signal, and no cancel", async () => {
  const signals = [];
  const lease = await leaseOf({
    Execute: (asked) => asked.started(),
    Signal: (asked) => {
      signals.push(messages.SignalRequest.decode(asked.payload));
      asked.answer();
    },
    Detach: (asked) => asked.answer(),
  });
  const execution = lease.contextById("c1").execute("while True: pass");
  await execution.interrupt();
  assert.deepEqual(signals.map(({ execution: id, name, cancel }) => [id, name, cancel]), [["e1", "INT", false]]);
  execution.close();
});

test("leaving a block closes a context, also one that has ended by itself", async () => {
  let closed = 0;
  const lease = await leaseOf({
    OpenContext: opens,
    CloseContext: (asked) => (closed++ === 0 ? asked.answer() : asked.fail(5, "it has ended")),
  });
  const context = await lease.context("python");
  const leave = context[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")];
  await leave.call(context);
  await leave.call(context);
  await assert.rejects(context.close(), { code: "NOT_FOUND" });
  assert.equal(closed, 3);
});
