// SPDX-License-Identifier: Apache-2.0

// Files, selections and shells, with a real server.

"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const { test } = require("node:test");

const { withHost, workspace } = require("./setup.js");

const END = /exit code (\d+) after .*any key closes this/;

/** Runs the file in the editor, to its end. */
async function runFile(host, file, about) {
  host.edit(file, about);
  await host.command("berth.runFile");
  const terminal = host.terminals.at(-1);
  await terminal.until(END);
  return terminal;
}

test("a file runs, in colours, and the end of it is said", async () => {
  const folder = workspace({ "sub/hello.py": "import sys\nprint('5 €', sys.stdout.isatty(), __file__)\nsys.exit(3)\n" });
  await withHost({ workspace: folder }, async (host) => {
    const terminal = await runFile(host, path.join(folder, "sub/hello.py"));
    assert.match(terminal.text, /^5 € True \/workspace\/sub\/hello.py\r\nberth: exit code 3 after [\d.]+ m?s/);
    assert.equal(terminal.stairs, 0);
    assert.equal(terminal.name, "hello.py");
    terminal.type("x");
    assert.equal(host.terminals.length, 0);
  });
});

test("1 000 programs of a millisecond: each has its last line and its exit code", { timeout: 600_000 }, async () => {
  const folder = workspace({ "a.sh": "" });
  const settings = { "berth.languages": { shellscript: "sh ${file}" } };
  const time = Date.now();
  // Half of them in a terminal of the container, whose ends of lines it makes itself; the others through a pipe, or as tasks.
  const lane = async (terminal, count) => withHost({ workspace: folder, settings: { ...settings, "berth.terminal": terminal } }, async (host) => {
    for (let number = 0; number < count; number++) {
      const code = number % 256;
      // The last line has no end.
      const { text, stairs, writes } = await runFile(host, path.join(folder, "a.sh"), {
        text: `echo first; printf 'last ${number} €'; exit ${code}\n`,
      });
      assert.match(text, new RegExp(`^first\\r\\nlast ${number} €\\r\\nberth: exit code ${code} after [\\d.]+ m?s; any key closes this\\r\\n$`));
      assert.equal(stairs, 0);
      assert.ok(writes > 0);
    }
    assert.equal(host.terminals.length, 1, "one terminal after another's end is enough");
    assert.deepEqual(host.messages, []);
    const { secrets, workspaceState } = host.persisted;
    // One that took longer, on a busy machine, was remembered for that time.
    await host.until("all are forgotten", () => Object.keys(secrets).length === 0 && !workspaceState["berth.running"]?.length);
  });
  const tasks = async (count) => withHost({ workspace: folder }, async (host) => {
    for (let number = 0; number < count; number++) {
      const command = `echo first; printf 'last ${number} €'; exit ${number % 256}`;
      const task = await host.startTask({ type: "berth", command, files: [] });
      await task.ended();
      assert.deepEqual([task.text, task.exitCode, task.stairs], [`first\r\nlast ${number} €\r\n`, number % 256, 0]);
      task.dispose();
    }
  });
  await Promise.all([lane(true, 250), lane(true, 250), lane(false, 250), tasks(250)]);
  console.log(`1000 runs in ${Date.now() - time} ms`);
});

test("a selection runs with the editor's line numbers, also out of a function", async () => {
  const text = "def f():\n    if True:\n        x = 2\n        print(x * 21)\n        raise ValueError(x)\n";
  const folder = workspace({ "a.py": text });
  await withHost({ workspace: folder }, async (host) => {
    // From the middle of the third line's indent.
    host.edit(path.join(folder, "a.py"), { selection: [2, 4, 4, 27] });
    await host.command("berth.runSelection");
    await host.terminals[0].until(END);
    assert.match(host.terminals[0].text, /^42\r\n[^]*File "\/workspace\/a.py", line 5, in <module>[^]*ValueError: 2\r\nberth: exit code 1/);
    assert.equal(host.terminals[0].name, "a.py (lines 3 to 5)");
    // Nothing is selected: the line.
    host.edit(path.join(folder, "a.py"), { text: "x = 1\n    print('alone')\n", selection: [1, 6, 1, 6] });
    await host.command("berth.runSelection");
    await host.terminals[0].until(/^alone\r\nberth: exit code 0/);
  });
});

