// SPDX-License-Identifier: Apache-2.0

// The classes and enums of VS Code's API that extensions make or compare with.

"use strict";

const path = require("node:path");

const { expect, strict } = require("./strict.js");

class Disposable {
  #call;
  constructor(call) {
    this.#call = call;
  }
  dispose() {
    const call = this.#call;
    this.#call = undefined;
    return call?.();
  }
}

/** As VS Code's: an error of a listener does not reach who fires; here it is a fault of the test. */
class EventEmitter {
  static onError = (error) => {
    throw error;
  };
  #listeners = new Set();
  event = (listener, thisArgs, disposables) => {
    expect(typeof listener === "function", "an event wants a listener");
    const entry = { listener, thisArgs };
    this.#listeners.add(entry);
    const disposable = new Disposable(() => this.#listeners.delete(entry));
    disposables?.push(disposable);
    return disposable;
  };
  fire(data) {
    for (const { listener, thisArgs } of [...this.#listeners]) {
      try {
        listener.call(thisArgs, data);
      } catch (error) {
        EventEmitter.onError(error);
      }
    }
  }
  dispose() {
    this.#listeners.clear();
  }
}

class Uri {
  constructor(scheme, where) {
    this.scheme = scheme;
    this.path = where;
    Object.freeze(this);
  }
  static make(scheme, where) {
    return strict("Uri", new Uri(scheme, where));
  }
  static file(where) {
    expect(path.isAbsolute(where), "Uri.file wants an absolute path");
    return Uri.make("file", where);
  }
  static parse(text) {
    const match = /^(\w+):(?:\/\/)?(.*)$/.exec(text);
    expect(match !== null, `${text} is no URI`);
    return Uri.make(match[1], match[2]);
  }
  static joinPath(base, ...segments) {
    return Uri.make(base.scheme, path.posix.join(base.path, ...segments));
  }
  get fsPath() {
    return this.path;
  }
  toString() {
    return `${this.scheme}://${encodeURI(this.path)}`;
  }
}

class Position {
  constructor(line, character) {
    expect(Number.isInteger(line) && line >= 0 && Number.isInteger(character) && character >= 0, "a position counts from 0");
    this.line = line;
    this.character = character;
    Object.freeze(this);
  }
}

class Range {
  constructor(start, end) {
    expect(start instanceof Position && end instanceof Position, "a range is made of positions");
    const isOrdered = start.line < end.line || (start.line === end.line && start.character <= end.character);
    this.start = isOrdered ? start : end;
    this.end = isOrdered ? end : start;
  }
  get isEmpty() {
    return this.start.line === this.end.line && this.start.character === this.end.character;
  }
}

class Selection extends Range {
  constructor(anchor, active) {
    super(anchor, active);
    this.anchor = anchor;
    this.active = active;
  }
}

class RelativePattern {
  constructor(base, pattern) {
    expect(typeof pattern === "string" && pattern !== "", "a pattern is text");
    this.base = (base.uri ?? base).fsPath;
    this.pattern = pattern;
    Object.freeze(this);
  }
}

class ThemeIcon {
  constructor(id) {
    expect(/^[a-z0-9-]+$/.test(id), `${id} is no icon`);
    this.id = id;
    Object.freeze(this);
  }
}

class TerminalProfile {
  constructor(options) {
    this.options = options;
  }
}

class CustomExecution {
  constructor(callback) {
    expect(typeof callback === "function", "a CustomExecution wants a callback");
    this.callback = callback;
  }
}

class TaskGroup {
  constructor(id) {
    this.id = id;
  }
  static Build = Object.freeze(new TaskGroup("build"));
}

const TaskScope = Object.freeze({ Global: 1, Workspace: 2 });

class Task {
  constructor(definition, scope, name, source, execution, problemMatchers) {
    expect(definition !== null && typeof definition === "object" && typeof definition.type === "string", "a task has a definition");
    expect(scope === TaskScope.Workspace || scope === TaskScope.Global || typeof scope?.index === "number", "a task has a scope");
    expect(typeof name === "string" && name !== "" && typeof source === "string" && source !== "", "a task has a name and a source");
    expect(execution === undefined || execution instanceof CustomExecution, "this stand-in knows custom executions");
    Object.assign(this, { definition, scope, name, source, execution, group: undefined });
    this.problemMatchers = typeof problemMatchers === "string" ? [problemMatchers] : (problemMatchers ?? []);
    Object.seal(this);
  }
}

module.exports = {
  CustomExecution, Disposable, EventEmitter, Position, Range, RelativePattern, Selection, Task, TaskGroup, TaskScope, TerminalProfile,
  ThemeIcon, Uri,
  StatusBarAlignment: Object.freeze({ Left: 1, Right: 2 }),
  TerminalExitReason: Object.freeze({ Unknown: 0, Shutdown: 1, Process: 2, User: 3, Extension: 4 }),
};
