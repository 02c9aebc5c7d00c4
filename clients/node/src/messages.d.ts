// Generated from proto/ by ./generate. Do not edit.

/** Encodes and decodes messages of a type. What is left out of a message to encode is not sent. */
export interface MessageType<T> {
  readonly name: string;
  encode(message: Partial<T>): Uint8Array;
  decode(bytes: Uint8Array): T;
  create(): T;
}

export interface Request {
  /** full name, e.g. "berth.v1.Pool" */
  service: string;
  /** e.g. "Acquire" */
  method: string;
  /** the encoded request message */
  payload: Uint8Array;
  /** time left for the call in nanoseconds; 0 is none */
  timeoutNano: number;
  metadata: KeyValue[];
}
export const Request: MessageType<Request>;

export interface Response {
  /** left out on success */
  status?: Status;
  /** the encoded response message */
  payload: Uint8Array;
}
export const Response: MessageType<Response>;

export interface KeyValue {
  key: string;
  value: string;
}
export const KeyValue: MessageType<KeyValue>;

/** google.rpc.Status, kept here so that no other .proto file is needed. */
export interface Status {
  /** gRPC's status codes */
  code: number;
  message: string;
  details: Any[];
}
export const Status: MessageType<Status>;

/** google.protobuf.Any. */
export interface Any {
  typeUrl: string;
  value: Uint8Array;
}
export const Any: MessageType<Any>;

/** google.rpc.ErrorInfo, which comes in `details` with the type URL "type.googleapis.com/google.rpc.ErrorInfo". */
export interface ErrorInfo {
  /** UPPER_SNAKE_CASE; of Berth, the name of a berth.v1.ErrorReason */
  reason: string;
  /** whose reason it is: "berth.dev" */
  domain: string;
  metadata: { [key: string]: string };
}
export const ErrorInfo: MessageType<ErrorInfo>;

/** The finer kind of a failure, by its name in google.rpc.ErrorInfo.reason. More may come. */
export type ErrorReason = number;
export const ErrorReason: {
  readonly ERROR_REASON_UNSPECIFIED: 0;
  /** Files: */
  readonly NO_SUCH_FILE: 1;
  /** FAILED_PRECONDITION */
  readonly IS_A_DIRECTORY: 2;
  /** FAILED_PRECONDITION: also something on the way that is none */
  readonly NOT_A_DIRECTORY: 3;
  /** FAILED_PRECONDITION */
  readonly ALREADY_EXISTS: 4;
  /** FAILED_PRECONDITION */
  readonly DIRECTORY_NOT_EMPTY: 5;
  /** FAILED_PRECONDITION: a device, a pipe or a socket */
  readonly NOT_A_FILE: 6;
  /** PERMISSION_DENIED: a place that is not to be written to */
  readonly READ_ONLY: 7;
  /** PERMISSION_DENIED: the path is, or leads, outside of the places it may be in */
  readonly OUTSIDE: 8;
  /** PERMISSION_DENIED: the user may not */
  readonly NOT_PERMITTED: 9;
  /** RESOURCE_EXHAUSTED */
  readonly NO_SPACE: 10;
  /** FAILED_PRECONDITION: links that lead in a circle */
  readonly TOO_MANY_LINKS: 11;
  /** INVALID_ARGUMENT */
  readonly NAME_TOO_LONG: 12;
  /** INVALID_ARGUMENT */
  readonly BAD_ARCHIVE: 13;
  /** Leases and executions: */
  readonly NO_SUCH_LEASE: 20;
  /** NOT_FOUND: it never was, or is no longer kept */
  readonly NO_SUCH_EXECUTION: 21;
  /** NOT_FOUND */
  readonly NO_SUCH_POOL: 22;
  /** RESOURCE_EXHAUSTED: executions at a time in one lease */
  readonly EXECUTION_LIMIT: 23;
  /** RESOURCE_EXHAUSTED: programs of one lease that have left something running */
  readonly BACKGROUND_LIMIT: 24;
  /** RESOURCE_EXHAUSTED: the line of a pool is full */
  readonly WAITER_LIMIT: 25;
  /** RESOURCE_EXHAUSTED: what one client may have */
  readonly CLIENT_LIMIT: 26;
  /** RESOURCE_EXHAUSTED: the server's memory for callers, or a client's share of it */
  readonly MEMORY_LIMIT: 27;
  /** RESOURCE_EXHAUSTED */
  readonly MESSAGE_TOO_LARGE: 28;
  /** FAILED_PRECONDITION: the standard input has ended */
  readonly INPUT_ENDED: 29;
  /** FAILED_PRECONDITION: bytes in between are missing */
  readonly INPUT_GAP: 30;
  /** FAILED_PRECONDITION */
  readonly NO_TERMINAL: 31;
  /** UNAVAILABLE: creates failed; metadata "retry_after_ms" is the time to the next try */
  readonly BREAKER_OPEN: 32;
  /** UNAVAILABLE */
  readonly SHUTTING_DOWN: 33;
  /** UNAVAILABLE */
  readonly DRAINING_POOL: 34;
  /** Contexts: */
  readonly NO_SUCH_CONTEXT: 35;
  /** RESOURCE_EXHAUSTED: contexts of one lease */
  readonly CONTEXT_LIMIT: 36;
  /** FAILED_PRECONDITION: a piece of code runs in it */
  readonly CONTEXT_BUSY: 37;
  /** FAILED_PRECONDITION: its interpreter is not there, too old, or ended; or can't be copied */
  readonly CONTEXT_START_FAILED: 38;
  /** Connections: */
  readonly CONNECTION_REFUSED: 40;
  /** FAILED_PRECONDITION: what is at the path is no socket, or none of streams */
  readonly NOT_A_SOCKET: 41;
  /** RESOURCE_EXHAUSTED: connections of one lease */
  readonly CONNECTION_LIMIT: 42;
};

