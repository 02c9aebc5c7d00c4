#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the README's picture: a session in Neovim in tmux, its screen as an SVG, and that as a PNG: picture.py FILE.png

The server is BERTH_SERVER's. Needs rsvg-convert.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).parent))

from tmux import PLUGIN, Editor  # noqa: E402

ROWS, COLUMNS = 29, 84
CELL_WIDTH, CELL_HEIGHT, MARGIN, SIZE = 9.03, 19, 10, 15
FOREGROUND, BACKGROUND = "#d8dee9", "#1e222a"
COLOURS = [
    "#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf",
    "#5c6370", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#ffffff",
]

Style = Dict[str, object]


def indexed(number: int) -> str:
    if number < 16:
        return COLOURS[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#%02x%02x%02x" % (levels[number // 36], levels[number // 6 % 6], levels[number % 6])


def restyled(style: Style, codes: List[int]) -> Style:
    """What an SGR sequence makes of a style."""
    style = dict(style)
    rest = iter(codes or [0])
    for code in rest:
        if code == 0:
            style = {}
        elif code in (1, 2, 3, 4, 7):
            style[{1: "bold", 2: "dim", 3: "italic", 4: "underlined", 7: "reversed"}[code]] = True
        elif code in (22, 23, 24, 27):
            for name in {22: ["bold", "dim"], 23: ["italic"], 24: ["underlined"], 27: ["reversed"]}[code]:
                style.pop(name, None)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style["fg"] = COLOURS[code - 30 if code < 90 else code - 82]
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style["bg"] = COLOURS[code - 40 if code < 100 else code - 92]
        elif code in (38, 48):
            of = "fg" if code == 38 else "bg"
            style[of] = indexed(next(rest)) if next(rest) == 5 else "#%02x%02x%02x" % (next(rest), next(rest), next(rest))
        elif code in (39, 49):
            style.pop("fg" if code == 39 else "bg", None)
    return style


def runs_of(line: str, style: Style) -> Iterator[Tuple[Style, str]]:
    """Pieces of a line, each with its style; the last one, which may be empty, has what the next line begins with."""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            style = restyled(style, [int(code or 0) for code in part[2:-1].split(";")])
        elif part:
            yield style, re.sub(r"[\x0e\x0f]|\x1b\(.", "", part)
    yield style, ""


def svg_of(screen: str) -> str:
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN
    shapes, texts = [], []
    style: Style = {}
    for row, line in enumerate(screen.rstrip("\n").split("\n")[:ROWS]):
        column = 0
        for style, text in runs_of(line, style):
            fg, bg = style.get("fg", FOREGROUND), style.get("bg")
            if style.get("reversed"):
                fg, bg = bg or BACKGROUND, fg
            x, y = MARGIN + column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT
            if bg and text:
                shapes.append(f'<rect x="{x:.2f}" y="{y}" width="{len(text) * CELL_WIDTH + 0.4:.2f}" height="{CELL_HEIGHT}" fill="{bg}"/>')
            more = ' font-weight="bold"' if style.get("bold") else ""
            more += ' opacity="0.6"' if style.get("dim") else ""
            if text.strip():
                texts.append(
                    f'<text x="{x:.2f}" y="{y + 14}" fill="{fg}" textLength="{len(text) * CELL_WIDTH:.2f}"{more} '
                    f'xml:space="preserve">{escape(text)}</text>')
            column += len(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'font-family="DejaVu Sans Mono" font-size="{SIZE}"><rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
        + "".join(shapes) + "".join(texts) + "</svg>")


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
        Path(target).with_suffix(".svg").write_text(svg_of(editor.screen(with_colours=True)), encoding="utf-8")
    finally:
        editor.close()
    svg = Path(target).with_suffix(".svg")
    subprocess.run(["rsvg-convert", "-o", target, str(svg)], check=True)
    svg.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
