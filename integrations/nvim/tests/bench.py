#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the plugin promises, measured before a terminal: Neovim on a pseudo-terminal of ours, the server at BERTH_SERVER.

    bench.py [--runs N] [--seconds N] [--nvim PATH]

Prints a line for each figure, and ends with 1 if one is missed:

    first line      from the program's print to its bytes on the terminal, both by this machine's clock
    typing          from a key to the character on the terminal, while `yes` runs in a split
    100 MB          how long, how much memory, and whether the end is the right one
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import List, Tuple

PLUGIN = Path(__file__).resolve().parents[1]
LIMIT = 30.0


class Terminal:
    """Neovim, and every byte that it draws, with the time at which it came."""

    def __init__(self, nvim: str, folder: str) -> None:
        self.process, self._file = pty.fork()
        if self.process == 0:
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", XDG_DATA_HOME=folder, XDG_STATE_HOME=folder)
            os.execvp(nvim, [
                nvim, "-u", "NONE", "-i", "NONE", "-n", "--cmd", f"set runtimepath^={PLUGIN} noshowcmd noruler shortmess+=F",
                "-c", "runtime plugin/berth.lua",
            ])
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self._drawn = b""

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def command(self, line: str) -> None:
        self.type(f":{line}\r")

    def shows(self, pattern: bytes, limit: float = LIMIT) -> Tuple[re.Match[bytes], float]:
        """Waits until what is drawn matches; what came before the end of the match is passed over the next time."""
        end = time.monotonic() + limit
        while True:
            found = re.search(pattern, self._drawn)
            if found is not None:
                self._drawn = self._drawn[found.end():]
                return found, time.time()
            if not select.select([self._file], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} was not drawn within {limit:.0f} s; last: {self._drawn[-300:]!r}")
            self._drawn = self._drawn[-65536:] + os.read(self._file, 65536)

    def skim(self, seconds: float) -> None:
        """Reads what is drawn for so long, and lets it go."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            if select.select([self._file], [], [], rest)[0]:
                os.read(self._file, 65536)
        self._drawn = b""

    def resident(self) -> int:
        """KiB of memory."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])

    def close(self) -> None:
        os.kill(self.process, signal.SIGTERM)
        os.waitpid(self.process, 0)
        os.close(self._file)


def quantile(values: List[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def first_lines(terminal: Terminal, runs: int) -> List[float]:
    """Milliseconds. The line is its time; what follows it is to come later."""
    found = []
    for _ in range(runs):
        terminal.command(r"""BerthRun date +S\%s.\%NE; sleep 0.2; echo done""".replace("\\%", "%"))
        match, seen = terminal.shows(rb"S(\d+\.\d{9})E")
        found.append((seen - float(match[1])) * 1000)
        terminal.shows("✓".encode())
    return found


def typing(terminal: Terminal, seconds: float) -> List[float]:
    """Milliseconds. Characters that are drawn nowhere else: those of another alphabet."""
    terminal.type("i")
    terminal.skim(0.3)
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        letter = chr(0x0410 + len(found) % 32)
        began = time.monotonic()
        terminal.type(letter)
        terminal.shows(letter.encode())
        found.append((time.monotonic() - began) * 1000)
        # In no step with the screen's turns.
        terminal.skim(0.071)
        if len(found) % 60 == 0:
            terminal.type("\r")
            terminal.skim(0.1)
    terminal.type("\x1b")
    terminal.skim(0.2)
    return found


def typing_under_yes(terminal: Terminal, seconds: float) -> List[float]:
    terminal.command("BerthRun yes")
    terminal.shows(rb"y\r\ny\r\ny")
    found = typing(terminal, seconds)
    terminal.command("BerthCancel")
    terminal.shows("✗ cancelled".encode())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--nvim", default="nvim")
    options = parser.parse_args()
    missed = 0

    def report(name: str, words: str, is_met: bool) -> None:
        nonlocal missed
        missed += 0 if is_met else 1
        print(f"{name:12} {words}{'' if is_met else '   MISSED'}", flush=True)

    with tempfile.TemporaryDirectory(prefix="berth-nvim-") as folder:
        terminal = Terminal(options.nvim, folder)
        try:
            terminal.shows(rb"~")
            first_lines(terminal, 3)
            lines = first_lines(terminal, options.runs)
            report("first line", f"p50 {statistics.median(lines):.1f} ms, p95 {quantile(lines, 0.95):.1f}, of {len(lines)}; at most 50 (p50)",
                   statistics.median(lines) <= 50)
            for during, keys in (("nothing", typing(terminal, 5.0)), ("yes", typing_under_yes(terminal, options.seconds))):
                report("typing", f"p50 {statistics.median(keys):.1f} ms, p95 {quantile(keys, 0.95):.1f}, most {max(keys):.1f}, "
                       f"of {len(keys)} keys while {during} runs; at most 30 (p95)", quantile(keys, 0.95) <= 30)
            before = terminal.resident()
            began = time.monotonic()
            terminal.command("BerthRun seq 1 12500000")
            most = before
            while True:
                most = max(most, terminal.resident())
                try:
                    terminal.shows("✓ exit 0".encode(), 0.2)
                    break
                except AssertionError:
                    if time.monotonic() - began > 120:
                        raise
            took = time.monotonic() - began
            terminal.skim(0.5)
            terminal.command(
                "lua local lines = vim.api.nvim_buf_get_lines(vim.fn.winbufnr(2), -60, -1, false) "
                "print('the end is ' .. table.concat(lines, ' '):gsub(' *$', ''):sub(-17) .. '.')")
            terminal.shows(rb"the end is 12499999 12500000\.")
            report("100 MB", f"{took:.1f} s, {(most - before) / 1024:.0f} MiB more than before; at most 32; the end is right",
                   most - before <= 32 * 1024)
        finally:
            terminal.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