export type OutputPolicy = number;
export const OutputPolicy: {
  /** the program goes on, the rest is counted, and Ended says how much that was */
  readonly TRUNCATE_OUTPUT: 0;
  /** it is ended: OUTPUT_LIMIT */
  readonly KILL_AT_LIMIT: 1;
};

export type Unwatched = number;
export const Unwatched: {
  /** the last 1 MiB of each stream is kept; who comes late is told what was dropped */
  readonly RUN_ON: 0;
  /** once that is full of what nobody has read, it blocks in its write, and nothing is lost */
  readonly WAIT: 1;
};

export type OutputStream = number;
export const OutputStream: {
  readonly STDOUT: 0;
  readonly STDERR: 1;
  /** of no Output: Display, Failure and Prompt, of which `position` counts the bytes */
  readonly EVENTS: 2;
};

export type EndCause = number;
export const EndCause: {
  readonly END_CAUSE_UNSPECIFIED: 0;
  /** by itself: exit_code */
  readonly EXITED: 1;
  /** by a signal that Berth did not send: signal */
  readonly SIGNALLED: 2;
  /** timeout_ms passed; exit_code or signal say how it then went */
  readonly TIMED_OUT: 3;
  /** the kernel killed it, or a child of it, at the container's memory limit */
  readonly OUT_OF_MEMORY: 4;
  /** it wrote more than max_output_bytes, with KILL_AT_LIMIT */
  readonly OUTPUT_LIMIT: 5;
  /** by Signal, by the call's deadline, by its connection's end or by its lease's end */
  readonly CANCELLED: 6;
  /** the container went away under it */
  readonly CONTAINER_LOST: 7;
  /** it never ran: start_failure and message say why */
  readonly START_FAILED: 8;
  /** the server is shutting down */
  readonly DRAINING: 9;
  /** it wrote nothing for idle_timeout_ms */
  readonly IDLE_TIMEOUT: 10;
  /** it used cpu_time_ms */
  readonly CPU_TIME_LIMIT: 11;
  /** the context it was to run in had ended, or broke the rules; message says which */
  readonly CONTEXT_LOST: 12;
  /** of Connect: the other side broke the connection off, with bytes on their way that nobody took */
  readonly CONNECTION_RESET: 13;
};

export type StartFailure = number;
export const StartFailure: {
  readonly START_FAILURE_UNSPECIFIED: 0;
  /** a shell would say 127 */
  readonly PROGRAM_NOT_FOUND: 1;
  /** a shell would say 126 */
  readonly PROGRAM_NOT_EXECUTABLE: 2;
  /** the working directory is not there, or not to be entered */
  readonly BAD_CWD: 3;
  /** no process or no memory left in the container */
  readonly NO_RESOURCES: 4;
};

export type FileType = number;
export const FileType: {
  readonly FILE_TYPE_UNSPECIFIED: 0;
  readonly REGULAR: 1;
  readonly DIRECTORY: 2;
  readonly SYMBOLIC_LINK: 3;
  /** a socket, a pipe, a device */
  readonly OTHER: 4;
};

