// SPDX-License-Identifier: Apache-2.0

// One program in one container: a lease, its files, the execution, its output, its end. Knows nothing of VS Code.

"use strict";

const RETRY_MS = 500;
/** Input that the program has not taken. */
const MOST_INPUT = 1 << 20;
/** A lease without a program, while its files are copied, must not end at once, however short a program is to be kept. */
const LEAST_TTL_MS = 30_000;
/** Between TERM and KILL of what is cancelled. */
const CANCEL_GRACE_MS = 2000;

/**
 * @typedef {object} Plan what to run
 * @property {string} shell a line for the container's shell
 * @property {string} pool
 * @property {number} wait
 * @property {number} timeout
 * @property {number} keep how long it runs on without us; 0: not at all
 * @property {boolean} terminal
 * @property {Record<string, string>} env
 * @property {string} cwd
 * @property {File[]} files
 *
 * @typedef {object} File
 * @property {string} path in /workspace
 * @property {Uint8Array} data
 * @property {number} mode permission bits
 * @property {number} modified in milliseconds since 1970
 *
 * @typedef {object} Place where a program runs; secret
 * @property {string} lease
 * @property {string} execution
 * @property {number} keep
 * @property {boolean} terminal
 *
 * @typedef {object} Outcome
 * @property {number} code as `berth run` exits
 * @property {string} words how it ended, where the code does not say it
 * @property {boolean} isFailure of Berth, and not the program's own end
 * @property {number} time in milliseconds
 */

class Session {
  /**
   * @param {import("berth").Client} client
   * @param {{ write: (data: Uint8Array) => Promise<void> | undefined, note: (words: string) => void,
   *   started: (place: Place) => void, lost: () => void, refused: () => void }} hooks `refused`: input that nobody will read
   */
  constructor(client, hooks) {
    this.client = client;
    this.hooks = hooks;
    this.isCancelled = false;
    this.isEnded = false;
    this.isLeft = false;
    /** It has a terminal, and takes input. */
    this.isTerminal = false;
    this.waitingInput = 0;
    /** Typed before there was a program, or while the connection was lost. */
    this.heldInput = "";
    this.isLost = false;
    this.stdoutOffset = 0;
    this.stderrOffset = 0;
    this.beginning = new AbortController();
    /** @type {import("berth").Lease | undefined} */
    this.lease = undefined;
    /** @type {import("berth").Execution<any> | undefined} */
    this.execution = undefined;
    /** @type {Place | undefined} */
    this.place = undefined;
    /** @type {{ rows: number, columns: number } | undefined} */
    this.wantedSize = undefined;
    this.isResizing = false;
    /** @type {Promise<void> | undefined} */
    this.released = undefined;
  }

  /**
   * Runs it to its end; never throws.
   * @param {Plan} plan
   * @param {{ rows: number, columns: number } | undefined} size
   * @returns {Promise<Outcome>}
   */
  async run(plan, size) {
    const began = performance.now();
    this.isTerminal = plan.terminal;
    return this.conclude(began, async () => {
      const { signal } = this.beginning;
      this.lease = await this.client.acquire({
        pool: plan.pool, wait: plan.wait, signal, ...(plan.keep > 0 ? { detached: true, ttl: Math.max(plan.keep, LEAST_TTL_MS) } : {}),
      });
      await this.upload(plan.files, signal);
      signal.throwIfAborted();
      const { rows, columns } = this.wantedSize ?? size ?? { rows: 24, columns: 80 };
      this.wantedSize = undefined;
      this.execution = this.lease.execute({
        shell: plan.shell, env: plan.env, timeout: plan.timeout, ...(plan.cwd === "" ? {} : { cwd: plan.cwd }),
        ...(plan.terminal ? { terminal: { rows, columns }, keepStdinOpen: true } : { mergeOutput: true }),
        ...(plan.keep > 0 ? { resumable: plan.keep } : {}),
      });
      await this.follow(plan.keep, plan.terminal);
    });
  }

  /**
   * Goes on with one that was started before; never throws.
   * @param {Place} place
   * @param {number} heldFrom where its output begins that the server still has
   * @param {{ rows: number, columns: number } | undefined} size
   * @returns {Promise<Outcome>}
   */
  async attach(place, heldFrom, size) {
    const began = performance.now();
    this.isTerminal = place.terminal;
    return this.conclude(began, async () => {
      this.lease = this.client.lease(place.lease);
      if (heldFrom > 0) this.hooks.note(`${heldFrom} bytes before this are no longer held`);
      this.stdoutOffset = heldFrom;
      this.execution = this.lease.attach(place.execution, { stdoutOffset: heldFrom });
      this.wantedSize ??= place.terminal ? size : undefined;
      await this.follow(place.keep, place.terminal);
    });
  }

  /**
   * @param {number} began
   * @param {() => Promise<void>} body
   * @returns {Promise<Outcome>}
   */
  async conclude(began, body) {
    /** @type {Omit<Outcome, "time">} */
    let outcome;
    try {
      await body();
      outcome = outcomeOf(/** @type {import("berth").End} */ (this.execution?.end));
    } catch (error) {
      outcome = this.isCancelled
        ? { code: 130, words: "cancelled", isFailure: false }
        : { code: 125, words: wordsOf(error), isFailure: true };
    }
    this.isEnded = true;
    // The terminal does not wait for it; what can't be released ends with its time.
    if (!this.isLeft) this.released = this.lease?.release().catch(() => {});
    return { ...outcome, time: performance.now() - began };
  }

