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
  /** time left for the call in nanoseconds; 0: no deadline */
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

/** google.rpc.Status, repeated here so that no other .proto file is needed. */
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

/** google.rpc.ErrorInfo. It is in `details`, with the type URL "type.googleapis.com/google.rpc.ErrorInfo". */
export interface ErrorInfo {
  /** UPPER_SNAKE_CASE; from Berth: the name of a berth.v1.ErrorReason */
  reason: string;
  /** who defines the reason: "berth.dev" */
  domain: string;
  metadata: { [key: string]: string };
}
export const ErrorInfo: MessageType<ErrorInfo>;

/** The reason of a failure, more precise than its code. google.rpc.ErrorInfo.reason holds its name. Reasons may be added. */
export type ErrorReason = number;
export const ErrorReason: {
  readonly ERROR_REASON_UNSPECIFIED: 0;
  /** Files: */
  readonly NO_SUCH_FILE: 1;
  /** FAILED_PRECONDITION */
  readonly IS_A_DIRECTORY: 2;
  /** FAILED_PRECONDITION: the path, or a component of it, is not a directory */
  readonly NOT_A_DIRECTORY: 3;
  /** FAILED_PRECONDITION */
  readonly ALREADY_EXISTS: 4;
  /** FAILED_PRECONDITION */
  readonly DIRECTORY_NOT_EMPTY: 5;
  /** FAILED_PRECONDITION: a device, a pipe or a socket */
  readonly NOT_A_FILE: 6;
  /** PERMISSION_DENIED: the place cannot be written to */
  readonly READ_ONLY: 7;
  /** PERMISSION_DENIED: the path is outside the allowed places, or leads there */
  readonly OUTSIDE: 8;
  /** PERMISSION_DENIED: the user has no permission */
  readonly NOT_PERMITTED: 9;
  /** RESOURCE_EXHAUSTED */
  readonly NO_SPACE: 10;
  /** FAILED_PRECONDITION: the symbolic links form a loop */
  readonly TOO_MANY_LINKS: 11;
  /** INVALID_ARGUMENT */
  readonly NAME_TOO_LONG: 12;
  /** INVALID_ARGUMENT */
  readonly BAD_ARCHIVE: 13;
  /** Leases and executions: */
  readonly NO_SUCH_LEASE: 20;
  /** NOT_FOUND: it does not exist, or is no longer kept */
  readonly NO_SUCH_EXECUTION: 21;
  /** NOT_FOUND */
  readonly NO_SUCH_POOL: 22;
  /** RESOURCE_EXHAUSTED: executions in flight in one lease */
  readonly EXECUTION_LIMIT: 23;
  /** RESOURCE_EXHAUSTED: programs of one lease that left processes running */
  readonly BACKGROUND_LIMIT: 24;
  /** RESOURCE_EXHAUSTED: the pool's queue of waiting Acquires is full */
  readonly WAITER_LIMIT: 25;
  /** RESOURCE_EXHAUSTED: a maximum per client: leases and waiting Acquires, calls, watchers, connections */
  readonly CLIENT_LIMIT: 26;
  /** RESOURCE_EXHAUSTED: the server's memory for callers, or one client's share of it */
  readonly MEMORY_LIMIT: 27;
  /** RESOURCE_EXHAUSTED */
  readonly MESSAGE_TOO_LARGE: 28;
  /** FAILED_PRECONDITION: the standard input has ended */
  readonly INPUT_ENDED: 29;
  /** FAILED_PRECONDITION: bytes before this offset are missing */
  readonly INPUT_GAP: 30;
  /** FAILED_PRECONDITION: the execution has no terminal */
  readonly NO_TERMINAL: 31;
  /** UNAVAILABLE: creating members failed; metadata "retry_after_ms" is the time until the next try */
  readonly BREAKER_OPEN: 32;
  /** UNAVAILABLE */
  readonly SHUTTING_DOWN: 33;
  /** UNAVAILABLE */
  readonly DRAINING_POOL: 34;
  /** Contexts: */
  readonly NO_SUCH_CONTEXT: 35;
  /** RESOURCE_EXHAUSTED: contexts of one lease */
  readonly CONTEXT_LIMIT: 36;
  /** FAILED_PRECONDITION: a piece of code is running in it */
  readonly CONTEXT_BUSY: 37;
  /** FAILED_PRECONDITION: its interpreter is missing, too old, has ended, or can't be copied */
  readonly CONTEXT_START_FAILED: 38;
  /** Connections: */
  readonly CONNECTION_REFUSED: 40;
  /** FAILED_PRECONDITION: the path is not a stream socket */
  readonly NOT_A_SOCKET: 41;
  /** RESOURCE_EXHAUSTED: connections of one lease */
  readonly CONNECTION_LIMIT: 42;
  /** Who calls: */
  readonly UNKNOWN_CALLER: 50;
  /** PERMISSION_DENIED: the tenant does not have the role operator */
  readonly OPERATOR_ONLY: 51;
  /** RESOURCE_EXHAUSTED: metadata "limit" names which, "retry_after_ms" is the time until it may be tried again */
  readonly TENANT_LIMIT: 52;
};

