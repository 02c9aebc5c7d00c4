import type { Duplex, Readable, Writable } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import type { ErrorReason, MessageType, StatsResponse } from "./messages.js";

export { ErrorReason } from "./messages.js";

/** Text, or bytes where it is not UTF-8. */
export type Word = string | Uint8Array;

/** gRPC's status codes by their names. */
export const Code: {
  readonly CANCELLED: 1;
  readonly UNKNOWN: 2;
  readonly INVALID_ARGUMENT: 3;
  readonly DEADLINE_EXCEEDED: 4;
  readonly NOT_FOUND: 5;
  readonly ALREADY_EXISTS: 6;
  readonly PERMISSION_DENIED: 7;
  readonly RESOURCE_EXHAUSTED: 8;
  readonly FAILED_PRECONDITION: 9;
  readonly ABORTED: 10;
  readonly OUT_OF_RANGE: 11;
  readonly UNIMPLEMENTED: 12;
  readonly INTERNAL: 13;
  readonly UNAVAILABLE: 14;
  readonly DATA_LOSS: 15;
  readonly UNAUTHENTICATED: 16;
};

/** A call failed: `code` is the kind of failure, `message` what was wrong and what would be right. */
export class BerthError extends Error {
  constructor(code: keyof typeof Code, message: string, options?: {
    cause?: unknown; reason?: keyof typeof ErrorReason; metadata?: Record<string, string>;
  });
  readonly code: keyof typeof Code;
  /** Tells apart what has the same code, as "IS_A_DIRECTORY"; undefined where the server gives none that is known here. */
  readonly reason: keyof typeof ErrorReason | undefined;
  /** What the server says beside the reason, as `retry_after_ms`. */
  readonly metadata: Record<string, string>;
}

/** `Result.check()`: the program did not exit with 0. */
export class ExecutionFailed extends Error {
  constructor(result: Result);
  readonly result: Result;
}

/** How long a call may take. */
export interface Limits {
  /** In milliseconds: then the call fails with DEADLINE_EXCEEDED, on both sides. */
  deadline?: number;
  /** Aborting leaves the call: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface ClientOptions {
  /** `HOST:PORT`, `tls://HOST:PORT` or `unix:PATH`; else `BERTH_SERVER`, else `127.0.0.1:7411`. */
  address?: string;
  /** True is TLS, as `tls://` is; options of `tls.connect` say more: `ca`, `cert`, `key` (their contents), `servername` … What they
   * leave out comes from the files that `BERTH_TLS_CA`, `BERTH_TLS_CERT` and `BERTH_TLS_KEY` name. */
  tls?: boolean | ConnectionOptions;
  /** Says who calls, with every call; else `BERTH_TOKEN`, else what is in the file that `BERTH_TOKEN_FILE` names. "" is none. */
  token?: string;
  /** How long connecting may take, tries that failed included, in milliseconds; 5000. */
  connectTimeout?: number;
  /** How much output of an execution may be on its way, in bytes, 64 KiB to 1 MiB; 256 KiB. */
  window?: number;
  /** How long a server may say nothing to calls that wait, in milliseconds; 60 000. After half of it, it is asked whether it is
   * there; after all of it the connection counts as lost. */
  keepalive?: number;
}

/** What `run` of a lease takes: what to run, and how. Exactly one of `argv`, `shell` and `code`. Times are in milliseconds, sizes
 * in bytes. */
