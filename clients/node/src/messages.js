// Generated from proto/ by ./generate. Do not edit.

import { message } from "./codec.js";

export const Request = message("ttrpc.Request", [
  [1, "service", "string"],
  [2, "method", "string"],
  [3, "payload", "bytes"],
  [4, "timeoutNano", "int64"],
  [5, "metadata", () => KeyValue, "repeated"],
]);

export const Response = message("ttrpc.Response", [
  [1, "status", () => Status, "optional"],
  [2, "payload", "bytes"],
]);

export const KeyValue = message("ttrpc.KeyValue", [
  [1, "key", "string"],
  [2, "value", "string"],
]);

export const Status = message("ttrpc.Status", [
  [1, "code", "int32"],
  [2, "message", "string"],
  [3, "details", () => Any, "repeated"],
]);

export const Any = message("ttrpc.Any", [
  [1, "typeUrl", "string"],
  [2, "value", "bytes"],
]);

export const ErrorInfo = message("ttrpc.ErrorInfo", [
  [1, "reason", "string"],
  [2, "domain", "string"],
  [3, "metadata", "string", "map"],
]);

export const ErrorReason = Object.freeze({ ERROR_REASON_UNSPECIFIED: 0, NO_SUCH_FILE: 1, IS_A_DIRECTORY: 2, NOT_A_DIRECTORY: 3, ALREADY_EXISTS: 4, DIRECTORY_NOT_EMPTY: 5, NOT_A_FILE: 6, READ_ONLY: 7, OUTSIDE: 8, NOT_PERMITTED: 9, NO_SPACE: 10, TOO_MANY_LINKS: 11, NAME_TOO_LONG: 12, BAD_ARCHIVE: 13, NO_SUCH_LEASE: 20, NO_SUCH_EXECUTION: 21, NO_SUCH_POOL: 22, EXECUTION_LIMIT: 23, BACKGROUND_LIMIT: 24, WAITER_LIMIT: 25, CLIENT_LIMIT: 26, MEMORY_LIMIT: 27, MESSAGE_TOO_LARGE: 28, INPUT_ENDED: 29, INPUT_GAP: 30, NO_TERMINAL: 31, BREAKER_OPEN: 32, SHUTTING_DOWN: 33, DRAINING_POOL: 34, NO_SUCH_CONTEXT: 35, CONTEXT_LIMIT: 36, CONTEXT_BUSY: 37, CONTEXT_START_FAILED: 38, CONNECTION_REFUSED: 40, NOT_A_SOCKET: 41, CONNECTION_LIMIT: 42, UNKNOWN_CALLER: 50, OPERATOR_ONLY: 51, TENANT_LIMIT: 52 });

export const OutputPolicy = Object.freeze({ TRUNCATE_OUTPUT: 0, KILL_AT_LIMIT: 1 });

export const Unwatched = Object.freeze({ RUN_ON: 0, WAIT: 1 });

export const OutputStream = Object.freeze({ STDOUT: 0, STDERR: 1, EVENTS: 2 });

export const EndCause = Object.freeze({ END_CAUSE_UNSPECIFIED: 0, EXITED: 1, SIGNALLED: 2, TIMED_OUT: 3, OUT_OF_MEMORY: 4, OUTPUT_LIMIT: 5, CANCELLED: 6, CONTAINER_LOST: 7, START_FAILED: 8, DRAINING: 9, IDLE_TIMEOUT: 10, CPU_TIME_LIMIT: 11, CONTEXT_LOST: 12, CONNECTION_RESET: 13 });

export const StartFailure = Object.freeze({ START_FAILURE_UNSPECIFIED: 0, PROGRAM_NOT_FOUND: 1, PROGRAM_NOT_EXECUTABLE: 2, BAD_CWD: 3, NO_RESOURCES: 4 });

export const FileType = Object.freeze({ FILE_TYPE_UNSPECIFIED: 0, REGULAR: 1, DIRECTORY: 2, SYMBOLIC_LINK: 3, OTHER: 4 });

