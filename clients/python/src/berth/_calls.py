# SPDX-License-Identifier: Apache-2.0
"""Calls of one connection, without I/O: frames go in, calls become ready, frames to send come out.

Both clients are built on this: the synchronous one holds a lock around it, the one of asyncio is alone on its loop.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

from google.protobuf.message import DecodeError

from ._errors import BerthError, Code
from ._requests import CHUNK
from ._ttrpc import ttrpc_pb2
from ._wire import (
    DATA, NO_DATA, REMOTE_CLOSED, REQUEST, RESPONSE, BrokenWire, Frame, FrameDecoder, authorization, encode,
    request_body,
)
from .v1 import pool_pb2

SERVICE = "berth.v1.Pool"
#: Codes of a server that takes no connection: too many, another protocol, shutting down.
REFUSALS = (Code.RESOURCE_EXHAUSTED, Code.FAILED_PRECONDITION, Code.UNAVAILABLE)
#: A stream that has so much waiting here has a server that knows no windows: the connection is then read no further.
STREAM_LIMIT = 4 << 20


class Call:
    """What all calls have. ``signal`` is how the client that waits for it is woken."""

    def __init__(self) -> None:
        self.id = 0
        self.is_done = False
        self.error: Optional[BerthError] = None
        self.signal: Any = None

    @property
    def is_ready(self) -> bool:
        """There is something to take."""
        return self.is_done

    def receive(self, data: bytes, calls: Calls) -> None:
        pass

    def finish(self, error: Optional[BerthError], payload: bytes, calls: Calls) -> None:
        self.is_done = True
        self.error = error


class UnaryCall(Call):
    """One answer. When nobody waits for it any more, ``on_late_answer`` makes it good (a lease is released)."""

    def __init__(self, on_late_answer: Optional[Callable[[bytes, Calls], None]] = None) -> None:
        super().__init__()
        self.payload = b""
        self.is_abandoned = False
        self._on_late_answer = on_late_answer

    def finish(self, error: Optional[BerthError], payload: bytes, calls: Calls) -> None:
        super().finish(error, payload, calls)
        self.payload = payload
        if self.is_abandoned:
            self.answer_late(calls)

    def abandon(self, calls: Calls) -> None:
        self.is_abandoned = True
        if self.is_done:
            self.answer_late(calls)

    def answer_late(self, calls: Calls) -> None:
        if self.error is None and self._on_late_answer is not None:
            self._on_late_answer(self.payload, calls)


class Feed(Call):
    """Standard input that did not go with the request: Input after Input, each when the one before was taken. They are sent
    by whoever reads the connection, so that one thread can feed a program and read what it writes."""

    def __init__(self, lease: str, data: memoryview, offset: int, ends: bool) -> None:
        super().__init__()
        self._lease = lease
        self._execution = ""
        self._data = data
        self._offset = offset
        self._ends = ends

    def begin(self, execution: str, calls: Calls) -> None:
        if not self._execution:
            self._execution = execution
            self._send(calls)

    def stop(self) -> None:
        """What was not sent yet is wanted no more."""
        self._data = self._data[:0]

    def _send(self, calls: Calls) -> None:
        piece = self._data[:CHUNK]
        request = pool_pb2.InputRequest(
            lease=self._lease,
            execution=self._execution,
            offset=self._offset,
            data=bytes(piece),
            end=self._ends and len(piece) == len(self._data),
        )
        body = request_body(SERVICE, "Input", request.SerializeToString(), None, calls.metadata)
        calls.outbox.append(calls.start(self, body))

    def finish(self, error: Optional[BerthError], payload: bytes, calls: Calls) -> None:
        if error is None:
            try:
                taken = pool_pb2.InputResponse.FromString(payload).offset - self._offset
            except DecodeError:
                taken = -1
            if taken < 0 or taken > len(self._data) > 0:
                error = BerthError.of(Code.INTERNAL, "the server sent an answer to Input that is none")
            else:
                self._data = self._data[taken:]
                self._offset += taken
                if self._data:
                    self._send(calls)
                    return
        super().finish(error, b"", calls)


#: Gets what still comes of a stream that was abandoned; None says that it just was.
Late = Callable[[Optional[bytes], "Calls"], None]


class StreamCall(Call):
    """Encoded messages, until the end. Abandoned, it lets everything go past ``on_late_message``."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: Deque[bytes] = deque()
        self.size = 0
        self.on_late_message: Optional[Late] = None

    @property
    def is_ready(self) -> bool:
        return self.is_done or bool(self.messages)

    def receive(self, data: bytes, calls: Calls) -> None:
        if self.on_late_message is not None:
            self.on_late_message(data, calls)
            return
        self.messages.append(data)
        before = self.size
        self.size += len(data)
        if before < STREAM_LIMIT <= self.size:
            calls.full_streams += 1

    def take(self, calls: Calls) -> Optional[bytes]:
        """The next message; None at the good end. Raises what the stream ended with."""
        if self.messages:
            message = self.messages.popleft()
            before = self.size
            self.size -= len(message)
            if self.size < STREAM_LIMIT <= before:
                calls.full_streams -= 1
            return message
        if self.error is not None:
            raise self.error.again()
        return None

    def abandon(self, on_late_message: Late, calls: Calls) -> None:
        if self.is_done:
            return
        if self.size >= STREAM_LIMIT:
            calls.full_streams -= 1
        waiting = list(self.messages)
        self.messages.clear()
        self.size = 0
        self.on_late_message = on_late_message
        for message in (*waiting, None):
            on_late_message(message, calls)