export type BreakerState = number;
export const BreakerState: {
  /** creates go on */
  readonly CLOSED: 0;
  /** no create until next_try_in_ms */
  readonly OPEN: 1;
  /** one create is being tried */
  readonly HALF_OPEN: 2;
};

export type MemberState = number;
export const MemberState: {
  readonly MEMBER_STATE_UNSPECIFIED: 0;
  readonly STARTING: 1;
  readonly IDLE: 2;
  readonly LEASED: 3;
  /** released, and being made as new */
  readonly RESETTING: 4;
  /** given up; counts until the runtime has confirmed that it is gone */
  readonly STOPPING: 5;
};

export interface HelloRequest {
  /** who calls, for the server's log: "name/version" */
  client: string;
}
export const HelloRequest: MessageType<HelloRequest>;

export interface HelloResponse {
  /** "berth/0.1.0" */
  server: string;
  /** the names of its pools, the default pool first */
  pools: string[];
}
export const HelloResponse: MessageType<HelloResponse>;

export interface AcquireRequest {
  /** empty: the default pool */
  pool: string;
  /** how long to wait at most when no member is warm; 0: the server's default (30 s) */
  waitMs: number;
  /** the lease outlives its connection; time alone ends it */
  detached: boolean;
  /** how long the lease lasts without use; 0, or over the server's limit: that limit (5 min) */
  ttlMs: number;
}
export const AcquireRequest: MessageType<AcquireRequest>;

export interface AcquireResponse {
  /** the lease's token: whoever knows it may use it; keep it secret */
  lease: string;
  /** the member's name, for logs */
  member: string;
  /** how long the lease lasts without use, in milliseconds */
  ttlMs: number;
  /** the member was idle; false: it was created while this call waited */
  warm: boolean;
}
export const AcquireResponse: MessageType<AcquireResponse>;

export interface ExecuteRequest {
  /** Where: in a lease, or, when lease is empty, in a member of its own, acquired from the pool and released around it. */
  lease: string;
  /** with no lease: the pool's name; empty: the default pool */
  pool: string;
  /** with no lease: as in AcquireRequest */
  waitMs: number;
  /** What: argv, or shell, or code. */
  argv: string[];
  /** instead of argv: a line for the container's /bin/sh */
  shell: string;
  /** instead of argv: source text, at most 128 KiB less 1 byte, run as `language` says; in a */
  code: string;
  /** context at most 1 MiB */
  language: string;
  /** added to the pool's, and to PATH, HOME, LANG and TERM, which have sane values without asking */
  env: { [key: string]: string };
  /** absolute; empty: the pool's (/workspace) */
  cwd: string;
  /** instead of argv: arguments that are not UTF-8 */
  argvRaw: Uint8Array[];
  /** "NAME=value" each, added after env: values that are not UTF-8 */
  envRaw: Uint8Array[];
  /** instead of cwd */
  cwdRaw: Uint8Array;
  /** with lease and code: the context that runs the code. Its language, environment, working */
  context: string;
  /** directory, user and terminal are the context's: they are not to be given */
  uid: number;
  /** Its input. With neither of the last two, end of file follows `stdin`. */
  stdin: Uint8Array;
  /** more comes with Input */
  keepStdinOpen: boolean;
  /** it has a terminal: all it writes is STDOUT, and Input is what is typed */
  terminal?: Terminal;
  /** For how long. What is over its limit gets TERM, a grace, KILL of everything it started. */
  timeoutMs: number;
  /** between TERM and KILL; 0: the server's default (2 s) */
  graceMs: number;
  /** since it last wrote anything; 0: none */
  idleTimeoutMs: number;
  /** CPU time of everything it started; 0: no limit */
  cpuTimeMs: number;
  /** what it leaves running goes on until the lease ends; else that is killed with it */
  keepBackground: boolean;
  /** Its output. */
  windowBytes: number;
  /** to 1 MiB. The program then waits for a slow reader, and no other call on the connection does. Nor are more than 60 events with output unacknowledged, however small they are: acknowledge also after so many events (half of them, say), not only after so many bytes. 0: no window; what the connection takes is sent, and a connection whose peer does not read holds up its own executions */
  maxOutputBytes: number;
  /** what is done at max_output_bytes */
  outputPolicy: OutputPolicy;
  /** stdout and stderr are one pipe, in the order of writing: all is STDOUT */
  mergeOutput: boolean;
  /** When nobody watches. */
  resumableMs: number;
  /** to; when it has ended, its end and its last output are kept for so long. 0: it is cancelled, and not kept */
  unwatched: Unwatched;
}
export const ExecuteRequest: MessageType<ExecuteRequest>;

