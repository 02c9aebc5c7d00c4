// SPDX-License-Identifier: Apache-2.0

// Problem matchers as package.json has them, applied to the lines of a terminal.

"use strict";

const path = require("node:path");

const { expect, known } = require("./strict.js");

const FIELDS = ["regexp", "file", "line", "column", "severity", "message"];

/** The problems in lines, with absolute files. */
function problems(matcher, lines, folder) {
  known("a problem matcher", matcher, ["name", "label", "owner", "source", "severity", "fileLocation", "pattern"]);
  const patterns = [matcher.pattern].flat().map((pattern) => ({ ...known("a pattern", pattern, FIELDS), regexp: new RegExp(pattern.regexp) }));
  const last = patterns.at(-1);
  expect(last.message !== undefined, "the last pattern has the message");
  expect(matcher.fileLocation?.[0] === "relative" && matcher.fileLocation[1] === "${workspaceFolder}", "files lie in the folder");
  const found = [];
  for (let at = 0; at + patterns.length <= lines.length; at++) {
    const matches = patterns.map(({ regexp }, index) => regexp.exec(lines[at + index]));
    if (matches.some((match) => match === null)) continue;
    const problem = { severity: matcher.severity ?? "error" };
    for (const [index, pattern] of patterns.entries()) {
      for (const field of FIELDS.slice(1)) if (pattern[field] !== undefined) problem[field] = matches[index][pattern[field]];
    }
    found.push({
      file: path.join(folder, problem.file), line: Number(problem.line), column: Number(problem.column ?? 1),
      severity: { note: "info" }[problem.severity] ?? problem.severity, message: problem.message, source: matcher.source,
    });
  }
  return found;
}

module.exports = { problems };
