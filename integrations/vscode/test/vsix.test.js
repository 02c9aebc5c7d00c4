// SPDX-License-Identifier: Apache-2.0

// The file that VS Code installs, and what it is checked with: the types, the stand-in.

"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");

const { extension, temporary, unpacked, withHost, workspace } = require("./setup.js");
const { strict } = require("./standin/strict.js");

const source = path.dirname(__dirname);
const read = (...names) => fs.readFileSync(path.join(...names), "utf8");
const filesOf = (folder) => fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
  const name = path.join(folder, entry.name);
  return entry.isDirectory() ? filesOf(name) : [name];
});

test("its manifest says what package.json says, and every part is there", () => {
  const manifest = read(unpacked, "extension.vsixmanifest");
  const json = JSON.parse(read(extension, "package.json"));
  // By a parser, that finds what is no XML.
  const parsed = JSON.parse(execFileSync("python3", ["-c", `
import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
space = "{http://schemas.microsoft.com/developer/vsx-schema/2011}"
assert root.tag == space + "PackageManifest", root.tag
find = lambda name: root.find("%sMetadata/%s%s" % (space, space, name))
print(json.dumps({
    "identity": find("Identity").attrib, "name": find("DisplayName").text, "description": find("Description").text,
    "tags": find("Tags").text, "categories": find("Categories").text, "license": find("License").text,
    "properties": {one.get("Id"): one.get("Value") for one in find("Properties")},
    "targets": [one.get("Id") for one in root.find(space + "Installation")],
    "assets": {one.get("Type"): one.get("Path") for one in root.find(space + "Assets")},
}))
types = tree.parse(sys.argv[2]).getroot()
assert types.tag == "{http://schemas.openxmlformats.org/package/2006/content-types}Types", types.tag
`, path.join(unpacked, "extension.vsixmanifest"), path.join(unpacked, "[Content_Types].xml")], { encoding: "utf8" }));
  assert.deepEqual(parsed.identity, { Language: "en-US", Id: json.name, Version: json.version, Publisher: json.publisher });
  assert.equal(parsed.name, json.displayName);
  assert.equal(parsed.description, json.description);
  assert.equal(parsed.tags, json.keywords.join(","));
  assert.equal(parsed.categories, json.categories.join(","));
  assert.equal(parsed.properties["Microsoft.VisualStudio.Code.Engine"], json.engines.vscode);
  assert.equal(parsed.properties["Microsoft.VisualStudio.Code.ExtensionKind"], "workspace");
  assert.deepEqual(parsed.targets, ["Microsoft.VisualStudio.Code"]);
  for (const file of [...Object.values(parsed.assets), parsed.license]) assert.ok(fs.existsSync(path.join(unpacked, file)), file);
  assert.equal(parsed.assets["Microsoft.VisualStudio.Code.Manifest"], "extension/package.json");
  assert.ok(!manifest.includes("undefined"));
  const types = read(unpacked, "[Content_Types].xml");
  for (const file of filesOf(unpacked).filter((name) => name.startsWith(extension) && !name.includes("/workspace-"))) {
    assert.ok(types.includes(`Extension="${path.extname(file)}"`), `${file} has no content type`);
  }
});

test("it holds the extension and the client as they are in the sources, and nothing else", () => {
  const wanted = new Map([
    ...["package.json", "README.md"].map((name) => [name, path.join(source, name)]),
    ...fs.readdirSync(source).filter((name) => name.endsWith(".png")).map((name) => [name, path.join(source, name)]),
    ...fs.readdirSync(path.join(source, "src")).map((name) => [`src/${name}`, path.join(source, "src", name)]),
    ["LICENSE.txt", path.join(source, "../../LICENSE")],
    ["node_modules/berth/package.json", path.join(source, "../../clients/node/package.json")],
    ...fs.readdirSync(path.join(source, "../../clients/node/src")).map((name) => [
      `node_modules/berth/src/${name}`, path.join(source, "../../clients/node/src", name)]),
  ]);
  assert.deepEqual(filesOf(extension).map((file) => path.relative(extension, file)).sort(), [...wanted.keys()].sort());
  for (const [name, file] of wanted) assert.ok(fs.readFileSync(path.join(extension, name)).equals(fs.readFileSync(file)), name);
  assert.match(read(extension, "LICENSE.txt"), /Apache License/);
});

