-- Generated from proto/ by ./generate. Do not edit.

local message = require("berth.codec").message

local M = {}

M.Request = message(M, "ttrpc.Request", {
  { 1, "service", "string" },
  { 2, "method", "string" },
  { 3, "payload", "bytes" },
  { 4, "timeout_nano", "int64" },
  { 5, "metadata", "KeyValue", "repeated" },
})

M.Response = message(M, "ttrpc.Response", {
  { 1, "status", "Status", "optional" },
  { 2, "payload", "bytes" },
})

M.KeyValue = message(M, "ttrpc.KeyValue", {
  { 1, "key", "string" },
  { 2, "value", "string" },
})

M.Status = message(M, "ttrpc.Status", {
  { 1, "code", "int32" },
  { 2, "message", "string" },
  { 3, "details", "Any", "repeated" },
})

M.Any = message(M, "ttrpc.Any", {
  { 1, "type_url", "string" },
  { 2, "value", "bytes" },
})

M.ErrorInfo = message(M, "ttrpc.ErrorInfo", {
  { 1, "reason", "string" },
  { 2, "domain", "string" },
  { 3, "metadata", "string", "map" },
})

M.ErrorReason = {
  ERROR_REASON_UNSPECIFIED = 0,
  NO_SUCH_FILE = 1,
  IS_A_DIRECTORY = 2,
  NOT_A_DIRECTORY = 3,
  ALREADY_EXISTS = 4,
  DIRECTORY_NOT_EMPTY = 5,
  NOT_A_FILE = 6,
  READ_ONLY = 7,
  OUTSIDE = 8,
  NOT_PERMITTED = 9,
  NO_SPACE = 10,
  TOO_MANY_LINKS = 11,
  NAME_TOO_LONG = 12,
  BAD_ARCHIVE = 13,
  NO_SUCH_LEASE = 20,
  NO_SUCH_EXECUTION = 21,
  NO_SUCH_POOL = 22,
  EXECUTION_LIMIT = 23,
  BACKGROUND_LIMIT = 24,
  WAITER_LIMIT = 25,
  CLIENT_LIMIT = 26,
  MEMORY_LIMIT = 27,
  MESSAGE_TOO_LARGE = 28,
  INPUT_ENDED = 29,
  INPUT_GAP = 30,
  NO_TERMINAL = 31,
  BREAKER_OPEN = 32,
  SHUTTING_DOWN = 33,
  DRAINING_POOL = 34,
  NO_SUCH_CONTEXT = 35,
  CONTEXT_LIMIT = 36,
  CONTEXT_BUSY = 37,
  CONTEXT_START_FAILED = 38,
  CONNECTION_REFUSED = 40,
  NOT_A_SOCKET = 41,
  CONNECTION_LIMIT = 42,
  UNKNOWN_CALLER = 50,
  OPERATOR_ONLY = 51,
  TENANT_LIMIT = 52,
}

M.OutputPolicy = {
  TRUNCATE_OUTPUT = 0,
  KILL_AT_LIMIT = 1,
}

M.Unwatched = {
  RUN_ON = 0,
  WAIT = 1,
}

M.OutputStream = {
  STDOUT = 0,
  STDERR = 1,
  EVENTS = 2,
}

M.EndCause = {
  END_CAUSE_UNSPECIFIED = 0,
  EXITED = 1,
  SIGNALLED = 2,
  TIMED_OUT = 3,
  OUT_OF_MEMORY = 4,
  OUTPUT_LIMIT = 5,
  CANCELLED = 6,
  CONTAINER_LOST = 7,
  START_FAILED = 8,
  DRAINING = 9,
  IDLE_TIMEOUT = 10,
  CPU_TIME_LIMIT = 11,
  CONTEXT_LOST = 12,
  CONNECTION_RESET = 13,
}

M.StartFailure = {
  START_FAILURE_UNSPECIFIED = 0,
  PROGRAM_NOT_FOUND = 1,
  PROGRAM_NOT_EXECUTABLE = 2,
  BAD_CWD = 3,
  NO_RESOURCES = 4,
}

M.FileType = {
  FILE_TYPE_UNSPECIFIED = 0,
  REGULAR = 1,
  DIRECTORY = 2,
  SYMBOLIC_LINK = 3,
  OTHER = 4,
}