export const BreakerState = Object.freeze({ CLOSED: 0, OPEN: 1, HALF_OPEN: 2 });

export const MemberState = Object.freeze({ MEMBER_STATE_UNSPECIFIED: 0, STARTING: 1, IDLE: 2, LEASED: 3, RESETTING: 4, STOPPING: 5 });

export const HelloRequest = message("berth.v1.HelloRequest", [
  [1, "client", "string"],
]);

export const HelloResponse = message("berth.v1.HelloResponse", [
  [1, "server", "string"],
  [2, "pools", "string", "repeated"],
]);

export const AcquireRequest = message("berth.v1.AcquireRequest", [
  [1, "pool", "string"],
  [2, "waitMs", "uint32"],
  [3, "detached", "bool"],
  [4, "ttlMs", "uint32"],
]);

export const AcquireResponse = message("berth.v1.AcquireResponse", [
  [1, "lease", "string"],
  [2, "member", "string"],
  [3, "ttlMs", "uint32"],
  [4, "warm", "bool"],
]);

export const ExecuteRequest = message("berth.v1.ExecuteRequest", [
  [1, "lease", "string"],
  [2, "pool", "string"],
  [3, "waitMs", "uint32"],
  [4, "argv", "string", "repeated"],
  [21, "shell", "string"],
  [22, "code", "string"],
  [23, "language", "string"],
  [5, "env", "string", "map"],
  [6, "cwd", "string"],
  [27, "argvRaw", "bytes", "repeated"],
  [24, "envRaw", "bytes", "repeated"],
  [25, "cwdRaw", "bytes"],
  [28, "context", "string"],
  [7, "uid", "uint32"],
  [8, "stdin", "bytes"],
  [11, "keepStdinOpen", "bool"],
  [12, "terminal", () => Terminal, "optional"],
  [9, "timeoutMs", "uint32"],
  [10, "graceMs", "uint32"],
  [16, "idleTimeoutMs", "uint32"],
  [17, "cpuTimeMs", "uint32"],
  [20, "keepBackground", "bool"],
  [13, "windowBytes", "uint64"],
  [14, "maxOutputBytes", "uint64"],
  [15, "outputPolicy", "enum"],
  [26, "mergeOutput", "bool"],
  [18, "resumableMs", "uint32"],
  [19, "unwatched", "enum"],
]);

export const Terminal = message("berth.v1.Terminal", [
  [1, "rows", "uint32"],
  [2, "columns", "uint32"],
  [3, "noEcho", "bool"],
]);

export const ExecuteEvent = message("berth.v1.ExecuteEvent", [
  [1, "started", () => Started, "optional"],
  [2, "output", () => Output, "optional"],
  [3, "ended", () => Ended, "optional"],
  [4, "dropped", () => Dropped, "optional"],
  [5, "display", () => Display, "optional"],
  [6, "failure", () => Failure, "optional"],
  [7, "prompt", () => Prompt, "optional"],
  [8, "outputEnded", () => OutputEnded, "optional"],
]);

export const Started = message("berth.v1.Started", [
  [1, "execution", "string"],
  [2, "member", "string"],
  [3, "watcher", "uint32"],
  [4, "warm", "bool"],
]);

export const Dropped = message("berth.v1.Dropped", [
  [1, "stream", "enum"],
  [2, "offset", "uint64"],
  [3, "bytes", "uint64"],
]);

export const Display = message("berth.v1.Display", [
  [1, "position", "uint64"],
  [2, "data", () => MimeData, "repeated"],
  [3, "id", "string"],
  [4, "update", "bool"],
  [5, "result", "bool"],
  [6, "leftOut", () => LeftOut, "repeated"],
]);

export const MimeData = message("berth.v1.MimeData", [
  [1, "mime", "string"],
  [2, "data", "bytes"],
]);

export const LeftOut = message("berth.v1.LeftOut", [
  [1, "mime", "string"],
  [2, "bytes", "uint64"],
]);

export const Failure = message("berth.v1.Failure", [
  [1, "position", "uint64"],
  [2, "name", "string"],
  [3, "message", "string"],
  [4, "traceback", "string", "repeated"],
]);

