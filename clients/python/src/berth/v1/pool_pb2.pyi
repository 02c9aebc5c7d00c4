from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

ALREADY_EXISTS: ErrorReason
BACKGROUND_LIMIT: ErrorReason
BAD_ARCHIVE: ErrorReason
BAD_CWD: StartFailure
BREAKER_OPEN: ErrorReason
CANCELLED: EndCause
CLIENT_LIMIT: ErrorReason
CLOSED: BreakerState
CONNECTION_LIMIT: ErrorReason
CONNECTION_REFUSED: ErrorReason
CONNECTION_RESET: EndCause
CONTAINER_LOST: EndCause
CONTEXT_BUSY: ErrorReason
CONTEXT_LIMIT: ErrorReason
CONTEXT_LOST: EndCause
CONTEXT_START_FAILED: ErrorReason
CPU_TIME_LIMIT: EndCause
DESCRIPTOR: _descriptor.FileDescriptor
DIRECTORY: FileType
DIRECTORY_NOT_EMPTY: ErrorReason
DRAINING: EndCause
DRAINING_POOL: ErrorReason
END_CAUSE_UNSPECIFIED: EndCause
ERROR_REASON_UNSPECIFIED: ErrorReason
EVENTS: OutputStream
EXECUTION_LIMIT: ErrorReason
EXITED: EndCause
FILE_TYPE_UNSPECIFIED: FileType
HALF_OPEN: BreakerState
IDLE: MemberState
IDLE_TIMEOUT: EndCause
INPUT_ENDED: ErrorReason
INPUT_GAP: ErrorReason
IS_A_DIRECTORY: ErrorReason
KILL_AT_LIMIT: OutputPolicy
LEASED: MemberState
MEMBER_STATE_UNSPECIFIED: MemberState
MEMORY_LIMIT: ErrorReason
MESSAGE_TOO_LARGE: ErrorReason
NAME_TOO_LONG: ErrorReason
NOT_A_DIRECTORY: ErrorReason
NOT_A_FILE: ErrorReason
NOT_A_SOCKET: ErrorReason
NOT_PERMITTED: ErrorReason
NO_RESOURCES: StartFailure
NO_SPACE: ErrorReason
NO_SUCH_CONTEXT: ErrorReason
NO_SUCH_EXECUTION: ErrorReason
NO_SUCH_FILE: ErrorReason
NO_SUCH_LEASE: ErrorReason
NO_SUCH_POOL: ErrorReason
NO_TERMINAL: ErrorReason
OPEN: BreakerState
OPERATOR_ONLY: ErrorReason
OTHER: FileType
OUTPUT_LIMIT: EndCause
OUTSIDE: ErrorReason
OUT_OF_MEMORY: EndCause
PROGRAM_NOT_EXECUTABLE: StartFailure
PROGRAM_NOT_FOUND: StartFailure
READ_ONLY: ErrorReason
REGULAR: FileType
RESETTING: MemberState
RUN_ON: Unwatched
SHUTTING_DOWN: ErrorReason
SIGNALLED: EndCause
STARTING: MemberState
START_FAILED: EndCause
START_FAILURE_UNSPECIFIED: StartFailure
STDERR: OutputStream
STDOUT: OutputStream
STOPPING: MemberState
SYMBOLIC_LINK: FileType
TENANT_LIMIT: ErrorReason
TIMED_OUT: EndCause
TOO_MANY_LINKS: ErrorReason
TRUNCATE_OUTPUT: OutputPolicy
UNKNOWN_CALLER: ErrorReason
WAIT: Unwatched
WAITER_LIMIT: ErrorReason

class AcknowledgeRequest(_message.Message):
    __slots__ = ["events_position", "execution", "lease", "stderr_offset", "stdout_offset", "watcher"]
    EVENTS_POSITION_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    STDERR_OFFSET_FIELD_NUMBER: _ClassVar[int]
    STDOUT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    WATCHER_FIELD_NUMBER: _ClassVar[int]
    events_position: int
    execution: str
    lease: str
    stderr_offset: int
    stdout_offset: int
    watcher: int
    def __init__(self, lease: _Optional[str] = ..., execution: _Optional[str] = ..., watcher: _Optional[int] = ..., stdout_offset: _Optional[int] = ..., stderr_offset: _Optional[int] = ..., events_position: _Optional[int] = ...) -> None: ...

class AcknowledgeResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class AcquireRequest(_message.Message):
    __slots__ = ["detached", "pool", "ttl_ms", "wait_ms"]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    detached: bool
    pool: str
    ttl_ms: int
    wait_ms: int
    def __init__(self, pool: _Optional[str] = ..., wait_ms: _Optional[int] = ..., detached: bool = ..., ttl_ms: _Optional[int] = ...) -> None: ...

