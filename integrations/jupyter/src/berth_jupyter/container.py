# SPDX-License-Identifier: Apache-2.0
"""The leased container that a kernel runs in, and outlives its restarts."""

from __future__ import annotations

from typing import Optional

import berth
import berth.aio

from .settings import Settings

#: A server that is silent for so long, with a kernel running, is asked, and then given up.
_KEEPALIVE = 20.0
#: How long to try to reach a server; one that was restarted is waited for, since the kernel was there a moment ago.
_CONNECT, _CONNECT_AGAIN = 5.0, 30.0
#: Where a container's programs see its memory limit: cgroup v2, and v1.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Container:
    def __init__(self, client: berth.aio.Client, lease: berth.aio.Lease) -> None:
        self._client = client
        self.lease = lease

    @staticmethod
    def _connect(settings: Settings, again: bool = False) -> berth.aio.Client:
        return berth.aio.Client(
            settings.server or None, tls=settings.tls or None, keepalive=_KEEPALIVE,
            connect_timeout=_CONNECT_AGAIN if again else _CONNECT,
        )

    @classmethod
    async def acquire(cls, settings: Settings, detached_for: Optional[float] = None, again: bool = False) -> Container:
        """With a time, it outlives this process for so long."""
        client = cls._connect(settings, again)
        try:
            lease = await client.acquire(
                settings.pool or None, wait=settings.acquire_timeout, deadline=settings.acquire_timeout + 10,
                detached=detached_for is not None, ttl=detached_for,
            )
            return cls(client, lease)
        except BaseException:
            await client.close()
            raise

    @classmethod
    async def adopt(cls, settings: Settings, token: str) -> Optional[Container]:
        """One that another process has left; None: it has ended."""
        client = cls._connect(settings)
        try:
            lease = client.lease(token)
            await lease.renew()
            return cls(client, lease)
        except berth.BerthError:
            await client.close()
            return None

    async def is_there(self) -> bool:
        try:
            await self.lease.renew()
            return True
        except berth.BerthError:
            return False

    async def memory_limit(self) -> Optional[int]:
        for path in _LIMITS:
            try:
                return int(await self.lease.read_file(path, length=64))
            except (berth.BerthError, ValueError):
                continue
        return None

    async def release(self) -> None:
        try:
            await self.lease.release()
        except berth.BerthError:
            pass  # It has ended by itself, or goes with the connection.
        await self._client.close()

    async def leave(self) -> None:
        """Goes away from it, without ending it."""
        await self._client.close()
