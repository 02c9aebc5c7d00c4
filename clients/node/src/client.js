// SPDX-License-Identifier: Apache-2.0

import { setTimeout as sleep } from "node:timers/promises";

import { describeAddress, parseAddress } from "./address.js";
import { Limits, StreamCall, UnaryCall, within } from "./calls.js";
import { DecodeError } from "./codec.js";
import { Connection, openSocket } from "./connection.js";
import { BerthError, unexpected } from "./errors.js";
import { Execution } from "./execution.js";
import { Lease } from "./lease.js";
import {
  AcquireRequest, AcquireResponse, ExecuteRequest, HelloRequest, HelloResponse, ReleaseRequest, StatsRequest, StatsResponse,
  WatchStatsRequest,
} from "./messages.js";
import { DEFAULT_WINDOW, checkedWindow, executeRequest, forRun, milliseconds, programOptions, wellFormed, wrong } from "./options.js";
import { distrust, metadata, tlsOptions } from "./security.js";
import { Watch } from "./watch.js";

const NAME = "berth-node/0.1.0";
/** How long calls may take that the server answers at once. */
const CALL_TIMEOUT = 30_000;
const FIRST_PAUSE = 50, LONGEST_PAUSE = 1000;

/** What was dropped without being closed is given back: `leave` says how, and whether there was anything to give back. */
const dropped = new FinalizationRegistry(({ leave, words }) => {
  if (leave()) process.emitWarning(`${words} was dropped without being closed`, "ResourceWarning");
});

export class Client {
  #options;
  #address;
  #tls;
  #metadata;
  #connectTimeout;
  #keepalive;
  #connection;
  #connecting;
  #isClosed = false;

  constructor(options = {}) {
    this.#options = typeof options === "string" ? { address: options } : options;
    const { address, connectTimeout = 5000, window = DEFAULT_WINDOW, keepalive = 60_000 } = this.#options;
    if (!(typeof keepalive === "number" && keepalive > 0)) throw wrong("keepalive", "milliseconds, more than none", keepalive);
    this.#keepalive = keepalive;
    this.#address = parseAddress(address);
    this.#readCredentials();
    this.#connectTimeout = connectTimeout;
    this.window = checkedWindow(window);
  }

  /** Closes the connection. What runs on it is cancelled; leases that are not detached end 10 s later. */
  close() {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    this.close();
  }

  // MARK: Calls

  async hello(limits) {
    const response = await this.call("Hello", HelloRequest, { client: NAME }, HelloResponse, limits);
    return { version: response.server, pools: response.pools };
  }

