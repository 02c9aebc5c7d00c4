#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model host without a model: it asks what there is, and does what a model would. Needs the package mcp, 2.x."""

import asyncio
import os

from mcp import Client, StdioServerParameters

BERTH = os.environ.get("BERTH", "berth")
SERVER = os.environ.get("BERTH_SERVER", "127.0.0.1:7411")


async def main() -> None:
    async with Client(StdioServerParameters(command=BERTH, args=["mcp", "--server", SERVER])) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {(tool.description or '').splitlines()[0]}")
        session = (await client.call_tool("start_session", {})).structured_content["session"]
        await client.call_tool("run_code", {"session": session, "code": "squares = [n * n for n in range(10)]"})
        result = await client.call_tool("run_code", {"session": session, "code": "sum(squares)"})
        print(result.structured_content["value"])


if __name__ == "__main__":
    asyncio.run(main())