export const Prompt = message("berth.v1.Prompt", [
  [1, "position", "uint64"],
  [2, "text", "string"],
  [3, "password", "bool"],
]);

export const Output = message("berth.v1.Output", [
  [1, "stream", "enum"],
  [2, "offset", "uint64"],
  [3, "data", "bytes"],
]);

export const OutputEnded = message("berth.v1.OutputEnded", [
  [1, "stream", "enum"],
  [2, "offset", "uint64"],
]);

export const Ended = message("berth.v1.Ended", [
  [1, "cause", "enum"],
  [2, "exitCode", "int32"],
  [3, "signal", "int32"],
  [4, "message", "string"],
  [5, "startFailure", "enum"],
  [6, "usage", () => Usage, "optional"],
  [7, "stdoutBytes", "uint64"],
  [8, "stderrBytes", "uint64"],
  [9, "stdoutTruncated", "uint64"],
  [10, "stderrTruncated", "uint64"],
  [11, "outOfMemoryKills", "uint64"],
  [12, "contextLost", "bool"],
]);

export const Usage = message("berth.v1.Usage", [
  [1, "wallUs", "uint64"],
  [2, "userUs", "uint64"],
  [3, "systemUs", "uint64"],
  [4, "peakMemoryBytes", "uint64"],
]);

export const AttachRequest = message("berth.v1.AttachRequest", [
  [1, "lease", "string"],
  [2, "execution", "string"],
  [3, "stdoutOffset", "uint64"],
  [4, "stderrOffset", "uint64"],
  [5, "fromNow", "bool"],
  [6, "windowBytes", "uint64"],
  [7, "observe", "bool"],
  [8, "eventsPosition", "uint64"],
]);

export const DetachRequest = message("berth.v1.DetachRequest", [
  [1, "lease", "string"],
  [2, "execution", "string"],
  [3, "watcher", "uint32"],
]);

export const DetachResponse = message("berth.v1.DetachResponse", [
]);

export const AcknowledgeRequest = message("berth.v1.AcknowledgeRequest", [
  [1, "lease", "string"],
  [2, "execution", "string"],
  [3, "watcher", "uint32"],
  [4, "stdoutOffset", "uint64"],
  [5, "stderrOffset", "uint64"],
  [6, "eventsPosition", "uint64"],
]);

export const AcknowledgeResponse = message("berth.v1.AcknowledgeResponse", [
]);

export const InputRequest = message("berth.v1.InputRequest", [
  [1, "lease", "string"],
  [2, "execution", "string"],
  [3, "offset", "uint64"],
  [4, "data", "bytes"],
  [5, "end", "bool"],
]);

export const InputResponse = message("berth.v1.InputResponse", [
  [1, "offset", "uint64"],
]);

export const SignalRequest = message("berth.v1.SignalRequest", [
  [1, "lease", "string"],
  [2, "execution", "string"],
  [3, "signal", "int32"],
  [4, "name", "string"],
  [5, "cancel", "bool"],
  [6, "graceMs", "uint32"],
]);

export const SignalResponse = message("berth.v1.SignalResponse", [
]);

export const ResizeTerminalRequest = message("berth.v1.ResizeTerminalRequest", [
  [1, "lease", "string"],
  [2, "execution", "string"],
  [3, "terminal", () => Terminal, "optional"],
]);

export const ResizeTerminalResponse = message("berth.v1.ResizeTerminalResponse", [
]);

export const ListExecutionsRequest = message("berth.v1.ListExecutionsRequest", [
  [1, "lease", "string"],
]);

export const ListExecutionsResponse = message("berth.v1.ListExecutionsResponse", [
  [1, "executions", () => ExecutionInfo, "repeated"],
]);

