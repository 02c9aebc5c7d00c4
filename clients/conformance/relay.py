#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speaks TLS in front of a server that does not: relay.py UPSTREAM CERTIFICATE KEY [--client-ca FILE] [--token TOKEN]

UPSTREAM is HOST:PORT or unix:PATH, and may not be there yet: then connections are closed before the handshake, as nobody would
answer. Prints its address, and ends with its standard input. With --client-ca, clients need a certificate; with --token, each of
their requests needs that token.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import ssl
import sys
import threading
from typing import Any, Awaitable, Callable, Optional, Set

CHUNK = 256 << 10
HEADER = 10
REQUEST = 1


class Requests:
    """Looks whether each request has what it needs."""

    def __init__(self, token: Optional[str]) -> None:
        self._wanted = None if token is None else f"\x0a\x0dauthorization\x12{chr(7 + len(token))}Bearer {token}".encode()
        self._buffer = b""

    def feed(self, data: bytes) -> bool:
        if self._wanted is None:
            return True
        self._buffer += data
        while len(self._buffer) >= HEADER:
            end = HEADER + int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < end:
                break
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            if frame[8] == REQUEST and self._wanted not in frame[HEADER:]:
                print(f"a request without the token: {frame[HEADER:HEADER + 60]!r}", file=sys.stderr)
                return False
        return True


async def upstream(address: str):  # type: ignore[no-untyped-def]
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address[5:])
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


class Secured:
    """The server's end of TLS on a stream. Asyncio's own says nothing to a client whose certificate it refuses."""

    def __init__(self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def _flush(self) -> None:
        self._writer.write(self._outgoing.read())
        await self._writer.drain()

    async def _step(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._reader.read(CHUNK)
                if not data:
                    raise EOFError from None
                self._incoming.write(data)
            finally:
                await self._flush()

    async def handshake(self) -> None:
        await self._step(self._object.do_handshake)

    async def read(self, size: int) -> bytes:
        try:
            return bytes(await self._step(lambda: self._object.read(size)))
        except (EOFError, ssl.SSLZeroReturnError):
            return b""

    async def write(self, data: bytes) -> None:
        self._object.write(data)
        await self._flush()


async def pump(source: Any, sink: Callable[[bytes], Awaitable[None]], requests: Requests) -> None:
    while data := await source.read(CHUNK):
        if not requests.feed(data):
            return
        await sink(data)


async def serve(client: socket.socket, address: str, context: ssl.SSLContext, token: Optional[str]) -> None:
    try:
        server_reader, server_writer = await upstream(address)
    except OSError:
        client.close()
        return
    reader, writer = await asyncio.open_connection(sock=client)
    for each in (writer, server_writer):
        plain = each.get_extra_info("socket")
        if plain.family != socket.AF_UNIX:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        secured = Secured(context, reader, writer)
        await secured.handshake()

        async def to_server(data: bytes) -> None:
            server_writer.write(data)
            await server_writer.drain()

        pumps = {
            asyncio.create_task(pump(secured, to_server, Requests(token))),
            asyncio.create_task(pump(server_reader, secured.write, Requests(None))),
        }
        _, rest = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    except (OSError, EOFError) as error:
        print(f"no TLS: {error}", file=sys.stderr)
    finally:
        server_writer.close()
        # What was said last is heard by a client that has sent more only if that is read.
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 1)
        writer.close()


async def run(options: argparse.Namespace) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(options.certificate, options.key)
    if options.client_ca:
        context.load_verify_locations(options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if options.highest == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    # In one piece: who starts this may read no further.
    sys.stdout.write(f"127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(finished.set)), daemon=True).start()
    tasks: Set["asyncio.Task[None]"] = set()

    async def accept() -> None:
        while True:
            client, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(serve(client, options.upstream, context, options.token))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    accepting = asyncio.create_task(accept())
    await finished.wait()
    accepting.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("upstream")
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("--client-ca")
    parser.add_argument("--token")
    parser.add_argument("--highest", help="version of TLS: 1.2")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
