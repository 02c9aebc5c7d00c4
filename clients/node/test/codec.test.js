// SPDX-License-Identifier: Apache-2.0

// The codec and the generated messages, against protoc.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { DecodeError, message } from "../src/codec.js";
import * as messages from "../src/messages.js";

const proto = fileURLToPath(new URL("../../../proto", import.meta.url));
const protoc = (mode, type, input) =>
  execFileSync("protoc", [`--proto_path=${proto}`, `--${mode}=berth.v1.${type}`, "berth/v1/pool.proto"], { input });

const SAMPLES = {
  ExecuteRequest: `lease: "l" argv: "a" argv: "" env { key: "K" value: "v" } env { key: "\\303\\251" value: "" } uid: 4294967295
    stdin: "\\000\\377" terminal { columns: 80 } window_bytes: 1048576 output_policy: KILL_AT_LIMIT keep_background: true`,
  ExecuteEvent: `ended { cause: EXITED exit_code: -1 signal: 9 usage { wall_us: 9007199254740991 } stdout_bytes: 5368709120 }`,
  AttachRequest: `stdout_offset: 4294967296 from_now: true`,
  FileInfo: `name: "f" type: DIRECTORY mode: 493 modified_us: -1 link_target: "x"`,
  ResizeRequest: `pool: "p" size: 0 max: 7`,
  StatsResponse: `server: "s" pools { name: "a" retired { key: "age" value: 3 } arrivals_per_second: -0.25 held: true } pools {}`,
  HelloResponse: `server: "" pools: "a" pools: "b"`,
};

test("messages are encoded and decoded as protoc does it", () => {
  for (const [name, text] of Object.entries(SAMPLES)) {
    const bytes = protoc("encode", name, text);
    const decoded = messages[name].decode(bytes);
    // Maps have no order, so that texts are compared.
    assert.equal(protoc("decode", name, messages[name].encode(decoded)).toString(), protoc("decode", name, bytes).toString());
  }
  const request = messages.ExecuteRequest.decode(protoc("encode", "ExecuteRequest", SAMPLES.ExecuteRequest));
  assert.deepEqual(request.argv, ["a", ""]);
  assert.deepEqual(request.env, { K: "v", "é": "" });
  assert.deepEqual([...request.stdin], [0, 255]);
  assert.equal(request.uid, 4294967295);
  assert.equal(request.pool, "");
  const { ended } = messages.ExecuteEvent.decode(protoc("encode", "ExecuteEvent", SAMPLES.ExecuteEvent));
  assert.deepEqual([ended.exitCode, ended.usage.wallUs, ended.stdoutBytes], [-1, Number.MAX_SAFE_INTEGER, 5368709120]);
  assert.equal(messages.FileInfo.decode(protoc("encode", "FileInfo", SAMPLES.FileInfo)).modifiedUs, -1);
  assert.equal(messages.ResizeRequest.decode(protoc("encode", "ResizeRequest", SAMPLES.ResizeRequest)).size, 0);
});

test("a member of a oneof is sent though it is zero, and another field is not", () => {
  assert.deepEqual([...messages.ResizeRequest.encode({ size: 0 })], [0x10, 0]);
  assert.deepEqual([...messages.ExecuteRequest.encode({ uid: 0, shell: "", stdin: Buffer.alloc(0) })], []);
});

test("unknown fields of every kind are passed over, the last of two counts, packed and unpacked numbers are taken", () => {
  const Numbers = message("Numbers", [[1, "all", "uint32", "repeated"], [2, "one", "uint32"]]);
  const unknown = [0x78, 1, 0xa2, 6, 1, 0x61, 0xad, 6, 0, 0, 0, 0, 0xb1, 6, 0, 0, 0, 0, 0, 0, 0, 0];
  const bytes = Buffer.from([...unknown, 0x0a, 2, 1, 2, 0x08, 3, 0x10, 4, ...unknown, 0x10, 5]);
  assert.deepEqual(Numbers.decode(bytes), { all: [1, 2, 3], one: 5 });
});

test("what is no message is refused", () => {
  for (const broken of [[0x0a, 0x7f, 0x62], [0x20, 0xff], [0x0f], [0x07], [0x20, ...Array(11).fill(0xff)], [0x00, 0], [0x09, 1]]) {
    assert.throws(() => messages.Request.decode(Buffer.from(broken)), DecodeError, broken.join());
  }
});

test("a key of a map may be any name", () => {
  const { env } = messages.ExecuteRequest.decode(messages.ExecuteRequest.encode({ env: JSON.parse('{"__proto__": "x"}') }));
  assert.deepEqual(Object.entries(env), [["__proto__", "x"]]);
});

test("the committed messages are what the .proto files say", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-"));
  try {
    execFileSync(fileURLToPath(new URL("../generate", import.meta.url)), [folder]);
    for (const name of ["messages.js", "messages.d.ts"]) {
      const committed = readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8");
      assert.equal(committed, readFileSync(join(folder, name), "utf8"), `${name}: run clients/node/generate`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the types are sound, and so is a program that uses them", () => {
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "node16", "--moduleResolution", "node16"];
  const folder = fileURLToPath(new URL("types/", import.meta.url));
  try {
    execFileSync("tsc", [...options, "node.d.ts", "usage.ts"], { cwd: folder });
  } catch (error) {
    assert.fail(`tsc: ${error.stdout ?? error}`);
  }
});
