// SPDX-License-Identifier: Apache-2.0

// Tasks, and the problems that matchers find in what their terminals get.

"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");

const { Host, extension, withHost, workspace } = require("./setup.js");

const example = path.join(__dirname, "../example");

/** Runs a task to its end. */
async function run(host, definition) {
  const terminal = await host.startTask({ type: "berth", ...definition });
  await terminal.ended();
  return terminal;
}

/** The tasks of the example's tasks.json, by their labels. */
function exampleTasks() {
  const { tasks } = JSON.parse(fs.readFileSync(path.join(example, ".vscode/tasks.json"), "utf8"));
  return Object.fromEntries(tasks.map((task) => [task.label, task]));
}

test("the matcher finds the error of a failing compile, in the file and the line", async () => {
  await withHost({ workspace: example }, async (host) => {
    const terminal = await run(host, exampleTasks()["compile"]);
    assert.equal(terminal.exitCode, 1);
    const [error, warning, ...more] = terminal.problems().filter(({ severity }) => severity !== "info")
      .sort((a, b) => (a.severity < b.severity ? -1 : 1));
    const file = path.join(example, "broken.c");
    const lines = fs.readFileSync(file, "utf8").split("\n");
    assert.match(lines[warning.line - 1], /int unused/);
    assert.match(lines[error.line - 1], /return missing;/);
    assert.deepEqual([warning.file, warning.severity, warning.column], [file, "warning", lines[warning.line - 1].indexOf("unused") + 1]);
    assert.deepEqual([error.file, error.severity, error.column], [file, "error", lines[error.line - 1].indexOf("missing") + 1]);
    assert.match(error.message, /.missing. undeclared|use of undeclared identifier/);
    assert.deepEqual(more, []);
    assert.equal(terminal.stairs, 0);
  });
});

test("a compile with paths of the host finds its error, too, with a terminal and without", async () => {
  const folder = workspace({ "sub dir/a.c": "int main(void) { return nothing; }\n", "b.py": "" });
  await withHost({ workspace: folder }, async (host) => {
    host.edit(path.join(folder, "sub dir/a.c"));
    for (const terminal of [false, true]) {
      const compile = await run(host, {
        command: 'gcc -c "${file}" -o /tmp/a.o', files: ["**/*.c"], terminal, problemMatcher: "$berth-gcc",
      });
      const [problem] = compile.problems();
      assert.deepEqual([problem.file, problem.line, problem.column, problem.severity], [path.join(folder, "sub dir/a.c"), 1, 25, "error"]);
      assert.equal(compile.exitCode, 1);
    }
  });
});

test("the matchers find the errors of Python", async () => {
  await withHost({ workspace: example }, async (host) => {
    const failing = await run(host, exampleTasks()["test"]);
    const lines = fs.readFileSync(path.join(example, "broken.py"), "utf8").split("\n");
    const [problem, ...more] = failing.problems();
    assert.equal(problem.file, path.join(example, "broken.py"));
    assert.match(lines[problem.line - 1], /1 \/ count/);
    assert.equal(problem.message, "ZeroDivisionError: division by zero");
    assert.deepEqual(more, []);
    assert.equal(failing.exitCode, 1);
  });
  const folder = workspace({ "bad.py": "x = 1\nif x\n    pass\n" });
  await withHost({ workspace: folder }, async (host) => {
    const failing = await run(host, { command: "python3 bad.py", problemMatcher: ["$berth-python", "$berth-python-syntax"] });
    const [problem, ...more] = failing.problems();
    assert.deepEqual([problem.file, problem.line], [path.join(folder, "bad.py"), 2]);
    assert.match(problem.message, /^SyntaxError: /);
    assert.deepEqual(more, []);
  });
});

test("the last line reaches the matcher without an end, and the task has the program's exit code", async () => {
  await withHost({ workspace: workspace() }, async (host) => {
    const terminal = await run(host, {
      command: "printf 'a.c:3:5: error: the last word'; exit 42", problemMatcher: "$berth-gcc",
    });
    assert.equal(terminal.exitCode, 42);
    assert.equal(terminal.text, "a.c:3:5: error: the last word\r\n");
    assert.deepEqual(terminal.problems().map(({ message }) => message), ["the last word"]);
  });
});

test("a Makefile is offered as a build task", async () => {
  const folder = workspace({ Makefile: "all: a.txt\n\tcp a.txt b.txt && cat b.txt\n", "a.txt": "made\n" });
  await withHost({ workspace: folder }, async (host) => {
    const [task, ...more] = await host.tasks("berth");
    assert.deepEqual(more, []);
    assert.deepEqual([task.name, task.group.id, task.problemMatchers], ["make", "build", ["$berth-gcc"]]);
    const terminal = await host.startResolved(task);
    await terminal.ended();
    assert.match(terminal.text, /\r\nmade\r\n$/);
    assert.equal(terminal.exitCode, 0);
  });
  await withHost({ workspace: workspace() }, async (host) => assert.deepEqual(await host.tasks("berth"), []));
});

