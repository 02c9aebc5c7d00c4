# SPDX-License-Identifier: Apache-2.0
"""Emacs in a terminal of tmux, with the snippets of the README as its init file: what a person types and sees."""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS, ROWS = 92, 26


class Screen:
    """A context manager; FILES lie in the directory that Emacs is in."""

    def __init__(self, files: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="berth-emacs-")
        self.folder = Path(self._folder.name)
        # A server of its own: another that ends at this moment is not in the way.
        self._socket = str(self.folder / "tmux")
        for name, text in files.items():
            (self.folder / name).write_text(text)
        blocks = re.findall(r"^```elisp\n(.*?)^```$", (HERE / "README.md").read_text(), re.M | re.S)
        init = self.folder / "init.el"
        init.write_text("\n".join(["(setq inhibit-startup-screen t)", "(menu-bar-mode -1)", *blocks]))

    def __enter__(self) -> "Screen":
        command = f"emacs --no-window-system --quick --load {shlex.quote(str(self.folder / 'init.el'))}"
        self._tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(self.folder), command)
        self.until(r"\*scratch\*")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, stderr=subprocess.DEVNULL)
        self._folder.cleanup()

    def _tmux(self, *words: str) -> str:
        # tmux's own configuration of whoever runs this is none of ours.
        result = subprocess.run(["tmux", "-S", self._socket, "-f", "/dev/null", *words], check=True, stdout=subprocess.PIPE, text=True)
        return result.stdout

    def keys(self, *names: str) -> None:
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)
        self.keys("Enter")

    def command(self, name: str, *answers: str) -> None:
        """M-x NAME, with the answers to what it asks."""
        self.keys("M-x")
        self.until(r"M-x")
        self.type(name)
        for question, answer in zip(answers[::2], answers[1::2]):
            self.until(question)
            self.keys("C-a", "C-k")
            self.type(answer)

    def text(self, escapes: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if escapes else []))

    def until(self, pattern: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text(), re.M):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {pattern}\n{self.text()}")
            time.sleep(0.05)
        return self.text()