export type OutputPolicy = number;
export const OutputPolicy: {
  /** the program continues; the rest is counted, not sent, and Ended has the count */
  readonly TRUNCATE_OUTPUT: 0;
  /** the program is ended: OUTPUT_LIMIT */
  readonly KILL_AT_LIMIT: 1;
};

export type Unwatched = number;
export const Unwatched: {
  /** the program continues; the last 1 MiB of each stream is kept, and Dropped reports the rest */
  readonly RUN_ON: 0;
  /** the program blocks when 1 MiB of unread output is kept; nothing is lost */
  readonly WAIT: 1;
};

export type OutputStream = number;
export const OutputStream: {
  readonly STDOUT: 0;
  readonly STDERR: 1;
  /** never in an Output: stands for Display, Failure and Prompt, whose `position` counts their bytes */
  readonly EVENTS: 2;
};

export type EndCause = number;
export const EndCause: {
  readonly END_CAUSE_UNSPECIFIED: 0;
  /** the program exited: exit_code */
  readonly EXITED: 1;
  /** a signal that Berth did not send ended it: signal */
  readonly SIGNALLED: 2;
  /** timeout_ms passed; exit_code or signal say how the program then ended */
  readonly TIMED_OUT: 3;
  /** the kernel killed it, or a child of it, at the container's memory limit */
  readonly OUT_OF_MEMORY: 4;
  /** it wrote more than max_output_bytes, with KILL_AT_LIMIT */
  readonly OUTPUT_LIMIT: 5;
  /** cancelled by Signal, the call's deadline, the end of its connection or of its lease */
  readonly CANCELLED: 6;
  /** the container died */
  readonly CONTAINER_LOST: 7;
  /** it never ran: start_failure and message say why */
  readonly START_FAILED: 8;
  /** the server is shutting down */
  readonly DRAINING: 9;
  /** it wrote nothing for idle_timeout_ms */
  readonly IDLE_TIMEOUT: 10;
  /** it used cpu_time_ms */
  readonly CPU_TIME_LIMIT: 11;
  /** its context had ended, or violated the protocol; message says which */
  readonly CONTEXT_LOST: 12;
  /** only for Connect: the other side reset the connection; bytes in flight may be lost */
  readonly CONNECTION_RESET: 13;
};

export type StartFailure = number;
export const StartFailure: {
  readonly START_FAILURE_UNSPECIFIED: 0;
  /** a shell would say 127 */
  readonly PROGRAM_NOT_FOUND: 1;
  /** a shell would say 126 */
  readonly PROGRAM_NOT_EXECUTABLE: 2;
  /** the working directory does not exist, or can't be entered */
  readonly BAD_CWD: 3;
  /** the container has no process or memory left */
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
  /** members are created as needed */
  readonly CLOSED: 0;
  /** no member is created until next_try_in_ms */
  readonly OPEN: 1;
  /** one create is tried */
  readonly HALF_OPEN: 2;
};

