// SPDX-License-Identifier: Apache-2.0

// A server of our own, on real sockets, that does what a test tells it to.

import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

import { ErrorInfo, ExecuteEvent, Request, Response } from "../src/messages.js";
import { FrameDecoder, encodeFrame } from "../src/wire.js";

/** A request that came. */
class Asked {
  constructor(socket, stream, request) {
    this.socket = socket;
    this.stream = stream;
    Object.assign(this, request);
  }

  send(kind, flags, data) {
    if (this.socket.writable) this.socket.write(encodeFrame(this.stream, kind, flags, data));
  }

  answer(type, message) {
    this.send(2, 0, Response.encode({ payload: type === undefined ? Buffer.alloc(0) : type.encode(message) }));
  }

  fail(code, message) {
    this.send(2, 0, Response.encode({ status: { code, message } }));
  }

  failWith(code, message, reason, metadata = {}) {
    const info = ErrorInfo.encode({ reason, domain: "berth.dev", metadata });
    const details = [{ typeUrl: "x/other", value: info }, { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: info }];
    this.send(2, 0, Response.encode({ status: { code, message, details } }));
  }

  event(event) {
    this.send(3, 0, ExecuteEvent.encode(event));
  }

  started(execution = "e1", watcher = 7) {
    this.event({ started: { execution, member: "m1", watcher } });
  }

  output(offset, data, stream = 0) {
    this.event({ output: { stream, offset, data: Buffer.from(data) } });
  }

  exited(exitCode = 0) {
    this.event({ ended: { cause: 1, exitCode } });
    this.send(3, 5, Buffer.alloc(0));
  }
}

export class Double {
  sockets = [];
  #asked = [];
  #waiting = [];

  /** @param handlers by method; what has none is put in line for `next` */
  constructor(handlers = {}) {
    this.handlers = { Hello: hello, ...handlers };
  }

  static async start(handlers, { tls: tlsOptions, path } = {}) {
    const double = new Double(handlers);
    const accept = (socket) => double.#accept(socket);
    double.server = tlsOptions ? tls.createServer(tlsOptions, accept) : net.createServer(accept);
    double.server.listen(path ?? { host: "127.0.0.1", port: 0 });
    await once(double.server, "listening");
    double.address = path === undefined ? `127.0.0.1:${double.server.address().port}` : `unix:${path}`;
    return double;
  }

  #accept(socket) {
    this.sockets.push(socket);
    socket.setNoDelay(); // As the server does.
    const decoder = new FrameDecoder();
    socket.on("error", () => {});
    socket.on("data", (chunk) => decoder.feed(chunk, (stream, kind, flags, data) => {
      if (kind !== 1 || stream % 2 !== 1) throw new Error(`a frame of kind ${kind} on stream ${stream}`);
      const asked = new Asked(socket, stream, Request.decode(data));
      if (this.handlers[asked.method]) this.handlers[asked.method](asked);
      else if (this.#waiting.length > 0) this.#waiting.shift()(asked);
      else this.#asked.push(asked);
    }));
  }

  /** The next request that no handler took, which must be of this method. */
  async next(method) {
    const asked = this.#asked.shift() ?? (await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${method} came within 5 s`)), 5000);
      this.#waiting.push((asked) => {
        clearTimeout(timer);
        resolve(asked);
      });
    }));
    if (asked.method !== method) throw new Error(`${asked.method} came where ${method} was to`);
    return asked;
  }

  async close() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

// HelloResponse { server: "double/1", pools: ["default"] }
function hello(asked) {
  asked.answer({ encode: () => Buffer.from("\x0a\x08double/1\x12\x07default") });
}
