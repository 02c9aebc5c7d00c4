// SPDX-License-Identifier: Apache-2.0

// A terminal of VS Code that shows programs which run in containers.

"use strict";

const vscode = require("vscode");

const { Session, wordsOf } = require("./session.js");
const { Writer } = require("./writer.js");

const CTRL_C = "\x03";
const dim = (/** @type {string} */ words) => `\x1b[2m${words}\x1b[0m`;
const red = (/** @type {string} */ words) => `\x1b[31m${words}\x1b[0m`;
const CLEAR = "\x1b[0m\x1b[H\x1b[2J\x1b[3J";
/** What a program that was ended may have left: no cursor, reports of the mouse, marks around what is pasted. */
const RESTORE = "\x1b[0m\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l";
const ALTERNATE = "\x1b[?1049";
/** Answers of the terminal, reports of the mouse, keys that move: nobody wants to close anything with them. */
const REPORT = /^\x1b[[\]PO]/;

/**
 * @typedef {"run" | "task" | "shell"} Kind
 *
 * @typedef {object} Job
 * @property {Kind} kind
 * @property {string} title
 * @property {() => import("berth").Client | Promise<import("berth").Client>} client
 * @property {string} server
 * @property {(() => Promise<import("./session.js").Plan>)} [prepare] what to run; else `attach` says what runs already
 * @property {{ place: import("./session.js").Place, heldFrom: number, began: number }} [attach]
 */

/** @implements {vscode.Pseudoterminal} */
class BerthTerminal {
  /**
   * @param {Job} job
   * @param {import("./running.js").Running} running
   */
  constructor(job, running) {
    this.job = job;
    this.running = running;
    this.written = new vscode.EventEmitter();
    this.closed = new vscode.EventEmitter();
    this.named = new vscode.EventEmitter();
    this.onDidWrite = this.written.event;
    this.onDidClose = this.closed.event;
    this.onDidChangeName = this.named.event;
    this.writer = new Writer((text) => this.write(text));
    /** A program has the other screen, as editors do, on which nothing of ours would stay. */
    this.isAlternate = false;
    /** @type {vscode.TerminalDimensions | undefined} */
    this.size = undefined;
    /** @type {Session | undefined} */
    this.session = undefined;
    /** @type {"new" | "running" | "ended" | "closed"} */
    this.state = "new";
    /** Cancelled before there was a session. */
    this.isCancelled = false;
    this.isLeft = false;
    this.interrupts = 0;
    this.began = 0;
    /** Resolves when the program has ended and all of it was written. */
    this.done = Promise.resolve();
  }

  get isRunning() {
    return this.state === "running";
  }

  /** With nothing to do, it can take the next program. */
  get isFree() {
    return this.state === "ended" && this.job.kind === "run";
  }

  // MARK: What VS Code calls

  /** @param {vscode.TerminalDimensions | undefined} size */
  open(size) {
    this.size = size;
    this.start();
  }

  /** The user has closed it, or the window goes. */
  close() {
    if (this.isRunning) this.running.closing(this);
    else this.state = "closed";
  }

  /** @param {string} data */
  handleInput(data) {
    if (this.state === "ended") {
      if (REPORT.test(data)) return;
      this.state = "closed";
      this.closed.fire(undefined);
      return;
    }
    if (!this.isRunning) return;
    const { session } = this;
    if (session?.isTerminal && (session.place !== undefined || !data.includes(CTRL_C))) session.write(data);
    else if (data.includes(CTRL_C)) this.interrupt();
  }

  /** @param {vscode.TerminalDimensions} size */
  setDimensions(size) {
    this.size = size;
    this.session?.resize(size);
  }

  // MARK: Programs

  /** Takes another program, after the last one has ended.
   * @param {Job} job */
  restart(job) {
    this.job = job;
    this.named.fire(job.title);
    this.written.fire(CLEAR);
    this.start();
  }

  start() {
    this.state = "running";
    this.isCancelled = false;
    this.interrupts = 0;
    this.began = this.job.attach?.began ?? Date.now();
    this.running.add(this);
    this.done = this.work();
  }

  async work() {
    const { job } = this;
    const outcome = await this.outcome(job);
    if (this.isLeft) return;
    this.running.remove(this);
    const wasClosed = this.state === "closed";
    this.state = wasClosed ? "closed" : "ended";
    if (wasClosed) return;
    this.show(outcome);
  }

  /** @param {Job} job @returns {Promise<import("./session.js").Outcome>} */
  async outcome(job) {
    try {
      const plan = await job.prepare?.();
      const client = await job.client();
      if (this.isCancelled) return { code: 130, words: "cancelled", isFailure: false, time: 0 };
      this.writer.convertsLines = !(plan?.terminal ?? job.attach?.place.terminal);
      this.session = new Session(client, {
        write: (data) => this.writer.bytes(data),
        note: (words) => this.writer.line(dim(`berth: ${words}`)),
        started: (place) => this.running.remember(this, place),
        lost: () => this.running.log(`${job.title}: the connection was lost; trying again`),
        refused: () => this.bell(),
      });
      if (plan !== undefined) return await this.session.run(plan, this.size);
      if (job.attach === undefined) throw new Error("a job without a program");
      return await this.session.attach(job.attach.place, job.attach.heldFrom, this.size);
    } catch (error) {
      return { code: 125, words: wordsOf(error), isFailure: true, time: 0 };
    } finally {
      this.session = undefined;
    }
  }

  /** The terminal as it was, where a program had it for itself. */
  restore() {
    this.writer.flush();
    if (this.isAlternate) this.write(`${ALTERNATE}l`);
    this.written.fire(RESTORE);
  }

  /** The end, after the last line.
   * @param {import("./session.js").Outcome} outcome */
  show({ code, words, isFailure, time }) {
    const { kind, title } = this.job;
    this.running.log(`${title}: exit code ${code}${words === "" ? "" : `, ${words}`}`);
    if (this.writer.convertsLines === false) this.restore();
    if (words !== "") this.writer.line(red(`berth: ${words}`));
    if (kind === "run" || isFailure && kind === "shell") {
      // Closed with 0, it would vanish, and what a short program has written with it.
      const seconds = time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
      this.writer.line(`${code === 0 ? dim("berth:") : red("berth:")} ${dim(`exit code ${code} after ${seconds}; any key closes this`)}`);
      this.writer.finish();
      return;
    }
    this.state = "closed";
    // A matcher sees whole lines only.
    this.writer.finish({ endsLine: kind === "task" || words !== "" });
    this.closed.fire(code);
  }

  /** @param {string} text */
  write(text) {
    const last = text.lastIndexOf(ALTERNATE);
    if (last >= 0) this.isAlternate = text[last + ALTERNATE.length] === "h";
    this.written.fire(text);
  }

  bell() {
    if (this.isRunning) this.written.fire("\x07");
  }

  interrupt() {
    // The second time, the program has had its chance.
    if (this.interrupts++ === 0 && this.session !== undefined) this.session.interrupt();
    else this.cancel();
  }

  cancel() {
    this.isCancelled = true;
    this.session?.cancel();
  }

  /** The window goes; the program stays. */
  leave() {
    this.isLeft = true;
    this.session?.leave();
  }
}

module.exports = { BerthTerminal };
