# SPDX-License-Identifier: Apache-2.0
"""A connection into a container, with the methods of a socket."""

from __future__ import annotations

import io
import socket
import threading
import time
from types import TracebackType
from typing import IO, Any, Optional, Tuple, Type, Union

from ._errors import BerthError, Code, DeadlineExceededError
from ._execution import Execution
from ._requests import CHUNK
from ._types import EndCause, Output
from .v1 import pool_pb2

Address = Union[str, Tuple[str, int]]
Buffer = Union[bytes, bytearray, memoryview]


class Socket:
    """A byte stream to something that listens in the container, used like a ``socket.socket``:

        with lease.connect(port=8000, wait=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()

    One thread may receive while another sends. Failures are those of sockets: ``socket.timeout``, ``ConnectionResetError``
    where the other side broke the connection off, ``BrokenPipeError`` where it takes no more, ``ConnectionAbortedError``
    where the lease, the server or a time-out ended it. There is no descriptor: ``fileno`` and ``select`` have none.
    """

    family = socket.AF_UNIX
    type = socket.SOCK_STREAM
    proto = 0

    def __init__(self, stream: Execution, peer: Address) -> None:
        self._stream = stream
        self._peer = peer
        self._timeout: Optional[float] = None
        self._received = memoryview(b"")
        self._receiving = threading.Lock()
        self._sending = threading.Lock()
        #: After a time-out the same bytes are sent from here once more: what was taken of them is passed over.
        self._sent = 0
        self._is_shut_down = False
        self._no_more = False
        self._is_closed = False
        self._files = 0
        # A connection that is not made is no connection.
        try:
            stream.id
        except BaseException:
            stream.close()
            raise

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<berth.Socket to {self._peer}{', closed' if self._is_closed else ''}>"

    # MARK: What there is of it

    def getpeername(self) -> Address:
        return self._peer

    def getsockname(self) -> Address:
        return ""

    def fileno(self) -> int:
        raise OSError("a connection into a container has no descriptor")

    def setsockopt(self, *_: Any) -> None:
        """Nothing is to be set: small pieces are sent at once."""

    def settimeout(self, timeout: Optional[float]) -> None:
        """How long one operation may take; None: as long as it takes."""
        if timeout is not None and timeout < 0:
            raise ValueError("a time-out is not negative")
        self._timeout = timeout

    def gettimeout(self) -> Optional[float]:
        return self._timeout

    def setblocking(self, blocks: bool) -> None:
        self._timeout = None if blocks else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0.0

    # MARK: Receiving

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At most so many bytes, at least one; none at the end."""
        with self._receiving:
            data = bytes(self._available(flags)[:size])
            self._consume(len(data), flags)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        with self._receiving:
            data = self._available(flags)[: nbytes or len(view)]
            view[: len(data)] = data
            self._consume(len(data), flags)
        return len(data)

    def _consume(self, count: int, flags: int) -> None:
        if not flags & socket.MSG_PEEK:
            self._received = self._received[count:]

    def _available(self, flags: int) -> memoryview:
        if flags & ~socket.MSG_PEEK:
            raise OSError(f"flags {flags}: only MSG_PEEK is known")
        self._check_open()
        end = None if self._timeout is None else time.monotonic() + self._timeout
        stream = self._stream
        while not self._received and not self._no_more:
            while stream._taken and not self._received:
                event = stream._taken.popleft()
                if isinstance(event, Output):
                    self._received = memoryview(event.data)
            if self._received:
                break
            if stream._watch.output_has_ended or stream._watch.is_over:
                self._no_more = True
                self._raise_end()
                break
            try:
                message = stream._connection.next(stream._call, end)
                event = self._decoded(message)
            except DeadlineExceededError:
                raise self._timed_out() from None
            except BerthError as error:
                self._no_more = True
                raise ConnectionAbortedError(str(error)) from error
            if isinstance(event, Output):
                self._received = memoryview(event.data)
            credit = stream._watch.credit_due()
            if credit is not None:
                stream._connection.post("Acknowledge", credit)
        return self._received

    def _decoded(self, message: Optional[bytes]) -> Any:
        if message is None:
            raise BerthError.of(Code.INTERNAL, "the server ended the stream without its end")
        return self._stream._decode(message)

    def _raise_end(self) -> None:
        """Unless both sides wanted it."""
        end = self._stream._watch.end
        if end is None or end.cause is EndCause.EXITED:
            return
        words = end.message or end.cause.name.lower().replace("_", " ")
        if end.cause is EndCause.CONNECTION_RESET:
            raise ConnectionResetError(words)
        raise ConnectionAbortedError(words)

    def _timed_out(self) -> OSError:
        return BlockingIOError("nothing is there") if self._timeout == 0.0 else socket.timeout("timed out")

    # MARK: Sending

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Sends some of it; how much. Waits until that was taken."""
        view = memoryview(data).cast("B")[:CHUNK]
        if view:
            end = None if self._timeout is None else self._timeout
            self._input(bytes(view), False, end)
        return len(view)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while view:
            piece = view[:CHUNK]
            self._input(bytes(piece), False, None if end is None else end - time.monotonic())
            view = view[len(piece) :]

    def _input(self, data: bytes, end: bool, timeout: Optional[float]) -> None:
        self._check_open()
        with self._sending:
            if self._is_shut_down:
                if end:
                    return
                raise BrokenPipeError("it was shut down here")
            self._sent = self._call(data, end, self._sent, timeout)
            self._is_shut_down = end

    def _call(self, data: bytes, end: bool, offset: int, timeout: Optional[float]) -> int:
        watch = self._stream._watch
        request = pool_pb2.InputRequest(
            lease=watch.lease, execution=watch.execution or "", offset=offset, data=data, end=end
        )
        deadline = None if timeout is None else max(timeout, 0.001)
        try:
            return self._stream._client.call("Input", request, pool_pb2.InputResponse, deadline=deadline).offset
        except DeadlineExceededError:
            raise self._timed_out() from None
        except BerthError as error:
            if error.code in (Code.FAILED_PRECONDITION, Code.NOT_FOUND):
                raise BrokenPipeError(str(error)) from error
            raise ConnectionAbortedError(str(error)) from error

    # MARK: The end

    def shutdown(self, how: int) -> None:
        """``SHUT_WR`` tells the other side that nothing follows; what comes from there still comes."""
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            try:
                self._input(b"", True, self._timeout)
            except BrokenPipeError:
                pass  # The other side has closed it already.
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._no_more = True

    def close(self) -> None:
        """Closes it, once what ``makefile`` gave is closed too."""
        self._is_closed = True
        if self._files == 0:
            self._stream.close()

    def detach(self) -> int:
        raise OSError("a connection into a container has no descriptor")

    def _check_open(self) -> None:
        if self._is_closed and self._files == 0:
            raise OSError("the connection was closed here")

    def makefile(
        self,
        mode: str = "r",
        buffering: Optional[int] = None,
        *,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
    ) -> IO[Any]:
        """A file on it, as ``socket.makefile`` gives."""
        if not set(mode) <= set("rwb"):
            raise ValueError(f"mode {mode!r}: only r, w and b are known")
        writes = "w" in mode
        reads = "r" in mode or not writes
        self._files += 1
        raw = _File(self, reads, writes)
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        if size == 0:
            if "b" not in mode:
                raise ValueError("a text file has a buffer")
            return raw  # type: ignore[return-value]
        file: Any
        if reads and writes:
            file = io.BufferedRWPair(raw, raw, size)
        elif reads:
            file = io.BufferedReader(raw, size)
        else:
            file = io.BufferedWriter(raw, size)
        if "b" in mode:
            return file  # type: ignore[no-any-return]
        text = io.TextIOWrapper(file, encoding, errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text


class _File(io.RawIOBase):
    def __init__(self, connection: Socket, reads: bool, writes: bool) -> None:
        super().__init__()
        self._socket = connection
        self._reads = reads
        self._writes = writes

    def readable(self) -> bool:
        return self._reads and not self.closed

    def writable(self) -> bool:
        return self._writes and not self.closed

    def readinto(self, buffer: Any) -> Optional[int]:
        try:
            return self._socket.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data: Any) -> Optional[int]:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return None

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        self._socket._files -= 1
        if self._socket._is_closed:
            self._socket.close()


