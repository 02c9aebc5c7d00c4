# SPDX-License-Identifier: Apache-2.0
"""The command ``berth-jupyter``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from typing import List, Optional

import berth
import berth.aio

from . import __version__, kernelspecs
from .kernel import StartFailed
from .session import Session
from .settings import Settings


def main(words: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(prog="berth-jupyter", description="Jupyter kernels in containers of a Berth server.")
    parser.add_argument("--version", action="version", version=f"berth-jupyter {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add = commands.add_parser("install", help="add a kernel to Jupyter's list; several pools are several kernels")
    Settings.add_flags(add)
    add.add_argument("--name", help="name of the kernel; by default berth, or berth-POOL")
    add.add_argument("--display-name", help="the name that people see")
    where = add.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user, in every environment; by default: this environment's")
    where.add_argument("--prefix", default=sys.prefix, help="environment that has Jupyter, if it is another than this one")
    add.set_defaults(run=_install)

    remove = commands.add_parser("uninstall", help="take a kernel off the list")
    remove.add_argument("name", nargs="?", default="berth", help="by default berth")
    remove.set_defaults(run=_uninstall)

    show = commands.add_parser("list", help="list Berth's kernels and their settings")
    show.set_defaults(run=_list)

    check = commands.add_parser("check", help="start a kernel, and say what is wrong if it does not")
    Settings.add_flags(check)
    check.add_argument("--name", help="with the settings of this kernel, instead of those given here")
    check.set_defaults(run=_check)

    options = parser.parse_args(words)
    try:
        options.run(options)
    except (OSError, ValueError, StartFailed) as error:
        sys.exit(f"berth-jupyter: {error}")
    except berth.BerthError as error:
        sys.exit(f"berth-jupyter: {error.message}")


def _install(options: argparse.Namespace) -> None:
    settings = Settings.from_flags(options)
    name = options.name or kernelspecs.default_name(settings)
    display_name = options.display_name or kernelspecs.default_display_name(settings)
    folder = kernelspecs.install(settings, name, display_name, None if options.user else options.prefix, options.user)
    print(f"installed {display_name!r} as {name}, in {folder}")
    print(f"`berth-jupyter check --name {name}` starts a kernel, to see that all is well")


def _uninstall(options: argparse.Namespace) -> None:
    print(f"removed {kernelspecs.uninstall(options.name)}")


def _list(_: argparse.Namespace) -> None:
    rows = [("NAME", "DISPLAY NAME", "SETTINGS")]
    rows += [(each.name, each.display_name, " ".join(each.settings.flags())) for each in kernelspecs.installed()]
    if len(rows) == 1:
        print("no kernels of Berth are installed: `berth-jupyter install` adds one")
        return
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        print(f"{row[0]:{wide[0]}}  {row[1]:{wide[1]}}  {row[2]}".rstrip())


def _check(options: argparse.Namespace) -> None:
    settings = Settings.from_flags(options)
    if options.name:
        found = [each for each in kernelspecs.installed() if each.name == options.name]
        if not found:
            raise ValueError(f"there is no kernel {options.name!r} of Berth; `berth-jupyter list` lists them")
        settings = found[0].settings
    asyncio.run(_try(settings))


async def _try(settings: Settings) -> None:
    async with berth.aio.Client(settings.server or None, tls=settings.tls or None) as client:
        server = await client.hello()
    print(f"server: {server.version}, with the pools {', '.join(server.pools)}")
    session = Session(settings, secrets.token_hex(16).encode())
    began = time.monotonic()
    try:
        await session.launch()
        assert session.container is not None
        print(f"kernel: started in {1e3 * (time.monotonic() - began):.0f} ms, in {session.container.lease.member}")
        memory = await session.container.memory_limit()
    finally:
        await session.release()
    if memory is not None and memory < 256 << 20:
        print(f"memory: {memory >> 20} MiB is little: a kernel takes 61 MiB, with matplotlib 120. Set the pool's `memory` to 512m")
    print("all is well")
