# SPDX-License-Identifier: Apache-2.0
"""As much of ZMTP 3 (https://rfc.zeromq.org/spec/23/) as it takes to see where messages begin and end, and to add one."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

_GREETING = 64
_MORE, _LONG, _COMMAND = 1, 2, 4
#: Of a message so many frames are looked at, each up to this size: what names it is in them.
_FRAMES, _FRAME_SIZE = 10, 64 << 10

Message = List[bytes]


class Cutter:
    """Goes along one direction of a connection, piece by piece, and calls ``on_message`` with the first frames of each
    message; a frame that is too large is empty there."""

    def __init__(self, on_message: Optional[Callable[[Message], None]] = None) -> None:
        self._on_message = on_message
        #: So many bytes are to come until the next step, and they are kept here, if they are of interest.
        self._wanted = _GREETING
        self._kept: Optional[bytearray] = None
        self._step: Callable[[], bool] = self._greeting
        self._is_greeting = True
        self._flags = 0
        #: The commands and messages that have come whole.
        self.count = 0
        self._frames: Message = []

    def feed(self, data: bytes) -> int:
        """How many bytes of ``data`` go up to the end of the last whole message in it; 0: none ends there."""
        place, whole = 0, 0
        while True:
            taken = min(self._wanted, len(data) - place)
            if self._kept is not None:
                self._kept += data[place : place + taken]
            self._wanted -= taken
            place += taken
            if self._wanted:
                # A greeting comes in parts, each in answer to one of the other side's: no part of it can be held back.
                return place if self._is_greeting else whole
            if self._step():
                whole = place

    def _next(self, step: Callable[[], bool], wanted: int, keeps: bool) -> None:
        self._step, self._wanted = step, wanted
        self._kept = bytearray() if keeps else None

    def _greeting(self) -> bool:
        self._is_greeting = False
        self._next(self._head, 2, True)
        return True

    def _head(self) -> bool:
        head = self._kept or b""
        self._flags = head[0]
        if self._flags & _LONG:
            self._step, self._wanted = self._long_head, 7
        else:
            self._body_of(head[1])
        return False

    def _long_head(self) -> bool:
        self._body_of(int.from_bytes((self._kept or b"")[1:], "big"))
        return False

    def _body_of(self, size: int) -> None:
        is_kept = self._on_message is not None and size <= _FRAME_SIZE and len(self._frames) < _FRAMES
        self._next(self._body, size, is_kept and not self._flags & _COMMAND)

    def _body(self) -> bool:
        kept, flags = self._kept, self._flags
        self._next(self._head, 2, True)
        if not flags & _COMMAND and len(self._frames) < _FRAMES:
            self._frames.append(bytes(kept or b""))
        if flags & _MORE:
            return False
        self.count += 1
        frames, self._frames = self._frames, []
        if frames and self._on_message is not None:
            self._on_message(frames)
        return True


def encoded(frames: Sequence[bytes]) -> bytes:
    """A message, as it is on the wire."""
    out = bytearray()
    for index, frame in enumerate(frames):
        more = _MORE if index + 1 < len(frames) else 0
        if len(frame) < 256:
            out += bytes((more, len(frame)))
        else:
            out += bytes((more | _LONG,)) + len(frame).to_bytes(8, "big")
        out += frame
    return bytes(out)
