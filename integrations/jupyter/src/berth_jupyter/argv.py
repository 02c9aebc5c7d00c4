# SPDX-License-Identifier: Apache-2.0
"""A program that looks like a kernel, for frontends that start one by a command: ``python -m berth_jupyter -f FILE``.

It listens where the connection file says. SIGINT interrupts the kernel, SIGTERM ends it. When the frontend restarts its
kernel it starts this program anew, which goes on in the container that the one before has left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from typing import Any, Dict, Mapping, Optional

import berth

from .carriage import Address
from .container import Container
from .kernel import CHANNELS, StartFailed
from .session import Session
from .settings import Settings

#: A container that this program has left, however it ended, waits so long for another.
_LEFT_FOR = 10.0
#: How often it looks whether the program that started it is still there.
_LOOK = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m berth_jupyter", description="A Jupyter kernel in a container of Berth.")
    parser.add_argument("-f", "--file", required=True, metavar="FILE", help="the connection file that a frontend has written")
    Settings.add_flags(parser)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="berth-jupyter: %(message)s", stream=sys.stderr)
    try:
        settings = Settings.from_flags(options)
        with open(options.file, encoding="utf-8") as file:
            connection = json.load(file)
        code = asyncio.run(_serve(settings, connection, options.file + ".berth"))
    except (OSError, ValueError, StartFailed) as error:
        print(f"berth-jupyter: {error}", file=sys.stderr)
        code = 1
    except berth.BerthError as error:
        print(f"berth-jupyter: {error.message}", file=sys.stderr)
        code = 1
    sys.stderr.flush()
    os._exit(code)  # Threads of libraries, or what is left in the loop, hold nothing up.


def _addresses(connection: Mapping[str, Any]) -> Dict[str, Address]:
    if "curve_publickey" in connection:
        raise ValueError("kernels of Berth speak no CurveZMQ: set transport_encryption to \"disabled\"")
    ports = {channel: int(connection[f"{channel}_port"]) for channel in CHANNELS}
    if connection.get("transport") == "ipc":
        return {channel: f"{connection['ip']}-{port}" for channel, port in ports.items()}
    return {channel: (str(connection["ip"]), port) for channel, port in ports.items()}


async def _serve(settings: Settings, connection: Mapping[str, Any], left: str) -> int:
    session = Session(
        settings, str(connection.get("key", "")).encode(), connection.get("signature_scheme", "hmac-sha256"),
        _addresses(connection), detached_for=_LEFT_FOR,
    )
    session.container = await _adopted(settings, left)
    loop = asyncio.get_running_loop()
    tasks = set()

    def interrupt() -> None:
        task = loop.create_task(session.signal(signal.SIGINT))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await session.launch()
    # From the start on, since a frontend may kill this program to restart the kernel.
    assert session.container is not None
    _leave(left, session.container.lease.token)
    ended, stopped = asyncio.ensure_future(session.ended()), asyncio.ensure_future(stop.wait())
    orphaned = asyncio.ensure_future(_until_orphaned())
    await asyncio.wait((ended, stopped, orphaned), return_when=asyncio.FIRST_COMPLETED)
    if ended.done() and session.is_left:
        await session.leave()
    else:
        os.unlink(left)
        await session.release()
    return (session.exit_code or 0) & 0xFF if ended.done() else 0


async def _until_orphaned() -> None:
    """As other kernels do, it ends with the program that has started it, if that has told who it is."""
    parent = int(os.environ.get("JPY_PARENT_PID") or 0)
    while not parent or os.getppid() == parent:
        await asyncio.sleep(_LOOK)


def _leave(path: str, token: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(token)


async def _adopted(settings: Settings, path: str) -> Optional[Container]:
    try:
        with open(path, encoding="utf-8") as file:
            token = file.read()
        os.unlink(path)
    except FileNotFoundError:
        return None
    return await Container.adopt(settings, token)
