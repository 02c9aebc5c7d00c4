# SPDX-License-Identifier: Apache-2.0
"""Berth servers for tests: on runc, at ports of their own."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import List, Optional, TextIO, Tuple

ROOT = Path(__file__).resolve().parents[2]
#: Stands for an agent that ends at once, in the flags of a server.
BROKEN_AGENT = "BROKEN-AGENT"


def find_berth() -> Tuple[str, List[str]]:
    """The berth binary that BERTH names, or the one of this repository; and what is in the way of using it."""
    binary = os.environ.get("BERTH") or str(ROOT / ".build/debug/berth")
    problems = []
    if not os.access(binary, os.X_OK):
        problems.append(f"there is no berth at {binary}: build it, or say BERTH=…")
    if os.geteuid() != 0:
        problems.append("runc needs root")
    return binary, problems


def speaks_tls(binary: str) -> bool:
    """Whether its servers do, and know tokens."""
    said = subprocess.run([binary, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    return any(line.split()[:1] == ["token"] for line in said.splitlines())


class Lines:
    """A stream's lines, with a time to wait for each."""

    def __init__(self, stream: TextIO) -> None:
        self._lines: "queue.Queue[Optional[str]]" = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: TextIO) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def next(self, timeout: float) -> Optional[str]:
        """None at the end. Raises ``queue.Empty``."""
        return self._lines.get(timeout=max(0.0, timeout))


class Server:
    """A berth server of our own, at an address that it keeps when it is started again."""

    def __init__(
        self, binary: str, name: str, flags: List[str], folder: Path, certificates: Optional[Path] = None
    ) -> None:
        """With ``certificates`` it speaks TLS, and wants a client's certificate and a token."""
        self._folder = folder / name
        self._folder.mkdir()
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        #: What a client needs to reach it.
        self.environment = {"BERTH_SERVER": self.address}
        if certificates is not None:
            flags = [*flags, *self._secure(binary, certificates)]
        agent = self._folder / "agent"
        self._command = [
            binary, "serve", "--runtime", "runc", "--listen", self.address, "--instance", f"conf{self._port}",
            "--state-dir", str(self._folder / "state"), "--log-level", "warning", "--drain-time", "1s",
            *[str(agent) if flag == BROKEN_AGENT else flag for flag in flags],
        ]
        self._breaks = agent if BROKEN_AGENT in flags else None
        self._log = open(self._folder / "log", "a+")
        self._process: Optional[subprocess.Popen[str]] = None

    def _secure(self, binary: str, certificates: Path) -> List[str]:
        tokens, configuration = self._folder / "tokens", self._folder / "berth.yaml"
        made = subprocess.run(
            [binary, "token", "create", "conformance", "--file", str(tokens)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if made.returncode != 0:
            raise RuntimeError(f"{binary} token create:\n{made.stderr}")
        configuration.write_text(
            f"tokens: {tokens}\nquota_file: {self._folder / 'quota'}\ntenants: {{conformance: {{role: operator}}}}\n"
            f"tls:\n  certificate: {certificates / 'server.pem'}\n  key: {certificates / 'server.key'}\n"
            f"  client_ca: {certificates / 'ca.pem'}\n"
        )
        self.environment = {
            "BERTH_SERVER": f"tls://{self.address}",
            "BERTH_TLS_CA": str(certificates / "ca.pem"),
            "BERTH_TLS_CERT": str(certificates / "client.pem"),
            "BERTH_TLS_KEY": str(certificates / "client.key"),
            "BERTH_TOKEN": made.stdout.strip(),
        }
        return ["--config", str(configuration)]

    def start(self) -> None:
        if self._breaks is not None:
            # An agent that ends at once: every create fails, as with a broken image.
            shutil.copy("/bin/false", self._breaks)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self._process.stdout is not None
        try:
            line = Lines(self._process.stdout).next(20)
        except queue.Empty:
            line = None
        if line is None or "listening on" not in line:
            raise RuntimeError(f"{' '.join(self._command)} did not start:\n{self.log()}")

    def log(self) -> str:
        self._log.seek(0)
        return "".join(self._log.readlines()[-20:])

    def end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the server at {self.address} did not end within 30 s of {how.name}") from None
        finally:
            assert process.stdout is not None
            process.stdout.close()

    def change(self, action: str) -> None:
        """What `world action=…` asks for."""
        if action in ("kill", "restart"):
            self.end(signal.SIGKILL)
        elif action == "drain":
            self.end(signal.SIGTERM)
        elif action != "start":
            raise RuntimeError(f"unknown action {action}")
        if action in ("start", "restart"):
            self.start()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        try:
            self.end(signal.SIGTERM)
        finally:
            self._log.close()


class TLSFront:
    """Speaks TLS in front of a server of a release that does not. Asks for a client's certificate, and for a token with each request."""

    TOKEN = "conformance-token-0123456789"

    def __init__(self, upstream: str, certificates: Path, log: TextIO) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "clients/conformance/relay.py"), upstream, str(certificates / "server.pem"),
             str(certificates / "server.key"), "--client-ca", str(certificates / "ca.pem"), "--token", self.TOKEN],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        if not address:
            self.close()
            raise RuntimeError("clients/conformance/relay.py did not start")
        #: What a client needs for it.
        self.environment = {
            "BERTH_SERVER": f"tls://{address}",
            "BERTH_TLS_CA": str(certificates / "ca.pem"),
            "BERTH_TLS_CERT": str(certificates / "client.pem"),
            "BERTH_TLS_KEY": str(certificates / "client.key"),
            "BERTH_TOKEN": self.TOKEN,
        }

    def close(self) -> None:
        self._process.communicate(timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
