# SPDX-License-Identifier: Apache-2.0
"""The same client for asyncio.

    async with berth.aio.Client() as client:
        result = await client.run(["echo", "hello"])

What is said of the classes of ``berth`` counts for those of the same names here; only where they differ is it said here.
Cancelling a task that is in a call leaves the call: a lease that comes of it all the same is released, a context is closed, an
execution that it iterated goes on until it is closed. All calls of a client are made on one event loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Deque, Dict, List, Mapping, Optional, Tuple, Type, TypeVar, Union

from google.protobuf.message import Message

from . import _files as files
from . import _requests
from ._address import Address, parse
from ._answers import Opened, decoded, opening, patient, release_late, timeout_until
from ._backoff import Attempts
from ._calls import SERVICE, Call, Calls, Feed, Late, StreamCall, UnaryCall, deadline_passed, lost, mute
from ._client import CALL_TIMEOUT, Opening
from ._connection import NO_HANDSHAKE
from ._errors import BerthError, Code, NotFoundError, UnavailableError
from ._content import Content, pieces
from ._lease import Upload, Uploaded
from ._requests import Argv
from ._security import File, Security, distrust
from ._transport import StreamTransport
from ._types import (
    Completion, ContextInfo, End, Event, ExecutionInfo, FileInfo, Output, Result, Server, Text, unexpected,
)
from ._values import Word
from ._version import NAME
from ._watch import Collector, TextDecoder, Watch
from ._wire import BrokenWire, request_body
from .v1 import pool_pb2

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R", bound=Message)

__all__ = ["Client", "Context", "Execution", "FileReader", "Lease"]


class _Connection(asyncio.Protocol):
    """Calls on a transport. Everything happens on the loop."""

    def __init__(self, address: Address, keepalive: float, security: Security) -> None:
        self._address = address
        self._keepalive = keepalive
        self._asking: Optional[asyncio.TimerHandle] = None
        self._was_heard = False
        self._was_asked = False
        self._loop = asyncio.get_running_loop()
        self._security = security
        self._calls = Calls(security.token)
        self._error: Optional[BerthError] = None
        self._transport: Any = None
        self._is_paused = False
        self._writable: Optional[asyncio.Future[None]] = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._orphans: Deque[Callable[[], None]] = deque()

    @property
    def is_lost(self) -> bool:
        return self._error is not None

    @property
    def is_closed(self) -> bool:
        """Its socket too; so it is also when its loop is gone."""
        return self._closed.done() or self._loop.is_closed()

    # MARK: The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._was_heard = True
        try:
            woken = self._calls.receive(data)
        except BrokenWire as error:
            self.lose(lost(self._address, error))
            return
        for call in woken:
            if call.is_ready:
                _wake(call)
        self._flush()
        self._balance()

    def eof_received(self) -> None:
        self.lose(lost(self._address, "the server closed it"))

    def connection_lost(self, error: Optional[Exception]) -> None:
        why = error and (distrust(error, self._security) or error)
        self.lose(lost(self._address, why or "the server closed it"))
        self.resume_writing()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def _balance(self) -> None:
        """Reads no further while a stream of a server that knows no windows piles up."""
        if self._error is not None or self._is_paused == (self._calls.full_streams > 0):
            return
        self._is_paused = not self._is_paused
        (self._transport.pause_reading if self._is_paused else self._transport.resume_reading)()

    def lose(self, error: BerthError) -> None:
        """Ends every call, once."""
        if self._error is not None:
            return
        self._error = error = self._calls.why(error)
        if self._asking is not None:
            self._asking.cancel()
        for call in self._calls.fail(error):
            _wake(call)
        self._transport.abort()

    def _watch_silence(self) -> None:
        """While calls are open, a server that says nothing is asked whether it is there, and given up if it is silent on."""
        if self._asking is None and self._error is None:
            self._was_heard = self._was_asked = False
            self._asking = self._loop.call_later(self._keepalive / 2, self._ask)

    def _ask(self) -> None:
        self._asking = None
        if self._calls.count == 0 or self._error is not None:
            return
        if self._was_heard or self._is_paused:
            self._was_asked = False
        elif self._was_asked:
            self.lose(mute(self._address, self._keepalive))
            return
        else:
            self._was_asked = True
            self.post("Hello", pool_pb2.HelloRequest(client=NAME))
        self._was_heard = False
        self._asking = self._loop.call_later(self._keepalive / 2, self._ask)

    async def close(self) -> None:
        self.lose(lost(self._address, "it was closed here"))
        await asyncio.shield(self._closed)

    # MARK: Calls

    async def start(
        self, call: Call, method: str, message: Message, deadline: Optional[float] = None, service: str = SERVICE
    ) -> None:
        self._watch_silence()
        self._bury()
        while self._writable is not None:
            await _until(asyncio.shield(self._writable), deadline)
        body = request_body(service, method, message.SerializeToString(), timeout_until(deadline), self._calls.metadata)
        if self._error is not None:
            raise self._error.again()
        self._transport.write(self._calls.start(call, body))

    async def finish(self, call: UnaryCall, deadline: Optional[float]) -> bytes:
        try:
            await self._wait(call, deadline)
        except BaseException:
            call.abandon(self._calls)
            self._flush()
            raise
        if call.error is not None:
            raise call.error.again()
        return call.payload

    async def next(self, call: StreamCall, deadline: Optional[float]) -> Optional[bytes]:
        await self._wait(call, deadline)
        message = call.take(self._calls)
        self._balance()
        return message

    async def _wait(self, call: Call, deadline: Optional[float]) -> None:
        while not call.is_ready:
            call.signal = self._loop.create_future()
            try:
                await _until(call.signal, deadline)
            finally:
                call.signal = None

    def post(self, method: str, message: Message) -> None:
        if self._error is None:
            self._calls.post(method, message)
            self._flush()

    def abandon(self, call: StreamCall, late: Late) -> None:
        call.abandon(late, self._calls)
        self._flush()
        self._balance()

    def adopt(self, orphan: Callable[[], None]) -> None:
        """Closes what was dropped, on the loop: the collector of garbage may run in any thread."""
        self._orphans.append(orphan)
        try:
            self._loop.call_soon_threadsafe(self._bury)
        except RuntimeError:
            pass  # The loop is closed, and with it the connection.

    def _bury(self) -> None:
        while self._orphans:
            self._orphans.popleft()()

    def feed(self, feed: Feed, execution: str) -> None:
        if self._error is None:
            feed.begin(execution, self._calls)
            self._flush()

    async def settle(self, call: Call, deadline: Optional[float]) -> None:
        await self._wait(call, deadline)
        if call.error is not None:
            raise call.error.again()

    def _flush(self) -> None:
        if self._calls.outbox:
            frames, self._calls.outbox = self._calls.outbox, []
            if self._error is None:
                self._transport.write(b"".join(frames))


def _wake(call: Call) -> None:
    if call.signal is not None and not call.signal.done():
        call.signal.set_result(None)


async def _until(future: Any, deadline: Optional[float]) -> None:
    """Waits for a future, at most until the deadline. Raises ``DeadlineExceededError``."""
    if deadline is None:
        await future
        return
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise deadline_passed()
    done, _ = await asyncio.wait((future,), timeout=remaining)
    if not done:
        raise deadline_passed()


class Client:
    """A connection to a Berth server, for any number of calls at a time."""

    def __init__(
        self,
        address: Optional[str] = None,
        *,
        tls: Union[ssl.SSLContext, bool, None] = None,
        ca: Optional[File] = None,
        cert: Optional[File] = None,
        key: Optional[File] = None,
        server_name: Optional[str] = None,
        token: Optional[str] = None,
        connect_timeout: float = 5.0,
        window: int = _requests.DEFAULT_WINDOW,
        keepalive: float = 60.0,
    ) -> None:
        self._address = parse(address)
        self._credentials = (tls, ca, cert, key, server_name, token)
        self._security = Security.of(self._address, *self._credentials)
        self._connect_timeout = connect_timeout
        self._window = _requests.checked_window(window)
        self._keepalive = _requests.checked_keepalive(keepalive)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._connection: Optional[_Connection] = None
        self._connecting: Optional[asyncio.Lock] = None
        self._is_closed = False

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<berth.aio.Client {self._address}>"

    async def close(self) -> None:
        self._is_closed = True
        if self._connection is not None and not self._connection.is_closed:
            self._check_loop()
            await self._connection.close()

    # MARK: Calls

    async def hello(self) -> Server:
        response = await self.call("Hello", pool_pb2.HelloRequest(client=NAME), pool_pb2.HelloResponse)
        return Server(response.server, list(response.pools))

    async def acquire(
        self,
        pool: Optional[str] = None,
        *,
        wait: Optional[float] = None,
        detached: bool = False,
        ttl: Optional[float] = None,
        deadline: Optional[float] = None,
    ) -> Lease:
        request = _requests.acquire(pool, wait, detached, ttl)
        response = await self._unary("Acquire", request, pool_pb2.AcquireResponse, deadline, UnaryCall(release_late))
        return Lease(self, response.lease, response.member, response.ttl_ms / 1e3, response.warm, not detached)

    def lease(self, token: str) -> Lease:
        return Lease(self, _requests.text(token, "token"))

    async def run(self, argv: Argv = None, **options: Unpack[_requests.RunOptions]) -> Result:
        async with self._execute(None, argv, _requests.for_run(dict(options))) as execution:
            return await execution.result()

    def execute(self, argv: Argv = None, **options: Unpack[_requests.Options]) -> Execution:
        """It starts when it is entered, iterated or asked for anything."""
        return self._execute(None, argv, dict(options))

    async def stats(self) -> pool_pb2.StatsResponse:
        return await self.call("Stats", pool_pb2.StatsRequest(), pool_pb2.StatsResponse)

    async def watch_stats(self, interval: float = 1.0) -> AsyncIterator[pool_pb2.StatsResponse]:
        other = Client(
            str(self._address),
            tls=self._security.context,
            server_name=self._security.server_name,
            token="",
            connect_timeout=self._connect_timeout,
            keepalive=self._keepalive,
        )
        other._credentials, other._security = self._credentials, self._security
        async with other:
            connection = await other._connected(None)
            call = StreamCall()
            request = pool_pb2.WatchStatsRequest(interval_ms=_requests.milliseconds(interval, "interval"))
            await connection.start(call, "WatchStats", request)
            while True:
                message = await connection.next(call, None)
                if message is None:
                    return
                yield decoded(message, pool_pb2.StatsResponse)

    async def call(
        self,
        method: str,
        request: Message,
        response: Type[R],
        *,
        service: str = SERVICE,
        deadline: Optional[float] = CALL_TIMEOUT,
    ) -> R:
        return await self._unary(method, request, response, deadline, UnaryCall(), service)

    # MARK: How

    async def _unary(
        self,
        method: str,
        request: Message,
        response: Type[R],
        deadline: Optional[float],
        call: UnaryCall,
        service: str = SERVICE,
    ) -> R:
        end = None if deadline is None else time.monotonic() + deadline
        connection = await self._connected(end)
        await connection.start(call, method, request, end, service)
        return decoded(await connection.finish(call, patient(end)), response)

    async def _open(self, method: str, request: Opening, response: Type[Opened]) -> Opened:
        return await self._unary(method, request, response, CALL_TIMEOUT, opening(request.lease, response))

    def _execute(self, lease: Optional[Lease], argv: Argv, options: Dict[str, Any]) -> Execution:
        deadline = _requests.taken_deadline(options)
        token = lease.token if lease is not None else ""
        request, rest = _requests.execute(token, argv, options, self._window)
        return self._start(lease, request, rest, options, deadline)

    def _start(
        self,
        lease: Optional[Lease],
        request: pool_pb2.ExecuteRequest,
        rest: memoryview,
        options: Dict[str, Any],
        deadline: Optional[float],
    ) -> Execution:
        token = request.lease
        offset = len(request.stdin)
        feed = Feed(token, rest, offset, not options.get("keep_stdin_open")) if rest else None
        watch = Watch(token, request.window_bytes)
        execution = Execution(self, "Execute", request, watch, deadline, offset + len(rest), feed)
        execution._of = lease
        return execution

    def _reclaim(self, token: str, name: str, lease: Lease) -> None:
        """Releases a lease that was dropped. On a collector's thread."""
        connection = self._connection
        if self._is_closed or connection is None or connection.is_lost:
            return  # It goes with its connection.
        request = pool_pb2.ReleaseRequest(lease=token)
        connection.adopt(lambda: connection.post("Release", request))
        warnings.warn(f"{name} was dropped without being released", ResourceWarning, 3, source=lease)

    def _check_loop(self) -> None:
        """Raises ``RuntimeError`` at once, rather than wait for what happens on another loop."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("this berth.aio.Client belongs to another event loop: make one in each")

    async def _connected(self, deadline: Optional[float]) -> _Connection:
        self._check_loop()
        if self._connection is not None and not self._connection.is_lost:
            return self._connection
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:
            connection = self._connection
            if connection is not None and not connection.is_lost:
                return connection
            connection = await self._connect(deadline)
            self._connection = connection
        connection.post("Hello", pool_pb2.HelloRequest(client=NAME))
        return connection

    async def _connect(self, deadline: Optional[float]) -> _Connection:
        loop = asyncio.get_running_loop()
        if self._connection is not None:
            self._security = Security.again(self._address, *self._credentials)
        attempts = Attempts(self._address, self._security, self._connect_timeout, deadline)
        context = self._security.context
        name = self._security.server_name if context is not None else None
        while True:
            if self._is_closed:
                raise RuntimeError("this client is closed")
            try:
                make = lambda: _Connection(self._address, self._keepalive, self._security)  # noqa: E731
                if self._address.path is not None:
                    opening: Any = loop.create_unix_connection(
                        make, self._address.path, ssl=context, server_hostname=name
                    )
                else:
                    opening = loop.create_connection(
                        make, self._address.host, self._address.port, ssl=context, server_hostname=name
                    )
                _, connection = await asyncio.wait_for(opening, attempts.remaining)
                return connection  # type: ignore[no-any-return]
            except asyncio.TimeoutError as error:
                pause = attempts.failed(error if context is None else socket.timeout(NO_HANDSHAKE))
            except OSError as error:
                pause = attempts.failed(error)
            await asyncio.sleep(pause)


class _Reader:
    """A stream with credit, begun when it is first used."""

    def __init__(
        self, client: Client, method: str, request: Message, watch: Watch, deadline: Optional[float]
    ) -> None:
        self._client = client
        self._method = method
        self._request: Optional[Message] = request
        self._watch = watch
        self._deadline = None if deadline is None else time.monotonic() + deadline
        self._call = StreamCall()
        self._connection: Optional[_Connection] = None
        self._beginning = asyncio.Lock()
        self._is_closed = False
        self._failure: Optional[BerthError] = None
        #: A lease that is not held would be released under what runs in it.
        self._of: Optional[Lease] = None
        self._feed: Optional[Feed] = None
        self._taking = asyncio.Lock()
        self._taken: Deque[Event] = deque()

    def _decode(self, message: bytes) -> Optional[Event]:
        return self._watch.decode(message)

    async def _begin(self) -> _Connection:
        async with self._beginning:
            if self._connection is None:
                if self._request is None:
                    raise BerthError.of(Code.CANCELLED, "this stream was closed here")
                connection = await self._client._connected(self._deadline)
                await connection.start(self._call, self._method, self._request, self._deadline)
                # Not needed any more, and it may be large.
                self._request, self._connection = None, connection
        return self._connection

    async def _advance(self) -> Optional[Event]:
        if self._failure is not None:
            raise self._failure.again()
        self._client._check_loop()
        try:
            connection = self._connection or await self._begin()
            if self._is_closed:
                raise BerthError.of(Code.CANCELLED, "this stream was closed here")
            message = await connection.next(self._call, patient(self._deadline))
            if message is None:
                raise unexpected("the end of a stream without the end of what it was about")
            event = self._decode(message)
        except BerthError as error:
            # Whoever asks once more is told the same.
            self._failure = error.again()
            self._give_up()
            raise
        if self._feed is not None and self._watch.execution is not None and not self._watch.is_over:
            connection.feed(self._feed, self._watch.execution)
        credit = self._watch.credit_due()
        if credit is not None:
            connection.post("Acknowledge", credit)
        return event

    async def _next(self) -> Optional[Event]:
        await self._take_until(lambda: bool(self._taken) or self._watch.is_over)
        return self._taken.popleft() if self._taken else None

    async def _take_until(self, is_enough: Callable[[], bool]) -> None:
        """Takes messages, one task at a time: one may iterate while another wants to know whether it has started."""
        while not is_enough():
            async with self._taking:
                if is_enough():
                    return
                event = await self._advance()
                if event is not None:
                    self._taken.append(event)

    async def close(self) -> None:
        """Gives the stream up, if it is not at its end."""
        self._give_up()

    def _give_up(self) -> None:
        self._request = None
        if self._is_closed:
            return
        self._is_closed = True
        if self._feed is not None:
            self._feed.stop()
        if self._connection is not None and not self._call.is_done and not self._watch.is_over:
            self._connection.abandon(self._call, self._watch.forsake(self._decode))

    def __del__(self) -> None:
        connection: Optional[_Connection] = getattr(self, "_connection", None)
        if connection is not None and not self._is_closed and not self._watch.is_over and not self._call.is_done:
            call, late = self._call, self._watch.forsake(self._decoder(self._watch))
            connection.adopt(lambda: connection.abandon(call, late))

    @staticmethod
    def _decoder(watch: Watch) -> Callable[[bytes], Optional[Event]]:
        """Without the reader, which may be gone."""
        return watch.decode


class Execution(_Reader):
    """A program that runs: ``async for`` gives its output, as it comes; then ``end`` says how it ended."""

    def __init__(
        self,
        client: Client,
        method: str,
        request: Message,
        watch: Watch,
        deadline: Optional[float],
        input_offset: Optional[int] = None,
        feed: Optional[Feed] = None,
    ) -> None:
        super().__init__(client, method, request, watch, deadline)
        self._feed = feed
        self._inputting = asyncio.Lock()
        self._input_offset = input_offset

    async def __aenter__(self) -> Execution:
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._give_up()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = await self._next()
            if event is None:
                return
            yield event

    async def text(self) -> AsyncIterator[Text]:
        decoder = TextDecoder()
        async for event in self:
            piece = decoder.decode(event)
            if piece is not None:
                yield piece
        for piece in decoder.rest():
            yield piece

    async def id(self) -> str:
        """The execution's id, for ``attach``. Waits until it has started."""
        await self._take_until(lambda: self._watch.execution is not None or self._watch.is_over)
        if self._watch.execution is None:
            raise self._watch.not_begun()
        return self._watch.execution

    async def member(self) -> str:
        await self.id()
        return self._watch.member

    async def warm(self) -> bool:
        await self.id()
        return self._watch.warm

    @property
    def end(self) -> Optional[End]:
        return self._watch.end

    async def wait(self) -> End:
        async for _ in self:
            pass
        return self._watch.ended()

    async def result(self) -> Result:
        collector = Collector()
        async for event in self:
            collector.add(event)
        return collector.result(self._watch.ended())

    # MARK: While it runs

    async def write(self, data: Content, *, deadline: Optional[float] = None) -> None:
        await self._input(data, False, deadline)

    async def close_stdin(self, data: Content = b"", *, deadline: Optional[float] = None) -> None:
        await self._input(data, True, deadline)

    async def _input(self, data: Content, end: bool, deadline: Optional[float]) -> None:
        parts = pieces(data)
        execution = await self.id()
        async with self._inputting:
            if self._feed is not None and self._connection is not None:
                await self._connection.settle(
                    self._feed, None if deadline is None else time.monotonic() + deadline
                )
            for piece, more in parts:
                if not piece and not end:
                    return
                if self._input_offset is None:
                    # Attached to, and others may have written: an empty piece at the beginning asks where the input stands.
                    request = pool_pb2.InputRequest(lease=self._watch.lease, execution=execution)
                    response = await self._client.call("Input", request, pool_pb2.InputResponse, deadline=deadline)
                    self._input_offset = response.offset
                request = pool_pb2.InputRequest(
                    lease=self._watch.lease,
                    execution=execution,
                    offset=self._input_offset,
                    data=piece,
                    end=end and not more,
                )
                response = await self._client.call("Input", request, pool_pb2.InputResponse, deadline=deadline)
                self._input_offset = response.offset

    async def signal(self, signal: Union[int, str]) -> None:
        request = _requests.signal(self._watch.lease, await self.id(), signal)
        await self._client.call("Signal", request, pool_pb2.SignalResponse)

    async def cancel(self, grace: Optional[float] = None) -> None:
        request = _requests.cancel(self._watch.lease, await self.id(), grace)
        await self._client.call("Signal", request, pool_pb2.SignalResponse)

    async def resize(self, rows: int, columns: int) -> None:
        request = _requests.resize(self._watch.lease, await self.id(), rows, columns)
        await self._client.call("Resize", request, pool_pb2.ResizeTerminalResponse)


