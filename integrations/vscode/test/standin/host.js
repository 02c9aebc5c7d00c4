// SPDX-License-Identifier: Apache-2.0

// A stand-in for the host of VS Code's extensions: as strict as it can be, and no more than this extension uses. What it does not
// know, it refuses; what package.json does not announce, too.

"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const { findFiles } = require("./files.js");
const { Manifest } = require("./manifest.js");
const { problems } = require("./matcher.js");
const types = require("./types.js");
const { HostTerminal } = require("./terminal.js");
const { Waiters, expect, known, strict } = require("./strict.js");

const LANGUAGES = { ".py": "python", ".sh": "shellscript", ".js": "javascript", ".c": "c", ".cpp": "cpp", ".md": "markdown" };
const KNOWN_COMMANDS = ["setContext", "workbench.action.openSettings", "workbench.action.terminal.focus"];
/** VS Code waits no longer for `deactivate`. */
const DEACTIVATE_MS = 5000;
const { Disposable, EventEmitter, TerminalExitReason, Uri } = types;

let current;
const load = Module._load;
Module._load = function (request, ...rest) {
  if (request !== "vscode") return load.call(this, request, ...rest);
  expect(current !== undefined, "vscode is loaded by extensions");
  return current.api;
};

class Host {
  /**
   * @param options `extension`: its folder; `workspace`: a folder that is open; `settings`; `persisted`: what is left of the window
   * before, `save(persisted)` is told of each change; `answer(message, items)`: what the user says
   */
  constructor({ extension, workspace, settings = {}, persisted, save = () => {}, answer = () => undefined, dimensions }) {
    Object.assign(this, { extension, workspace, save, answer });
    this.manifest = new Manifest(JSON.parse(fs.readFileSync(path.join(extension, "package.json"), "utf8")));
    this.settings = { ...settings };
    this.persisted = persisted ?? { workspaceState: {}, secrets: {} };
    this.dimensions = dimensions === undefined ? { columns: 100, rows: 30 } : dimensions;
    this.faults = [];
    this.messages = [];
    this.logged = [];
    this.registered = { commands: new Map(), profiles: new Map(), tasks: new Map(), links: [] };
    this.contexts = {};
    this.terminals = [];
    this.editor = undefined;
    this.opened = [];
    this.documents = new Map();
    this.events = { closed: new EventEmitter(), configuration: new EventEmitter() };
    this.waiters = new Waiters();
    this.status = undefined;
    this.folder = workspace && Object.freeze({ uri: Uri.file(workspace), name: path.basename(workspace), index: 0 });
    this.api = this.#api();
  }

  // MARK: Its life

  async start() {
    EventEmitter.onError = (error) => this.faults.push(error);
    const { main } = this.manifest.json;
    current = this;
    const file = path.join(this.extension, main);
    for (const name of Object.keys(require.cache)) if (name.startsWith(this.extension)) delete require.cache[name];
    this.module = require(file);
    known("the extension", this.module, ["activate", "deactivate"]);
    this.context = this.#context();
    await this.module.activate(this.context.api);
    const { commands, profiles, tasks } = this.registered;
    for (const id of this.manifest.commands.keys()) expect(commands.has(id), `${id} is in package.json, and not registered`);
    for (const id of this.manifest.profiles.keys()) expect(profiles.has(id), `${id} is in package.json, and not registered`);
    for (const type of this.manifest.taskTypes.keys()) expect(tasks.has(type), `${type} is in package.json, and not registered`);
    return this;
  }

