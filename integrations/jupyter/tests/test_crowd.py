# SPDX-License-Identifier: Apache-2.0
"""Many kernels at once."""

from __future__ import annotations

import asyncio
from typing import Set

from jupyter_client.manager import AsyncKernelManager

from .support import WorldCase, until

COUNT = 50


class CrowdTests(WorldCase):
    # Fifty times half a gigabyte is more than machines for tests have; none takes it.
    flags = ["--memory", "256m"]

    def test_fifty_kernels_started_at_once_all_answer_for_themselves(self) -> None:
        self.world.install("many", acquire_timeout=300, start_timeout=300)
        answers = asyncio.run(self._start())
        self.assertEqual(len(answers), COUNT)
        until(lambda: self.world.leased() == 0, 15)

    async def _start(self) -> Set[str]:
        return set(await asyncio.gather(*(self._one(number) for number in range(COUNT))))

    async def _one(self, number: int) -> str:
        """An answer that only this kernel has: its number, and its container's."""
        manager = AsyncKernelManager(kernel_name="many")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=300)
            id = client.execute(f"n = {number}; print(n, open('/proc/self/cgroup').readline())")
            text = ""
            while not text.endswith("\n\n"):
                message = await client.get_iopub_msg(timeout=300)
                if message["parent_header"].get("msg_id") == id and message["msg_type"] == "stream":
                    text += message["content"]["text"]
            self.assertTrue(text.startswith(f"{number} "), text)
            return text.partition(" ")[2]
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