test("the same sources give the same bytes", () => {
  const again = path.join(temporary, "again.vsix");
  execFileSync(path.join(source, "make-vsix"), [again]);
  assert.ok(fs.readFileSync(again).equals(fs.readFileSync(process.env.VSIX)));
});

test("it starts from where it was unpacked, runs a program, and leaves nothing behind", async () => {
  const folder = workspace({ "a.py": "print('from the archive')" });
  await withHost({ workspace: folder }, async (host) => {
    for (const name of Object.keys(require.cache)) assert.ok(!name.startsWith(path.join(source, "src")), `${name} is not of the archive`);
    assert.ok(Object.keys(require.cache).some((name) => name.startsWith(path.join(extension, "src"))));
    host.edit(path.join(folder, "a.py"));
    await host.command("berth.runFile");
    await host.terminals[0].until(/from the archive\r\nberth: exit code 0/);
  });
});

test("the stand-in refuses what it does not know, and what package.json does not announce", async () => {
  await withHost({ workspace: workspace() }, async ({ api, context }) => {
    assert.throws(() => api.window.nonesuch, /window has no nonesuch/);
    assert.throws(() => api.nonesuch, /vscode has no nonesuch/);
    assert.throws(() => (api.window.terminals = []), /not to be set/);
    assert.throws(() => api.commands.registerCommand("berth.other", () => {}), /berth.other is not in package.json/);
    assert.throws(() => api.commands.registerCommand("berth.runFile", () => {}), /registered already/);
    assert.throws(() => api.window.registerTerminalProfileProvider("berth.other", {}), /berth.other is not in package.json/);
    assert.throws(() => api.tasks.registerTaskProvider("other", {}), /other is not in package.json/);
    assert.throws(() => api.workspace.getConfiguration("berth").get("other"), /berth.other is not in package.json/);
    await assert.rejects(api.commands.executeCommand("setContext", "berth.other", 1), /no "when"/);
    await assert.rejects(api.commands.executeCommand("workbench.action.other"), /no command/);
    assert.throws(() => api.window.createTerminal({ name: "x", pty: {}, cwd: "/" }), /no cwd/);
    assert.throws(() => api.window.createTerminal({ name: "x", pty: {} }), /a Pseudoterminal has open/);
    assert.throws(() => context.api.globalState, /ExtensionContext has no globalState/);
    assert.throws(() => strict("Status", { text: "" }).txt, /Status has no txt/);
  });
});

test("no more is asked of VS Code than the types say, and the types know no more than the stand-in", async () => {
  execFileSync("tsc", ["-p", source], { encoding: "utf8" });
  const types = read(source, "types/vscode.d.ts");
  await withHost({ workspace: workspace() }, async ({ api }) => {
    const names = [...types.matchAll(/^ {2}export (?:class|enum|namespace) (\w+)/gm)].map((match) => match[1]);
    assert.ok(names.length > 15);
    for (const name of names) assert.ok(name in api, `the stand-in has no ${name}`);
    for (const [, name, body] of types.matchAll(/^ {2}export namespace (\w+) \{\n(.*?)^ {2}\}/gms)) {
      for (const [, member] of body.matchAll(/^ {4}(?:function|const) (\w+)/gm)) assert.ok(member in api[name], `the stand-in has no ${name}.${member}`);
    }
  });
});

test("the README names every command, setting, task property and matcher, and says what has not run it", () => {
  const { contributes } = JSON.parse(read(source, "package.json"));
  const readme = read(source, "README.md");
  for (const { title } of contributes.commands) assert.ok(readme.includes(title), title);
  for (const name of Object.keys(contributes.configuration.properties)) assert.ok(readme.includes(`\`${name}\``), name);
  for (const name of Object.keys(contributes.taskDefinitions[0].properties)) assert.ok(readme.includes(`\`${name}\``), name);
  for (const { name } of contributes.problemMatchers) assert.ok(readme.includes(`\`$${name}\``), name);
  assert.match(readme, /No real VS Code has run it/);
});