export type MemberState = number;
export const MemberState: {
  readonly MEMBER_STATE_UNSPECIFIED: 0;
  readonly STARTING: 1;
  readonly IDLE: 2;
  readonly LEASED: 3;
  /** released, being reset */
  readonly RESETTING: 4;
  /** being removed; counts until the runtime has confirmed the removal */
  readonly STOPPING: 5;
};

export interface HelloRequest {
  /** the client's name for the server's log: "name/version" */
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
  /** the longest wait if no member is warm; 0: the server's default (30 s) */
  waitMs: number;
  /** the lease does not end with its connection */
  detached: boolean;
  /** time to live without use; 0, or over the server's limit: that limit (5 min) */
  ttlMs: number;
}
export const AcquireRequest: MessageType<AcquireRequest>;

export interface AcquireResponse {
  /** the lease's token; keep it secret: everyone who knows it can use the lease */
  lease: string;
  /** the member's name, for logs */
  member: string;
  /** time to live without use */
  ttlMs: number;
  /** the member was idle; false: the call waited for it */
  warm: boolean;
}
export const AcquireResponse: MessageType<AcquireResponse>;

export interface ExecuteRequest {
  /** Where: in a lease; or, if lease is empty, in a member that is acquired from the pool for this execution and released after it. */
  lease: string;
  /** without a lease: the pool's name; empty: the default pool */
  pool: string;
  /** without a lease: as in AcquireRequest */
  waitMs: number;
  /** What: argv, shell or code. */
  argv: string[];
  /** instead of argv: a line for the container's /bin/sh */
  shell: string;
  /** instead of argv: source text in `language`, at most 128 KiB less 1 byte; in a context at */
  code: string;
  /** most 1 MiB */
  language: string;
  /** exist */
  env: { [key: string]: string };
  /** working directory, absolute; empty: the pool's (/workspace) */
  cwd: string;
  /** instead of argv: arguments that are not UTF-8 */
  argvRaw: Uint8Array[];
  /** "NAME=value" each, added after env: values that are not UTF-8 */
  envRaw: Uint8Array[];
  /** instead of cwd: a path that is not UTF-8 */
  cwdRaw: Uint8Array;
  /** with lease and code: the context that runs the code. Language, environment, working */
  context: string;
  /** directory, user and terminal are those of the context and must not be set here */
  uid: number;
  /** Standard input. Without keep_stdin_open and terminal, end of file follows `stdin`. */
  stdin: Uint8Array;
  /** Input sends more */
  keepStdinOpen: boolean;
  /** runs the program on a terminal: all output is STDOUT, and Input is what is typed */
  terminal?: Terminal;
  /** Limits of time. At a limit the program gets TERM, and after the grace period everything it started gets KILL. */
  timeoutMs: number;
  /** between TERM and KILL; 0: the server's default (2 s) */
  graceMs: number;
  /** longest time without output; 0: no limit */
  idleTimeoutMs: number;
  /** CPU time of everything it started; 0: no limit */
  cpuTimeMs: number;
  /** what the program leaves running continues until the lease ends; else it is killed */
  keepBackground: boolean;
  /** Output. */
  windowBytes: number;
  /** this maximum the program waits for the reader; other calls on the connection do not. No more than 60 events with output may be unacknowledged either, however small they are: so acknowledge after a number of events (30, for example) as well as after a number of bytes. 0: no window: the connection's own flow control applies, and a client that does not read blocks all executions of its connection */
  maxOutputBytes: number;
  /** what happens at max_output_bytes */
  outputPolicy: OutputPolicy;
  /** stdout and stderr share one pipe, so their order is kept: all output is STDOUT */
  mergeOutput: boolean;
  /** Without a watcher. */
  resumableMs: number;
  /** it; after its end, its result and last output are kept for this time. 0: it is cancelled, and not kept */
  unwatched: Unwatched;
}
export const ExecuteRequest: MessageType<ExecuteRequest>;

/** A terminal. Sizes are in characters; 0 means 24 rows and 80 columns. */
export interface Terminal {
  rows: number;
  columns: number;
  /** input is not echoed, from the first byte on */
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
  /** the execution's id, for all calls on it; secret, like a lease */
  execution: string;
  /** the member it runs in, for logs */
  member: string;
  /** this stream's number, for Acknowledge and Detach */
  watcher: number;
  /** the program was forked from an interpreter that had started before (interpreters) */
  warm: boolean;
}
export const Started: MessageType<Started>;