export const ExecutionInfo = message("berth.v1.ExecutionInfo", [
  [1, "execution", "string"],
  [2, "argv", "string", "repeated"],
  [3, "ageMs", "uint64"],
  [4, "watchers", "uint32"],
  [5, "stdoutBytes", "uint64"],
  [6, "stderrBytes", "uint64"],
  [7, "stdoutHeldFrom", "uint64"],
  [8, "stderrHeldFrom", "uint64"],
  [9, "resumableMs", "uint32"],
  [10, "ended", () => Ended, "optional"],
  [11, "argvRaw", "bytes", "repeated"],
  [12, "context", "string"],
  [13, "eventsHeldFrom", "uint64"],
]);

export const ConnectRequest = message("berth.v1.ConnectRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "pathRaw", "bytes"],
  [4, "port", "uint32"],
  [5, "waitMs", "uint32"],
  [6, "timeoutMs", "uint32"],
  [7, "idleTimeoutMs", "uint32"],
  [8, "windowBytes", "uint64"],
  [9, "resumableMs", "uint32"],
  [10, "maxPieceBytes", "uint32"],
]);

export const OpenContextRequest = message("berth.v1.OpenContextRequest", [
  [1, "lease", "string"],
  [2, "language", "string"],
  [3, "cwd", "string"],
  [4, "env", "string", "map"],
  [5, "uid", "uint32"],
  [6, "envRaw", "bytes", "repeated"],
  [7, "cwdRaw", "bytes"],
]);

export const OpenContextResponse = message("berth.v1.OpenContextResponse", [
  [1, "context", "string"],
  [2, "version", "string"],
  [3, "warm", "bool"],
]);

export const CloseContextRequest = message("berth.v1.CloseContextRequest", [
  [1, "lease", "string"],
  [2, "context", "string"],
]);

export const CloseContextResponse = message("berth.v1.CloseContextResponse", [
]);

export const ForkContextRequest = message("berth.v1.ForkContextRequest", [
  [1, "lease", "string"],
  [2, "context", "string"],
]);

export const ForkContextResponse = message("berth.v1.ForkContextResponse", [
  [1, "context", "string"],
  [2, "version", "string"],
]);

export const ListContextsRequest = message("berth.v1.ListContextsRequest", [
  [1, "lease", "string"],
]);

export const ListContextsResponse = message("berth.v1.ListContextsResponse", [
  [1, "contexts", () => ContextInfo, "repeated"],
]);

export const ContextInfo = message("berth.v1.ContextInfo", [
  [1, "context", "string"],
  [2, "language", "string"],
  [3, "version", "string"],
  [4, "ageMs", "uint64"],
  [5, "pieces", "uint64"],
  [6, "execution", "string"],
]);

export const CompleteRequest = message("berth.v1.CompleteRequest", [
  [1, "lease", "string"],
  [2, "context", "string"],
  [3, "code", "string"],
  [4, "cursor", "uint64"],
]);

export const CompleteResponse = message("berth.v1.CompleteResponse", [
  [1, "matches", "string", "repeated"],
  [2, "start", "uint64"],
  [3, "end", "uint64"],
]);

export const InspectRequest = message("berth.v1.InspectRequest", [
  [1, "lease", "string"],
  [2, "context", "string"],
  [3, "code", "string"],
  [4, "cursor", "uint64"],
  [5, "detail", "bool"],
]);

export const InspectResponse = message("berth.v1.InspectResponse", [
  [1, "found", "bool"],
  [2, "data", () => MimeData, "repeated"],
]);

export const FileInfo = message("berth.v1.FileInfo", [
  [1, "name", "string"],
  [2, "type", "enum"],
  [3, "size", "uint64"],
  [4, "mode", "uint32"],
  [5, "modifiedUs", "int64"],
  [6, "uid", "uint32"],
  [7, "gid", "uint32"],
  [8, "linkTarget", "bytes"],
  [9, "nameRaw", "bytes"],
]);

export const WriteFileRequest = message("berth.v1.WriteFileRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "data", "bytes"],
  [4, "mode", "uint32"],
  [5, "createParents", "bool"],
  [6, "more", "bool"],
  [7, "upload", "string"],
  [8, "offset", "uint64"],
  [9, "pathRaw", "bytes"],
]);

