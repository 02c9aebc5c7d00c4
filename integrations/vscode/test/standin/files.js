// SPDX-License-Identifier: Apache-2.0

"use strict";

const fs = require("node:fs");
const path = require("node:path");

/** The globs of VS Code: **, *, ?, {a,b}. */
function globRegExp(glob) {
  let source = "";
  for (let at = 0; at < glob.length; at++) {
    const rest = glob.slice(at);
    if (rest.startsWith("**/")) {
      source += "(?:.*/)?";
      at += 2;
    } else if (rest.startsWith("**")) {
      source += ".*";
      at += 1;
    } else if (glob[at] === "*") source += "[^/]*";
    else if (glob[at] === "?") source += "[^/]";
    else if (glob[at] === "{") source += "(?:";
    else if (glob[at] === "}") source += ")";
    else if (glob[at] === ",") source += "|";
    else source += glob[at].replace(/[\\^$.+()[\]|]/g, "\\$&");
  }
  return new RegExp(`^${source}$`);
}

/** files.exclude as VS Code has it when nobody has changed it. */
const EXCLUDED = globRegExp("**/{.git,.svn,.hg,CVS,.DS_Store,Thumbs.db}");

function findFiles(base, include, exclude, most = Infinity) {
  const wanted = globRegExp(include), unwanted = exclude === undefined ? undefined : globRegExp(exclude);
  const found = [];
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(base, folder), { withFileTypes: true })) {
      const name = path.posix.join(folder, entry.name);
      if (EXCLUDED.test(name)) continue;
      if (entry.isDirectory()) walk(name);
      else if (entry.isFile() && wanted.test(name) && !unwanted?.test(name) && found.length < most) found.push(path.join(base, name));
    }
  };
  walk("");
  return found;
}

module.exports = { findFiles, globRegExp };