/** Bytes of a stream that this watcher does not get, because they were no longer held. */
export interface Dropped {
  stream: OutputStream;
  /** of the first of these bytes; the next Output of this stream begins at offset + bytes */
  offset: number;
  bytes: number;
}
export const Dropped: MessageType<Dropped>;

/** Something that a piece of code displays, in one or more formats. A display is always sent whole, and its size counts against the window. One that does not fit in the rest of the window is sent when less than a quarter of the window is unacknowledged. */
export interface Display {
  /** position after this event in the stream of events, for Acknowledge and Attach */
  position: number;
  /** the same content in each format */
  data: MimeData[];
  /** a later display can refer to it; empty: none */
  id: string;
  /** it replaces the displays with this id */
  update: boolean;
  /** it is the value of the piece's last expression */
  result: boolean;
  /** formats that were too large */
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

/** A format that was left out of a display because the display would have been larger than the server's max_display. */
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
  /** lines to show to people, without line feeds, the innermost call last */
  traceback: string[];
}
export const Failure: MessageType<Failure>;

/** A piece of code waits for a line on its standard input. Answer with Input, "\n" included. */
export interface Prompt {
  /** as in Display */
  position: number;
  /** the question */
  text: string;
  /** the input must not be shown */
  password: boolean;
}
export const Prompt: MessageType<Prompt>;

export interface Output {
  stream: OutputStream;
  /** of data's first byte in this stream; there are no gaps except those that Dropped reports */
  offset: number;
  /** at most 32 KiB (ConnectRequest.max_piece_bytes), never empty */
  data: Uint8Array;
}
export const Output: MessageType<Output>;

/** Only for Connect: the other side has ended its direction; the client may still send. Follows the last Output. */
export interface OutputEnded {
  /** STDOUT */
  stream: OutputStream;
  /** how many bytes were received in all */
  offset: number;
}
export const OutputEnded: MessageType<OutputEnded>;

export interface Ended {
  cause: EndCause;
  /** 0 to 255, if it exited */
  exitCode: number;
  /** number of the signal that ended it; else 0 */
  signal: number;
  /** the cause in words; empty if there is nothing to add */
  message: string;
  startFailure: StartFailure;
  usage?: Usage;
  /** all bytes that the program wrote */
  stdoutBytes: number;
  stderrBytes: number;
  /** of these: not sent, since they were over max_output_bytes or nobody watched any more */
  stdoutTruncated: number;
  stderrTruncated: number;
  /** processes of the container that the kernel killed at its memory limit in this time */
  outOfMemoryKills: number;
  /** only for a piece of code: its context ended too. Then exit_code or signal are the */
  contextLost: boolean;
}
export const Ended: MessageType<Ended>;

export interface Usage {
  /** from fork to the end of the program */
  wallUs: number;
  /** CPU time in user mode, including children it waited for */
  userUs: number;
  /** CPU time in the kernel */
  systemUs: number;
  /** the largest resident set of any one of its processes */
  peakMemoryBytes: number;
}
export const Usage: MessageType<Usage>;

export interface AttachRequest {
  lease: string;
  /** from Started */
  execution: string;
  /** where to continue: how much of each stream the caller has */
  stdoutOffset: number;
  stderrOffset: number;
  /** instead of offsets: only output from now on */
  fromNow: boolean;
  /** as in ExecuteRequest */
  windowBytes: number;
  /** an observer never slows the program: if it is too slow, it misses output, which Dropped */
  observe: boolean;
  /** reports. It does not count as a watcher when the last watcher is gone */
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
  /** all bytes before it were consumed; a lower offset than before changes nothing */
  stdoutOffset: number;
  stderrOffset: number;
  /** position of the last Display, Failure or Prompt that was consumed */
  eventsPosition: number;
}
export const AcknowledgeRequest: MessageType<AcknowledgeRequest>;

