"""From what callers say to the contract's messages."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, TypedDict, Union

from .v1 import pool_pb2

#: Credit of a stream: output that was sent and not consumed is never more than this.
DEFAULT_WINDOW = 256 << 10
MIN_WINDOW, MAX_WINDOW = 64 << 10, 1 << 20
#: What `run` collects of each stream when it is not told.
DEFAULT_RUN_OUTPUT = 16 << 20
#: What goes in one Input, WriteFile or WriteArchive.
CHUNK = 256 << 10

Argv = Optional[Sequence[str]]


class LeaseOptions(TypedDict, total=False):
    """What ``run`` and ``execute`` take beside ``argv``. Times are in seconds, sizes in bytes."""

    #: Instead of ``argv``: a line for the container's /bin/sh.
    shell: str
    #: Instead of ``argv``: source text, run as ``language`` says.
    code: str
    #: With ``code``: "python", "sh", or what the pool's configuration names.
    language: str
    #: Added to the pool's environment.
    env: Mapping[str, str]
    #: Absolute; else the pool's, /workspace.
    cwd: str
    #: The user id it runs as; else the pool's, 1000.
    uid: int
    #: The first bytes of its standard input; end of file follows.
    stdin: bytes
    #: End of file does not follow: ``write`` and ``close_stdin`` go on. Of ``execute`` only.
    keep_stdin_open: bool
    #: It has a terminal of so many rows and columns. Of ``execute`` only.
    terminal: Tuple[int, int]
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


class Options(LeaseOptions, total=False):
    """And for a member of its own."""

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
_SAME = frozenset(("pool", "shell", "code", "language", "env", "cwd", "uid", "stdin", "keep_stdin_open", "keep_background"))


def milliseconds(seconds: Optional[float]) -> int:
    """0 for None, which leaves it to the server; else at least 1, since 0 would mean the same."""
    if seconds is None:
        return 0
    if not seconds >= 0:
        raise ValueError(f"{seconds} s is no time: it must not be negative")
    return min(max(1, round(seconds * 1000)), (1 << 32) - 1)


def checked_window(window: int) -> int:
    if not MIN_WINDOW <= window <= MAX_WINDOW:
        raise ValueError(f"a window of {window} bytes: allowed are {MIN_WINDOW} to {MAX_WINDOW}")
    return window


def execute(lease: str, argv: Argv, options: Mapping[str, Any], window: int) -> pool_pb2.ExecuteRequest:
    """Raises ``TypeError`` for an option that is none, ``ValueError`` for a value that can't be right."""
    if isinstance(argv, (str, bytes)):
        raise TypeError('argv is a list of strings: ["echo", "hello"]; for a line of shell, say shell=…')
    if (argv is not None) + ("shell" in options) + ("code" in options) != 1:
        raise ValueError("exactly one of argv, shell and code says what to run")
    fields: Dict[str, Any] = {"lease": lease, "window_bytes": checked_window(options.get("window") or window)}
    if argv is not None:
        fields["argv"] = argv
    for name, value in options.items():
        if name == "window" or value is None:
            continue
        if name in _SAME:
            fields[name] = value
        elif name in _TIMES:
            fields[_TIMES[name]] = milliseconds(value)
        elif name == "max_output":
            fields["max_output_bytes"] = value
        elif name == "terminal":
            fields["terminal"] = pool_pb2.Terminal(rows=value[0], columns=value[1])
        elif name == "kill_at_max_output":
            fields["output_policy"] = pool_pb2.KILL_AT_LIMIT if value else pool_pb2.TRUNCATE_OUTPUT
        elif name == "wait_unwatched":
            fields["unwatched"] = pool_pb2.WAIT if value else pool_pb2.RUN_ON
        else:
            raise TypeError(f"{name!r} is no option of execute and run")
    return pool_pb2.ExecuteRequest(**fields)


def acquire(
    pool: Optional[str], wait: Optional[float], detached: bool, ttl: Optional[float]
) -> pool_pb2.AcquireRequest:
    return pool_pb2.AcquireRequest(
        pool=pool or "", wait_ms=milliseconds(wait), detached=detached, ttl_ms=milliseconds(ttl)
    )


def signal(lease: str, execution: str, number_or_name: Union[int, str]) -> pool_pb2.SignalRequest:
    if isinstance(number_or_name, str):
        return pool_pb2.SignalRequest(lease=lease, execution=execution, name=number_or_name)
    return pool_pb2.SignalRequest(lease=lease, execution=execution, signal=int(number_or_name))


def cancel(lease: str, execution: str, grace: Optional[float]) -> pool_pb2.SignalRequest:
    return pool_pb2.SignalRequest(lease=lease, execution=execution, cancel=True, grace_ms=milliseconds(grace))


def resize(lease: str, execution: str, rows: int, columns: int) -> pool_pb2.ResizeTerminalRequest:
    terminal = pool_pb2.Terminal(rows=rows, columns=columns)
    return pool_pb2.ResizeTerminalRequest(lease=lease, execution=execution, terminal=terminal)


def attach(
    lease: str, execution: str, stdout_offset: int, stderr_offset: int, from_now: bool, observe: bool, window: int
) -> pool_pb2.AttachRequest:
    return pool_pb2.AttachRequest(
        lease=lease,
        execution=execution,
        stdout_offset=stdout_offset,
        stderr_offset=stderr_offset,
        from_now=from_now,
        observe=observe,
        window_bytes=checked_window(window),
    )
