// SPDX-License-Identifier: Apache-2.0

import { BerthError } from "./errors.js";
import {
  CloseContextRequest, CloseContextResponse, CompleteRequest, CompleteResponse, ForkContextRequest, ForkContextResponse,
  InspectRequest, InspectResponse,
} from "./messages.js";
import { pieceOptions, place } from "./options.js";
import { formsOf } from "./results.js";

/** An interpreter in a lease that keeps its state from one piece of code to the next. It holds its lease. */
export class Context {
  #client;
  #lease;
  #id;

  constructor(client, lease, id, { language = "", version = "" } = {}) {
    this.#client = client;
    this.#lease = lease;
    this.#id = id;
    this.language = language;
    this.version = version;
  }

  /** No property of its own, so that it does not get into logs. */
  get id() {
    return this.#id;
  }

  run(code, options) {
    return this.#client.collect(this.#lease, () => pieceOptions(code, options), this.#id);
  }

  execute(code, options) {
    return this.#client.start(this.#lease, pieceOptions(code, options), this.#id);
  }

  async complete(code, cursor) {
    const { matches, start, end } = await this.#ask("Complete", CompleteRequest, place(code, cursor), CompleteResponse);
    return { matches, start, end };
  }

  async inspect(code, cursor, { detail = false } = {}) {
    const { found, data } = await this.#ask("Inspect", InspectRequest, { ...place(code, cursor), detail }, InspectResponse);
    return found ? formsOf(data) : undefined;
  }

  async fork(limits) {
    const { context, version } = await openContext(
      this.#client, "ForkContext", ForkContextRequest, { lease: this.#lease.token, context: this.#id }, ForkContextResponse, limits);
    return new Context(this.#client, this.#lease, context, { language: this.language, version });
  }

  async close() {
    await this.#ask("CloseContext", CloseContextRequest, {}, CloseContextResponse);
  }

  /** As leaving a block does it: no error when it has ended by itself, or goes with its connection. */
  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    try {
      await this.close();
    } catch (error) {
      if (!(error instanceof BerthError && ["NOT_FOUND", "UNAVAILABLE"].includes(error.code))) throw error;
    }
  }

  #ask(method, requestType, request, responseType) {
    const about = { lease: this.#lease.token, context: this.#id };
    return this.#client.call(method, requestType, { ...about, ...request }, responseType);
  }
}

/** A call that makes a context, which is closed if nobody waits for it any more when it comes. */
export function openContext(client, method, requestType, request, responseType, limits) {
  return client.call(method, requestType, request, responseType, limits, ({ context }, connection) => {
    connection.post("CloseContext", CloseContextRequest.encode({ lease: request.lease, context }));
  });
}
