// SPDX-License-Identifier: Apache-2.0

// Parts that need no server.

"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const path = require("node:path");
const { test } = require("node:test");

const { extension, temporary, withHost, workspace } = require("./setup.js");

const part = (name) => require(path.join(extension, "src", name));
const { MOST_WAITING, Writer } = part("writer.js");

function written(convertsLines = true) {
  const texts = [];
  const writer = new Writer((text) => texts.push(text), () => 1000);
  writer.convertsLines = convertsLines;
  return { writer, texts, all: () => texts.join("") };
}

test("ends of lines become CR LF, once, wherever the pieces are cut", () => {
  const text = "a\n\nb\r\nc\r\r\n\rd\n";
  for (let cut = 0; cut <= text.length; cut++) {
    const { writer, all } = written();
    writer.bytes(Buffer.from(text.slice(0, cut)));
    writer.bytes(Buffer.from(text.slice(cut)));
    writer.finish();
    assert.equal(all(), "a\r\n\r\nb\r\nc\r\r\n\rd\r\n", `cut at ${cut}`);
  }
  const { writer, all } = written(false);
  writer.bytes(Buffer.from("a\nb"));
  writer.finish({ endsLine: false });
  assert.equal(all(), "a\nb", "of a terminal nothing is changed");
});

test("characters are whole, wherever the pieces are cut", () => {
  const bytes = Buffer.from("é€𝄞\n");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { writer, texts, all } = written();
    writer.bytes(bytes.subarray(0, cut));
    writer.bytes(bytes.subarray(cut));
    writer.finish();
    assert.equal(all(), "é€𝄞\r\n");
    for (const text of texts) assert.equal(Buffer.from(text).toString(), text);
  }
  const { writer, all } = written();
  writer.bytes(Buffer.from([0xe2, 0x82]));
  writer.line("words");
  writer.bytes(Buffer.from([0xe2]));
  writer.finish();
  assert.equal(all(), "\ufffd\r\nwords\r\n\ufffd\r\n", "what is no character is shown as such");
});

test("the first piece is written at once, and who brings too much waits", async () => {
  const { writer, texts } = written();
  assert.equal(writer.bytes(Buffer.from("first")), undefined);
  assert.deepEqual(texts, ["first"]);
  assert.equal(writer.bytes(Buffer.from("second")), undefined);
  assert.deepEqual(texts, ["first"], "the second waits for its turn");
  const full = writer.bytes(Buffer.alloc(MOST_WAITING, "x"));
  assert.ok(full instanceof Promise);
  await full;
  assert.equal(texts.length, 2);
  writer.finish();
});

test("an archive is what tar reads, with long names and modes", () => {
  const { pack } = part("tar.js");
  const names = ["a", `${"d/".repeat(80)}file`, "ä €.txt", "x".repeat(100), "y".repeat(101), `${"z".repeat(240)}`];
  const files = names.map((name, index) => ({ path: name, data: Buffer.alloc(index * 300, "b"), mode: index % 2 ? 0o755 : 0o644, modified: 1e12 + index * 1000 }));
  const folder = workspace();
  const archive = path.join(temporary, "a.tar");
  require("node:fs").writeFileSync(archive, pack(files));
  execFileSync("tar", ["-xf", archive, "-C", folder]);
  for (const { path: name, data, mode, modified } of files) {
    const info = require("node:fs").statSync(path.join(folder, name));
    assert.deepEqual([info.size, info.mode & 0o777, info.mtimeMs], [data.length, mode, modified], name);
  }
});

test("paths of the folder become the container's, and others do not", async () => {
  await withHost({ workspace: workspace() }, async (host) => {
    const { dedented, inContainer, quoted } = part("files.js");
    const folder = host.folder, here = folder.uri.fsPath;
    assert.equal(inContainer(`cc ${here}/a.c -I${here} "${here}"`, folder), 'cc /workspace/a.c -I/workspace "/workspace"');
    assert.equal(inContainer(`${here}2/a ${here}.old x${here}`, folder), `${here}2/a ${here}.old x${here}`);
    assert.equal(inContainer("make", undefined), "make");
    assert.equal(quoted("it's"), `'it'\\''s'`);
    assert.equal(dedented("    a\n\n      b\n    c"), "a\n\n  b\nc");
    assert.equal(dedented("a\n  b"), "a\n  b");
    assert.equal(dedented("\ta\n  b"), "\ta\n  b");
  });
});
