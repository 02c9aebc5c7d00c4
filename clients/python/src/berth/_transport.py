# SPDX-License-Identifier: Apache-2.0
"""A connection into a container as a transport of asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Optional, Tuple, Union

from ._errors import BerthError
from ._requests import CHUNK
from ._types import EndCause, Output

if TYPE_CHECKING:
    from .aio import Execution


class StreamTransport(asyncio.Transport):
    """What a protocol of asyncio speaks to; both directions end on their own."""

    def __init__(
        self, stream: Execution, protocol: asyncio.Protocol, peer: Union[str, Tuple[str, int]]
    ) -> None:
        super().__init__({"peername": peer, "sockname": ""})
        self._stream = stream
        self._protocol: Any = protocol
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._limits = (16 << 10, 64 << 10)
        self._is_full = False
        self._has_ended = False
        self._is_closing = False
        self._is_lost = False
        self._can_read = asyncio.Event()
        self._can_read.set()
        self._has_output = asyncio.Event()
        protocol.connection_made(self)
        self._tasks = (self._loop.create_task(self._receive()), self._loop.create_task(self._send()))

    # MARK: Receiving

    async def _receive(self) -> None:
        try:
            while True:
                await self._can_read.wait()
                event = await self._next()
                if event is None:
                    break
                if isinstance(event, Output) and not self._is_lost:
                    self._protocol.data_received(event.data)
            error = self._end()
            if error is not None:
                self._lose(error)
            elif not self._is_lost and not self._protocol.eof_received():
                self.close()
        except BerthError as failure:
            self._lose(ConnectionAbortedError(str(failure)))

    async def _next(self) -> Any:
        stream = self._stream
        watch = stream._watch
        await stream._take_until(lambda: bool(stream._taken) or watch.is_over or watch.output_has_ended)
        return stream._taken.popleft() if stream._taken else None

    def _end(self) -> Optional[OSError]:
        end = self._stream._watch.end
        if end is None or end.cause is EndCause.EXITED:
            return None
        words = end.message or end.cause.name.lower().replace("_", " ")
        return ConnectionResetError(words) if end.cause is EndCause.CONNECTION_RESET else ConnectionAbortedError(words)

    def is_reading(self) -> bool:
        return self._can_read.is_set() and not self._is_closing

    def pause_reading(self) -> None:
        self._can_read.clear()

    def resume_reading(self) -> None:
        self._can_read.set()

    # MARK: Sending

    def write(self, data: Any) -> None:
        if self._has_ended:
            raise RuntimeError("write after the end")
        if self._is_lost or self._is_closing or not data:
            return
        self._buffer += data
        self._has_output.set()
        if len(self._buffer) > self._limits[1] and not self._is_full:
            self._is_full = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        self._has_ended = True
        self._has_output.set()

    def can_write_eof(self) -> bool:
        return True

    async def _send(self) -> None:
        try:
            while True:
                await self._has_output.wait()
                piece = bytes(self._buffer[:CHUNK])
                del self._buffer[: len(piece)]
                ends = (self._has_ended or self._is_closing) and not self._buffer
                if piece or ends:
                    await (self._stream.close_stdin(piece) if ends else self._stream.write(piece))
                if self._is_full and len(self._buffer) <= self._limits[0]:
                    self._is_full = False
                    self._protocol.resume_writing()
                if ends:
                    break
                if not self._buffer and not self._has_ended and not self._is_closing:
                    self._has_output.clear()
            if self._is_closing:
                self._lose(None)
        except BerthError as failure:
            # Closing what has ended is no failure.
            self._lose(None if self._is_closing else BrokenPipeError(str(failure)))
        except RuntimeError as failure:
            # Its client was closed here, and the connection with it.
            self._lose(None if self._is_closing else ConnectionAbortedError(str(failure)))

    def set_write_buffer_limits(self, high: Optional[int] = None, low: Optional[int] = None) -> None:
        high = 64 << 10 if high is None else high
        self._limits = (high // 4 if low is None else low, high)

    def get_write_buffer_limits(self) -> Tuple[int, int]:
        return self._limits

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    # MARK: The end

    def is_closing(self) -> bool:
        return self._is_closing or self._is_lost

    def close(self) -> None:
        """Once what was written is sent."""
        if self._is_closing or self._is_lost:
            return
        self._is_closing = True
        if self._tasks[1].done():
            self._lose(None)
        else:
            self._has_output.set()

    def abort(self) -> None:
        self._is_closing = True
        self._lose(None)

    def _lose(self, error: Optional[Exception]) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self._buffer.clear()
        self._stream._give_up()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._loop.call_soon(self._protocol.connection_lost, error)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