export const WriteFileResponse = message("berth.v1.WriteFileResponse", [
  [1, "upload", "string"],
  [2, "offset", "uint64"],
]);

export const ReadFileRequest = message("berth.v1.ReadFileRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "offset", "uint64"],
  [4, "length", "uint64"],
  [5, "windowBytes", "uint64"],
  [6, "pathRaw", "bytes"],
]);

export const FileEvent = message("berth.v1.FileEvent", [
  [1, "start", () => FileStart, "optional"],
  [2, "output", () => Output, "optional"],
  [3, "end", () => FileEnd, "optional"],
]);

export const FileStart = message("berth.v1.FileStart", [
  [1, "execution", "string"],
  [2, "watcher", "uint32"],
  [3, "info", () => FileInfo, "optional"],
]);

export const FileEnd = message("berth.v1.FileEnd", [
  [1, "bytes", "uint64"],
]);

export const ListDirectoryRequest = message("berth.v1.ListDirectoryRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "pathRaw", "bytes"],
]);

export const ListDirectoryResponse = message("berth.v1.ListDirectoryResponse", [
  [1, "entries", () => FileInfo, "repeated"],
]);

export const StatRequest = message("berth.v1.StatRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "follow", "bool"],
  [4, "pathRaw", "bytes"],
]);

export const StatResponse = message("berth.v1.StatResponse", [
  [1, "info", () => FileInfo, "optional"],
]);

export const MakeDirectoryRequest = message("berth.v1.MakeDirectoryRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "mode", "uint32"],
  [4, "parents", "bool"],
  [5, "pathRaw", "bytes"],
]);

export const MakeDirectoryResponse = message("berth.v1.MakeDirectoryResponse", [
]);

export const RenameFileRequest = message("berth.v1.RenameFileRequest", [
  [1, "lease", "string"],
  [2, "from", "string"],
  [3, "to", "string"],
  [4, "noReplace", "bool"],
  [5, "fromRaw", "bytes"],
  [6, "toRaw", "bytes"],
]);

export const RenameFileResponse = message("berth.v1.RenameFileResponse", [
]);

export const ChangeModeRequest = message("berth.v1.ChangeModeRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "mode", "uint32"],
  [4, "pathRaw", "bytes"],
]);

export const ChangeModeResponse = message("berth.v1.ChangeModeResponse", [
]);

export const RemoveFileRequest = message("berth.v1.RemoveFileRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "recursive", "bool"],
  [4, "pathRaw", "bytes"],
]);

export const RemoveFileResponse = message("berth.v1.RemoveFileResponse", [
]);

export const WriteArchiveRequest = message("berth.v1.WriteArchiveRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "data", "bytes"],
  [4, "more", "bool"],
  [5, "upload", "string"],
  [6, "offset", "uint64"],
  [7, "pathRaw", "bytes"],
]);

export const WriteArchiveResponse = message("berth.v1.WriteArchiveResponse", [
  [1, "upload", "string"],
  [2, "offset", "uint64"],
  [3, "files", "uint64"],
]);

export const ReadArchiveRequest = message("berth.v1.ReadArchiveRequest", [
  [1, "lease", "string"],
  [2, "path", "string"],
  [3, "windowBytes", "uint64"],
  [4, "pathRaw", "bytes"],
]);

export const ReleaseRequest = message("berth.v1.ReleaseRequest", [
  [1, "lease", "string"],
]);

export const ReleaseResponse = message("berth.v1.ReleaseResponse", [
]);

export const RenewRequest = message("berth.v1.RenewRequest", [
  [1, "lease", "string"],
  [2, "ttlMs", "uint32"],
]);

export const RenewResponse = message("berth.v1.RenewResponse", [
  [1, "ttlMs", "uint32"],
]);

export const StatsRequest = message("berth.v1.StatsRequest", [
]);

export const WatchStatsRequest = message("berth.v1.WatchStatsRequest", [
  [1, "intervalMs", "uint32"],
]);