class AcquireResponse(_message.Message):
    __slots__ = ["lease", "member", "ttl_ms", "warm"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    lease: str
    member: str
    ttl_ms: int
    warm: bool
    def __init__(self, lease: _Optional[str] = ..., member: _Optional[str] = ..., ttl_ms: _Optional[int] = ..., warm: bool = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ["events_position", "execution", "from_now", "lease", "observe", "stderr_offset", "stdout_offset", "window_bytes"]
    EVENTS_POSITION_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    OBSERVE_FIELD_NUMBER: _ClassVar[int]
    STDERR_OFFSET_FIELD_NUMBER: _ClassVar[int]
    STDOUT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    events_position: int
    execution: str
    from_now: bool
    lease: str
    observe: bool
    stderr_offset: int
    stdout_offset: int
    window_bytes: int
    def __init__(self, lease: _Optional[str] = ..., execution: _Optional[str] = ..., stdout_offset: _Optional[int] = ..., stderr_offset: _Optional[int] = ..., from_now: bool = ..., window_bytes: _Optional[int] = ..., observe: bool = ..., events_position: _Optional[int] = ...) -> None: ...

class ChangeModeRequest(_message.Message):
    __slots__ = ["lease", "mode", "path", "path_raw"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    lease: str
    mode: int
    path: str
    path_raw: bytes
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., mode: _Optional[int] = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class ChangeModeResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CloseContextRequest(_message.Message):
    __slots__ = ["context", "lease"]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    context: str
    lease: str
    def __init__(self, lease: _Optional[str] = ..., context: _Optional[str] = ...) -> None: ...

class CloseContextResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CompleteRequest(_message.Message):
    __slots__ = ["code", "context", "cursor", "lease"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    code: str
    context: str
    cursor: int
    lease: str
    def __init__(self, lease: _Optional[str] = ..., context: _Optional[str] = ..., code: _Optional[str] = ..., cursor: _Optional[int] = ...) -> None: ...

class CompleteResponse(_message.Message):
    __slots__ = ["end", "matches", "start"]
    END_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    end: int
    matches: _containers.RepeatedScalarFieldContainer[str]
    start: int
    def __init__(self, matches: _Optional[_Iterable[str]] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class ConnectRequest(_message.Message):
    __slots__ = ["idle_timeout_ms", "lease", "max_piece_bytes", "path", "path_raw", "port", "resumable_ms", "timeout_ms", "wait_ms", "window_bytes"]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MAX_PIECE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_MS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    idle_timeout_ms: int
    lease: str
    max_piece_bytes: int
    path: str
    path_raw: bytes
    port: int
    resumable_ms: int
    timeout_ms: int
    wait_ms: int
    window_bytes: int
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., path_raw: _Optional[bytes] = ..., port: _Optional[int] = ..., wait_ms: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., idle_timeout_ms: _Optional[int] = ..., window_bytes: _Optional[int] = ..., resumable_ms: _Optional[int] = ..., max_piece_bytes: _Optional[int] = ...) -> None: ...

class ContextInfo(_message.Message):
    __slots__ = ["age_ms", "context", "execution", "language", "pieces", "version"]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    context: str
    execution: str
    language: str
    pieces: int
    version: str
    def __init__(self, context: _Optional[str] = ..., language: _Optional[str] = ..., version: _Optional[str] = ..., age_ms: _Optional[int] = ..., pieces: _Optional[int] = ..., execution: _Optional[str] = ...) -> None: ...

class DetachRequest(_message.Message):
    __slots__ = ["execution", "lease", "watcher"]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    WATCHER_FIELD_NUMBER: _ClassVar[int]
    execution: str
    lease: str
    watcher: int
    def __init__(self, lease: _Optional[str] = ..., execution: _Optional[str] = ..., watcher: _Optional[int] = ...) -> None: ...

class DetachResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Display(_message.Message):
    __slots__ = ["data", "id", "left_out", "position", "result", "update"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[MimeData]
    id: str
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    position: int
    result: bool
    update: bool
    def __init__(self, position: _Optional[int] = ..., data: _Optional[_Iterable[_Union[MimeData, _Mapping]]] = ..., id: _Optional[str] = ..., update: bool = ..., result: bool = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ["pool"]
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: str
    def __init__(self, pool: _Optional[str] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ["leased"]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    leased: int
    def __init__(self, leased: _Optional[int] = ...) -> None: ...

class Dropped(_message.Message):
    __slots__ = ["bytes", "offset", "stream"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    offset: int
    stream: OutputStream
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., offset: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ["cause", "context_lost", "exit_code", "message", "out_of_memory_kills", "signal", "start_failure", "stderr_bytes", "stderr_truncated", "stdout_bytes", "stdout_truncated", "usage"]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LOST_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_MEMORY_KILLS_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    START_FAILURE_FIELD_NUMBER: _ClassVar[int]
    STDERR_BYTES_FIELD_NUMBER: _ClassVar[int]
    STDERR_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    STDOUT_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    cause: EndCause
    context_lost: bool
    exit_code: int
    message: str
    out_of_memory_kills: int
    signal: int
    start_failure: StartFailure
    stderr_bytes: int
    stderr_truncated: int
    stdout_bytes: int
    stdout_truncated: int
    usage: Usage
    def __init__(self, cause: _Optional[_Union[EndCause, str]] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., message: _Optional[str] = ..., start_failure: _Optional[_Union[StartFailure, str]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., stdout_bytes: _Optional[int] = ..., stderr_bytes: _Optional[int] = ..., stdout_truncated: _Optional[int] = ..., stderr_truncated: _Optional[int] = ..., out_of_memory_kills: _Optional[int] = ..., context_lost: bool = ...) -> None: ...

class ExecuteEvent(_message.Message):
    __slots__ = ["display", "dropped", "ended", "failure", "output", "output_ended", "prompt", "started"]
    DISPLAY_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_ENDED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    display: Display
    dropped: Dropped
    ended: Ended
    failure: Failure
    output: Output
    output_ended: OutputEnded
    prompt: Prompt
    started: Started
    def __init__(self, started: _Optional[_Union[Started, _Mapping]] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., dropped: _Optional[_Union[Dropped, _Mapping]] = ..., display: _Optional[_Union[Display, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., prompt: _Optional[_Union[Prompt, _Mapping]] = ..., output_ended: _Optional[_Union[OutputEnded, _Mapping]] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ["argv", "argv_raw", "code", "context", "cpu_time_ms", "cwd", "cwd_raw", "env", "env_raw", "grace_ms", "idle_timeout_ms", "keep_background", "keep_stdin_open", "language", "lease", "max_output_bytes", "merge_output", "output_policy", "pool", "resumable_ms", "shell", "stdin", "terminal", "timeout_ms", "uid", "unwatched", "wait_ms", "window_bytes"]
    class EnvEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ARGV_FIELD_NUMBER: _ClassVar[int]
    ARGV_RAW_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CPU_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CWD_FIELD_NUMBER: _ClassVar[int]
    CWD_RAW_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    ENV_RAW_FIELD_NUMBER: _ClassVar[int]
    GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    KEEP_BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    KEEP_STDIN_OPEN_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MERGE_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_POLICY_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_MS_FIELD_NUMBER: _ClassVar[int]
    SHELL_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    UNWATCHED_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[str]
    argv_raw: _containers.RepeatedScalarFieldContainer[bytes]
    code: str
    context: str
    cpu_time_ms: int
    cwd: str
    cwd_raw: bytes
    env: _containers.ScalarMap[str, str]
    env_raw: _containers.RepeatedScalarFieldContainer[bytes]
    grace_ms: int
    idle_timeout_ms: int
    keep_background: bool
    keep_stdin_open: bool
    language: str
    lease: str
    max_output_bytes: int
    merge_output: bool
    output_policy: OutputPolicy
    pool: str
    resumable_ms: int
    shell: str
    stdin: bytes
    terminal: Terminal
    timeout_ms: int
    uid: int
    unwatched: Unwatched
    wait_ms: int
    window_bytes: int
    def __init__(self, lease: _Optional[str] = ..., pool: _Optional[str] = ..., wait_ms: _Optional[int] = ..., argv: _Optional[_Iterable[str]] = ..., shell: _Optional[str] = ..., code: _Optional[str] = ..., language: _Optional[str] = ..., env: _Optional[_Mapping[str, str]] = ..., cwd: _Optional[str] = ..., argv_raw: _Optional[_Iterable[bytes]] = ..., env_raw: _Optional[_Iterable[bytes]] = ..., cwd_raw: _Optional[bytes] = ..., context: _Optional[str] = ..., uid: _Optional[int] = ..., stdin: _Optional[bytes] = ..., keep_stdin_open: bool = ..., terminal: _Optional[_Union[Terminal, _Mapping]] = ..., timeout_ms: _Optional[int] = ..., grace_ms: _Optional[int] = ..., idle_timeout_ms: _Optional[int] = ..., cpu_time_ms: _Optional[int] = ..., keep_background: bool = ..., window_bytes: _Optional[int] = ..., max_output_bytes: _Optional[int] = ..., output_policy: _Optional[_Union[OutputPolicy, str]] = ..., merge_output: bool = ..., resumable_ms: _Optional[int] = ..., unwatched: _Optional[_Union[Unwatched, str]] = ...) -> None: ...

class ExecutionInfo(_message.Message):
    __slots__ = ["age_ms", "argv", "argv_raw", "context", "ended", "events_held_from", "execution", "resumable_ms", "stderr_bytes", "stderr_held_from", "stdout_bytes", "stdout_held_from", "watchers"]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    ARGV_RAW_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_HELD_FROM_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_MS_FIELD_NUMBER: _ClassVar[int]
    STDERR_BYTES_FIELD_NUMBER: _ClassVar[int]
    STDERR_HELD_FROM_FIELD_NUMBER: _ClassVar[int]
    STDOUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    STDOUT_HELD_FROM_FIELD_NUMBER: _ClassVar[int]
    WATCHERS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    argv: _containers.RepeatedScalarFieldContainer[str]
    argv_raw: _containers.RepeatedScalarFieldContainer[bytes]
    context: str
    ended: Ended
    events_held_from: int
    execution: str
    resumable_ms: int
    stderr_bytes: int
    stderr_held_from: int
    stdout_bytes: int
    stdout_held_from: int
    watchers: int
    def __init__(self, execution: _Optional[str] = ..., argv: _Optional[_Iterable[str]] = ..., age_ms: _Optional[int] = ..., watchers: _Optional[int] = ..., stdout_bytes: _Optional[int] = ..., stderr_bytes: _Optional[int] = ..., stdout_held_from: _Optional[int] = ..., stderr_held_from: _Optional[int] = ..., resumable_ms: _Optional[int] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., argv_raw: _Optional[_Iterable[bytes]] = ..., context: _Optional[str] = ..., events_held_from: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ["message", "name", "position", "traceback"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    message: str
    name: str
    position: int
    traceback: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, position: _Optional[int] = ..., name: _Optional[str] = ..., message: _Optional[str] = ..., traceback: _Optional[_Iterable[str]] = ...) -> None: ...

class FileEnd(_message.Message):
    __slots__ = ["bytes"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    def __init__(self, bytes: _Optional[int] = ...) -> None: ...

class FileEvent(_message.Message):
    __slots__ = ["end", "output", "start"]
    END_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    end: FileEnd
    output: Output
    start: FileStart
    def __init__(self, start: _Optional[_Union[FileStart, _Mapping]] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., end: _Optional[_Union[FileEnd, _Mapping]] = ...) -> None: ...

class FileInfo(_message.Message):
    __slots__ = ["gid", "link_target", "mode", "modified_us", "name", "name_raw", "size", "type", "uid"]
    GID_FIELD_NUMBER: _ClassVar[int]
    LINK_TARGET_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_US_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_RAW_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    gid: int
    link_target: bytes
    mode: int
    modified_us: int
    name: str
    name_raw: bytes
    size: int
    type: FileType
    uid: int
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[FileType, str]] = ..., size: _Optional[int] = ..., mode: _Optional[int] = ..., modified_us: _Optional[int] = ..., uid: _Optional[int] = ..., gid: _Optional[int] = ..., link_target: _Optional[bytes] = ..., name_raw: _Optional[bytes] = ...) -> None: ...

class FileStart(_message.Message):
    __slots__ = ["execution", "info", "watcher"]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    WATCHER_FIELD_NUMBER: _ClassVar[int]
    execution: str
    info: FileInfo
    watcher: int
    def __init__(self, execution: _Optional[str] = ..., watcher: _Optional[int] = ..., info: _Optional[_Union[FileInfo, _Mapping]] = ...) -> None: ...

class ForkContextRequest(_message.Message):
    __slots__ = ["context", "lease"]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    context: str
    lease: str
    def __init__(self, lease: _Optional[str] = ..., context: _Optional[str] = ...) -> None: ...

class ForkContextResponse(_message.Message):
    __slots__ = ["context", "version"]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    context: str
    version: str
    def __init__(self, context: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class HelloRequest(_message.Message):
    __slots__ = ["client"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: str
    def __init__(self, client: _Optional[str] = ...) -> None: ...

class HelloResponse(_message.Message):
    __slots__ = ["pools", "server"]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    pools: _containers.RepeatedScalarFieldContainer[str]
    server: str
    def __init__(self, server: _Optional[str] = ..., pools: _Optional[_Iterable[str]] = ...) -> None: ...

class InputRequest(_message.Message):
    __slots__ = ["data", "end", "execution", "lease", "offset"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    end: bool
    execution: str
    lease: str
    offset: int
    def __init__(self, lease: _Optional[str] = ..., execution: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., end: bool = ...) -> None: ...

class InputResponse(_message.Message):
    __slots__ = ["offset"]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    offset: int
    def __init__(self, offset: _Optional[int] = ...) -> None: ...

class InspectRequest(_message.Message):
    __slots__ = ["code", "context", "cursor", "detail", "lease"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    code: str
    context: str
    cursor: int
    detail: bool
    lease: str
    def __init__(self, lease: _Optional[str] = ..., context: _Optional[str] = ..., code: _Optional[str] = ..., cursor: _Optional[int] = ..., detail: bool = ...) -> None: ...

class InspectResponse(_message.Message):
    __slots__ = ["data", "found"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[MimeData]
    found: bool
    def __init__(self, found: bool = ..., data: _Optional[_Iterable[_Union[MimeData, _Mapping]]] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ["bytes", "mime"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    MIME_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    mime: str
    def __init__(self, mime: _Optional[str] = ..., bytes: _Optional[int] = ...) -> None: ...

class ListContextsRequest(_message.Message):
    __slots__ = ["lease"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class ListContextsResponse(_message.Message):
    __slots__ = ["contexts"]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    contexts: _containers.RepeatedCompositeFieldContainer[ContextInfo]
    def __init__(self, contexts: _Optional[_Iterable[_Union[ContextInfo, _Mapping]]] = ...) -> None: ...

class ListDirectoryRequest(_message.Message):
    __slots__ = ["lease", "path", "path_raw"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    lease: str
    path: str
    path_raw: bytes
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class ListDirectoryResponse(_message.Message):
    __slots__ = ["entries"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[FileInfo]
    def __init__(self, entries: _Optional[_Iterable[_Union[FileInfo, _Mapping]]] = ...) -> None: ...

class ListExecutionsRequest(_message.Message):
    __slots__ = ["lease"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class ListExecutionsResponse(_message.Message):
    __slots__ = ["executions"]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    executions: _containers.RepeatedCompositeFieldContainer[ExecutionInfo]
    def __init__(self, executions: _Optional[_Iterable[_Union[ExecutionInfo, _Mapping]]] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ["pool"]
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: str
    def __init__(self, pool: _Optional[str] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ["members"]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class MakeDirectoryRequest(_message.Message):
    __slots__ = ["lease", "mode", "parents", "path", "path_raw"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    lease: str
    mode: int
    parents: bool
    path: str
    path_raw: bytes
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., mode: _Optional[int] = ..., parents: bool = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class MakeDirectoryResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Member(_message.Message):
    __slots__ = ["age_ms", "id", "outdated", "pool", "state", "uses"]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    id: str
    outdated: bool
    pool: str
    state: MemberState
    uses: int
    def __init__(self, id: _Optional[str] = ..., pool: _Optional[str] = ..., state: _Optional[_Union[MemberState, str]] = ..., age_ms: _Optional[int] = ..., uses: _Optional[int] = ..., outdated: bool = ...) -> None: ...

class MimeData(_message.Message):
    __slots__ = ["data", "mime"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MIME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    mime: str
    def __init__(self, mime: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class OpenContextRequest(_message.Message):
    __slots__ = ["cwd", "cwd_raw", "env", "env_raw", "language", "lease", "uid"]
    class EnvEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CWD_FIELD_NUMBER: _ClassVar[int]
    CWD_RAW_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    ENV_RAW_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    cwd: str
    cwd_raw: bytes
    env: _containers.ScalarMap[str, str]
    env_raw: _containers.RepeatedScalarFieldContainer[bytes]
    language: str
    lease: str
    uid: int
    def __init__(self, lease: _Optional[str] = ..., language: _Optional[str] = ..., cwd: _Optional[str] = ..., env: _Optional[_Mapping[str, str]] = ..., uid: _Optional[int] = ..., env_raw: _Optional[_Iterable[bytes]] = ..., cwd_raw: _Optional[bytes] = ...) -> None: ...

class OpenContextResponse(_message.Message):
    __slots__ = ["context", "version", "warm"]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    context: str
    version: str
    warm: bool
    def __init__(self, context: _Optional[str] = ..., version: _Optional[str] = ..., warm: bool = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ["data", "offset", "stream"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    offset: int
    stream: OutputStream
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class OutputEnded(_message.Message):
    __slots__ = ["offset", "stream"]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    offset: int
    stream: OutputStream
    def __init__(self, stream: _Optional[_Union[OutputStream, str]] = ..., offset: _Optional[int] = ...) -> None: ...

class PoolStats(_message.Message):
    __slots__ = ["acquire_p50_us", "acquire_p90_us", "acquire_p99_us", "arrivals_per_second", "breaker", "cause", "cause_message", "create_failures", "create_us", "creates", "destroyed", "draining", "failures_in_row", "held", "held_reason", "idle", "image", "leased", "leases", "max", "name", "next_try_in_ms", "oldest_wait_ms", "outdated", "recycled", "resetting", "retired", "starting", "stopping", "target", "waiters"]
    class RetiredEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ACQUIRE_P50_US_FIELD_NUMBER: _ClassVar[int]
    ACQUIRE_P90_US_FIELD_NUMBER: _ClassVar[int]
    ACQUIRE_P99_US_FIELD_NUMBER: _ClassVar[int]
    ARRIVALS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CAUSE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATES_FIELD_NUMBER: _ClassVar[int]
    CREATE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    CREATE_US_FIELD_NUMBER: _ClassVar[int]
    DESTROYED_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    FAILURES_IN_ROW_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    HELD_REASON_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEXT_TRY_IN_MS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_FIELD_NUMBER: _ClassVar[int]
    RECYCLED_FIELD_NUMBER: _ClassVar[int]
    RESETTING_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    STARTING_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    WAITERS_FIELD_NUMBER: _ClassVar[int]
    acquire_p50_us: int
    acquire_p90_us: int
    acquire_p99_us: int
    arrivals_per_second: float
    breaker: BreakerState
    cause: str
    cause_message: str
    create_failures: int
    create_us: int
    creates: int
    destroyed: int
    draining: bool
    failures_in_row: int
    held: bool
    held_reason: str
    idle: int
    image: str
    leased: int
    leases: int
    max: int
    name: str
    next_try_in_ms: int
    oldest_wait_ms: int
    outdated: int
    recycled: int
    resetting: int
    retired: _containers.ScalarMap[str, int]
    starting: int
    stopping: int
    target: int
    waiters: int
    def __init__(self, name: _Optional[str] = ..., image: _Optional[str] = ..., target: _Optional[int] = ..., max: _Optional[int] = ..., starting: _Optional[int] = ..., idle: _Optional[int] = ..., leased: _Optional[int] = ..., stopping: _Optional[int] = ..., waiters: _Optional[int] = ..., oldest_wait_ms: _Optional[int] = ..., held: bool = ..., held_reason: _Optional[str] = ..., breaker: _Optional[_Union[BreakerState, str]] = ..., cause: _Optional[str] = ..., cause_message: _Optional[str] = ..., failures_in_row: _Optional[int] = ..., next_try_in_ms: _Optional[int] = ..., creates: _Optional[int] = ..., create_failures: _Optional[int] = ..., leases: _Optional[int] = ..., destroyed: _Optional[int] = ..., resetting: _Optional[int] = ..., outdated: _Optional[int] = ..., draining: bool = ..., recycled: _Optional[int] = ..., retired: _Optional[_Mapping[str, int]] = ..., acquire_p50_us: _Optional[int] = ..., acquire_p90_us: _Optional[int] = ..., acquire_p99_us: _Optional[int] = ..., arrivals_per_second: _Optional[float] = ..., create_us: _Optional[int] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ["password", "position", "text"]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    password: bool
    position: int
    text: str
    def __init__(self, position: _Optional[int] = ..., text: _Optional[str] = ..., password: bool = ...) -> None: ...

class QuotaLimit(_message.Message):
    __slots__ = ["limit", "name", "resets_in_ms", "used"]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESETS_IN_MS_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    limit: int
    name: str
    resets_in_ms: int
    used: int
    def __init__(self, name: _Optional[str] = ..., used: _Optional[int] = ..., limit: _Optional[int] = ..., resets_in_ms: _Optional[int] = ...) -> None: ...

class QuotaRequest(_message.Message):
    __slots__ = ["all", "tenant"]
    ALL_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    all: bool
    tenant: str
    def __init__(self, tenant: _Optional[str] = ..., all: bool = ...) -> None: ...

class QuotaResponse(_message.Message):
    __slots__ = ["tenants"]
    TENANTS_FIELD_NUMBER: _ClassVar[int]
    tenants: _containers.RepeatedCompositeFieldContainer[TenantQuota]
    def __init__(self, tenants: _Optional[_Iterable[_Union[TenantQuota, _Mapping]]] = ...) -> None: ...

class ReadArchiveRequest(_message.Message):
    __slots__ = ["lease", "path", "path_raw", "window_bytes"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    lease: str
    path: str
    path_raw: bytes
    window_bytes: int
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., window_bytes: _Optional[int] = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class ReadFileRequest(_message.Message):
    __slots__ = ["lease", "length", "offset", "path", "path_raw", "window_bytes"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    lease: str
    length: int
    offset: int
    path: str
    path_raw: bytes
    window_bytes: int
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., window_bytes: _Optional[int] = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ["lease"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    def __init__(self, lease: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RemoveFileRequest(_message.Message):
    __slots__ = ["lease", "path", "path_raw", "recursive"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    RECURSIVE_FIELD_NUMBER: _ClassVar[int]
    lease: str
    path: str
    path_raw: bytes
    recursive: bool
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., recursive: bool = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class RemoveFileResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RenameFileRequest(_message.Message):
    __slots__ = ["from_raw", "lease", "no_replace", "to", "to_raw"]
    FROM_FIELD_NUMBER: _ClassVar[int]
    FROM_RAW_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    NO_REPLACE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TO_RAW_FIELD_NUMBER: _ClassVar[int]
    from_raw: bytes
    lease: str
    no_replace: bool
    to: str
    to_raw: bytes
    def __init__(self, lease: _Optional[str] = ..., to: _Optional[str] = ..., no_replace: bool = ..., from_raw: _Optional[bytes] = ..., to_raw: _Optional[bytes] = ..., **kwargs) -> None: ...

class RenameFileResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ["lease", "ttl_ms"]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    lease: str
    ttl_ms: int
    def __init__(self, lease: _Optional[str] = ..., ttl_ms: _Optional[int] = ...) -> None: ...

class RenewResponse(_message.Message):
    __slots__ = ["ttl_ms"]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    ttl_ms: int
    def __init__(self, ttl_ms: _Optional[int] = ...) -> None: ...

class ResetBackoffRequest(_message.Message):
    __slots__ = ["pool"]
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: str
    def __init__(self, pool: _Optional[str] = ...) -> None: ...

class ResetBackoffResponse(_message.Message):
    __slots__ = ["pools"]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    pools: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pools: _Optional[_Iterable[str]] = ...) -> None: ...

class ResizeRequest(_message.Message):
    __slots__ = ["max", "pool", "size"]
    MAX_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    max: int
    pool: str
    size: int
    def __init__(self, pool: _Optional[str] = ..., size: _Optional[int] = ..., max: _Optional[int] = ...) -> None: ...

class ResizeResponse(_message.Message):
    __slots__ = ["max", "size"]
    MAX_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    max: int
    size: int
    def __init__(self, size: _Optional[int] = ..., max: _Optional[int] = ...) -> None: ...

class ResizeTerminalRequest(_message.Message):
    __slots__ = ["execution", "lease", "terminal"]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    execution: str
    lease: str
    terminal: Terminal
    def __init__(self, lease: _Optional[str] = ..., execution: _Optional[str] = ..., terminal: _Optional[_Union[Terminal, _Mapping]] = ...) -> None: ...

class ResizeTerminalResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class SignalRequest(_message.Message):
    __slots__ = ["cancel", "execution", "grace_ms", "lease", "name", "signal"]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    cancel: bool
    execution: str
    grace_ms: int
    lease: str
    name: str
    signal: int
    def __init__(self, lease: _Optional[str] = ..., execution: _Optional[str] = ..., signal: _Optional[int] = ..., name: _Optional[str] = ..., cancel: bool = ..., grace_ms: _Optional[int] = ...) -> None: ...

class SignalResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Started(_message.Message):
    __slots__ = ["execution", "member", "warm", "watcher"]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    WATCHER_FIELD_NUMBER: _ClassVar[int]
    execution: str
    member: str
    warm: bool
    watcher: int
    def __init__(self, execution: _Optional[str] = ..., member: _Optional[str] = ..., watcher: _Optional[int] = ..., warm: bool = ...) -> None: ...

class StatRequest(_message.Message):
    __slots__ = ["follow", "lease", "path", "path_raw"]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    follow: bool
    lease: str
    path: str
    path_raw: bytes
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., follow: bool = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class StatResponse(_message.Message):
    __slots__ = ["info"]
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: FileInfo
    def __init__(self, info: _Optional[_Union[FileInfo, _Mapping]] = ...) -> None: ...

class StatsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class StatsResponse(_message.Message):
    __slots__ = ["connections", "executions", "held_budget_bytes", "held_bytes", "memory_budget_bytes", "memory_used_bytes", "pools", "runtime", "server", "unheld_limits", "uptime_ms"]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    HELD_BUDGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BUDGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    UNHELD_LIMITS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    connections: int
    executions: int
    held_budget_bytes: int
    held_bytes: int
    memory_budget_bytes: int
    memory_used_bytes: int
    pools: _containers.RepeatedCompositeFieldContainer[PoolStats]
    runtime: str
    server: str
    unheld_limits: _containers.RepeatedScalarFieldContainer[str]
    uptime_ms: int
    def __init__(self, server: _Optional[str] = ..., uptime_ms: _Optional[int] = ..., runtime: _Optional[str] = ..., connections: _Optional[int] = ..., executions: _Optional[int] = ..., pools: _Optional[_Iterable[_Union[PoolStats, _Mapping]]] = ..., memory_budget_bytes: _Optional[int] = ..., memory_used_bytes: _Optional[int] = ..., held_bytes: _Optional[int] = ..., held_budget_bytes: _Optional[int] = ..., unheld_limits: _Optional[_Iterable[str]] = ...) -> None: ...

class TenantQuota(_message.Message):
    __slots__ = ["limits", "max_timeout_ms", "pools", "role", "tenant"]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    limits: _containers.RepeatedCompositeFieldContainer[QuotaLimit]
    max_timeout_ms: int
    pools: _containers.RepeatedScalarFieldContainer[str]
    role: str
    tenant: str
    def __init__(self, tenant: _Optional[str] = ..., role: _Optional[str] = ..., pools: _Optional[_Iterable[str]] = ..., limits: _Optional[_Iterable[_Union[QuotaLimit, _Mapping]]] = ..., max_timeout_ms: _Optional[int] = ...) -> None: ...

class Terminal(_message.Message):
    __slots__ = ["columns", "no_echo", "rows"]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    NO_ECHO_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    columns: int
    no_echo: bool
    rows: int
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ..., no_echo: bool = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ["peak_memory_bytes", "system_us", "user_us", "wall_us"]
    PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_US_FIELD_NUMBER: _ClassVar[int]
    USER_US_FIELD_NUMBER: _ClassVar[int]
    WALL_US_FIELD_NUMBER: _ClassVar[int]
    peak_memory_bytes: int
    system_us: int
    user_us: int
    wall_us: int
    def __init__(self, wall_us: _Optional[int] = ..., user_us: _Optional[int] = ..., system_us: _Optional[int] = ..., peak_memory_bytes: _Optional[int] = ...) -> None: ...

class WatchStatsRequest(_message.Message):
    __slots__ = ["interval_ms"]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    interval_ms: int
    def __init__(self, interval_ms: _Optional[int] = ...) -> None: ...

class WriteArchiveRequest(_message.Message):
    __slots__ = ["data", "lease", "more", "offset", "path", "path_raw", "upload"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    lease: str
    more: bool
    offset: int
    path: str
    path_raw: bytes
    upload: str
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., data: _Optional[bytes] = ..., more: bool = ..., upload: _Optional[str] = ..., offset: _Optional[int] = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class WriteArchiveResponse(_message.Message):
    __slots__ = ["files", "offset", "upload"]
    FILES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    files: int
    offset: int
    upload: str
    def __init__(self, upload: _Optional[str] = ..., offset: _Optional[int] = ..., files: _Optional[int] = ...) -> None: ...

class WriteFileRequest(_message.Message):
    __slots__ = ["create_parents", "data", "lease", "mode", "more", "offset", "path", "path_raw", "upload"]
    CREATE_PARENTS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PATH_RAW_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    create_parents: bool
    data: bytes
    lease: str
    mode: int
    more: bool
    offset: int
    path: str
    path_raw: bytes
    upload: str
    def __init__(self, lease: _Optional[str] = ..., path: _Optional[str] = ..., data: _Optional[bytes] = ..., mode: _Optional[int] = ..., create_parents: bool = ..., more: bool = ..., upload: _Optional[str] = ..., offset: _Optional[int] = ..., path_raw: _Optional[bytes] = ...) -> None: ...

class WriteFileResponse(_message.Message):
    __slots__ = ["offset", "upload"]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    offset: int
    upload: str
    def __init__(self, upload: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OutputPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Unwatched(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OutputStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class EndCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class StartFailure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class FileType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class BreakerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class MemberState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
