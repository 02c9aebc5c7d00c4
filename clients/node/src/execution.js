// SPDX-License-Identifier: Apache-2.0

import { Readable, Writable } from "node:stream";

import { InputRequest, InputResponse, ResizeTerminalRequest, ResizeTerminalResponse, SignalRequest, SignalResponse } from "./messages.js";
import { CHUNK, milliseconds, toBuffer } from "./options.js";
import { Result, STREAMS } from "./results.js";

/** Unread output lies in the stream, and is credit that was not given back: the window bounds it. */
class OutputStream extends Readable {
  #watch;
  #name;
  #start;
  #offset = 0;

  constructor(watch, name, start) {
    super();
    this.#watch = watch;
    this.#name = name;
    this.#start = start;
  }

  _read() {
    this.#start();
  }

  /** Every way to read comes through here; when Node calls `_read`, what is being read still counts as unread. */
  read(size) {
    const data = super.read(size);
    this.#consume();
    return data;
  }

  add(output) {
    this.#offset = output.offset + output.data.length;
    this.push(output.data);
    this.#consume();
  }

  #consume() {
    if (this.#offset > 0) this.#watch.consume(this.#name, this.#offset - this.readableLength);
  }
}

export class Execution {
  #client;
  #watch;
  #inputOffset;
  #inputting = Promise.resolve();
  #streams;
  #ended;
  #stdin;
  /** Which would be released under it if nobody held it. */
  #lease;

  constructor(client, watch, lease, inputOffset) {
    this.#client = client;
    this.#lease = lease;
    this.#watch = watch;
    this.#inputOffset = inputOffset;
  }

  /** How it ended; undefined before all of its output was taken. */
  get end() {
    return this.#watch.end;
  }

  get member() {
    return this.#watch.member;
  }

  /** The execution's id, once it has started. */
  async id() {
    // What was asked for as a stream is begun by being read, and nobody else may take from it.
    this.#streams?.start();
    return this.#watch.id();
  }

  // MARK: Output

