// SPDX-License-Identifier: Apache-2.0

// The calls of one connection.

import { BerthError, deadlinePassed } from "./errors.js";

/** The server ends a call by its deadline; here it counts a little later, so that an answer that came in time is taken. */
const PATIENCE_MS = 250;
/** A stream that has so much waiting here has a server that knows no windows: the connection is then read no further. */
export const STREAM_LIMIT = 4 << 20;

/** When a call must be over, and how it may be left before. */
export class Limits {
  #deadline;
  #signal;

  /** @param deadline in milliseconds from now; @param signal an AbortSignal */
  constructor({ deadline, signal } = {}) {
    if (deadline !== undefined && typeof deadline !== "number") throw new TypeError("deadline must be a number of milliseconds");
    if (deadline !== undefined && !(deadline >= 0)) throw new RangeError(`${deadline} ms is no deadline`);
    this.#deadline = deadline === undefined ? undefined : performance.now() + deadline;
    this.#signal = signal;
  }

  /** What is left, in milliseconds; undefined without a deadline. */
  get remaining() {
    return this.#deadline === undefined ? undefined : Math.max(0, this.#deadline - performance.now());
  }

  throwIfOver() {
    this.#signal?.throwIfAborted();
    if (this.remaining === 0) throw deadlinePassed();
  }

  /** Calls `leave(reason)` when the time is up or the signal says so; what it returns ends the watch. */
  watch(leave) {
    const timer = this.#deadline === undefined
      ? undefined : setTimeout(() => leave(deadlinePassed()), this.remaining + PATIENCE_MS);
    const onAbort = () => leave(this.#signal.reason);
    this.#signal?.addEventListener("abort", onAbort, { once: true });
    if (this.#signal?.aborted) onAbort();
    return () => {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", onAbort);
    };
  }
}

/** One answer. When nobody waits for it any more, `onLate(payload)` makes it good (a lease is released). */
export class UnaryCall {
  isStream = false;
  #resolve;
  #reject;
  #onLate;
  #isLeft = false;
  #unwatch;

  constructor(limits, onLate) {
    this.#onLate = onLate;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#unwatch = limits.watch((reason) => {
      this.#isLeft = true;
      this.#unwatch?.();
      this.#reject(reason);
    });
  }

  receive() {}

  finish(error, payload) {
    this.#unwatch();
    if (error) this.#reject(error);
    else if (this.#isLeft) this.#onLate?.(payload);
    else this.#resolve(payload);
  }
}

/** A call of which nobody wants the answer. */
export const POSTED = Object.freeze({ isStream: false, isPosted: true, receive() {}, finish() {} });

/** Encoded messages, until the end. Somebody takes them in turn, or `onMessage` gets them as they come. */
export class StreamCall {
  isStream = true;
  isDone = false;
  size = 0;
  onMessage;
  /** Called when a message is taken by nobody's `onMessage` and `size` has crossed the limit. */
  onBalance = () => {};
  #messages = [];
  #error;
  #waiting;
  #unwatch;

  constructor(limits, leave) {
    this.#unwatch = limits.watch((reason) => {
      // The reason is what the caller gets, now or when it comes to ask.
      this.#end(reason);
      leave();
    });
  }

  get error() {
    return this.#error;
  }

  receive(data) {
    if (this.onMessage !== undefined) return this.onMessage(data);
    this.#messages.push(data);
    this.size += data.length;
    this.onBalance();
    this.#wake();
  }

  finish(error) {
    this.#unwatch?.();
    this.#end(error);
  }

  #end(error) {
    if (this.isDone) return;
    this.isDone = true;
    this.#error = error;
    this.#wake();
    this.onMessage?.(undefined);
  }

  #wake() {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  /** The next message, undefined at the good end. Throws what the stream ended with. */
  async next() {
    while (this.#messages.length === 0) {
      if (this.isDone) {
        if (this.#error === undefined) return undefined;
        throw this.#error instanceof BerthError ? this.#error.again() : this.#error;
      }
      await new Promise((resolve) => (this.#waiting = resolve));
    }
    return this.#take();
  }

  #take() {
    const message = this.#messages.shift();
    this.size -= message.length;
    this.onBalance();
    return message;
  }

  /** From now on `onMessage(data)` gets what waits, and what comes; undefined is the end. */
  pipe(onMessage) {
    this.onMessage = onMessage;
    while (this.#messages.length > 0) onMessage(this.#take());
    if (this.isDone) onMessage(undefined);
    this.#wake();
  }

  /** Nobody will read this any more: the limits no longer count. */
  abandon(onMessage) {
    this.#unwatch?.();
    this.#end(new BerthError("CANCELLED", "this stream was closed here"));
    this.pipe(onMessage);
  }
}

/** What a promise gives, or the end of the limits. */
export function within(limits, promise) {
  return new Promise((resolve, reject) => {
    const unwatch = limits.watch(reject);
    promise.then(resolve, reject).finally(() => unwatch?.());
  });
}
