// SPDX-License-Identifier: Apache-2.0

// The client, against a server that does what the test tells it to.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { afterEach, beforeEach } from "node:test";

import { STREAM_LIMIT } from "../src/calls.js";
import { BerthError, Client } from "../src/index.js";
import * as messages from "../src/messages.js";
import { Double } from "./double.js";

const WINDOW = 64 << 10;
const doubles = [], clients = [];
let descriptors;

const openDescriptors = () => readdirSync("/proc/self/fd").length;

beforeEach(() => {
  descriptors = openDescriptors();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const double of doubles.splice(0)) await double.close();
  await until(() => openDescriptors() <= descriptors, "descriptors are left");
});

async function until(condition, words) {
  for (const end = performance.now() + 2000; !condition(); await sleep(1)) assert.ok(performance.now() < end, words);
}

async function serve(handlers, options) {
  doubles.push(await Double.start(handlers, options));
  return doubles.at(-1);
}

function connect(double, options) {
  clients.push(new Client({ address: double.address, ...options }));
  return clients.at(-1);
}

/** Says what it was asked to run. */
function echo(asked) {
  asked.started();
  asked.output(0, messages.ExecuteRequest.decode(asked.payload).argv.join(" "));
  asked.exited();
}

/** Sends `total` bytes of output, never more than the window ahead of what was acknowledged, as the server does. */
class Credit {
  sent = 0;
  acknowledged = 0;
  mostAhead = 0;
  posts = 0;

  constructor(total, streams = 1) {
    this.total = total;
    this.streams = streams;
    this.offsets = [0, 0];
    this.handlers = { Execute: (asked) => this.execute(asked), Acknowledge: (asked) => this.acknowledge(asked) };
  }

  execute(asked) {
    this.asked = asked;
    this.window = messages.ExecuteRequest.decode(asked.payload).windowBytes;
    asked.started();
    this.send();
  }

  acknowledge(asked) {
    const request = messages.AcknowledgeRequest.decode(asked.payload);
    assert.deepEqual([request.execution, request.watcher], ["e1", 7]);
    this.posts++;
    this.acknowledged = Math.max(this.acknowledged, request.stdoutOffset + request.stderrOffset);
    asked.answer();
    this.send();
  }

  send() {
    while (this.sent < this.total) {
      const size = Math.min(32 << 10, this.total - this.sent);
      if (this.sent + size - this.acknowledged > this.window) return;
      const stream = this.streams === 1 ? 0 : (this.sent / (32 << 10)) % 2;
      this.asked.output(this.offsets[stream], Buffer.alloc(size), stream);
      this.offsets[stream] += size;
      this.sent += size;
      this.mostAhead = Math.max(this.mostAhead, this.sent - this.acknowledged);
      if (this.sent === this.total) this.asked.exited();
    }
  }
}

async function lengthOf(stream) {
  let length = 0;
  for await (const data of stream) length += data.length;
  return length;
}

// MARK: Calls

test("many calls at a time", async () => {
  const client = connect(await serve({ Execute: echo }));
  const results = await Promise.all(Array.from({ length: 100 }, (_, number) => client.run([`${number}`])));
  assert.deepEqual(results.map(({ text }) => text), Array.from({ length: 100 }, (_, number) => `${number}`));
});

test("a deadline goes with the call and is kept here too", async () => {
  const double = await serve();
  const client = connect(double);
  const begin = performance.now();
  await assert.rejects(client.acquire({ deadline: 100 }), { code: "DEADLINE_EXCEEDED" });
  assert.ok(performance.now() - begin < 2000);
  assert.ok((await double.next("Acquire")).timeoutNano <= 100e6);
  await assert.rejects(client.run(["sleep"], { deadline: 100 }), { code: "DEADLINE_EXCEEDED" });
  assert.ok((await double.next("Execute")).timeoutNano > 0);
});

