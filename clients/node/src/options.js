// SPDX-License-Identifier: Apache-2.0

// From what callers say to the contract's messages. Times are in milliseconds, sizes in bytes.

import { OutputPolicy, Unwatched } from "./messages.js";

export const DEFAULT_WINDOW = 256 << 10;
const MIN_WINDOW = 64 << 10, MAX_WINDOW = 1 << 20;
/** What `run` collects of each stream when it is not told. */
export const DEFAULT_RUN_OUTPUT = 16 << 20;
/** Up to here the standard input goes with the request itself; what is longer follows in pieces, as the program reads. */
export const INLINE_INPUT = 1 << 20;
/** What goes in one Input, WriteFile or WriteArchive. */
export const CHUNK = 256 << 10;

/** 0 for undefined, which leaves it to the server; else at least 1, since 0 would mean the same. */
export function milliseconds(time, what = "a time") {
  if (time === undefined) return 0;
  if (typeof time !== "number") throw wrong(what, "a number of milliseconds", time);
  if (!(time >= 0)) throw new RangeError(`${time} ms is no time: it must not be negative`);
  return Math.min(Math.max(1, Math.round(time)), 0xffffffff);
}

export function checkedWindow(window) {
  if (!(Number.isInteger(window) && window >= MIN_WINDOW && window <= MAX_WINDOW)) {
    throw new RangeError(`a window of ${window} bytes: allowed are ${MIN_WINDOW} to ${MAX_WINDOW}`);
  }
  return window;
}

/** An error that names what was passed wrongly, before anything is sent. */
export function wrong(what, wanted, value) {
  const kind = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  return new TypeError(`${what} must be ${wanted}, not ${kind}`);
}

export function toBuffer(data, what = "data") {
  if (typeof data === "string") return Buffer.from(wellFormed(data, what));
  if (Buffer.isBuffer(data)) return data;
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  throw wrong(what, "a string or bytes", data);
}

/** Text that Unicode has: half a surrogate pair would become U+FFFD without a word. */
export function wellFormed(text, what) {
  if (typeof text !== "string") throw wrong(what, "a string", text);
  if (/[\ud800-\udfff]/.test(text) && Buffer.from(text).toString() !== text) {
    throw new TypeError(`${what} has half of a surrogate pair; bytes that are no text are passed as a Buffer`);
  }
  return text;
}

/** What Linux knows as bytes: the field of text, or, where it is not UTF-8, that of bytes beside it. */
export function pathField(name, value, what = name) {
  const data = toBuffer(value, what);
  return isText(data) ? { [name]: data.toString() } : { [`${name}Raw`]: data };
}

const isText = (data) => data.equals(Buffer.from(data.toString()));

function wordFields(argv) {
  if (!Array.isArray(argv)) throw wrong("argv", 'an array, as ["echo", "hello"] (for a line of shell, say shell: …)', argv);
  if (argv.length === 0) throw new RangeError("argv is empty: it begins with the program");
  const words = argv.map((word, index) => toBuffer(word, `argv[${index}]`));
  return words.every(isText) ? { argv: words.map(String) } : { argvRaw: words };
}

function environmentFields(env) {
  if (env === null || typeof env !== "object" || Array.isArray(env)) throw wrong("env", "an object or a Map", env);
  const fields = { env: {}, envRaw: [] };
  for (const [name, value] of env instanceof Map ? env : Object.entries(env)) {
    const words = [toBuffer(name, "a name in env"), toBuffer(value, `env[${JSON.stringify(String(name))}]`)];
    if (words.every(isText)) fields.env[words[0]] = words[1].toString();
    else fields.envRaw.push(Buffer.concat([words[0], Buffer.from("="), words[1]]));
  }
  return fields;
}