export interface AcknowledgeResponse {
}
export const AcknowledgeResponse: MessageType<AcknowledgeResponse>;

export interface InputRequest {
  lease: string;
  execution: string;
  /** of data's first byte in the standard input, where ExecuteRequest.stdin counts too */
  offset: number;
  /** at most 256 KiB */
  data: Uint8Array;
  /** end of file follows; on a terminal, its end-of-file character (Ctrl-D) */
  end: boolean;
}
export const InputRequest: MessageType<InputRequest>;

export interface InputResponse {
  /** offset of the next byte that is expected */
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
  /** instead of a signal: ends the execution with TERM, a grace period, and KILL of everything */
  cancel: boolean;
  /** it started */
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
  /** oldest first */
  executions: ExecutionInfo[];
}
export const ListExecutionsResponse: MessageType<ListExecutionsResponse>;

export interface ExecutionInfo {
  execution: string;
  /** shortened if it is long */
  argv: string[];
  /** since it was requested */
  ageMs: number;
  watchers: number;
  /** received from it so far */
  stdoutBytes: number;
  stderrBytes: number;
  /** output from this offset on is still held for Attach */
  stdoutHeldFrom: number;
  stderrHeldFrom: number;
  resumableMs: number;
  /** absent while it runs */
  ended?: Ended;
  /** argv, if it is not UTF-8 */
  argvRaw: Uint8Array[];
  /** the context it runs in; then argv is the language and the code */
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
  /** 1 to 65535, of 127.0.0.1, or of ::1 if nothing listens on 127.0.0.1 */
  port: number;
  /** the longest wait until something listens there; 0: no wait */
  waitMs: number;
  /** Limits of time. At a limit the connection is closed. */
  timeoutMs: number;
  /** longest time without bytes in either direction; 0: no limit */
  idleTimeoutMs: number;
  /** as in ExecuteRequest; here the sender in the container waits for a slow reader */
  windowBytes: number;
  /** as in ExecuteRequest; without a watcher the other side waits, and nothing is lost */
  resumableMs: number;
  /** most bytes of one Output that the client takes, up to 64 KiB; less than 32 KiB counts as that */
  maxPieceBytes: number;
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
  /** its id, for all calls on it */
  context: string;
  /** of the interpreter: "3.11.2"; empty if unknown */
  version: string;
  /** it was forked from an interpreter that had started before (interpreters) */
  warm: boolean;
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
  /** oldest first */
  contexts: ContextInfo[];
}
export const ListContextsResponse: MessageType<ListContextsResponse>;

export interface ContextInfo {
  context: string;
  language: string;
  /** of the interpreter */
  version: string;
  /** since it was requested */
  ageMs: number;
  /** number of pieces run in it, including the running one */
  pieces: number;
  /** the piece that is running; empty: none */
  execution: string;
}
export const ContextInfo: MessageType<ContextInfo>;

export interface CompleteRequest {
  lease: string;
  context: string;
  /** at most 1 MiB */
  code: string;
  /** position in code, in bytes of UTF-8 */
  cursor: number;
}
export const CompleteRequest: MessageType<CompleteRequest>;

export interface CompleteResponse {
  /** each can replace the text from start to end */
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
  /** position in code, in bytes of UTF-8 */
  cursor: number;
  /** with more detail: the source code, if there is any */
  detail: boolean;
}
export const InspectRequest: MessageType<InspectRequest>;

export interface InspectResponse {
  found: boolean;
  /** the description, in one or more formats */
  data: MimeData[];
}
export const InspectResponse: MessageType<InspectResponse>;

