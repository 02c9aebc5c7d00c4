// SPDX-License-Identifier: Apache-2.0

// What the user asks for, made into jobs for terminals.

"use strict";

const path = require("node:path");
const vscode = require("vscode");

const { WORKSPACE, collect, fileOf, inContainer, quoted } = require("./files.js");
const { LONGEST, SettingError, duration, globs, readSettings, text, textMap } = require("./settings.js");

/** Python would keep its lines back in a pipe. */
const UNBUFFERED = { PYTHONUNBUFFERED: "1" };
/** One shape of tracebacks, for matchers: not with or without marks below a line, by version and by line. */
const NO_MARKS = { PYTHONNODEBUGRANGES: "1" };
const TERMINAL = { TERM: "xterm-256color" };

/**
 * A file, or a part of it.
 * @param {import("./clients.js").Clients} clients
 * @param {vscode.TextDocument} document
 * @param {vscode.Range} [range]
 * @returns {import("./terminal.js").Job}
 */
function fileJob(clients, document, range) {
  const settings = readSettings(document.uri);
  const line = settings.languages[document.languageId] ?? "";
  if (line.trim() === "") {
    throw new SettingError(
      `berth.languages has no line for ${document.languageId}: add how such a file is run, with \${file} for the file`,
      "berth.languages");
  }
  const file = fileOf(document, range);
  const server = clients.address(settings.server);
  return {
    kind: "run",
    title: path.posix.basename(file.path) + (range === undefined ? "" : ` (${lines(range)})`),
    server,
    client: () => clients.at(server),
    prepare: async () => {
      const folder = vscode.workspace.getWorkspaceFolder(document.uri);
      const others = folder === undefined || settings.files.length === 0
        ? [] : await collect(folder, settings.files, settings, "say less with berth.files");
      return {
        shell: line.replaceAll("${file}", () => quoted(file.path)),
        pool: settings.pool, wait: settings.wait, timeout: settings.timeout, keep: settings.keep, terminal: settings.terminal,
        env: { ...UNBUFFERED, ...(settings.terminal ? TERMINAL : {}), ...settings.env },
        cwd: "",
        files: [...others.filter((other) => other.path !== file.path), file],
      };
    },
  };
}

/** @param {vscode.Range} range */
function lines({ start, end }) {
  return start.line === end.line ? `line ${start.line + 1}` : `lines ${start.line + 1} to ${end.line + 1}`;
}

/**
 * A shell in a container.
 * @param {import("./clients.js").Clients} clients
 * @returns {import("./terminal.js").Job}
 */
function shellJob(clients) {
  const settings = readSettings();
  const server = clients.address(settings.server);
  return {
    kind: "shell", title: "Berth", server,
    client: () => clients.at(server),
    prepare: async () => ({
      shell: settings.shell, pool: settings.pool, wait: settings.wait, timeout: LONGEST, keep: settings.keep, terminal: true,
      env: { ...TERMINAL, ...settings.env }, cwd: "", files: [],
    }),
  };
}

/**
 * @param {import("./clients.js").Clients} clients
 * @param {string} name
 * @param {vscode.TaskDefinition} definition with its variables resolved
 * @param {vscode.WorkspaceFolder | undefined} folder
 * @returns {import("./terminal.js").Job}
 */
function taskJob(clients, name, definition, folder) {
  const settings = readSettings(folder?.uri);
  const server = clients.address(settings.server);
  return {
    kind: "task", title: name, server,
    client: () => clients.at(server),
    prepare: async () => {
      const { command, files, pool, cwd, env, timeout, terminal = false } = definition;
      if (typeof command !== "string" || command.trim() === "") {
        throw new SettingError('the task has no "command": a line for the container\'s shell');
      }
      if (typeof terminal !== "boolean") throw new SettingError('the task\'s "terminal" must be true or false');
      const wanted = files === undefined ? ["**/*"] : globs(files, 'the task\'s "files"');
      if (wanted.length > 0 && folder === undefined && files !== undefined) {
        throw new SettingError('the task\'s "files" are those of a folder, and none is open');
      }
      const where = cwd === undefined ? "" : inContainer(text(cwd, 'the task\'s "cwd"'), folder);
      const own = env === undefined ? {} : textMap(env, 'the task\'s "env"');
      return {
        shell: inContainer(command, folder),
        pool: pool === undefined ? settings.pool : text(pool, 'the task\'s "pool"'),
        wait: settings.wait,
        timeout: timeout === undefined ? settings.timeout : duration(timeout, 'the task\'s "timeout"', { least: 1 }),
        keep: settings.keep,
        terminal,
        env: {
          ...UNBUFFERED, ...NO_MARKS, ...(terminal ? TERMINAL : {}), ...settings.env,
          ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, inContainer(value, folder)])),
        },
        cwd: where === "" ? "" : path.posix.resolve(WORKSPACE, where),
        files: folder === undefined ? [] : await collect(folder, wanted, settings, 'say less with the task\'s "files"'),
      };
    },
  };
}

module.exports = { fileJob, shellJob, taskJob };
