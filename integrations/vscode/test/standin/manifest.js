// SPDX-License-Identifier: Apache-2.0

// What package.json promises, read as VS Code reads it.

"use strict";

const { expect, known } = require("./strict.js");

const CONTRIBUTIONS = ["commands", "menus", "terminal", "taskDefinitions", "problemMatchers", "configuration"];
const MENUS = ["editor/title/run", "editor/context", "explorer/context", "commandPalette"];
const CONTEXT_KEYS = ["resourceLangId", "editorHasSelection"];
const SETTING_KEYS = [
  "type", "default", "description", "markdownDescription", "order", "minimum", "maximum", "items", "additionalProperties",
];

class Manifest {
  constructor(json) {
    this.json = json;
    const { contributes } = json;
    known("contributes", contributes, CONTRIBUTIONS);
    this.commands = new Map(contributes.commands.map((command) => [command.command, known("a command", command,
      ["command", "title", "category", "icon"])]));
    expect(this.commands.size === contributes.commands.length, "each command once");
    this.contextKeys = new Set();
    for (const [menu, items] of Object.entries(known("menus", contributes.menus, MENUS))) {
      for (const item of items) {
        known(`an item of ${menu}`, item, ["command", "when", "group"]);
        expect(this.commands.has(item.command), `${menu}: ${item.command} is no command`);
        const names = item.when.match(/[A-Za-z][\w.]*/g).filter((word) => word !== "in");
        for (const name of names) if (!CONTEXT_KEYS.includes(name)) this.contextKeys.add(name);
      }
    }
    this.profiles = new Map(contributes.terminal.profiles.map((profile) => [
      known("a profile", profile, ["id", "title", "icon"]).id, profile]));
    this.taskTypes = new Map(contributes.taskDefinitions.map((type) => [
      known("a task definition", type, ["type", "required", "properties"]).type, type]));
    this.matchers = new Map(contributes.problemMatchers.map((matcher) => [`$${matcher.name}`, matcher]));
    this.settings = new Map(Object.entries(contributes.configuration.properties));
    for (const [name, setting] of this.settings) {
      known(`the setting ${name}`, setting, SETTING_KEYS);
      expect("default" in setting && typeOf(setting.default) === setting.type, `${name}: its default is of its type`);
      expect(Boolean(setting.description) !== Boolean(setting.markdownDescription), `${name} has one description`);
    }
    const { restrictedConfigurations } = json.capabilities.untrustedWorkspaces;
    for (const name of restrictedConfigurations) expect(this.settings.has(name), `${name} is restricted, and no setting`);
  }

  /** A definition of tasks.json, held to the schema. */
  checkTask(definition) {
    const schema = this.taskTypes.get(definition.type);
    expect(schema !== undefined, `${definition.type} is no task type of package.json`);
    for (const name of schema.required) expect(name in definition, `a task wants ${name}`);
    for (const [name, value] of Object.entries(definition)) {
      if (name === "type") continue;
      const property = schema.properties[name];
      expect(property !== undefined, `a task has no ${name}`);
      const types = property.oneOf?.map((one) => one.type) ?? [property.type];
      expect(types.includes(typeOf(value)), `${name} of a task is ${types.join(" or ")}`);
    }
  }
}

const typeOf = (value) => (Array.isArray(value) ? "array" : typeof value);

module.exports = { Manifest };