M.BreakerState = {
  CLOSED = 0,
  OPEN = 1,
  HALF_OPEN = 2,
}

M.MemberState = {
  MEMBER_STATE_UNSPECIFIED = 0,
  STARTING = 1,
  IDLE = 2,
  LEASED = 3,
  RESETTING = 4,
  STOPPING = 5,
}

M.HelloRequest = message(M, "berth.v1.HelloRequest", {
  { 1, "client", "string" },
})

M.HelloResponse = message(M, "berth.v1.HelloResponse", {
  { 1, "server", "string" },
  { 2, "pools", "string", "repeated" },
})

M.AcquireRequest = message(M, "berth.v1.AcquireRequest", {
  { 1, "pool", "string" },
  { 2, "wait_ms", "uint32" },
  { 3, "detached", "bool" },
  { 4, "ttl_ms", "uint32" },
})

M.AcquireResponse = message(M, "berth.v1.AcquireResponse", {
  { 1, "lease", "string" },
  { 2, "member", "string" },
  { 3, "ttl_ms", "uint32" },
  { 4, "warm", "bool" },
})

M.ExecuteRequest = message(M, "berth.v1.ExecuteRequest", {
  { 1, "lease", "string" },
  { 2, "pool", "string" },
  { 3, "wait_ms", "uint32" },
  { 4, "argv", "string", "repeated" },
  { 21, "shell", "string" },
  { 22, "code", "string" },
  { 23, "language", "string" },
  { 5, "env", "string", "map" },
  { 6, "cwd", "string" },
  { 27, "argv_raw", "bytes", "repeated" },
  { 24, "env_raw", "bytes", "repeated" },
  { 25, "cwd_raw", "bytes" },
  { 28, "context", "string" },
  { 7, "uid", "uint32" },
  { 8, "stdin", "bytes" },
  { 11, "keep_stdin_open", "bool" },
  { 12, "terminal", "Terminal", "optional" },
  { 9, "timeout_ms", "uint32" },
  { 10, "grace_ms", "uint32" },
  { 16, "idle_timeout_ms", "uint32" },
  { 17, "cpu_time_ms", "uint32" },
  { 20, "keep_background", "bool" },
  { 13, "window_bytes", "uint64" },
  { 14, "max_output_bytes", "uint64" },
  { 15, "output_policy", "enum" },
  { 26, "merge_output", "bool" },
  { 18, "resumable_ms", "uint32" },
  { 19, "unwatched", "enum" },
})

M.Terminal = message(M, "berth.v1.Terminal", {
  { 1, "rows", "uint32" },
  { 2, "columns", "uint32" },
  { 3, "no_echo", "bool" },
})

M.ExecuteEvent = message(M, "berth.v1.ExecuteEvent", {
  { 1, "started", "Started", "optional" },
  { 2, "output", "Output", "optional" },
  { 3, "ended", "Ended", "optional" },
  { 4, "dropped", "Dropped", "optional" },
  { 5, "display", "Display", "optional" },
  { 6, "failure", "Failure", "optional" },
  { 7, "prompt", "Prompt", "optional" },
  { 8, "output_ended", "OutputEnded", "optional" },
})

M.Started = message(M, "berth.v1.Started", {
  { 1, "execution", "string" },
  { 2, "member", "string" },
  { 3, "watcher", "uint32" },
  { 4, "warm", "bool" },
})

M.Dropped = message(M, "berth.v1.Dropped", {
  { 1, "stream", "enum" },
  { 2, "offset", "uint64" },
  { 3, "bytes", "uint64" },
})

M.Display = message(M, "berth.v1.Display", {
  { 1, "position", "uint64" },
  { 2, "data", "MimeData", "repeated" },
  { 3, "id", "string" },
  { 4, "update", "bool" },
  { 5, "result", "bool" },
  { 6, "left_out", "LeftOut", "repeated" },
})

M.MimeData = message(M, "berth.v1.MimeData", {
  { 1, "mime", "string" },
  { 2, "data", "bytes" },
})

M.LeftOut = message(M, "berth.v1.LeftOut", {
  { 1, "mime", "string" },
  { 2, "bytes", "uint64" },
})