/** A terminal's size in characters; 0 is 24 and 80. */
export interface Terminal {
  rows: number;
  columns: number;
  /** what is typed is not echoed, from the first byte on */
  noEcho: boolean;
}
export const Terminal: MessageType<Terminal>;

export interface ExecuteEvent {
  started?: Started;
  output?: Output;
  ended?: Ended;
  dropped?: Dropped;
  display?: Display;
  failure?: Failure;
  prompt?: Prompt;
  outputEnded?: OutputEnded;
}
export const ExecuteEvent: MessageType<ExecuteEvent>;

export interface Started {
  /** the execution's id, for all calls about it; secret, like a lease */
  execution: string;
  /** the member it runs in, for logs */
  member: string;
  /** this stream's number, for Acknowledge and Detach */
  watcher: number;
}
export const Started: MessageType<Started>;

/** Bytes of a stream that this watcher does not get: they were no longer held when it came to them. */
export interface Dropped {
  stream: OutputStream;
  /** of the first of them; the next Output of this stream begins at offset + bytes */
  offset: number;
  bytes: number;
}
export const Dropped: MessageType<Dropped>;

/** Something that a piece of code shows, in one or more forms. A display is always whole, and counts against the window with its size; one that is larger than what is left of the window is sent when less than a quarter of it is unacknowledged. */
export interface Display {
  /** to acknowledge it with, or to go on after it; as if events were a stream of bytes */
  position: number;
  /** the same thing in each form */
  data: MimeData[];
  /** a name that a later display may refer to; empty: none */
  id: string;
  /** it takes the place of those with this id */
  update: boolean;
  /** the value of the piece's last expression */
  result: boolean;
  /** forms that were too large */
  leftOut: LeftOut[];
}
export const Display: MessageType<Display>;

export interface MimeData {
  /** "text/plain", "image/png" … */
  mime: string;
  /** text is UTF-8 */
  data: Uint8Array;
}
export const MimeData: MessageType<MimeData>;

/** A form of a display that was larger than the server's max_display together with those before it. */
export interface LeftOut {
  /** empty: not known */
  mime: string;
  bytes: number;
}
export const LeftOut: MessageType<LeftOut>;

/** A piece of code failed. */
export interface Failure {
  /** as in Display */
  position: number;
  /** of the error: "ValueError" */
  name: string;
  message: string;
  /** lines for people, without line feeds, the innermost call last */
  traceback: string[];
}
export const Failure: MessageType<Failure>;

/** A piece of code waits for a line of its standard input. Answer with Input, "\n" included. */
export interface Prompt {
  /** as in Display */
  position: number;
  /** what it asks */
  text: string;
  /** what is typed is not to be shown */
  password: boolean;
}
export const Prompt: MessageType<Prompt>;

export interface Output {
  stream: OutputStream;
  /** of data's first byte in this stream; no gaps but those that Dropped tells */
  offset: number;
  /** at most 32 KiB, never empty */
  data: Uint8Array;
}
export const Output: MessageType<Output>;

/** Of Connect: the other side has sent all that it will; what goes there still may. Follows the last Output of the stream. */
export interface OutputEnded {
  /** STDOUT */
  stream: OutputStream;
  /** how many bytes it had */
  offset: number;
}
export const OutputEnded: MessageType<OutputEnded>;

export interface Ended {
  cause: EndCause;
  /** 0 to 255, where it exited */
  exitCode: number;
  /** the signal's number, where one ended it; else 0 */
  signal: number;
  /** the cause in words; empty where there is nothing to add */
  message: string;
  startFailure: StartFailure;
  usage?: Usage;
  /** written by the program in all */
  stdoutBytes: number;
  stderrBytes: number;
  /** of them: written over max_output_bytes, or when nobody wanted it any more, and not sent */
  stdoutTruncated: number;
  stderrTruncated: number;
  /** processes of the container that the kernel killed at its memory limit meanwhile */
  outOfMemoryKills: number;
  /** of a piece of code: its context ended with it. exit_code or signal are the interpreter's then; */
  contextLost: boolean;
}
export const Ended: MessageType<Ended>;

export interface Usage {
  /** from fork to the end of the program, microseconds */
  wallUs: number;
  /** CPU time in user mode, waited-for children included */
  userUs: number;
  /** CPU time in the kernel */
  systemUs: number;
  /** the largest resident set of any one process of it */
  peakMemoryBytes: number;
}
export const Usage: MessageType<Usage>;

