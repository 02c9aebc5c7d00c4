# SPDX-License-Identifier: Apache-2.0
"""The synchronous client."""

from __future__ import annotations

import ssl
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Type, TypeVar, Union

from google.protobuf.message import Message

from . import _requests
from ._address import parse
from ._answers import Opened, decoded, opening, patient, release_late, timeout_until
from ._backoff import Attempts
from ._calls import SERVICE, Feed, StreamCall, UnaryCall, deadline_passed
from ._connection import Connection, open_socket
from ._errors import BerthError
from ._execution import Execution
from ._lease import Lease
from ._requests import Argv
from ._security import File, Security
from ._types import Result, Server
from ._version import NAME
from ._watch import Watch
from .v1 import pool_pb2

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R", bound=Message)
Opening = Union[pool_pb2.OpenContextRequest, pool_pb2.ForkContextRequest]

#: How long calls may take that the server answers at once, in seconds.
CALL_TIMEOUT = 30.0


class Client:
    """A connection to a Berth server, for any number of calls at a time, from any thread.

        with berth.Client() as client:
            print(client.run(["echo", "hello"]).text)

    It connects at its first call, and again when the connection was lost: calls that were open then have failed with
    ``UnavailableError``, since nobody knows how far they came; new ones connect first, and try again until
    ``connect_timeout`` is up. Calls raise ``BerthError``. Make one after a fork, not before.
    """

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
        """
        :param address: ``HOST:PORT``, ``tls://HOST:PORT`` or ``unix:PATH``; else ``BERTH_SERVER``, else
            ``127.0.0.1:7411``.
        :param tls: True is TLS, as ``tls://`` is; a context holds all that is to be said of it.
        :param ca: a file with the authorities that may have signed the server's certificate, in PEM format, as all these
            are; else that of ``BERTH_TLS_CA``, else the system's.
        :param cert: a file with this client's certificate, for servers that want one; else that of ``BERTH_TLS_CERT``.
        :param key: a file with the key of ``cert``, if it is not in that; else that of ``BERTH_TLS_KEY``.
        :param server_name: whom the server's certificate must name; else the address's host.
        :param token: says who calls, with every call; else ``BERTH_TOKEN``, else what is in the file that
            ``BERTH_TOKEN_FILE`` names. "" is none.
        :param connect_timeout: how long connecting may take, tries that failed included, in seconds.
        :param window: how much output of an execution may be on its way, in bytes, 64 KiB to 1 MiB. That much is kept
            for who reads slowly; then the program waits.
        :param keepalive: how long a server may say nothing to who waits for it, in seconds. After half of it, it is asked
            whether it is there; after all of it the connection counts as lost.
        """
        self._address = parse(address)
        self._credentials = (tls, ca, cert, key, server_name, token)
        self._security = Security.of(self._address, *self._credentials)
        self._connect_timeout = connect_timeout
        self._window = _requests.checked_window(window)
        self._keepalive = _requests.checked_keepalive(keepalive)
        self._connecting = threading.Lock()
        self._connection: Optional[Connection] = None
        self._is_closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<berth.Client {self._address}>"

    def close(self) -> None:
        """Closes the connection. What runs on it is cancelled; leases that are not detached end 10 s later."""
        self._is_closed = True
        connection = self._connection
        if connection is not None:
            connection.close()

    # MARK: Calls

    def hello(self) -> Server:
        """Who is there. Also the way to ask whether a server is alive."""
        response = self.call("Hello", pool_pb2.HelloRequest(client=NAME), pool_pb2.HelloResponse)
        return Server(response.server, list(response.pools))

    def acquire(
        self,
        pool: Optional[str] = None,
        *,
        wait: Optional[float] = None,
        detached: bool = False,
        ttl: Optional[float] = None,
        deadline: Optional[float] = None,
    ) -> Lease:
        """Leases a member. Release it, or use the lease in a ``with``.

        :param pool: else the default pool.
        :param wait: how long to wait in line when none is warm, in seconds; else the server's default, 30 s.
        :param detached: the lease outlives this connection; time alone ends it.
        :param ttl: how long it lasts without use, in seconds; else the server's longest, 5 min.
        """
        request = _requests.acquire(pool, wait, detached, ttl)
        response = self._unary("Acquire", request, pool_pb2.AcquireResponse, deadline, UnaryCall(release_late))
        return Lease(self, response.lease, response.member, response.ttl_ms / 1e3, response.warm, not detached)

    def lease(self, token: str) -> Lease:
        """A lease that was acquired elsewhere, by its token. No call is made."""
        return Lease(self, _requests.text(token, "token"))

    def run(self, argv: Argv = None, **options: Unpack[_requests.RunOptions]) -> Result:
        """Runs a program in a member of its own, in one round trip: all it wrote, and how it ended.

        :param argv: the program and its arguments; or say ``shell=``, or ``code=`` and ``language=``.
        :param options: see ``berth.Options``.
        """
        with self._execute(None, argv, _requests.for_run(dict(options))) as execution:
            return execution.result()

    def execute(self, argv: Argv = None, **options: Unpack[_requests.Options]) -> Execution:
        """Starts a program in a member of its own, which is acquired and released around it.

        :param argv: the program and its arguments; or say ``shell=``, or ``code=`` and ``language=``.
        :param options: see ``berth.Options``.
        """
        return self._execute(None, argv, dict(options))

    def stats(self) -> pool_pb2.StatsResponse:
        """The server and its pools in numbers."""
        return self.call("Stats", pool_pb2.StatsRequest(), pool_pb2.StatsResponse)

    def watch_stats(self, interval: float = 1.0) -> Iterator[pool_pb2.StatsResponse]:
        """The same at once, and then each time that the interval has passed; on a connection of its own."""
        with self._other() as other:
            call = StreamCall()
            connection = other._connected(None)
            request = pool_pb2.WatchStatsRequest(interval_ms=_requests.milliseconds(interval, "interval"))
            connection.start(call, "WatchStats", request)
            while True:
                message = connection.next(call, None)
                if message is None:
                    return
                yield decoded(message, pool_pb2.StatsResponse)

    def call(
        self,
        method: str,
        request: Message,
        response: Type[R],
        *,
        service: str = SERVICE,
        deadline: Optional[float] = CALL_TIMEOUT,
    ) -> R:
        """Any unary call of the contract, with its messages as they are: for what has no method here, as
        ``berth.v1.Admin``.

        :param deadline: in seconds; None is none.
        """
        return self._unary(method, request, response, deadline, UnaryCall(), service)

    # MARK: How

    def _unary(
        self,
        method: str,
        request: Message,
        response: Type[R],
        deadline: Optional[float],
        call: UnaryCall,
        service: str = SERVICE,
    ) -> R:
        end = None if deadline is None else time.monotonic() + deadline
        connection = self._connected(end)
        connection.start(call, method, request, timeout_until(end), service)
        return decoded(connection.finish(call, patient(end)), response)

    def _open(self, method: str, request: Opening, response: Type[Opened]) -> Opened:
        return self._unary(method, request, response, CALL_TIMEOUT, opening(request.lease, response))

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
        execution = self._watch("Execute", request, watch, deadline, offset + len(rest), feed)
        execution._of = lease
        return execution

    def _watch(
        self,
        method: str,
        request: Message,
        watch: Watch,
        deadline: Optional[float],
        input_offset: Optional[int] = None,
        feed: Optional[Feed] = None,
    ) -> Execution:
        end = None if deadline is None else time.monotonic() + deadline
        call = StreamCall()
        connection = self._connected(end)
        connection.start(call, method, request, timeout_until(end))
        return Execution(self, connection, call, watch, patient(end), input_offset, feed)

    def _reclaim(self, token: str, name: str, lease: Lease) -> None:
        """Releases a lease that was dropped. On a collector's thread."""
        connection = self._connection
        if self._is_closed or connection is None or connection.is_lost:
            return  # It goes with its connection.
        request = pool_pb2.ReleaseRequest(lease=token)
        connection.adopt(lambda: connection.post("Release", request))
        warnings.warn(f"{name} was dropped without being released", ResourceWarning, 3, source=lease)

    def _connected(self, deadline: Optional[float]) -> Connection:
        """The connection, made anew if it was lost. Raises ``UnavailableError``."""
        connection = self._connection
        if connection is not None:
            connection.refresh()
            if not connection.is_lost:
                return connection
        if not self._connecting.acquire(timeout=-1 if deadline is None else max(0.0, deadline - time.monotonic())):
            raise deadline_passed()
        try:
            connection = self._connection
            if connection is not None and not connection.is_lost:
                return connection
            connection = self._connect(deadline)
            self._connection = connection
        finally:
            self._connecting.release()
        if self._is_closed:
            connection.close()
        else:
            # Who calls, for the server's log.
            connection.post("Hello", pool_pb2.HelloRequest(client=NAME))
        return connection

    def _connect(self, deadline: Optional[float]) -> Connection:
        if self._connection is not None:
            self._security = Security.again(self._address, *self._credentials)
        attempts = Attempts(self._address, self._security, self._connect_timeout, deadline)
        while True:
            if self._is_closed:
                raise RuntimeError("this client is closed")
            try:
                ready = open_socket(self._address, self._security, attempts.remaining)
                return Connection(ready, self._address, self._keepalive, self._security)
            except OSError as error:
                pause = attempts.failed(error)
            time.sleep(pause)

    def _other(self) -> Client:
        """One like this, with a connection of its own."""
        other = Client(
            str(self._address),
            tls=self._security.context,
            server_name=self._security.server_name,
            token="",
            connect_timeout=self._connect_timeout,
            window=self._window,
            keepalive=self._keepalive,
        )
        other._credentials, other._security = self._credentials, self._security
        return other