export interface LeaseRunOptions extends Limits {
  /** The program and its arguments. */
  argv?: readonly Word[];
  /** A line for the container's /bin/sh. */
  shell?: string;
  /** Source text, run as `language` says. */
  code?: string;
  /** With `code`: "python", "sh", or what the pool's configuration names. */
  language?: string;
  /** Added to the pool's environment. */
  env?: Record<string, Word> | Map<Word, Word>;
  /** Absolute; else the pool's, /workspace. */
  cwd?: Word;
  /** The user id it runs as; else the member's own. */
  uid?: number;
  /** Its standard input, of any length; end of file follows. */
  stdin?: string | Uint8Array;
  /** It has a terminal. `noEcho`: what is typed is not echoed. */
  terminal?: { rows: number; columns: number; noEcho?: boolean };
  /** stdout and stderr are one pipe, in the order of writing: all is stdout. */
  mergeOutput?: boolean;
  /** After this it gets TERM, a grace, KILL of everything it started; else the server's default, 60 s. */
  timeout?: number;
  /** Between TERM and KILL; else the server's default, 2 s. */
  grace?: number;
  /** The same when it has written nothing for so long. */
  idleTimeout?: number;
  /** The same when everything it started has used so much CPU time. */
  cpuTime?: number;
  /** What it leaves running goes on until the lease ends. */
  keepBackground?: boolean;
  /** Of each of its streams; `run` takes 16 MiB when it is not told, `execute` has no limit. */
  maxOutput?: number;
  /** At `maxOutput` it is ended; else it goes on, and the end says how much was not sent. */
  killAtMaxOutput?: boolean;
  /** When the last stream that watches it breaks, it goes on for so long, and `attach` finds it. */
  resumable?: number;
  /** With `resumable`: it blocks rather than lose output that nobody has read. */
  waitUnwatched?: boolean;
  /** This stream's credit, instead of the client's. */
  window?: number;
}

/** What `run` of a context takes beside the code, each as above. When its time is up, or its signal aborts, the piece is
 * interrupted, and the context stays where that is enough. */
export type PieceRunOptions = Limits & Pick<
  LeaseRunOptions,
  "stdin" | "timeout" | "grace" | "idleTimeout" | "cpuTime" | "maxOutput" | "killAtMaxOutput" | "resumable" | "waitUnwatched"
  | "window"
>;

/** And what only `execute` takes. */
export interface PieceOptions extends PieceRunOptions {
  /** For prompts: they are answered with `write`. */
  keepStdinOpen?: boolean;
}

/** And what only `execute` takes. */
export interface LeaseOptions extends LeaseRunOptions {
  /** End of file does not follow `stdin`: `write`, `closeStdin` or `stdin` go on. */
  keepStdinOpen?: boolean;
}

/** Where a member of its own comes from. */
export interface Origin {
  /** The pool's name; else the default pool. */
  pool?: string;
  /** How long to wait in line when none is warm; else the server's default, 30 s. */
  wait?: number;
}

export interface RunOptions extends LeaseRunOptions, Origin {}
export interface Options extends LeaseOptions, Origin {}

export interface AcquireOptions extends Limits {
  pool?: string;
  wait?: number;
  /** The lease outlives this connection; time alone ends it. */
  detached?: boolean;
  /** How long it lasts without use; else the server's longest, 5 min. */
  ttl?: number;
}

/** A connection to a Berth server, for any number of calls at a time. It connects at its first call, and again when the
 * connection was lost. Without open calls it does not keep the process alive. */
export class Client {
  constructor(options?: ClientOptions | string);
  hello(limits?: Limits): Promise<{ version: string; pools: string[] }>;
  /** Leases a member. */
  acquire(options?: AcquireOptions): Promise<Lease>;
  /** Leases a member for as long as `body` takes. */
  withLease<T>(body: (lease: Lease) => Promise<T> | T): Promise<T>;
  withLease<T>(options: AcquireOptions, body: (lease: Lease) => Promise<T> | T): Promise<T>;
  /** A lease that was acquired elsewhere, by its token. */
  lease(token: string): Lease;
  /** Runs a program in a member of its own, in one round trip: all it wrote, and how it ended. */
  run(argv: readonly Word[], options?: RunOptions): Promise<Result>;
  run(options: RunOptions): Promise<Result>;
  /** The same, as a stream. */
  execute(argv: readonly Word[], options?: Options): Execution;
  execute(options: Options): Execution;
  stats(limits?: Limits): Promise<StatsResponse>;
  /** The same again and again, on a connection of its own. */
  watchStats(options?: Limits & { interval?: number }): AsyncGenerator<StatsResponse, void, void>;
  /** Any unary call of the contract, with its messages as they are. A deadline of Infinity is none; else it is 30 s. */
  call<Q, R>(
    method: string, requestType: MessageType<Q>, request: Partial<Q>, responseType: MessageType<R>,
    options?: Limits & { service?: string },
  ): Promise<R>;
  /** What runs on it is cancelled; leases that are not detached end 10 s later. */
  close(): void;
}

