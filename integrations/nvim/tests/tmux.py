# SPDX-License-Identifier: Apache-2.0
"""A Neovim in a tmux of its own, as somebody sits before it: keys in, the screen out."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import List, Optional

PLUGIN = Path(__file__).resolve().parents[1]


class Editor:
    """Neovim without anybody's configuration. Its server is BERTH_SERVER's."""

    def __init__(self, *arguments: str, rows: int = 24, columns: int = 80, nvim: str = "nvim") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="berth-nvim-")
        self._socket = os.path.join(self._folder.name, "tmux")
        command = [
            nvim, "-u", "NONE", "-i", "NONE", "-n", "--cmd", f"set runtimepath^={PLUGIN} termguicolors noshowcmd",
            "-c", "runtime plugin/berth.lua", *arguments,
        ]
        environment = {
            **os.environ, "XDG_DATA_HOME": self._folder.name, "XDG_STATE_HOME": self._folder.name, "TERM": "screen-256color",
            "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        }
        environment.pop("TMUX", None)
        self._environment = environment
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), *command)
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("set-option", "-s", "escape-time", "0")

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments], env=self._environment, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout

    def type(self, text: str) -> None:
        """Characters as they are."""
        self._tmux("send-keys", "-l", "--", text)

    def keys(self, *names: str) -> None:
        """Keys by tmux's names: Enter, C-c, Escape …"""
        self._tmux("send-keys", *names)

    def command(self, line: str) -> None:
        self.type(f":{line}")
        self.keys("Enter")

    def resize(self, rows: int, columns: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self, with_colours: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e", "-N"] if with_colours else []))

    def lines(self) -> List[str]:
        return [line.rstrip() for line in self.screen().split("\n")]

    def shows(self, pattern: str, within: float = 15.0, with_colours: bool = False) -> re.Match[str]:
        """Waits until the screen matches."""
        end = time.monotonic() + within
        while True:
            screen = self.screen(with_colours)
            found: Optional[re.Match[str]] = re.search(pattern, screen, re.MULTILINE)
            if found is not None:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} has not come within {within:.0f} s:\n{screen}")

    def close(self) -> None:
        self._tmux("kill-server")
        self._folder.cleanup()
