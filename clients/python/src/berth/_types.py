# SPDX-License-Identifier: Apache-2.0
"""What comes back from calls."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Union

from ._errors import BerthError, Code
from .v1 import pool_pb2


class Stream(enum.IntEnum):
    """Which of a program's two output streams; or, of ``Dropped`` alone, the events of a piece of code."""

    STDOUT = 0
    STDERR = 1
    EVENTS = 2


class EndCause(enum.IntEnum):
    """Why an execution ended."""

    UNKNOWN = 0
    #: By itself: ``exit_code``.
    EXITED = 1
    #: By a signal that Berth did not send: ``signal``.
    SIGNALLED = 2
    #: ``timeout`` passed.
    TIMED_OUT = 3
    #: The kernel killed it, or a child of it, at the container's memory limit.
    OUT_OF_MEMORY = 4
    #: It wrote more than ``max_output``, and was to be killed then.
    OUTPUT_LIMIT = 5
    #: By ``cancel``, by the call's deadline, by its connection's end or by its lease's end.
    CANCELLED = 6
    #: The container went away under it.
    CONTAINER_LOST = 7
    #: It never ran: ``start_failure`` and ``message`` say why.
    START_FAILED = 8
    #: The server is shutting down.
    DRAINING = 9
    #: It wrote nothing for ``idle_timeout``.
    IDLE_TIMEOUT = 10
    #: It used ``cpu_time``.
    CPU_TIME_LIMIT = 11
    #: The context it was to run in had ended, or broke the rules.
    CONTEXT_LOST = 12
    #: Of a connection: the other side broke it off.
    CONNECTION_RESET = 13

    @classmethod
    def _missing_(cls, value: object) -> EndCause:
        return cls.UNKNOWN


class StartFailure(enum.IntEnum):
    """Why a program could not be started."""

    NONE = 0
    PROGRAM_NOT_FOUND = 1
    PROGRAM_NOT_EXECUTABLE = 2
    BAD_CWD = 3
    NO_RESOURCES = 4

    @classmethod
    def _missing_(cls, value: object) -> StartFailure:
        return cls.NONE


@dataclass(frozen=True)
class Output:
    """A piece of what the program wrote."""

    stream: Stream
    #: Of the first byte of ``data`` in its stream.
    offset: int
    data: bytes


@dataclass(frozen=True)
class Dropped:
    """A gap in the output: these bytes were no longer held when this reader came to them."""

    stream: Stream
    offset: int
    bytes: int


