// SPDX-License-Identifier: Apache-2.0

// Paths of the container in what programs write, as links to the files they were copied from.

"use strict";

const vscode = require("vscode");

const { WORKSPACE } = require("./files.js");

/** `/workspace/a.py", line 3` of Python, `/workspace/a.c:3:5` of compilers. */
const PATH = new RegExp(`${WORKSPACE}/([^\\s:"'()\\[\\]]+)(?:", line (\\d+)|:(\\d+)(?::(\\d+))?)?`, "g");
/** A line may be long; a link in it is not worth more. */
const LONGEST_LINE = 2000;

/**
 * @typedef {vscode.TerminalLink & { path: string, line: number, column: number }} Link
 * @implements {vscode.TerminalLinkProvider<Link>}
 */
class WorkspaceLinks {
  /** @param {vscode.TerminalLinkContext} context */
  provideTerminalLinks({ line }) {
    if ((vscode.workspace.workspaceFolders ?? []).length === 0) return [];
    return [...line.slice(0, LONGEST_LINE).matchAll(PATH)].map((match) => ({
      startIndex: match.index ?? 0, length: match[0].length, tooltip: "Open the file of this workspace", path: match[1],
      line: Number(match[2] ?? match[3] ?? 1), column: Number(match[4] ?? 1),
    }));
  }

  /** The first folder that has the file.
   * @param {Link} link */
  async handleTerminalLink({ path, line, column }) {
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
      const uri = vscode.Uri.joinPath(folder.uri, path);
      try {
        await vscode.workspace.fs.stat(uri);
      } catch {
        continue;
      }
      const place = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
      await vscode.window.showTextDocument(uri, { selection: new vscode.Range(place, place) });
      return;
    }
    void vscode.window.showInformationMessage(`Berth: ${path} is in the container only`);
  }
}

module.exports = { WorkspaceLinks };