export interface AttachRequest {
  lease: string;
  /** from Started */
  execution: string;
  /** where to go on: how much of each stream the caller has */
  stdoutOffset: number;
  stderrOffset: number;
  /** instead: what is written from now on */
  fromNow: boolean;
  /** as in ExecuteRequest */
  windowBytes: number;
  /** never slows the program: when this watcher is too slow, it misses output, and Dropped */
  observe: boolean;
  /** tells. Does not count as someone who watches when the last one goes */
  eventsPosition: number;
}
export const AttachRequest: MessageType<AttachRequest>;

export interface DetachRequest {
  lease: string;
  execution: string;
  /** from this stream's Started */
  watcher: number;
}
export const DetachRequest: MessageType<DetachRequest>;

export interface DetachResponse {
}
export const DetachResponse: MessageType<DetachResponse>;

export interface AcknowledgeRequest {
  lease: string;
  execution: string;
  /** from this stream's Started */
  watcher: number;
  /** all before it was consumed; less than the last time changes nothing */
  stdoutOffset: number;
  stderrOffset: number;
  /** likewise: of the last Display, Failure or Prompt that was consumed */
  eventsPosition: number;
}
export const AcknowledgeRequest: MessageType<AcknowledgeRequest>;

export interface AcknowledgeResponse {
}
export const AcknowledgeResponse: MessageType<AcknowledgeResponse>;

export interface InputRequest {
  lease: string;
  execution: string;
  /** of data's first byte in the standard input; ExecuteRequest.stdin counts */
  offset: number;
  /** at most 256 KiB */
  data: Uint8Array;
  /** end of file follows; on a terminal, its end-of-file character (Ctrl-D) */
  end: boolean;
}
export const InputRequest: MessageType<InputRequest>;

export interface InputResponse {
  /** of the next byte that is expected */
  offset: number;
}
export const InputResponse: MessageType<InputResponse>;

export interface SignalRequest {
  lease: string;
  execution: string;
  /** the signal's number, 1 to 64; 9 ends everything the program started */
  signal: number;
  /** instead of the number: "INT", "SIGINT" … */
  name: string;
  /** instead: ends the execution: TERM, a grace, KILL of everything it started */
  cancel: boolean;
  /** with cancel; 0: the execution's own */
  graceMs: number;
}
export const SignalRequest: MessageType<SignalRequest>;

export interface SignalResponse {
}
export const SignalResponse: MessageType<SignalResponse>;

export interface ResizeTerminalRequest {
  lease: string;
  execution: string;
  terminal?: Terminal;
}
export const ResizeTerminalRequest: MessageType<ResizeTerminalRequest>;

export interface ResizeTerminalResponse {
}
export const ResizeTerminalResponse: MessageType<ResizeTerminalResponse>;

export interface ListExecutionsRequest {
  lease: string;
}
export const ListExecutionsRequest: MessageType<ListExecutionsRequest>;

export interface ListExecutionsResponse {
  /** the oldest first */
  executions: ExecutionInfo[];
}
export const ListExecutionsResponse: MessageType<ListExecutionsResponse>;

export interface ExecutionInfo {
  execution: string;
  /** shortened where it is long */
  argv: string[];
  /** since it was asked for */
  ageMs: number;
  watchers: number;
  /** that have come from it by now */
  stdoutBytes: number;
  stderrBytes: number;
  /** Attach gets all from this offset on */
  stdoutHeldFrom: number;
  stderrHeldFrom: number;
  resumableMs: number;
  /** absent while it runs */
  ended?: Ended;
  /** argv, where it is not UTF-8 */
  argvRaw: Uint8Array[];
  /** that it runs in; argv is then the language and the code */
  context: string;
  eventsHeldFrom: number;
}
export const ExecutionInfo: MessageType<ExecutionInfo>;

export interface ConnectRequest {
  lease: string;
  /** Where to: path or port. */
  path: string;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
  /** of 127.0.0.1, or of ::1 where nobody listens on the former: 1 to 65535 */
  port: number;
  /** how long to wait until somebody listens there; 0: not at all */
  waitMs: number;
  /** For how long. What is over its limit is closed. */
  timeoutMs: number;
  /** since bytes last went either way; 0: none */
  idleTimeoutMs: number;
  /** as in ExecuteRequest: whoever sends in the container then waits for a slow reader */
  windowBytes: number;
  /** as in ExecuteRequest; while nobody watches, the other side waits, and nothing is lost */
  resumableMs: number;
}
export const ConnectRequest: MessageType<ConnectRequest>;