  /** The window goes, in good order. */
  async stop({ eventFirst = false } = {}) {
    for (const terminal of [...this.terminals]) terminal.dispose(TerminalExitReason.Shutdown, { eventFirst });
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`deactivate takes more than ${DEACTIVATE_MS} ms`)), DEACTIVATE_MS);
    });
    await Promise.race([this.module.deactivate(), late]).finally(() => clearTimeout(timer));
    for (const disposable of this.context.subscriptions.splice(0).reverse()) disposable.dispose();
    if (this.faults.length > 0) throw new AggregateError(this.faults, `faults: ${this.faults.map((fault) => fault.message).join("; ")}`);
  }

  /** "Reload Window". */
  async reload(options) {
    await this.stop(options);
    const { extension, workspace, settings, persisted, save, answer, dimensions } = this;
    return new Host({ extension, workspace, settings, persisted, save, answer, dimensions }).start();
  }

  #context() {
    const { persisted } = this;
    const changed = () => {
      this.save(persisted);
      this.waiters.changed();
    };
    const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
    const memento = {
      keys: () => Object.keys(persisted.workspaceState),
      get: (key, fallback) => copy(persisted.workspaceState[key]) ?? fallback,
      update: async (key, value) => {
        expect(JSON.stringify(copy(value)) === JSON.stringify(value), "what is stored is JSON");
        if (value === undefined) delete persisted.workspaceState[key];
        else persisted.workspaceState[key] = copy(value);
        changed();
      },
    };
    const secrets = {
      get: async (key) => persisted.secrets[key],
      store: async (key, value) => {
        expect(typeof value === "string" && value !== "", "a secret is text");
        persisted.secrets[key] = value;
        changed();
      },
      delete: async (key) => {
        delete persisted.secrets[key];
        changed();
      },
    };
    const subscriptions = [];
    return {
      subscriptions,
      api: strict("ExtensionContext", {
        subscriptions, workspaceState: strict("Memento", memento), secrets: strict("SecretStorage", secrets),
      }),
    };
  }

  until(what, condition, timeout) {
    return this.waiters.until(() => what, condition, timeout);
  }

  // MARK: The API

  #api() {
    const { EventEmitter: _, ...classes } = types;
    return strict("vscode", {
      ...classes, EventEmitter,
      commands: strict("commands", {
        registerCommand: (id, body) => this.#register("commands", this.manifest.commands, id, body),
        executeCommand: async (id, ...args) => this.#execute(id, args),
      }),
      tasks: strict("tasks", {
        registerTaskProvider: (type, provider) => {
          known("a task provider", Object.fromEntries(Object.entries(provider)), ["clients", "running"]);
          return this.#register("tasks", this.manifest.taskTypes, type, provider);
        },
      }),
      window: this.#window(),
      workspace: this.#workspace(),
    });
  }

  #register(kind, announced, id, value) {
    expect(announced.has(id), `${id} is not in package.json`);
    expect(!this.registered[kind].has(id), `${id} is registered already`);
    this.registered[kind].set(id, value);
    return new Disposable(() => this.registered[kind].delete(id));
  }

  #execute(id, args) {
    if (this.registered.commands.has(id)) return this.registered.commands.get(id)(...args);
    expect(KNOWN_COMMANDS.includes(id), `there is no command ${id}`);
    if (id === "setContext") {
      expect(this.manifest.contextKeys.has(args[0]), `no "when" of package.json asks for ${args[0]}`);
      this.contexts[args[0]] = args[1];
    } else this.opened.push(id === "workbench.action.openSettings" ? { settings: args[0] } : { command: id });
    return undefined;
  }

  #window() {
    const self = this;
    const message = (kind) => async (text, ...items) => {
      expect(typeof text === "string" && items.every((item) => typeof item === "string"), "a message is text");
      this.messages.push({ kind, text, items });
      this.waiters.changed();
      const answer = this.answer(text, items);
      expect(answer === undefined || items.includes(answer), `${answer} is none of ${items}`);
      return answer;
    };
    return strict("window", {
      get activeTextEditor() {
        return self.editor;
      },
      get terminals() {
        return Object.freeze(self.terminals.map((terminal) => terminal.api));
      },
      onDidCloseTerminal: this.events.closed.event,
      createTerminal: (options) => this.open(options).api,
      createOutputChannel: (name, options) => {
        expect(typeof name === "string" && known("options", options, ["log"]).log === true, "a log");
        const write = (level) => (text) => {
          expect(typeof text === "string", "a log takes text");
          this.logged.push(`${level}: ${text}`);
          this.waiters.changed();
        };
        return strict("LogOutputChannel", { info: write("info"), warn: write("warn"), error: write("error"), dispose() {} });
      },
      createStatusBarItem: (id, alignment) => {
        expect(typeof id === "string" && [1, 2].includes(alignment), "an item has an id and a side");
        this.status = { isShown: false, name: undefined, text: "", tooltip: undefined, command: undefined };
        const item = Object.assign(this.status, {
          show: () => (this.status.isShown = true), hide: () => (this.status.isShown = false), dispose: () => (this.status.isShown = false),
        });
        return strict("StatusBarItem", item, { writable: ["name", "text", "tooltip", "command"] });
      },
      registerTerminalProfileProvider: (id, provider) => this.#register("profiles", this.manifest.profiles, id, provider),
      registerTerminalLinkProvider: (provider) => {
        this.registered.links.push(provider);
        return new Disposable(() => this.registered.links.splice(this.registered.links.indexOf(provider), 1));
      },
      showErrorMessage: message("error"), showWarningMessage: message("warning"), showInformationMessage: message("information"),
      showQuickPick: async (items, options = {}) => {
        known("options of a pick", options, ["placeHolder"]);
        for (const item of items) expect(typeof item.label === "string", "an item has a label");
        const answer = this.answer(options.placeHolder, items.map((item) => item.label));
        return items.find((item) => item.label === answer);
      },
      showTextDocument: async (uri, options = {}) => {
        known("options of a document", options, ["selection"]);
        this.opened.push({ file: uri.fsPath, line: options.selection?.start.line, column: options.selection?.start.character });
        return undefined;
      },
    });
  }

  #workspace() {
    const self = this;
    return strict("workspace", {
      workspaceFolders: this.folder && Object.freeze([this.folder]),
      onDidChangeConfiguration: this.events.configuration.event,
      getConfiguration: (section) => {
        expect(section === "berth", "one's own settings");
        return strict("WorkspaceConfiguration", { get: (name) => self.setting(`${section}.${name}`) });
      },
      getWorkspaceFolder: (uri) => (this.folder && uri.scheme === "file" && uri.path.startsWith(`${this.workspace}/`) ? this.folder : undefined),
      findFiles: async (include, exclude, most) => {
        for (const pattern of [include, exclude ?? include]) expect(pattern instanceof types.RelativePattern, "a relative pattern");
        return findFiles(include.base, include.pattern, exclude?.pattern, most).map((file) => Uri.file(file));
      },
      openTextDocument: async (uri) => this.document(uri.fsPath),
      fs: strict("FileSystem", {
        stat: async (uri) => {
          const { mtimeMs, size } = fs.statSync(uri.fsPath);
          return strict("FileStat", { mtime: Math.floor(mtimeMs), size });
        },
        readFile: async (uri) => new Uint8Array(fs.readFileSync(uri.fsPath)),
      }),
    });
  }

  setting(name) {
    const about = this.manifest.settings.get(name);
    expect(about !== undefined, `${name} is not in package.json`);
    const value = this.settings[name];
    const isMerged = about.type === "object" && value !== null && typeof value === "object" && !Array.isArray(value);
    return structuredClone(isMerged ? { ...about.default, ...value } : value === undefined ? about.default : value);
  }

  // MARK: The user

  set(name, value) {
    expect(this.manifest.settings.has(name), `${name} is not in package.json`);
    this.settings[name] = value;
    this.events.configuration.fire(strict("ConfigurationChangeEvent", { affectsConfiguration: (section) => name.startsWith(section) }));
  }

  command(id, ...args) {
    expect(this.manifest.commands.has(id), `${id} is not in package.json`);
    return this.#execute(id, args);
  }

  /** A terminal of these options; its program starts later. */
  open(options, { isTask = false } = {}) {
    const terminal = new HostTerminal(this, options, this.dimensions, isTask);
    this.terminals.push(terminal);
    this.waiters.changed();
    return terminal;
  }

  sawClosed(terminal) {
    this.terminals = this.terminals.filter((other) => other !== terminal);
    this.events.closed.fire(terminal.api);
    this.waiters.changed();
  }

  /** From the list behind the + of the panel. */
  async openProfile(id) {
    const profile = await this.registered.profiles.get(id).provideTerminalProfile(strict("CancellationToken", {}));
    if (profile === undefined) return undefined;
    expect(profile instanceof types.TerminalProfile, "a profile");
    return this.open(profile.options);
  }

  document(file, { text, languageId, scheme = "file" } = {}) {
    const content = text ?? fs.readFileSync(file, "utf8");
    const lines = content.split("\n");
    const offset = ({ line, character }) => lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0) + character;
    return strict("TextDocument", {
      uri: Uri.make(scheme, file), isUntitled: scheme === "untitled",
      languageId: languageId ?? LANGUAGES[path.extname(file)] ?? "plaintext",
      getText: (range) => (range === undefined ? content : content.slice(offset(range.start), offset(range.end))),
      lineAt: (line) => strict("TextLine", {
        text: lines[line],
        range: new types.Range(new types.Position(line, 0), new types.Position(line, lines[line].length)),
      }),
    });
  }

  /** A file in the editor; `selection`: [line, character, line, character] from 0. */
  edit(file, { selection = [0, 0, 0, 0], ...about } = {}) {
    const [line, character, toLine, toCharacter] = selection;
    const document = this.document(file, about);
    const ends = [new types.Position(line, character), new types.Position(toLine, toCharacter)];
    this.editor = strict("TextEditor", { document, selection: new types.Selection(...ends) });
    return document;
  }

  /** Tasks that are offered without being in tasks.json. */
  async tasks(type) {
    const tasks = await this.registered.tasks.get(type).provideTasks(strict("CancellationToken", {}));
    for (const task of tasks) this.#checkTask(task);
    return tasks;
  }

  #checkTask(task) {
    expect(task instanceof types.Task && task.execution instanceof types.CustomExecution, "a task with an execution");
    this.manifest.checkTask(task.definition);
    for (const matcher of task.problemMatchers) expect(this.manifest.matchers.has(matcher), `there is no matcher ${matcher}`);
  }

  /** A task as in tasks.json: its terminal, to be watched. */
  async startTask({ label = "task", problemMatcher = [], group: _, ...definition }) {
    this.manifest.checkTask(definition);
    const given = Object.freeze(definition);
    const configured = new types.Task(given, this.folder ?? types.TaskScope.Workspace, label, "Workspace", undefined, problemMatcher);
    const task = await this.registered.tasks.get(definition.type).resolveTask(configured, strict("CancellationToken", {}));
    expect(task?.definition === given, "resolveTask gives the same definition back");
    return this.startResolved(task);
  }

  async startResolved(task) {
    this.#checkTask(task);
    const pty = await task.execution.callback(this.#resolved(task.definition));
    const terminal = this.open({ name: task.name, pty }, { isTask: true });
    terminal.problems = () => task.problemMatchers.flatMap((name) => problems(this.manifest.matchers.get(name), terminal.lines, this.workspace));
    return terminal;
  }

  #resolved(value) {
    const file = this.editor?.document.uri.fsPath ?? "";
    const variables = {
      workspaceFolder: this.workspace, file, relativeFile: this.workspace && path.relative(this.workspace, file),
    };
    if (typeof value === "string") {
      return value.replace(/\$\{(\w+)\}/g, (whole, name) => {
        expect(name in variables, `there is no variable ${whole}`);
        return variables[name];
      });
    }
    if (Array.isArray(value)) return value.map((one) => this.#resolved(one));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.#resolved(one)]));
  }

  /** The links in a line of a terminal. */
  async links(line) {
    const found = [];
    for (const provider of this.registered.links) {
      const links = await provider.provideTerminalLinks(strict("TerminalLinkContext", { line, terminal: undefined }), undefined);
      for (const link of links) found.push({ text: line.slice(link.startIndex, link.startIndex + link.length), follow: () => provider.handleTerminalLink(link) });
    }
    return found;
  }

  /** All that a person, a log or a plain file gets to see. */
  get visible() {
    const { terminals, messages, logged, status, contexts } = this;
    return JSON.stringify([terminals.map(({ raw, name }) => [name, raw]), messages, logged, status, contexts, this.persisted.workspaceState]);
  }
}

module.exports = { Host };
