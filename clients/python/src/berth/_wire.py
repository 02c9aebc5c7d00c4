# SPDX-License-Identifier: Apache-2.0
"""ttrpc frames: bytes and nothing else. A header is length, stream id (both big-endian), type and flags."""

from __future__ import annotations

import struct
from typing import Iterator, NamedTuple, Optional

from ._errors import BerthError, Code
from ._ttrpc import ttrpc_pb2

HEADER_SIZE = 10
MAX_DATA = 4 << 20

REQUEST, RESPONSE, DATA = 1, 2, 3
REMOTE_CLOSED = 0x01
NO_DATA = 0x04
#: How a record of TLS begins that says why there will be no more: no frame does, for its length would be too much.
TLS_ALERT = b"\x15\x03"

_header = struct.Struct(">IIBB")


class Frame(NamedTuple):
    stream: int
    kind: int
    flags: int
    data: bytes


class BrokenWire(Exception):
    """What came cannot be framed any more: the connection is of no more use."""


def encode(stream: int, kind: int, flags: int, data: bytes) -> bytes:
    return _header.pack(len(data), stream, kind, flags) + data


def authorization(token: Optional[str]) -> bytes:
    """A Request's metadata that says who calls, encoded: it goes behind the rest of the data as it is."""
    if token is None:
        return b""
    pair = ttrpc_pb2.KeyValue(key="authorization", value=f"Bearer {token}")
    return ttrpc_pb2.Request(metadata=[pair]).SerializeToString()


def request_body(
    service: str, method: str, payload: bytes, timeout: Optional[float], metadata: bytes = b""
) -> bytes:
    """The data of a Request; ``timeout`` in seconds, None is none."""
    # A time-out that has passed must not become 0, which is none.
    nanoseconds = 0 if timeout is None else max(1, int(timeout * 1e9))
    body = ttrpc_pb2.Request(
        service=service, method=method, payload=payload, timeout_nano=nanoseconds
    ).SerializeToString() + metadata
    if len(body) > MAX_DATA:
        raise BerthError.of(
            Code.RESOURCE_EXHAUSTED, f"the request has {len(body)} bytes, and {MAX_DATA} is the most that goes in one"
        )
    return body


class FrameDecoder:
    """Cuts what comes, in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with ``data``. Raises ``BrokenWire``."""
        buffer = self._buffer
        buffer += data
        position = 0
        if buffer.startswith(TLS_ALERT):
            raise BrokenWire("it speaks TLS: put tls:// before its address")
        try:
            while len(buffer) - position >= HEADER_SIZE:
                length, stream, kind, flags = _header.unpack_from(buffer, position)
                if length > MAX_DATA:
                    raise BrokenWire(f"the server sent a frame of {length} bytes, and {MAX_DATA} is the most there is")
                end = position + HEADER_SIZE + length
                if len(buffer) < end:
                    break
                data = bytes(memoryview(buffer)[position + HEADER_SIZE : end])
                position = end
                yield Frame(stream, kind, flags, data)
        finally:
            del buffer[:position]