class FileReader(_Reader):
    """The bytes of a file or an archive, as they come: ``async for``, or ``await read()``."""

    def _decode(self, message: bytes) -> Optional[Event]:
        return self._watch.decode_file(message)

    @staticmethod
    def _decoder(watch: Watch) -> Callable[[bytes], Optional[Event]]:
        return watch.decode_file

    async def __aenter__(self) -> FileReader:
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._give_up()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next()
            if event is None:
                return
            if isinstance(event, Output):
                yield event.data

    @property
    def info(self) -> Optional[FileInfo]:
        return self._watch.file

    async def read(self) -> bytes:
        return b"".join([data async for data in self])


class Context:
    """Runs pieces of code, one at a time, each with what those before it have left; leaving an ``async with`` closes it."""

    def __init__(self, lease: Lease, id: str, language: str = "", version: str = "") -> None:
        self._lease = lease
        self.id = id
        self.language = language
        self.version = version

    async def __aenter__(self) -> Context:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.close()
        except (NotFoundError, UnavailableError):
            pass  # It has ended by itself, or goes with the connection.

    def __repr__(self) -> str:
        return f"<berth.aio.Context of {self.language or 'a language'}>"

    async def run(self, code: str, **options: Unpack[_requests.PieceOptions]) -> Result:
        async with self.execute(code, **_requests.for_run(dict(options))) as execution:
            return await execution.result()

    def execute(self, code: str, **options: Unpack[_requests.PieceOptions]) -> Execution:
        """It starts when it is entered, iterated or asked for anything."""
        given: Dict[str, Any] = dict(options)
        deadline = _requests.taken_deadline(given)
        client = self._lease._client
        request, rest = _requests.piece(self._lease.token, self.id, code, given, client._window)
        return client._start(self._lease, request, rest, given, deadline)

    async def complete(self, code: str, cursor: Optional[int] = None) -> Completion:
        text, place = _requests.place(code, cursor)
        request = pool_pb2.CompleteRequest(lease=self._lease.token, context=self.id, code=text, cursor=place)
        response = await self._lease._client.call("Complete", request, pool_pb2.CompleteResponse)
        return Completion(list(response.matches), response.start, response.end)

    async def inspect(self, code: str, cursor: Optional[int] = None, *, detail: bool = False) -> Dict[str, bytes]:
        text, place = _requests.place(code, cursor)
        request = pool_pb2.InspectRequest(
            lease=self._lease.token, context=self.id, code=text, cursor=place, detail=detail
        )
        response = await self._lease._client.call("Inspect", request, pool_pb2.InspectResponse)
        return {form.mime: form.data for form in response.data}

    async def fork(self) -> Context:
        request = pool_pb2.ForkContextRequest(lease=self._lease.token, context=self.id)
        response = await self._lease._client._open("ForkContext", request, pool_pb2.ForkContextResponse)
        return Context(self._lease, response.context, self.language, response.version)

    async def close(self) -> None:
        request = pool_pb2.CloseContextRequest(lease=self._lease.token, context=self.id)
        await self._lease._client.call("CloseContext", request, pool_pb2.CloseContextResponse)


