"""What is sent in pieces."""

from __future__ import annotations

from typing import BinaryIO, Iterator, Tuple, Union

from ._requests import CHUNK

#: Bytes, or a file that is read.
Content = Union[bytes, bytearray, memoryview, BinaryIO]


def pieces(data: Content) -> Iterator[Tuple[bytes, bool]]:
    """What goes in one call each, and whether more follow; at least one."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        view = memoryview(data).cast("B")
        for position in range(0, max(1, len(view)), CHUNK):
            end = position + CHUNK
            yield bytes(view[position:end]), end < len(view)
        return
    piece = data.read(CHUNK)
    while True:
        following = data.read(CHUNK) if piece else b""
        yield piece, bool(following)
        if not following:
            return
        piece = following
