# SPDX-License-Identifier: Apache-2.0
"""What a person sees in JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unittest
import urllib.error
import urllib.request
from typing import ClassVar, Optional

from playwright.sync_api import expect

from .lab import Lab, answers
from .support import PATIENCE, WorldCase, free_port, until

LINES = "import time\nfor i in range(5):\n    print('line', i, flush=True)\n    time.sleep(0.5)"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"
LONG = "print('working', flush=True)\nimport time\ntime.sleep(600)"
ASK = "print('hello', input('who? '))"
KEPT = "import os\nprint(os.path.exists('kept'), 'x' in globals())\nx = open('kept', 'w').close()"
MEMORY = "data = bytearray(800 << 20)"
FLOOD = "for _ in range(100): print('x' * 999_999)\nprint('the end')"


class LabCase(WorldCase):
    """A notebook with these cells, in a page that the tests of a class share."""

    cells: ClassVar[list[str]]
    lab: ClassVar[Lab]
    is_spoiled: ClassVar[bool]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lab = Lab(cls.world, cls.cells)
        cls.addClassCleanup(cls.lab.close)
        cls.is_spoiled = False

    def run(self, result: Optional[unittest.TestResult] = None) -> Optional[unittest.TestResult]:
        """A test that fails shows its page, and the next one gets another: it doesn't fall with it."""
        kept = self.defaultTestResult() if result is None else result
        before = len(kept.failures) + len(kept.errors)
        super().run(kept)
        if len(kept.failures) + len(kept.errors) > before:
            self.lab.tell(self.id())
            type(self).is_spoiled = True
        return kept

    def setUp(self) -> None:
        if self.is_spoiled:
            self.lab.open()
            type(self).is_spoiled = False


class LabTests(LabCase):
    cells = [LINES, PLOT, LONG, ASK, KEPT, MEMORY]

    def tearDown(self) -> None:
        expect(self.lab.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def test_lines_appear_one_by_one_in_the_page(self) -> None:
        lab = self.lab
        lab.run(0)
        for number in range(5):
            expect(lab.output(0)).to_contain_text(f"line {number}")
            if number < 3:
                self.assertNotIn("line 4", lab.output(0).inner_text())
        expect(lab.prompt(0)).to_have_text(re.compile(r"\[\d+\]:"))

    def test_a_plot_is_shown(self) -> None:
        # The first one makes matplotlib's list of fonts.
        self.lab.run(1)
        picture = self.lab.output(1).locator("img")
        picture.wait_for()
        self.assertGreater(picture.evaluate("image => image.naturalWidth"), 300)

    def test_an_interrupt_stops_the_cell(self) -> None:
        lab = self.lab
        lab.run(2)
        expect(lab.output(2)).to_contain_text("working")
        expect(lab.prompt(2)).to_have_text("[*]:")
        lab.press("i", "i")
        expect(lab.output(2)).to_contain_text("KeyboardInterrupt")
        expect(lab.prompt(2)).to_have_text(re.compile(r"\[\d+\]:"))

    def test_input_is_typed_in_the_page(self) -> None:
        self.lab.run(3)
        self._answer()

    def _answer(self) -> None:
        box = self.lab.cell(3).locator(".jp-Stdin-input")
        box.fill("Ada")
        box.press("Enter")
        expect(self.lab.output(3)).to_contain_text("hello Ada")

    def test_a_restart_forgets_the_variables_and_keeps_the_files(self) -> None:
        lab = self.lab
        lab.run(4)
        expect(lab.output(4)).to_contain_text("False False")
        lab.press("0", "0")
        lab.accept("Restart Kernel?")
        lab.ready()
        lab.run(4)
        expect(lab.output(4)).to_contain_text("True False")

    def test_a_kernel_that_runs_out_of_memory_says_so_in_its_cell_and_is_restarted(self) -> None:
        lab = self.lab
        lab.run(5)
        expect(lab.output(5)).to_contain_text("The kernel died: out of memory at 512 MiB")
        expect(lab.prompt(5)).not_to_have_text("[*]:")
        lab.accept("Kernel Restarting")
        # What it says stays, and the next cell runs.
        lab.run(3)
        self._answer()
        expect(lab.output(5)).to_contain_text("out of memory at 512 MiB")


class FloodTests(LabCase):
    """In a page of its own, which has other things to do for a while after it."""

    cells = [FLOOD]

    def test_a_hundred_megabytes_that_are_not_shown_are_said_to_be_lost(self) -> None:
        lab = self.lab
        lab.run(0)
        until(lambda: re.fullmatch(r"\[\d+\]:", lab.prompt(0).inner_text()) is not None, 60)
        shown = lab.output(0).inner_text()
        self.assertTrue("data rate exceeded" in shown or "the end" in shown, shown[-300:])


class FailedStartTests(WorldCase):
    def test_a_kernel_that_can_not_be_started_says_why_in_the_page(self) -> None:
        self.world.install("broken", pool="nope")
        port = free_port()
        words = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", f"--port={port}"]
        words += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
        server = subprocess.Popen(words, cwd=self.world.folder, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait, 30)
        self.addCleanup(server.terminate)
        address = f"http://127.0.0.1:{port}/api"
        until(lambda: answers(address), PATIENCE)
        # The page shows the message of this answer; of another kind of error it would be "Unhandled error".
        request = urllib.request.Request(f"{address}/kernels", json.dumps({"name": "broken"}).encode())
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request, timeout=60)
        with raised.exception as answer:
            self.assertIn('there is no pool "nope"; there is: default', json.load(answer)["message"])
