# SPDX-License-Identifier: Apache-2.0
"""What callers pass, looked at before anything is sent: a ``TypeError`` or ``ValueError`` names the argument."""

from __future__ import annotations

import os
from typing import Any, Iterator, List, Optional, Protocol, Tuple, Union

#: Text, or what Linux knows as bytes; a ``pathlib`` path too. A str may have surrogates, as ``os.fsdecode`` makes them.
Word = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
#: Bytes, or text that is sent as UTF-8.
Data = Union[bytes, bytearray, memoryview, str]


class Words(Protocol):
    """A list or a tuple of words. A ``str`` is none: one that was forgotten to be split must not become its letters."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Word]: ...

    def __getitem__(self, index: int, /) -> Word: ...

    # This is what a str has not: it wants another str here.
    def __contains__(self, value: object, /) -> bool: ...


def wrong(what: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{what} must be {wanted}, not {type(value).__name__}: {value!r:.80}")


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise wrong(what, "a str", value)
    return value


def word(value: Any, what: str) -> bytes:
    """As the bytes that a program gets."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if not isinstance(value, bytes):
        raise wrong(what, "a str, bytes or a path", value)
    return value


def words(value: Any, what: str) -> List[bytes]:
    if isinstance(value, (str, bytes, os.PathLike)) or not hasattr(value, "__iter__") or hasattr(value, "keys"):
        raise wrong(what, 'a list of words, as ["echo", "hello"] (for a line of shell, say shell=…)', value)
    found = [word(item, f"{what}[{index}]") for index, item in enumerate(value)]
    if not found:
        raise ValueError(f"{what} is empty: it begins with the program")
    return found


def environment(value: Any) -> List[Tuple[bytes, bytes]]:
    if not hasattr(value, "items"):
        raise wrong("env", "a dict", value)
    return [(word(name, "a name in env"), word(item, f"env[{name!r}]")) for name, item in value.items()]


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def data_of(value: Any, what: str, otherwise: str = "") -> memoryview:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise wrong(what, f"bytes, text {otherwise}".rstrip(), value)
    return memoryview(value).cast("B")


def integer(value: Any, what: str, most: int = (1 << 64) - 1) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong(what, "an int", value)
    number = int(value.__index__())
    if not 0 <= number <= most:
        raise ValueError(f"{what}={number} can't be: allowed are 0 to {most}")
    return number


def flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool) and value not in (0, 1):
        raise wrong(what, "True or False", value)
    return bool(value)


def milliseconds(seconds: Optional[float], what: str = "a time") -> int:
    """0 for None, which leaves it to the server; else at least 1, since 0 would mean the same."""
    if seconds is None:
        return 0
    number = duration(seconds, what)
    return min(max(1, round(min(number, 1e9) * 1000)), (1 << 32) - 1)


def duration(seconds: Any, what: str) -> float:
    if isinstance(seconds, (bool, str)) or not (hasattr(seconds, "__float__") or hasattr(seconds, "__index__")):
        raise wrong(what, "a number of seconds", seconds)
    if not float(seconds) >= 0:
        raise ValueError(f"{what}={seconds} s is no time: it must not be negative")
    return float(seconds)