export const StatsResponse = message("berth.v1.StatsResponse", [
  [1, "server", "string"],
  [2, "uptimeMs", "uint64"],
  [3, "runtime", "string"],
  [4, "connections", "uint32"],
  [5, "executions", "uint32"],
  [6, "pools", () => PoolStats, "repeated"],
  [7, "memoryBudgetBytes", "uint64"],
  [8, "memoryUsedBytes", "uint64"],
  [9, "heldBytes", "uint64"],
  [10, "heldBudgetBytes", "uint64"],
  [11, "unheldLimits", "string", "repeated"],
]);

export const PoolStats = message("berth.v1.PoolStats", [
  [1, "name", "string"],
  [2, "image", "string"],
  [3, "target", "uint32"],
  [4, "max", "uint32"],
  [5, "starting", "uint32"],
  [6, "idle", "uint32"],
  [7, "leased", "uint32"],
  [8, "stopping", "uint32"],
  [9, "waiters", "uint32"],
  [10, "oldestWaitMs", "uint64"],
  [11, "held", "bool"],
  [12, "heldReason", "string"],
  [13, "breaker", "enum"],
  [14, "cause", "string"],
  [15, "causeMessage", "string"],
  [16, "failuresInRow", "uint32"],
  [17, "nextTryInMs", "uint64"],
  [18, "creates", "uint64"],
  [19, "createFailures", "uint64"],
  [20, "leases", "uint64"],
  [21, "destroyed", "uint64"],
  [22, "resetting", "uint32"],
  [23, "outdated", "uint32"],
  [24, "draining", "bool"],
  [25, "recycled", "uint64"],
  [26, "retired", "uint64", "map"],
  [27, "acquireP50Us", "uint64"],
  [28, "acquireP90Us", "uint64"],
  [29, "acquireP99Us", "uint64"],
  [30, "arrivalsPerSecond", "double"],
  [31, "createUs", "uint64"],
]);

export const QuotaRequest = message("berth.v1.QuotaRequest", [
  [1, "tenant", "string"],
  [2, "all", "bool"],
]);

export const QuotaResponse = message("berth.v1.QuotaResponse", [
  [1, "tenants", () => TenantQuota, "repeated"],
]);

export const TenantQuota = message("berth.v1.TenantQuota", [
  [1, "tenant", "string"],
  [2, "role", "string"],
  [3, "pools", "string", "repeated"],
  [4, "limits", () => QuotaLimit, "repeated"],
  [5, "maxTimeoutMs", "uint64"],
]);

export const QuotaLimit = message("berth.v1.QuotaLimit", [
  [1, "name", "string"],
  [2, "used", "uint64"],
  [3, "limit", "uint64"],
  [4, "resetsInMs", "uint64"],
]);

export const ResetBackoffRequest = message("berth.v1.ResetBackoffRequest", [
  [1, "pool", "string"],
]);

export const ResetBackoffResponse = message("berth.v1.ResetBackoffResponse", [
  [1, "pools", "string", "repeated"],
]);

export const ResizeRequest = message("berth.v1.ResizeRequest", [
  [1, "pool", "string"],
  [2, "size", "uint32", "optional"],
  [3, "max", "uint32", "optional"],
]);

export const ResizeResponse = message("berth.v1.ResizeResponse", [
  [1, "size", "uint32"],
  [2, "max", "uint32"],
]);

export const DrainRequest = message("berth.v1.DrainRequest", [
  [1, "pool", "string"],
]);

export const DrainResponse = message("berth.v1.DrainResponse", [
  [1, "leased", "uint32"],
]);

export const ListMembersRequest = message("berth.v1.ListMembersRequest", [
  [1, "pool", "string"],
]);

export const ListMembersResponse = message("berth.v1.ListMembersResponse", [
  [1, "members", () => Member, "repeated"],
]);

export const Member = message("berth.v1.Member", [
  [1, "id", "string"],
  [2, "pool", "string"],
  [3, "state", "enum"],
  [4, "ageMs", "uint64"],
  [5, "uses", "uint32"],
  [6, "outdated", "bool"],
]);
