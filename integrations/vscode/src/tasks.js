// SPDX-License-Identifier: Apache-2.0

// Tasks of the type "berth": of tasks.json, and `make` where a folder has a Makefile.

"use strict";

const vscode = require("vscode");

const { taskJob } = require("./jobs.js");
const { BerthTerminal } = require("./terminal.js");

const TYPE = "berth";
const SOURCE = "berth";
const MATCHERS = ["$berth-gcc"];

/** @implements {vscode.TaskProvider} */
class BerthTasks {
  /**
   * @param {import("./clients.js").Clients} clients
   * @param {import("./running.js").Running} running
   */
  constructor(clients, running) {
    this.clients = clients;
    this.running = running;
  }

  async provideTasks() {
    const tasks = [];
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
      const pattern = new vscode.RelativePattern(folder, "{GNUmakefile,makefile,Makefile}");
      if ((await vscode.workspace.findFiles(pattern, undefined, 1)).length === 0) continue;
      const task = this.task({ type: TYPE, command: "make" }, folder, "make", MATCHERS);
      task.group = vscode.TaskGroup.Build;
      tasks.push(task);
    }
    return tasks;
  }

  /** One of tasks.json, which has no execution yet.
   * @param {vscode.Task} task */
  resolveTask(task) {
    if (typeof task.definition.command !== "string") return undefined;
    // VS Code wants its own definition back, and takes the matchers from tasks.json.
    return this.task(task.definition, task.scope, task.name, task.problemMatchers);
  }

  /**
   * @param {vscode.TaskDefinition} definition
   * @param {vscode.WorkspaceFolder | vscode.TaskScope | undefined} scope
   * @param {string} name
   * @param {string[]} matchers
   */
  task(definition, scope, name, matchers) {
    const folder = typeof scope === "object" ? scope : vscode.workspace.workspaceFolders?.[0];
    const execution = new vscode.CustomExecution(async (resolved) => {
      return new BerthTerminal(this.job(name, resolved, folder), this.running);
    });
    return new vscode.Task(definition, scope ?? vscode.TaskScope.Workspace, name, SOURCE, execution, matchers);
  }

  /** What is wrong with the settings is said in the task's terminal.
   * @param {string} name @param {vscode.TaskDefinition} definition @param {vscode.WorkspaceFolder | undefined} folder
   * @returns {import("./terminal.js").Job} */
  job(name, definition, folder) {
    try {
      return taskJob(this.clients, name, definition, folder);
    } catch (error) {
      return { kind: "task", title: name, server: "", client: () => { throw error; }, prepare: async () => { throw error; } };
    }
  }
}

module.exports = { BerthTasks, TYPE };
