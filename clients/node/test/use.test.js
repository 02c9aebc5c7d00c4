// SPDX-License-Identifier: Apache-2.0

// What people of the language try, and what the README promises, against a server that does what the test tells it to.

import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { setTimeout as sleep } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import test, { afterEach } from "node:test";

import { BerthError, Client, ErrorReason } from "../src/index.js";
import * as messages from "../src/messages.js";
import { Double } from "./double.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");
const doubles = [], clients = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const double of doubles.splice(0)) await double.close();
});

async function serve(handlers) {
  doubles.push(await Double.start(handlers));
  return doubles.at(-1);
}

function connect(double, options) {
  clients.push(new Client({ address: double.address, ...options }));
  return clients.at(-1);
}

/** Runs the collector until something has happened. */
async function collected(what) {
  let isDone = false;
  const done = what.finally(() => (isDone = true));
  for (let turn = 0; !isDone && turn < 500; turn++) {
    collectGarbage();
    await sleep(10);
  }
  return done;
}

// Two, three and four bytes a character, and bytes that are none.
const SPLIT = Buffer.concat([Buffer.from("aé€🚢"), Buffer.from([0xff, 0x7a, 0xe2, 0x82])]);
const JOINED = "aé€🚢\ufffdz\ufffd";

const leased = (asked) => asked.answer(messages.AcquireResponse, { lease: "l1", member: "m1" });

/** A program that writes what it reads, and waits for its reader when a window of it was not taken. */
class Cat {
  taken = 0;
  acknowledged = 0;
  most = 0;
  waiting = [];
  handlers = {
    Execute: (asked) => {
      const { stdin, windowBytes } = messages.ExecuteRequest.decode(asked.payload);
      this.asked = asked;
      this.window = windowBytes;
      asked.started();
      this.write(stdin, () => {});
    },
    Input: (asked) => {
      const { offset, data, end } = messages.InputRequest.decode(asked.payload);
      assert.equal(offset, this.taken);
      this.most = Math.max(this.most, data.length);
      this.write(data, () => {
        asked.answer(messages.InputResponse, { offset: this.taken });
        if (end) this.asked.exited();
      });
    },
    Acknowledge: (asked) => {
      this.acknowledged = messages.AcknowledgeRequest.decode(asked.payload).stdoutOffset;
      for (const go of this.waiting.splice(0)) go();
    },
  };

  write(data, done) {
    for (let position = 0; ; ) {
      if (position === data.length) return done();
      const piece = data.subarray(position, position + (32 << 10));
      if (this.taken + piece.length - this.acknowledged > this.window) {
        return this.waiting.push(() => this.write(data.subarray(position), done));
      }
      this.asked.output(this.taken, piece);
      this.taken += piece.length;
      position += piece.length;
    }
  }
}

// MARK: Text

test("a character that is split between two pieces comes whole", async () => {
  for (const size of [1, 2, 3, 100]) {
    const double = await serve({
      Execute: (asked) => {
        asked.started();
        for (let at = 0; at < SPLIT.length; at += size) asked.output(at, SPLIT.subarray(at, at + size));
        asked.exited();
      },
    });
    let text = "";
    for await (const piece of connect(double).execute(["x"]).text()) {
      assert.notEqual(piece.text, "");
      text += piece.text;
    }
    assert.equal(text, JOINED, `in pieces of ${size}`);
    const { stdout } = connect(double).execute(["x"]);
    text = "";
    for await (const piece of stdout.setEncoding("utf8")) text += piece;
    assert.equal(text, JOINED, `and as a stream, in pieces of ${size}`);
  }
});

test("what is behind a gap is not the rest of a character before it", async () => {
  const double = await serve({
    Attach: (asked) => {
      asked.started();
      asked.output(0, Buffer.from([0x61, 0xe2, 0x82]));
      asked.event({ dropped: { stream: 0, offset: 3, bytes: 7 } });
      asked.output(10, Buffer.from([0xac, 0x62]));
      asked.exited();
    },
  });
  const pieces = [];
  for await (const { text, dropped } of connect(double).lease("l1").attach("e1").text()) pieces.push([text, dropped]);
  assert.deepEqual(pieces, [["a", 0], ["\ufffd", 7], ["\ufffdb", 0]]);
});

