# SPDX-License-Identifier: Apache-2.0
"""Frames of ttrpc by hand, for what no client of ours would send: halves of frames, requests that are left waiting."""
import socket
import struct

REQUEST, DATA = 1, 3
POOL = "berth.v1.Pool"


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """A field of a message: text or bytes, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def frame(stream, kind, flags, data):
    return struct.pack(">IIBB", len(data), stream, kind, flags) + data


def call(stream, method, message, streams=False):
    """The frame that opens a call of the service Pool."""
    return frame(stream, REQUEST, 1 if streams else 0, field(1, POOL) + field(2, method) + field(3, message))


def execute(stream, pool, *argv, extra=b""):
    """An Execute in a member of its own."""
    message = field(2, pool) + b"".join(field(4, word) for word in argv) + extra
    return call(stream, "Execute", message, streams=True)


def connect(port, timeout=5, source="127.0.0.1"):
    """What comes from one address, `source`, is one client to the server."""
    connection = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def reset(connection):
    """Closes it with an RST, as a host that has crashed would."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