test("an AbortSignal leaves a call, and a lease that comes all the same is released", async () => {
  const double = await serve();
  const client = connect(double);
  const controller = new AbortController();
  const acquiring = client.acquire({ signal: controller.signal });
  const asked = await double.next("Acquire");
  controller.abort(new Error("enough"));
  await assert.rejects(acquiring, /enough/);
  asked.answer(messages.AcquireResponse, { lease: "late" });
  assert.equal(messages.ReleaseRequest.decode((await double.next("Release")).payload).lease, "late");
  await assert.rejects(client.acquire({ signal: controller.signal }), /enough/);
  const running = client.run(["sleep"], { signal: AbortSignal.timeout(50) });
  (await double.next("Execute")).started("e9", 4);
  await assert.rejects(running, { name: "TimeoutError" });
  assert.equal(messages.DetachRequest.decode((await double.next("Detach")).payload).execution, "e9");
});

test("withLease releases the lease, also when that fails, and its token stays out of logs", async () => {
  const double = await serve({
    Acquire: (asked) => asked.answer(messages.AcquireResponse, { lease: "secret", member: "m1", ttlMs: 5, warm: true }),
    Release: (asked) => asked.fail(5, "gone"),
  });
  const lease = await connect(double).withLease((lease) => lease);
  assert.deepEqual([lease.token, lease.member, lease.ttl, lease.warm], ["secret", "m1", 5, true]);
  assert.ok(!JSON.stringify(lease).includes("secret"));
  await assert.rejects(lease.release(), { code: "NOT_FOUND" });
});

test("input is sent in pieces with offsets, from calls and from a stream", async () => {
  for (const way of ["calls", "stream"]) {
    let taken = Buffer.from("first");
    const pieces = [];
    let execution;
    const double = await serve({
      Execute: (asked) => {
        execution = asked;
        asked.started();
      },
      Input: (asked) => {
        const request = messages.InputRequest.decode(asked.payload);
        assert.equal(request.offset, taken.length);
        taken = Buffer.concat([taken, request.data]);
        pieces.push(request.data.length);
        asked.answer(messages.InputResponse, { offset: taken.length });
        if (request.end) execution.exited();
      },
    });
    const running = connect(double).execute(["cat"], { stdin: "first", keepStdinOpen: true });
    if (way === "calls") {
      // Without waiting for each other: they keep their order.
      void running.write(Buffer.alloc(600_000));
      void running.write("");
      await running.closeStdin("last");
    } else {
      running.stdin.write(Buffer.alloc(600_000));
      running.stdin.end("last");
    }
    assert.equal((await running.wait()).ok, true);
    assert.deepEqual(taken, Buffer.concat([Buffer.from("first"), Buffer.alloc(600_000), Buffer.from("last")]));
    assert.deepEqual(pieces, way === "calls" ? [262144, 262144, 75712, 4] : [262144, 262144, 75712, 4, 0]);
  }
});

test("ending the stdin of a program that has ended by itself is no error, writing to it is one", async () => {
  const double = await serve({ Execute: (asked) => asked.started(), Input: (asked) => asked.fail(5, "it has ended") });
  const client = connect(double);
  const ending = client.execute(["true"], { keepStdinOpen: true }).stdin;
  await promisify(ending.end).call(ending);
  const writing = client.execute(["true"], { keepStdinOpen: true }).stdin;
  const failure = once(writing, "error");
  writing.end("late");
  assert.equal((await failure)[0].code, "NOT_FOUND");
});

test("what cannot be right is told before anything is sent", async () => {
  const client = new Client("127.0.0.1:1");
  for (const options of [{}, { argv: ["a"], shell: "b" }, { argv: ["a"], nonsense: 1 }, { argv: ["a"], timeout: -1 }, { argv: ["a"], window: 1 }]) {
    await assert.rejects(client.run(options), (error) => error instanceof TypeError || error instanceof RangeError);
  }
});

test("a request over 4 MiB fails and the connection lives on", async () => {
  const client = connect(await serve({ Execute: echo }));
  await assert.rejects(client.run(["true", "x".repeat(4 << 20)]), { code: "RESOURCE_EXHAUSTED" });
  assert.equal((await client.run(["cat"])).ok, true);
});