/** A warm container that is yours until it is released. One that was acquired and is garbage-collected without that is released,
 * with a ResourceWarning, unless it is detached. */
export class Lease {
  private constructor();
  /** Whoever knows it may use the lease. */
  readonly token: string;
  readonly member: string;
  /** How long the lease lasts without use, in milliseconds. */
  readonly ttl: number;
  /** The member was idle; false: it was created while the call waited. */
  readonly warm: boolean;
  run(argv: readonly Word[], options?: LeaseRunOptions): Promise<Result>;
  run(options: LeaseRunOptions): Promise<Result>;
  execute(argv: readonly Word[], options?: LeaseOptions): Execution;
  execute(options: LeaseOptions): Execution;
  /** Watches an execution that runs, or has ended and is still kept, from where you left off. */
  attach(execution: string, options?: Limits & {
    stdoutOffset?: number;
    stderrOffset?: number;
    /** Of the last display, failure or prompt that you have. */
    eventsPosition?: number;
    /** Instead: what is written from now on. */
    fromNow?: boolean;
    /** Never slows the program; when this reader is too slow, it misses output. */
    observe?: boolean;
    window?: number;
  }): Execution<PieceEvent>;
  executions(): Promise<ExecutionInfo[]>;
  /** Connects to a unix socket in the container, or to a port of its loopback. Rejects with the reason CONNECTION_REFUSED where
   * nobody listens. `deadline` and `signal` bound the connecting alone. */
  connect(options: Limits & {
    path?: Word;
    port?: number;
    /** How long to wait until somebody listens there; else not at all. */
    wait?: number;
    /** Then it is closed; else the server's longest, 24 h. */
    timeout?: number;
    /** The same since bytes last went either way; else never. */
    idleTimeout?: number;
    window?: number;
  }): Promise<ContainerSocket>;
  /** Starts an interpreter: "python", "bash", "sh" or "node". Rejects with the reason CONTEXT_START_FAILED when it can't be
   * started here. */
  context(language: string, options?: Limits & {
    env?: Record<string, Word> | Map<Word, Word>; cwd?: Word; uid?: number;
  }): Promise<Context>;
  /** A context that was opened elsewhere, by its id. */
  contextById(id: string): Context;
  /** The oldest first. */
  contexts(): Promise<ContextInfo[]>;
  /** Returns the time left, in milliseconds. */
  renew(ttl?: number): Promise<number>;
  release(): Promise<void>;
  writeFile(path: Word, data: Content, options?: { mode?: number; createParents?: boolean; signal?: AbortSignal }): Promise<void>;
  readFile(path: Word, options?: Limits & { offset?: number; length?: number }): Promise<Buffer>;
  openFile(path: Word, options?: Limits & { offset?: number; length?: number }): FileReader;
  listDirectory(path: Word): Promise<FileInfo[]>;
  /** A link itself, or, with `follow`, what it leads to. */
  stat(path: Word, options?: { follow?: boolean }): Promise<FileInfo>;
  /** With `parents` also those on the way, and it may be there already. */
  makeDirectory(path: Word, options?: { mode?: number; parents?: boolean }): Promise<void>;
  rename(from: Word, to: Word, options?: { noReplace?: boolean }): Promise<void>;
  changeMode(path: Word, mode: number): Promise<void>;
  remove(path: Word, options?: { recursive?: boolean }): Promise<void>;
  /** Unpacks a tar archive into a directory; returns how many files it had. */
  writeArchive(path: Word, data: Content, options?: { signal?: AbortSignal }): Promise<number>;
  readArchive(path: Word, limits?: Limits): FileReader;
}

/** An interpreter that keeps its state from one piece of code to the next, and runs one piece at a time. It ends with `close`, by
 * what a piece does, or with its lease. */
