// SPDX-License-Identifier: Apache-2.0

// What the terminals of the README's picture get, as JSON, for make-picture.

"use strict";

const path = require("node:path");

const { withHost } = require("./setup.js");

const example = path.join(__dirname, "../example");
const dimensions = { columns: 92, rows: 12 };

async function main() {
  await withHost({ workspace: example, dimensions }, async (host) => {
    host.edit(path.join(example, "hello.py"));
    await host.command("berth.runFile");
    const [run] = host.terminals;
    await run.until(/name\? /);
    for (const key of "Ada\r") run.type(key);
    await run.until(/exit code 0/);
    const { tasks } = JSON.parse(require("node:fs").readFileSync(path.join(example, ".vscode/tasks.json"), "utf8"));
    const task = await host.startTask(tasks[0]);
    await task.ended();
    console.log(JSON.stringify({
      ...dimensions,
      panels: [
        { title: "hello.py: Run File in Berth", data: run.raw },
        { title: "task: compile (broken.c)", data: task.raw },
      ],
      problems: task.problems().map(({ file, line, column, severity, message }) => ({
        severity, text: `${path.basename(file)} ${line}:${column}  ${message}`,
      })),
    }));
  });
}

void main();
