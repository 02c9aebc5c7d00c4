# SPDX-License-Identifier: Apache-2.0
"""A program that runs, and the bytes of a file that is read."""

from __future__ import annotations

import threading
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Deque, Iterator, Optional, Type, Union

from . import _requests
from ._calls import Feed, StreamCall
from ._connection import Connection
from ._content import Content, pieces
from ._errors import BerthError, Code
from ._types import End, Event, FileInfo, Output, Result, Text, unexpected
from ._watch import Collector, TextDecoder, Watch
from .v1 import pool_pb2

if TYPE_CHECKING:
    from ._client import Client
    from ._lease import Lease


class _Reader:
    """A stream with credit: messages come, are taken one by one, and acknowledged as they are taken."""

    def __init__(
        self, client: Client, connection: Connection, call: StreamCall, watch: Watch, deadline: Optional[float]
    ) -> None:
        self._client = client
        self._connection = connection
        self._call = call
        self._watch = watch
        self._deadline = deadline
        self._is_closed = False
        self._failure: Optional[BerthError] = None
        #: A lease that is not held would be released under what runs in it.
        self._of: Optional[Lease] = None
        self._feed: Optional[Feed] = None
        self._taking = threading.Condition()
        self._is_taking = False
        self._taken: Deque[Event] = deque()

    def _decode(self, message: bytes) -> Optional[Event]:
        return self._watch.decode(message)

    def _advance(self) -> Optional[Event]:
        """Takes one message: the event for the caller, if it is one. Raises ``BerthError``."""
        if self._failure is not None:
            raise self._failure.again()
        if self._is_closed:
            raise BerthError.of(Code.CANCELLED, "this stream was closed here")
        try:
            message = self._connection.next(self._call, self._deadline)
            if message is None:
                raise unexpected("the end of a stream without the end of what it was about")
            event = self._decode(message)
        except BerthError as error:
            # Whoever asks once more is told the same.
            self._failure = error.again()
            self._give_up()
            raise
        if self._feed is not None and self._watch.execution is not None and not self._watch.is_over:
            self._connection.feed(self._feed, self._watch.execution)
        credit = self._watch.credit_due()
        if credit is not None:
            self._connection.post("Acknowledge", credit)
        return event

    def _next(self) -> Optional[Event]:
        """The next event for the caller; None at the end."""
        self._take_until(lambda: bool(self._taken) or self._watch.is_over)
        return self._taken.popleft() if self._taken else None

    def _take_until(self, is_enough: Callable[[], bool]) -> None:
        """Takes messages, one thread at a time: one may iterate while another wants to know whether it has started."""
        while True:
            with self._taking:
                while not is_enough() and self._is_taking:
                    self._taking.wait()
                if is_enough():
                    return
                self._is_taking = True
            event: Optional[Event] = None
            try:
                event = self._advance()
            finally:
                with self._taking:
                    self._is_taking = False
                    if event is not None:
                        self._taken.append(event)
                    self._taking.notify_all()

    def _give_up(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._feed is not None:
            self._feed.stop()
        if not self._call.is_done and not self._watch.is_over:
            self._connection.abandon(self._call, self._watch.forsake(self._decode))

    def __del__(self) -> None:
        connection: Optional[Connection] = getattr(self, "_connection", None)
        if connection is not None and not self._is_closed and not self._watch.is_over and not self._call.is_done:
            call, late = self._call, self._watch.forsake(self._decoder(self._watch))
            connection.adopt(lambda: connection.abandon(call, late))

    @staticmethod
    def _decoder(watch: Watch) -> Callable[[bytes], Optional[Event]]:
        """Without the reader, which may be gone."""
        return watch.decode


class Execution(_Reader):
    """A program that runs. Iterating gives its output, as it comes; then ``end`` says how it ended.

        with client.execute(["python3", "-c", program]) as execution:
            for output in execution:
                sys.stdout.buffer.write(output.data)
            print(execution.end)

    Leaving the ``with`` early gives the stream up: the program is then cancelled, unless it is resumable or somebody else
    watches it. One thread at a time may iterate; the other methods may be called from any.
    """

    def __init__(
        self,
        client: Client,
        connection: Connection,
        call: StreamCall,
        watch: Watch,
        deadline: Optional[float],
        input_offset: Optional[int],
        feed: Optional[Feed] = None,
    ) -> None:
        super().__init__(client, connection, call, watch, deadline)
        self._feed = feed
        self._input_lock = threading.Lock()
        self._input_offset = input_offset

    def __enter__(self) -> Execution:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self._next()
            if event is None:
                return
            yield event

    def text(self) -> Iterator[Text]:
        """The output as text, in whole characters: iterate over this instead of over the execution. A character whose bytes
        come in two pieces is held back until it is whole; what is not UTF-8 becomes U+FFFD."""
        decoder = TextDecoder()
        for event in self:
            piece = decoder.decode(event)
            if piece is not None:
                yield piece
        yield from decoder.rest()

    @property
    def id(self) -> str:
        """The execution's id, for ``attach``; secret, like a lease. Waits until it has started. Raises ``BerthError``."""
        self._take_until(lambda: self._watch.execution is not None or self._watch.is_over)
        if self._watch.execution is None:
            raise self._watch.not_begun()
        return self._watch.execution

    @property
    def member(self) -> str:
        """The member it runs in, for logs."""
        self.id
        return self._watch.member

    @property
    def warm(self) -> bool:
        """It was forked from an interpreter that had started before: see ``interpreters`` of a pool."""
        self.id
        return self._watch.warm

    @property
    def end(self) -> Optional[End]:
        """How it ended; None before all of its output was taken."""
        return self._watch.end

    def wait(self) -> End:
        """Takes what is left of the output, lets it go, and says how it ended."""
        for _ in self:
            pass
        return self._watch.ended()

    def result(self) -> Result:
        """All that it wrote (from here on), and how it ended."""
        collector = Collector()
        for event in self:
            collector.add(event)
        return collector.result(self._watch.ended())

    def close(self) -> None:
        """Gives the stream up, if it is not at its end."""
        self._give_up()

    # MARK: While it runs

    def write(self, data: Content, *, deadline: Optional[float] = None) -> None:
        """Adds to its standard input: bytes, a ``str`` as UTF-8, or a binary file. Returns when the bytes were taken: while the program does not read, that takes as
        long as it takes. Raises ``FailedPreconditionError`` when the input has ended."""
        self._input(data, False, deadline)

    def close_stdin(self, data: Content = b"", *, deadline: Optional[float] = None) -> None:
        """Ends its standard input, after ``data``. On a terminal this is Ctrl-D."""
        self._input(data, True, deadline)

    def _input(self, data: Content, end: bool, deadline: Optional[float]) -> None:
        parts = pieces(data)
        execution = self.id
        with self._input_lock:
            if self._feed is not None:
                self._connection.settle(self._feed, None if deadline is None else time.monotonic() + deadline)
            for piece, more in parts:
                if not piece and not end:
                    return
                if self._input_offset is None:
                    # Attached to, and others may have written: an empty piece at the beginning asks where the input stands.
                    request = pool_pb2.InputRequest(lease=self._watch.lease, execution=execution)
                    response = self._client.call("Input", request, pool_pb2.InputResponse, deadline=deadline)
                    self._input_offset = response.offset
                request = pool_pb2.InputRequest(
                    lease=self._watch.lease,
                    execution=execution,
                    offset=self._input_offset,
                    data=piece,
                    end=end and not more,
                )
                response = self._client.call("Input", request, pool_pb2.InputResponse, deadline=deadline)
                self._input_offset = response.offset

    def signal(self, signal: Union[int, str]) -> None:
        """Sends it a signal: a number, or a name as "INT". SIGKILL takes everything it started."""
        request = _requests.signal(self._watch.lease, self.id, signal)
        self._client.call("Signal", request, pool_pb2.SignalResponse)

    def cancel(self, grace: Optional[float] = None) -> None:
        """Ends it: TERM, a grace, KILL of everything it started. Its end then comes as always."""
        request = _requests.cancel(self._watch.lease, self.id, grace)
        self._client.call("Signal", request, pool_pb2.SignalResponse)

    def resize(self, rows: int, columns: int) -> None:
        """Tells its terminal the new size. Raises ``FailedPreconditionError`` when it has none."""
        request = _requests.resize(self._watch.lease, self.id, rows, columns)
        self._client.call("Resize", request, pool_pb2.ResizeTerminalResponse)


class FileReader(_Reader):
    """The bytes of a file or an archive, as they come: iterate, or ``read()`` all."""

    def _decode(self, message: bytes) -> Optional[Event]:
        return self._watch.decode_file(message)

    @staticmethod
    def _decoder(watch: Watch) -> Callable[[bytes], Optional[Event]]:
        return watch.decode_file

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            event = self._next()
            if event is None:
                return
            if isinstance(event, Output):
                yield event.data

    @property
    def info(self) -> Optional[FileInfo]:
        """What is known of the file, once its first bytes were read; None for an archive."""
        return self._watch.file

    def read(self) -> bytes:
        """All that is left."""
        return b"".join(self)

    def close(self) -> None:
        """Gives the rest up."""
        self._give_up()