  /** @param {Plan["files"]} files @param {AbortSignal} signal */
  async upload(files, signal) {
    const lease = /** @type {import("berth").Lease} */ (this.lease);
    if (files.length === 1) {
      const [{ path, data, mode }] = files;
      await lease.writeFile(`/workspace/${path}`, data, { mode, createParents: true, signal });
    } else if (files.length > 1) {
      await lease.writeArchive("/workspace", require("./tar.js").pack(files), { signal });
    }
  }

  /** Takes the output to its end, over lost connections.
   * @param {number} keep @param {boolean} terminal */
  async follow(keep, terminal) {
    let lostAt = Infinity;
    for (;;) {
      const execution = /** @type {import("berth").Execution<any>} */ (this.execution);
      execution.id().then(
        (id) => {
          const isFirst = this.place === undefined;
          this.place = { lease: /** @type {import("berth").Lease} */ (this.lease).token, execution: id, keep, terminal };
          if (isFirst) this.hooks.started(this.place);
          this.isLost = false;
          this.sendHeld();
          if (this.isCancelled) this.cancelStarted();
          else this.sendSize();
        },
        () => {}); // What is wrong comes with the events.
      try {
        for await (const event of execution) {
          lostAt = Infinity;
          await this.take(event);
        }
        return;
      } catch (error) {
        lostAt = Math.min(lostAt, performance.now());
        const isLost = isBerthError(error) && error.code === "UNAVAILABLE";
        if (!isLost || this.place === undefined || this.isCancelled || performance.now() - lostAt >= keep) throw error;
        if (!this.isLost) this.hooks.lost();
        this.isLost = true;
        await new Promise((resolve) => setTimeout(() => resolve(undefined), RETRY_MS));
        this.execution = /** @type {import("berth").Lease} */ (this.lease).attach(this.place.execution, {
          stdoutOffset: this.stdoutOffset, stderrOffset: this.stderrOffset,
        });
      }
    }
  }

  /** @param {import("berth").Output | import("berth").Dropped} event */
  async take(event) {
    const end = event.offset + (event.type === "output" ? event.data.length : event.bytes);
    if (event.stream === "stdout") this.stdoutOffset = end;
    else this.stderrOffset = end;
    if (event.type === "output") await this.hooks.write(event.data);
    else this.hooks.note(`${event.bytes} bytes are missing here: they were no longer held`);
  }

  // MARK: While it runs

  /** Typed text. What the program can't take now is kept, up to a limit.
   * @param {string} data */
  write(data) {
    if (this.isEnded || this.waitingInput + this.heldInput.length + data.length > MOST_INPUT) this.hooks.refused();
    else {
      this.heldInput += data;
      if (this.place !== undefined && !this.isLost) this.sendHeld();
    }
  }

  sendHeld() {
    const data = this.heldInput;
    if (data === "") return;
    this.heldInput = "";
    this.waitingInput += data.length;
    this.execution?.write(data).catch(() => this.hooks.refused()).finally(() => (this.waitingInput -= data.length));
  }

  /** @param {{ rows: number, columns: number }} size */
  resize(size) {
    this.wantedSize = size;
    if (this.place?.terminal) this.sendSize();
  }

  /** The newest size, one at a time. */
  sendSize() {
    const { execution, wantedSize: size } = this;
    if (execution === undefined || size === undefined || !this.place?.terminal || this.isResizing || this.isEnded) return;
    this.wantedSize = undefined;
    this.isResizing = true;
    execution.resize(size.rows, size.columns).catch(() => {}).finally(() => {
      this.isResizing = false;
      this.sendSize();
    });
  }

  interrupt() {
    if (this.place === undefined) this.cancel();
    else this.execution?.interrupt().catch(() => {});
  }

  /** Ends it: before it has started at once, then by TERM, a grace, KILL. */
  cancel() {
    if (this.isEnded || this.isCancelled) return;
    this.isCancelled = true;
    this.beginning.abort(new Error("cancelled"));
    if (this.place !== undefined) this.cancelStarted();
  }

  /** It runs on without us. */
  leave() {
    this.isLeft = true;
    this.execution?.close();
  }

  cancelStarted() {
    this.execution?.cancel(CANCEL_GRACE_MS).catch(() => {});
  }
}

/** Two copies of the client would have two classes.
 * @param {unknown} error @returns {error is import("berth").BerthError} */
function isBerthError(error) {
  return error instanceof Error && error.name === "BerthError";
}

/** What went wrong, for the user: the client's advice names the variable of the environment, where here is a setting.
 * @param {unknown} error */
function wordsOf(error) {
  const words = error instanceof Error ? error.message : String(error);
  return words.replace("name another with BERTH_SERVER", "name another in the setting berth.server");
}

/** @param {import("berth").End} end @returns {Omit<Outcome, "time">} */
function outcomeOf(end) {
  const words = end.message;
  switch (end.cause) {
    case "exited":
      return { code: end.exitCode, words, isFailure: false };
    case "signalled":
      return { code: 128 + end.signal, words: words || `ended by signal ${end.signal}`, isFailure: false };
    case "out_of_memory":
      return { code: 137, words: words || "out of memory", isFailure: false };
    case "timed_out":
    case "idle_timeout":
    case "cpu_time_limit":
      return { code: 124, words: words || end.cause.replaceAll("_", " "), isFailure: false };
    case "cancelled":
      return { code: 130, words: words || "cancelled", isFailure: false };
    case "start_failed":
      return { code: end.startFailure === "program_not_executable" ? 126 : 127, words, isFailure: true };
    default:
      return { code: 125, words: words || end.cause.replaceAll("_", " "), isFailure: true };
  }
}

module.exports = { Session, isBerthError, wordsOf };
