#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the README's picture: a host's calls of `berth mcp`, and what it gets: picture.py FILE.png

The host is the SDK's client; what a model would ask for is written here. The server is BERTH_SERVER's, with matplotlib in
its containers. Needs what screenshot.py does.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import textwrap
from pathlib import Path
from typing import Any, List

PACKAGE = Path(__file__).resolve().parent
sys.path.insert(0, str(PACKAGE.parent))

import screenshot  # noqa: E402
from tests.sdk import Client, Result, connect  # noqa: E402

COLUMNS, PICTURE_ROWS = 84, 8
BOLD, GREEN, BLUE, CYAN, PLAIN = (f"\033[{code}m" for code in (1, 32, 34, 36, 0))

STEPS = """\
import random; random.seed(14)
steps = random.choices((-1, 1), k=2000)
sum(steps)"""
WALK = """\
import itertools, matplotlib.pyplot as plt
plt.figure(figsize=(8, 1.6), layout="constrained")
plt.plot(list(itertools.accumulate(steps)))
plt.savefig("walk.png")"""


def called(tool: str, code: str = "", **arguments: Any) -> List[str]:
    """A call; code stands below it."""
    short = "".join(f" {name}={value}" for name, value in arguments.items())
    return ["", f"{GREEN}→{PLAIN} {BOLD}{CYAN}{tool}{PLAIN}{short}", *(f"    {GREEN}{line}{PLAIN}" for line in code.splitlines())]


def got(result: Result) -> List[str]:
    first, *rest = (part for line in result.text.splitlines() for part in textwrap.wrap(line, COLUMNS - 2))
    lines = [f"{BLUE}←{PLAIN} {first}", *(f"  {line}" for line in rest)]
    for picture in result.pictures:
        lines.append(f"\033]1337;File=inline=1;height={PICTURE_ROWS}:{base64.b64encode(picture).decode()}\a")
    return lines


async def conversation(client: Client) -> List[str]:
    lines = [f"{BOLD}{client.name}{PLAIN}, protocol {client.version}"]
    for tool in await client.tools():
        purpose = " ".join(tool.description.split()).split(". ")[0]
        lines.append(f"  {CYAN}{tool.name:15}{PLAIN}{textwrap.shorten(purpose, COLUMNS - 17, placeholder=' …')}")

    async def call(tool: str, **arguments: Any) -> Result:
        result = await client.call(tool, **arguments)
        lines.extend(called(tool, **arguments) + got(result))
        return result

    session = (await call("start_session")).structured["session"]
    await call("run_code", session=session, code=STEPS)
    plot = await call("run_code", session=session, code=WALK)
    assert plot.types == ["image/png"], plot.text
    await call("run_command", session=session, command="ls -l walk.png")
    return lines


async def main(target: str) -> None:
    async with connect("stateless") as client:
        screen = "\n".join(await conversation(client))
    print(screen)
    screenshot.save(Path(target), screen, COLUMNS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
