# SPDX-License-Identifier: Apache-2.0
"""JupyterLab in a browser: a server of its own, and Debian's Chromium on a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import List

from playwright.sync_api import Error, Locator, Page, ViewportSize, expect, sync_playwright

from .support import PATIENCE, World, free_port, until

CHROMIUM = "/usr/bin/chromium"


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except OSError:
        return False


class Lab:
    def __init__(self, world: World, cells: List[str], kernel: str = "berth", width: int = 1000, height: int = 760) -> None:
        self.root = world.folder / "notebooks"
        self.root.mkdir()
        spec = json.loads((world.folder / "data/kernels" / kernel / "kernel.json").read_text())
        notebook = {
            "nbformat": 4, "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": kernel, "display_name": spec["display_name"], "language": "python"}},
            "cells": [
                {"id": f"cell-{number}", "cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
                for number, code in enumerate(cells)
            ],
        }
        (self.root / "Berth.ipynb").write_text(json.dumps(notebook))
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
            self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            expect.set_options(timeout=1e3 * PATIENCE)
            self._size: ViewportSize = {"width": width, "height": height}
            self.console: List[str] = []
            self.open()
        except BaseException:
            if hasattr(self, "page"):
                self.tell("start")
            self.log.seek(0)
            print(self.log.read(), file=sys.stderr)
            self.close()
            raise

    def open(self) -> None:
        """The notebook in a new page with a new kernel, whatever became of those before."""
        if hasattr(self, "page"):
            self.page.close()
            self._end_kernels()
        self.console.clear()
        # The server keeps the notebook as it was written: nothing in these tests saves it.
        self.page: Page = self._browser.new_page(viewport=self._size)
        self.page.on("console", lambda line: self.console.append(f"{line.type}: {line.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self.page.set_default_timeout(1e3 * PATIENCE)
        # No workspace of the page before, which would open things of its own.
        self.page.goto(f"{self.address}/lab/tree/Berth.ipynb?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.ready()

    def _end_kernels(self) -> None:
        """Those that a page has left; their sessions end with them."""
        with urllib.request.urlopen(f"{self.address}/api/sessions", timeout=PATIENCE) as answer:
            sessions = json.load(answer)
        for session in sessions:
            ending = urllib.request.Request(f"{self.address}/api/sessions/{session['id']}", method="DELETE")
            urllib.request.urlopen(ending, timeout=PATIENCE).close()

    def tell(self, name: str) -> None:
        """What a person would have seen when a test failed."""
        folder = Path(tempfile.mkdtemp(prefix="berth-jupyter-failed-"))
        print(f"{name}: a picture of the page is {folder}/page.png; its console and the server's last words:", file=sys.stderr)
        print("\n".join(self.console[-50:]), file=sys.stderr)
        self.log.seek(0)
        print(self.log.read()[-4000:], file=sys.stderr)
        try:
            self.page.screenshot(path=folder / "page.png", timeout=10_000)
            print(self.page.locator("body").inner_text(timeout=10_000)[-3000:], file=sys.stderr)
        except Error as error:
            print(f"there is no picture: {error}", file=sys.stderr)

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

    def ready(self) -> None:
        """The kernel is there, for Jupyter's server and for the page."""

        def is_ready() -> bool:
            with urllib.request.urlopen(f"{self.address}/api/kernels", timeout=10) as answer:
                return [(each["execution_state"], each["connections"] > 0) for each in json.load(answer)] == [("idle", True)]

        until(is_ready, PATIENCE)
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

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
        try:
            if hasattr(self, "_browser"):
                self._browser.close()
        finally:
            if hasattr(self, "_playwright"):
                self._playwright.stop()
            self._server.terminate()
            try:
                self._server.wait(30)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
                self.log.seek(0)
                print(self.log.read()[-8000:], file=sys.stderr)
                raise
            finally:
                self.log.close()
