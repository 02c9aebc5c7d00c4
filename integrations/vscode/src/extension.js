// SPDX-License-Identifier: Apache-2.0

// What VS Code starts: commands, the terminal profile, tasks, and what ran when the window was reloaded.

"use strict";

const vscode = require("vscode");

const { Clients } = require("./clients.js");
const { fileJob, shellJob } = require("./jobs.js");
const { WorkspaceLinks } = require("./links.js");
const { Running } = require("./running.js");
const { isBerthError, wordsOf } = require("./session.js");
const { SettingError, knownLanguages, readSettings } = require("./settings.js");
const { BerthTasks, TYPE } = require("./tasks.js");
const { BerthTerminal } = require("./terminal.js");

const ICON = new vscode.ThemeIcon("vm");
/** Of a server that is asked whether it is there. */
const CHECK_MS = 10_000;

/** @type {{ running: Running, clients: Clients } | undefined} */
let active;

/** @param {vscode.ExtensionContext} context */
async function activate(context) {
  const channel = vscode.window.createOutputChannel("Berth", { log: true });
  const clients = new Clients();
  const running = new Running(context, (words) => channel.info(words));
  active = { running, clients };
  const offer = () => vscode.commands.executeCommand("setContext", "berth.languages", knownLanguages());
  /** @param {string} name @param {(...args: any[]) => unknown} body */
  const command = (name, body) => vscode.commands.registerCommand(name, (...args) => telling(channel, () => body(...args)));
  context.subscriptions.push(
    channel,
    command("berth.runFile", async (uri) => runFile(clients, running, uri)),
    command("berth.runSelection", () => runSelection(clients, running)),
    command("berth.openShell", () => open(new BerthTerminal(shellJob(clients), running))),
    command("berth.cancel", async () => (await choose(running, "Cancel"))?.cancel()),
    command("berth.cancelAll", () => [...running.terminals].forEach((terminal) => terminal.cancel())),
    command("berth.showRunning", async () => reveal(await choose(running, "Show"))),
    command("berth.checkServer", () => checkServer(clients)),
    vscode.window.registerTerminalProfileProvider("berth.shell", {
      provideTerminalProfile: () => telling(channel, () => {
        const terminal = new BerthTerminal(shellJob(clients), running);
        return new vscode.TerminalProfile({ name: "Berth", pty: terminal, iconPath: ICON });
      }),
    }),
    vscode.window.registerTerminalLinkProvider(new WorkspaceLinks()),
    vscode.tasks.registerTaskProvider(TYPE, new BerthTasks(clients, running)),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("berth.languages")) void offer();
    }));
  await offer();
  // Not waited for: a server that is not there must not hold up commands.
  void running.restore((memory, place) => again(clients, running, channel, memory, place));
}

/** VS Code waits for this, though not long. */
async function deactivate() {
  const { running, clients } = active ?? {};
  active = undefined;
  await running?.leave();
  clients?.close();
}

/** What goes wrong is said to the user, once, with the way to the setting.
 * @template T @param {vscode.LogOutputChannel} channel @param {() => T | Promise<T>} body
 * @returns {Promise<T | undefined>} */
async function telling(channel, body) {
  try {
    return await body();
  } catch (error) {
    const words = wordsOf(error);
    channel.error(words);
    const setting = error instanceof SettingError ? error.setting : undefined;
    void vscode.window.showErrorMessage(`Berth: ${words}`, ...(setting === undefined ? [] : ["Open Settings"])).then((answer) => {
      if (answer !== undefined) void vscode.commands.executeCommand("workbench.action.openSettings", setting);
    });
    return undefined;
  }
}

// MARK: Commands

/** @param {Clients} clients @param {Running} running @param {vscode.Uri | undefined} uri of the explorer's menu, or the editor's */
async function runFile(clients, running, uri) {
  const document = uri === undefined
    ? vscode.window.activeTextEditor?.document : await vscode.workspace.openTextDocument(uri);
  if (document === undefined) throw new SettingError("no file is open");
  run(running, fileJob(clients, document));
}