// MARK: Input

test("standard input of any length is sent in pieces while the output is read", async () => {
  const data = Buffer.alloc(5_000_000, "0123456789abcdef-");
  const cat = new Cat();
  const { stdout } = await connect(await serve(cat.handlers)).run(["cat"], { stdin: data, deadline: 20_000 });
  assert.ok(stdout.equals(data));
  assert.ok(cat.most <= 256 << 10);
});

test("what is written comes behind a long first input", async () => {
  const client = connect(await serve(new Cat().handlers));
  const execution = client.execute(["cat"], { stdin: Buffer.alloc(2_000_000), keepStdinOpen: true, deadline: 20_000 });
  const [{ stdout }] = await Promise.all([execution.result(), execution.closeStdin("last")]);
  assert.equal(stdout.length, 2_000_004);
  assert.equal(stdout.subarray(-4).toString(), "last");
});

test("a program that does not read its long input ends as it does", async () => {
  const double = await serve({ Input: (asked) => asked.fail(9, "the input has ended") });
  double.handlers.Execute = (asked) => {
    asked.started();
    asked.exited(3);
  };
  assert.equal((await connect(double).run(["false"], { stdin: Buffer.alloc(5_000_000) })).exitCode, 3);
});

// MARK: Arguments

test("arguments of the wrong kind are named before anything is sent", async () => {
  const client = new Client("127.0.0.1:1"), lease = client.lease("l1");
  for (const [name, call] of [
    ["argv", () => client.run("ls")],
    ["argv", () => client.run()],
    ["argv", () => client.run(Buffer.from("ls"))],
    ["argv", () => client.run({ argv: "ls" })],
    ["argv[0]", () => client.run([1])],
    ["argv[1]", () => lease.run(["ls", undefined])],
    ["argv[0]", () => client.run(["\ud800"])],
    ["env", () => client.run(["ls"], { env: ["A=1"] })],
    ['env["A"]', () => client.run(["ls"], { env: { A: 1 } })],
    ["cwd", () => client.run(["ls"], { cwd: 1 })],
    ["shell", () => client.run({ shell: ["ls"] })],
    ["stdin", () => client.run(["ls"], { stdin: 1 })],
    ["uid", () => client.run(["ls"], { uid: "0" })],
    ["timeout", () => client.run(["ls"], { timeout: "1" })],
    ["deadline", () => client.run(["ls"], { deadline: "1" })],
    ["keepBackground", () => client.run(["ls"], { keepBackground: "no" })],
    ["run", () => client.run(["cat"], { keepStdinOpen: true })],
    ["terminal.rows", async () => client.execute(["ls"], { terminal: { rows: "24", columns: 80 } })],
    ["pool", () => client.acquire({ pool: 1 })],
    ["wait", () => client.acquire({ wait: "1" })],
    ["token", async () => client.lease(1)],
    ["address", async () => new Client({ address: 7411 })],
    ["keepalive", async () => new Client({ keepalive: "1" })],
    ["path", () => lease.writeFile(1, "")],
    ["data", () => lease.writeFile("/tmp/a", 1)],
    ["mode", () => lease.writeFile("/tmp/a", "", { mode: "0644" })],
    ["path", () => lease.readFile()],
    ["path", () => lease.listDirectory(1)],
    ["to", () => lease.rename("/tmp/a", 1)],
    ["mode", () => lease.changeMode("/tmp/a", "0644")],
    ["ttl", () => lease.renew("1")],
  ]) {
    await assert.rejects(call, (error) => error instanceof TypeError && error.message.startsWith(name), name);
  }
});

