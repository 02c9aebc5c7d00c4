// SPDX-License-Identifier: Apache-2.0

// Settings that can't be right, servers that are not there: what the user is told.

"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const { test } = require("node:test");

const { withHost, workspace } = require("./setup.js");

const WRONG = {
  "berth.server": [
    ["http://127.0.0.1:7411/", 'berth.server is a URL: write "127.0.0.1:7411" instead'],
    ["localhost", 'berth.server is "localhost", which is not an address: write HOST:PORT or unix:PATH'],
    ["localhost:0", 'berth.server is "localhost:0", which is not an address: write HOST:PORT or unix:PATH'],
    ["tls://localhost", 'berth.server is "tls://localhost", which is not an address: write HOST:PORT or unix:PATH'],
    [7411, "berth.server must be text"],
  ],
  "berth.pool": [[null, "berth.pool must be text"]],
  "berth.timeout": [
    ["10", 'berth.timeout is "10", which is not a duration: write 250ms, 5s, 2m or 1h'],
    ["25h", "berth.timeout is 25h: it must be between 1 ms and 24h"],
    ["0s", "berth.timeout is 0s: it must be between 1 ms and 24h"],
  ],
  "berth.wait": [["", 'berth.wait is "", which is not a duration: write 250ms, 5s, 2m or 1h']],
  "berth.keep": [["-1s", 'berth.keep is "-1s", which is not a duration: write 250ms, 5s, 2m or 1h']],
  "berth.terminal": [["yes", "berth.terminal must be true or false"]],
  "berth.languages": [
    [["python"], 'berth.languages must be an object, as { "NAME": "value" }'],
    [{ python: 3 }, "berth.languages: the value of python must be text"],
    [{ python: "" }, "berth.languages has no line for python: add how such a file is run, with ${file} for the file"],
  ],
  "berth.files": [["**/*.py", undefined], [[""], 'berth.files must be a list of globs, as ["**/*.py"]']],
  "berth.exclude": [[[], "berth.exclude must be text"]],
  "berth.maxUpload": [[0, "berth.maxUpload must be a number of MiB, 1 to 1024"]],
  "berth.env": [[{ A: 1 }, "berth.env: the value of A must be text"]],
  "berth.shell": [[" ", "berth.shell is empty: write what a shell terminal runs, as bash"]],
};

test("a setting that can't be right is named, with what would be right, and opened", async () => {
  const folder = workspace({ "a.py": "print(1)" });
  let said;
  const answer = (_, [open]) => (said = open);
  await withHost({ workspace: folder, answer }, async (host) => {
    assert.deepEqual(new Set(Object.keys(WRONG)), new Set(host.manifest.settings.keys()), "every setting is checked");
    for (const [setting, cases] of Object.entries(WRONG)) {
      for (const [value, words] of cases) {
        if (words === undefined) continue;
        host.set(setting, value);
        host.edit(path.join(folder, "a.py"));
        await host.command("berth.runFile");
        assert.deepEqual(host.messages.splice(0).map(({ text }) => text), [`Berth: ${words}`], `${setting}: ${JSON.stringify(value)}`);
        assert.equal(said, "Open Settings");
        assert.deepEqual(host.opened.splice(0), [{ settings: setting }]);
        assert.ok(host.logged.pop().endsWith(words));
      }
      host.set(setting, undefined);
    }
    assert.deepEqual(host.terminals, []);
    // A shell, too.
    host.set("berth.shell", "");
    assert.equal(await host.openProfile("berth.shell"), undefined);
    assert.match(host.messages[0].text, /berth.shell is empty/);
  });
});

test("the menus know the languages that have a line", async () => {
  await withHost({ workspace: workspace() }, async (host) => {
    assert.ok(host.contexts["berth.languages"].includes("python"));
    host.set("berth.languages", { lua: "lua ${file}", python: "" });
    assert.ok(host.contexts["berth.languages"].includes("lua"));
    assert.ok(!host.contexts["berth.languages"].includes("python"));
  });
});

test("a server that is not there is named, in the terminal and by the command", async () => {
  const folder = workspace({ "a.sh": "true" });
  await withHost({ workspace: folder, settings: { "berth.server": "unix:/nonexistent/berth.sock" } }, async (host) => {
    host.edit(path.join(folder, "a.sh"));
    await host.command("berth.runFile");
    await host.terminals[0].until(/berth: no Berth server at unix:\/nonexistent\/berth.sock: .*berth serve", or name another in the setting berth.server\r\nberth: exit code 125/);
    await host.command("berth.checkServer");
    assert.match(host.messages[0].text, /no Berth server at unix:\/nonexistent.* in the setting berth.server$/);
    const shell = await host.openProfile("berth.shell");
    // It stays, so that it can be read.
    await shell.until(/no Berth server at[^]*any key closes this/);
    shell.type(" ");
    assert.equal(host.terminals.length, 1);
  });
  await withHost({}, async (host) => {
    await host.command("berth.checkServer");
    assert.match(host.messages[0].text, /^Berth: berth\/.* at 127.0.0.1:\d+, with the pools default$/);
    await host.command("berth.runFile");
    assert.equal(host.messages[1].text, "Berth: no file is open");
  });
});

test("an unknown pool, and a program that is not there, are said in the terminal", async () => {
  const folder = workspace({ "a.py": "" });
  await withHost({ workspace: folder, settings: { "berth.pool": "none", "berth.languages": { python: "nonesuch ${file}" } } }, async (host) => {
    host.edit(path.join(folder, "a.py"));
    await host.command("berth.runFile");
    await host.terminals[0].until(/berth: .*none.*\r\nberth: exit code 125/);
    host.set("berth.pool", "");
    await host.command("berth.runFile");
    await host.terminals[0].until(/nonesuch.*not found\r\nberth: exit code 127/);
  });
});
