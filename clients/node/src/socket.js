// SPDX-License-Identifier: Apache-2.0

import { Duplex } from "node:stream";

import { BerthError, describeEnd } from "./errors.js";

/** A byte stream to something that listens in a container. Both directions end on their own. */
export class ContainerSocket extends Duplex {
  #execution;
  #watch;
  #isPumping = false;
  #timeout = 0;
  #timer;

  constructor(execution, watch) {
    super({ allowHalfOpen: true });
    this.#execution = execution;
    this.#watch = watch;
  }

  _read() {
    void this.#pump();
  }

  /** Takes what comes, as far as there is room for it here: what is taken is given credit for. */
  async #pump() {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (!this.destroyed) {
        const event = await this.#watch.next();
        if (event === undefined) return this.#end();
        this.#watch.taken(event);
        this.#touch();
        if (event.type === "output" && !this.push(event.data)) return;
        // Its end is to be known, whether somebody reads or not.
        if (event.type === "output_ended") this.push(null);
      }
    } catch (error) {
      this.destroy(coded(error, "ECONNABORTED"));
    } finally {
      this.#isPumping = false;
    }
  }

  #end() {
    const { end } = this.#watch;
    if (end.cause === "exited") this.push(null);
    else this.destroy(endError(end));
  }

  _write(data, _, done) {
    this.#touch();
    this.#execution.write(data).then(() => done(), (error) => done(failure(error)));
  }

  _final(done) {
    // Who has closed it needs to be told no end.
    this.#execution.closeStdin().then(() => done(), (error) => done(isBroken(error) ? null : failure(error)));
  }

  _destroy(error, done) {
    clearTimeout(this.#timer);
    this.#watch.giveUp();
    done(error);
  }

  // MARK: What users of net.Socket ask for

  /** Emits `timeout` when nothing was sent or received for so long. */
  setTimeout(time, listener) {
    this.#timeout = time;
    if (listener) this.once("timeout", listener);
    this.#touch();
    return this;
  }

  #touch() {
    clearTimeout(this.#timer);
    if (this.#timeout > 0 && !this.destroyed) this.#timer = setTimeout(() => this.emit("timeout"), this.#timeout).unref();
  }

  /** Small pieces are sent at once. */
  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

/** For an end that not both sides have wanted. */
export function endError(end) {
  const code = end.cause === "connection_reset" ? "ECONNRESET" : "ECONNABORTED";
  return Object.assign(new Error(describeEnd(end)), { code, end });
}

const isBroken = (error) => error instanceof BerthError && ["FAILED_PRECONDITION", "NOT_FOUND"].includes(error.code);

/** The other side takes no more, or the server, or this client, is gone. */
const failure = (error) => coded(error, isBroken(error) ? "EPIPE" : "ECONNABORTED");

const coded = (error, code) => Object.assign(new Error(error.message, { cause: error }), { code });