test("what is in the editor runs, saved or not, and the files that go along with it", async () => {
  const folder = workspace({ "main.py": "old", "lib/part.py": "value = 'part'\n", "data.txt": "" });
  const settings = { "berth.files": ["**/*.py"] };
  await withHost({ workspace: folder, settings }, async (host) => {
    const { text } = await runFile(host, path.join(folder, "main.py"), {
      text: "import os\nfrom lib.part import value\nprint(value, sorted(os.listdir()))\n",
    });
    assert.match(text, /^part \['lib', 'main.py'\]\r\n/);
    host.edit("Untitled 1", { scheme: "untitled", languageId: "python", text: "print(__file__)" });
    await host.command("berth.runFile");
    await host.terminals[0].until(/^\/workspace\/Untitled-1\r\nberth: exit code 0/);
  });
});

test("a program asks, and is answered; Ctrl-C interrupts it", async () => {
  const folder = workspace({ "ask.py": "" });
  await withHost({ workspace: folder }, async (host) => {
    host.edit(path.join(folder, "ask.py"), { text: "print('hello', input('who? '))\ntry:\n    input('wait ')\nexcept KeyboardInterrupt:\n    print('stopped')\n" });
    await host.command("berth.runFile");
    const [terminal] = host.terminals;
    await terminal.until(/who\? /);
    terminal.type("Ännchen\r");
    await terminal.until(/hello Ännchen\r\nwait /);
    terminal.type("\x03");
    await terminal.until(/stopped\r\nberth: exit code 0/);
  });
  await withHost({ workspace: folder, settings: { "berth.terminal": false } }, async (host) => {
    host.edit(path.join(folder, "ask.py"), { text: "import time\ntry:\n    print('begun')\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    print('stopped')\ntime.sleep(600)\n" });
    await host.command("berth.runFile");
    const [terminal] = host.terminals;
    await terminal.until(/begun/);
    terminal.type("\x03");
    await terminal.until(/stopped/);
    // The second time, it is ended.
    terminal.type("\x03");
    await terminal.until(/berth: cancelled\r\nberth: exit code 130/);
    assert.equal(terminal.stairs, 0);
  });
});

test("programs are cancelled by command, one of them or all, and shown in the status bar", async () => {
  const folder = workspace({ "a.sh": "echo ready; sleep 600", "b.sh": "echo ready; sleep 600" });
  let asked;
  const answer = (text, items) => {
    asked = { text, items };
    return items[1];
  };
  await withHost({ workspace: folder, answer }, async (host) => {
    await assert.rejects(async () => host.command("berth.nonesuch"), /not in package.json/);
    for (const name of ["a.sh", "b.sh"]) {
      host.edit(path.join(folder, name));
      await host.command("berth.runFile");
    }
    const [a, b] = host.terminals;
    await Promise.all([a.until(/ready/), b.until(/ready/)]);
    assert.deepEqual([host.status.isShown, host.status.text, host.status.command], [true, "$(sync~spin) Berth: 2", "berth.showRunning"]);
    await host.command("berth.showRunning");
    assert.deepEqual([a.shown, b.shown], [1, 2]);
    await host.command("berth.cancel");
    assert.deepEqual(asked, { text: "Cancel which program?", items: ["a.sh", "b.sh"] });
    await b.until(/berth: cancelled\r\nberth: exit code 130/);
    assert.equal(host.status.text, "$(sync~spin) Berth: a.sh");
    await host.command("berth.cancelAll");
    await a.until(/exit code 130/);
    assert.deepEqual([host.status.isShown, host.contexts["berth.isRunning"]], [false, false]);
    await host.command("berth.cancel");
    assert.deepEqual(host.messages.map(({ text }) => text), ["Berth: nothing runs"]);
  });
});

test("a program that waits for a container is cancelled, too", async () => {
  const folder = workspace({ "a.sh": "true" });
  const server = require("node:net").createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const arrived = new Promise((resolve) => server.once("connection", resolve));
  await withHost({ workspace: folder, settings: { "berth.server": `127.0.0.1:${server.address().port}` } }, async (host) => {
    host.edit(path.join(folder, "a.sh"));
    await host.command("berth.runFile");
    const socket = await arrived;
    host.terminals[0].type("\x03");
    await host.terminals[0].until(/berth: cancelled\r\nberth: exit code 130/);
    socket.destroy();
  });
  server.close();
});

