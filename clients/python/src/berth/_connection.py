# SPDX-License-Identifier: Apache-2.0
"""One connection for callers in any threads, without a thread of its own.

Whoever waits for an answer while nobody reads becomes the reader: it reads, hands each frame to the call it belongs to and
wakes who waits for that, until its own call is ready; then the next one that waits takes over. So one call at a time costs
no switch of threads, and there is nothing to stop when it is over. While nobody waits, nobody reads; the windows of the
streams bound what may come meanwhile, and it lies in the kernel.
"""

from __future__ import annotations

import select
import socket
import ssl
import _thread
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional

from ._address import Address
from ._calls import SERVICE, Call, Calls, Feed, Late, StreamCall, UnaryCall, deadline_passed, lost, mute
from ._errors import BerthError, UnavailableError
from ._security import Security, distrust
from ._version import NAME
from ._wire import BrokenWire, request_body
from .v1 import pool_pb2

_CHUNK = 256 << 10
NO_HANDSHAKE = "it did not finish the handshake of TLS in time; perhaps it speaks none"


def open_socket(address: Address, security: Security, timeout: float) -> Any:
    """A connected socket that does not block. Raises ``OSError``."""
    end = time.monotonic() + timeout
    if address.path is not None:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            plain.settimeout(timeout)
            plain.connect(address.path)
        except BaseException:
            plain.close()
            raise
    else:
        plain = socket.create_connection((address.host, address.port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    ready: Any = plain
    try:
        if security.context is not None:
            ready = security.context.wrap_socket(
                plain, server_hostname=security.server_name, do_handshake_on_connect=False
            )
            _handshake(ready, end)
        ready.setblocking(False)
        return ready
    except BaseException:
        ready.close()
        raise


def _handshake(secured: ssl.SSLSocket, end: float) -> None:
    """In what is left of the time, all its reads together: the socket's time-out is that of each."""
    secured.setblocking(False)
    while True:
        try:
            secured.do_handshake()
            return
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wanted:
            remaining = end - time.monotonic()
            reads = isinstance(wanted, ssl.SSLWantReadError)
            if remaining <= 0 or not _wait_for(secured, reads, not reads, remaining):
                raise socket.timeout(NO_HANDSHAKE) from None


def _wait_for(ready: Any, for_reading: bool, for_writing: bool, timeout: Optional[float]) -> int:
    """Waits for a socket: bit 0 is readable or broken, bit 1 writable; 0 after the time-out."""
    if not hasattr(select, "poll"):
        inputs, outputs = [ready] * for_reading, [ready] * for_writing
        inputs, outputs, _ = select.select(inputs, outputs, [], timeout)
        return (1 if inputs else 0) | (2 if outputs else 0)
    poll = select.poll()
    poll.register(ready, (select.POLLIN if for_reading else 0) | (select.POLLOUT if for_writing else 0))
    events = poll.poll(None if timeout is None else timeout * 1000)
    if not events:
        return 0
    return (2 if events[0][1] & select.POLLOUT else 0) | (1 if events[0][1] & ~select.POLLOUT else 0)


class Connection:
    def __init__(self, ready: Any, address: Address, keepalive: float, security: Security) -> None:
        self._socket = ready
        self._address = address
        self._keepalive = keepalive
        self._last_heard = time.monotonic()
        self._is_tls = isinstance(ready, ssl.SSLSocket)
        # Of the calls, and of who reads. Never held while anything blocks.
        self._lock = threading.Lock()
        # Keeps frames whole. Held while the socket takes no more.
        self._writing = threading.Lock()
        # One thread at a time may use an SSL object; it is never held while anything blocks.
        self._using = threading.Lock()
        self._security = security
        self._calls = Calls(security.token)
        self._is_reading = False
        self._is_closed = False
        self._waiting: Dict[threading.Condition, None] = {}
        self._error: Optional[BerthError] = None
        # What to do about streams and leases that were dropped without being closed. The collector of garbage may run
        # anywhere, so that it takes no lock: a thread of a moment does it, or the next call, whichever comes first.
        self._orphans: Deque[Callable[[], None]] = deque()

    @property
    def is_lost(self) -> bool:
        return self._error is not None

    # MARK: Calls

    def start(
        self, call: Call, method: str, message: Any, timeout: Optional[float] = None, service: str = SERVICE
    ) -> None:
        """Sends what begins a call. Raises ``BerthError``; then there is no call."""
        body = request_body(service, method, message.SerializeToString(), timeout, self._calls.metadata)
        with self._lock:
            self._check()
            frame = self._calls.start(call, body)
        try:
            self._send(frame, None if timeout is None else time.monotonic() + timeout)
        except BaseException:
            with self._lock:
                self._calls.forget(call)
            raise
        self._flush()

    def finish(self, call: UnaryCall, deadline: Optional[float]) -> bytes:
        """Waits for the answer. Left in any other way, the call is abandoned. Raises ``BerthError``."""
        try:
            self._wait(call, deadline)
        except BaseException:
            with self._lock:
                call.abandon(self._calls)
            self._flush()
            raise
        if call.error is not None:
            raise call.error.again()
        return call.payload

    def next(self, call: StreamCall, deadline: Optional[float]) -> Optional[bytes]:
        """The stream's next message, None at its good end. Raises ``BerthError``."""
        self._wait(call, deadline)
        with self._lock:
            was_full = self._calls.full_streams > 0
            message = call.take(self._calls)
            if was_full and self._calls.full_streams == 0:
                self._hand_over()
        return message

    def post(self, method: str, message: Any) -> None:
        """A call of which nobody wants the answer; nor whether the connection still is."""
        with self._lock:
            if self._error is not None:
                return
            self._calls.post(method, message)
        self._flush()

    def abandon(self, call: StreamCall, late: Late) -> None:
        """Nobody will read this stream any more."""
        with self._lock:
            was_full = self._calls.full_streams > 0
            call.abandon(late, self._calls)
            if was_full and self._calls.full_streams == 0:
                self._hand_over()
        self._flush()

    def adopt(self, orphan: Callable[[], None]) -> None:
        """Closes what was dropped, soon, on another thread. Takes no lock."""
        self._orphans.append(orphan)
        try:
            # Not threading.Thread, whose start takes locks that this thread may hold.
            _thread.start_new_thread(self._bury, ())
        except RuntimeError:
            pass  # The interpreter ends, or there are too many threads: then the next call does it.

    def _bury(self) -> None:
        while True:
            try:
                orphan = self._orphans.popleft()
            except IndexError:
                return
            orphan()

    def feed(self, feed: Feed, execution: str) -> None:
        with self._lock:
            if self._error is not None:
                return
            feed.begin(execution, self._calls)
        self._flush()

    def settle(self, call: Call, deadline: Optional[float]) -> None:
        """Waits for a call's end. Raises ``BerthError``."""
        self._wait(call, deadline)
        if call.error is not None:
            raise call.error.again()

    def refresh(self) -> None:
        """Takes what has come meanwhile, the connection's end for one, without waiting."""
        self._bury()
        with self._lock:
            if self._is_reading or self._error is not None or self._calls.full_streams > 0:
                return
            self._is_reading = True
        try:
            self._receive()
        finally:
            self._stop_reading()
        self._flush()

    def close(self, error: Optional[BerthError] = None) -> None:
        self._lose(error or lost(self._address, "it was closed here"))

    # MARK: Waiting and reading

    def _wait(self, call: Call, deadline: Optional[float]) -> None:
        """Until the call is ready. Raises ``DeadlineExceededError``."""
        try:
            while True:
                with self._lock:
                    if call.is_ready:
                        # Perhaps this was woken to read on, and needs not to.
                        self._hand_over()
                        return
                    timeout = _remaining(deadline)
                    if self._is_reading or self._calls.full_streams > 0:
                        self._wait_for_reader(call, timeout)
                        continue
                    self._is_reading = True
                try:
                    self._read_until_ready(call, deadline)
                finally:
                    self._stop_reading()
        except BaseException:
            with self._lock:
                self._hand_over()
            raise

    def _wait_for_reader(self, call: Call, timeout: Optional[float]) -> None:
        """Until something has changed for this call, or it is its turn to read. The lock is held."""
        if call.signal is None:
            call.signal = threading.Condition(self._lock)
        self._waiting[call.signal] = None
        try:
            call.signal.wait(timeout)
        finally:
            self._waiting.pop(call.signal, None)

    def _hand_over(self) -> None:
        """While nobody reads, wakes one of those that wait: it reads on, or passes this on. The lock is held."""
        if self._is_reading or self._calls.full_streams > 0:
            return
        for signal in self._waiting:
            del self._waiting[signal]
            signal.notify()
            return

    def _read_until_ready(self, call: Call, deadline: Optional[float]) -> None:
        was_asked = False
        while True:
            # An SSL object may hold what the socket no longer has.
            if not self._is_tls or not self._receive():
                remaining, patience = _remaining(deadline), self._keepalive / 2
                if not self._poll(False, patience if remaining is None else min(remaining, patience)):
                    if remaining is None or remaining > patience:
                        self._ask(was_asked)
                        was_asked = True
                        if call.is_ready:
                            return
                    continue
                was_asked = False
                self._receive()
            self._flush()
            # This is unlocked: only this thread, the reader, makes calls ready.
            if call.is_ready or self._calls.full_streams > 0:
                return

    def _ask(self, was_asked: bool) -> None:
        """The server has said nothing for half of what is allowed: asks whether it is there, the second time gives up."""
        if was_asked:
            self._lose(mute(self._address, self._keepalive))
        else:
            self.post("Hello", pool_pb2.HelloRequest(client=NAME))

    def _stop_reading(self) -> None:
        with self._lock:
            self._is_reading = False
            self._hand_over()
        self._close_when_unused()

    def _receive(self) -> bool:
        """Takes what is there; false if that is nothing. By the reader only."""
        try:
            try:
                with self._using:
                    data = self._socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            if not data:
                self._lose(lost(self._address, "the server closed it"))
                return True
            self._last_heard = time.monotonic()
            with self._lock:
                for call in self._calls.receive(data):
                    if call.signal is not None and call.is_ready:
                        call.signal.notify()
        except BaseException as error:
            # What was read is lost, in part at least, be it by a broken frame or by an interrupt at a moment like this:
            # nothing that follows could be understood.
            self._lose(self._lost(error))
            if not isinstance(error, (OSError, BrokenWire)):
                raise
        return True

    def _poll(self, for_writing: bool, timeout: Optional[float], for_reading: bool = True) -> int:
        return _wait_for(self._socket, for_reading, for_writing, timeout)

    # MARK: Writing

    def _flush(self) -> None:
        """Sends what calls that nobody waits for have to say."""
        while self._calls.outbox:
            with self._lock:
                frames, self._calls.outbox = self._calls.outbox, []
            try:
                self._send(b"".join(frames), None)
            except BerthError:
                return  # The connection is lost, which is told to those who wait for something.

    def _send(self, frame: bytes, deadline: Optional[float]) -> None:
        """Sends all of it, or raises ``BerthError``. The connection is lost if only a part of it was sent."""
        if not self._writing.acquire(timeout=-1 if deadline is None else max(0.0, deadline - time.monotonic())):
            raise deadline_passed()
        view = memoryview(frame)
        sent = 0
        moved = time.monotonic()
        try:
            while True:
                try:
                    with self._using:
                        sent += self._socket.send(view[sent:])
                    if sent == len(frame):
                        return
                    moved = time.monotonic()
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                if time.monotonic() - max(moved, self._last_heard) > self._keepalive:
                    raise mute(self._address, self._keepalive)
                self._wait_until_writable(deadline)
        except BaseException as error:
            is_broken = isinstance(error, OSError)
            failure: BaseException = self._lost(error) if is_broken else error
        finally:
            self._writing.release()
            self._close_when_unused()
        # What an SSL object has begun to send cannot be seen, so that it counts as begun.
        if is_broken or sent > 0 or self._is_tls or isinstance(failure, UnavailableError):
            self._lose(failure if isinstance(failure, BerthError) else lost(self._address, "sending was interrupted"))
        raise failure

    def _wait_until_writable(self, deadline: Optional[float]) -> None:
        """Reads meanwhile, if nobody else does: the server may wait for that before it reads on."""
        remaining = _remaining(deadline)
        with self._lock:
            self._check()
            reads = not self._is_reading and self._calls.full_streams == 0
            self._is_reading = self._is_reading or reads
        try:
            # Not for long: who reads now may stop to, and then it is this thread's turn.
            ready = self._poll(True, 0.1 if remaining is None else min(0.1, remaining), for_reading=reads)
            if reads and ready & 1:
                self._receive()
        finally:
            if reads:
                self._stop_reading()

    # MARK: The end

    def _lost(self, error: BaseException) -> BerthError:
        """A server may refuse a client's certificate after the handshake, and close at once: it has said why before."""
        if self._is_tls and isinstance(error, OSError) and not distrust(error, self._security):
            try:
                with self._using:
                    self._socket.recv(1)
            except OSError as said:
                error = said if distrust(said, self._security) else error
        return lost(self._address, distrust(error, self._security) or error)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error.again()

    def _lose(self, error: BerthError) -> None:
        """Ends every call, once."""
        with self._lock:
            is_first = self._error is None
            if is_first:
                self._error = error = self._calls.why(error)
                for call in self._calls.fail(error):
                    if call.signal is not None:
                        call.signal.notify()
        if is_first:
            try:
                # Wakes who reads or writes.
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._close_when_unused()

    def _close_when_unused(self) -> None:
        """Gives the descriptor back, when nobody is waiting on it: its number may be another's at once."""
        if self._error is None:
            return
        if not self._writing.acquire(blocking=False):
            return  # Who writes closes it.
        try:
            with self._lock:
                if self._is_reading or self._is_closed:
                    return
                self._is_closed = True
            self._socket.close()
        finally:
            self._writing.release()


def _remaining(deadline: Optional[float]) -> Optional[float]:
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise deadline_passed()
    return remaining

