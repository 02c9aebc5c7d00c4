// SPDX-License-Identifier: Apache-2.0

// The extension as it is installed: the unpacked .vsix. And folders for workspaces.

"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const { Host } = require("./standin/host.js");

const { VSIX } = process.env;
assert.ok(process.env.BERTH_SERVER && VSIX, "these tests want a server and a .vsix: run them with make test");

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "berth-vscode-"));
process.on("exit", () => fs.rmSync(temporary, { recursive: true, force: true }));
execFileSync("python3", ["-m", "zipfile", "-e", VSIX, temporary]);
const unpacked = temporary;
const extension = path.join(temporary, "extension");

let folders = 0;
/** A folder with files: { "a.py": "print(1)" }. */
function workspace(files = {}) {
  const folder = path.join(temporary, `workspace-${++folders}`);
  fs.mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

/** Runs with a host that is started, and ended whatever happens. */
async function withHost(options, body) {
  const host = await new Host({ extension, ...options }).start();
  let failure;
  try {
    return await body(host);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    for (const terminal of [...host.terminals]) terminal.dispose();
    await host.stop().catch((error) => {
      throw failure ?? error;
    });
  }
}

module.exports = { Host, extension, temporary, unpacked, withHost, workspace };