export interface FileInfo {
  /** in its directory; in ReadFile: the requested path */
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
  /** for a link: its target as stored */
  linkTarget: Uint8Array;
  /** the name, if it is not UTF-8 */
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
  /** makes missing parent directories */
  createParents: boolean;
  /** more calls follow */
  more: boolean;
  /** in all calls after the first: from the first call's answer; then path and mode are ignored */
  upload: string;
  /** of data's first byte in the file; a lost call can be repeated */
  offset: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const WriteFileRequest: MessageType<WriteFileRequest>;

export interface WriteFileResponse {
  /** set if more calls follow. An upload without a call for 60 s is discarded */
  upload: string;
  /** offset of the next byte that is expected */
  offset: number;
}
export const WriteFileResponse: MessageType<WriteFileResponse>;

export interface ReadFileRequest {
  lease: string;
  path: string;
  /** first byte to read */
  offset: number;
  /** maximum number of bytes; 0: all to the end */
  length: number;
  /** as in ExecuteRequest */
  windowBytes: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const ReadFileRequest: MessageType<ReadFileRequest>;

export interface FileEvent {
  start?: FileStart;
  /** STDOUT; offset counts from the first byte sent, not from the start of the file */
  output?: Output;
  end?: FileEnd;
}
export const FileEvent: MessageType<FileEvent>;

export interface FileStart {
  /** for Acknowledge, Detach and Signal */
  execution: string;
  watcher: number;
  /** only in ReadFile */
  info?: FileInfo;
}
export const FileStart: MessageType<FileStart>;

export interface FileEnd {
  /** number of bytes sent */
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
  /** a part of the entries; a large directory comes in several responses */
  entries: FileInfo[];
}
export const ListDirectoryResponse: MessageType<ListDirectoryResponse>;

export interface StatRequest {
  lease: string;
  path: string;
  /** follows a link */
  follow: boolean;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const StatRequest: MessageType<StatRequest>;

export interface StatResponse {
  /** its name is the requested path */
  info?: FileInfo;
}
export const StatResponse: MessageType<StatResponse>;

export interface MakeDirectoryRequest {
  lease: string;
  path: string;
  /** permission bits; 0: 0755 */
  mode: number;
  /** makes missing parent directories; the directory may exist */
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
  /** FAILED_PRECONDITION (ALREADY_EXISTS) if the new path exists */
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
  /** more calls follow */
  more: boolean;
  /** in all calls after the first: from the first call's answer; then path is ignored */
  upload: string;
  /** of data's first byte in the archive */
  offset: number;
  /** instead of path: one that is not UTF-8 */
  pathRaw: Uint8Array;
}
export const WriteArchiveRequest: MessageType<WriteArchiveRequest>;

export interface WriteArchiveResponse {
  /** set if more calls follow. An upload without a call for 60 s is discarded */
  upload: string;
  /** offset of the next byte that is expected */
  offset: number;
  /** in the last call's answer: number of files unpacked */
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
  /** time to live without use, from now on; over the server's limit: that limit; 0: as before */
  ttlMs: number;
}
export const RenewRequest: MessageType<RenewRequest>;

export interface RenewResponse {
  /** time left until the lease ends, if it is not used */
  ttlMs: number;
}
export const RenewResponse: MessageType<RenewResponse>;

export interface StatsRequest {
}
export const StatsRequest: MessageType<StatsRequest>;

export interface WatchStatsRequest {
  /** between two snapshots; 0 means 1000; less than 100 means 100 */
  intervalMs: number;
}
export const WatchStatsRequest: MessageType<WatchStatsRequest>;

export interface StatsResponse {
  /** "berth/0.1.0" */
  server: string;
  uptimeMs: number;
  /** "docker", "podman", "native", "runc" or "kubernetes" */
  runtime: string;
  /** open now, this one included */
  connections: number;
  /** running now */
  executions: number;
  /** the configured pools, then removed ones that still have members */
  pools: PoolStats[];
  /** maximum of memory_used_bytes */
  memoryBudgetBytes: number;
  /** sum of the memory limits of all members */
  memoryUsedBytes: number;
  /** the server's own memory in use for callers: waiting requests, unfinished frames, */
  heldBytes: number;
  /** queues, ring buffers */
  heldBudgetBytes: number;
  /** of the pools' limits, what this server can't hold ("memory", "processes", "cpus"), and */
  unheldLimits: string[];
}
export const StatsResponse: MessageType<StatsResponse>;

export interface PoolStats {
  name: string;
  image: string;
  /** number of idle members that the pool keeps */
  target: number;
  /** maximum of members in all states together */
  max: number;
  /** members by state: starting + idle + leased + resetting + stopping are all */
  starting: number;
  idle: number;
  leased: number;
  stopping: number;
  /** queued Acquires */
  waiters: number;
  /** of the first queued Acquire */
  oldestWaitMs: number;
  /** the pool is throttled: it would create a member, but a limit prevents it */
  held: boolean;
  /** the limit */
  heldReason: string;
  breaker: BreakerState;
  /** kind of the last failure: "image missing", "runtime unreachable", "out of memory", */
  cause: string;
  /** "invalid configuration", "not ready in time", "failed"; empty when closed */
  causeMessage: string;
  failuresInRow: number;
  /** with OPEN */
  nextTryInMs: number;
  /** attempts since the server started */
  creates: number;
  createFailures: number;
  /** granted since the server started */
  leases: number;
  /** members removed since the server started */
  destroyed: number;
  /** released, being reset */
  resetting: number;
  /** idle members made from an earlier configuration; they are replaced as new ones get warm */
  outdated: number;
  /** Acquires are refused, and no member is created */
  draining: boolean;
  /** successful resets since the server started */
  recycled: number;
  /** members retired since the server started, by reason, reasons with 0 left out: */
  retired: { [key: string]: number };
  /** "released", "lease expired", "connection closed", "died", "age", "idle", "uses", "unhealthy", "reset failed", "surplus", "reconfigured", "draining", "evicted" */
  acquireP50Us: number;
  /** in microseconds, at most 25 % too high; Acquires that got no member are not counted; */
  acquireP90Us: number;
  /** 0 before the first */
  acquireP99Us: number;
  /** rate of Acquires, from which a pool that follows demand computes its target */
  arrivalsPerSecond: number;
  /** duration of a create, weighted to recent ones; 0 before the first */
  createUs: number;
}
export const PoolStats: MessageType<PoolStats>;

export interface QuotaRequest {
  /** empty: the caller's own; another's is for operators */
  tenant: string;
  /** all tenants, for operators */
  all: boolean;
}
export const QuotaRequest: MessageType<QuotaRequest>;

export interface QuotaResponse {
  tenants: TenantQuota[];
}
export const QuotaResponse: MessageType<QuotaResponse>;

export interface TenantQuota {
  tenant: string;
  /** "user" or "operator" */
  role: string;
  /** that it may use, its default pool first */
  pools: string[];
  limits: QuotaLimit[];
  /** maximum of the time-outs that its requests may set */
  maxTimeoutMs: number;
}
export const TenantQuota: MessageType<TenantQuota>;

export interface QuotaLimit {
  /** as in the server's configuration: "max_leases", "cpu_seconds_per_day" … */
  name: string;
  used: number;
  /** 0: unlimited */
  limit: number;
  /** time until `used` is 0 again; 0: it falls as something ends */
  resetsInMs: number;
}
export const QuotaLimit: MessageType<QuotaLimit>;

export interface ResetBackoffRequest {
  /** empty: all pools */
  pool: string;
}
export const ResetBackoffRequest: MessageType<ResetBackoffRequest>;

export interface ResetBackoffResponse {
  /** pools whose breaker was open and is now closed */
  pools: string[];
}
export const ResetBackoffResponse: MessageType<ResetBackoffResponse>;

export interface ResizeRequest {
  /** required, also for the default pool */
  pool: string;
  /** idle members to keep; a pool that follows demand gets a fixed size */
  size?: number;
  /** maximum of members in all states together; 1 or more */
  max?: number;
}
export const ResizeRequest: MessageType<ResizeRequest>;

export interface ResizeResponse {
  /** the values in effect */
  size: number;
  max: number;
}
export const ResizeResponse: MessageType<ResizeResponse>;

export interface DrainRequest {
  /** required, also for the default pool */
  pool: string;
}
export const DrainRequest: MessageType<DrainRequest>;

export interface DrainResponse {
  /** leases that continue; ListMembers and Stats show when they have ended */
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
  /** since it became ready; 0 before that */
  ageMs: number;
  /** number of leases so far */
  uses: number;
  /** it was made from an earlier configuration */
  outdated: boolean;
}
export const Member: MessageType<Member>;