M.Failure = message(M, "berth.v1.Failure", {
  { 1, "position", "uint64" },
  { 2, "name", "string" },
  { 3, "message", "string" },
  { 4, "traceback", "string", "repeated" },
})

M.Prompt = message(M, "berth.v1.Prompt", {
  { 1, "position", "uint64" },
  { 2, "text", "string" },
  { 3, "password", "bool" },
})

M.Output = message(M, "berth.v1.Output", {
  { 1, "stream", "enum" },
  { 2, "offset", "uint64" },
  { 3, "data", "bytes" },
})

M.OutputEnded = message(M, "berth.v1.OutputEnded", {
  { 1, "stream", "enum" },
  { 2, "offset", "uint64" },
})

M.Ended = message(M, "berth.v1.Ended", {
  { 1, "cause", "enum" },
  { 2, "exit_code", "int32" },
  { 3, "signal", "int32" },
  { 4, "message", "string" },
  { 5, "start_failure", "enum" },
  { 6, "usage", "Usage", "optional" },
  { 7, "stdout_bytes", "uint64" },
  { 8, "stderr_bytes", "uint64" },
  { 9, "stdout_truncated", "uint64" },
  { 10, "stderr_truncated", "uint64" },
  { 11, "out_of_memory_kills", "uint64" },
  { 12, "context_lost", "bool" },
})

M.Usage = message(M, "berth.v1.Usage", {
  { 1, "wall_us", "uint64" },
  { 2, "user_us", "uint64" },
  { 3, "system_us", "uint64" },
  { 4, "peak_memory_bytes", "uint64" },
})

M.AttachRequest = message(M, "berth.v1.AttachRequest", {
  { 1, "lease", "string" },
  { 2, "execution", "string" },
  { 3, "stdout_offset", "uint64" },
  { 4, "stderr_offset", "uint64" },
  { 5, "from_now", "bool" },
  { 6, "window_bytes", "uint64" },
  { 7, "observe", "bool" },
  { 8, "events_position", "uint64" },
})

M.DetachRequest = message(M, "berth.v1.DetachRequest", {
  { 1, "lease", "string" },
  { 2, "execution", "string" },
  { 3, "watcher", "uint32" },
})

M.DetachResponse = message(M, "berth.v1.DetachResponse", {
})

M.AcknowledgeRequest = message(M, "berth.v1.AcknowledgeRequest", {
  { 1, "lease", "string" },
  { 2, "execution", "string" },
  { 3, "watcher", "uint32" },
  { 4, "stdout_offset", "uint64" },
  { 5, "stderr_offset", "uint64" },
  { 6, "events_position", "uint64" },
})

M.AcknowledgeResponse = message(M, "berth.v1.AcknowledgeResponse", {
})

M.InputRequest = message(M, "berth.v1.InputRequest", {
  { 1, "lease", "string" },
  { 2, "execution", "string" },
  { 3, "offset", "uint64" },
  { 4, "data", "bytes" },
  { 5, "end", "bool" },
})

M.InputResponse = message(M, "berth.v1.InputResponse", {
  { 1, "offset", "uint64" },
})

M.SignalRequest = message(M, "berth.v1.SignalRequest", {
  { 1, "lease", "string" },
  { 2, "execution", "string" },
  { 3, "signal", "int32" },
  { 4, "name", "string" },
  { 5, "cancel", "bool" },
  { 6, "grace_ms", "uint32" },
})

M.SignalResponse = message(M, "berth.v1.SignalResponse", {
})

M.ResizeTerminalRequest = message(M, "berth.v1.ResizeTerminalRequest", {
  { 1, "lease", "string" },
  { 2, "execution", "string" },
  { 3, "terminal", "Terminal", "optional" },
})

M.ResizeTerminalResponse = message(M, "berth.v1.ResizeTerminalResponse", {
})

M.ListExecutionsRequest = message(M, "berth.v1.ListExecutionsRequest", {
  { 1, "lease", "string" },
})

M.ListExecutionsResponse = message(M, "berth.v1.ListExecutionsResponse", {
  { 1, "executions", "ExecutionInfo", "repeated" },
})

