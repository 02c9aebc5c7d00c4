# SPDX-License-Identifier: Apache-2.0
"""A model host without an SDK: lines of JSON to and from `berth mcp`; and what the tests want to know of the server."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

BERTH = os.environ.get("BERTH") or str(Path(__file__).resolve().parents[3] / ".build/debug/berth")
#: For what has to happen, on a busy machine.
PATIENCE = 20.0

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Host:
    """A process `berth mcp`, and the messages between it and this one."""

    def __init__(
        self,
        *flags: str,
        version: Optional[str] = "2025-11-25",
        reads: bool = True,
        reads_errors: bool = True,
        server: Optional[str] = None,
    ) -> None:
        address = server or os.environ["BERTH_SERVER"]
        self.process = subprocess.Popen(
            [BERTH, "mcp", "--server", address, *flags],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        #: Every line of stdout, as it came.
        self.lines: List[bytes] = []
        self.errors: List[bytes] = []
        self._messages: "queue.Queue[Optional[Any]]" = queue.Queue()
        self._kept: List[Any] = []
        self._next = 0
        if reads_errors:
            threading.Thread(target=self._read_errors, daemon=True).start()
        if reads:
            self.read()
        self.version = version
        if version is not None and reads:
            self.initialized = self.ask(
                "initialize",
                {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
            )["result"]
            self.notify("notifications/initialized")

    def read(self) -> None:
        """Begins to read stdout."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.append(line)
                self._messages.put(json.loads(line))
        self._messages.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            for line in stderr:
                self.errors.append(line)

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> int:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    # Messages

    def write(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def send(self, message: Any) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def notify(self, method: str, params: Optional[Dict[str, Any]] = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def begin(self, method: str, params: Optional[Dict[str, Any]] = None) -> int:
        """Sends a request, and returns its id."""
        self._next += 1
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params or {}})
        return self._next

    def next(self, timeout: float = PATIENCE) -> Any:
        """The next message of any kind."""
        message = self._messages.get(timeout=timeout)
        if message is None:
            raise EOFError(b"".join(self.errors).decode())
        return message

    def answer(self, request: int, timeout: float = PATIENCE) -> Any:
        """The answer to a request; other messages are kept in `others`."""
        for message in self._kept:
            if message.get("id") == request:
                self._kept.remove(message)
                return message
        deadline = time.monotonic() + timeout
        while True:
            message = self.next(deadline - time.monotonic())
            if message.get("id") == request:
                return message
            self._kept.append(message)

    @property
    def others(self) -> List[Any]:
        """Messages that came and were not waited for."""
        return self._kept

    def ask(self, method: str, params: Optional[Dict[str, Any]] = None) -> Any:
        return self.answer(self.begin(method, params))

    def begin_call(self, tool: str, token: Any = None, **arguments: Any) -> int:
        params: Dict[str, Any] = {"name": tool, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        return self.begin("tools/call", params)

    def call(self, tool: str, **arguments: Any) -> Dict[str, Any]:
        """The result of a call."""
        answer = self.answer(self.begin_call(tool, **arguments))
        assert "result" in answer, answer
        return answer["result"]

    def session(self, **arguments: Any) -> str:
        return str(self.call("start_session", **arguments)["structuredContent"]["session"])


def text(result: Dict[str, Any]) -> str:
    return "\n".join(block["text"] for block in result["content"] if block["type"] == "text")


# The server and its containers


def berth(*arguments: str) -> str:
    """What `berth` prints."""
    return subprocess.run([BERTH, *arguments], check=True, capture_output=True, text=True).stdout


def leased() -> int:
    """Containers that somebody has."""
    return sum(json.loads(line)["state"] == "leased" for line in berth("admin", "members", "--json").splitlines())


def waiting() -> int:
    """Callers that wait for a container."""
    return sum(pool["waiters"] for pool in json.loads(berth("stats", "--json"))["pools"])


def processes(word: str) -> List[int]:
    """Processes of this machine that have the word among their arguments."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            arguments = Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in arguments.split(b"\0"):
            found.append(int(entry))
    return found


def kill_container(of: int) -> None:
    """Kills the first process of the container that a process is in, and everything in it so."""
    namespace = os.readlink(f"/proc/{of}/ns/pid")
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                status = Path(f"/proc/{entry}/status").read_text()
                if next(line for line in status.splitlines() if line.startswith("NSpid")).split()[-1] == "1":
                    os.kill(int(entry), signal.SIGKILL)
                    return
        except OSError:
            continue
    raise RuntimeError(f"no first process is with {of}")


def eventually(what: Callable[[], bool], timeout: float = PATIENCE) -> float:
    """Waits for it, and returns the seconds that it took."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > timeout:
            raise AssertionError(f"not within {timeout} s")
        time.sleep(0.01)
    return time.monotonic() - began