export class Context {
  private constructor();
  /** For `contextById`; secret, like a lease. */
  readonly id: string;
  /** Empty where only the id is known. */
  readonly language: string;
  /** Of the interpreter; empty where it does not tell. */
  readonly version: string;
  /** Runs a piece of code: what it wrote and showed, whether it failed, and how it ended. */
  run(code: string, options?: PieceRunOptions): Promise<Result>;
  /** The same, as it comes. */
  execute(code: string, options?: PieceOptions): Execution<PieceEvent>;
  /** What could stand at a place in code, in bytes of UTF-8; at its end, if none is given. Nothing of it is run. */
  complete(code: string, cursor?: number): Promise<Completion>;
  /** What is known about the name at a place in code, by MIME types; undefined where nothing is. `detail`: the source too. */
  inspect(code: string, cursor?: number, options?: { detail?: boolean }): Promise<Record<string, Buffer> | undefined>;
  /** A copy of it with all that it holds, made in milliseconds: what a piece does in one, the other does not see. Python alone.
   * Rejects with FAILED_PRECONDITION while a piece runs in it (`CONTEXT_BUSY`), and while threads do
   * (`CONTEXT_START_FAILED`, with their names). */
  fork(limits?: Limits): Promise<Context>;
  close(): Promise<void>;
}

export interface Completion {
  matches: string[];
  /** Each match may stand in the place of the text from `start` to `end`, in bytes of UTF-8. */
  start: number;
  end: number;
}

export interface ContextInfo {
  id: string;
  language: string;
  version: string;
  /** Milliseconds since it was asked for. */
  age: number;
  /** How many pieces of code were run in it. */
  pieces: number;
  /** The id of what runs in it now; empty: nothing. */
  execution: string;
}

/** Bytes, text, or what gives pieces of them (a stream). */
export type Content = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

export interface Output {
  type: "output";
  stream: "stdout" | "stderr";
  /** Of the first byte of `data` in its stream. */
  offset: number;
  data: Buffer;
}

/** A gap: these bytes were no longer held when this reader came to them. */
export interface Dropped {
  type: "dropped";
  /** "events" is what a piece of code shows. */
  stream: "stdout" | "stderr" | "events";
  offset: number;
  bytes: number;
}

/** Something that a piece of code shows, in one or more forms. */
export interface Display {
  type: "display";
  /** To go on behind it: `eventsPosition` of `attach`. */
  position: number;
  /** By MIME type: the same thing in each form. */
  data: Record<string, Buffer>;
  /** Its plain text; empty where it has none. */
  text: string;
  /** A name that a later display may refer to; empty: none. */
  id: string;
  /** It takes the place of those with this id. */
  update: boolean;
  /** The value of the piece's last expression. */
  isResult: boolean;
  /** Forms that were too large, and their sizes. */
  leftOut: Record<string, number>;
}

/** How a piece of code failed. */
export interface Failure {
  type: "failure";
  position: number;
  /** Of the error: "ValueError". */
  name: string;
  message: string;
  /** Lines for people. */
  traceback: string[];
}

/** A piece of code waits for a line of its standard input: answer with `write`, the line feed included. */
export interface Prompt {
  type: "prompt";
  position: number;
  text: string;
  /** What is typed is not to be shown. */
  password: boolean;
}

export type PieceEvent = Output | Dropped | Display | Failure | Prompt;

/** Output in whole characters. */
export interface Text {
  stream: "stdout" | "stderr";
  text: string;
  /** Bytes that were no longer held, and are missing behind this text. */
  dropped: number;
}

/** A program that runs. Its output comes either from iterating, or from `stdout` and `stderr`. */
export class Execution<Event = Output | Dropped> implements AsyncIterable<Event> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<Event, void, undefined>;
  /** The same as text: a character whose bytes come in two pieces is held back until it is whole. */
  text(): AsyncGenerator<Text, void, undefined>;
  /** What is asked for must be read; the other one is let go. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** With `keepStdinOpen`. */
  readonly stdin: Writable;
  /** How it ended; undefined before all of its output was taken. */
  readonly end: End | undefined;
  /** The member it runs in, once it has started. */
  readonly member: string;
  /** The execution's id, for `attach`, once it has started; secret, like a lease. */
  id(): Promise<string>;
  /** Takes what is left of the output, lets it go, and says how it ended. */
  wait(): Promise<End>;
  /** All that it wrote (from here on), and how it ended. */
  result(): Promise<Result>;
  /** Resolves when the bytes were taken: while the program does not read, that takes as long as it takes. */
  write(data: string | Uint8Array, limits?: Limits): Promise<void>;
  closeStdin(data?: string | Uint8Array, limits?: Limits): Promise<void>;
  /** A number, or a name as "INT". */
  signal(signal: number | string): Promise<void>;
  /** Stops a piece of code as Ctrl-C does, and keeps its context. */
  interrupt(): Promise<void>;
  /** TERM, a grace in milliseconds, KILL of everything it started. Its end then comes as always. */
  cancel(grace?: number): Promise<void>;
  resize(rows: number, columns: number): Promise<void>;
  /** Gives it up: then it is cancelled, unless it is resumable or watched by others. */
  close(): void;
}