  async acquire({ pool = "", wait, detached = false, ttl, ...options } = {}) {
    const request = {
      pool: wellFormed(pool, "pool"), waitMs: milliseconds(wait, "wait"), detached, ttlMs: milliseconds(ttl, "ttl"),
    };
    const limits = new Limits(options);
    const connection = await this.connected(limits);
    const answer = await this.#ask(connection, "Acquire", AcquireRequest.encode(request), limits, undefined, (late) => {
      connection.post("Release", ReleaseRequest.encode({ lease: AcquireResponse.decode(late).lease }));
    });
    const response = decoded(AcquireResponse, answer);
    const lease = new Lease(this, response.lease, response);
    if (!detached) this.#releaseWhenDropped(lease, connection);
    return lease;
  }

  #releaseWhenDropped(lease, connection) {
    const { token, member, state } = lease;
    dropped.register(lease, {
      words: `a lease of ${member}`,
      leave: () => {
        // It goes with its connection.
        if (state.isReleased || connection.isLost) return false;
        connection.post("Release", ReleaseRequest.encode({ lease: token }));
        return true;
      },
    });
  }

  async withLease(...args) {
    const body = args.pop();
    const lease = await this.acquire(...args);
    try {
      return await body(lease);
    } finally {
      await lease.releaseQuietly();
    }
  }

  lease(token) {
    return new Lease(this, wellFormed(token, "token"));
  }

  run(program, options) {
    return this.collect(undefined, () => programOptions(program, options));
  }

  execute(program, options) {
    return this.start(undefined, programOptions(program, options));
  }

  async stats(limits) {
    return this.call("Stats", StatsRequest, {}, StatsResponse, limits);
  }

  /** On a connection of its own: closing that is the only way to end it. */
  async *watchStats({ interval = 1000, ...options } = {}) {
    const other = new Client(this.#options);
    try {
      const limits = new Limits(options);
      const connection = await other.connected(limits);
      const call = new StreamCall(limits, () => other.close());
      connection.start(call, "WatchStats", WatchStatsRequest.encode({ intervalMs: milliseconds(interval, "interval") }), limits.remaining);
      for (let message; (message = await call.next()) !== undefined; ) yield decoded(StatsResponse, message);
    } finally {
      other.close();
    }
  }

  /** Any unary call of the contract, with its messages as they are. `onLate(response, connection)` gets an answer that nobody
   * waits for any more. */
  async call(method, requestType, request, responseType, options = {}, onLate = undefined) {
    const { service, deadline = CALL_TIMEOUT, signal } = options;
    const limits = new Limits({ deadline: deadline === Infinity ? undefined : deadline, signal });
    const payload = requestType.encode(request);
    const connection = await this.connected(limits);
    const late = onLate && ((answer) => onLate(responseType.decode(answer), connection));
    return decoded(responseType, await this.#ask(connection, method, payload, limits, service, late));
  }

  // MARK: For leases and executions

  /** Starts a program, in a lease or in a member of its own; or a piece of code, in a context. */
  start(lease, options, context) {
    const { request, rest } = executeRequest(lease?.token ?? "", options, this.window, context);
    const about = { method: "Execute", payload: ExecuteRequest.encode(request), lease: request.lease, window: request.windowBytes };
    const execution = this.watch(new Watch(this, new Limits(options), about), lease, request.stdin?.length ?? 0);
    if (rest.length > 0) void execution.feed(rest, !options.keepStdinOpen);
    return execution;
  }

  /** Starts a program and collects what it writes. */
  async collect(lease, options, context) {
    return this.start(lease, forRun(options()), context).result();
  }

  /** An execution whose call begins now, not when it is first read; who reads it is told if that fails. Without an input offset, the
   * server is asked for it before the first write. */
  watch(watch, lease, inputOffset) {
    watch.begin().catch(() => {});
    const execution = new Execution(this, watch, lease, inputOffset);
    dropped.register(execution, { words: "an execution", leave: () => watch.giveUp() });
    return execution;
  }

  /** The connection, made anew if it was lost. */
  async connected(limits) {
    limits.throwIfOver();
    if (this.#connection && !this.#connection.isLost) return this.#connection;
    // Made for all who wait for it, so that none of their limits ends it.
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    this.#connecting.catch(() => {});
    return within(limits, this.#connecting);
  }

  /** What the options and the environment say of TLS and tokens; read anew for each connection, since files may be exchanged. */
  #readCredentials() {
    const { tls, token } = this.#options;
    this.#tls = tlsOptions(this.#address, tls);
    this.#metadata = metadata(token, this.#address, this.#tls !== undefined);
  }

  async #connect() {
    if (this.#connection) this.#readCredentials();
    const end = performance.now() + this.#connectTimeout;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      if (this.#isClosed) throw new Error("this client is closed");
      try {
        const socket = await openSocket(this.#address, this.#tls, Math.max(1, end - performance.now()));
        const connection = new Connection(socket, this.#address, {
          keepalive: this.#keepalive, hello: HelloRequest.encode({ client: NAME }), metadata: this.#metadata, tls: this.#tls,
        });
        if (this.#isClosed) connection.close();
        // Who calls, for the server's log.
        else connection.post("Hello", HelloRequest.encode({ client: NAME }));
        return (this.#connection = connection);
      } catch (error) {
        const rest = pause * (0.5 + Math.random() / 2);
        // A certificate does not get better by being looked at again.
        const wrong = distrust(error, this.#address, this.#tls);
        if (wrong !== undefined) {
          throw new BerthError("UNAVAILABLE", `no TLS with the server at ${describeAddress(this.#address)}: ${wrong}`, { cause: error });
        }
        if (performance.now() + rest >= end) {
          throw new BerthError(
            "UNAVAILABLE",
            `no Berth server at ${describeAddress(this.#address)}: ${error.message || error.code}; start one with ` +
              '"berth serve", or name another with BERTH_SERVER',
            { cause: error });
        }
        await sleep(rest);
      }
    }
  }

  #ask(connection, method, payload, limits, service, onLate) {
    limits.throwIfOver();
    const call = new UnaryCall(limits, onLate);
    try {
      connection.start(call, method, payload, limits.remaining, service);
    } catch (error) {
      call.finish(error);
    }
    return call.answer;
  }
}

function decoded(type, bytes) {
  try {
    return type.decode(bytes);
  } catch (error) {
    if (error instanceof DecodeError) throw unexpected(`an answer that is none: ${error.message}`, { cause: error });
    throw error;
  }
}
