# SPDX-License-Identifier: Apache-2.0
"""What a person sees in JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import ClassVar, Iterator

from playwright.sync_api import expect

from .lab import Lab, Notebook, answers
from .support import PATIENCE, WorldCase, free_port, until

LINES = "import time\nfor i in range(5):\n    print('line', i, flush=True)\n    time.sleep(0.5)"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"
LONG = "print('working', flush=True)\nimport time\ntime.sleep(600)"
ASK = "print('hello', input('who? '))"
KEPT = "import os\nprint(os.path.exists('kept'), 'x' in globals())\nx = open('kept', 'w').close()"
MEMORY = "data = bytearray(800 << 20)"
FLOOD = "for _ in range(100): print('x' * 999_999)\nprint('the end')"


class LabCase(WorldCase):
    """JupyterLab, shared by the tests of a class; what is said when one fails is what its page shows."""

    shared: ClassVar[Lab]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = Lab(cls.world)
        cls.addClassCleanup(cls.shared.close)

    @contextmanager
    def notebook(self, *cells: str) -> Iterator[Notebook]:
        lab = Notebook(self.shared, list(cells), name=self._testMethodName)
        try:
            yield lab
            expect(lab.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        except BaseException:
            print(f"--- {self._testMethodName}\n{lab.seen()}", file=sys.stderr)
            raise
        finally:
            lab.close()


class LabTests(LabCase):
    def test_lines_appear_one_by_one_in_the_page(self) -> None:
        with self.notebook(LINES) as lab:
            lab.run(0)
            for number in range(5):
                expect(lab.output(0)).to_contain_text(f"line {number}")
                if number < 3:
                    self.assertNotIn("line 4", lab.output(0).inner_text())
            expect(lab.prompt(0)).to_have_text(re.compile(r"\[\d+\]:"))

    def test_a_plot_is_shown(self) -> None:
        with self.notebook(PLOT) as lab:
            # The first one makes matplotlib's list of fonts.
            lab.run(0)
            picture = lab.output(0).locator("img")
            picture.wait_for()
            self.assertGreater(picture.evaluate("image => image.naturalWidth"), 300)

    def test_an_interrupt_stops_the_cell(self) -> None:
        with self.notebook(LONG) as lab:
            lab.run(0)
            expect(lab.output(0)).to_contain_text("working")
            expect(lab.prompt(0)).to_have_text("[*]:")
            lab.press("i", "i")
            expect(lab.output(0)).to_contain_text("KeyboardInterrupt")
            expect(lab.prompt(0)).to_have_text(re.compile(r"\[\d+\]:"))

    def test_input_is_typed_in_the_page(self) -> None:
        with self.notebook(ASK) as lab:
            lab.run(0)
            self._answer(lab, 0)

    def _answer(self, lab: Notebook, number: int) -> None:
        box = lab.cell(number).locator(".jp-Stdin-input")
        box.fill("Ada")
        box.press("Enter")
        expect(lab.output(number)).to_contain_text("hello Ada")

    def test_a_restart_forgets_the_variables_and_keeps_the_files(self) -> None:
        with self.notebook(KEPT) as lab:
            lab.run(0)
            expect(lab.output(0)).to_contain_text("False False")
            lab.press("0", "0")
            lab.accept("Restart Kernel?")
            lab.ready()
            lab.run(0)
            expect(lab.output(0)).to_contain_text("True False")

    def test_a_kernel_that_runs_out_of_memory_says_so_in_its_cell_and_is_restarted(self) -> None:
        with self.notebook(MEMORY, ASK) as lab:
            lab.run(0)
            expect(lab.output(0)).to_contain_text("The kernel died: out of memory at 512 MiB")
            expect(lab.prompt(0)).not_to_have_text("[*]:")
            lab.accept("Kernel Restarting")
            # What it says stays, and the next cell runs. Until it does, the page says "Starting", as with a local kernel.
            lab.run(1)
            self._answer(lab, 1)
            expect(lab.output(0)).to_contain_text("out of memory at 512 MiB")

    def test_a_hundred_megabytes_that_are_not_shown_are_said_to_be_lost(self) -> None:
        with self.notebook(FLOOD) as lab:
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
