# SPDX-License-Identifier: Apache-2.0
"""Kernels that run before somebody asks."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from berth_jupyter import spares, thread
from berth_jupyter.settings import Settings

from .support import PATIENCE, WorldCase, frontend, until


class SparesTests(WorldCase):
    def _count(self, settings: Settings) -> int:
        return spares._all[settings].count if settings in spares._all else 0

    def tearDown(self) -> None:
        for each in spares._all.values():
            thread.submit(each.close()).result(30)
        spares._all.clear()
        until(lambda: self.world.leased() == 0, 5)

    def test_the_next_kernel_is_one_that_ran_already_and_is_replaced(self) -> None:
        self.world.install("spare", spares=1, env={"MINE": "yes"})
        settings = Settings.of({"spares": 1, "env": {"MINE": "yes"}})
        with frontend("spare"):
            until(lambda: self._count(settings) == 1, PATIENCE)
            began = time.time()
            with frontend("spare") as notebook:
                born = notebook.run("import os, psutil; psutil.Process().create_time()").value
                self.assertLess(float(born or "inf"), began)
                self.assertEqual(notebook.run("os.environ['MINE']").value, "'yes'")
                until(lambda: self._count(settings) == 1, PATIENCE)
                self.assertEqual(self.world.leased(), 3)
                notebook.manager.restart_kernel()
                notebook.ready()
                self.assertEqual(notebook.run("6 * 7").value, "42")

    def test_a_spare_that_dies_is_replaced(self) -> None:
        settings = Settings.of({"spares": 1, "cwd": "/tmp"})

        async def begin() -> None:
            spares.of(settings)

        async def kill() -> None:
            await spares._all[settings]._ready[0][1].signal(9)

        thread.submit(begin()).result()
        until(lambda: self._count(settings) == 1, PATIENCE)
        first = spares._all[settings]._ready[0][1]
        thread.submit(kill()).result()
        until(lambda: self._count(settings) == 1 and spares._all[settings]._ready[0][1] is not first, PATIENCE)

    def test_jupyters_server_keeps_spares_from_its_start_on(self) -> None:
        self.world.install("spare", spares=2)
        config = self.world.folder / "config/jupyter_server_config.d"
        config.mkdir(parents=True)
        (config / "berth_jupyter.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"berth_jupyter": True}}}))
        words = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--port=0", "--ServerApp.port_retries=0"]
        server = subprocess.Popen(words, cwd=self.world.folder, stderr=subprocess.PIPE, text=True)
        try:
            until(lambda: self.world.leased() == 2, PATIENCE)
        finally:
            server.terminate()
            _, said = server.communicate(timeout=30)
        self.assertIn("Berth keeps 2 spare kernels of spare", said)
        # They are given back, and not only after the grace.
        until(lambda: self.world.leased() == 0, 5)
