// SPDX-License-Identifier: Apache-2.0

// The programs that run: which they are, how they are remembered over a reload of the window, how they are shown.

"use strict";

const { randomUUID } = require("node:crypto");
const vscode = require("vscode");

/** Shorter programs are not worth a place in the keychain; a window that goes in good order remembers them, too. */
const REMEMBER_AFTER_MS = 250;
/** When a terminal is closed, VS Code says within this time whether the window goes. */
const CLOSING_MS = 1000;
const STATE = "berth.running";
/** Nothing is kept for longer. */
const LONGEST_MS = 24 * 3_600_000;

/**
 * @typedef {object} Memory what is in the workspace's state, without secrets
 * @property {string} id
 * @property {import("./terminal.js").Kind} kind
 * @property {string} title
 * @property {string} server
 * @property {number} began
 */

class Running {
  /**
   * @param {vscode.ExtensionContext} context
   * @param {(words: string) => void} log
   */
  constructor(context, log) {
    this.context = context;
    this.log = log;
    /** @type {Set<import("./terminal.js").BerthTerminal>} */
    this.terminals = new Set();
    /** @type {Map<import("./terminal.js").BerthTerminal, { memory: Memory, place: import("./session.js").Place,
     *   timer?: NodeJS.Timeout, isStored: boolean }>} */
    this.memories = new Map();
    /** @type {Map<import("./terminal.js").BerthTerminal, NodeJS.Timeout>} */
    this.endings = new Map();
    this.isLeaving = false;
    this.queue = Promise.resolve();
    this.item = vscode.window.createStatusBarItem("berth.running", vscode.StatusBarAlignment.Left, 0);
    this.item.name = "Berth";
    this.item.command = "berth.showRunning";
    context.subscriptions.push(this.item, vscode.window.onDidCloseTerminal((terminal) => this.sawClosed(terminal)));
  }

  /** @param {import("./terminal.js").BerthTerminal} terminal */
  add(terminal) {
    this.terminals.add(terminal);
    this.changed();
  }

  /** @param {import("./terminal.js").BerthTerminal} terminal */
  remove(terminal) {
    this.terminals.delete(terminal);
    clearTimeout(this.endings.get(terminal));
    this.endings.delete(terminal);
    this.forget(terminal);
    this.changed();
  }

  changed() {
    const count = this.terminals.size;
    if (count === 0) this.item.hide();
    else {
      this.item.text = `$(sync~spin) Berth: ${count === 1 ? [...this.terminals][0].job.title : count}`;
      this.item.tooltip = count === 1 ? "A program runs in a container" : `${count} programs run in containers`;
      this.item.show();
    }
    void vscode.commands.executeCommand("setContext", "berth.isRunning", count > 0);
  }

  // MARK: Closing

  /** A terminal is closed while its program runs: by the user, which ends it, or with the window, which does not.
   * @param {import("./terminal.js").BerthTerminal} terminal */
  closing(terminal) {
    if (this.isLeaving) return;
    this.endings.set(terminal, setTimeout(() => this.end(terminal), CLOSING_MS));
  }

  /** @param {vscode.Terminal} closed */
  sawClosed(closed) {
    if (closed.exitStatus?.reason === vscode.TerminalExitReason.Shutdown) {
      this.isLeaving = true;
      for (const timer of this.endings.values()) clearTimeout(timer);
      return;
    }
    // Terminals of tasks do not say whose they are: theirs end when the time is up.
    const { creationOptions } = closed;
    for (const terminal of this.terminals) {
      if ("pty" in creationOptions && creationOptions.pty === terminal) this.end(terminal);
    }
  }

  /** @param {import("./terminal.js").BerthTerminal} terminal */
  end(terminal) {
    clearTimeout(this.endings.get(terminal));
    terminal.state = "closed";
    terminal.cancel();
  }

  /** The window goes: what runs is remembered, and runs on. */
  async leave() {
    this.isLeaving = true;
    for (const timer of this.endings.values()) clearTimeout(timer);
    for (const terminal of this.memories.keys()) this.store(terminal);
    for (const terminal of this.terminals) {
      if (this.memories.has(terminal)) terminal.leave();
      else terminal.cancel();
    }
    await this.queue;
  }

  // MARK: Memory

  /**
   * @param {import("./terminal.js").BerthTerminal} terminal
   * @param {import("./session.js").Place} place
   */
  remember(terminal, place) {
    if (place.keep === 0) return;
    const { kind, title, server } = terminal.job;
    const memory = { id: randomUUID(), kind, title, server, began: terminal.began };
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    if (terminal.job.attach === undefined) timer = setTimeout(() => this.store(terminal), REMEMBER_AFTER_MS);
    this.memories.set(terminal, { memory, place, timer, isStored: false });
    if (timer === undefined) this.store(terminal);
  }

  /** @param {import("./terminal.js").BerthTerminal} terminal */
  store(terminal) {
    const about = this.memories.get(terminal);
    if (about === undefined || about.isStored) return;
    clearTimeout(about.timer);
    about.isStored = true;
    this.enqueue(async () => {
      // The lease is a key to the container: into the keychain with it. First, so that no memory is without.
      await this.context.secrets.store(secretOf(about.memory), JSON.stringify(about.place));
      await this.context.workspaceState.update(STATE, [...this.stored(), about.memory]);
    });
  }

  /** @param {import("./terminal.js").BerthTerminal} terminal */
  forget(terminal) {
    const about = this.memories.get(terminal);
    if (about === undefined) return;
    clearTimeout(about.timer);
    this.memories.delete(terminal);
    if (about.isStored) this.enqueue(() => this.drop(about.memory));
  }

  /** One after another, so that none writes over what another has stored.
   * @param {() => Promise<void>} work */
  enqueue(work) {
    this.queue = this.queue.then(work).catch((error) => this.log(`what runs can't be remembered over a reload: ${error.message}`));
  }

  /** @param {Memory} memory */
  async drop(memory) {
    await this.context.workspaceState.update(STATE, this.stored().filter(({ id }) => id !== memory.id));
    await this.context.secrets.delete(secretOf(memory));
  }

  /** @returns {Memory[]} */
  stored() {
    return this.context.workspaceState.get(STATE, []);
  }

  /**
   * What ran when the window went, one at a time: `show` attaches to it, and says false when it is there no more.
   * @param {(memory: Memory, place: import("./session.js").Place) => Promise<"shown" | "gone" | "unknown">} show
   */
  async restore(show) {
    for (const memory of this.stored()) {
      try {
        const secret = await this.context.secrets.get(secretOf(memory));
        const isOld = Date.now() - memory.began > LONGEST_MS;
        const result = secret === undefined || isOld ? "gone" : await show(memory, JSON.parse(secret));
        // What is shown is remembered anew; what can't be asked about now may be there at the next reload.
        if (result !== "unknown") this.enqueue(() => this.drop(memory));
      } catch (error) {
        this.log(`${memory.title}: can't be looked up: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
}

/** @param {Memory} memory */
const secretOf = ({ id }) => `berth.running.${id}`;

module.exports = { Running };
