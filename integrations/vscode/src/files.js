// SPDX-License-Identifier: Apache-2.0

// Which files go along into the container, and where they are there.

"use strict";

const { stat } = require("node:fs/promises");
const path = require("node:path");
const vscode = require("vscode");

const { SettingError } = require("./settings.js");

/** More files than this are hardly meant. */
const MOST_FILES = 5000;
const WORKSPACE = "/workspace";

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {number} bytes */
const inMiB = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

/**
 * The files of a folder that match. Throws SettingError when there are too many, or too large ones.
 * @param {import("vscode").WorkspaceFolder} folder
 * @param {string[]} globs
 * @param {{ exclude: string, maxUpload: number }} settings
 * @param {string} advice what to do about too many
 * @returns {Promise<import("./session.js").File[]>}
 */
async function collect(folder, globs, { exclude, maxUpload }, advice) {
  /** @type {Map<string, import("vscode").Uri>} */
  const found = new Map();
  for (const glob of globs) {
    const pattern = new vscode.RelativePattern(folder, glob);
    const excluded = exclude === "" ? undefined : new vscode.RelativePattern(folder, exclude);
    for (const uri of await vscode.workspace.findFiles(pattern, excluded, MOST_FILES + 1)) found.set(uri.toString(), uri);
  }
  if (found.size > MOST_FILES) throw new SettingError(`more than ${MOST_FILES} files would be copied: ${advice}`);
  let size = 0;
  const files = [];
  for (const uri of [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const info = await vscode.workspace.fs.stat(uri);
    size += info.size;
    if (size > maxUpload) {
      throw new SettingError(
        `the files that would be copied are larger than berth.maxUpload, ${inMiB(maxUpload)}: ${advice}`, "berth.maxUpload");
    }
    const data = await vscode.workspace.fs.readFile(uri);
    files.push({ path: pathIn(folder, uri), data, mode: await modeOf(uri), modified: info.mtime });
  }
  return files;
}

/** VS Code does not tell it; where the file is on this machine, the machine does.
 * @param {import("vscode").Uri} uri */
async function modeOf(uri) {
  if (uri.scheme !== "file") return 0o644;
  return ((await stat(uri.fsPath)).mode & 0o111) === 0 ? 0o644 : 0o755;
}

/** @param {import("vscode").WorkspaceFolder} folder @param {import("vscode").Uri} uri */
const pathIn = (folder, uri) => path.posix.relative(folder.uri.path, uri.path);

/**
 * A document as a file for the container: what is in the editor, saved or not. Lines before `from` are empty, so that line numbers
 * in messages are those of the editor.
 * @param {import("vscode").TextDocument} document
 * @param {import("vscode").Range} [range]
 * @returns {import("./session.js").File}
 */
function fileOf(document, range) {
  const folder = vscode.workspace.getWorkspaceFolder(document.uri);
  let name = folder === undefined ? path.posix.basename(document.uri.path) : pathIn(folder, document.uri);
  if (document.isUntitled) name = name.replace(/[^\w.-]/g, "-");
  let text = document.getText(range);
  if (range !== undefined) {
    const indent = document.lineAt(range.start.line).text.slice(0, range.start.character);
    text = "\n".repeat(range.start.line) + dedented(/^\s*$/.test(indent) ? indent + text : text);
  }
  return { path: name, data: Buffer.from(text), mode: 0o755, modified: Date.now() };
}

/** Without the space that begins all lines: a selection out of a function can be run.
 * @param {string} text */
function dedented(text) {
  const lines = text.split("\n");
  const indents = lines.filter((line) => line.trim() !== "").map((line) => /^[ \t]*/.exec(line)?.[0] ?? "");
  if (indents.length === 0) return text;
  let common = indents[0];
  for (const indent of indents) while (!indent.startsWith(common)) common = common.slice(0, -1);
  return lines.map((line) => (line.startsWith(common) ? line.slice(common.length) : line.trimStart())).join("\n");
}

/**
 * The folder's path on this machine, wherever it stands for the folder in a line, becomes the container's.
 * @param {string} line
 * @param {import("vscode").WorkspaceFolder | undefined} folder
 */
function inContainer(line, folder) {
  if (folder === undefined) return line;
  const here = folder.uri.fsPath.replace(/\/$/, "");
  if (here === "") return line;
  // At the beginning of a word, or of what follows a sign or an option as -I.
  const pattern = new RegExp(`(?<=^|[\\s"'=:;,()@]|(?:^|\\s)-\\w+)${here.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}(?![\\w.-])`, "g");
  return line.replace(pattern, () => WORKSPACE);
}

module.exports = { WORKSPACE, collect, dedented, fileOf, inContainer, quoted };
