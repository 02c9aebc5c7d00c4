# SPDX-License-Identifier: Apache-2.0
"""Why a kernel ended, in words for whoever looks at a notebook."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Optional, Union

import berth

_KEPT = "The container and its files are kept: a restarted kernel goes on there."
_GONE = "Its container is gone, and the files in it: a restarted kernel has a new one."


@dataclass(frozen=True)
class Reason:
    #: A process's: what a kernel manager asks for.
    exit_code: int
    #: One line.
    words: str
    #: What can be done about it, in lines.
    advice: str
    container_is_gone: bool = False


def size(count: int) -> str:
    """In the units that settings are written in."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count} bytes"


def period(seconds: float) -> str:
    for unit, factor in (("h", 3600), ("min", 60)):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:g} {unit}"
    return f"{seconds:g} s"


def of(end: Union[berth.End, berth.BerthError], lifetime: float, memory: Optional[int], server: str) -> Reason:
    if isinstance(end, berth.BerthError):
        if isinstance(end, berth.NotFoundError):
            return Reason(1, f"its lease has ended: {end.message}", _GONE, True)
        return Reason(1, f"the connection to the Berth server{server} was lost: {end.message}", _GONE, True)
    cause = end.cause
    code = -end.signal if end.signal else end.exit_code or 1
    if cause is berth.EndCause.OUT_OF_MEMORY:
        limit = f" at {size(memory)}" if memory else ""
        more = "More memory is a setting of the server's pool: `memory`."
        return Reason(code, f"out of memory{limit}", f"{_KEPT}\n{more}")
    if cause is berth.EndCause.EXITED:
        return Reason(end.exit_code, f"it exited with code {end.exit_code}", _KEPT)
    if cause is berth.EndCause.SIGNALLED:
        return Reason(code, f"killed by {_name(end.signal)}", _KEPT)
    if cause is berth.EndCause.TIMED_OUT:
        return Reason(code, f"it has reached its lifetime of {period(lifetime)}", _KEPT)
    if cause is berth.EndCause.DRAINING:
        return Reason(code, f"the Berth server{server} is shutting down", _GONE, True)
    if cause is berth.EndCause.CONTAINER_LOST:
        return Reason(code, f"its container went away{_behind(end.message)}", _GONE, True)
    if cause is berth.EndCause.CANCELLED:
        return Reason(code, f"it was cancelled{_behind(end.message)}", _KEPT)
    return Reason(code, str(end), _KEPT)


def _behind(words: str) -> str:
    return f": {words}" if words else ""


def _name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} ({signal.strsignal(number)})"