M.ExecutionInfo = message(M, "berth.v1.ExecutionInfo", {
  { 1, "execution", "string" },
  { 2, "argv", "string", "repeated" },
  { 3, "age_ms", "uint64" },
  { 4, "watchers", "uint32" },
  { 5, "stdout_bytes", "uint64" },
  { 6, "stderr_bytes", "uint64" },
  { 7, "stdout_held_from", "uint64" },
  { 8, "stderr_held_from", "uint64" },
  { 9, "resumable_ms", "uint32" },
  { 10, "ended", "Ended", "optional" },
  { 11, "argv_raw", "bytes", "repeated" },
  { 12, "context", "string" },
  { 13, "events_held_from", "uint64" },
})

M.ConnectRequest = message(M, "berth.v1.ConnectRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "path_raw", "bytes" },
  { 4, "port", "uint32" },
  { 5, "wait_ms", "uint32" },
  { 6, "timeout_ms", "uint32" },
  { 7, "idle_timeout_ms", "uint32" },
  { 8, "window_bytes", "uint64" },
  { 9, "resumable_ms", "uint32" },
  { 10, "max_piece_bytes", "uint32" },
})

M.OpenContextRequest = message(M, "berth.v1.OpenContextRequest", {
  { 1, "lease", "string" },
  { 2, "language", "string" },
  { 3, "cwd", "string" },
  { 4, "env", "string", "map" },
  { 5, "uid", "uint32" },
  { 6, "env_raw", "bytes", "repeated" },
  { 7, "cwd_raw", "bytes" },
})

M.OpenContextResponse = message(M, "berth.v1.OpenContextResponse", {
  { 1, "context", "string" },
  { 2, "version", "string" },
  { 3, "warm", "bool" },
})

M.CloseContextRequest = message(M, "berth.v1.CloseContextRequest", {
  { 1, "lease", "string" },
  { 2, "context", "string" },
})

M.CloseContextResponse = message(M, "berth.v1.CloseContextResponse", {
})

M.ForkContextRequest = message(M, "berth.v1.ForkContextRequest", {
  { 1, "lease", "string" },
  { 2, "context", "string" },
})

M.ForkContextResponse = message(M, "berth.v1.ForkContextResponse", {
  { 1, "context", "string" },
  { 2, "version", "string" },
})

M.ListContextsRequest = message(M, "berth.v1.ListContextsRequest", {
  { 1, "lease", "string" },
})

M.ListContextsResponse = message(M, "berth.v1.ListContextsResponse", {
  { 1, "contexts", "ContextInfo", "repeated" },
})

M.ContextInfo = message(M, "berth.v1.ContextInfo", {
  { 1, "context", "string" },
  { 2, "language", "string" },
  { 3, "version", "string" },
  { 4, "age_ms", "uint64" },
  { 5, "pieces", "uint64" },
  { 6, "execution", "string" },
})

M.CompleteRequest = message(M, "berth.v1.CompleteRequest", {
  { 1, "lease", "string" },
  { 2, "context", "string" },
  { 3, "code", "string" },
  { 4, "cursor", "uint64" },
})

M.CompleteResponse = message(M, "berth.v1.CompleteResponse", {
  { 1, "matches", "string", "repeated" },
  { 2, "start", "uint64" },
  { 3, "end", "uint64" },
})

M.InspectRequest = message(M, "berth.v1.InspectRequest", {
  { 1, "lease", "string" },
  { 2, "context", "string" },
  { 3, "code", "string" },
  { 4, "cursor", "uint64" },
  { 5, "detail", "bool" },
})

M.InspectResponse = message(M, "berth.v1.InspectResponse", {
  { 1, "found", "bool" },
  { 2, "data", "MimeData", "repeated" },
})

M.FileInfo = message(M, "berth.v1.FileInfo", {
  { 1, "name", "string" },
  { 2, "type", "enum" },
  { 3, "size", "uint64" },
  { 4, "mode", "uint32" },
  { 5, "modified_us", "int64" },
  { 6, "uid", "uint32" },
  { 7, "gid", "uint32" },
  { 8, "link_target", "bytes" },
  { 9, "name_raw", "bytes" },
})

M.WriteFileRequest = message(M, "berth.v1.WriteFileRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "data", "bytes" },
  { 4, "mode", "uint32" },
  { 5, "create_parents", "bool" },
  { 6, "more", "bool" },
  { 7, "upload", "string" },
  { 8, "offset", "uint64" },
  { 9, "path_raw", "bytes" },
})

