// From what callers say to the contract's messages. Times are in milliseconds, sizes in bytes.

import { OutputPolicy, Unwatched } from "./messages.js";

export const DEFAULT_WINDOW = 256 << 10;
const MIN_WINDOW = 64 << 10, MAX_WINDOW = 1 << 20;
/** What `run` collects of each stream when it is not told. */
export const DEFAULT_RUN_OUTPUT = 16 << 20;
/** What goes in one Input, WriteFile or WriteArchive. */
export const CHUNK = 256 << 10;

/** 0 for undefined, which leaves it to the server; else at least 1, since 0 would mean the same. */
export function milliseconds(time) {
  if (time === undefined) return 0;
  if (!(time >= 0)) throw new RangeError(`${time} ms is no time: it must not be negative`);
  return Math.min(Math.max(1, Math.round(time)), 0xffffffff);
}

export function checkedWindow(window) {
  if (!(Number.isInteger(window) && window >= MIN_WINDOW && window <= MAX_WINDOW)) {
    throw new RangeError(`a window of ${window} bytes: allowed are ${MIN_WINDOW} to ${MAX_WINDOW}`);
  }
  return window;
}

export const toBuffer = (data) =>
  typeof data === "string" ? Buffer.from(data) : Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** `run(["a", "b"], options)` and `run({ argv: ["a", "b"], … })` are the same. */
export function programOptions(program, options) {
  return Array.isArray(program) ? { ...options, argv: program } : { ...program, ...options };
}

const FIELDS = {
  argv: ["argv"], shell: ["shell"], code: ["code"], language: ["language"], env: ["env"], cwd: ["cwd"], uid: ["uid"],
  pool: ["pool"], keepStdinOpen: ["keepStdinOpen"], keepBackground: ["keepBackground"], terminal: ["terminal"],
  stdin: ["stdin", toBuffer],
  wait: ["waitMs", milliseconds], timeout: ["timeoutMs", milliseconds], grace: ["graceMs", milliseconds],
  idleTimeout: ["idleTimeoutMs", milliseconds], cpuTime: ["cpuTimeMs", milliseconds],
  resumable: ["resumableMs", milliseconds], maxOutput: ["maxOutputBytes"], window: ["windowBytes", checkedWindow],
  killAtMaxOutput: ["outputPolicy", (kill) => (kill ? OutputPolicy.KILL_AT_LIMIT : OutputPolicy.TRUNCATE_OUTPUT)],
  waitUnwatched: ["unwatched", (wait) => (wait ? Unwatched.WAIT : Unwatched.RUN_ON)],
};

/** An ExecuteRequest. Throws `TypeError` for an option that is none, `RangeError` for a value that can't be right. */
export function executeRequest(lease, options, window) {
  const ways = ["argv", "shell", "code"].filter((way) => options[way] !== undefined);
  if (ways.length !== 1) throw new TypeError("exactly one of argv, shell and code says what to run");
  const request = { lease, windowBytes: window };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || name === "deadline" || name === "signal") continue;
    if (!Object.hasOwn(FIELDS, name)) throw new TypeError(`${JSON.stringify(name)} is no option of execute and run`);
    const [field, convert] = FIELDS[name];
    request[field] = convert === undefined ? value : convert(value);
  }
  return request;
}