// MARK: Credit

test("credit is given back as output is consumed", async () => {
  const credit = new Credit(3_000_000);
  const client = connect(await serve(credit.handlers), { window: WINDOW });
  assert.equal((await client.run(["yes"])).stdout.length, 3_000_000);
  assert.ok(credit.mostAhead <= WINDOW);
  assert.ok(credit.posts <= 3_000_000 / (WINDOW / 4) + 1);
});

test("a stalled iterator takes a window and hinders no other call", async () => {
  const credit = new Credit(3_000_000);
  const client = connect(await serve(credit.handlers), { window: WINDOW });
  const stalled = client.execute(["yes"]);
  assert.equal(await stalled.id(), "e1");
  for (let turn = 0; turn < 200; turn++) await client.hello();
  assert.ok(credit.sent <= WINDOW);
  assert.equal((await stalled.result()).stdout.length, 3_000_000);
});

test("stdout and stderr are streams with back-pressure, and what nobody asked for is let go", async () => {
  const credit = new Credit(3 << 20, 2);
  const client = connect(await serve(credit.handlers), { window: WINDOW });
  const execution = client.execute(["yes"]);
  const { stdout, stderr } = execution;
  await once1(stdout);
  for (let turn = 0; turn < 100; turn++) await client.hello();
  assert.ok(credit.sent <= 2 * WINDOW, `${credit.sent}`);
  assert.deepEqual(await Promise.all([lengthOf(stdout), lengthOf(stderr)]), [3 << 19, 3 << 19]);
  assert.equal((await execution.wait()).ok, true);

  const other = new Credit(3 << 20, 2);
  const one = connect(await serve(other.handlers), { window: WINDOW }).execute(["yes"]);
  assert.equal(await lengthOf(one.stdout), 3 << 19);
  assert.equal(one.end.ok, true);
});

const once1 = (stream) => new Promise((resolve) => stream.once("readable", resolve));

test("without windows reading stops before memory is lost", async () => {
  let flood;
  const double = await serve({
    Execute: (asked) => {
      flood = asked;
      asked.started();
    },
  });
  const client = connect(double);
  const stalled = client.execute(["yes"]);
  await stalled.id();
  for (let offset = 0; offset < 4 * STREAM_LIMIT; offset += 32 << 10) flood.output(offset, Buffer.alloc(32 << 10));
  flood.exited();
  await assert.rejects(client.hello({ deadline: 500 }), { code: "DEADLINE_EXCEEDED" });
  assert.ok(flood.socket.writableLength > STREAM_LIMIT, "the rest waits on the server's side");
  assert.equal((await stalled.result()).stdout.length, 4 * STREAM_LIMIT);
  assert.equal((await client.hello()).version, "double/1");
});

test("a gap is told and credit counts on from behind it", async () => {
  const acknowledged = [];
  const double = await serve({
    Attach: (asked) => {
      asked.started();
      asked.event({ dropped: { stream: 0, offset: 10, bytes: 90 } });
      asked.output(100, Buffer.alloc(WINDOW / 4));
    },
    Acknowledge: (asked) => acknowledged.push(messages.AcknowledgeRequest.decode(asked.payload).stdoutOffset),
  });
  const client = connect(double, { window: WINDOW });
  const events = [];
  for await (const event of client.lease("l1").attach("e1", { stdoutOffset: 10 })) {
    events.push(event);
    if (event.type === "output") break;
  }
  assert.deepEqual(events[0], { type: "dropped", stream: "stdout", offset: 10, bytes: 90 });
  assert.equal(events[1].data.length, WINDOW / 4);
  assert.equal(messages.DetachRequest.decode((await double.next("Detach")).payload).watcher, 7);
  assert.deepEqual(acknowledged, [100 + WINDOW / 4]);
});

// MARK: Giving up

