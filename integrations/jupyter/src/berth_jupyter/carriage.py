# SPDX-License-Identifier: Apache-2.0
"""The sockets that frontends connect to, and what goes between them and the kernel's: bytes, as they are.

Messages are only looked at as they pass, so that cells that a kernel dies on can be told why.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from typing import Dict, List, Mapping, Optional, Set, Tuple, Union

import berth

from .kernel import Kernel
from .messages import Writer, seen
from .pending import Pending
from .reasons import Reason
from .zmtp import Cutter, Message

#: Here: a unix socket's path, or an interface and a port.
Address = Union[str, Tuple[str, int]]
#: The kernel listens already when this is asked; what ends at a busy machine's backlog tries again.
_WAIT = 10.0
_PIECE = 256 << 10
#: A message is passed on whole, so that one which a dying kernel has begun is not; one that is larger goes in pieces.
_WHOLE = 64 << 20
#: A frontend that does not read is not told why its kernel died.
_TELLING_TIME = 1.0
#: When a kernel has started again, the sockets of a frontend come back one by one, each within 0.2 s if its libzmq is told
#: nothing else, and the machine is idle. What is asked waits so long for what subscribes: what is published before that
#: would be lost.
_SUBSCRIBING = 3.0
#: What a socket of subscribers has sent once it has subscribed: READY, and a subscription.
_SUBSCRIBED = 2
#: Nobody says when a socket's other side has read: seconds from one look to the next.
_LOOK = 0.002


class Carriage:
    """Of one kernel, from its start to its end."""

    def __init__(self, kernel: Kernel, key: bytes, scheme: str) -> None:
        self.kernel = kernel
        self.pending = Pending(Writer(key, scheme))
        self._servers: List[asyncio.AbstractServer] = []
        self._links: Dict["asyncio.Task[None]", _Link] = {}
        self._audience = asyncio.Condition()

    async def open(self, addresses: Mapping[str, Address]) -> None:
        for channel, address in addresses.items():
            self._servers.append(await self._listen(channel, address))

    async def _listen(self, channel: str, address: Address) -> asyncio.AbstractServer:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            link = self._links[task] = _Link(self, channel, reader, writer)
            try:
                await link.run()
            finally:
                del self._links[task]

        if isinstance(address, str):
            _unlink(address)
            return await asyncio.start_unix_server(accepted, address, limit=_PIECE)
        return await asyncio.start_server(accepted, *address, limit=_PIECE)

    async def has_audience(self) -> None:
        """Until there is a subscriber for each of those who ask, or they have had their time."""
        links = self._links.values()
        async with self._audience:
            enough = self._audience.wait_for(
                lambda: sum(link.is_subscribed for link in links) >= sum(link.channel == "shell" for link in links))
            try:
                await asyncio.wait_for(enough, _SUBSCRIBING)
            except asyncio.TimeoutError:
                pass

    async def subscribed(self) -> None:
        async with self._audience:
            self._audience.notify_all()

    async def close(self, reason: Optional[Reason] = None) -> None:
        """With a reason, those who wait for the kernel are told."""
        for server in self._servers:
            server.close()
        links = dict(self._links)
        if reason is not None and links:
            telling = [asyncio.ensure_future(link.tell(reason)) for link in links.values()]
            await asyncio.wait(telling, timeout=_TELLING_TIME)
        for task in links:
            task.cancel()
        if links:
            await asyncio.wait(links)


class _Link:
    """One connection of a frontend, and that to the kernel which belongs to it."""

    def __init__(
        self, carriage: Carriage, channel: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._carriage, self._pending, self._kernel = carriage, carriage.pending, carriage.kernel
        self.channel = channel
        self._reader, self._writer = reader, writer
        #: The cells that were sent here.
        self._cells: Set[str] = set()
        self._is_told = False
        #: Something of a message has been passed on, and its rest is to come.
        self._is_within = False
        self.is_subscribed = False

    async def run(self) -> None:
        try:
            far_reader, far_writer = await self._kernel.connect(self.channel, _WAIT)
        except berth.BerthError:
            self._writer.transport.abort()  # The frontend's socket tries again.
            return
        ways = [asyncio.ensure_future(self._up(far_writer)), asyncio.ensure_future(self._down(far_reader))]
        try:
            # A kernel that ends is told of first: that closes this.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if ways[1].done() and not ways[0].done():
                await asyncio.wait((self._kernel.ended,), timeout=_TELLING_TIME)
                await asyncio.sleep(_TELLING_TIME)
        finally:
            for way in ways:
                way.cancel()
            far_writer.transport.abort()
            self._writer.close()

    async def _up(self, far: asyncio.StreamWriter) -> None:
        cutter = Cutter(self._asked if self.channel in ("shell", "control") else None)
        if self.channel == "shell":
            await self._carriage.has_audience()
        try:
            while data := await self._reader.read(_PIECE):
                cutter.feed(data)
                far.write(data)
                await far.drain()
                if self.channel == "iopub" and not self.is_subscribed and cutter.count >= _SUBSCRIBED:
                    self.is_subscribed = True
                    await self._carriage.subscribed()
        except OSError:
            pass

    def _asked(self, frames: Message) -> None:
        cell = self._pending.asked(seen(frames))
        if cell is not None:
            self._cells.add(cell)

    async def _down(self, far: asyncio.StreamReader) -> None:
        look = {"shell": self._answered, "iopub": self._shown}.get(self.channel)
        cutter = Cutter(look)
        held: List[bytes] = []
        size = 0
        try:
            while data := await far.read(_PIECE):
                whole = cutter.feed(data)
                held.append(data)
                size += len(data)
                if whole:
                    ready = b"".join(held) if len(held) > 1 else data
                    rest = len(data) - whole
                    held, size, self._is_within = ([data[whole:]] if rest else []), rest, False
                    await self._pass(ready[: len(ready) - rest] if rest else ready)
                elif size > _WHOLE:
                    ready, held, size, self._is_within = b"".join(held), [], 0, True
                    await self._pass(ready)
        except OSError:
            pass

    async def _pass(self, data: bytes) -> None:
        if not self._is_told:
            self._writer.write(data)
            await self._writer.drain()

    def _answered(self, frames: Message) -> None:
        cell = self._pending.answered(seen(frames))
        if cell is not None:
            self._cells.discard(cell)

    def _shown(self, frames: Message) -> None:
        if frames[0].endswith(b".execute_input"):
            self._pending.began(seen(frames))
        elif frames[0].endswith(b".status"):
            self._pending.rests(seen(frames))

    async def tell(self, reason: Reason) -> None:
        if self._is_within or self._is_told:
            return
        self._is_told = True
        told: List[bytes] = []
        if self.channel == "iopub":
            told = self._pending.told(reason)
        elif self.channel == "shell":
            told = self._pending.replies(reason, self._cells)
        if told:
            self._writer.write(b"".join(told))
            await _taken(self._writer)


async def _taken(writer: asyncio.StreamWriter) -> None:
    """All that was written has left here, and the other side's process has read it."""
    while writer.transport.get_write_buffer_size() or _is_unread(writer.get_extra_info("socket").fileno()):
        await asyncio.sleep(_LOOK)


def _is_unread(descriptor: int) -> bool:
    waiting = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(waiting, sys.byteorder) > 0


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
