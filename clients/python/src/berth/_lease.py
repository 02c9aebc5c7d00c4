# SPDX-License-Identifier: Apache-2.0
"""A container that was leased, and its files."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, List, Mapping, Optional, Type, TypeVar, Union

from google.protobuf.message import Message

from . import _files as files
from . import _requests
from ._answers import decoded
from ._calls import StreamCall
from ._content import Content, pieces
from ._context import Context
from ._values import Word
from ._errors import NotFoundError, UnavailableError
from ._execution import Execution, FileReader
from ._requests import Argv
from ._socket import Socket
from ._types import ContextInfo, ExecutionInfo, FileInfo, Result
from ._watch import Watch
from .v1 import pool_pb2

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._client import Client

Upload = Union[pool_pb2.WriteFileRequest, pool_pb2.WriteArchiveRequest]
Uploaded = TypeVar("Uploaded", pool_pb2.WriteFileResponse, pool_pb2.WriteArchiveResponse)


class Lease:
    """A warm container that is yours until it is released; leaving a ``with`` releases it.

    Calls raise ``NotFoundError`` once it has ended. Keep it for as long as you use it: one that was acquired here and is
    dropped is released, with a ``ResourceWarning``, unless it is detached.
    """

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
        #: Whoever knows it may use the lease.
        self.token = token
        #: The member's name, for logs.
        self.member = member
        #: How long the lease lasts without use, in seconds.
        self.ttl = ttl
        #: The member was idle; False: it was created while the call waited.
        self.warm = warm
        self._is_released = False
        self._is_owned = is_owned

    def __del__(self) -> None:
        if self._is_owned and not self._is_released:
            self._client._reclaim(self.token, repr(self), self)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._is_released:
            return
        try:
            self.release()
        except (NotFoundError, UnavailableError):
            # It has ended by itself, or does so: it goes with the connection.
            self._is_released = True

    def __repr__(self) -> str:
        # Without the token: reprs get into logs.
        return f"<berth.Lease of {self.member or 'a member'}>"

    # MARK: Programs

    def run(self, argv: Argv = None, **options: Unpack[_requests.LeaseRunOptions]) -> Result:
        """Runs a program here: all it wrote, and how it ended. Options: see ``berth.Options``."""
        with self._client._execute(self, argv, _requests.for_run(dict(options))) as execution:
            return execution.result()

    def execute(self, argv: Argv = None, **options: Unpack[_requests.LeaseOptions]) -> Execution:
        """Starts a program here. Options: see ``berth.Options``."""
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
        """Watches an execution that runs, or has ended and is still kept.

        :param execution: its id.
        :param stdout_offset: where to go on: how much of each stream you have. What is held no more comes as ``Dropped``.
        :param from_now: instead: what is written from now on.
        :param observe: never slows the program; when this reader is too slow, it misses output.
        """
        request = _requests.attach(
            self.token, execution, stdout_offset, stderr_offset, from_now, observe, window or self._client._window,
            events_position,
        )
        watch = Watch(self.token, request.window_bytes)
        watch.begin_at(stdout_offset, stderr_offset, events_position)
        watching = self._client._watch("Attach", request, watch, deadline)
        watching._of = self
        return watching

    def executions(self) -> List[ExecutionInfo]:
        """Those that run, and those that have ended and are still kept; the oldest first."""
        request = pool_pb2.ListExecutionsRequest(lease=self.token)
        response = self._client.call("ListExecutions", request, pool_pb2.ListExecutionsResponse)
        return [ExecutionInfo.of(info) for info in response.executions]

    # MARK: Contexts

    def context(
        self,
        language: str,
        *,
        env: Union[Mapping[str, Word], Mapping[bytes, Word], None] = None,
        cwd: Optional[Word] = None,
        uid: Optional[int] = None,
    ) -> Context:
        """An interpreter that keeps its state from one piece of code to the next: "python", "bash", "sh" or "node". Leaving a
        ``with`` closes it. Raises ``FailedPreconditionError`` when it can't be started here, with the reason."""
        request = _requests.open_context(self.token, language, env, cwd, uid)
        response = self._client._open("OpenContext", request, pool_pb2.OpenContextResponse)
        return Context(self, response.context, language, response.version)

    def contexts(self) -> List[ContextInfo]:
        """The contexts of this lease, the oldest first."""
        request = pool_pb2.ListContextsRequest(lease=self.token)
        response = self._client.call("ListContexts", request, pool_pb2.ListContextsResponse)
        return [ContextInfo.of(info) for info in response.contexts]

    # MARK: Connections

    def connect(
        self,
        *,
        port: Optional[int] = None,
        unix: Optional[Word] = None,
        wait: float = 0,
        timeout: Optional[float] = None,
        idle_timeout: Optional[float] = None,
        window: Optional[int] = None,
    ) -> Socket:
        """A byte stream to what listens here, whatever the container's network is: used like a ``socket.socket``.

        :param port: of the container's loopback.
        :param unix: instead: the path of a unix socket.
        :param wait: how long to wait, in seconds, until somebody listens there.
        :param timeout: how long the connection lasts at most; else the server's limit, 24 h. ``Socket.settimeout`` is
            about single operations.
        :param idle_timeout: closes it after so long without a byte in either direction.

        Raises ``FailedPreconditionError`` (``CONNECTION_REFUSED``) when nobody listens there, ``NotFoundError`` when
        nothing is at the path, ``PermissionDeniedError``.
        """
        request = _requests.connect(
            self.token, port, unix, wait, timeout, idle_timeout, window or self._client._window
        )
        stream = self._client._watch("Connect", request, Watch(self.token, request.window_bytes), None, 0)
        stream._of = self
        return Socket(stream, ("127.0.0.1", port) if port is not None else os.fsdecode(unix or ""))

    # MARK: The lease

    def renew(self, ttl: Optional[float] = None) -> float:
        """Extends it: it lasts for so many seconds more without use, or for as long as before. Every other call on it
        does so too. Returns the time left."""
        request = pool_pb2.RenewRequest(lease=self.token, ttl_ms=_requests.milliseconds(ttl, "ttl"))
        return self._client.call("Renew", request, pool_pb2.RenewResponse).ttl_ms / 1e3

    def release(self) -> None:
        """Ends it, and what still runs in it. Idempotent."""
        self._client.call("Release", pool_pb2.ReleaseRequest(lease=self.token), pool_pb2.ReleaseResponse)
        self._is_released = True

    # MARK: Files

    def write_file(self, path: Word, data: Content, *, mode: int = 0o644, create_parents: bool = False) -> None:
        """Writes a file: complete under its name, or not there at all. ``data`` is bytes, a ``str`` as UTF-8, or a binary
        file that is read."""
        request = files.write_file(self.token, path, mode, create_parents)
        self._upload("WriteFile", request, data, pool_pb2.WriteFileResponse)

    def read_file(self, path: Word, *, offset: int = 0, length: Optional[int] = None) -> bytes:
        """A file, or a range of it."""
        with self.open_file(path, offset=offset, length=length) as reader:
            return reader.read()

    def open_file(self, path: Word, *, offset: int = 0, length: Optional[int] = None) -> FileReader:
        """The same, as it comes."""
        return self._read("ReadFile", files.read_file(self.token, path, offset, length, self._client._window))

    def list_directory(self, path: Word) -> List[FileInfo]:
        """What a directory holds, in the order of the names' bytes."""
        call = StreamCall()
        request = files.list_directory(self.token, path)
        connection = self._client._connected(None)
        connection.start(call, "ListDirectory", request)
        entries: List[FileInfo] = []
        while True:
            message = connection.next(call, None)
            if message is None:
                return entries
            entries += map(FileInfo.of, decoded(message, pool_pb2.ListDirectoryResponse).entries)

    def stat(self, path: Word, *, follow: bool = False) -> FileInfo:
        """What is at a path: a link itself, or, if ``follow``, what it leads to. Raises ``NotFoundError``."""
        response = self._client.call("Stat", files.stat(self.token, path, follow), pool_pb2.StatResponse)
        return FileInfo.of(response.info)

    def make_directory(self, path: Word, *, mode: int = 0o755, parents: bool = False) -> None:
        """Makes a directory; with ``parents`` also those on the way, and it may be there already."""
        request = files.make_directory(self.token, path, mode, parents)
        self._client.call("MakeDirectory", request, pool_pb2.MakeDirectoryResponse)

    def rename(self, path: Word, to: Word, *, no_replace: bool = False) -> None:
        """Gives a file, a link or a directory another path. What is there is replaced, unless ``no_replace``."""
        request = files.rename(self.token, path, to, no_replace)
        self._client.call("RenameFile", request, pool_pb2.RenameFileResponse)

    def change_mode(self, path: Word, mode: int) -> None:
        """Changes the permission bits of a file or a directory."""
        self._client.call("ChangeMode", files.change_mode(self.token, path, mode), pool_pb2.ChangeModeResponse)

    def remove(self, path: Word, *, recursive: bool = False) -> None:
        """Removes a file, a link or an empty directory; a whole tree, if ``recursive``."""
        self._client.call("RemoveFile", files.remove(self.token, path, recursive), pool_pb2.RemoveFileResponse)

    def write_archive(self, path: Word, data: Content) -> int:
        """Unpacks a tar archive into a directory, which is made if it is missing. Returns how many files it had."""
        request = files.write_archive(self.token, path)
        return self._upload("WriteArchive", request, data, pool_pb2.WriteArchiveResponse).files

    def read_archive(self, path: Word) -> FileReader:
        """A directory, or a single file, as a tar archive."""
        return self._read("ReadArchive", files.read_archive(self.token, path, self._client._window))

    def _read(self, method: str, request: Message) -> FileReader:
        call = StreamCall()
        connection = self._client._connected(None)
        connection.start(call, method, request)
        reader = FileReader(self._client, connection, call, Watch(self.token, self._client._window), None)
        reader._of = self
        return reader

    def _upload(self, method: str, request: Upload, data: Content, response: Type[Uploaded]) -> Uploaded:
        """In pieces, each when the one before was taken."""
        for piece, more in pieces(data):
            request.data, request.more = piece, more
            answer = self._client.call(method, request, response)
            request.upload, request.offset = answer.upload, answer.offset
        return answer
