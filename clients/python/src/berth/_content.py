# SPDX-License-Identifier: Apache-2.0
"""What is sent in pieces."""

from __future__ import annotations

from typing import BinaryIO, Iterator, Tuple, Union

from ._requests import CHUNK, Data, data_of

#: Bytes, text that is sent as UTF-8, or a binary file that is read.
Content = Union[Data, BinaryIO]


def pieces(data: Content, what: str = "data") -> Iterator[Tuple[bytes, bool]]:
    """What goes in one call each, and whether more follow; at least one. Raises ``TypeError`` before the first."""
    if hasattr(data, "read"):
        return _read(data, what)  # type: ignore[arg-type]
    return _cut(data_of(data, what, "or a binary file"))


def _cut(view: memoryview) -> Iterator[Tuple[bytes, bool]]:
    for position in range(0, max(1, len(view)), CHUNK):
        end = position + CHUNK
        yield bytes(view[position:end]), end < len(view)


def _read(file: BinaryIO, what: str) -> Iterator[Tuple[bytes, bool]]:
    piece = _piece(file, what)
    while True:
        following = _piece(file, what) if piece else b""
        yield piece, bool(following)
        if not following:
            return
        piece = following


def _piece(file: BinaryIO, what: str) -> bytes:
    piece = file.read(CHUNK)
    if isinstance(piece, str):
        raise TypeError(f"{what} is a file that was opened as text: open it with mode 'rb'")
    return piece or b""
