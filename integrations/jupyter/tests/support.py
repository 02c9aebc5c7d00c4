# SPDX-License-Identifier: Apache-2.0
"""Servers, kernels and frontends for the tests: all real."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
import time
import unittest
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import berth
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
#: A kernel needs 61 MiB, with matplotlib 120.
FLAGS = ["--image", "host", "--size", "2", "--max", "60", "--memory", "512m", "--memory-budget", "64g"]
PATIENCE = 60.0


def _servers() -> Any:
    spec = importlib.util.spec_from_file_location("servers", ROOT / "clients/conformance/servers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    return int(_servers().free_port())


class World:
    """A Berth server, and an empty place of Jupyter's with kernels that use it."""

    def __init__(self, *flags: str) -> None:
        servers = _servers()
        binary, problems = servers.find_berth()
        if problems:
            raise RuntimeError("; ".join(problems))
        self.folder = Path(tempfile.mkdtemp(prefix="berth-jupyter-tests-"))
        self.server = servers.Server(binary, "server", [*FLAGS, *flags], self.folder)
        self.server.start()
        self.address: str = self.server.address
        self._before = {name: os.environ.get(name) for name in self._environment()}
        os.environ.update(self._environment())

    def _environment(self) -> Dict[str, str]:
        # What Jupyter and IPython keep, and the frontends' own processes find.
        return {
            "JUPYTER_DATA_DIR": str(self.folder / "data"), "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"), "IPYTHONDIR": str(self.folder / "ipython"),
            "BERTH_SERVER": self.address,
        }

    def install(self, name: str, provisioner: bool = True, **config: Any) -> None:
        """A kernel; without a provisioner, frontends run its command."""
        from berth_jupyter import kernelspecs
        from berth_jupyter.settings import Settings

        folder = self.folder / "data/kernels" / name
        folder.mkdir(parents=True, exist_ok=True)
        spec = kernelspecs.content(Settings.of(config), name)
        if not provisioner:
            del spec["metadata"]["kernel_provisioner"]
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

    def leased(self) -> int:
        with berth.Client(self.address) as client:
            return sum(pool.leased for pool in client.stats().pools)

    def close(self) -> None:
        try:
            self.server.close()
        finally:
            for name, value in self._before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            shutil.rmtree(self.folder, ignore_errors=True)


def until(what: Callable[[], bool], seconds: float, pause: float = 0.05) -> float:
    """Waits for something that nobody tells of; how long it took."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(pause)
    return time.monotonic() - began


class Cell:
    """What a frontend shows below a cell."""

    def __init__(self) -> None:
        self.text = ""
        self.status = ""
        self.error = ""
        self.traceback = ""
        self.types: List[str] = []
        self.value: Optional[str] = None
        self.bytes = 0

    def add(self, message: Dict[str, Any]) -> None:
        content, kind = message["content"], message["msg_type"]
        if kind == "stream":
            self.bytes += len(content["text"])
            self.text = (self.text + content["text"])[-10000:]
        elif kind == "error":
            self.error, self.traceback = content["evalue"], "\n".join(content["traceback"])
        elif kind in ("execute_result", "display_data"):
            self.types += list(content["data"])
            self.value = content["data"].get("text/plain")


class Frontend:
    """A kernel manager and a client of it."""

    def __init__(self, manager: KernelManager, another: bool = False, reconnect_interval: int = 100) -> None:
        """``reconnect_interval``: of its subscriber, in milliseconds; libzmq adds up to as much again."""
        self.manager = manager
        #: Another one has a session of its own, by which a kernel tells them apart.
        self.client: BlockingKernelClient = manager.blocking_client() if another else manager.client()
        self.client.context.setsockopt(zmq.RECONNECT_IVL, reconnect_interval)
        self.client.iopub_channel  # Which connects it.
        self.client.context.setsockopt(zmq.RECONNECT_IVL, 100)
        self.client.start_channels()

    def ready(self) -> None:
        self.client.wait_for_ready(timeout=PATIENCE)

    def send(self, code: str, stdin: bool = False) -> str:
        return str(self.client.execute(code, allow_stdin=stdin))

    def take(self, id: str, on_message: Callable[[Dict[str, Any]], None] = lambda _: None) -> Cell:
        """What a cell shows, until it is idle and has its answer."""
        cell = self.take_shown(id, on_message)
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == id:
                cell.status = reply["content"]["status"]
                return cell

    def take_shown(self, id: str, on_message: Callable[[Dict[str, Any]], None] = lambda _: None) -> Cell:
        """The same of a cell that another frontend has sent."""
        cell = Cell()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != id:
                continue
            cell.add(message)
            on_message(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return cell

    def run(self, code: str) -> Cell:
        return self.take(self.send(code))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=not self.manager.is_alive())


@contextmanager
def frontend(name: str, reconnect_interval: int = 100) -> Iterator[Frontend]:
    manager = KernelManager(kernel_name=name)
    manager.start_kernel()
    opened = Frontend(manager, reconnect_interval=reconnect_interval)
    try:
        opened.ready()
        yield opened
    finally:
        opened.close()


class WorldCase(unittest.TestCase):
    """Has a server for all of its tests."""

    world: World
    flags: List[str] = []

    @classmethod
    def setUpClass(cls) -> None:
        cls.world = World(*cls.flags)
        cls.addClassCleanup(cls.world.close)
        cls.world.install("berth")
        cls.world.install("berth-argv", provisioner=False)
        cls.local()

    @classmethod
    def local(cls) -> None:
        """The kernel that Jupyter has without Berth, from the same interpreter as in the containers."""
        folder = cls.world.folder / "data/kernels/local"
        folder.mkdir(parents=True)
        argv = ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "local", "language": "python", "env": {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}}
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
