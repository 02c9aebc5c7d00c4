# SPDX-License-Identifier: Apache-2.0
"""Kernels that come out of an interpreter that has started before, and has imported ipykernel."""

from __future__ import annotations

import tempfile
import unittest

from .support import WorldCase, frontend

CONFIGURATION = """
pools:
  default:
    env: {PYDEVD_DISABLE_FILE_VALIDATION: "1"}
    interpreters: {python: {preload: [ipykernel_launcher, ipykernel.kernelapp, ipykernel.ipkernel, pandas]}}
"""
FORKED = "'berth_zygote' in open('/proc/self/cmdline').read()"


class WarmTests(WorldCase):
    @classmethod
    def setUpClass(cls) -> None:
        file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        cls.addClassCleanup(file.close)
        file.write(CONFIGURATION)
        file.flush()
        cls.flags = ["--config", file.name]
        super().setUpClass()

    def test_kernels_are_forked_and_are_as_others(self) -> None:
        for _ in range(2):
            with frontend("berth") as notebook:
                self.assertEqual(notebook.run(FORKED).value, "True")
                self.assertEqual(notebook.run("import sys; 'pandas' in sys.modules").value, "True")
                self.assertEqual(notebook.run("print(input('? ')) if False else 6 * 7").value, "42")
                self.assertIn("from a shell", notebook.run("!echo from a shell").text)
                self.assertIn("ZeroDivisionError", str(notebook.run("1 / 0").__dict__))
                code = "import threading; t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()"
                self.assertEqual(notebook.run(code).text, "thread\n")


if __name__ == "__main__":
    unittest.main()
