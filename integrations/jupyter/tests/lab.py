# SPDX-License-Identifier: Apache-2.0
"""JupyterLab in a browser: a server of its own, and Debian's Chromium on a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import List, Tuple

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect, sync_playwright

from .support import PATIENCE, World, free_port, until

CHROMIUM = "/usr/bin/chromium"


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except OSError:
        return False


class Lab:
    """JupyterLab's server and a browser; tests open notebooks in it, each with a page and a kernel of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.root = world.folder / "notebooks"
        self.root.mkdir()
        self._settings(world.folder / "config/lab/user-settings")
        self.address = address = f"http://127.0.0.1:{free_port()}"
        self.log = open(world.folder / "lab.log", "w+")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={address.rpartition(':')[2]}",
             "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
             f"--ServerApp.root_dir={self.root}", "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            cwd=self.root, stderr=self.log,
        )
        try:
            until(lambda: self._answers(f"{address}/api"), PATIENCE)
            self._playwright = sync_playwright().start()
            # Chromium keeps pictures of pages in /dev/shm, which is small in many containers.
            self.browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        except BaseException:
            print(self.last_words(), file=sys.stderr)
            self.close()
            raise

    def last_words(self) -> str:
        """The end of the server's log."""
        self.log.flush()
        return Path(self.log.name).read_text()[-4000:]

    @staticmethod
    def _settings(folder: Path) -> None:
        """No question and no news in the way."""
        for name, content in {
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
            "notebook-extension/tracker": {"windowingMode": "none"},
        }.items():
            path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))

    def _answers(self, url: str) -> bool:
        if self._server.poll() is not None:
            raise RuntimeError("JupyterLab did not start")
        return answers(url)

    def close(self) -> None:
        try:
            if hasattr(self, "browser"):
                self.browser.close()
        finally:
            if hasattr(self, "_playwright"):
                self._playwright.stop()
            self._server.terminate()
            try:
                self._server.wait(30)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
                print(self.last_words(), file=sys.stderr)
                raise
            finally:
                self.log.close()


class Notebook:
    """A notebook with these cells, in a page of its own, its kernel ready."""

    def __init__(self, lab: Lab, cells: List[str], name: str = "Berth", kernel: str = "berth", width: int = 1000, height: int = 760) -> None:
        self.lab = lab
        self.path = f"{name}.ipynb"
        spec = json.loads((lab.world.folder / "data/kernels" / kernel / "kernel.json").read_text())
        content = {
            "nbformat": 4, "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": kernel, "display_name": spec["display_name"], "language": "python"}},
            "cells": [
                {"id": f"cell-{number}", "cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
                for number, code in enumerate(cells)
            ],
        }
        (lab.root / self.path).write_text(json.dumps(content))
        self._console: List[str] = []
        self.page: Page = lab.browser.new_page(viewport={"width": width, "height": height})
        try:
            self.page.on("console", lambda message: self._console.append(f"{message.type}: {message.text}"))
            self.page.on("crash", lambda _: self._console.append("the page crashed"))
            self.page.set_default_timeout(1e3 * PATIENCE)
            expect.set_options(timeout=1e3 * PATIENCE)
            # A workspace of its own too: else the page opens what the last one had open.
            self.page.goto(f"{lab.address}/lab/workspaces/{name}/tree/{self.path}")
            self.page.wait_for_selector(".jp-Notebook .jp-Cell")
            self.ready()
        except BaseException:
            print(self.seen(), file=sys.stderr)
            self.close()
            raise

    def _kernels(self) -> List[Tuple[str, bool]]:
        """What Jupyter's server says of this notebook's: the state, and whether a page listens."""
        try:
            with urllib.request.urlopen(f"{self.lab.address}/api/sessions", timeout=10) as answer:
                kernels = [each["kernel"] for each in json.load(answer) if each["path"] == self.path]
        except urllib.error.HTTPError as error:
            # Jupyter's server fails to list a kernel that it is just starting: it has no last activity yet.
            if error.code != 500:
                raise
            return []
        return [(each["execution_state"], each["connections"] > 0) for each in kernels]

    def ready(self) -> None:
        """The kernel is there, for Jupyter's server and for the page."""
        until(lambda: self._kernels() == [("idle", True)], PATIENCE)
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def seen(self) -> str:
        """What a person who looks for the cause would look at."""
        try:
            text = self.page.locator("body").inner_text(timeout=5000)
        except PlaywrightError as error:
            text = f"no page: {error}"
        lines = "\n".join(self._console[-20:])
        return (f"--- the page\n{text[-3000:]}\n--- its console\n{lines}\n--- kernels {self._kernels()}\n"
                f"--- JupyterLab's log\n{self.lab.last_words()}")

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        return self.cell(number).locator(".jp-OutputArea")

    def run(self, number: int) -> None:
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def prompt(self, number: int) -> Locator:
        """[*] while it runs, [3] afterwards."""
        return self.cell(number).locator(".jp-InputPrompt")

    def press(self, *keys: str) -> None:
        self.page.keyboard.press("Escape")
        for key in keys:
            self.page.keyboard.press(key)

    def accept(self, words: str) -> None:
        """A dialog that says so."""
        dialog = self.page.locator(".jp-Dialog", has_text=words)
        dialog.locator("button.jp-mod-accept").click()
        expect(dialog).to_have_count(0)

    def screenshot(self, path: str) -> None:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self.page.screenshot(path=path)

    def close(self) -> None:
        """The page, then the kernel: in this order nobody asks to start another one."""
        self.page.close()
        with urllib.request.urlopen(f"{self.lab.address}/api/sessions", timeout=10) as answer:
            ours = [each["id"] for each in json.load(answer) if each["path"] == self.path]
        for session in ours:
            urllib.request.urlopen(urllib.request.Request(f"{self.lab.address}/api/sessions/{session}", method="DELETE"), timeout=30).close()
