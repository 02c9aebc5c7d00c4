#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The conformance driver of the Node client: conformance.js FILE [SCENARIO…]. The format is in proto/vectors/README.md.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32Of } from "./test/crc32.js";
import { BerthError, Client } from "./src/index.js";
import { BreakerState } from "./src/messages.js";

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line) => process.stdout.write(`${line}\n`);
const byName = (values) => new Map(Object.entries(values).map(([name, number]) => [number, name.toLowerCase()]));
const BREAKER = byName(BreakerState);
const STREAMS = ["stdout", "stderr"];

/** A verb and its words; `unused` are the keys that nobody asked for. */
class Step {
  constructor(line) {
    const [verb, ...words] = line.split(" ");
    this.verb = verb;
    this.words = new Map();
    this.unused = new Set();
    for (const word of words) {
      const at = word.indexOf("=");
      const key = word.slice(0, at);
      this.words.set(key, [...(this.words.get(key) ?? []), unquoted(word.slice(at + 1))]);
      this.unused.add(key);
    }
  }

  has(key) {
    return this.words.has(key);
  }

  all(key) {
    this.unused.delete(key);
    return this.words.get(key) ?? [];
  }

  data(key) {
    return this.all(key)[0] ?? Buffer.alloc(0);
  }

  text(key, otherwise = "") {
    return this.has(key) ? this.data(key).toString() : otherwise;
  }

  number(key, otherwise = 0) {
    return Number(this.text(key, String(otherwise)));
  }

  flag(key) {
    return this.text(key) === "1";
  }

  bytes(key, repeatKey) {
    return Buffer.concat(Array(this.number(repeatKey, 1)).fill(this.data(key)));
  }
}

function unquoted(text) {
  return Buffer.from(text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), "latin1");
}

