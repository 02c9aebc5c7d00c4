// SPDX-License-Identifier: Apache-2.0

// From the contract's messages to what callers get.

import { ExecutionFailed } from "./errors.js";
import { EndCause, FileType, StartFailure } from "./messages.js";

const words = (values) => new Map(Object.entries(values).map(([name, number]) => [number, name.toLowerCase()]));
const CAUSES = words(EndCause), FAILURES = words(StartFailure), FILE_TYPES = words(FileType);
export const STREAMS = ["stdout", "stderr"];
/** What a piece of code shows is counted as if it were a stream of bytes. */
export const SHOWN = 2;
export const streamName = (stream) => STREAMS[stream] ?? "events";

export function endOf(ended) {
  const usage = ended.usage;
  return {
    cause: ended.cause === 0 ? "unknown" : CAUSES.get(ended.cause) ?? "unknown",
    exitCode: ended.exitCode,
    signal: ended.signal,
    message: ended.message,
    startFailure: ended.startFailure === 0 ? undefined : FAILURES.get(ended.startFailure) ?? "unknown",
    ok: ended.cause === EndCause.EXITED && ended.exitCode === 0,
    usage: {
      wall: (usage?.wallUs ?? 0) / 1000, user: (usage?.userUs ?? 0) / 1000, system: (usage?.systemUs ?? 0) / 1000,
      peakMemory: usage?.peakMemoryBytes ?? 0,
    },
    stdoutBytes: ended.stdoutBytes,
    stderrBytes: ended.stderrBytes,
    stdoutTruncated: ended.stdoutTruncated,
    stderrTruncated: ended.stderrTruncated,
    outOfMemoryKills: ended.outOfMemoryKills,
    contextLost: ended.contextLost,
  };
}

/** What is there by MIME types. Nothing is a name that may not be. */
export const formsOf = (data) => Object.fromEntries(data.map((form) => [form.mime, form.data]));

/** An event of what a piece of code shows; undefined for any other. */
export function shownOf({ display, failure, prompt }) {
  if (display) {
    const { position, id, update, result: isResult } = display;
    const data = formsOf(display.data);
    const leftOut = Object.fromEntries(display.leftOut.map(({ mime, bytes }) => [mime, bytes]));
    return { type: "display", position, data, text: data["text/plain"]?.toString() ?? "", id, update, isResult, leftOut };
  }
  if (failure) {
    const { position, name, message, traceback } = failure;
    return { type: "failure", position, name, message, traceback };
  }
  if (prompt) return { type: "prompt", position: prompt.position, text: prompt.text, password: prompt.password };
  return undefined;
}

export function contextInfoOf(info) {
  const { context: id, language, version, ageMs: age, pieces, execution } = info;
  return { id, language, version, age, pieces, execution };
}

export function fileInfoOf(info) {
  return {
    name: info.name,
    nameBytes: info.nameRaw.length > 0 ? info.nameRaw : Buffer.from(info.name),
    type: info.type === 0 ? "unknown" : FILE_TYPES.get(info.type) ?? "unknown",
    size: info.size,
    mode: info.mode,
    modified: new Date(info.modifiedUs / 1000),
    uid: info.uid,
    gid: info.gid,
    linkTarget: info.linkTarget,
  };
}

export function executionInfoOf(info) {
  return {
    id: info.execution,
    argv: info.argv,
    argvBytes: info.argvRaw.length > 0 ? info.argvRaw : info.argv.map((word) => Buffer.from(word)),
    age: info.ageMs,
    watchers: info.watchers,
    stdoutBytes: info.stdoutBytes,
    stderrBytes: info.stderrBytes,
    stdoutHeldFrom: info.stdoutHeldFrom,
    stderrHeldFrom: info.stderrHeldFrom,
    context: info.context,
    end: info.ended && endOf(info.ended),
  };
}

/** All that a program wrote, and how it ended. */
export class Result {
  constructor(stdout, stderr, end, displays = [], failure = undefined) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.end = end;
    this.displays = displays;
    this.failure = failure;
  }

  get value() {
    return this.displays.filter(({ isResult }) => isResult).at(-1)?.text;
  }

  get ok() {
    return this.end.ok;
  }

  get exitCode() {
    return this.end.exitCode;
  }

  get text() {
    return this.stdout.toString();
  }

  check() {
    if (!this.ok) throw new ExecutionFailed(this);
    return this;
  }
}
