# SPDX-License-Identifier: Apache-2.0
"""From what callers say to the contract's messages."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple, TypedDict, Union

from ._values import (
    Data, Word, Words, data_of, duration, environment, flag, integer, is_text, milliseconds, text, word, words, wrong,
)
from .v1 import pool_pb2

__all__ = ["Data", "data_of", "milliseconds", "text"]


class PieceOptions(TypedDict, total=False):
    """What ``run`` and ``execute`` of a context take beside the code; each as in ``Options``."""

    stdin: Data
    timeout: float
    grace: float
    idle_timeout: float
    cpu_time: float
    max_output: int
    kill_at_max_output: bool
    resumable: float
    wait_unwatched: bool
    window: int
    deadline: float
    #: For ``execute``: prompts are answered with ``write``.
    keep_stdin_open: bool


#: Credit of a stream: output that was sent and not consumed is never more than this.
DEFAULT_WINDOW = 256 << 10
MIN_WINDOW, MAX_WINDOW = 64 << 10, 1 << 20
#: What `run` collects of each stream when it is not told.
DEFAULT_RUN_OUTPUT = 16 << 20
#: What goes in one Input, WriteFile or WriteArchive.
CHUNK = 256 << 10
#: Up to here the standard input goes with the request itself; what is longer follows in pieces, as the program reads.
INLINE_INPUT = 1 << 20

Argv = Optional[Words]


class LeaseRunOptions(TypedDict, total=False):
    """What ``run`` of a lease takes beside ``argv``, and ``execute`` too. Times are in seconds, sizes in bytes.

    Text that a program gets may be a ``str``, with surrogates where it is not UTF-8 (as ``os.fsdecode`` makes them),
    ``bytes``, or a path.
    """

    #: Instead of ``argv``: a line for the container's /bin/sh.
    shell: str
    #: Instead of ``argv``: source text, run as ``language`` says.
    code: str
    #: With ``code``: "python", "sh", or what the pool's configuration names.
    language: str
    #: Added to the pool's environment.
    env: Union[Mapping[str, Word], Mapping[bytes, Word]]
    #: Absolute; else the pool's, /workspace.
    cwd: Word
    #: The user id it runs as; else the member's own.
    uid: int
    #: Its standard input, of any length, a ``str`` as UTF-8; end of file follows.
    stdin: Data
    #: It has a terminal of so many rows and columns.
    terminal: Tuple[int, int]
    #: With ``terminal``: what is typed is not echoed.
    no_echo: bool
    #: stdout and stderr are one pipe, in the order of writing: all is stdout.
    merge_output: bool
    #: After this it gets TERM, a grace, KILL of everything it started; else the server's default, 60 s.
    timeout: float
    #: Between TERM and KILL; else the server's default, 2 s.
    grace: float
    #: The same when it has written nothing for so long.
    idle_timeout: float
    #: The same when everything it started has used so much CPU time.
    cpu_time: float
    #: What it leaves running goes on until the lease ends.
    keep_background: bool
    #: Of each of its streams; ``run`` takes 16 MiB when it is not told, ``execute`` has no limit.
    max_output: int
    #: At ``max_output`` it is ended; else it goes on, and the end says how much was not sent.
    kill_at_max_output: bool
    #: When the last stream that watches it breaks, it goes on for so long, and ``attach`` finds it.
    resumable: float
    #: With ``resumable``: it blocks rather than lose output that nobody has read.
    wait_unwatched: bool
    #: This stream's credit, instead of the client's; 64 KiB to 1 MiB.
    window: int
    #: Of the whole call: after this the program is killed and the call raises ``DeadlineExceededError``.
    deadline: float


class LeaseOptions(LeaseRunOptions, total=False):
    """And what only ``execute`` takes."""

    #: End of file does not follow ``stdin``: ``write`` and ``close_stdin`` go on.
    keep_stdin_open: bool


class RunOptions(LeaseRunOptions, total=False):
    """For ``run`` in a member of its own."""

    #: The pool's name; else the default pool.
    pool: str
    #: How long to wait in line when none is warm; else the server's default, 30 s.
    wait: float


class Options(LeaseOptions, total=False):
    """For ``execute`` in a member of its own."""

    #: The pool's name; else the default pool.
    pool: str
    #: How long to wait in line when none is warm; else the server's default, 30 s.
    wait: float


_TIMES = {
    "wait": "wait_ms",
    "timeout": "timeout_ms",
    "grace": "grace_ms",
    "idle_timeout": "idle_timeout_ms",
    "cpu_time": "cpu_time_ms",
    "resumable": "resumable_ms",
}
_TEXTS = frozenset(("pool", "shell", "code", "language"))
_FLAGS = frozenset(("keep_stdin_open", "keep_background", "merge_output"))


def checked_window(window: int) -> int:
    if not MIN_WINDOW <= integer(window, "window") <= MAX_WINDOW:
        raise ValueError(f"a window of {window} bytes: allowed are {MIN_WINDOW} to {MAX_WINDOW}")
    return window


def checked_keepalive(seconds: float) -> float:
    if not duration(seconds, "keepalive") > 0:
        raise ValueError("keepalive=0 would give every call up: say more")
    return float(seconds)


def taken_deadline(options: Dict[str, Any]) -> Optional[float]:
    """Takes the call's own deadline out of its options."""
    deadline = options.pop("deadline", None)
    return None if deadline is None else duration(deadline, "deadline")


