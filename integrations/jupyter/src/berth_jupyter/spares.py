# SPDX-License-Identifier: Apache-2.0
"""Kernels that run already when somebody asks for one. On the loop of ``thread``."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Dict, List, Optional, Tuple

import berth

from .kernel import StartFailed
from .session import Session
from .settings import Settings

log = logging.getLogger("berth_jupyter")

#: One that was taken is replaced after this time: the user's own first cells come first.
_PAUSE = 1.0
#: After a failure; twice as long after each that follows, up to the longest.
_FIRST_BACKOFF, _LONGEST_BACKOFF = 5.0, 300.0
#: One that is older is replaced: kernels may live only so long.
_OLDEST = 3600.0


class Spares:
    """Those of the same settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready: List[Tuple[float, Session]] = []
        self._changed = asyncio.Event()
        self._filling = asyncio.create_task(self._fill())

    @property
    def count(self) -> int:
        return len(self._ready)

    def take(self) -> Optional[Session]:
        while self._ready:
            _, session = self._ready.pop(0)
            self._changed.set()
            if session.exit_code is None:
                return session
            asyncio.ensure_future(session.release())
        return None

    async def _fill(self) -> None:
        backoff = _FIRST_BACKOFF
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = _PAUSE
            await self._tidy()
            while len(self._ready) < self._settings.spares:
                session = Session(self._settings, secrets.token_hex(32).encode())
                try:
                    await session.launch()
                except (berth.BerthError, StartFailed) as error:
                    await session.release()
                    log.warning("no spare kernel: %s; the next try is in %g s", error, backoff)
                    await asyncio.sleep(backoff)
                    backoff = min(2 * backoff, _LONGEST_BACKOFF)
                    continue
                backoff = _FIRST_BACKOFF
                session.on_death.append(lambda _: self._changed.set())
                self._ready.append((time.monotonic(), session))
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), _OLDEST / 10)
            except asyncio.TimeoutError:
                pass

    async def _tidy(self) -> None:
        now = time.monotonic()
        gone = [each for each in self._ready if each[1].exit_code is not None or now - each[0] > _OLDEST]
        self._ready = [each for each in self._ready if each not in gone]
        for _, session in gone:
            await session.release()

    async def close(self) -> None:
        self._filling.cancel()
        ready, self._ready = self._ready, []
        await asyncio.gather(*(session.release() for _, session in ready))


_all: Dict[Settings, Spares] = {}


def of(settings: Settings) -> Optional[Spares]:
    """Begins to keep them, if the settings say so."""
    if settings.spares == 0:
        return None
    if settings not in _all:
        _all[settings] = Spares(settings)
    return _all[settings]


def take(settings: Settings) -> Optional[Session]:
    """One that runs; None: none does."""
    spares = of(settings)
    return spares.take() if spares is not None else None