test("output that never ends is written in bounded pieces, and a key ends it", async () => {
  const folder = workspace({ "yes.sh": "yes 'é€𝄞 0123456789'" });
  await withHost({ workspace: folder }, async (host) => {
    host.edit(path.join(folder, "yes.sh"));
    await host.command("berth.runFile");
    const [terminal] = host.terminals;
    const began = performance.now();
    await terminal.until(({ written }) => written > 8 << 20, 60_000);
    const seconds = (performance.now() - began) / 1000;
    // A write may bring over the limit what one event has, 64 KiB at most.
    assert.ok(terminal.largest <= (256 << 10) + (64 << 10), `${terminal.largest} characters in one write`);
    assert.ok(terminal.writes / seconds <= 1000 / 16 + 1, `${terminal.writes} writes in ${seconds} s`);
    assert.ok(!terminal.raw.includes("\ufffd"), "a character was torn");
    terminal.type("\x03");
    await terminal.until(/exit code 130 after/);
  });
});

test("a shell: what is typed, the window's size, its end", async () => {
  await withHost({ workspace: workspace() }, async (host) => {
    const terminal = await host.openProfile("berth.shell");
    await terminal.until(/[$#] $/);
    terminal.type("stty size; echo $TERM\r");
    await terminal.until(/30 100\r\nxterm-256color\r\n/);
    terminal.type("echo watching; until [ \"$(stty size)\" = '11 61' ]; do :; done; echo resized\r");
    await terminal.until(/\n\r?watching\r\n/);
    terminal.resize(60, 10);
    terminal.resize(61, 11);
    await terminal.until(/\n\r?resized\r\n/);
    terminal.type("exit 9\r");
    await terminal.ended();
    assert.equal(terminal.exitCode, 9);
    assert.deepEqual(host.terminals, []);
  });
  // A window that says its size only later.
  await withHost({ workspace: workspace(), dimensions: null }, async (host) => {
    const terminal = await host.openProfile("berth.shell");
    await terminal.until(/[$#] $/);
    terminal.resize(91, 17);
    terminal.type("until [ \"$(stty size)\" = '17 91' ]; do :; done; echo sized\r");
    await terminal.until(/\n\r?sized\r\n/);
    terminal.type("exit\r");
    await terminal.ended();
  });
});

test("a program that is ended gives the terminal back as it was, and what the terminal reports closes nothing", async () => {
  const folder = workspace({ "full.sh": "printf '\\033[?1049h\\033[?25l\\033[?1000hfull screen'; sleep 600" });
  await withHost({ workspace: folder }, async (host) => {
    host.edit(path.join(folder, "full.sh"));
    await host.command("berth.runFile");
    const [terminal] = host.terminals;
    await terminal.until(/full screen/);
    await host.command("berth.cancel");
    await terminal.until(/exit code 130/);
    const rest = terminal.raw.slice(terminal.raw.indexOf("full screen"));
    assert.ok(rest.indexOf("\x1b[?1049l") < rest.indexOf("berth: cancelled"), JSON.stringify(rest));
    for (const mode of ["\x1b[?25h", "\x1b[?1000l"]) assert.ok(rest.includes(mode), JSON.stringify(rest));
    for (const report of ["\x1b[?1;2c", "\x1b[<0;3;4M", "\x1bOA"]) terminal.type(report);
    assert.equal(host.terminals.length, 1);
    terminal.type("\x1b");
    assert.equal(host.terminals.length, 0);
  });
});

test("a terminal that is closed ends its program and gives the container back", async () => {
  const folder = workspace({ "a.sh": "echo ready; sleep 600" });
  for (const eventFirst of [false, true]) {
    await withHost({ workspace: folder }, async (host) => {
      host.edit(path.join(folder, "a.sh"));
      await host.command("berth.runFile");
      const [terminal] = host.terminals;
      await terminal.until(/ready/);
      const { pty } = terminal;
      const { session } = pty;
      terminal.dispose(3, { eventFirst });
      await pty.done;
      await session.released;
      await assert.rejects(session.client.lease(session.lease.token).renew(), { code: "NOT_FOUND" });
      assert.equal(host.status.isShown, false);
    });
  }
});

test("links lead from the container's paths to the files of the workspace", async () => {
  const folder = workspace({ "sub/a.py": "" });
  await withHost({ workspace: folder }, async (host) => {
    const [python] = await host.links('  File "/workspace/sub/a.py", line 3, in <module>');
    assert.equal(python.text, '/workspace/sub/a.py", line 3');
    const [gcc] = await host.links("/workspace/sub/a.py:7:5: error: nothing");
    const [gone] = await host.links("see /workspace/none.txt");
    for (const link of [python, gcc, gone]) await link.follow();
    assert.deepEqual(host.opened, [
      { file: path.join(folder, "sub/a.py"), line: 2, column: 0 }, { file: path.join(folder, "sub/a.py"), line: 6, column: 4 },
    ]);
    assert.match(host.messages[0].text, /none.txt is in the container only/);
    assert.deepEqual(await host.links("nothing here"), []);
  });
});
