// SPDX-License-Identifier: Apache-2.0

// Protocol Buffers, as far as proto3 messages need them: a message type is a list of fields, from which encoding and
// decoding follow. messages.js, which is generated, has the lists.
//
// A decoded message has every field: numbers are 0, strings empty, lists [] and maps {} when they did not come; messages,
// and members of a oneof, are undefined then. 64-bit numbers are numbers here, exact up to 2^53, which is 9 PB. Bytes are
// Buffers that share the memory they were decoded from.

const VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5;

export class DecodeError extends Error {}

/** Appends to a buffer that grows. */
class Writer {
  constructor() {
    this.buffer = Buffer.allocUnsafe(256);
    this.length = 0;
  }

  reserve(count) {
    if (this.length + count <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + count));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }

  varint(value) {
    this.reserve(10);
    if (value < 0) {
      this.bigVarint(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    while (value >= 0x80) {
      this.buffer[this.length++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    this.buffer[this.length++] = value;
  }

  bigVarint(value) {
    while (value >= 0x80n) {
      this.buffer[this.length++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.buffer[this.length++] = Number(value);
  }

  bytes(data) {
    this.varint(data.length);
    this.reserve(data.length);
    this.buffer.set(data, this.length);
    this.length += data.length;
  }

  string(text) {
    const size = Buffer.byteLength(text);
    this.varint(size);
    this.reserve(size);
    this.length += this.buffer.write(text, this.length);
  }

  double(value) {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  result() {
    return this.buffer.subarray(0, this.length);
  }
}

/** Takes from a part of a buffer. */
class Reader {
  constructor(buffer) {
    this.buffer = buffer;
    this.position = 0;
    this.end = buffer.length;
  }

  byte() {
    if (this.position >= this.end) throw new DecodeError("the message ends in the middle of a field");
    return this.buffer[this.position++];
  }

  varint() {
    let result = 0, factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.byte();
      if (count === 9 && byte < 0x80) return this.tenBytes();
      result += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return result;
    }
    throw new DecodeError("a number does not end");
  }

  /** The number whose tenth byte was just read, exactly: negative ones have so many. */
  tenBytes() {
    let result = 0n;
    for (let index = 0; index < 10; index++) {
      result |= BigInt(this.buffer[this.position - 10 + index] & 0x7f) << BigInt(7 * index);
    }
    return Number(BigInt.asIntN(64, result));
  }

  take(count) {
    const start = this.position;
    if (count > this.end - start) throw new DecodeError("the message ends in the middle of a field");
    this.position += count;
    return this.buffer.subarray(start, this.position);
  }

  skip(wireType) {
    if (wireType === VARINT) this.varint();
    else if (wireType === LENGTH) this.take(this.varint());
    else if (wireType === FIXED64) this.take(8);
    else if (wireType === FIXED32) this.take(4);
    else throw new DecodeError(`wire type ${wireType} is none`);
  }
}

// What a scalar type is on the wire, how it is written and read, and what it is when it did not come.
const SCALARS = {
  string: [LENGTH, (writer, value) => writer.string(value), (reader) => reader.take(reader.varint()).toString(), ""],
  bytes: [LENGTH, (writer, value) => writer.bytes(value), (reader) => reader.take(reader.varint()), Buffer.alloc(0)],
  bool: [VARINT, (writer, value) => writer.varint(value ? 1 : 0), (reader) => reader.varint() !== 0, false],
  uint32: [VARINT, (writer, value) => writer.varint(value), (reader) => reader.varint() >>> 0, 0],
  int32: [VARINT, (writer, value) => writer.varint(value), (reader) => reader.varint() | 0, 0],
  enum: [VARINT, (writer, value) => writer.varint(value), (reader) => reader.varint() | 0, 0],
  uint64: [VARINT, (writer, value) => writer.varint(value), (reader) => {
    const value = reader.varint();
    return value < 0 ? value + 2 ** 64 : value;
  }, 0],
  int64: [VARINT, (writer, value) => writer.varint(value), (reader) => {
    const value = reader.varint();
    return value >= 2 ** 63 ? value - 2 ** 64 : value;
  }, 0],
  double: [FIXED64, (writer, value) => writer.double(value), (reader) => reader.take(8).readDoubleLE(0), 0],
};
export const SCALAR_TYPES = Object.keys(SCALARS);

class Field {
  /**
   * @param number the field's
   * @param name as it is in JavaScript
   * @param type a scalar's name, or a function that gives a message type
   * @param label "" | "repeated" | "optional" (a member of a oneof, or declared so) | "map", then `type` is the values'
   */
  constructor(number, name, type, label = "") {
    this.number = number;
    this.name = name;
    this.label = label;
    this.isMessage = typeof type === "function";
    this.type = type;
    [this.wireType, this.write, this.read, this.zero] = this.isMessage ? [LENGTH] : SCALARS[type];
    this.tag = number * 8 + (label === "map" ? LENGTH : this.wireType);
    if (label === "map") {
      this.entry = new Message("entry", [new Field(1, "key", "string"), new Field(2, "value", type)]);
    }
  }

  encodeOne(value, writer) {
    writer.varint(this.tag);
    if (this.isMessage) writer.bytes(this.type().encode(value));
    else this.write(writer, value);
  }

  encode(value, writer) {
    if (value === undefined || value === null) return;
    if (this.label === "repeated") {
      for (const each of value) this.encodeOne(each, writer);
    } else if (this.label === "map") {
      for (const [key, each] of Object.entries(value)) {
        writer.varint(this.tag);
        writer.bytes(this.entry.encode({ key, value: each }));
      }
    } else if (this.label === "optional" || this.isMessage || !this.isZero(value)) {
      this.encodeOne(value, writer);
    }
  }

  isZero(value) {
    return this.type === "bytes" ? value.length === 0 : value === this.zero;
  }

  decodeOne(reader) {
    return this.isMessage ? this.type().decode(reader.take(reader.varint())) : this.read(reader);
  }

  decode(message, wireType, reader) {
    if (this.label === "map") {
      if (wireType !== LENGTH) return reader.skip(wireType);
      const { key, value } = this.entry.decode(reader.take(reader.varint()));
      // Not an assignment: "__proto__" is a name like any other here.
      Object.defineProperty(message[this.name], key, { value, enumerable: true, writable: true, configurable: true });
    } else if (this.label === "repeated" && wireType === LENGTH && this.wireType !== LENGTH) {
      const packed = new Reader(reader.take(reader.varint()));
      while (packed.position < packed.end) message[this.name].push(this.decodeOne(packed));
    } else if (wireType !== this.wireType) {
      reader.skip(wireType);
    } else if (this.label === "repeated") {
      message[this.name].push(this.decodeOne(reader));
    } else {
      message[this.name] = this.decodeOne(reader);
    }
  }
}

/** A message type. */
export class Message {
  constructor(name, fields) {
    this.name = name;
    this.fields = fields;
    this.byNumber = new Map(fields.map((field) => [field.number, field]));
  }

  /** A message in which nothing is set. */
  create() {
    const message = {};
    for (const field of this.fields) {
      message[field.name] = field.label === "repeated" ? [] : field.label === "map" ? {}
        : field.label === "optional" ? undefined : field.zero;
    }
    return message;
  }

  /** @returns {Buffer} */
  encode(message) {
    const writer = new Writer();
    for (const field of this.fields) field.encode(message[field.name], writer);
    return writer.result();
  }

  /** @throws {DecodeError} */
  decode(bytes) {
    const message = this.create();
    const reader = new Reader(bytes);
    while (reader.position < reader.end) {
      const tag = reader.varint();
      const number = Math.floor(tag / 8), wireType = tag % 8;
      if (number === 0) throw new DecodeError("a field has the number 0");
      const field = this.byNumber.get(number);
      if (field === undefined) reader.skip(wireType);
      else field.decode(message, wireType, reader);
    }
    return message;
  }
}

/** For the generated code: fields are [number, name, type, label]. */
export function message(name, fields) {
  return new Message(name, fields.map((field) => new Field(...field)));
}