def for_run(options: Dict[str, Any]) -> Dict[str, Any]:
    """Options of ``run``. Raises ``ValueError`` for what would never end."""
    if options.get("keep_stdin_open"):
        raise ValueError("run has no way to write to a standard input that is kept open: use execute")
    if options.get("max_output") is None:
        options["max_output"] = DEFAULT_RUN_OUTPUT
    return options


def execute(
    lease: str, argv: Argv, options: Mapping[str, Any], window: int
) -> Tuple[pool_pb2.ExecuteRequest, memoryview]:
    """The request, and the standard input that does not go with it. Raises ``TypeError`` for an option that is none or of
    the wrong kind, ``ValueError`` for a value that can't be right."""
    given = {name: value for name, value in options.items() if value is not None}
    if (argv is not None) + ("shell" in given) + ("code" in given) != 1:
        raise ValueError("exactly one of argv, shell and code says what to run")
    fields: Dict[str, Any] = {"lease": lease, "window_bytes": checked_window(given.pop("window", None) or window)}
    if argv is not None:
        _put_words(fields, words(argv, "argv"))
    rest = memoryview(b"")
    for name, value in given.items():
        if name in _TEXTS:
            fields[name] = text(value, name)
        elif name in _FLAGS:
            fields[name] = flag(value, name)
        elif name in _TIMES:
            fields[_TIMES[name]] = milliseconds(value, name)
        elif name == "env":
            _put_environment(fields, environment(value))
        elif name == "cwd":
            fields.update(path_fields("cwd", value))
        elif name == "uid":
            fields["uid"] = integer(value, name, (1 << 32) - 1)
        elif name == "stdin":
            rest = data_of(value, name)
        elif name == "max_output":
            fields["max_output_bytes"] = integer(value, name)
        elif name == "terminal":
            fields["terminal"] = _terminal(value, flag(given.get("no_echo", False), "no_echo"))
        elif name == "no_echo":
            if flag(value, name) and "terminal" not in given:
                raise ValueError("no_echo is of a terminal: say terminal=(rows, columns) too")
        elif name == "kill_at_max_output":
            fields["output_policy"] = pool_pb2.KILL_AT_LIMIT if flag(value, name) else pool_pb2.TRUNCATE_OUTPUT
        elif name == "wait_unwatched":
            fields["unwatched"] = pool_pb2.WAIT if flag(value, name) else pool_pb2.RUN_ON
        else:
            raise TypeError(f"{name!r} is no option of execute and run")
    request = pool_pb2.ExecuteRequest(**fields)
    return _with_input(request, rest)


def _with_input(request: pool_pb2.ExecuteRequest, rest: memoryview) -> Tuple[pool_pb2.ExecuteRequest, memoryview]:
    if len(rest) <= INLINE_INPUT:
        request.stdin = bytes(rest)
        return request, rest[len(rest) :]
    request.stdin, request.keep_stdin_open = bytes(rest[:CHUNK]), True
    return request, rest[CHUNK:]


def piece(
    lease: str, context: str, code: str, options: Mapping[str, Any], window: int
) -> Tuple[pool_pb2.ExecuteRequest, memoryview]:
    """The same for a piece of code in a context."""
    for name in options:
        if name not in PieceOptions.__annotations__:
            raise TypeError(f"{name!r} is no option of a piece of code: it is the context's")
    request, rest = execute(lease, None, {**options, "code": code}, window)
    request.context = context
    return request, rest