function integer(value, what) {
  if (typeof value !== "number") throw wrong(what, "a number", value);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${what}: ${value} is no count`);
  return value;
}

function flag(value, what) {
  if (typeof value !== "boolean") throw wrong(what, "true or false", value);
  return value;
}

/** Of `run`, which would never end with an input that is kept open. */
export function forRun(options) {
  if (options.keepStdinOpen) throw new TypeError("run has no way to write to a standard input that is kept open: use execute");
  return { ...options, maxOutput: options.maxOutput ?? DEFAULT_RUN_OUTPUT };
}

/** `run(["a", "b"], options)` and `run({ argv: ["a", "b"], … })` are the same. */
export function programOptions(program, options) {
  if (program === null || typeof program !== "object" || ArrayBuffer.isView(program)) {
    throw wrong("argv", 'an array, as ["echo", "hello"] (for a line of shell, say { shell: … })', program);
  }
  return Array.isArray(program) ? { ...options, argv: program } : { ...program, ...options };
}

const as = (field, check) => (value, what) => ({ [field]: check(value, what) });
const time = (field) => as(field, milliseconds);
const FIELDS = {
  argv: wordFields, env: environmentFields, cwd: (value) => pathField("cwd", value),
  shell: as("shell", wellFormed), code: as("code", wellFormed), language: as("language", wellFormed),
  pool: as("pool", wellFormed), uid: as("uid", integer), keepStdinOpen: as("keepStdinOpen", flag),
  keepBackground: as("keepBackground", flag), mergeOutput: as("mergeOutput", flag),
  terminal: ({ rows, columns, noEcho = false }) => ({
    terminal: { rows: integer(rows, "terminal.rows"), columns: integer(columns, "terminal.columns"), noEcho: flag(noEcho, "noEcho") },
  }),
  stdin: as("stdin", toBuffer),
  wait: time("waitMs"), timeout: time("timeoutMs"), grace: time("graceMs"), idleTimeout: time("idleTimeoutMs"),
  cpuTime: time("cpuTimeMs"), resumable: time("resumableMs"), maxOutput: as("maxOutputBytes", integer),
  window: as("windowBytes", checkedWindow),
  killAtMaxOutput: (kill, what) => ({ outputPolicy: flag(kill, what) ? OutputPolicy.KILL_AT_LIMIT : OutputPolicy.TRUNCATE_OUTPUT }),
  waitUnwatched: (wait, what) => ({ unwatched: flag(wait, what) ? Unwatched.WAIT : Unwatched.RUN_ON }),
};

/** Of a piece of code in a context; what else there is was said when that was opened. */
const PIECE = new Set([
  "stdin", "keepStdinOpen", "timeout", "grace", "idleTimeout", "cpuTime", "maxOutput", "killAtMaxOutput", "resumable",
  "waitUnwatched", "window", "deadline", "signal",
]);

export function pieceOptions(code, options = {}) {
  for (const name of Object.keys(options)) {
    if (!PIECE.has(name)) throw new TypeError(`${JSON.stringify(name)} is no option of a piece of code: it is the context's`);
  }
  return { ...options, code };
}

/** An OpenContextRequest. */
export function openContextRequest(lease, language, { env, cwd, uid }) {
  const request = { lease, language: wellFormed(language, "language") };
  for (const [name, value] of Object.entries({ env, cwd, uid })) {
    if (value !== undefined) Object.assign(request, FIELDS[name](value, name));
  }
  return request;
}

/** A ConnectRequest. */
export function connectRequest(lease, { path, port, wait, timeout, idleTimeout }, windowBytes) {
  if ((path === undefined) === (port === undefined)) throw new TypeError("exactly one of path and port says where to connect to");
  const where = path === undefined ? { port: integer(port, "port") } : pathField("path", path);
  return {
    lease, ...where, waitMs: milliseconds(wait, "wait"), timeoutMs: milliseconds(timeout, "timeout"),
    idleTimeoutMs: milliseconds(idleTimeout, "idleTimeout"), windowBytes,
  };
}

/** Code, and a place in it, in bytes of UTF-8; its end, if none is given. */
export function place(code, cursor) {
  return { code: wellFormed(code, "code"), cursor: cursor === undefined ? Buffer.byteLength(code) : integer(cursor, "cursor") };
}

/** An ExecuteRequest, and the standard input that does not go with it. Throws `TypeError` for an option that is none or of the
 * wrong kind, `RangeError` for a value that can't be right. */
export function executeRequest(lease, options, window, context = "") {
  const ways = ["argv", "shell", "code"].filter((way) => options[way] !== undefined);
  if (ways.length !== 1) throw new TypeError("exactly one of argv, shell and code says what to run");
  const request = { lease, context, windowBytes: window };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || name === "deadline" || name === "signal") continue;
    if (!Object.hasOwn(FIELDS, name)) throw new TypeError(`${JSON.stringify(name)} is no option of execute and run`);
    Object.assign(request, FIELDS[name](value, name));
  }
  let rest = Buffer.alloc(0);
  if (request.stdin?.length > INLINE_INPUT) {
    rest = request.stdin.subarray(CHUNK);
    request.stdin = request.stdin.subarray(0, CHUNK);
    request.keepStdinOpen = true;
  }
  return { request, rest };
}
