// SPDX-License-Identifier: Apache-2.0

// Connections into a container, against a server that makes them to ports of this machine.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import test, { afterEach } from "node:test";

import { Client } from "../src/index.js";
import * as messages from "../src/messages.js";
import { Double } from "./double.js";

const doubles = [], clients = [], listeners = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const double of doubles.splice(0)) await double.close();
  for (const { server, sockets } of listeners.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

/** One connection that was made for a Connect. */
class Reached {
  #sent = 0;
  #acknowledged = 0;
  #taken = 0;
  #ends = { input: false, output: false };
  #isOver = false;

  constructor(asked, window) {
    Object.assign(this, { asked, window });
  }

  begin(socket) {
    this.socket = socket;
    this.asked.started(`e${this.asked.stream}`);
    socket.on("data", (data) => {
      for (let at = 0; at < data.length; at += 32 << 10) {
        const piece = data.subarray(at, at + (32 << 10));
        this.asked.output(this.#sent, piece);
        this.#sent += piece.length;
      }
      if (this.#sent - this.#acknowledged >= this.window) socket.pause();
    });
    socket.on("end", () => {
      this.asked.event({ outputEnded: { offset: this.#sent } });
      this.#half("output");
    });
    socket.on("error", () => this.end({ cause: 13, message: "the other side broke it off" }));
  }

  #half(which) {
    this.#ends[which] = true;
    if (this.#ends.input && this.#ends.output) this.end({ cause: 1 });
  }

  end(ended) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.asked.event({ ended });
    this.asked.send(3, 5, Buffer.alloc(0));
  }

  acknowledge(offset) {
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    if (this.#sent - this.#acknowledged < this.window) this.socket.resume();
  }

  input(asked, { offset, data, end }) {
    assert.equal(offset, this.#taken);
    if (this.socket.destroyed) return asked.fail(9, "the other side takes no more");
    this.socket.write(data, () => {
      this.#taken += data.length;
      if (end) this.socket.end(() => this.#half("input"));
      asked.answer(messages.InputResponse, { offset: this.#taken });
    });
  }
}

async function lease() {
  const made = new Map();
  const about = (type, use) => (asked) => {
    const request = type.decode(asked.payload);
    use(made.get(request.execution), asked, request);
  };
  const double = await Double.start({
    Connect: (asked) => {
      const { port, windowBytes } = messages.ConnectRequest.decode(asked.payload);
      const reached = new Reached(asked, windowBytes);
      made.set(`e${asked.stream}`, reached);
      const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.once("connect", () => reached.begin(socket));
      socket.once("error", (error) => {
        if (error.code === "ECONNREFUSED") asked.failWith(9, "nobody listens there", "CONNECTION_REFUSED");
      });
    },
    Acknowledge: about(messages.AcknowledgeRequest, (reached, asked, { stdoutOffset }) => {
      reached.acknowledge(stdoutOffset);
      asked.answer();
    }),
    Input: about(messages.InputRequest, (reached, asked, request) => reached.input(asked, request)),
    Detach: about(messages.DetachRequest, (reached, asked) => {
      reached.socket.destroy();
      reached.end({ cause: 6 });
      asked.answer();
    }),
  });
  doubles.push(double);
  clients.push(new Client({ address: double.address }));
  return { lease: clients.at(-1).lease("l1"), made };
}

/** A port at which `serve` gets each connection. */
async function listen(serve, make = net.createServer) {
  const server = make({ allowHalfOpen: true }, serve), sockets = [];
  server.on("connection", (socket) => sockets.push(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  listeners.push({ server, sockets });
  return server.address().port;
}

/** Iterating would destroy the stream at its end, the other direction too. */
async function all(stream) {
  const pieces = [];
  stream.on("data", (piece) => pieces.push(piece));
  await once(stream, "end");
  return Buffer.concat(pieces);
}

test("HTTP goes over connections into a container", { timeout: 20_000 }, async () => {
  const port = await listen(async (request, response) => {
    response.end(`${request.method} ${request.url} ${(await all(request)).length}`);
  }, (_, serve) => http.createServer(serve));
  const { lease: reach } = await lease();
  class ContainerAgent extends http.Agent {
    createConnection(options, made) {
      reach.connect({ port }).then((socket) => made(null, socket), made);
    }
  }
  const agent = new ContainerAgent({ keepAlive: true });
  const ask = async (method, path, body) => {
    const request = http.request({ agent, method, path, host: "container" });
    request.end(body);
    const [response] = await once(request, "response");
    return (await all(response)).toString();
  };
  for (let round = 0; round < 3; round++) {
    assert.equal(await ask("GET", "/a"), "GET /a 0");
    assert.equal(await ask("POST", "/b", Buffer.alloc(5_000_000)), "POST /b 5000000");
  }
  agent.destroy();
});

test("each direction of a connection ends by itself", { timeout: 10_000 }, async () => {
  const { lease: reach } = await lease();
  const heard = new Promise((resolve) => {
    void listen(async (socket) => {
      socket.end("first");
      resolve((await all(socket)).toString());
    }).then(async (port) => {
      const socket = await reach.connect({ port });
      assert.equal((await all(socket)).toString(), "first");
      socket.end("second");
      await once(socket, "close");
    });
  });
  assert.equal(await heard, "second");
  const echo = await reach.connect({ port: await listen((socket) => socket.pipe(socket)) });
  echo.end("echo");
  assert.equal((await all(echo)).toString(), "echo");
});

test("much goes both ways at once on many connections", { timeout: 120_000 }, async () => {
  const port = await listen((socket) => socket.pipe(socket));
  const { lease: reach } = await lease();
  await Promise.all(Array.from({ length: 20 }, async () => {
    const data = randomBytes(1 << 20), socket = await reach.connect({ port });
    socket.end(data);
    assert.ok((await all(socket)).equals(data));
  }));
});

test("who reads slowly holds up the sender, and nobody else", { timeout: 10_000 }, async () => {
  let written = 0;
  const port = await listen((socket) => {
    const write = () => {
      while (written < 8 << 20 && socket.write(Buffer.alloc(64 << 10))) written += 64 << 10;
      if (written >= 8 << 20) socket.end();
    };
    socket.on("drain", write);
    write();
  });
  const { lease: reach } = await lease();
  const socket = await reach.connect({ port, window: 64 << 10 });
  const other = await reach.connect({ port: await listen((socket) => socket.end("unhindered")) });
  assert.equal((await all(other)).toString(), "unhindered");
  assert.ok((await all(socket)).length >= 8 << 20);
  for (const one of [socket, other]) await once(one.end(), "close");
});

test("a connection that is not made says why, and one that is broken off says that", { timeout: 10_000 }, async () => {
  const { lease: reach, made } = await lease();
  const port = await listen(() => {});
  listeners.at(-1).server.close();
  await assert.rejects(reach.connect({ port }), { code: "FAILED_PRECONDITION", reason: "CONNECTION_REFUSED" });
  await assert.rejects(reach.connect({}), TypeError);
  await assert.rejects(reach.connect({ port: 1, path: "/x" }), TypeError);
  const broken = await reach.connect({ port: await listen((socket) => socket.once("data", () => socket.resetAndDestroy())) });
  broken.write("x");
  await assert.rejects(all(broken), { code: "ECONNRESET" });
  const ended = await reach.connect({ port: await listen(() => {}) });
  [...made.values()].at(-1).end({ cause: 6, message: "its lease was released" });
  await assert.rejects(all(ended), (error) => error.code === "ECONNABORTED" && /released/.test(error.message));
});

test("a connection whose server goes away is ECONNABORTED, for who reads and for who writes", { timeout: 10_000 }, async () => {
  const { lease: reach } = await lease();
  const port = await listen(() => {});
  const reading = await reach.connect({ port }), writing = await reach.connect({ port });
  await once(writing.end("x"), "finish");
  const ends = [all(reading), all(writing)];
  doubles.at(-1).sockets.forEach((socket) => socket.destroy());
  for (const end of ends) await assert.rejects(end, { code: "ECONNABORTED" });
  const closed = await reach.connect({ port });
  clients.at(-1).close();
  closed.write("x");
  const [error] = await once(closed, "error");
  assert.equal(error.code, "ECONNABORTED");
});

test("what the other side takes no more of is EPIPE", { timeout: 10_000 }, async () => {
  const { lease: reach, made } = await lease();
  const socket = await reach.connect({ port: await listen(() => {}) });
  [...made.values()].at(-1).socket.destroy();
  socket.write("x");
  const [error] = await once(socket, "error");
  assert.equal(error.code, "EPIPE");
});

test("an aborted connecting leaves nothing, and a connection outlives its signal", { timeout: 10_000 }, async () => {
  doubles.push(await Double.start({ Connect: () => {} }));
  clients.push(new Client({ address: doubles.at(-1).address }));
  const abort = new AbortController();
  const connecting = clients.at(-1).lease("l1").connect({ path: "/tmp/x", wait: 60_000, signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  await assert.rejects(connecting, { name: "AbortError" });
  await assert.rejects(clients.at(-1).lease("l1").connect({ path: "/tmp/x", deadline: 20 }), { code: "DEADLINE_EXCEEDED" });
  const { lease: reach } = await lease();
  const other = new AbortController();
  const socket = await reach.connect({ port: await listen((socket) => socket.pipe(socket)), signal: other.signal });
  other.abort();
  socket.end("x");
  assert.equal((await all(socket)).toString(), "x");
});

test("destroying a connection closes it, and its time-out is told", { timeout: 10_000 }, async () => {
  const { lease: reach } = await lease();
  let closed;
  const isClosed = new Promise((resolve) => (closed = resolve));
  const socket = await reach.connect({ port: await listen((socket) => socket.once("end", closed).resume()) });
  socket.resume();
  socket.setTimeout(20, () => socket.destroy());
  await once(socket, "close");
  await isClosed;
});
