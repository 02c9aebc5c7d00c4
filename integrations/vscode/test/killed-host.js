// SPDX-License-Identifier: Apache-2.0

// A window that is killed: starts a program, and waits for its end.

"use strict";

const fs = require("node:fs");
const path = require("node:path");

const { Host } = require("./standin/host.js");

async function main(folder, state) {
  const extension = process.env.EXTENSION;
  const save = (persisted) => fs.writeFileSync(state, JSON.stringify(persisted));
  const host = await new Host({ extension, workspace: folder, save }).start();
  host.edit(path.join(folder, "count.sh"));
  await host.command("berth.runFile");
  await host.terminals[0].until(/ready/);
  host.terminals[0].type("before\r");
  await host.terminals[0].until(/1 before/);
  await host.until("it is remembered", () => host.persisted.workspaceState["berth.running"]?.length === 1);
  console.log("remembered");
}

void main(...process.argv.slice(2));