export interface OpenContextRequest {
  lease: string;
  /** "python", "bash", "sh" or "node" */
  language: string;
  /** absolute; empty: the pool's (/workspace) */
  cwd: string;
  /** as in ExecuteRequest */
  env: { [key: string]: string };
  /** as in ExecuteRequest */
  uid: number;
  /** as in ExecuteRequest */
  envRaw: Uint8Array[];
  /** instead of cwd */
  cwdRaw: Uint8Array;
}
export const OpenContextRequest: MessageType<OpenContextRequest>;

export interface OpenContextResponse {
  /** its id, for all calls about it */
  context: string;
  /** of the interpreter: "3.11.2"; empty where it does not tell */
  version: string;
}
export const OpenContextResponse: MessageType<OpenContextResponse>;

export interface CloseContextRequest {
  lease: string;
  context: string;
}
export const CloseContextRequest: MessageType<CloseContextRequest>;

export interface CloseContextResponse {
}
export const CloseContextResponse: MessageType<CloseContextResponse>;

export interface ForkContextRequest {
  lease: string;
  context: string;
}
export const ForkContextRequest: MessageType<ForkContextRequest>;

export interface ForkContextResponse {
  /** the copy's id */
  context: string;
  /** of the interpreter */
  version: string;
}
export const ForkContextResponse: MessageType<ForkContextResponse>;

export interface ListContextsRequest {
  lease: string;
}
export const ListContextsRequest: MessageType<ListContextsRequest>;

export interface ListContextsResponse {
  /** the oldest first */
  contexts: ContextInfo[];
}
export const ListContextsResponse: MessageType<ListContextsResponse>;

export interface ContextInfo {
  context: string;
  language: string;
  /** of the interpreter */
  version: string;
  /** since it was asked for */
  ageMs: number;
  /** that were run in it, the one that runs included */
  pieces: number;
  /** the piece that runs; empty: none */
  execution: string;
}
export const ContextInfo: MessageType<ContextInfo>;

export interface CompleteRequest {
  lease: string;
  context: string;
  /** at most 1 MiB */
  code: string;
  /** where in it, in bytes of UTF-8 */
  cursor: number;
}
export const CompleteRequest: MessageType<CompleteRequest>;

export interface CompleteResponse {
  /** each may stand in the place of the text from start to end */
  matches: string[];
  /** in bytes of UTF-8 */
  start: number;
  end: number;
}
export const CompleteResponse: MessageType<CompleteResponse>;

export interface InspectRequest {
  lease: string;
  context: string;
  /** at most 1 MiB */
  code: string;
  /** where in it, in bytes of UTF-8 */
  cursor: number;
  /** more: the source, where there is one */
  detail: boolean;
}
export const InspectRequest: MessageType<InspectRequest>;

export interface InspectResponse {
  found: boolean;
  /** what is known, in one or more forms */
  data: MimeData[];
}
export const InspectResponse: MessageType<InspectResponse>;

export interface FileInfo {
  /** in its directory; of ReadFile: the path as asked */
  name: string;
  type: FileType;
  /** bytes */
  size: number;
  /** permission bits, 0 to 07777 */
  mode: number;
  /** microseconds since 1970-01-01 UTC */
  modifiedUs: number;
  uid: number;
  gid: number;
  /** of a link, as it is written there */
  linkTarget: Uint8Array;
  /** the name, where it is not UTF-8 */
  nameRaw: Uint8Array;
}
export const FileInfo: MessageType<FileInfo>;

