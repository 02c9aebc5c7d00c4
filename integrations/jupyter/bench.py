# SPDX-License-Identifier: Apache-2.0
"""How fast a kernel answers, in Berth and beside it the local ipykernel, in the same run: BERTH=…/berth bench.py [ROUNDS]

The first reply is to `kernel_info_request`, from the moment the kernel is asked for. It is taken from the socket itself:
jupyter_client's wait_for_ready takes 200 ms by itself. A cell counts from the request to both its answer and its `idle`.
"""

from __future__ import annotations

import queue
import statistics
import sys
import time
from typing import Any, Dict, List

from jupyter_client.manager import KernelManager

from tests.support import World, WorldCase, until


def first_reply(name: str) -> "tuple[KernelManager, Any, float]":
    began = time.perf_counter()
    manager = KernelManager(kernel_name=name)
    manager.start_kernel()
    client = manager.client()
    client.start_channels(iopub=True, stdin=False, hb=False)
    client.kernel_info()
    client.get_shell_msg(timeout=60)
    return manager, client, 1e3 * (time.perf_counter() - began)


def listen(client: Any) -> None:
    """What a kernel tells before it knows that somebody listens is lost."""
    while True:
        client.kernel_info()
        try:
            client.get_iopub_msg(timeout=0.5)
            return
        except queue.Empty:
            pass


def cell(client: Any) -> float:
    began = time.perf_counter()
    id = client.execute("1+1")
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") == id and message["content"].get("execution_state") == "idle":
            break
    client.get_shell_msg(timeout=60)
    return 1e3 * (time.perf_counter() - began)


def spare_is_there() -> bool:
    from berth_jupyter import spares

    return any(each.count > 0 for each in spares._all.values())


def first_replies(kinds: List[str], rounds: int) -> None:
    taken: Dict[str, List[float]] = {kind: [] for kind in kinds}
    for round in range(rounds + 1):
        for kind in kinds:
            if kind == "berth-spare" and round > 0:
                until(spare_is_there, 60)
            manager, client, took = first_reply(kind)
            # The first round fills caches and begins to keep a spare.
            if round > 0:
                taken[kind].append(took)
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    show("first reply", taken)


def cells(kinds: List[str], rounds: int) -> None:
    """In turn, so that all see the same machine."""
    kernels = {}
    for kind in kinds:
        manager, client, _ = first_reply(kind)
        listen(client)
        kernels[kind] = (manager, client)
    taken: Dict[str, List[float]] = {kind: [] for kind in kinds}
    for round in range(rounds + 20):
        for kind, (_, client) in kernels.items():
            took = cell(client)
            if round >= 20:
                taken[kind].append(took)
    show("a cell, 1+1", taken)
    for manager, client in kernels.values():
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def show(what: str, taken: Dict[str, List[float]]) -> None:
    print(f"{what + ', ms':20} {'p10':>8} {'p50':>8} {'p90':>8}")
    for kind, values in taken.items():
        tenths = statistics.quantiles(values, n=10)
        print(f"    {kind:16} {tenths[0]:8.2f} {tenths[4]:8.2f} {tenths[8]:8.2f}")


def main() -> None:
    world = World()
    try:
        class Case(WorldCase):
            pass

        Case.world = world
        Case.local()
        world.install("berth")
        world.install("berth-argv", provisioner=False)
        world.install("berth-spare", spares=1)
        rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
        first_replies(["local", "berth", "berth-spare", "berth-argv"], rounds)
        cells(["local", "berth", "berth-argv"], 40 * rounds)
    finally:
        world.close()


if __name__ == "__main__":
    main()