class Calls:
    """The calls of a connection."""

    def __init__(self, token: Optional[str] = None) -> None:
        self._decoder = FrameDecoder()
        #: Of every request.
        self.metadata = authorization(token)
        self._open: Dict[int, Call] = {}
        self._next = 1
        #: Frames that must be sent on behalf of calls that nobody waits for.
        self.outbox: List[bytes] = []
        self.full_streams = 0
        #: What a server that takes no connection of ours says once, to the Hello, before it closes it.
        self._refusal: Optional[BerthError] = None
        self._has_answered = False

    @property
    def count(self) -> int:
        return len(self._open)

    def start(self, call: Call, body: bytes) -> bytes:
        """Gives the call an id; the frame that begins it."""
        while self._next in self._open:
            self._next = (self._next + 2) & 0xFFFFFFFF
        call.id = self._next
        self._next = (self._next + 2) & 0xFFFFFFFF
        self._open[call.id] = call
        return encode(call.id, REQUEST, REMOTE_CLOSED if isinstance(call, StreamCall) else 0, body)

    def forget(self, call: Call) -> None:
        """The call was never sent."""
        self._open.pop(call.id, None)

    def post(self, method: str, message: Any) -> None:
        """A call of which nobody wants the answer."""
        body = request_body(SERVICE, method, message.SerializeToString(), None, self.metadata)
        self.outbox.append(self.start(UnaryCall(), body))

    def receive(self, data: bytes) -> List[Call]:
        """Those that may have become ready. Raises ``BrokenWire``."""
        woken: Dict[int, Call] = {}
        for frame in self._decoder.feed(data):
            call = self._open.get(frame.stream)
            if call is None:
                # Late, or for an id that is not ours: nobody minds.
                continue
            self._receive(frame, call)
            woken[frame.stream] = call
        return list(woken.values())

    def _receive(self, frame: Frame, call: Call) -> None:
        if frame.kind == RESPONSE:
            try:
                response = ttrpc_pb2.Response.FromString(frame.data)
            except DecodeError as error:
                raise BrokenWire("the server sent an answer that is none") from error
            del self._open[frame.stream]
            status = response.status
            failure = BerthError.from_status(status) if status.code else None
            is_refusal = failure is not None and failure.code in REFUSALS and not self._has_answered
            self._refusal = failure if is_refusal else None
            self._has_answered = True
            call.finish(failure, response.payload, self)
        elif frame.kind == DATA:
            if not frame.flags & NO_DATA:
                call.receive(frame.data, self)
            if frame.flags & REMOTE_CLOSED:
                del self._open[frame.stream]
                call.finish(None, b"", self)

    def why(self, lost: BerthError) -> BerthError:
        """Why the connection ended: what the server said, if that was all it said, is more than that it was lost."""
        return self._refusal or lost

    def fail(self, error: BerthError) -> List[Call]:
        """Ends every call: the connection is gone."""
        failed = list(self._open.values())
        self._open.clear()
        for call in failed:
            call.finish(error, b"", self)
        self.outbox.clear()
        return failed


def lost(peer: object, why: object) -> BerthError:
    return BerthError.of(Code.UNAVAILABLE, f"the connection to {peer} was lost: {why}")


def mute(peer: object, seconds: float) -> BerthError:
    return lost(peer, f"the server has said nothing for {seconds:g} s, and did not answer a Hello")


def deadline_passed() -> BerthError:
    return BerthError.of(Code.DEADLINE_EXCEEDED, "the call's deadline has passed")