test("what is not UTF-8 goes as bytes", async () => {
  const asked = {};
  const double = await serve({
    Execute: (request) => {
      asked.execute = messages.ExecuteRequest.decode(request.payload);
      request.started();
      request.exited();
    },
    RenameFile: (request) => {
      asked.rename = messages.RenameFileRequest.decode(request.payload);
      request.answer();
    },
    Stat: (request) => request.answer(messages.StatResponse, { info: { name: "\ufffd", nameRaw: Buffer.from([0xff]) } }),
  });
  const lease = connect(double).lease("l1"), bytes = Buffer.from([0x61, 0xff]);
  await lease.run(["ls", bytes], { cwd: bytes, env: { A: bytes, B: "b" } });
  assert.deepEqual(asked.execute.argv, []);
  assert.deepEqual(asked.execute.argvRaw, [Buffer.from("ls"), bytes]);
  assert.deepEqual(asked.execute.env, { B: "b" });
  assert.deepEqual(asked.execute.envRaw, [Buffer.concat([Buffer.from("A="), bytes])]);
  assert.deepEqual([asked.execute.cwd, asked.execute.cwdRaw], ["", bytes]);
  await lease.rename(bytes, Buffer.from("/tmp/a"));
  assert.deepEqual([asked.rename.from, asked.rename.fromRaw, asked.rename.to], ["", bytes, "/tmp/a"]);
  assert.deepEqual((await lease.stat("/tmp")).nameBytes, Buffer.from([0xff]));
});

test("merged output and a terminal without echo are asked for, and only then", async () => {
  let asked;
  const double = await serve({
    Execute: (request) => {
      asked = messages.ExecuteRequest.decode(request.payload);
      request.started();
      request.exited();
    },
  });
  const client = connect(double), terminal = { rows: 24, columns: 80 };
  for (const [options, merged, expected] of [
    [{}, false, undefined],
    [{ mergeOutput: true }, true, undefined],
    [{ terminal }, false, { ...terminal, noEcho: false }],
    [{ terminal: { ...terminal, noEcho: true } }, false, { ...terminal, noEcho: true }],
  ]) {
    await client.run(["x"], options);
    assert.equal(asked.mergeOutput, merged);
    assert.deepEqual(asked.terminal ? { ...asked.terminal } : undefined, expected);
  }
  for (const [name, options] of [
    ["mergeOutput", { mergeOutput: "yes" }], ["noEcho", { terminal: { ...terminal, noEcho: 1 } }],
  ]) {
    await assert.rejects(
      async () => client.run(["x"], options), (error) => error instanceof TypeError && error.message.startsWith(name), name);
  }
});

test("a URL is refused with words", () => {
  for (const address of ["http://127.0.0.1:7411", "https://berth", "tcp://127.0.0.1:7411/"]) {
    assert.throws(() => new Client(address), /is a URL/);
  }
});

// MARK: Ends and times

test("after the server was killed everything about an execution says UNAVAILABLE", async () => {
  const double = await serve({ Execute: (asked) => asked.started() });
  const execution = connect(double).execute(["sleep"]);
  await execution.id();
  double.sockets[0].destroy();
  for (const ask of [() => execution.wait(), () => execution.wait(), () => execution.result(), () => execution.text().next()]) {
    await assert.rejects(ask, { code: "UNAVAILABLE" });
  }
});

test("a mute server holds nobody for ever", async () => {
  for (const call of [
    (client) => client.run(["sleep"]), (client) => client.acquire(), (client) => client.lease("l1").listDirectory("/tmp"),
  ]) {
    let asked = 0;
    const silent = () => asked++;
    const double = await serve({ Hello: silent, Execute: silent, Acquire: silent, ListDirectory: silent });
    await assert.rejects(call(connect(double, { keepalive: 200 })), { code: "UNAVAILABLE", message: /said nothing for 200 ms/ });
    assert.equal(asked, 3, "the greeting, the call, and one question");
  }
});

test("a program that is quiet for long is not given up", async () => {
  let asked = 0, execution;
  const double = await serve();
  const { Hello } = double.handlers;
  double.handlers.Execute = (request) => {
    execution = request;
    request.started();
  };
  double.handlers.Hello = (request) => {
    Hello(request);
    if (++asked === 6) execution.exited();
  };
  assert.equal((await connect(double, { keepalive: 100 }).run(["sleep"])).ok, true);
});

