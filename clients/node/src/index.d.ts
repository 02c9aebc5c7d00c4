import type { Readable, Writable } from "node:stream";
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
  /** `HOST:PORT` or `unix:PATH`; else `BERTH_SERVER`, else `127.0.0.1:7411`. */
  address?: string;
  /** True is TLS with the system's authorities; options of `tls.connect` say more (`ca`, `cert`, `key`, `servername` …). */
  tls?: boolean | ConnectionOptions;
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
    /** Instead: what is written from now on. */
    fromNow?: boolean;
    /** Never slows the program; when this reader is too slow, it misses output. */
    observe?: boolean;
    window?: number;
  }): Execution;
  executions(): Promise<ExecutionInfo[]>;
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
  stream: "stdout" | "stderr";
  offset: number;
  bytes: number;
}

/** Output in whole characters. */
export interface Text {
  stream: "stdout" | "stderr";
  text: string;
  /** Bytes that were no longer held, and are missing behind this text. */
  dropped: number;
}

/** A program that runs. Its output comes either from iterating, or from `stdout` and `stderr`. */
export class Execution implements AsyncIterable<Output | Dropped> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<Output | Dropped, void, undefined>;
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
  /** TERM, a grace in milliseconds, KILL of everything it started. Its end then comes as always. */
  cancel(grace?: number): Promise<void>;
  resize(rows: number, columns: number): Promise<void>;
  /** Gives it up: then it is cancelled, unless it is resumable or watched by others. */
  close(): void;
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
  | "draining" | "idle_timeout" | "cpu_time_limit" | "unknown";

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
}

/** How an execution ended, in words. */
export function describeEnd(end: End): string;

export class Result {
  constructor(stdout: Buffer, stderr: Buffer, end: End);
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly end: End;
  readonly ok: boolean;
  readonly exitCode: number;
  /** stdout as UTF-8. */
  readonly text: string;
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
  /** Absent while it runs. */
  end: End | undefined;
}