/** @param {Clients} clients @param {Running} running */
function runSelection(clients, running) {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) throw new SettingError("no file is open");
  const { document, selection } = editor;
  // Nothing is selected: the line.
  run(running, fileJob(clients, document, selection.isEmpty ? document.lineAt(selection.active.line).range : selection));
}

/** In the terminal of a program that has ended, if there is one: else there would be ever more of them.
 * @param {Running} running @param {import("./terminal.js").Job} job */
function run(running, job) {
  for (const terminal of vscode.window.terminals) {
    const { creationOptions } = terminal;
    const pty = "pty" in creationOptions ? creationOptions.pty : undefined;
    if (pty instanceof BerthTerminal && pty.isFree) {
      pty.restart(job);
      terminal.show(true);
      return;
    }
  }
  open(new BerthTerminal(job, running), true);
}

/** @param {BerthTerminal} pty @param {boolean} [keepsFocus] */
function open(pty, keepsFocus) {
  vscode.window.createTerminal({ name: pty.job.title, pty, iconPath: ICON }).show(keepsFocus);
}

/** @param {Running} running @param {string} what @returns {Promise<BerthTerminal | undefined>} */
async function choose(running, what) {
  const terminals = [...running.terminals];
  if (terminals.length === 0) throw new SettingError("nothing runs");
  if (terminals.length === 1) return terminals[0];
  const items = terminals.map((terminal) => ({
    label: terminal.job.title, description: `since ${new Date(terminal.began).toLocaleTimeString()}`, terminal,
  }));
  return (await vscode.window.showQuickPick(items, { placeHolder: `${what} which program?` }))?.terminal;
}

/** @param {BerthTerminal | undefined} pty */
function reveal(pty) {
  if (pty === undefined) return;
  for (const terminal of vscode.window.terminals) {
    const { creationOptions } = terminal;
    if ("pty" in creationOptions && creationOptions.pty === pty) return terminal.show();
  }
  // Terminals of tasks do not say whose they are.
  void vscode.commands.executeCommand("workbench.action.terminal.focus");
}

/** @param {Clients} clients */
async function checkServer(clients) {
  const address = clients.address(readSettings().server);
  const { version, pools } = await (await clients.at(address)).hello({ deadline: CHECK_MS });
  await vscode.window.showInformationMessage(`Berth: ${version} at ${address}, with the pools ${pools.join(", ")}`);
}

// MARK: After a reload

/**
 * @param {Clients} clients @param {Running} running @param {vscode.LogOutputChannel} channel
 * @param {import("./running.js").Memory} memory @param {import("./session.js").Place} place
 * @returns {Promise<"shown" | "gone" | "unknown">}
 */
async function again(clients, running, channel, memory, place) {
  try {
    const client = await clients.at(memory.server);
    const held = (await client.lease(place.lease).executions()).find(({ id }) => id === place.execution);
    if (held === undefined) return "gone";
    open(new BerthTerminal({
      kind: memory.kind === "task" ? "run" : memory.kind, title: memory.title, server: memory.server,
      client: () => client, attach: { place, heldFrom: held.stdoutHeldFrom, began: memory.began },
    }, running), true);
    channel.info(`${memory.title}: shown again`);
    return "shown";
  } catch (error) {
    if (isBerthError(error) && error.code === "NOT_FOUND") {
      channel.info(`${memory.title}: ended while this window was away, and is no longer kept`);
      return "gone";
    }
    const words = wordsOf(error);
    channel.warn(`${memory.title}: can't be shown again: ${words}`);
    void vscode.window.showWarningMessage(`Berth: ${memory.title} can't be shown again: ${words}`);
    return "unknown";
  }
}

module.exports = { activate, deactivate };