export interface WriteFileRequest {
  lease: string;
  path: string;
  /** at most 256 KiB */
  data: Uint8Array;
  /** permission bits; 0: 0644 */
  mode: number;
  /** directories that are missing on the way are made */
  createParents: boolean;
  /** this is not the last call */
  more: boolean;
  /** from the first call's answer, in all that follow it; then path and mode are ignored */
  upload: string;
  /** of data's first byte in the file; a call that was lost is simply made again */
  offset: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const WriteFileRequest: MessageType<WriteFileRequest>;

export interface WriteFileResponse {
  /** with more. What waits for its next call for more than 60 s is given up */
  upload: string;
  /** of the next byte that is expected */
  offset: number;
}
export const WriteFileResponse: MessageType<WriteFileResponse>;

export interface ReadFileRequest {
  lease: string;
  path: string;
  /** where to begin */
  offset: number;
  /** bytes at most; 0: all to the end */
  length: number;
  /** as in ExecuteRequest */
  windowBytes: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const ReadFileRequest: MessageType<ReadFileRequest>;

export interface FileEvent {
  start?: FileStart;
  /** STDOUT; its offset counts from the first byte sent, not from the file's */
  output?: Output;
  end?: FileEnd;
}
export const FileEvent: MessageType<FileEvent>;

export interface FileStart {
  /** for Acknowledge, Detach and Signal */
  execution: string;
  watcher: number;
  /** of ReadFile */
  info?: FileInfo;
}
export const FileStart: MessageType<FileStart>;

export interface FileEnd {
  /** sent in all */
  bytes: number;
}
export const FileEnd: MessageType<FileEnd>;

export interface ListDirectoryRequest {
  lease: string;
  path: string;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const ListDirectoryRequest: MessageType<ListDirectoryRequest>;

export interface ListDirectoryResponse {
  /** some of them; several of these follow each other where there are many */
  entries: FileInfo[];
}
export const ListDirectoryResponse: MessageType<ListDirectoryResponse>;

export interface StatRequest {
  lease: string;
  path: string;
  /** of a link: what it leads to */
  follow: boolean;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const StatRequest: MessageType<StatRequest>;

export interface StatResponse {
  /** its name is the path as asked */
  info?: FileInfo;
}
export const StatResponse: MessageType<StatResponse>;

export interface MakeDirectoryRequest {
  lease: string;
  path: string;
  /** permission bits; 0: 0755 */
  mode: number;
  /** directories that are missing on the way are made; it may be there already */
  parents: boolean;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const MakeDirectoryRequest: MessageType<MakeDirectoryRequest>;

export interface MakeDirectoryResponse {
}
export const MakeDirectoryResponse: MessageType<MakeDirectoryResponse>;

export interface RenameFileRequest {
  lease: string;
  from: string;
  to: string;
  /** FAILED_PRECONDITION (ALREADY_EXISTS) when something is at the new path */
  noReplace: boolean;
  /** instead of from: one that is not UTF-8 */
  fromRaw: Uint8Array;
  /** instead of to: one that is not UTF-8 */
  toRaw: Uint8Array;
}
export const RenameFileRequest: MessageType<RenameFileRequest>;

export interface RenameFileResponse {
}
export const RenameFileResponse: MessageType<RenameFileResponse>;

export interface ChangeModeRequest {
  lease: string;
  path: string;
  /** permission bits, 0 to 0777 */
  mode: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const ChangeModeRequest: MessageType<ChangeModeRequest>;

export interface ChangeModeResponse {
}
export const ChangeModeResponse: MessageType<ChangeModeResponse>;

export interface RemoveFileRequest {
  lease: string;
  path: string;
  recursive: boolean;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const RemoveFileRequest: MessageType<RemoveFileRequest>;

export interface RemoveFileResponse {
}
export const RemoveFileResponse: MessageType<RemoveFileResponse>;

export interface WriteArchiveRequest {
  lease: string;
  /** the directory to unpack into */
  path: string;
  /** at most 256 KiB */
  data: Uint8Array;
  /** this is not the last call */
  more: boolean;
  /** from the first call's answer, in all that follow it; then path is ignored */
  upload: string;
  /** of data's first byte in the archive */
  offset: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const WriteArchiveRequest: MessageType<WriteArchiveRequest>;

export interface WriteArchiveResponse {
  /** with more. What waits for its next call for more than 60 s is given up */
  upload: string;
  /** of the next byte that is expected */
  offset: number;
  /** unpacked, with the last call */
  files: number;
}
export const WriteArchiveResponse: MessageType<WriteArchiveResponse>;

export interface ReadArchiveRequest {
  lease: string;
  path: string;
  /** as in ExecuteRequest */
  windowBytes: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const ReadArchiveRequest: MessageType<ReadArchiveRequest>;

export interface ReleaseRequest {
  lease: string;
}
export const ReleaseRequest: MessageType<ReleaseRequest>;

export interface ReleaseResponse {
}
export const ReleaseResponse: MessageType<ReleaseResponse>;

export interface RenewRequest {
  lease: string;
  /** how long the lease lasts without use from now on, over the server's limit: that limit; */
  ttlMs: number;
}
export const RenewRequest: MessageType<RenewRequest>;

export interface RenewResponse {
  /** the time left: the lease ends then, if it is not used until then */
  ttlMs: number;
}
export const RenewResponse: MessageType<RenewResponse>;

export interface StatsRequest {
}
export const StatsRequest: MessageType<StatsRequest>;

export interface WatchStatsRequest {
  /** between two snapshots; 0: 1000; less than 100: 100 */
  intervalMs: number;
}
export const WatchStatsRequest: MessageType<WatchStatsRequest>;

export interface StatsResponse {
  /** "berth/0.1.0" */
  server: string;
  uptimeMs: number;
  /** "docker" or "runc" */
  runtime: string;
  /** open now, this one included */
  connections: number;
  /** running now */
  executions: number;
  /** as configured, then those that no longer are and still have members */
  pools: PoolStats[];
  /** what all members' limits together may reach */
  memoryBudgetBytes: number;
  /** the sum of the members' limits now */
  memoryUsedBytes: number;
  /** the server's own memory that is held for callers now: requests that wait, unfinished */
  heldBytes: number;
  /** frames, queues, rings */
  heldBudgetBytes: number;
}
export const StatsResponse: MessageType<StatsResponse>;

export interface PoolStats {
  name: string;
  image: string;
  /** members kept idle */
  target: number;
  /** members in all states together, at most */
  max: number;
  /** the states: starting + idle + leased + resetting + stopping are all members */
  starting: number;
  idle: number;
  leased: number;
  stopping: number;
  /** Acquires in line */
  waiters: number;
  /** of the first in line */
  oldestWaitMs: number;
  /** a create is wanted, and a limit is in its way */
  held: boolean;
  /** which limit */
  heldReason: string;
  breaker: BreakerState;
  /** class of the last failure: "image missing", "runtime unreachable", "out of memory", */
  cause: string;
  /** "invalid configuration", "not ready in time", "failed"; empty when closed */
  causeMessage: string;
  failuresInRow: number;
  /** with OPEN */
  nextTryInMs: number;
  /** tried since the start */
  creates: number;
  createFailures: number;
  /** handed out since the start */
  leases: number;
  /** members gone since the start */
  destroyed: number;
  /** released, and being made as new */
  resetting: number;
  /** those of idle that were made like an earlier configuration says; they go as new ones */
  outdated: number;
  /** get warm */
  draining: boolean;
  /** resets since the start that ended in a clean member */
  recycled: number;
  /** members given up since the start, by reason; reasons with none are left out: */
  retired: { [key: string]: number };
  /** "released", "lease expired", "connection closed", "died", "age", "idle", "uses", "unhealthy", "reset failed", "surplus", "reconfigured", "draining" */
  acquireP50Us: number;
  /** quantiles in microseconds, at most 25 % too high; those that got no member are not */
  acquireP90Us: number;
  /** in them; 0 before the first */
  acquireP99Us: number;
  /** Acquires, as the target of a pool that follows demand is computed from them */
  arrivalsPerSecond: number;
  /** what a create takes, recent ones mostly; 0 before the first */
  createUs: number;
}
export const PoolStats: MessageType<PoolStats>;

export interface ResetBackoffRequest {
  /** empty: all pools */
  pool: string;
}
export const ResetBackoffRequest: MessageType<ResetBackoffRequest>;

export interface ResetBackoffResponse {
  /** those whose breaker was not closed, and now is */
  pools: string[];
}
export const ResetBackoffResponse: MessageType<ResetBackoffResponse>;

export interface ResizeRequest {
  /** always named, also the default one */
  pool: string;
  /** members kept idle; makes the size of a pool that follows demand fixed */
  size?: number;
  /** members in all states together, at most; 1 or more */
  max?: number;
}
export const ResizeRequest: MessageType<ResizeRequest>;

export interface ResizeResponse {
  /** as they are now */
  size: number;
  max: number;
}
export const ResizeResponse: MessageType<ResizeResponse>;

export interface DrainRequest {
  /** always named, also the default one */
  pool: string;
}
export const DrainRequest: MessageType<DrainRequest>;

export interface DrainResponse {
  /** leases that go on; ListMembers and Stats show when they have ended */
  leased: number;
}
export const DrainResponse: MessageType<DrainResponse>;

export interface ListMembersRequest {
  /** empty: all pools */
  pool: string;
}
export const ListMembersRequest: MessageType<ListMembersRequest>;

export interface ListMembersResponse {
  members: Member[];
}
export const ListMembersResponse: MessageType<ListMembersResponse>;

export interface Member {
  /** the member's name, as in AcquireResponse and in the server's log */
  id: string;
  pool: string;
  state: MemberState;
  /** since it got ready; 0 before */
  ageMs: number;
  /** how often it was leased */
  uses: number;
  /** it was made like an earlier configuration says */
  outdated: boolean;
}
export const Member: MessageType<Member>;
