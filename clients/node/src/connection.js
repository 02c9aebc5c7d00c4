// SPDX-License-Identifier: Apache-2.0

// One connection: calls on a socket.

import net from "node:net";
import tls from "node:tls";

import { POSTED, STREAM_LIMIT } from "./calls.js";
import { describeAddress } from "./address.js";
import { DecodeError } from "./codec.js";
import { BerthError } from "./errors.js";
import { Response } from "./messages.js";
import { distrust } from "./security.js";
import { BrokenWire, DATA, FrameDecoder, NO_DATA, REMOTE_CLOSED, REQUEST, RESPONSE, encodeFrame, requestBody } from "./wire.js";

export const SERVICE = "berth.v1.Pool";
/** Codes of a server that takes no connection: too many, another protocol, shutting down. */
const REFUSALS = new Set(["RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "UNAVAILABLE"]);

/** A connected socket. Rejects with what was in the way, also when `timeout` milliseconds are over. */
export function openSocket(address, tlsOptions, timeout) {
  return new Promise((resolve, reject) => {
    const isTls = tlsOptions !== undefined;
    const socket = isTls ? tls.connect({ ...address, ...tlsOptions }) : net.connect(address);
    const timer = setTimeout(() => {
      const what = isTls && !socket.connecting ? "it did not finish the handshake of TLS, perhaps it speaks none," : "no connection";
      socket.destroy(new Error(`${what} within ${Math.round(timeout)} ms`));
    }, timeout);
    const fail = (error) => {
      clearTimeout(timer);
      reject(error ?? new Error("the connection was closed"));
    };
    socket.once("error", fail);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 30_000);
      resolve(socket);
    });
  });
}

export class Connection {
  #socket;
  #peer;
  #decoder = new FrameDecoder();
  #calls = new Map();
  #nextId = 1;
  #error;
  #full = new Set();
  /** Calls that somebody waits for: without any, the socket does not keep the process alive. */
  #wanted = 0;

  #keepalive;
  #timer;
  #wasHeard = false;
  #wasAsked = false;
  #metadata;
  /** What a server that takes no connection of ours says once, to the Hello, before it closes it. */
  #refusal;
  #hasAnswered = false;

  constructor(socket, address, { keepalive, hello, metadata, tls: options }) {
    this.#metadata = metadata;
    this.#socket = socket;
    this.#keepalive = keepalive;
    this.hello = hello;
    this.#peer = describeAddress(address);
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("end", () => this.#lose("the server closed it"));
    // A server may refuse a client's certificate after the handshake.
    socket.on("error", (error) => this.#lose(distrust(error, address, options) ?? error.message));
    socket.on("close", () => this.#lose("the server closed it"));
    socket.unref();
  }

  get isLost() {
    return this.#error !== undefined;
  }

  /** Sends what begins a call. Throws `BerthError`; then there is no call. */
  start(call, method, payload, timeout, service = SERVICE) {
    const body = requestBody(service, method, payload, timeout, this.#metadata);
    if (this.#error) throw this.#error.again();
    while (this.#calls.has(this.#nextId)) this.#advance();
    const id = this.#nextId;
    this.#advance();
    this.#calls.set(id, call);
    this.#watchSilence();
    if (!call.isPosted && this.#wanted++ === 0) this.#socket.ref();
    if (call.isStream) call.onBalance = () => this.#balance(call);
    this.#socket.write(encodeFrame(id, REQUEST, call.isStream ? REMOTE_CLOSED : 0, body));
  }

  #advance() {
    this.#nextId = (this.#nextId + 2) >>> 0;
  }

  /** A call of which nobody wants the answer; nor whether the connection still is. */
  post(method, payload) {
    if (!this.#error) this.start(POSTED, method, payload);
  }

  close() {
    this.#lose("it was closed here");
  }

  /** While calls are open, a server that says nothing is asked whether it is there, and given up if it is silent on. */
  #watchSilence() {
    if (this.#timer !== undefined) return;
    this.#wasHeard = this.#wasAsked = false;
    this.#timer = setInterval(() => this.#look(), this.#keepalive / 2).unref();
  }

  #look() {
    if (this.#calls.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const isSilent = !this.#wasHeard && this.#full.size === 0;
    if (isSilent && this.#wasAsked) {
      this.#lose(`the server has said nothing for ${this.#keepalive} ms, and did not answer a Hello`);
      return;
    }
    this.#wasAsked = isSilent;
    this.#wasHeard = false;
    if (isSilent) this.post("Hello", this.hello);
  }

  #receive(chunk) {
    this.#wasHeard = true;
    try {
      this.#decoder.feed(chunk, (stream, kind, flags, data) => this.#deliver(stream, kind, flags, data));
    } catch (error) {
      if (!(error instanceof BrokenWire || error instanceof DecodeError)) throw error;
      this.#lose(error.message);
    }
  }

  #deliver(stream, kind, flags, data) {
    const call = this.#calls.get(stream);
    // Late, or for an id that is not ours: nobody minds.
    if (call === undefined) return;
    if (kind === RESPONSE) {
      const { status, payload } = Response.decode(data);
      this.#end(stream, call);
      const error = status?.code ? BerthError.of(status) : undefined;
      this.#refusal = !this.#hasAnswered && REFUSALS.has(error?.code) ? error : undefined;
      this.#hasAnswered = true;
      call.finish(error, payload);
    } else if (kind === DATA) {
      if ((flags & NO_DATA) === 0) call.receive(data);
      if ((flags & REMOTE_CLOSED) !== 0) {
        this.#end(stream, call);
        call.finish(undefined, Buffer.alloc(0));
      }
    }
  }

  #end(stream, call) {
    this.#calls.delete(stream);
    if (!call.isPosted && --this.#wanted === 0) this.#socket.unref();
  }

  /** Reads no further while a stream of a server that knows no windows piles up. */
  #balance(call) {
    const had = this.#full.size;
    if (call.size >= STREAM_LIMIT) this.#full.add(call);
    else this.#full.delete(call);
    if (had === 0 && this.#full.size > 0) this.#socket.pause();
    if (had > 0 && this.#full.size === 0) this.#socket.resume();
  }

  /** Ends every call, once. */
  #lose(why) {
    if (this.#error) return;
    // What the server said, if that was all it said, is more than that the connection was lost.
    this.#error = this.#refusal ?? new BerthError("UNAVAILABLE", `the connection to ${this.#peer} was lost: ${why}`);
    this.#socket.destroy();
    clearInterval(this.#timer);
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.finish(this.#error.again(), Buffer.alloc(0));
  }
}
