# SPDX-License-Identifier: Apache-2.0
"""A leased container as a backend of Deep Agents."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

import berth
import berth.aio
from deepagents.backends.protocol import ExecuteResponse, FileDownloadResponse, FileUploadResponse
from deepagents.backends.sandbox import BaseSandbox

from ._answers import file_error, is_a_path, refused, response
from ._keeper import Keeper

#: What a command may take, in seconds, if nothing else is said.
TIMEOUT = 30 * 60.0
#: In seconds: the server's own default for the longest that any program may run.
LONGEST = 24 * 3600.0
#: What is taken of a command's output, in bytes.
MAX_OUTPUT = 10 << 20
#: The largest file that is downloaded, in bytes.
MAX_DOWNLOAD = 100 << 20
#: How long a sandbox is kept that nobody uses, in seconds.
KEEP = 3600.0


class BerthSandbox(BaseSandbox):
    """A container of a Berth server, leased until ``close``, or the end of a ``with``.

        with BerthSandbox(pool="python") as sandbox:
            agent = create_deep_agent(model=…, backend=sandbox)

    All methods may be called from any thread; those that are awaited, on any event loop. Files and commands share the
    container. Raises ``berth.BerthError`` when there is no server or no container to be had, and later when the container
    has ended.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        pool: str | None = None,
        lease: str | None = None,
        tls: bool = False,
        wait: float | None = None,
        detached: bool = False,
        env: Mapping[str, str] | None = None,
        shell: str = "/bin/sh",
        timeout: float = TIMEOUT,
        longest: float = LONGEST,
        max_output: int = MAX_OUTPUT,
        max_download: int = MAX_DOWNLOAD,
        keep: float = KEEP,
    ) -> None:
        """
        :param server: HOST:PORT, tls://HOST:PORT or unix:PATH; else ``BERTH_SERVER``, else 127.0.0.1:7411.
        :param pool: where the container comes from; else the server's default pool.
        :param lease: instead: the token of a lease that was acquired elsewhere. ``close`` then leaves it.
        :param tls: TLS, as by ``tls://``; the Python client's environment says more.
        :param wait: how long to wait in line for a container, in seconds; else the server's default, 30 s.
        :param detached: the container outlives this process, for as long as an unused lease lasts.
        :param env: environment variables of every command, beside the pool's.
        :param shell: what runs commands, as SHELL -c COMMAND.
        :param timeout: of a command that is given none, in seconds.
        :param longest: of a command whose timeout is 0, in seconds; at most the server's ``max_execution_timeout``.
        :param max_output: what is taken of a command's output, in bytes.
        :param max_download: the largest file that is downloaded, in bytes.
        :param keep: how long the container is kept when nothing uses it, in seconds.
        """
        self._server = server
        self._tls = tls
        self._options: dict[str, Any] = {
            "env": dict(env or {}),
            "max_output": max_output,
            # As a terminal would show it: in the order of writing.
            "merge_output": True,
            # What a command has left running goes on: `npm start &`.
            "keep_background": True,
        }
        self._shell = shell
        self._timeout = timeout
        self._longest = longest
        self._max_download = max_download
        self._owns = lease is None
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, berth.aio.Client] = weakref.WeakKeyDictionary()
        self._client = berth.Client(server, tls=tls)
        try:
            if lease is None:
                self._lease = self._client.acquire(pool, wait=wait, detached=detached)
            else:
                self._lease = self._client.lease(lease)
                self._lease.ttl = self._lease.renew()
        except BaseException:
            self._client.close()
            raise
        self._keeper = Keeper(self._lease, keep)
        # A sandbox that was dropped is not kept.
        self._finalizer = weakref.finalize(self, _end, self._keeper, self._client, self._lease, self._owns and not detached)

    def __enter__(self) -> BerthSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> BerthSandbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<BerthSandbox in {self.id}>"

    @property
    def id(self) -> str:
        """The container's name. It gets into logs and traces, and so is not the lease's token."""
        return self._lease.member or "a leased container"

    @property
    def token(self) -> str:
        """The lease's token, for ``BerthSandbox(lease=…)`` and ``berth run --lease``. Whoever knows it may use the
        container."""
        return self._lease.token

    def close(self) -> None:
        """Releases the container, with all that runs in it, unless it was acquired elsewhere or is detached: then only
        the connection is closed. Idempotent. Connections of event loops close with them, or with ``aclose``."""
        self._finalizer()

    async def aclose(self) -> None:
        """The same, and closes the connection of this event loop."""
        client = self._loops.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()
        await asyncio.to_thread(self.close)

    # MARK: Commands

    def execute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:
        """Runs a command in the container's shell. ``timeout`` is in seconds; 0 is as long as the server lets it run."""
        self._keeper.used()
        seconds = self._seconds(timeout)
        try:
            result = self._lease.run([self._shell, "-c", command], timeout=seconds, **self._options)
        except berth.BerthError as error:
            return refused(error)
        finally:
            self._keeper.used()
        return response(result, seconds)

    async def aexecute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:  # noqa: ASYNC109
        """The same. Cancelling the task ends the command."""
        self._keeper.used()
        seconds = self._seconds(timeout)
        try:
            result = await self._here().run([self._shell, "-c", command], timeout=seconds, **self._options)
        except berth.BerthError as error:
            return refused(error)
        finally:
            self._keeper.used()
        return response(result, seconds)

    def _seconds(self, timeout: int | None) -> float:
        if timeout is None:
            return self._timeout
        if timeout < 0:
            raise ValueError(f"timeout={timeout} is no time: it must not be negative")
        return float(timeout) if timeout > 0 else self._longest

    # MARK: Files

    def upload_files(self, files: list[tuple[str, bytes]]) -> list[FileUploadResponse]:
        """Directories on the way are made. A file that is there keeps its permissions."""
        self._keeper.used()
        return [FileUploadResponse(path=path, error=self._upload(path, content)) for path, content in files]

    def _upload(self, path: str, content: bytes) -> str | None:
        if not is_a_path(path):
            return "invalid_path"
        try:
            self._lease.write_file(path, content, mode=self._mode(path), create_parents=True)
        except berth.BerthError as error:
            return file_error(error)
        return None

    def _mode(self, path: str) -> int:
        try:
            return self._lease.stat(path, follow=True).mode
        except berth.BerthError as error:
            file_error(error)
            return 0o644  # Writing says what is wrong.

    def download_files(self, paths: list[str]) -> list[FileDownloadResponse]:
        self._keeper.used()
        return [self._download(path) for path in paths]

    def _download(self, path: str) -> FileDownloadResponse:
        if not is_a_path(path):
            return FileDownloadResponse(path=path, error="invalid_path")
        data = bytearray()
        try:
            with self._lease.open_file(path, length=self._max_download + 1) as reader:
                for piece in reader:
                    data += piece
                    if self._is_too_large(data, reader.info):
                        return self._too_large(path)
        except berth.BerthError as error:
            return FileDownloadResponse(path=path, error=file_error(error))
        return FileDownloadResponse(path=path, content=bytes(data))

    def _is_too_large(self, data: bytearray, info: berth.FileInfo | None) -> bool:
        return max(len(data), info.size if info is not None else 0) > self._max_download

    def _too_large(self, path: str) -> FileDownloadResponse:
        return FileDownloadResponse(path=path, error=f"{path} is larger than {self._max_download} bytes")

    async def aupload_files(self, files: list[tuple[str, bytes]]) -> list[FileUploadResponse]:
        self._keeper.used()
        return [FileUploadResponse(path=path, error=await self._aupload(path, content)) for path, content in files]

    async def _aupload(self, path: str, content: bytes) -> str | None:
        if not is_a_path(path):
            return "invalid_path"
        lease = self._here()
        try:
            try:
                mode = (await lease.stat(path, follow=True)).mode
            except berth.BerthError as error:
                file_error(error)
                mode = 0o644
            await lease.write_file(path, content, mode=mode, create_parents=True)
        except berth.BerthError as error:
            return file_error(error)
        return None

    async def adownload_files(self, paths: list[str]) -> list[FileDownloadResponse]:
        self._keeper.used()
        return [await self._adownload(path) for path in paths]

    async def _adownload(self, path: str) -> FileDownloadResponse:
        if not is_a_path(path):
            return FileDownloadResponse(path=path, error="invalid_path")
        data = bytearray()
        try:
            async with self._here().open_file(path, length=self._max_download + 1) as reader:
                async for piece in reader:
                    data += piece
                    if self._is_too_large(data, reader.info):
                        return self._too_large(path)
        except berth.BerthError as error:
            return FileDownloadResponse(path=path, error=file_error(error))
        return FileDownloadResponse(path=path, content=bytes(data))

    def _here(self) -> berth.aio.Lease:
        """The lease on a connection of this event loop."""
        loop = asyncio.get_running_loop()
        client = self._loops.get(loop)
        if client is None:
            client = self._loops[loop] = berth.aio.Client(self._server, tls=self._tls)
        return client.lease(self._lease.token)


def _end(keeper: Keeper, client: berth.Client, lease: berth.Lease, releases: bool) -> None:
    keeper.stop()
    try:
        if releases:
            lease.release()
    except berth.BerthError:
        pass  # It has ended already, or does so: it goes with its connection.
    finally:
        client.close()
