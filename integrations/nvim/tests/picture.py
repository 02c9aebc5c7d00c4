#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the README's picture: a session in Neovim in tmux: picture.py FILE.png

The server is BERTH_SERVER's. Needs what screenshot.py does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parents[1])]

import screenshot  # noqa: E402
from tmux import PLUGIN, Editor  # noqa: E402

ROWS, COLUMNS = 29, 84


def main(target: str) -> None:
    target = os.path.abspath(target)
    os.chdir(PLUGIN)
    editor = Editor(
        "example/primes.py", "-c", "syntax on | set number notermguicolors noruler laststatus=2 shortmess+=F | colorscheme desert",
        "-c", "lua require('berth').setup{ window = { size = 12 } }", rows=ROWS, columns=COLUMNS)
    try:
        editor.shows("average:")
        editor.command("BerthSession")
        editor.shows("a session is open")
        for lines, what in (("3,5", "exit 0"), ("7,12", r"exit 0 · \d+\.\d+ s"), ("14", "✗ exit 1")):
            editor.command(f"{lines}BerthRun")
            editor.shows(what)
        editor.command("cc")
        editor.shows(r"^\(1 of 1\) error")
        screenshot.save(Path(target), editor.screen(with_colours=True), COLUMNS)
    finally:
        editor.close()


if __name__ == "__main__":
    main(sys.argv[1])
