// SPDX-License-Identifier: Apache-2.0

// As much of a tar archive as files of a workspace need: regular files, with a pax header where a name is long or not ASCII.

"use strict";

const BLOCK = 512;

/**
 * @param {import("./session.js").File[]} files
 * @returns {Buffer}
 */
function pack(files) {
  /** @type {Uint8Array[]} */
  const parts = [];
  for (const { path, data, mode, modified } of files) {
    const name = Buffer.from(path);
    const isPlain = name.length <= 100 && name.length === path.length;
    if (!isPlain) {
      const record = paxRecord("path", path);
      parts.push(header(Buffer.from("pax"), record.length, 0o644, modified, "x"), record, padding(record.length));
    }
    parts.push(header(isPlain ? name : Buffer.from("long-name"), data.length, mode, modified, "0"), data, padding(data.length));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

/** "LENGTH key=value\n", where the length counts its own digits.
 * @param {string} key @param {string} value */
function paxRecord(key, value) {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** @param {Buffer} name @param {number} size @param {number} mode @param {number} modified in milliseconds
 * @param {string} type */
function header(name, size, mode, modified, type) {
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0);
  /** @param {number} value @param {number} at @param {number} length */
  const octal = (value, at, length) => block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.max(0, Math.floor(modified / 1000)), 136, 12);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** @param {number} size */
const padding = (size) => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

module.exports = { pack };
