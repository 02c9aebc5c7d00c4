# SPDX-License-Identifier: Apache-2.0
"""One event loop in a thread of its own, for all kernels of a process: a blocking kernel manager runs none between its calls."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from typing import Any, Awaitable, Callable, Coroutine, List, Optional, Set, TypeVar

T = TypeVar("T")

#: Run when the process ends, together, for at most so many seconds.
_closers: Set[Callable[[], Awaitable[None]]] = set()
_CLOSING_TIME = 3.0
_lock = threading.Lock()
_loop: Optional[asyncio.AbstractEventLoop] = None
_owner = 0


def loop() -> asyncio.AbstractEventLoop:
    global _loop, _owner
    with _lock:
        # A fork has no thread but the one that forked.
        if _loop is None or _owner != os.getpid():
            if _loop is None:
                atexit.register(_at_exit)
            _closers.clear()
            _loop, _owner = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="berth-jupyter", daemon=True).start()
        return _loop


def submit(work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
    return asyncio.run_coroutine_threadsafe(work, loop())


async def do(work: Coroutine[Any, Any, T]) -> T:
    """Awaited on any loop."""
    return await asyncio.wrap_future(submit(work))


def at_exit(closer: Callable[[], Awaitable[None]]) -> None:
    _closers.add(closer)


def not_at_exit(closer: Callable[[], Awaitable[None]]) -> None:
    _closers.discard(closer)


async def _close() -> None:
    work: List[Awaitable[None]] = [closer() for closer in list(_closers)]
    await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), _CLOSING_TIME)


def _at_exit() -> None:
    """Leases would end by themselves, some seconds later."""
    if _owner == os.getpid() and _closers:
        try:
            submit(_close()).result(_CLOSING_TIME + 1)
        except (Exception, concurrent.futures.CancelledError):
            pass
