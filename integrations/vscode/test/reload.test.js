// SPDX-License-Identifier: Apache-2.0

// What runs while the window is reloaded, closed, or lost, and while the connection is.

"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const { test } = require("node:test");

const { Host, extension, temporary, withHost, workspace } = require("./setup.js");

const COUNT = "i=0; echo ready; while read -r word; do i=$((i + 1)); echo \"$i $word\"; [ \"$word\" = end ] && exit 7; done";

/** The terminal that a reload brings back. */
const broughtBack = (host) => host.until("a terminal", () => host.terminals[0]);

/** All that is stored in the keychain. */
const secretsOf = (host) => Object.values(host.persisted.secrets).flatMap((text) => Object.values(JSON.parse(text)))
  .filter((value) => typeof value === "string");

const isRemembered = (host) => Object.keys(host.persisted.secrets).length > 0 && host.persisted.workspaceState["berth.running"]?.length > 0;

for (const eventFirst of [false, true]) {
  test(`a program runs on while the window is reloaded, and is shown again (${eventFirst ? "event" : "close"} first)`, async () => {
    const folder = workspace({ "count.sh": COUNT });
    let host = await new Host({ extension, workspace: folder }).start();
    host.edit(path.join(folder, "count.sh"));
    await host.command("berth.runFile");
    await host.terminals[0].until(/ready/);
    host.terminals[0].type("one\r");
    await host.terminals[0].until(/1 one/);
    assert.equal(host.contexts["berth.isRunning"], true);

    // More than once: it is remembered anew each time.
    for (const [number, word] of ["two", "three"].entries()) {
      host = await host.reload({ eventFirst });
      const terminal = await broughtBack(host);
      assert.equal(terminal.name, "count.sh");
      // What it has written before is there again, and what is typed reaches it.
      await terminal.until(/1 one\r\n/);
      terminal.type(`${word}\r`);
      await terminal.until(new RegExp(`${number + 2} ${word}\\r\\n`));
      await host.until("it is remembered, once", () => isRemembered(host) && host.persisted.workspaceState["berth.running"].length === 1);
      assert.equal(host.terminals.length, 1);
      assert.ok(secretsOf(host).length >= 2);
      for (const secret of secretsOf(host)) assert.ok(!host.visible.includes(secret), "a secret is shown, logged or stored openly");
    }
    host.terminals[0].type("end\r");
    await host.terminals[0].until(/4 end\r\nberth: exit code 7 after/);
    await host.until("it is forgotten", () => !isRemembered(host));
    assert.deepEqual(host.persisted, { workspaceState: { "berth.running": [] }, secrets: {} });
    assert.deepEqual(host.messages, []);
    for (const terminal of [...host.terminals]) terminal.dispose();
    await host.stop();
  });
}