  async *[Symbol.asyncIterator]() {
    if (this.#streams !== undefined) throw new TypeError("the output of this execution goes to stdout and stderr");
    try {
      for (;;) {
        const event = await this.#watch.next();
        if (event === undefined) return;
        this.#watch.taken(event);
        yield event;
      }
    } catch (error) {
      this.close();
      throw error;
    } finally {
      // At the end this does nothing; after a `break` nobody reads on.
      if (!this.#watch.isOver) this.close();
    }
  }

  /** The output in whole characters. What is not UTF-8 becomes U+FFFD. */
  async *text() {
    const decoders = {};
    for (const stream of STREAMS) decoders[stream] = new TextDecoder("utf-8", { ignoreBOM: true });
    for await (const event of this) {
      const { type, stream } = event;
      if (type !== "output" && (type !== "dropped" || stream === "events")) continue;
      if (type === "dropped") {
        // What is behind a gap is not the rest of a character before it.
        yield { stream, text: decoders[stream].decode(), dropped: event.bytes };
        continue;
      }
      const text = decoders[stream].decode(event.data, { stream: true });
      if (text !== "") yield { stream, text, dropped: 0 };
    }
    for (const stream of STREAMS) {
      const text = decoders[stream].decode();
      if (text !== "") yield { stream, text, dropped: 0 };
    }
  }

  get stdout() {
    return this.#open("stdout");
  }

  get stderr() {
    return this.#open("stderr");
  }

  #open(name) {
    this.#streams ??= this.#pipe();
    return this.#streams[name] ??= new OutputStream(this.#watch, name, this.#streams.start);
  }

  /** Sends the events to the streams that were asked for; what nobody asked for is let go. */
  #pipe() {
    const streams = { stdout: undefined, stderr: undefined };
    let finish;
    this.#ended = new Promise((resolve, reject) => (finish = (error) => (error ? reject(error) : resolve())));
    this.#ended.catch(() => {}); // Who reads the streams is told by them.
    let isStarted = false;
    const take = (event) => {
      if (event.type === "output" && streams[event.stream]) streams[event.stream].add(event);
      else this.#watch.taken(event);
    };
    streams.start = () => {
      if (isStarted) return;
      isStarted = true;
      void this.#watch.pipe(take, (error) => {
        for (const name of STREAMS) {
          if (error) streams[name]?.destroy(error);
          else streams[name]?.push(null);
        }
        finish(error);
      });
    };
    return streams;
  }

  /** Takes what is left of the output, lets it go, and says how it ended. */
  async wait() {
    if (this.#streams !== undefined) {
      this.#streams.start();
      await this.#ended;
    } else {
      for await (const _ of this);
    }
    return this.end;
  }

  /** All that it wrote (from here on), and how it ended. */
  async result() {
    const pieces = { stdout: [], stderr: [] }, displays = [];
    let failure;
    for await (const event of this) {
      if (event.type === "output") pieces[event.stream].push(event.data);
      else if (event.type === "display") displays.push(event);
      else if (event.type === "failure") failure = event;
    }
    return new Result(Buffer.concat(pieces.stdout), Buffer.concat(pieces.stderr), this.end, displays, failure);
  }

  /** Gives the stream up, if it is not at its end. */
  close() {
    this.#watch.giveUp();
    for (const name of STREAMS) this.#streams?.[name]?.destroy();
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    this.close();
  }

  // MARK: While it runs

  async write(data, options) {
    await this.#input(toBuffer(data), false, options);
  }

  async closeStdin(data = Buffer.alloc(0), options) {
    await this.#input(toBuffer(data), true, options);
  }

  /** Its standard input as a stream, that ends it when it is ended. */
  get stdin() {
    this.#stdin ??= new Writable({
      write: (chunk, _, done) => this.write(chunk).then(() => done(), done),
      // A program that has ended needs to be told no end of its input.
      final: (done) => void this.closeStdin().then(
        () => done(), (error) => done(["NOT_FOUND", "FAILED_PRECONDITION"].includes(error.code) ? undefined : error)),
    });
    return this.#stdin;
  }

  /** Sends the standard input that did not go with the request. A program that ends without reading it ends as it does. */
  async feed(rest, end) {
    await this.#input(rest, end).catch(() => {});
  }

  /** Pieces in order, also those of calls that did not wait for each other. */
  #input(data, end, options) {
    const turn = this.#inputting.then(() => this.#send(data, end, options));
    this.#inputting = turn.catch(() => {});
    return turn;
  }

  async #send(data, end, options = {}) {
    const execution = await this.id();
    // Of one that was attached to: others have written before, and what lies before their last byte would be passed over.
    this.#inputOffset ??= (await this.#ask(execution, options)).offset;
    for (let position = 0; position < data.length || (end && position === 0); position += CHUNK) {
      const piece = data.subarray(position, position + CHUNK);
      const isLast = end && position + CHUNK >= data.length;
      const request = {
        lease: this.#watch.lease, execution, offset: this.#inputOffset, data: piece, end: isLast,
      };
      const response = await this.#client.call("Input", InputRequest, request, InputResponse, { deadline: Infinity, ...options });
      this.#inputOffset = response.offset;
    }
  }

  /** An empty piece at the beginning: the answer says what the server expects next. */
  async #ask(execution, options) {
    const request = { lease: this.#watch.lease, execution, offset: 0 };
    return this.#client.call("Input", InputRequest, request, InputResponse, { deadline: Infinity, ...options });
  }

  async signal(signal) {
    const about = { lease: this.#watch.lease, execution: await this.id() };
    const what = typeof signal === "string" ? { name: signal } : { signal };
    await this.#client.call("Signal", SignalRequest, { ...about, ...what }, SignalResponse);
  }

  async interrupt() {
    await this.signal("INT");
  }

  async cancel(grace) {
    const request = {
      lease: this.#watch.lease, execution: await this.id(), cancel: true, graceMs: milliseconds(grace, "grace"),
    };
    await this.#client.call("Signal", SignalRequest, request, SignalResponse);
  }

  async resize(rows, columns) {
    const request = { lease: this.#watch.lease, execution: await this.id(), terminal: { rows, columns } };
    await this.#client.call("Resize", ResizeTerminalRequest, request, ResizeTerminalResponse);
  }
}

/** The bytes of a file or an archive, as they come. */
export class FileReader {
  #watch;
  #lease;

  constructor(watch, lease) {
    this.#watch = watch;
    this.#lease = lease;
  }

  /** What is known of the file, once its first bytes were read; undefined for an archive. */
  get info() {
    return this.#watch.file;
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        const event = await this.#watch.next();
        if (event === undefined) return;
        if (event.type !== "output") continue;
        this.#watch.taken(event);
        yield event.data;
      }
    } finally {
      if (!this.#watch.isOver) this.close();
    }
  }

  async read() {
    const pieces = [];
    for await (const data of this) pieces.push(data);
    return Buffer.concat(pieces);
  }

  stream() {
    return Readable.from(this);
  }

  close() {
    this.#watch.giveUp();
  }
}
