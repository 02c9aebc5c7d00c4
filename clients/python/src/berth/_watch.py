# SPDX-License-Identifier: Apache-2.0
"""One stream of events of an execution or a file, without I/O: what it is, how far it was consumed, what credit is due."""

from __future__ import annotations

import codecs
from typing import Callable, Iterator, List, Optional

from ._calls import Calls, Late
from ._errors import BerthError, Code
from ._types import (
    Display, Dropped, End, EndCause, Event, Failure, FileInfo, Output, Prompt, Result, Stream, Text, unexpected,
)
from google.protobuf.message import DecodeError

from .v1 import pool_pb2


#: So many events are acknowledged at the latest: a server has no more than 60 on their way, however small they are.
EVENTS_PER_CREDIT = 30


class Watch:
    """``decode`` every message, in order; post ``credit_due`` after what it returned was consumed."""

    def __init__(self, lease: str, window: int) -> None:
        self.lease = lease
        #: The execution's id, once its stream has started.
        self.execution: Optional[str] = None
        self.member = ""
        self.warm = False
        self.end: Optional[End] = None
        self.file: Optional[FileInfo] = None
        #: Nothing follows.
        self.is_over = False
        #: Of a connection: no more output follows.
        self.output_has_ended = False
        self._watcher = 0
        self._consumed = [0, 0, 0]
        self._unacknowledged = 0
        self._unacknowledged_events = 0
        self._threshold = window // 4

    def begin_at(self, stdout_offset: int, stderr_offset: int, events_position: int = 0) -> None:
        """Where the stream goes on: credit counts from there."""
        self._consumed = [stdout_offset, stderr_offset, events_position]

    @property
    def events_position(self) -> int:
        """How far displays, failures and prompts have come."""
        return self._consumed[2]

    def decode(self, message: bytes) -> Optional[Event]:
        """An event for the caller; None for what only this wanted to know."""
        try:
            return self._take(pool_pb2.ExecuteEvent.FromString(message))
        except (DecodeError, ValueError) as error:
            raise unexpected(f"an event that is none: {error}") from error

    def decode_file(self, message: bytes) -> Optional[Event]:
        """The same for the events of a file."""
        try:
            event = pool_pb2.FileEvent.FromString(message)
        except DecodeError as error:
            raise unexpected(f"an event that is none: {error}") from error
        kind = event.WhichOneof("event")
        if kind == "output":
            return self._output(event.output)
        if kind == "start":
            self._begin(event.start.execution, event.start.watcher)
            if event.start.HasField("info"):
                self.file = FileInfo.of(event.start.info)
        elif kind == "end":
            self.is_over = True
        return None

    def _take(self, event: pool_pb2.ExecuteEvent) -> Optional[Event]:
        kind = event.WhichOneof("event")
        if kind == "output":
            return self._output(event.output)
        if kind == "started":
            self.member = event.started.member
            self.warm = event.started.warm
            self._begin(event.started.execution, event.started.watcher)
        elif kind == "ended":
            self.end = End.of(event.ended)
            self.is_over = True
        elif kind == "output_ended":
            self.output_has_ended = True
        elif kind == "dropped":
            dropped = event.dropped
            self._consumed[dropped.stream] = dropped.offset + dropped.bytes
            return Dropped(Stream(dropped.stream), dropped.offset, dropped.bytes)
        elif kind == "display":
            self._shown(event.display.position, event.ByteSize())
            return Display.of(event.display)
        elif kind == "failure":
            failure = event.failure
            self._shown(failure.position, event.ByteSize())
            return Failure(failure.name, failure.message, list(failure.traceback))
        elif kind == "prompt":
            self._shown(event.prompt.position, event.ByteSize())
            return Prompt(event.prompt.text, event.prompt.password)
        return None

    def _shown(self, position: int, size: int) -> None:
        self._consumed[2] = position
        self._unacknowledged += size
        self._unacknowledged_events += 1

    def _begin(self, execution: str, watcher: int) -> None:
        self.execution = execution
        self._watcher = watcher

    def _output(self, output: pool_pb2.Output) -> Output:
        data = output.data
        stream = Stream(output.stream)
        self._consumed[stream] = output.offset + len(data)
        self._unacknowledged += len(data)
        self._unacknowledged_events += 1
        return Output(stream, output.offset, data)

    def not_begun(self) -> BerthError:
        """Why an execution that is over has no id."""
        if self.end is None or self.end.cause != EndCause.START_FAILED:
            return unexpected("the end of an execution that had not begun")
        return BerthError.of(Code.FAILED_PRECONDITION, f"it did not start: {self.end.message}")

    def ended(self) -> End:
        if self.end is None:
            raise unexpected("no end")
        return self.end

    def credit_due(self) -> Optional[pool_pb2.AcknowledgeRequest]:
        """What to tell the server now, if anything: a quarter of the window was consumed since the last time, or many
        events. Never less: a server that gets credit for each small piece has only small pieces to send."""
        is_due = self._unacknowledged >= self._threshold or self._unacknowledged_events >= EVENTS_PER_CREDIT
        if not is_due or self.is_over or self.execution is None:
            return None
        self._unacknowledged = self._unacknowledged_events = 0
        return pool_pb2.AcknowledgeRequest(
            lease=self.lease,
            execution=self.execution,
            watcher=self._watcher,
            stdout_offset=self._consumed[0],
            stderr_offset=self._consumed[1],
            events_position=self._consumed[2],
        )

    def detach(self) -> pool_pb2.DetachRequest:
        return pool_pb2.DetachRequest(lease=self.lease, execution=self.execution or "", watcher=self._watcher)

    def forsake(self, decode: Callable[[bytes], Optional[Event]]) -> Late:
        """For a stream that nobody reads any more: ends it, as soon as it has said who it is."""
        is_told = False

        def late(message: Optional[bytes], calls: Calls) -> None:
            nonlocal is_told
            if is_told:
                return
            if message is not None:
                decode(message)
            if self.execution is not None and not self.is_over:
                is_told = True
                calls.post("Detach", self.detach())

        return late


class TextDecoder:
    """Text of pieces that may end within a character: what is not whole yet, at most 3 bytes of each stream, is held back
    until the rest has come. What is not UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in Stream]

    def decode(self, event: Event) -> Optional[Text]:
        """None where all is held back, and for what is no output."""
        if not isinstance(event, (Output, Dropped)):
            return None
        decoder = self._decoders[event.stream]
        if isinstance(event, Dropped):
            # What is behind a gap is not the rest of what was before it.
            return Text(event.stream, decoder.decode(b"", True), event.bytes)
        text = decoder.decode(event.data)
        return Text(event.stream, text) if text else None

    def rest(self) -> Iterator[Text]:
        """At the end: characters that were never finished."""
        for stream in Stream:
            text = self._decoders[stream].decode(b"", True)
            if text:
                yield Text(stream, text)


class Collector:
    """The output of an execution, put together."""

    def __init__(self) -> None:
        self._pieces: List[List[bytes]] = [[], []]
        self._displays: List[Display] = []
        self._failure: Optional[Failure] = None

    def add(self, event: Event) -> None:
        if isinstance(event, Output):
            self._pieces[event.stream].append(event.data)
        elif isinstance(event, Display):
            self._displays.append(event)
        elif isinstance(event, Failure):
            self._failure = event

    def result(self, end: End) -> Result:
        return Result(self.joined(Stream.STDOUT), self.joined(Stream.STDERR), end, self._displays, self._failure)

    def joined(self, stream: Stream) -> bytes:
        return b"".join(self._pieces[stream])