test("a program runs on when the host of extensions is killed", async () => {
  const folder = workspace({ "count.sh": COUNT });
  const state = path.join(temporary, "killed.json");
  const child = spawn(process.execPath, [path.join(__dirname, "killed-host.js"), folder, state], {
    env: { ...process.env, EXTENSION: extension }, stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise((resolve) => child.stdout.once("data", (data) => resolve(String(data))));
  assert.equal(line, "remembered\n");
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  await withHost({ workspace: folder, persisted: JSON.parse(fs.readFileSync(state, "utf8")) }, async (host) => {
    const terminal = await broughtBack(host);
    await terminal.until(/1 before\r\n/);
    terminal.type("end\r");
    await terminal.until(/2 end\r\nberth: exit code 7 after/);
  });
});

test("a program that has ended while the window was away shows its last line and its exit code", async () => {
  const folder = workspace({ "late.sh": "echo started; read -r _; echo done; exit 5" });
  let host = await new Host({ extension, workspace: folder }).start();
  host.edit(path.join(folder, "late.sh"));
  await host.command("berth.runFile");
  await host.terminals[0].until(/started/);
  await host.until("it is remembered", () => isRemembered(host));
  const { lease: token, execution } = JSON.parse(Object.values(host.persisted.secrets)[0]);
  await host.stop();
  const { Client } = await import(path.join(extension, "node_modules/berth/src/index.js"));
  const client = new Client();
  const watched = client.lease(token).attach(execution);
  await watched.write("x\n");
  assert.equal((await watched.wait()).exitCode, 5);
  client.close();
  host = await new Host({ extension, workspace: folder, persisted: host.persisted }).start();
  await (await broughtBack(host)).until(/started\r\n[^]*done\r\nberth: exit code 5 after/);
  host.terminals[0].dispose();
  await host.stop();
});

test("what is gone after a reload is forgotten, and said in the log alone", async () => {
  const memory = { id: "x", kind: "run", title: "old.py", server: process.env.BERTH_SERVER, began: Date.now() };
  const place = { lease: "no-such-lease", execution: "none", keep: 1000, terminal: true };
  const persisted = { workspaceState: { "berth.running": [memory] }, secrets: { "berth.running.x": JSON.stringify(place) } };
  await withHost({ workspace: workspace(), persisted }, async (host) => {
    await host.until("it is forgotten", () => host.persisted.workspaceState["berth.running"].length === 0);
    await host.until("its key, too", () => Object.keys(host.persisted.secrets).length === 0);
    assert.deepEqual(host.terminals, []);
    assert.deepEqual(host.messages, []);
    assert.match(host.logged.join("\n"), /old.py: ended while this window was away/);
  });
});

test("with berth.keep at 0 a program ends with its window", async () => {
  const folder = workspace({ "count.sh": COUNT });
  let host = await new Host({ extension, workspace: folder, settings: { "berth.keep": "0s" } }).start();
  host.edit(path.join(folder, "count.sh"));
  await host.command("berth.runFile");
  await host.terminals[0].until(/ready/);
  const { lease, execution } = host.terminals[0].pty.session.place;
  host = await host.reload();
  assert.deepEqual(host.terminals, []);
  const { Client } = await import(path.join(extension, "node_modules/berth/src/index.js"));
  const client = new Client();
  const end = await client.lease(lease).attach(execution).wait().catch((error) => error);
  assert.ok(end.code === "NOT_FOUND" || end.cause === "cancelled", JSON.stringify(end));
  client.close();
  await host.stop();
});

test("what can't be asked about after a reload is said, and kept for the next one", async () => {
  const memory = { id: "x", kind: "run", title: "far.py", server: "unix:/nonexistent/berth.sock", began: Date.now() };
  const place = { lease: "some-lease", execution: "some", keep: 1000, terminal: true };
  const persisted = { workspaceState: { "berth.running": [memory] }, secrets: { "berth.running.x": JSON.stringify(place) } };
  let host = await new Host({ extension, workspace: workspace(), persisted }).start();
  for (let reloads = 0; ; host = await host.reload()) {
    await host.until("a warning", () => host.messages[0]);
    assert.match(host.messages[0].text, /^Berth: far.py can't be shown again: no Berth server at unix:/);
    assert.ok(!host.visible.includes("some-lease"));
    if (++reloads === 2) break;
  }
  await host.stop();
  assert.deepEqual(host.persisted.workspaceState["berth.running"], [memory]);
});

test("a program outlives berth.keep while its window is there", async () => {
  const folder = workspace({ "long.sh": "echo ready; sleep 3; echo late" });
  await withHost({ workspace: folder, settings: { "berth.keep": "1s" } }, async (host) => {
    host.edit(path.join(folder, "long.sh"));
    await host.command("berth.runFile");
    await host.terminals[0].until(/ready\r\nlate\r\nberth: exit code 0/);
  });
});

test("a lost connection is made again, and nothing is missing", async () => {
  const [address, port] = process.env.BERTH_SERVER.split(":");
  const sockets = new Set();
  const proxy = net.createServer((socket) => {
    const server = net.connect(Number(port), address);
    for (const [from, to] of [[socket, server], [server, socket]]) {
      sockets.add(from);
      from.on("data", (data) => to.write(data)).on("close", () => to.destroy()).on("error", () => {});
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const folder = workspace({ "count.sh": COUNT });
  const settings = { "berth.server": `127.0.0.1:${proxy.address().port}` };
  await withHost({ workspace: folder, settings }, async (host) => {
    host.edit(path.join(folder, "count.sh"));
    await host.command("berth.runFile");
    const [terminal] = host.terminals;
    await terminal.until(/ready/);
    for (const word of ["one", "two"]) {
      terminal.type(`${word}\r`);
      await terminal.until(new RegExp(`\\d ${word}\\r\\n`));
      const losses = () => host.logged.filter((line) => line.includes("the connection was lost")).length;
      const before = losses();
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      await host.until("the loss is noticed", () => losses() > before);
    }
    terminal.type("end\r");
    await terminal.until(/exit code 7/);
    assert.match(terminal.text, /1 one\r\n[^]*2 two\r\n[^]*3 end\r\nberth: exit code 7/);
    assert.equal(terminal.text.match(/1 one/g).length, 1);
  });
  proxy.close();
});
