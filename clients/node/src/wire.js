// SPDX-License-Identifier: Apache-2.0

// ttrpc frames: bytes and nothing else. A header is length, stream id (both big-endian), type and flags.

import { BerthError } from "./errors.js";
import { Request } from "./messages.js";

export const HEADER_SIZE = 10;
export const MAX_DATA = 4 << 20;
export const REQUEST = 1, RESPONSE = 2, DATA = 3;
export const REMOTE_CLOSED = 0x01, NO_DATA = 0x04;

/** What came cannot be framed any more: the connection is of no more use. */
export class BrokenWire extends Error {}

/** A frame in one buffer, so that it goes out in one write. */
export function encodeFrame(stream, kind, flags, data) {
  const frame = Buffer.allocUnsafe(HEADER_SIZE + data.length);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(stream, 4);
  frame[8] = kind;
  frame[9] = flags;
  frame.set(data, HEADER_SIZE);
  return frame;
}

/** The data of a Request; `timeout` in milliseconds, undefined is none. */
export function requestBody(service, method, payload, timeout, metadata = []) {
  // A time-out that has passed must not become 0, which is none.
  const timeoutNano = timeout === undefined ? 0 : Math.max(1, Math.round(timeout * 1e6));
  const body = Request.encode({ service, method, payload, timeoutNano, metadata });
  if (body.length > MAX_DATA) {
    throw new BerthError(
      "RESOURCE_EXHAUSTED", `the request has ${body.length} bytes, and ${MAX_DATA} is the most that goes in one`);
  }
  return body;
}

/** Cuts what comes, in pieces of any size, into frames. */
export class FrameDecoder {
  #pieces = [];
  #size = 0;
  #wanted = HEADER_SIZE;

  /** Calls `deliver(stream, kind, flags, data)` for every frame that is complete with this. Throws `BrokenWire`. */
  feed(chunk, deliver) {
    this.#pieces.push(chunk);
    this.#size += chunk.length;
    // No frame begins so, for its length would be too much: it is an alert, the last that a server of TLS says.
    if (this.#pieces[0][0] === 0x15 && this.#pieces[0][1] === 0x03) {
      throw new BrokenWire("it speaks TLS: put tls:// before its address");
    }
    // What is not complete is only joined when it is: a large frame would be copied for each of its pieces.
    if (this.#size < this.#wanted) return;
    const buffer = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces, this.#size);
    let position = 0;
    this.#wanted = HEADER_SIZE;
    while (buffer.length - position >= HEADER_SIZE) {
      const length = buffer.readUInt32BE(position);
      if (length > MAX_DATA) {
        throw new BrokenWire(`the server sent a frame of ${length} bytes, and ${MAX_DATA} is the most there is`);
      }
      const end = position + HEADER_SIZE + length;
      if (end > buffer.length) {
        this.#wanted = HEADER_SIZE + length;
        break;
      }
      deliver(
        buffer.readUInt32BE(position + 4), buffer[position + 8], buffer[position + 9],
        buffer.subarray(position + HEADER_SIZE, end));
      position = end;
    }
    this.#pieces = position === buffer.length ? [] : [buffer.subarray(position)];
    this.#size = buffer.length - position;
  }
}