@dataclass(frozen=True)
class Display:
    """Something that a piece of code shows, in one or more forms."""

    #: By MIME type: the same thing in each form.
    data: Dict[str, bytes]
    #: A name that a later display may refer to.
    id: str = ""
    #: It takes the place of those with this id.
    update: bool = False
    #: The value of the piece's last expression.
    is_result: bool = False
    #: Forms that were too large, and their sizes in bytes.
    left_out: Dict[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Its plain text; empty where it has none."""
        return self.data.get("text/plain", b"").decode("utf-8", "replace")

    @staticmethod
    def of(display: pool_pb2.Display) -> Display:
        return Display(
            {form.mime: form.data for form in display.data},
            display.id,
            display.update,
            display.result,
            {form.mime: form.bytes for form in display.left_out},
        )


@dataclass(frozen=True)
class Failure:
    """How a piece of code failed."""

    #: Of the error: "ValueError".
    name: str
    message: str
    #: Lines for people.
    traceback: List[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


@dataclass(frozen=True)
class Prompt:
    """A piece of code waits for a line of its standard input: answer with ``write``, the line feed included."""

    text: str
    #: What is typed is not to be shown.
    password: bool = False


Event = Union[Output, Dropped, Display, Failure, Prompt]


@dataclass(frozen=True)
class Text:
    """A piece of what the program wrote, in whole characters."""

    stream: Stream
    text: str
    #: Bytes that were no longer held, and are missing behind this text.
    dropped: int = 0


@dataclass(frozen=True)
class Usage:
    """What an execution used. Times in seconds."""

    wall: float
    user: float
    system: float
    #: The largest resident set of any one process of it, in bytes.
    peak_memory: int


@dataclass(frozen=True)
class End:
    """How an execution ended."""

    cause: EndCause
    #: 0 to 255, where the program exited.
    exit_code: int
    #: The number of the signal that ended it, else 0.
    signal: int
    #: The cause in words; empty where there is nothing to add.
    message: str
    start_failure: StartFailure
    usage: Usage
    #: Written by the program in all, in bytes.
    stdout_bytes: int
    stderr_bytes: int
    #: Of them: over ``max_output``, or written when nobody wanted it any more, and not sent.
    stdout_truncated: int
    stderr_truncated: int
    #: Processes of the container that the kernel killed at its memory limit meanwhile.
    out_of_memory_kills: int
    #: Of a piece of code: its context ended with it.
    context_lost: bool = False

    @property
    def ok(self) -> bool:
        """It exited by itself with 0."""
        return self.cause is EndCause.EXITED and self.exit_code == 0

    def __str__(self) -> str:
        words = self.cause.name.lower().replace("_", " ")
        if self.cause is EndCause.EXITED:
            words += f" with {self.exit_code}"
        elif self.signal:
            words += f" (signal {self.signal})"
        return f"{words}: {self.message}" if self.message else words

    @staticmethod
    def of(ended: pool_pb2.Ended) -> End:
        usage = ended.usage
        return End(
            EndCause(ended.cause),
            ended.exit_code,
            ended.signal,
            ended.message,
            StartFailure(ended.start_failure),
            Usage(usage.wall_us / 1e6, usage.user_us / 1e6, usage.system_us / 1e6, usage.peak_memory_bytes),
            ended.stdout_bytes,
            ended.stderr_bytes,
            ended.stdout_truncated,
            ended.stderr_truncated,
            ended.out_of_memory_kills,
            ended.context_lost,
        )


class ExecutionFailed(Exception):
    """Raised by ``Result.check``: the program did not exit with 0."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result.end))
        self.result = result


@dataclass(frozen=True)
class Result:
    """All that a program wrote, and how it ended."""

    stdout: bytes
    stderr: bytes
    end: End
    #: What a piece of code has shown, in order.
    displays: List[Display] = field(default_factory=list)
    #: How a piece of code failed; None: it has not.
    failure: Optional[Failure] = None

    @property
    def ok(self) -> bool:
        return self.end.ok

    @property
    def value(self) -> Optional[str]:
        """The value of a piece's last expression as text; None where it has none, or is not shown."""
        results = [display.text for display in self.displays if display.is_result]
        return results[-1] if results else None

    @property
    def exit_code(self) -> int:
        return self.end.exit_code

    @property
    def text(self) -> str:
        """stdout as UTF-8; what is none becomes U+FFFD."""
        return self.stdout.decode("utf-8", "replace")

    def check(self) -> Result:
        """Itself, when the program exited with 0. Raises ``ExecutionFailed`` otherwise."""
        if not self.ok:
            raise ExecutionFailed(self)
        return self


@dataclass(frozen=True)
class Server:
    """Who is there."""

    #: "berth/0.1.0"
    version: str
    #: The names of its pools, the default pool first.
    pools: List[str]


class FileType(enum.IntEnum):
    UNKNOWN = 0
    REGULAR = 1
    DIRECTORY = 2
    SYMBOLIC_LINK = 3
    OTHER = 4

    @classmethod
    def _missing_(cls, value: object) -> FileType:
        return cls.UNKNOWN


@dataclass(frozen=True)
class FileInfo:
    """What is known of a file."""

    name: str
    type: FileType
    #: In bytes.
    size: int
    #: Permission bits, 0 to 0o7777.
    mode: int
    #: Seconds since 1970-01-01 UTC.
    modified: float
    uid: int
    gid: int
    #: Of a symbolic link, as it is written there.
    link_target: bytes = b""
    #: The name as it is; ``name`` has surrogates where that is not UTF-8, as ``os.fsdecode`` makes them.
    name_bytes: bytes = b""

    @staticmethod
    def of(info: pool_pb2.FileInfo) -> FileInfo:
        return FileInfo(
            info.name_raw.decode("utf-8", "surrogateescape") or info.name,
            FileType(info.type),
            info.size,
            info.mode,
            info.modified_us / 1e6,
            info.uid,
            info.gid,
            info.link_target,
            info.name_raw or info.name.encode(),
        )


@dataclass(frozen=True)
class ExecutionInfo:
    """An execution of a lease, as ``executions()`` lists it."""

    #: For ``attach``.
    id: str
    #: Shortened where it is long; with surrogates where it is not UTF-8.
    argv: List[str]
    #: Seconds since it was asked for.
    age: float
    #: How many streams watch it.
    watchers: int
    #: What has come from it by now, in bytes.
    stdout_bytes: int
    stderr_bytes: int
    #: ``attach`` gets all from this offset on.
    stdout_held_from: int
    stderr_held_from: int
    #: None while it runs.
    end: Optional[End] = field(default=None)
    #: The id of the context that it runs in; then ``argv`` is the language and the code.
    context: str = ""

    @staticmethod
    def of(info: pool_pb2.ExecutionInfo) -> ExecutionInfo:
        return ExecutionInfo(
            info.execution,
            [word.decode("utf-8", "surrogateescape") for word in info.argv_raw] or list(info.argv),
            info.age_ms / 1e3,
            info.watchers,
            info.stdout_bytes,
            info.stderr_bytes,
            info.stdout_held_from,
            info.stderr_held_from,
            End.of(info.ended) if info.HasField("ended") else None,
            info.context,
        )


@dataclass(frozen=True)
class ContextInfo:
    """A context of a lease, as ``contexts()`` lists it."""

    id: str
    language: str
    #: Of the interpreter; empty where it does not tell.
    version: str
    #: Seconds since it was asked for.
    age: float
    #: How many pieces of code were run in it.
    pieces: int
    #: The id of what runs in it now; empty: nothing.
    execution: str

    @staticmethod
    def of(info: pool_pb2.ContextInfo) -> ContextInfo:
        return ContextInfo(
            info.context, info.language, info.version, info.age_ms / 1e3, info.pieces, info.execution
        )


@dataclass(frozen=True)
class Completion:
    """What could stand at a place in code, each in the place of the text from ``start`` to ``end``, in bytes of UTF-8."""

    matches: List[str]
    start: int
    end: int


def unexpected(what: str) -> BerthError:
    """The server broke the contract."""
    return BerthError.of(Code.INTERNAL, f"the server sent {what}")
