// SPDX-License-Identifier: Apache-2.0

// Bytes: the shared vectors, and what must not be taken.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { describeAddress, parseAddress } from "../src/address.js";
import { Request, Response } from "../src/messages.js";
import { BrokenWire, FrameDecoder, HEADER_SIZE, MAX_DATA, encodeFrame, requestBody } from "../src/wire.js";

/** What the client sends and what the server sends, by name. */
function vectors() {
  const found = {};
  let frames, name;
  for (const whole of readFileSync(new URL("../../../proto/vectors/recorded.txt", import.meta.url), "utf8").split("\n")) {
    const line = whole.replace(/#.*/, "");
    if (line.startsWith("vector ")) {
      name = line.slice(7).trim();
      found[name] = { client: [], server: [] };
    } else if (/^(C>S|S>C)/.test(line)) {
      frames = found[name][line[0] === "C" ? "client" : "server"];
      frames.push(hex(line.slice(3)));
    } else if (line.trim() !== "") {
      frames.push(Buffer.concat([frames.pop(), hex(line)]));
    }
  }
  return found;
}

const hex = (text) => Buffer.from(text.replace(/\s/g, ""), "hex");

function fed(pieces) {
  const decoder = new FrameDecoder(), frames = [];
  for (const piece of pieces) decoder.feed(piece, (stream, kind, flags, data) => frames.push([stream, kind, flags, data.toString("hex")]));
  return frames;
}

test("a unary request is what Go sends", () => {
  const { client: [sent], server: [answer] } = vectors()["unary call with time-out and metadata"];
  const request = Request.decode(sent.subarray(HEADER_SIZE));
  assert.deepEqual(encodeFrame(1, 1, 0, Request.encode(request)), sent);
  assert.equal(request.timeoutNano, 4999928574);
  const plain = requestBody(request.service, request.method, request.payload, request.timeoutNano / 1e6);
  assert.deepEqual(plain, Request.encode({ ...request, metadata: [] }));
  assert.equal(Response.decode(answer.subarray(HEADER_SIZE)).payload.toString("hex"), "0a076c656173652d31");
});

test("frames come whole, byte by byte and in random pieces", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  let state = seed;
  const random = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 1 + Math.floor((state / 2 ** 32) * limit);
  };
  for (const { client, server } of Object.values(vectors())) {
    for (const frames of [client, server]) {
      const all = Buffer.concat(frames);
      const expected = frames.flatMap((frame) => fed([frame]));
      assert.equal(expected.length, frames.length);
      for (const step of [() => all.length, () => 1, () => random(15)]) {
        const pieces = [];
        for (let at = 0; at < all.length; at += pieces.at(-1).length) pieces.push(all.subarray(at, at + step()));
        assert.deepEqual(fed(pieces), expected, `seed ${seed}`);
      }
    }
  }
});

test("failures have their code and words", () => {
  const status = (name) => Response.decode(vectors()[name].server[0].subarray(HEADER_SIZE)).status;
  assert.deepEqual(status("handler error"), { code: 2, message: "boom", details: [] });
  assert.deepEqual(status("bad method"), { code: 12, message: "method Nope", details: [] });
  assert.equal(status("empty unary answer"), undefined);
});

test("a frame over 4 MiB is refused by its header, and a request of that size is not sent", () => {
  assert.equal(fed([encodeFrame(1, 2, 0, Buffer.alloc(MAX_DATA))]).length, 1);
  assert.throws(() => fed([hex("00400001 00000001 0200")]), BrokenWire);
  assert.throws(() => requestBody("s", "m", Buffer.alloc(MAX_DATA)), { code: "RESOURCE_EXHAUSTED" });
});

test("a time-out that has passed is not sent as none", () => {
  assert.equal(Request.decode(requestBody("s", "m", Buffer.alloc(0), 0)).timeoutNano, 1);
  assert.equal(Request.decode(requestBody("s", "m", Buffer.alloc(0))).timeoutNano, 0);
});

test("addresses", () => {
  assert.deepEqual(parseAddress("localhost:1"), { host: "localhost", port: 1 });
  assert.equal(describeAddress(parseAddress("[::1]:7411")), "[::1]:7411");
  assert.equal(describeAddress(parseAddress("unix:/run/berth.sock")), "unix:/run/berth.sock");
  for (const wrong of ["host", "host:", ":1", "host:0", "host:65536", "host:1x", "unix:", "a:b:1"]) {
    assert.throws(() => parseAddress(wrong), TypeError, wrong);
  }
});
