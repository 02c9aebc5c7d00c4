import type { Readable, Writable } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import type { MessageType, StatsResponse } from "./messages.js";

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
  constructor(code: keyof typeof Code, message: string, options?: { cause?: unknown });
  readonly code: keyof typeof Code;
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
}

/** What to run, and how. Exactly one of `argv`, `shell` and `code`. Times are in milliseconds, sizes in bytes. */
export interface LeaseOptions extends Limits {
  /** The program and its arguments. */
  argv?: string[];
  /** A line for the container's /bin/sh. */
  shell?: string;
  /** Source text, run as `language` says. */
  code?: string;
  /** With `code`: "python", "sh", or what the pool's configuration names. */
  language?: string;
  /** Added to the pool's environment. */
  env?: Record<string, string>;
  /** Absolute; else the pool's, /workspace. */
  cwd?: string;
  /** The user id it runs as; else the pool's, 1000. */
  uid?: number;
  /** The first bytes of its standard input; end of file follows. */
  stdin?: string | Uint8Array;
  /** End of file does not follow: `write`, `closeStdin` or `stdin` go on. Of `execute` only. */
  keepStdinOpen?: boolean;
  /** It has a terminal. Of `execute` only. */
  terminal?: { rows: number; columns: number };
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

/** And for a member of its own. */
export interface Options extends LeaseOptions {
  /** The pool's name; else the default pool. */
  pool?: string;
  /** How long to wait in line when none is warm; else the server's default, 30 s. */
  wait?: number;
}

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
  run(argv: string[], options?: Options): Promise<Result>;
  run(options: Options): Promise<Result>;
  /** The same, as a stream. */
  execute(argv: string[], options?: Options): Execution;
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

/** A warm container that is yours until it is released. */
export class Lease {
  private constructor();
  /** Whoever knows it may use the lease. */
  readonly token: string;
  readonly member: string;
  /** How long the lease lasts without use, in milliseconds. */
  readonly ttl: number;
  /** The member was idle; false: it was created while the call waited. */
  readonly warm: boolean;
  run(argv: string[], options?: LeaseOptions): Promise<Result>;
  run(options: LeaseOptions): Promise<Result>;
  execute(argv: string[], options?: LeaseOptions): Execution;
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
  writeFile(path: string, data: Content, options?: { mode?: number; createParents?: boolean; signal?: AbortSignal }): Promise<void>;
  readFile(path: string, options?: Limits & { offset?: number; length?: number }): Promise<Buffer>;
  openFile(path: string, options?: Limits & { offset?: number; length?: number }): FileReader;
  listDirectory(path: string): Promise<FileInfo[]>;
  remove(path: string, options?: { recursive?: boolean }): Promise<void>;
  /** Unpacks a tar archive into a directory; returns how many files it had. */
  writeArchive(path: string, data: Content, options?: { signal?: AbortSignal }): Promise<number>;
  readArchive(path: string, limits?: Limits): FileReader;
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

/** A program that runs. Its output comes either from iterating, or from `stdout` and `stderr`. */
export class Execution implements AsyncIterable<Output | Dropped> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<Output | Dropped, void, undefined>;
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
  name: string;
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
  argv: string[];
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