function quoted(data) {
  return Buffer.from(data).toString("latin1").replace(/[^!-$&-~]/g, (character) =>
    `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

function shown(data) {
  return data.length <= 128 ? quoted(data) : `bytes=${data.length} crc32=${crc32Of(data)}`;
}

function endWords(end) {
  let words = end.cause;
  if (end.cause === "exited" || end.exitCode !== 0) words += ` code=${end.exitCode}`;
  if (end.signal !== 0) words += ` signal=${end.signal}`;
  if (end.startFailure) words += ` failure=${end.startFailure}`;
  if (end.stdoutTruncated > 0) words += ` stdout_truncated=${end.stdoutTruncated}`;
  if (end.stderrTruncated > 0) words += ` stderr_truncated=${end.stderrTruncated}`;
  if (end.contextLost) words += " context_lost=1";
  return words;
}

const sorted = (forms) => Object.entries(forms).sort(([one], [other]) => (one < other ? -1 : 1));

function shownWords(event) {
  if (event.type === "display") {
    let words = "display";
    if (event.id !== "") words += ` id=${shown(Buffer.from(event.id))}`;
    if (event.update) words += " update=1";
    if (event.isResult) words += " result=1";
    for (const [mime, data] of sorted(event.data)) words += ` ${quoted(mime)}=${shown(data)}`;
    for (const [mime, bytes] of sorted(event.leftOut)) words += ` left-out=${quoted(mime)}:${bytes}`;
    return words;
  }
  if (event.type === "failure") {
    const message = event.message === "" ? "" : ` ${shown(Buffer.from(event.message))}`;
    const last = event.traceback.length === 0 ? "" : ` last=${shown(Buffer.from(event.traceback.at(-1)))}`;
    return `failure ${quoted(event.name)}${message}${last}`;
  }
  return `prompt ${shown(Buffer.from(event.text))}${event.password ? " password=1" : ""}`;
}

/** An execution, and what of its output was taken and not yet shown. */
class Watched {
  constructor(execution, lease) {
    this.execution = execution;
    this.lease = lease;
    this.events = execution[Symbol.asyncIterator]();
    this.buffers = { stdout: [], stderr: [] };
    this.sizes = { stdout: 0, stderr: 0 };
    this.dropped = { stdout: 0, stderr: 0, events: 0 };
  }

  async take() {
    const { value: event, done } = await this.events.next();
    if (done) return false;
    if (event.type === "output") {
      this.buffers[event.stream].push(event.data);
      this.sizes[event.stream] += event.data.length;
    } else if (event.type === "dropped") {
      this.dropped[event.stream] += event.bytes;
    }
    return true;
  }

  cut(stream, count) {
    const all = Buffer.concat(this.buffers[stream]);
    this.buffers[stream] = [all.subarray(count)];
    this.sizes[stream] = Math.max(0, all.length - count);
    return all.subarray(0, count);
  }
}

/** A connection, and what came of it and was not yet shown. */
class Connected {
  #socket;
  #wake = () => {};
  #kept = [];
  #size = 0;
  end;

  constructor(socket) {
    this.#socket = socket;
    socket.on("readable", () => this.#wake());
    socket.on("end", () => this.#over("end"));
    socket.on("error", ({ code }) => this.#over(code === "ECONNRESET" ? "reset" : "aborted"));
  }

  #over(how) {
    this.end ??= how;
    this.#wake();
  }

  get isTaken() {
    return this.#size === 0;
  }

  /** What a step's line adds: nothing, or how it failed. */
  send(data, isLast) {
    return new Promise((resolve) => {
      const done = (error) => resolve(!error ? "" : ["EPIPE", "ERR_STREAM_DESTROYED"].includes(error.code) ? " broken" : " aborted");
      if (isLast) this.#socket.end(data, done);
      else this.#socket.write(data, done);
    });
  }

  /** What comes, until so much is there, or the end. */
  async take(count) {
    while (this.#size < count && this.end === undefined) {
      const data = this.#socket.read();
      if (data === null) {
        await new Promise((resolve) => (this.#wake = resolve));
      } else {
        this.#kept.push(data);
        this.#size += data.length;
      }
    }
    const all = Buffer.concat(this.#kept);
    this.#kept = [all.subarray(count)];
    this.#size = this.#kept[0].length;
    return all.subarray(0, count);
  }

  close() {
    this.#socket.destroy();
  }
}

class Replay {
  clients = new Map([["main", new Client()]]);
  leases = new Map();
  contexts = new Map();
  watched = new Map();
  archives = new Map();
  connected = new Map();

  async do(step) {
    const method = this[`do_${step.verb.replaceAll("-", "_")}`];
    if (method === undefined) return say(`unsupported ${step.verb}`);
    const begin = performance.now();
    const within = step.number("within_ms", Infinity);
    const givesReason = step.flag("reason");
    try {
      await method.call(this, step);
      for (const key of step.unused) say(`unsupported ${step.verb} ${key}`);
    } catch (error) {
      process.stderr.write(`${step.verb}: ${error.stack}\n`);
      if (error instanceof BerthError) say(`${this.name(step)} error ${error.code}${givesReason ? ` reason=${error.reason ?? "NONE"}` : ""}`);
      else say(`failed ${quoted(String(error))}`);
    }
    if (performance.now() - begin > within) say("late");
  }

  /** What a step's line begins with when it fails. */
  name(step) {
    const keys = ["acquire", "start", "attach", "read-archive", "open-context", "fork-context", "dial"].includes(step.verb) ? ["as"]
      : step.verb === "run" ? [] : ["exec", "archive", "path", "context", "lease"];
    const key = keys.find((key) => step.has(key));
    return key === undefined ? step.verb : `${step.verb} ${quoted(step.data(key))}`;
  }

  client(step) {
    return this.clients.get(step.text("client", "main"));
  }

  lease(step) {
    const lease = this.leases.get(step.text("lease"));
    return step.has("client") ? this.client(step).lease(lease.token) : lease;
  }

  context(step) {
    return this.contexts.get(step.text("context")).context;
  }

  exec(step) {
    return this.watched.get(step.text("exec"));
  }

  async do_connect(step) {
    const options = {};
    if (step.has("window")) options.window = step.number("window");
    if (step.has("connect_timeout_ms")) options.connectTimeout = step.number("connect_timeout_ms");
    if (step.has("address")) options.address = step.text("address");
    try {
      this.clients.set(step.text("as"), new Client(options));
      say(`connected ${step.text("as")}`);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      say(`connect ${step.text("as")} refused ${shown(Buffer.from(error.message))}`);
    }
  }

  async do_close(step) {
    this.client(step).close();
    say(`closed ${step.text("client")}`);
  }

  async do_hello(step) {
    say(`hello pools=${(await this.client(step).hello()).pools.join(",")}`);
  }

  async do_acquire(step) {
    const options = { pool: step.text("pool"), detached: step.flag("detached") };
    if (step.has("wait_ms")) options.wait = step.number("wait_ms");
    if (step.has("ttl_ms")) options.ttl = step.number("ttl_ms");
    const name = step.text("as");
    this.leases.set(name, await this.client(step).acquire(options));
    say(`acquired ${name}`);
  }

  async do_token(step) {
    this.leases.set(step.text("as"), this.client(step).lease(step.text("token")));
  }

  async do_renew(step) {
    await this.lease(step).renew(step.has("ttl_ms") ? step.number("ttl_ms") : undefined);
    say(`renewed ${step.text("lease")}`);
  }

  async do_release(step) {
    await this.lease(step).release();
    say(`released ${step.text("lease")}`);
  }

  async value(client, field) {
    const stats = await client.stats();
    if (field === "connections" || field === "executions") return String(stats[field]);
    return field === "breaker" ? BREAKER.get(stats.pools[0].breaker) : String(stats.pools[0][field]);
  }

  async do_stats(step) {
    const words = [];
    for (const field of step.all("field").map(String)) words.push(`${field}=${await this.value(this.client(step), field)}`);
    say(`stats ${words.join(" ")}`);
  }

  async do_await(step) {
    const field = step.text("field"), wanted = step.text("value"), client = this.client(step);
    const end = performance.now() + step.number("timeout_ms", 5000);
    let value = await this.value(client, field);
    while (value !== wanted && performance.now() < end) {
      await sleep(20);
      value = await this.value(client, field);
    }
    say(`await ${field}=${value}`);
  }

  program(step) {
    const options = {};
    if (step.has("argv")) options.argv = [...step.all("argv")];
    if (step.has("argv_repeat")) options.argv.push(Buffer.concat(Array(step.number("argv_repeat")).fill(options.argv.pop())));
    if (step.has("cwd")) options.cwd = step.data("cwd");
    if (step.has("merge_output")) options.mergeOutput = step.flag("merge_output");
    for (const key of ["shell", "code", "language", "pool"]) if (step.has(key)) options[key] = step.text(key);
    const numbers = {
      wait_ms: "wait", timeout_ms: "timeout", grace_ms: "grace", idle_timeout_ms: "idleTimeout", cpu_time_ms: "cpuTime",
      deadline_ms: "deadline", resumable_ms: "resumable", uid: "uid", max_output_bytes: "maxOutput", window: "window",
    };
    for (const [key, name] of Object.entries(numbers)) if (step.has(key)) options[name] = step.number(key);
    if (step.has("env")) {
      options.env = new Map(step.all("env").map((word) => {
        const at = word.indexOf("=");
        return [word.subarray(0, at), word.subarray(at + 1)];
      }));
    }
    if (step.has("stdin")) options.stdin = step.bytes("stdin", "stdin_repeat");
    if (step.has("keep_background")) options.keepBackground = step.flag("keep_background");
    if (step.has("stdin_open")) options.keepStdinOpen = step.flag("stdin_open");
    if (step.has("output_policy")) options.killAtMaxOutput = step.text("output_policy") === "kill";
    if (step.has("unwatched")) options.waitUnwatched = step.text("unwatched") === "wait";
    if (step.has("terminal")) {
      const [rows, columns] = step.text("terminal").split("x").map(Number);
      options.terminal = { rows, columns, noEcho: step.flag("no_echo") };
    }
    return options;
  }

  where(step) {
    return step.has("lease") ? this.lease(step) : this.client(step);
  }

  piece(step, method) {
    const { code, ...options } = this.program(step);
    return this.context(step)[method](code, options);
  }

  async do_run(step) {
    const result = await (step.has("context") ? this.piece(step, "run") : this.where(step).run(this.program(step)));
    for (const stream of STREAMS) if (result[stream].length > 0) say(`${stream} ${shown(result[stream])}`);
    for (const display of result.displays) say(shownWords(display));
    if (result.failure) say(shownWords(result.failure));
    if (result.value !== undefined) say(`value ${shown(Buffer.from(result.value))}`);
    say(`ended ${endWords(result.end)}`);
  }

  async do_start(step) {
    const execution = step.has("context") ? this.piece(step, "execute") : this.where(step).execute(this.program(step));
    await execution.id();
    const lease = step.has("context") ? this.contexts.get(step.text("context")).lease : step.text("lease");
    this.watched.set(step.text("as"), new Watched(execution, lease));
    say(`started ${step.text("as")}`);
  }

  async do_attach(step) {
    const of = this.exec(step), options = {};
    const numbers = { stdout_offset: "stdoutOffset", stderr_offset: "stderrOffset", window: "window" };
    for (const [key, name] of Object.entries(numbers)) if (step.has(key)) options[name] = step.number(key);
    if (step.has("from_now")) options.fromNow = step.flag("from_now");
    if (step.has("observe")) options.observe = step.flag("observe");
    const lease = this.client(step).lease(of.lease === "" ? "" : this.leases.get(of.lease).token);
    const execution = lease.attach(await of.execution.id(), options);
    await execution.id();
    this.watched.set(step.text("as"), new Watched(execution, of.lease));
    say(`attached ${step.text("as")}`);
  }

  async do_read(step) {
    const watched = this.exec(step), count = step.number("bytes"), stream = step.text("stream", "stdout");
    while (watched.sizes[stream] < count && (await watched.take()));
    say(`${step.text("exec")} ${stream} ${shown(watched.cut(stream, count))}`);
  }

  async do_finish(step) {
    const name = step.text("exec"), watched = this.exec(step);
    let failure;
    try {
      while (await watched.take());
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      failure = error;
    }
    for (const stream of STREAMS) {
      if (watched.sizes[stream] > 0) say(`${name} ${stream} ${shown(watched.cut(stream, Infinity))}`);
    }
    for (const stream of Object.keys(watched.dropped)) if (watched.dropped[stream] > 0) say(`${name} dropped ${stream}=${watched.dropped[stream]}`);
    say(failure ? `${name} error ${failure.code}` : `${name} ended ${endWords(watched.execution.end)}`);
  }

  /** What comes, in its order; neighbouring output of one stream is one line. */
  async do_events(step) {
    const name = step.text("exec"), { events, execution } = this.exec(step), wanted = step.number("shown", Infinity);
    const lines = [];
    let joined = [], stream, count = 0;
    const flush = () => {
      if (joined.length > 0) lines.push(`${name} ${stream} ${shown(Buffer.concat(joined))}`);
      joined = [];
    };
    try {
      while (count < wanted) {
        const { value: event, done } = await events.next();
        if (done || event.type !== "output" || event.stream !== stream) flush();
        if (done) {
          lines.push(`${name} ended ${endWords(execution.end)}`);
          break;
        } else if (event.type === "output") {
          stream = event.stream;
          joined.push(event.data);
        } else if (event.type === "dropped") {
          lines.push(`${name} dropped ${event.stream}=${event.bytes}`);
        } else {
          lines.push(`${name} ${shownWords(event)}`);
          count++;
        }
      }
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      flush();
      lines.push(`${name} error ${error.code}`);
    }
    if (!step.flag("digest")) return lines.forEach(say);
    say(`${name} events ${lines.length} crc32=${crc32Of(Buffer.from(lines.map((line) => `${line}\n`).join("")))}`);
  }

  async do_text(step) {
    const name = step.text("exec"), { execution } = this.exec(step);
    const texts = { stdout: "", stderr: "" };
    for await (const { stream, text } of execution.text()) texts[stream] += text;
    for (const stream of STREAMS) if (texts[stream] !== "") say(`${name} ${stream} ${shown(Buffer.from(texts[stream]))}`);
    say(`${name} ended ${endWords(execution.end)}`);
  }

  async do_input(step) {
    const data = step.bytes("data", "repeat"), { execution } = this.exec(step);
    await (step.flag("end") ? execution.closeStdin(data) : execution.write(data));
    say(`input ${step.text("exec")}`);
  }

  async do_signal(step) {
    const signal = step.text("signal");
    await this.exec(step).execution.signal(/^\d+$/.test(signal) ? Number(signal) : signal);
    say(`signal ${step.text("exec")}`);
  }

  async do_cancel(step) {
    await this.exec(step).execution.cancel();
    say(`cancel ${step.text("exec")}`);
  }

  async do_resize(step) {
    await this.exec(step).execution.resize(step.number("rows"), step.number("columns"));
    say(`resize ${step.text("exec")}`);
  }

  async do_detach(step) {
    this.exec(step).execution.close();
    say(`detach ${step.text("exec")}`);
  }

  async do_open_context(step) {
    const { cwd, env, uid } = this.program(step);
    const context = await this.lease(step).context(step.text("language"), { cwd, env, uid });
    this.contexts.set(step.text("as"), { context, lease: step.text("lease") });
    say(`opened ${step.text("as")}`);
  }

  async do_fork_context(step) {
    const context = await this.context(step).fork();
    this.contexts.set(step.text("as"), { context, lease: this.contexts.get(step.text("context")).lease });
    say(`forked ${step.text("as")}`);
  }

  async do_close_context(step) {
    await this.context(step).close();
    say(`closed-context ${step.text("context")}`);
  }

  async do_contexts(step) {
    const contexts = await this.lease(step).contexts();
    for (const { language, pieces, execution } of contexts) {
      say(`context ${quoted(language)} pieces=${pieces} ${execution === "" ? "idle" : "running"}`);
    }
    say(`contexts ${contexts.length}`);
  }

  async do_complete(step) {
    const cursor = step.has("cursor") ? step.number("cursor") : undefined;
    const { matches, start, end } = await this.context(step).complete(step.text("code"), cursor);
    say(["complete", `start=${start}`, `end=${end}`, ...matches.map(quoted)].join(" "));
  }

  async do_inspect(step) {
    const cursor = step.has("cursor") ? step.number("cursor") : undefined;
    const found = await this.context(step).inspect(step.text("code"), cursor, { detail: step.flag("detail") });
    for (const [mime, data] of sorted(found ?? {})) say(`form ${quoted(mime)} ${shown(data)}`);
    say(`inspected ${found === undefined ? 0 : 1}`);
  }

  async do_dial(step) {
    const options = {};
    const numbers = { port: "port", wait_ms: "wait", timeout_ms: "timeout", idle_timeout_ms: "idleTimeout", window: "window" };
    for (const [key, name] of Object.entries(numbers)) if (step.has(key)) options[name] = step.number(key);
    if (step.has("path")) options.path = step.data("path");
    this.connected.set(step.text("as"), new Connected(await this.lease(step).connect(options)));
    say(`dialled ${step.text("as")}`);
  }

  async do_send(step) {
    const name = step.text("conn"), connected = this.connected.get(name);
    say(`send ${name}${await connected.send(step.bytes("data", "repeat"), step.flag("end"))}`);
  }

  async do_receive(step) {
    const name = step.text("conn"), connected = this.connected.get(name);
    const data = await connected.take(step.number("bytes", Infinity));
    if (data.length > 0) say(`${name} received ${shown(data)}`);
    if (connected.end !== undefined && connected.isTaken) say(`${name} ${connected.end}`);
  }

  async do_exchange(step) {
    const sending = this.connected.get(step.text("conn")).send(step.bytes("data", "repeat"), true);
    await this.do_receive(step);
    await sending;
  }

  async do_hang_up(step) {
    this.connected.get(step.text("conn")).close();
    say(`hung-up ${step.text("conn")}`);
  }

  async do_executions(step) {
    const executions = await this.lease(step).executions();
    const running = executions.filter(({ end }) => end === undefined).length;
    say(`executions running=${running} ended=${executions.length - running}`);
  }

  async do_write_file(step) {
    const options = { createParents: step.flag("parents") };
    if (step.has("mode")) options.mode = parseInt(step.text("mode"), 8);
    await this.lease(step).writeFile(step.data("path"), step.bytes("data", "repeat"), options);
    say(`wrote ${quoted(step.data("path"))}`);
  }

  async do_read_file(step) {
    const range = { offset: step.number("offset"), length: step.number("length") };
    const reader = this.lease(step).openFile(step.data("path"), range);
    const data = await reader.read();
    say(`file ${quoted(step.data("path"))} size=${reader.info.size} mode=${octal(reader.info.mode)}`);
    if (data.length > 0) say(`data ${shown(data)}`);
  }

  async do_list(step) {
    const entries = await this.lease(step).listDirectory(step.data("path"));
    for (const { nameBytes, type, size, mode } of entries) {
      say(`entry ${quoted(nameBytes)} ${type}${type === "regular" ? ` size=${size}` : ""} mode=${octal(mode)}`);
    }
    say(`listed ${entries.length}`);
  }

  async do_stat(step) {
    const { nameBytes, type, size, mode, linkTarget } = await this.lease(step).stat(step.data("path"), { follow: step.flag("follow") });
    const target = linkTarget.length > 0 ? ` target=${quoted(linkTarget)}` : "";
    say(`info ${quoted(nameBytes)} ${type}${type === "regular" ? ` size=${size}` : ""} mode=${octal(mode)}${target}`);
  }

  async do_make_directory(step) {
    const options = { parents: step.flag("parents") };
    if (step.has("mode")) options.mode = parseInt(step.text("mode"), 8);
    await this.lease(step).makeDirectory(step.data("path"), options);
    say(`made ${quoted(step.data("path"))}`);
  }

  async do_rename(step) {
    await this.lease(step).rename(step.data("path"), step.data("to"), { noReplace: step.flag("no_replace") });
    say(`renamed ${quoted(step.data("path"))}`);
  }

  async do_change_mode(step) {
    await this.lease(step).changeMode(step.data("path"), parseInt(step.text("mode"), 8));
    say(`changed ${quoted(step.data("path"))}`);
  }

  async do_remove(step) {
    await this.lease(step).remove(step.data("path"), { recursive: step.flag("recursive") });
    say(`removed ${quoted(step.data("path"))}`);
  }

  async do_read_archive(step) {
    this.archives.set(step.text("as"), await this.lease(step).readArchive(step.data("path")).read());
    say(`archive ${step.text("as")}`);
  }

  async do_write_archive(step) {
    const archive = this.archives.get(step.text("archive"));
    say(`unpacked files=${await this.lease(step).writeArchive(step.data("path"), archive)}`);
  }

  async do_world(step) {
    say(`@${step.text("action")}`);
    if ((await answers.next()).done) throw new Error("stdin has ended while the world was to change");
  }

  close() {
    for (const client of this.clients.values()) client.close();
  }
}

const octal = (mode) => mode.toString(8).padStart(4, "0");

async function main([path, ...wanted]) {
  let name, steps;
  for (const line of readFileSync(path, "ascii").split("\n").map((line) => line.trim())) {
    if (line.startsWith("scenario ")) {
      name = line.split(" ")[1];
      steps = [];
    } else if (line === "end") {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      say(`scenario ${name}`);
      const replay = new Replay();
      for (const step of steps) await replay.do(new Step(step));
      replay.close();
      say("end");
    } else if (line !== "" && !line.startsWith("#") && !line.startsWith("=")) {
      steps.push(line);
    }
  }
}

await main(process.argv.slice(2));
process.stdin.destroy();