test("a closed execution is detached from, also when it starts only then", async () => {
  const double = await serve();
  const client = connect(double);
  for (const startsFirst of [true, false]) {
    const execution = client.execute(["yes"]);
    const asked = await double.next("Execute");
    if (startsFirst) {
      asked.started("e9", 4);
      assert.equal(await execution.id(), "e9");
    }
    execution.close();
    if (!startsFirst) asked.started("e9", 4);
    asked.output(0, "nobody reads this");
    const detach = messages.DetachRequest.decode((await double.next("Detach")).payload);
    assert.deepEqual([detach.execution, detach.watcher], ["e9", 4]);
    await assert.rejects(execution.wait(), { code: "CANCELLED" });
  }
});

// MARK: Loss

test("when the server goes every open call fails within a second, and a new one connects again", async () => {
  const double = await serve({ Execute: (asked) => asked.started() });
  const client = connect(double);
  await client.hello();
  const piped = client.execute(["cat"]).stdout;
  const calls = [lengthOf(piped)];
  for (let turn = 0; turn < 5; turn++) calls.push(client.acquire(), client.run(["sleep"]), client.stats());
  for (let turn = 0; turn < 5; turn++) {
    await double.next("Acquire");
    await double.next("Stats");
  }
  const begin = performance.now();
  double.sockets[0].destroy();
  const failures = await Promise.allSettled(calls);
  assert.ok(performance.now() - begin < 1000);
  assert.deepEqual([...new Set(failures.map(({ reason }) => reason.code))], ["UNAVAILABLE"]);
  assert.equal((await client.hello()).version, "double/1");
  assert.equal(double.sockets.length, 2);
});

test("without a server a call fails when the connect time-out is up, and its own deadline ends it before", async () => {
  const { address } = await serve();
  await doubles.pop().close();
  const begin = performance.now();
  await assert.rejects(new Client({ address, connectTimeout: 300 }).hello(), (error) =>
    error instanceof BerthError && error.code === "UNAVAILABLE" && error.message.includes(address));
  await assert.rejects(new Client({ address, connectTimeout: 2000 }).hello({ deadline: 100 }), { code: "DEADLINE_EXCEEDED" });
  assert.ok(performance.now() - begin < 1500);
});

test("a server that comes late is found, on a unix socket too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-"));
  try {
    const path = join(folder, "late.sock");
    const client = connect({ address: `unix:${path}` }, { connectTimeout: 10_000 });
    const answer = client.hello();
    await sleep(200); // Some tries fail meanwhile; how many is of no matter.
    await serve({}, { path });
    assert.deepEqual(await answer, { version: "double/1", pools: ["default"] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("broken bytes end the connection, and the next call makes a new one", async () => {
  const double = await serve();
  const client = connect(double);
  for (const junk of [() => Buffer.alloc(10, 0xff), ({ stream }) => Buffer.from([0, 0, 0, 2, 0, 0, 0, stream, 2, 0, 0x0a, 0x7f])]) {
    const answer = client.stats();
    const asked = await double.next("Stats");
    asked.socket.write(junk(asked));
    await assert.rejects(answer, { code: "UNAVAILABLE" });
    assert.equal((await client.hello()).version, "double/1");
  }
});

test("closing ends open calls, and no new ones begin", async () => {
  const double = await serve();
  const client = connect(double);
  const answer = client.stats();
  await double.next("Stats");
  client.close();
  await assert.rejects(answer, { code: "UNAVAILABLE" });
  await assert.rejects(client.hello(), /closed/);
});

// MARK: Other servers, other sockets

test("a plain ttrpc server that knows nothing of Berth", async () => {
  const double = await serve({
    Hello: (asked) => asked.fail(12, "service berth.v1.Pool"),
    Acquire: (asked) => asked.answer(messages.AcquireResponse, { lease: asked.service }),
  });
  const client = connect(double);
  const { AcquireRequest, AcquireResponse } = messages;
  const answer = await client.call("Acquire", AcquireRequest, {}, AcquireResponse, { service: "demo.v1.Exec" });
  assert.equal(answer.lease, "demo.v1.Exec");
  await assert.rejects(client.hello(), { code: "UNIMPLEMENTED" });
});