M.WriteFileResponse = message(M, "berth.v1.WriteFileResponse", {
  { 1, "upload", "string" },
  { 2, "offset", "uint64" },
})

M.ReadFileRequest = message(M, "berth.v1.ReadFileRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "offset", "uint64" },
  { 4, "length", "uint64" },
  { 5, "window_bytes", "uint64" },
  { 6, "path_raw", "bytes" },
})

M.FileEvent = message(M, "berth.v1.FileEvent", {
  { 1, "start", "FileStart", "optional" },
  { 2, "output", "Output", "optional" },
  { 3, "end", "FileEnd", "optional" },
})

M.FileStart = message(M, "berth.v1.FileStart", {
  { 1, "execution", "string" },
  { 2, "watcher", "uint32" },
  { 3, "info", "FileInfo", "optional" },
})

M.FileEnd = message(M, "berth.v1.FileEnd", {
  { 1, "bytes", "uint64" },
})

M.ListDirectoryRequest = message(M, "berth.v1.ListDirectoryRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "path_raw", "bytes" },
})

M.ListDirectoryResponse = message(M, "berth.v1.ListDirectoryResponse", {
  { 1, "entries", "FileInfo", "repeated" },
})

M.StatRequest = message(M, "berth.v1.StatRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "follow", "bool" },
  { 4, "path_raw", "bytes" },
})

M.StatResponse = message(M, "berth.v1.StatResponse", {
  { 1, "info", "FileInfo", "optional" },
})

M.MakeDirectoryRequest = message(M, "berth.v1.MakeDirectoryRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "mode", "uint32" },
  { 4, "parents", "bool" },
  { 5, "path_raw", "bytes" },
})

M.MakeDirectoryResponse = message(M, "berth.v1.MakeDirectoryResponse", {
})

M.RenameFileRequest = message(M, "berth.v1.RenameFileRequest", {
  { 1, "lease", "string" },
  { 2, "from", "string" },
  { 3, "to", "string" },
  { 4, "no_replace", "bool" },
  { 5, "from_raw", "bytes" },
  { 6, "to_raw", "bytes" },
})

M.RenameFileResponse = message(M, "berth.v1.RenameFileResponse", {
})

M.ChangeModeRequest = message(M, "berth.v1.ChangeModeRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "mode", "uint32" },
  { 4, "path_raw", "bytes" },
})

M.ChangeModeResponse = message(M, "berth.v1.ChangeModeResponse", {
})

M.RemoveFileRequest = message(M, "berth.v1.RemoveFileRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "recursive", "bool" },
  { 4, "path_raw", "bytes" },
})

M.RemoveFileResponse = message(M, "berth.v1.RemoveFileResponse", {
})

M.WriteArchiveRequest = message(M, "berth.v1.WriteArchiveRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "data", "bytes" },
  { 4, "more", "bool" },
  { 5, "upload", "string" },
  { 6, "offset", "uint64" },
  { 7, "path_raw", "bytes" },
})

M.WriteArchiveResponse = message(M, "berth.v1.WriteArchiveResponse", {
  { 1, "upload", "string" },
  { 2, "offset", "uint64" },
  { 3, "files", "uint64" },
})

M.ReadArchiveRequest = message(M, "berth.v1.ReadArchiveRequest", {
  { 1, "lease", "string" },
  { 2, "path", "string" },
  { 3, "window_bytes", "uint64" },
  { 4, "path_raw", "bytes" },
})

M.ReleaseRequest = message(M, "berth.v1.ReleaseRequest", {
  { 1, "lease", "string" },
})

M.ReleaseResponse = message(M, "berth.v1.ReleaseResponse", {
})

M.RenewRequest = message(M, "berth.v1.RenewRequest", {
  { 1, "lease", "string" },
  { 2, "ttl_ms", "uint32" },
})

M.RenewResponse = message(M, "berth.v1.RenewResponse", {
  { 1, "ttl_ms", "uint32" },
})

M.StatsRequest = message(M, "berth.v1.StatsRequest", {
})

M.WatchStatsRequest = message(M, "berth.v1.WatchStatsRequest", {
  { 1, "interval_ms", "uint32" },
})

