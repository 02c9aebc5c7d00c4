# SPDX-License-Identifier: Apache-2.0
"""A kernel as a frontend knows it: it keeps its sockets' names, its key and its container while ipykernels come and go."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from typing import Callable, List, Mapping, Optional

import berth

from . import reasons, thread
from .carriage import Address, Carriage
from .container import Container
from .kernel import CHANNELS, End, Kernel
from .reasons import Reason
from .settings import Settings

log = logging.getLogger("berth_jupyter")


class Session:
    """Everything in it happens on the loop of ``thread``; ``exit_code`` and ``reason`` can be read anywhere."""

    def __init__(
        self,
        settings: Settings,
        key: bytes,
        scheme: str = "hmac-sha256",
        addresses: Optional[Mapping[str, Address]] = None,
        detached_for: Optional[float] = None,
    ) -> None:
        """Without addresses, its sockets are in a directory of their own, at ``base``."""
        self.settings = settings
        self.key, self.scheme = key, scheme
        self.container: Optional[Container] = None
        #: None: it runs.
        self.exit_code: Optional[int] = 0
        self.reason: Optional[Reason] = None
        #: Its kernel has died, and the frontends' sockets have the reason.
        self.is_told = False
        self.on_death: List[Callable[[Reason], None]] = []
        self._detached_for = detached_for
        self._kernel: Optional[Kernel] = None
        self._carriage: Optional[Carriage] = None
        self._burying: Optional["asyncio.Task[None]"] = None
        self._is_to_end = False
        self._folder = ""
        if addresses is None:
            self._folder = tempfile.mkdtemp(prefix="berth-jupyter-")  # 0700
            addresses = {channel: f"{self.base}-{number}" for channel, number in CHANNELS.items()}
        self._addresses = addresses

    @property
    def base(self) -> str:
        """With "-1" and so on, the paths of its sockets: what Jupyter calls its ip."""
        return os.path.join(self._folder, "k")

    async def launch(self) -> None:
        """Starts an ipykernel, for the first time or again. Raises ``StartFailed``, and ``BerthError``."""
        thread.at_exit(self.release)
        if self._burying is not None:
            await self._burying
        self._is_to_end = False
        is_gone = self.reason is not None and self.reason.container_is_gone
        if self.container is not None and (is_gone or not await self.container.is_there()):
            container, self.container = self.container, None
            await container.leave()
        if self.container is None:
            self.container = await Container.acquire(self.settings, self._detached_for, again=self._kernel is not None)
        self._kernel = Kernel(self.container, self.settings, self.key, self.scheme)
        self._carriage = Carriage(self._kernel, self.key, self.scheme)
        try:
            await self._kernel.start()
            await self._carriage.open(self._addresses)
        except BaseException:
            await self._carriage.close()
            container, self.container = self.container, None
            await container.release()
            raise
        self.exit_code, self.reason, self.is_told = None, None, False
        self._burying = asyncio.create_task(self._bury(self._kernel, self._carriage, self.container))

    async def _bury(self, kernel: Kernel, carriage: Carriage, container: Container) -> None:
        end = await asyncio.shield(kernel.ended)
        is_expected = self._is_to_end or carriage.pending.is_to_end
        reason = await self._why(end, container)
        self.reason = reason
        if not is_expected:
            log.warning("the kernel died: %s", reason.words)
        # Frontends are told first: a page that hears of a restart takes no more of what a cell of before has to say.
        await carriage.close(None if is_expected else reason)
        self.is_told = not is_expected
        self.exit_code = reason.exit_code
        if not is_expected:
            for tell in self.on_death:
                tell(reason)

    async def _why(self, end: End, container: Container) -> Reason:
        is_memory = isinstance(end, berth.End) and end.cause is berth.EndCause.OUT_OF_MEMORY
        memory = await container.memory_limit() if is_memory else None
        server = f" at {self.settings.server}" if self.settings.server else ""
        return reasons.of(end, self.settings.lifetime, memory, server)

    def is_to_end(self) -> None:
        """Its next end is wanted."""
        self._is_to_end = True

    @property
    def is_left(self) -> bool:
        """Its kernel has ended, and another is to be expected: somebody said so, or it died."""
        pending = self._carriage.pending if self._carriage is not None else None
        return self.container is not None and pending is not None and (pending.is_to_restart or not pending.is_to_end)

    async def signal(self, number: int) -> None:
        if self._kernel is not None:
            await self._kernel.signal(number)

    async def ended(self) -> None:
        if self._burying is not None:
            await asyncio.shield(self._burying)

    async def release(self) -> None:
        """Gives the container back."""
        container, self.container = self.container, None
        self._is_to_end = True
        if container is not None:
            await container.release()
        await self._end()

    async def leave(self) -> None:
        """Goes away, and leaves the container for another process that knows its token."""
        container, self.container = self.container, None
        if container is not None:
            await container.leave()
        await self._end()

    async def _end(self) -> None:
        thread.not_at_exit(self.release)
        await self.ended()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
