#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a warm run of `true` takes: bench.py [N] [--async]. Prints quantiles in microseconds."""

import asyncio
import os
import sys
import time
from typing import List

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))

import berth  # noqa: E402
import berth.aio  # noqa: E402


def in_turn(count: int) -> List[float]:
    times = []
    with berth.Client() as client, client.acquire() as lease:
        for _ in range(count + 50):
            begin = time.perf_counter()
            lease.run(["true"]).check()
            times.append(time.perf_counter() - begin)
    return times[50:]


async def in_turn_async(count: int) -> List[float]:
    times = []
    async with berth.aio.Client() as client, await client.acquire() as lease:
        for _ in range(count + 50):
            begin = time.perf_counter()
            (await lease.run(["true"])).check()
            times.append(time.perf_counter() - begin)
    return times[50:]


if __name__ == "__main__":
    is_async = "--async" in sys.argv
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), 1000)
    times = sorted(asyncio.run(in_turn_async(count)) if is_async else in_turn(count))
    print(f"run true: n {count}  p50 {times[count // 2] * 1e6:.0f} us  p99 {times[count * 99 // 100] * 1e6:.0f} us")