// MARK: What was dropped

test("a lease that was dropped is released with a warning", async () => {
  const double = await serve({ Acquire: leased });
  const client = connect(double);
  const warned = new Promise((resolve) => process.once("warning", resolve));
  await client.acquire();
  const release = await collected(double.next("Release"));
  assert.equal(messages.ReleaseRequest.decode(release.payload).lease, "l1");
  const warning = await warned;
  assert.equal(warning.name, "ResourceWarning");
  assert.match(warning.message, /a lease of m1 was dropped/);
});

test("an execution holds its lease and is given up when it is dropped", async () => {
  const double = await serve({ Acquire: leased });
  const client = connect(double);
  let execution = (await client.acquire()).execute(["sleep"]);
  (await double.next("Execute")).started("e9", 4);
  await execution.id();
  for (let turn = 0; turn < 5; turn++) {
    collectGarbage();
    await sleep(1);
  }
  await client.hello();
  const gone = [double.next(), double.next()].map((next) => next.catch((error) => error.message));
  execution = undefined;
  const words = (await collected(Promise.all(gone))).map((message) => message.replace(/ came.*/, "")).sort();
  assert.deepEqual(words, ["Detach", "Release"]);
});

test("detached, released and foreign leases may be dropped", async () => {
  const released = [];
  const double = await serve({ Acquire: leased });
  double.handlers.Release = (asked) => {
    released.push(messages.ReleaseRequest.decode(asked.payload).lease);
    asked.answer();
  };
  const client = connect(double);
  await client.acquire({ detached: true });
  client.lease("l2");
  await (await client.acquire()).release();
  await client.withLease(() => {});
  for (let turn = 0; turn < 20; turn++) {
    collectGarbage();
    await sleep(1);
  }
  await client.hello();
  assert.deepEqual(released, ["l1", "l1"]);
});

// MARK: Credit

test("credit comes in large pieces and before sixty events are on their way", async () => {
  const acknowledged = [];
  let execution, sent = 0;
  const send = () => {
    for (; sent < 300; sent++) {
      if (sent - (acknowledged.at(-1) ?? 0) >= 60) return;
      execution.output(sent, "x");
    }
    execution.exited();
  };
  const handlers = {
    Execute: (asked) => {
      execution = asked;
      sent = acknowledged.length = 0;
      asked.started();
      send();
    },
    Acknowledge: (asked) => {
      acknowledged.push(messages.AcknowledgeRequest.decode(asked.payload).stdoutOffset);
      if (sent < 300) send();
    },
  };
  const client = connect(await serve(handlers));
  assert.equal((await client.run(["x"], { deadline: 10_000 })).stdout.length, 300);
  assert.deepEqual(acknowledged.slice(0, 8), [30, 60, 90, 120, 150, 180, 210, 240]);
  let length = 0;
  for await (const piece of client.execute(["x"], { deadline: 10_000 }).stdout) length += piece.length;
  assert.equal(length, 300, "and as a stream");
});

// MARK: Errors

test("errors have a reason where the code is too coarse", async () => {
  const double = await serve({
    Stat: (asked) => asked.failWith(9, "it is one", "IS_A_DIRECTORY"),
    Acquire: (asked) => asked.failWith(14, "later", "BREAKER_OPEN", { retry_after_ms: "1500" }),
    Execute: (asked) => asked.failWith(8, "no", "A_REASON_OF_LATER"),
  });
  const client = connect(double);
  await assert.rejects(client.lease("l1").stat("/tmp"), { code: "FAILED_PRECONDITION", reason: "IS_A_DIRECTORY" });
  await assert.rejects(client.acquire(), { code: "UNAVAILABLE", metadata: { retry_after_ms: "1500" } });
  await assert.rejects(client.run(["x"]), (error) => error instanceof BerthError && error.reason === undefined);
  assert.equal(ErrorReason.IS_A_DIRECTORY, 2);
});
