# SPDX-License-Identifier: Apache-2.0
"""As whom programs of a container may run."""

from __future__ import annotations

import berth.aio
from inspect_ai.util import SandboxUserUnsupportedError


class Users:
    """The container's own user, and those that its pool allows beside it."""

    def __init__(self, lease: berth.aio.Lease, uid: int, name: str) -> None:
        self._lease = lease
        self._uid = uid
        self._name = name

    async def uid(self, user: str | None) -> int | None:
        """What to ask the server for; None is the container's own user. Whether the pool allows another one, only the
        server knows. Raises ``SandboxUserUnsupportedError``."""
        if user is None or user in (self._name, str(self._uid)):
            return None
        uid = int(user) if user.isdecimal() and user.isascii() else await self._named(user)
        if uid == self._uid:
            return None
        if uid == 0:
            raise SandboxUserUnsupportedError("Berth runs no program as root: user='root' is not to be had")
        return uid

    async def _named(self, name: str) -> int:
        try:
            lines = (await self._lease.read_file("/etc/passwd", length=1 << 20)).decode("utf-8", "replace").splitlines()
        except (berth.NotFoundError, berth.PermissionDeniedError):
            lines = []
        for line in lines:
            fields = line.split(":")
            if len(fields) > 2 and fields[0] == name and fields[2].isdecimal():
                return int(fields[2])
        raise SandboxUserUnsupportedError(f"the container has no user {name!r}")