test("a task has its files, with their modes, its environment and its directory", async () => {
  const long = `${"d".repeat(60)}/${"f".repeat(90)}-é.txt`;
  const folder = workspace({
    "tool.sh": "#!/bin/sh\necho ran $1 $NAME $OTHER in $PWD\n", "sub/x": "", "node_modules/m.js": "", ".git/config": "", [long]: "long\n",
  });
  fs.chmodSync(path.join(folder, "tool.sh"), 0o755);
  await withHost({ workspace: folder, settings: { "berth.env": { NAME: "here", OTHER: "set" } } }, async (host) => {
    const ran = await run(host, {
      command: "../tool.sh ${workspaceFolder}/sub; cat ../d*/f*; ls -A ..; stat -c %Y ../tool.sh", cwd: "sub", env: { OTHER: "${workspaceFolder}" },
    });
    const [said, text, ...rest] = ran.lines;
    assert.equal(said, "ran /workspace/sub here /workspace in /workspace/sub");
    assert.equal(text, "long");
    const seconds = Math.floor(fs.statSync(path.join(folder, "tool.sh")).mtimeMs / 1000);
    assert.deepEqual(rest, ["d".repeat(60), "sub", "tool.sh", String(seconds)]);
    const none = await run(host, { command: "ls -A", files: [] });
    assert.equal(none.text, "");
  });
});

test("what is wrong with a task is said in its terminal", async () => {
  await withHost({ workspace: workspace({ big: "x".repeat(1 << 20), bigger: "x".repeat(1 << 19) }), settings: { "berth.maxUpload": 1 } }, async (host) => {
    const cases = [
      [{ command: "true" }, /larger than berth.maxUpload, 1.0 MiB: say less with the task's "files"/, 125],
      [{ command: "true", files: [], timeout: "soon" }, /the task's "timeout" is "soon", which is not a duration: write 250ms, 5s, 2m or 1h/, 125],
      [{ command: " ", files: [] }, /the task has no "command"/, 125],
      [{ command: "true", files: [], pool: "none" }, /none/, 125],
      [{ command: "sleep 60", files: [], timeout: "100ms" }, /berth: .*time/, 124],
      [{ command: "nonesuch", files: [] }, /nonesuch/, 127],
    ];
    for (const [definition, words, code] of cases) {
      const terminal = await run(host, definition);
      assert.match(terminal.text, words);
      assert.equal(terminal.exitCode, code);
    }
    host.set("berth.timeout", 5);
    const terminal = await run(host, { command: "true", files: [] });
    assert.match(terminal.text, /berth.timeout is 5, which is not a duration/);
  });
});

test("a task that is ended by the user ends its program", async () => {
  await withHost({ workspace: workspace() }, async (host) => {
    const terminal = await host.startTask({ type: "berth", command: "echo ready; exec sleep 600" });
    await terminal.until(/ready/);
    const { pty } = terminal;
    const { lease, execution } = pty.session.place;
    const { client } = pty.session;
    await host.command("berth.showRunning");
    assert.deepEqual(host.opened, [{ command: "workbench.action.terminal.focus" }]);
    const watched = client.lease(lease).attach(execution);
    terminal.dispose();
    assert.equal((await watched.wait()).cause, "cancelled");
    await pty.done;
    assert.equal(host.status.isShown, false);
  });
});

for (const eventFirst of [false, true]) {
  test(`a task runs on while the window is reloaded, and is a plain terminal then (${eventFirst ? "event" : "close"} first)`, async () => {
    let host = await new Host({ extension, workspace: workspace() }).start();
    const task = await host.startTask({ type: "berth", label: "build", command: "echo ready; while [ ! -e go ]; do sleep 0.1; done; echo built" });
    await task.until(/ready/);
    const { lease } = task.pty.session.place;
    host = await host.reload({ eventFirst });
    const terminal = await host.until("a terminal", () => host.terminals[0]);
    await terminal.until(/^ready\r\n/);
    assert.equal(terminal.name, "build");
    await terminal.pty.session.client.lease(lease).writeFile("/workspace/go", "");
    await terminal.until(/^ready\r\nbuilt\r\nberth: exit code 0/);
    assert.equal(terminal.stairs, 0);
    terminal.dispose();
    await host.stop();
  });
}
