// SPDX-License-Identifier: Apache-2.0
// The interpreter's side of a Node context. Descriptor 3 is control, as context.py says; this file is what it begins with.
//
// Pieces run as at Node's own prompt, whose evaluator is used: it knows top-level await, and an interrupt. Between pieces
// control is read without letting go of the thread, so timers wait for the next piece that awaits something.
'use strict';
(() => {
  const fs = require('fs');
  const repl = require('repl');
  const util = require('util');
  const {Writable, PassThrough} = require('stream');
  const CONTROL = 3;
  const LOST = 16;  // As in context.py.
  const kill = process.kill.bind(process, process.pid);
  const {dev, ino} = fs.fstatSync(CONTROL);
  let held = Buffer.alloc(0);
  let running = false;
  let maxEvent = 0;

  /** A piece can close control, and something else may have its number by now: nothing is to be written to that. */
  function isWhole() {
    try {
      const found = fs.fstatSync(CONTROL);
      return found.dev === dev && found.ino === ino;
    } catch {
      return false;
    }
  }

  /** Ends this process: nothing can be heard or said any more. */
  function lost() {
    try {
      kill(LOST);
    } finally {
      process.reallyExit(1);
    }
  }

  function fill() {
    const room = Buffer.alloc(65536);
    for (;;) {
      try {
        const count = fs.readSync(CONTROL, room, 0, room.length, null);
        if (count === 0) {
          if (running || !isWhole()) lost();
          process.exit(0);
        }
        held = Buffer.concat([held, room.subarray(0, count)]);
        return;
      } catch (error) {
        if (error.code !== 'EAGAIN' && error.code !== 'EINTR') lost();
      }
    }
  }

  function line() {
    let end;
    while ((end = held.indexOf(10)) < 0) fill();
    const words = held.subarray(0, end).toString().split(' ');
    held = held.subarray(end + 1);
    return words;
  }

  function take(size) {
    while (held.length < size + 1) fill();
    const data = held.subarray(0, size).toString();
    held = held.subarray(size + 1);
    return data;
  }

  function send(kind, data) {
    data = Buffer.concat([Buffer.from(`${kind}${data.length}\n`), data]);
    if (!isWhole()) lost();
    for (let start = 0; start < data.length;) {
      try {
        start += fs.writeSync(CONTROL, data, start);
      } catch (error) {
        if (error.code !== 'EAGAIN' && error.code !== 'EINTR') lost();
      }
    }
  }

  /** An event, in its place among the output: what was written before is in the pipes, which Node writes at once. */
  function event(kind, data) {
    if (!running) return;
    send(kind, data);
    while (line()[0] !== 'ack');
  }

  function varint(number) {
    const bytes = [];
    for (; number > 127; number = Math.floor(number / 128)) bytes.push(number % 128 + 128);
    bytes.push(number);
    return Buffer.from(bytes);
  }

  function field(number, value) {
    if (typeof value === 'boolean' || typeof value === 'number') {
      return value ? Buffer.concat([varint(number << 3), varint(Number(value))]) : Buffer.alloc(0);
    }
    const data = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
    return data.length ? Buffer.concat([varint(number << 3 | 2), varint(data.length), data]) : Buffer.alloc(0);
  }

  /** A value's forms: what its method of the name that Deno and others use gives, and text. */
  function forms(value) {
    const own = value === null || value === undefined ? undefined : value[Symbol.for('Jupyter.display')];
    const bundle = typeof own === 'function' ? own.call(value) : {};
    if (bundle['text/plain'] === undefined) bundle['text/plain'] = util.inspect(value);
    return bundle;
  }

  function bytes(mime, form) {
    if (ArrayBuffer.isView(form)) return Buffer.from(form.buffer, form.byteOffset, form.byteLength);
    if (typeof form !== 'string') return Buffer.from(JSON.stringify(form));
    return /^(image\/(png|jpeg|gif)|application\/pdf)$/.test(mime) ? Buffer.from(form, 'base64') : Buffer.from(form);
  }

  function publish(bundle, isResult) {
    const parts = [];
    const leftOut = [];
    let size = 256;
    const items = Object.entries(bundle).map(([mime, form], place) => ({mime, place, data: bytes(mime, form)}));
    for (const item of items.sort((a, b) => a.data.length - b.data.length)) {
      size += item.data.length + item.mime.length + 32;
      if (size <= maxEvent) {
        parts.push(item);
      } else {
        size -= item.data.length;
        leftOut.push(field(6, Buffer.concat([field(1, item.mime), field(2, item.data.length)])));
      }
    }
    parts.sort((a, b) => a.place - b.place);
    event('d', Buffer.concat([
      ...parts.map(({mime, data}) => field(2, Buffer.concat([field(1, mime), field(2, data)]))),
      field(5, isResult), ...leftOut,
    ]));
  }

  function fail(error) {
    let [name, message, trace] = ['Error', '', []];
    try {
      const isError = error instanceof Error || util.types.isNativeError(error);
      name = isError ? String(error.name) : 'Uncaught';
      message = isError ? String(error.message) : util.inspect(error);
      // Of the frames, those of the piece: the rest is Node's prompt and this file.
      trace = (isError && error.stack ? String(error.stack) : message).split('\n')
        .filter((text) => !/^\s+at .*(node:|REPLServer|\[eval\]|Script\.runIn|new Promise \(<anonymous>\))/.test(text)).slice(0, 1000);
    } catch {
      message = 'its text could not be had';
    }
    if (!isWhole()) {
      try {
        fs.writeSync(2, `${trace.join('\n')}\n`);  // There is no other way to say it.
      } catch {}
    }
    event('f', Buffer.concat([field(2, name), field(3, message.slice(0, 262144)),
      ...trace.map((text) => Buffer.concat([varint(4 << 3 | 2), varint(Buffer.byteLength(text)), Buffer.from(text)]))]));
  }

  const server = repl.start({
    prompt: '', input: new PassThrough(), output: new Writable({write: (chunk, encoding, done) => done()}),
    useGlobal: true, terminal: false, breakEvalOnSigint: true, ignoreUndefined: true,
  });
  server.on('error', () => {});
  globalThis.display = (value) => publish(forms(value), false);

  /** Runs a piece; an interrupt ends its wait. Returns its exit code. */
  async function run(code, file) {
    let interrupt;
    const interrupted = new Promise((_, reject) => {
      interrupt = () => reject(Object.assign(new Error('interrupted'), {name: 'KeyboardInterrupt', stack: 'KeyboardInterrupt'}));
    });
    // The prompt tells an exception to its domain, and so does what the piece has started.
    const failed = new Promise((_, reject) => {
      server._domain.removeAllListeners('error');
      server._domain.on('error', reject);
    });
    failed.catch(() => {});
    interrupted.catch(() => {});
    try {
      const value = await Promise.race([interrupted, failed, new Promise((resolve, reject) => {
        // While it runs, an interrupt is the evaluator's, which can't have another listener beside it.
        process.removeAllListeners('SIGINT');
        server.eval(`${code}\n`, server.context, file, (error, result) => {
          if (error instanceof repl.Recoverable) reject(error.err);
          else if (error) reject(error);
          else resolve({result});
        });
        process.on('SIGINT', interrupt);
      })]);
      if (value.result !== undefined) publish(forms(value.result), true);
      return 0;
    } catch (error) {
      const isInterrupt = error && error.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED';
      fail(isInterrupt ? Object.assign(error, {name: 'KeyboardInterrupt', stack: 'KeyboardInterrupt'}) : error);
      return 1;
    } finally {
      process.removeAllListeners('SIGINT');
      process.on('SIGINT', () => {});
    }
  }

  async function serve() {
    server._domain.exit();
    process.on('SIGINT', () => {});
    process.on('unhandledRejection', () => {});
    setInterval(() => {}, 1 << 30);  // Who awaits what never comes is still there to be interrupted.
    send('r', Buffer.from(process.versions.node));
    let count = 0;
    for (;;) {
      const [verb, number, most, size] = line();
      if (verb === 'ack') continue;  // Of an event that a piece has written by itself.
      const code = take(Number(size));
      const before = process.cpuUsage();
      let status = 0;
      if (verb === 'run') {
        maxEvent = Number(most);
        running = true;
        status = await run(code, `piece ${++count}`);
        running = false;
      }
      const used = process.cpuUsage(before);
      send('e', Buffer.from(`${number} ${status} ${used.user} ${used.system}`));
    }
  }
  serve();
})();