def open_context(
    lease: str, language: str, env: Union[Mapping[str, Word], Mapping[bytes, Word], None], cwd: Optional[Word],
    uid: Optional[int],
) -> pool_pb2.OpenContextRequest:
    fields: Dict[str, Any] = {"lease": lease, "language": text(language, "language")}
    if env is not None:
        _put_environment(fields, environment(env))
    if cwd is not None:
        fields.update(path_fields("cwd", cwd))
    if uid is not None:
        fields["uid"] = integer(uid, "uid", (1 << 32) - 1)
    return pool_pb2.OpenContextRequest(**fields)


def connect(
    lease: str,
    port: Optional[int],
    unix: Optional[Word],
    wait: float,
    timeout: Optional[float],
    idle_timeout: Optional[float],
    window: int,
) -> pool_pb2.ConnectRequest:
    if (port is None) == (unix is None):
        raise TypeError("one of port and unix says where to connect")
    fields: Dict[str, Any] = {
        "lease": lease,
        "wait_ms": milliseconds(wait, "wait"),
        "timeout_ms": milliseconds(timeout, "timeout"),
        "idle_timeout_ms": milliseconds(idle_timeout, "idle_timeout"),
        "window_bytes": checked_window(window),
    }
    if port is not None:
        fields["port"] = integer(port, "port", 65535)
    if unix is not None:
        fields.update(path_fields("path", unix))
    return pool_pb2.ConnectRequest(**fields)


def place(code: str, cursor: Optional[int]) -> Tuple[str, int]:
    """Code, and a place in it, in bytes of UTF-8."""
    return text(code, "code"), len(code.encode()) if cursor is None else integer(cursor, "cursor")


def _put_words(fields: Dict[str, Any], argv: List[bytes]) -> None:
    if all(map(is_text, argv)):
        fields["argv"] = [item.decode() for item in argv]
    else:
        fields["argv_raw"] = argv


def _put_environment(fields: Dict[str, Any], pairs: List[Tuple[bytes, bytes]]) -> None:
    fields["env"] = {name.decode(): value.decode() for name, value in pairs if is_text(name + b"=" + value)}
    fields["env_raw"] = [name + b"=" + value for name, value in pairs if not is_text(name + b"=" + value)]


def _terminal(value: Any, no_echo: bool) -> pool_pb2.Terminal:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise wrong("terminal", "(rows, columns)", value)
    most = (1 << 32) - 1
    return pool_pb2.Terminal(
        rows=integer(value[0], "terminal[0]", most), columns=integer(value[1], "terminal[1]", most), no_echo=no_echo
    )


def path_fields(name: str, value: Word) -> Dict[str, Any]:
    """The field of text, or, where it is none, that of bytes beside it."""
    data = word(value, name.rstrip("_"))
    return {name: data.decode()} if is_text(data) else {name + "_raw": data}


def acquire(
    pool: Optional[str], wait: Optional[float], detached: bool, ttl: Optional[float]
) -> pool_pb2.AcquireRequest:
    return pool_pb2.AcquireRequest(
        pool=text(pool or "", "pool"),
        wait_ms=milliseconds(wait, "wait"),
        detached=flag(detached, "detached"),
        ttl_ms=milliseconds(ttl, "ttl"),
    )


def signal(lease: str, execution: str, number_or_name: Union[int, str]) -> pool_pb2.SignalRequest:
    if isinstance(number_or_name, str):
        return pool_pb2.SignalRequest(lease=lease, execution=execution, name=number_or_name)
    number = integer(number_or_name, "signal", 64)
    return pool_pb2.SignalRequest(lease=lease, execution=execution, signal=number)


def cancel(lease: str, execution: str, grace: Optional[float]) -> pool_pb2.SignalRequest:
    return pool_pb2.SignalRequest(lease=lease, execution=execution, cancel=True, grace_ms=milliseconds(grace, "grace"))


def resize(lease: str, execution: str, rows: int, columns: int) -> pool_pb2.ResizeTerminalRequest:
    terminal = _terminal((rows, columns), False)
    return pool_pb2.ResizeTerminalRequest(lease=lease, execution=execution, terminal=terminal)


def attach(
    lease: str, execution: str, stdout_offset: int, stderr_offset: int, from_now: bool, observe: bool, window: int,
    events_position: int = 0,
) -> pool_pb2.AttachRequest:
    return pool_pb2.AttachRequest(
        lease=lease,
        execution=text(execution, "execution"),
        stdout_offset=integer(stdout_offset, "stdout_offset"),
        stderr_offset=integer(stderr_offset, "stderr_offset"),
        events_position=integer(events_position, "events_position"),
        from_now=flag(from_now, "from_now"),
        observe=flag(observe, "observe"),
        window_bytes=checked_window(window),
    )
