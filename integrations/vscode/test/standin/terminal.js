// SPDX-License-Identifier: Apache-2.0

// A terminal whose program is an extension's Pseudoterminal. Keeps what it got, and holds the extension to the rules: text only,
// nothing before it is open, nothing after it has closed.

"use strict";

const { EventEmitter, TerminalExitReason } = require("./types.js");
const { Waiters, expect, known, strict } = require("./strict.js");

const METHODS = ["open", "close"], EVENTS = ["onDidWrite"];
const OPTIONAL = { onDidClose: "function", onDidChangeName: "function", handleInput: "function", setDimensions: "function" };
// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])/g;
/** What is kept of a terminal, as its scrollback. */
const MOST = 4 << 20;

class HostTerminal {
  #host;
  #subscriptions = [];
  #waiters = new Waiters();
  state = "new";
  raw = "";
  writes = 0;
  written = 0;
  largest = 0;
  exitCode = undefined;
  closeCalls = 0;

  constructor(host, options, dimensions, isTask) {
    known("the options of a terminal", options, ["name", "pty", "iconPath"]);
    expect(typeof options.name === "string", "a terminal has a name");
    for (const name of [...METHODS, ...EVENTS]) expect(typeof options.pty[name] === "function", `a Pseudoterminal has ${name}`);
    for (const [name, type] of Object.entries(OPTIONAL)) {
      expect(["undefined", type].includes(typeof options.pty[name]), `${name} of a Pseudoterminal is a ${type}`);
    }
    this.#host = host;
    this.isTask = isTask;
    this.name = options.name;
    this.pty = options.pty;
    this.options = Object.freeze(options);
    this.dimensions = dimensions;
    this.exitStatus = undefined;
    this.shown = 0;
    this.api = strict("Terminal", {
      // That of a task does not tell its Pseudoterminal.
      name: this.name, creationOptions: isTask ? Object.freeze({ name: this.name }) : this.options,
      get exitStatus() {
        return self.exitStatus;
      },
      show: () => {
        expect(this.state !== "disposed", "this terminal was disposed");
        this.shown++;
      },
      dispose: () => this.dispose(TerminalExitReason.Extension),
    });
    const self = this;
    // As in VS Code, where a window has to answer first.
    setImmediate(() => this.#open());
  }

  #open() {
    if (this.state !== "new") return;
    this.state = "open";
    const { pty } = this;
    this.#subscriptions.push(pty.onDidWrite((text) => this.#write(text)));
    if (pty.onDidClose) this.#subscriptions.push(pty.onDidClose((code) => this.#closed(code)));
    if (pty.onDidChangeName) this.#subscriptions.push(pty.onDidChangeName((name) => (this.name = name)));
    pty.open(this.dimensions && Object.freeze({ ...this.dimensions }));
  }

  #write(text) {
    if (this.state !== "open") throw new Error(`a write to a terminal that is ${this.state}: ${JSON.stringify(text).slice(0, 80)}`);
    expect(typeof text === "string" && text !== "", "a terminal takes text");
    expect(Buffer.from(text).toString() === text, "half of a surrogate pair");
    this.writes++;
    this.written += text.length;
    this.largest = Math.max(this.largest, text.length);
    this.raw += text;
    if (this.raw.length > MOST) this.raw = this.raw.slice(-MOST / 2);
    this.#waiters.changed();
  }

  #closed(code) {
    expect(this.state === "open", `closed when it was ${this.state}`);
    expect(code === undefined || (Number.isInteger(code) && code >= 0 && code <= 255), `${code} is no exit code`);
    this.exitCode = code;
    this.state = "ended";
    this.#waiters.changed();
    // The terminal of a task stays; others vanish.
    if (!this.isTask) this.dispose(TerminalExitReason.Process);
  }

  /** What a person sees: without escape sequences, and what was cleared away. */
  get text() {
    const from = this.raw.lastIndexOf("\x1b[2J");
    return this.raw.slice(from < 0 ? 0 : from + 4).replace(ESCAPES, "");
  }

  /** Lines as VS Code hands them to problem matchers: those that have an end. */
  get lines() {
    return this.text.split("\r\n").slice(0, -1).map((line) => line.slice(line.lastIndexOf("\r") + 1));
  }

  /** Line feeds without carriage returns: the next line would begin below the end of this one. */
  get stairs() {
    return (this.raw.match(/(?<!\r)\n/g) ?? []).length;
  }

  async until(pattern, timeout) {
    const matches = () => (typeof pattern === "function" ? pattern(this) : this.text.match(pattern));
    return this.#waiters.until(() => `${pattern} in ${JSON.stringify(this.text.slice(-500))}`, matches, timeout);
  }

  ended(timeout) {
    return this.#waiters.until(() => `the end of ${this.name}: ${JSON.stringify(this.text.slice(-500))}`,
      () => this.state === "ended" || this.state === "disposed", timeout);
  }

  // MARK: The user

  type(text) {
    expect(this.state === "open", `typed into a terminal that is ${this.state}`);
    this.pty.handleInput?.(text);
  }

  resize(columns, rows) {
    this.dimensions = { columns, rows };
    this.pty.setDimensions?.(Object.freeze({ columns, rows }));
  }

  /** In whichever order the two messages come. */
  dispose(reason = TerminalExitReason.User, { eventFirst = false } = {}) {
    if (this.state === "disposed") return;
    const wasOpen = this.state === "open";
    this.state = "disposed";
    for (const subscription of this.#subscriptions.splice(0)) subscription.dispose();
    this.exitStatus = Object.freeze({ code: this.exitCode, reason });
    const steps = [
      () => {
        if (!wasOpen) return;
        this.closeCalls++;
        this.pty.close();
      },
      () => this.#host.sawClosed(this),
    ];
    if (eventFirst) steps.reverse();
    for (const step of steps) step();
    this.#waiters.changed();
  }
}

module.exports = { EventEmitter, HostTerminal };
