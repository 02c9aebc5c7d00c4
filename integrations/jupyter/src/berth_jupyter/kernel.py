# SPDX-License-Identifier: Apache-2.0
"""One ipykernel in a container, from its start to its end."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Dict, Optional, Tuple, Union

import berth
import berth.aio

from . import launch
from .container import Container
from .settings import Settings

#: The numbers that stand for ports in the names of unix sockets, there and here.
CHANNELS: Dict[str, int] = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}
#: In the container: writable in every pool that keeps the default tmpfs_paths.
_FOLDER = "/tmp/.berth-jupyter"
_ENVIRONMENT = {"IPYTHONDIR": f"{_FOLDER}/ipython", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
#: What a kernel's process writes itself, and not into a notebook: so much of it is kept, to say why it did not start.
_TAIL = 4096
#: What may be on its way from a kernel, unacknowledged, on each connection.
_WINDOW = 1 << 20

End = Union[berth.End, berth.BerthError]


class StartFailed(Exception):
    pass


class Kernel:
    def __init__(self, container: Container, settings: Settings, key: bytes, scheme: str) -> None:
        self._container = container
        self._settings = settings
        self._key, self._scheme = key, scheme
        # A name of its own for each start: what an earlier kernel has left there is not in the way.
        self._base = f"{_FOLDER}/{secrets.token_hex(4)}"
        self._execution: Optional[berth.aio.Execution] = None
        self._tail = b""
        self.ended: "asyncio.Future[End]" = asyncio.get_running_loop().create_future()
        self._watching: Optional["asyncio.Task[None]"] = None

    async def start(self) -> None:
        """Until its sockets are there. Raises ``StartFailed``, and ``BerthError``."""
        settings, lease = self._settings, self._container.lease
        file = f"{self._base}.json"
        await lease.write_file(file, self._connection(), mode=0o600, create_parents=True)
        program = launch.program(file)
        options = berth.LeaseOptions(env={**_ENVIRONMENT, **dict(settings.env)}, timeout=settings.lifetime)
        if settings.cwd:
            options["cwd"] = settings.cwd
        if settings.python:
            self._execution = lease.execute([settings.python, "-c", program], **options)
        else:
            options["code"], options["language"] = program, "python"
            self._execution = lease.execute(**options)
        try:
            await self._execution.id()
        except berth.BerthError as error:
            end = self._execution.end
            if end is None:
                raise
            raise StartFailed(str(end)) from error
        self._watching = asyncio.create_task(self._watch(self._execution))
        # The heartbeat's socket is the last that it makes.
        waiting = asyncio.create_task(self.connect("hb", settings.start_timeout))
        waiting.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.wait((waiting, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if self.ended.done():
            waiting.cancel()
            raise StartFailed(self._why_not(self.ended.result()))
        try:
            waiting.result()[1].transport.abort()
        except berth.BerthError as error:
            await self.signal("KILL")
            raise StartFailed(f"it does not listen: {error.message}") from error

    def _connection(self) -> str:
        ports = {f"{channel}_port": number for channel, number in CHANNELS.items()}
        how = {"transport": "ipc", "ip": self._base, "key": self._key.decode(), "signature_scheme": self._scheme}
        return json.dumps({**how, **ports})

    async def connect(self, channel: str, wait: float) -> Tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = f"{self._base}-{CHANNELS[channel]}"
        return await self._container.lease.open_connection(unix=path, wait=wait, window=_WINDOW, limit=_WINDOW)

    async def signal(self, signal: Union[int, str]) -> None:
        if self._execution is None or self.ended.done():
            return
        try:
            await self._execution.signal(signal)
        except berth.BerthError:
            pass  # It has ended just now, and its end says how.

    async def _watch(self, execution: berth.aio.Execution) -> None:
        try:
            async for event in execution:
                if isinstance(event, berth.Output):
                    self._tail = (self._tail + event.data)[-_TAIL:]
            assert execution.end is not None
            self.ended.set_result(execution.end)
        except berth.BerthError as error:
            self.ended.set_result(error)

    def _why_not(self, end: End) -> str:
        said = self._tail.decode("utf-8", "replace").strip()
        if "No module named 'ipykernel" in said:
            which = self._settings.python or "the pool's python"
            return f"{which} in its container has no ipykernel: use an image that has it (pip install ipykernel)"
        return f"{end}\n{said}" if said else str(end)
