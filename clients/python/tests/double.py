# SPDX-License-Identifier: Apache-2.0
"""A server of our own, on real sockets, that does what a test tells it to."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

from google.protobuf.message import Message

from berth._ttrpc import ttrpc_pb2
from berth.v1 import pool_pb2

HEADER = struct.Struct(">IIBB")


class Asked(NamedTuple):
    """A request that came."""

    peer: Peer
    stream: int
    flags: int
    service: str
    method: str
    payload: bytes
    timeout_nano: int
    metadata: Dict[str, str]

    def answer(self, message: Optional[Message] = None) -> None:
        payload = b"" if message is None else message.SerializeToString()
        self.peer.send(self.stream, 2, 0, ttrpc_pb2.Response(payload=payload).SerializeToString())

    def fail(self, code: int, message: str) -> None:
        status = ttrpc_pb2.Status(code=code, message=message)
        self.peer.send(self.stream, 2, 0, ttrpc_pb2.Response(status=status).SerializeToString())

    def fail_with(self, code: int, message: str, reason: str, **metadata: str) -> None:
        info = ttrpc_pb2.ErrorInfo(reason=reason, domain="berth.dev", metadata=metadata)
        detail = ttrpc_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
        status = ttrpc_pb2.Status(code=code, message=message, details=[detail])
        self.peer.send(self.stream, 2, 0, ttrpc_pb2.Response(status=status).SerializeToString())

    def event(self, message: Message) -> None:
        self.peer.send(self.stream, 3, 0, message.SerializeToString())

    def end(self) -> None:
        self.peer.send(self.stream, 3, 5, b"")

    # MARK: Of Execute

    def started(self, execution: str = "e1", watcher: int = 7) -> None:
        self.event(pool_pb2.ExecuteEvent(started=pool_pb2.Started(execution=execution, member="m1", watcher=watcher)))

    def output(self, offset: int, data: bytes, stream: int = 0) -> None:
        output = pool_pb2.Output(stream=stream, offset=offset, data=data)  # type: ignore[arg-type]
        self.event(pool_pb2.ExecuteEvent(output=output))

    def exited(self, code: int = 0) -> None:
        ended = pool_pb2.Ended(cause=pool_pb2.EXITED, exit_code=code)
        self.event(pool_pb2.ExecuteEvent(ended=ended))
        self.end()


class Peer:
    """A client's connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._writing = threading.Lock()

    def send(self, stream: int, kind: int, flags: int, data: bytes) -> None:
        with self._writing, contextlib.suppress(OSError):
            self.connection.sendall(HEADER.pack(len(data), stream, kind, flags) + data)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


Handler = Callable[[Asked], None]


class Double:
    """Listens until it is closed. What has a handler is handled by it; `Hello` is answered; all else is put into `asked`,
    where a test takes it and answers when it likes."""

    def __init__(self, handlers: Optional[Dict[str, Handler]] = None, tls: Optional[ssl.SSLContext] = None, path: str = ""):
        self.handlers: Dict[str, Handler] = {"Hello": hello, **(handlers or {})}
        self.asked: queue.Queue[Asked] = queue.Queue()
        self.peers: List[Peer] = []
        self._tls = tls
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self.address = f"unix:{path}"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, name="double")]
        self._threads[0].start()

    def __enter__(self) -> Double:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self.peers:
            peer.kill()
        for thread in self._threads:
            thread.join()

    def next(self, method: str) -> Asked:
        """The next request that no handler took, which must be of this method."""
        asked = self.asked.get(timeout=5)
        assert asked.method == method, f"{asked.method} came where {method} was to"
        return asked

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._tls is not None:
                raw = connection.dup()
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    _hear_out(raw)
                    continue
                raw.close()
            peer = Peer(connection)
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), name="double")
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with contextlib.suppress(OSError), peer.connection, peer.connection.makefile("rb") as stream:
            while True:
                header = stream.read(HEADER.size)
                if len(header) < HEADER.size:
                    return
                length, stream_id, kind, flags = HEADER.unpack(header)
                data = stream.read(length)
                if len(data) < length:
                    return
                assert kind == 1 and stream_id % 2 == 1
                request = ttrpc_pb2.Request.FromString(data)
                asked = Asked(
                    peer, stream_id, flags, request.service, request.method, request.payload, request.timeout_nano,
                    {pair.key: pair.value for pair in request.metadata},
                )
                self.handlers.get(asked.method, self.asked.put)(asked)


def _hear_out(raw: socket.socket) -> None:
    """Closes a connection so that what was said last arrives: what is not read would reset it."""
    raw.settimeout(5)
    with raw, contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1 << 16):
            pass


def hello(asked: Asked) -> None:
    asked.answer(pool_pb2.HelloResponse(server="double/1", pools=["default"]))


@contextlib.contextmanager
def certificate(name: str) -> Iterator[str]:
    """A file with a key and a certificate, signed by itself, for this name."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "both.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", path, "-out", path + ".crt"],
            check=True, capture_output=True,
        )
        with open(path, "a") as both, open(path + ".crt") as public:
            both.write(public.read())
        yield path
