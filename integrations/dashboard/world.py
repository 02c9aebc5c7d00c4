# SPDX-License-Identifier: Apache-2.0
"""A server whose creates can be made to fail, its dashboard in Chromium, and what a page may not do."""
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from playwright.sync_api import expect, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
PATIENCE = 90
NO_SPACE = "mkdir /run/berth: no space left on device"
CONFIGURATION = """
pools:
  python:
    image: host
    backoff: 4m
    size: 3
    max: 8
    memory: 128m
  shell:
    image: host
    size: 2
    max: 4
    memory: 64m
    reuse: reset
"""
# What a create goes through: it fails as a full disk makes it fail, while there is a file that says so.
RUNC = """#!/bin/sh
[ ! -e {folder}/full ] || {{ echo '{words}' >&2; exit 1; }}
exec {runc} "$@"
"""


def _conformance():
    spec = importlib.util.spec_from_file_location("servers", ROOT / "clients/conformance/servers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class World:
    """A Berth server with two pools, on a runc that can be broken."""

    def __init__(self):
        servers = _conformance()
        self.binary, problems = servers.find_berth()
        if problems:
            raise RuntimeError("; ".join(problems))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-dashboard-"))
        stub = self.folder / "bin/runc"
        stub.parent.mkdir()
        stub.write_text(RUNC.format(folder=self.folder, words=NO_SPACE, runc=shutil.which("runc")))
        stub.chmod(0o755)
        (self.folder / "berth.yaml").write_text(CONFIGURATION)
        self.http = f"127.0.0.1:{servers.free_port()}"
        self._path = os.environ["PATH"]
        os.environ["PATH"] = f"{stub.parent}:{self._path}"
        self.server = servers.Server(
            self.binary, "server", ["--config", str(self.folder / "berth.yaml"), "--http", self.http], self.folder)
        self.server.start()
        self._programs = []

    def berth(self, *words):
        return subprocess.run(
            [self.binary, *words], env=self._environment(), check=True, timeout=PATIENCE, text=True, stdout=subprocess.PIPE
        ).stdout

    def begin(self, *words):
        """Runs in the background, until `end` or the world's end."""
        program = subprocess.Popen(
            [self.binary, *words], env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self._programs.append(program)
        return program

    def end(self, program):
        self._programs.remove(program)
        program.send_signal(signal.SIGINT)
        program.wait(PATIENCE)

    def _environment(self):
        return dict(os.environ, BERTH_SERVER=self.server.address)

    def break_creates(self):
        (self.folder / "full").touch()

    def mend_creates(self):
        (self.folder / "full").unlink(missing_ok=True)

    def close(self):
        try:
            for program in list(self._programs):
                self.end(program)
            self.mend_creates()
            self.server.close()
        finally:
            os.environ["PATH"] = self._path
            shutil.rmtree(self.folder, ignore_errors=True)


class Browser:
    """Chromium; it notes what its pages complain about and what they ask for."""

    def __init__(self, http):
        self.address = f"http://{http}/"
        self.complaints = []
        self.requests = []
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        expect.set_options(timeout=1e3 * PATIENCE)

    def open(self, width=1280, height=940, scheme="light"):
        page = self._browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")
        page.set_default_timeout(1e3 * PATIENCE)
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(self.address)
        live(page)
        return page

    def close(self):
        self._browser.close()
        self._playwright.stop()


def live(page):
    """Figures have come."""
    page.locator('html[data-live="yes"][data-samples]').wait_for(state="attached")


def card(page, pool):
    return page.locator(f'article[data-pool="{pool}"]')
