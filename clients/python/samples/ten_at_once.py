# SPDX-License-Identifier: Apache-2.0
"""Runs ten programs at once, on one connection."""

import asyncio

import berth.aio


async def main() -> None:
    async with berth.aio.Client() as client:
        runs = [client.run(shell=f"sleep 0.1; echo {number} squared is $(({number} * {number}))") for number in range(10)]
        for result in await asyncio.gather(*runs):
            print(result.check().text, end="")


asyncio.run(main())