/** A byte stream to something that listens in a container; `http.request` takes it of `createConnection`. Both directions end on
 * their own. It fails with the code `ECONNRESET` where the other side broke it off, `EPIPE` where that takes no more, and
 * `ECONNABORTED` where the lease, the server or a time-out ended it: with the `end`, unless the server is gone. */
export class ContainerSocket extends Duplex {
  private constructor();
  /** Emits `timeout` when nothing was sent or received for so long. */
  setTimeout(time: number, listener?: () => void): this;
  /** These do nothing: small pieces are sent at once. */
  setNoDelay(): this;
  setKeepAlive(): this;
  ref(): this;
  unref(): this;
}

/** The bytes of a file or an archive. */
export class FileReader implements AsyncIterable<Buffer> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<Buffer, void, undefined>;
  /** Once its first bytes were read; undefined for an archive. */
  readonly info: FileInfo | undefined;
  read(): Promise<Buffer>;
  stream(): Readable;
  close(): void;
}

export type EndCause =
  | "exited" | "signalled" | "timed_out" | "out_of_memory" | "output_limit" | "cancelled" | "container_lost" | "start_failed"
  | "draining" | "idle_timeout" | "cpu_time_limit" | "context_lost" | "connection_reset" | "unknown";

export interface End {
  cause: EndCause;
  /** 0 to 255, where the program exited. */
  exitCode: number;
  /** The number of the signal that ended it, else 0. */
  signal: number;
  /** The cause in words; empty where there is nothing to add. */
  message: string;
  startFailure: "program_not_found" | "program_not_executable" | "bad_cwd" | "no_resources" | "unknown" | undefined;
  /** It exited with 0. */
  ok: boolean;
  /** Times in milliseconds, memory in bytes. */
  usage: { wall: number; user: number; system: number; peakMemory: number };
  /** Written by the program in all. */
  stdoutBytes: number;
  stderrBytes: number;
  /** Of them: over `maxOutput`, or written when nobody wanted it any more. */
  stdoutTruncated: number;
  stderrTruncated: number;
  outOfMemoryKills: number;
  /** Of a piece of code: its context ended with it. */
  contextLost: boolean;
}

/** How an execution ended, in words. */
export function describeEnd(end: End): string;

export class Result {
  constructor(stdout: Buffer, stderr: Buffer, end: End, displays?: Display[], failure?: Failure);
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly end: End;
  readonly ok: boolean;
  readonly exitCode: number;
  /** stdout as UTF-8. */
  readonly text: string;
  /** What a piece of code has shown, in order. */
  readonly displays: Display[];
  /** How a piece of code failed; undefined: it has not. */
  readonly failure: Failure | undefined;
  /** The value of a piece's last expression as text; undefined where it has none, or is not shown. */
  readonly value: string | undefined;
  /** Itself, when the program exited with 0; else throws `ExecutionFailed`. */
  check(): this;
}

export interface FileInfo {
  /** With U+FFFD for what is not UTF-8. */
  name: string;
  nameBytes: Uint8Array;
  type: "regular" | "directory" | "symbolic_link" | "other" | "unknown";
  size: number;
  /** Permission bits. */
  mode: number;
  modified: Date;
  uid: number;
  gid: number;
  linkTarget: Uint8Array;
}

export interface ExecutionInfo {
  id: string;
  /** With U+FFFD for what is not UTF-8. */
  argv: string[];
  argvBytes: Uint8Array[];
  /** Milliseconds since it was asked for. */
  age: number;
  watchers: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** `attach` gets all from this offset on. */
  stdoutHeldFrom: number;
  stderrHeldFrom: number;
  /** The id of the context that it runs in; then `argv` is the language and the code. */
  context: string;
  /** Absent while it runs. */
  end: End | undefined;
}