class Lease:
    """A warm container that is yours until it is released; leaving an ``async with`` releases it."""

    _is_owned = False

    def __init__(
        self,
        client: Client,
        token: str,
        member: str = "",
        ttl: float = 0.0,
        warm: bool = False,
        is_owned: bool = False,
    ) -> None:
        self._client = client
        self.token = token
        self.member = member
        self.ttl = ttl
        self.warm = warm
        self._is_released = False
        self._is_owned = is_owned

    def __del__(self) -> None:
        if self._is_owned and not self._is_released:
            self._client._reclaim(self.token, repr(self), self)

    async def __aenter__(self) -> Lease:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_released:
            return
        try:
            await self.release()
        except (NotFoundError, UnavailableError):
            # It has ended by itself, or does so: it goes with the connection.
            self._is_released = True

    def __repr__(self) -> str:
        return f"<berth.aio.Lease of {self.member or 'a member'}>"

    # MARK: Programs

    async def run(self, argv: Argv = None, **options: Unpack[_requests.LeaseRunOptions]) -> Result:
        async with self._client._execute(self, argv, _requests.for_run(dict(options))) as execution:
            return await execution.result()

    def execute(self, argv: Argv = None, **options: Unpack[_requests.LeaseOptions]) -> Execution:
        """It starts when it is entered, iterated or asked for anything."""
        return self._client._execute(self, argv, dict(options))

    def attach(
        self,
        execution: str,
        *,
        stdout_offset: int = 0,
        stderr_offset: int = 0,
        events_position: int = 0,
        from_now: bool = False,
        observe: bool = False,
        window: Optional[int] = None,
        deadline: Optional[float] = None,
    ) -> Execution:
        request = _requests.attach(
            self.token, execution, stdout_offset, stderr_offset, from_now, observe, window or self._client._window,
            events_position,
        )
        watch = Watch(self.token, request.window_bytes)
        watch.begin_at(stdout_offset, stderr_offset, events_position)
        watching = Execution(self._client, "Attach", request, watch, deadline)
        watching._of = self
        return watching

    async def executions(self) -> List[ExecutionInfo]:
        request = pool_pb2.ListExecutionsRequest(lease=self.token)
        response = await self._client.call("ListExecutions", request, pool_pb2.ListExecutionsResponse)
        return [ExecutionInfo.of(info) for info in response.executions]

    # MARK: Contexts

    async def context(
        self,
        language: str,
        *,
        env: Union[Mapping[str, Word], Mapping[bytes, Word], None] = None,
        cwd: Optional[Word] = None,
        uid: Optional[int] = None,
    ) -> Context:
        """An interpreter that keeps its state from one piece of code to the next: "python", "bash", "sh" or
        "node"."""
        request = _requests.open_context(self.token, language, env, cwd, uid)
        response = await self._client._open("OpenContext", request, pool_pb2.OpenContextResponse)
        return Context(self, response.context, language, response.version)

    async def contexts(self) -> List[ContextInfo]:
        request = pool_pb2.ListContextsRequest(lease=self.token)
        response = await self._client.call("ListContexts", request, pool_pb2.ListContextsResponse)
        return [ContextInfo.of(info) for info in response.contexts]

    # MARK: Connections

    async def open_connection(
        self,
        *,
        port: Optional[int] = None,
        unix: Optional[Word] = None,
        wait: float = 0,
        timeout: Optional[float] = None,
        idle_timeout: Optional[float] = None,
        window: Optional[int] = None,
        limit: int = 1 << 16,
    ) -> Tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A byte stream to what listens here, whatever the container's network is, as ``asyncio.open_connection`` gives
        it. ``limit`` is that of the reader; the rest is as for ``berth.Lease.connect``."""
        request = _requests.connect(
            self.token, port, unix, wait, timeout, idle_timeout, window or self._client._window
        )
        stream = Execution(self._client, "Connect", request, Watch(self.token, request.window_bytes), None, 0)
        stream._of = self
        try:
            await stream.id()
        except BaseException:
            stream._give_up()
            raise
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport = StreamTransport(stream, protocol, ("127.0.0.1", port) if port is not None else os.fsdecode(unix or ""))
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    # MARK: The lease

    async def renew(self, ttl: Optional[float] = None) -> float:
        request = pool_pb2.RenewRequest(lease=self.token, ttl_ms=_requests.milliseconds(ttl, "ttl"))
        return (await self._client.call("Renew", request, pool_pb2.RenewResponse)).ttl_ms / 1e3

    async def release(self) -> None:
        await self._client.call("Release", pool_pb2.ReleaseRequest(lease=self.token), pool_pb2.ReleaseResponse)
        self._is_released = True

    # MARK: Files

    async def write_file(self, path: Word, data: Content, *, mode: int = 0o644, create_parents: bool = False) -> None:
        request = files.write_file(self.token, path, mode, create_parents)
        await self._upload("WriteFile", request, data, pool_pb2.WriteFileResponse)

    async def read_file(self, path: Word, *, offset: int = 0, length: Optional[int] = None) -> bytes:
        async with self.open_file(path, offset=offset, length=length) as reader:
            return await reader.read()

    def open_file(self, path: Word, *, offset: int = 0, length: Optional[int] = None) -> FileReader:
        return self._read("ReadFile", files.read_file(self.token, path, offset, length, self._client._window))

    async def list_directory(self, path: Word) -> List[FileInfo]:
        call = StreamCall()
        request = files.list_directory(self.token, path)
        connection = await self._client._connected(None)
        await connection.start(call, "ListDirectory", request)
        entries: List[FileInfo] = []
        while True:
            message = await connection.next(call, None)
            if message is None:
                return entries
            entries += map(FileInfo.of, decoded(message, pool_pb2.ListDirectoryResponse).entries)

    async def stat(self, path: Word, *, follow: bool = False) -> FileInfo:
        request = files.stat(self.token, path, follow)
        return FileInfo.of((await self._client.call("Stat", request, pool_pb2.StatResponse)).info)

    async def make_directory(self, path: Word, *, mode: int = 0o755, parents: bool = False) -> None:
        request = files.make_directory(self.token, path, mode, parents)
        await self._client.call("MakeDirectory", request, pool_pb2.MakeDirectoryResponse)

    async def rename(self, path: Word, to: Word, *, no_replace: bool = False) -> None:
        request = files.rename(self.token, path, to, no_replace)
        await self._client.call("RenameFile", request, pool_pb2.RenameFileResponse)

    async def change_mode(self, path: Word, mode: int) -> None:
        request = files.change_mode(self.token, path, mode)
        await self._client.call("ChangeMode", request, pool_pb2.ChangeModeResponse)

    async def remove(self, path: Word, *, recursive: bool = False) -> None:
        request = files.remove(self.token, path, recursive)
        await self._client.call("RemoveFile", request, pool_pb2.RemoveFileResponse)

    async def write_archive(self, path: Word, data: Content) -> int:
        request = files.write_archive(self.token, path)
        return (await self._upload("WriteArchive", request, data, pool_pb2.WriteArchiveResponse)).files

    def read_archive(self, path: Word) -> FileReader:
        return self._read("ReadArchive", files.read_archive(self.token, path, self._client._window))

    def _read(self, method: str, request: Message) -> FileReader:
        reader = FileReader(self._client, method, request, Watch(self.token, self._client._window), None)
        reader._of = self
        return reader

    async def _upload(self, method: str, request: Upload, data: Content, response: Type[Uploaded]) -> Uploaded:
        for piece, more in pieces(data):
            request.data, request.more = piece, more
            answer = await self._client.call(method, request, response)
            request.upload, request.offset = answer.upload, answer.offset
        return answer