M.StatsResponse = message(M, "berth.v1.StatsResponse", {
  { 1, "server", "string" },
  { 2, "uptime_ms", "uint64" },
  { 3, "runtime", "string" },
  { 4, "connections", "uint32" },
  { 5, "executions", "uint32" },
  { 6, "pools", "PoolStats", "repeated" },
  { 7, "memory_budget_bytes", "uint64" },
  { 8, "memory_used_bytes", "uint64" },
  { 9, "held_bytes", "uint64" },
  { 10, "held_budget_bytes", "uint64" },
  { 11, "unheld_limits", "string", "repeated" },
})

M.PoolStats = message(M, "berth.v1.PoolStats", {
  { 1, "name", "string" },
  { 2, "image", "string" },
  { 3, "target", "uint32" },
  { 4, "max", "uint32" },
  { 5, "starting", "uint32" },
  { 6, "idle", "uint32" },
  { 7, "leased", "uint32" },
  { 8, "stopping", "uint32" },
  { 9, "waiters", "uint32" },
  { 10, "oldest_wait_ms", "uint64" },
  { 11, "held", "bool" },
  { 12, "held_reason", "string" },
  { 13, "breaker", "enum" },
  { 14, "cause", "string" },
  { 15, "cause_message", "string" },
  { 16, "failures_in_row", "uint32" },
  { 17, "next_try_in_ms", "uint64" },
  { 18, "creates", "uint64" },
  { 19, "create_failures", "uint64" },
  { 20, "leases", "uint64" },
  { 21, "destroyed", "uint64" },
  { 22, "resetting", "uint32" },
  { 23, "outdated", "uint32" },
  { 24, "draining", "bool" },
  { 25, "recycled", "uint64" },
  { 26, "retired", "uint64", "map" },
  { 27, "acquire_p50_us", "uint64" },
  { 28, "acquire_p90_us", "uint64" },
  { 29, "acquire_p99_us", "uint64" },
  { 30, "arrivals_per_second", "double" },
  { 31, "create_us", "uint64" },
})

M.QuotaRequest = message(M, "berth.v1.QuotaRequest", {
  { 1, "tenant", "string" },
  { 2, "all", "bool" },
})

M.QuotaResponse = message(M, "berth.v1.QuotaResponse", {
  { 1, "tenants", "TenantQuota", "repeated" },
})

M.TenantQuota = message(M, "berth.v1.TenantQuota", {
  { 1, "tenant", "string" },
  { 2, "role", "string" },
  { 3, "pools", "string", "repeated" },
  { 4, "limits", "QuotaLimit", "repeated" },
  { 5, "max_timeout_ms", "uint64" },
})

M.QuotaLimit = message(M, "berth.v1.QuotaLimit", {
  { 1, "name", "string" },
  { 2, "used", "uint64" },
  { 3, "limit", "uint64" },
  { 4, "resets_in_ms", "uint64" },
})

M.ResetBackoffRequest = message(M, "berth.v1.ResetBackoffRequest", {
  { 1, "pool", "string" },
})

M.ResetBackoffResponse = message(M, "berth.v1.ResetBackoffResponse", {
  { 1, "pools", "string", "repeated" },
})

M.ResizeRequest = message(M, "berth.v1.ResizeRequest", {
  { 1, "pool", "string" },
  { 2, "size", "uint32", "optional" },
  { 3, "max", "uint32", "optional" },
})

M.ResizeResponse = message(M, "berth.v1.ResizeResponse", {
  { 1, "size", "uint32" },
  { 2, "max", "uint32" },
})

M.DrainRequest = message(M, "berth.v1.DrainRequest", {
  { 1, "pool", "string" },
})

M.DrainResponse = message(M, "berth.v1.DrainResponse", {
  { 1, "leased", "uint32" },
})

M.ListMembersRequest = message(M, "berth.v1.ListMembersRequest", {
  { 1, "pool", "string" },
})

M.ListMembersResponse = message(M, "berth.v1.ListMembersResponse", {
  { 1, "members", "Member", "repeated" },
})

M.Member = message(M, "berth.v1.Member", {
  { 1, "id", "string" },
  { 2, "pool", "string" },
  { 3, "state", "enum" },
  { 4, "age_ms", "uint64" },
  { 5, "uses", "uint32" },
  { 6, "outdated", "bool" },
})

return M
