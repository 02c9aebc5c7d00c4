# SPDX-License-Identifier: Apache-2.0
"""A terminal's screen as a picture, for the READMEs: text with SGR sequences becomes an SVG, and that a PNG.

Needs rsvg-convert (librsvg2-bin) and the font DejaVu Sans Mono.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, Tuple
from xml.sax.saxutils import escape

CELL_WIDTH, CELL_HEIGHT, MARGIN, SIZE = 9.03, 19, 10, 15
FOREGROUND, BACKGROUND = "#d8dee9", "#1e222a"
COLOURS = [
    "#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf",
    "#5c6370", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#ffffff",
]
#: A PNG between the lines, as iTerm2, WezTerm, Konsole and others show it. Its height is in rows.
INLINE = re.compile(r"\x1b\]1337;File=inline=1;height=(\d+):([^\x07]*)\x07")

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


def drawn(line: str, style: Style, y: int) -> Tuple[List[str], List[str], Style]:
    """A line of text: the shapes behind it, its texts, and the style with which the next line begins."""
    shapes, texts = [], []
    column = 0
    for style, text in runs_of(line, style):
        fg, bg = style.get("fg", FOREGROUND), style.get("bg")
        if style.get("reversed"):
            fg, bg = bg or BACKGROUND, fg
        x = MARGIN + column * CELL_WIDTH
        if bg and text:
            shapes.append(f'<rect x="{x:.2f}" y="{y}" width="{len(text) * CELL_WIDTH + 0.4:.2f}" height="{CELL_HEIGHT}" fill="{bg}"/>')
        more = ' font-weight="bold"' if style.get("bold") else ""
        more += ' opacity="0.6"' if style.get("dim") else ""
        if text.strip():
            texts.append(
                f'<text x="{x:.2f}" y="{y + 14}" fill="{fg}" textLength="{len(text) * CELL_WIDTH:.2f}"{more} '
                f'xml:space="preserve">{escape(text)}</text>')
        column += len(text)
    return shapes, texts, style


def svg_of(screen: str, columns: int) -> str:
    shapes: List[str] = []
    texts: List[str] = []
    style: Style = {}
    row = 0
    for line in screen.rstrip("\n").split("\n"):
        y = MARGIN + row * CELL_HEIGHT
        inline = INLINE.fullmatch(line)
        if inline:
            high = int(inline[1])
            texts.append(
                f'<image x="{MARGIN}" y="{y}" width="{columns * CELL_WIDTH:.2f}" height="{high * CELL_HEIGHT}" '
                f'preserveAspectRatio="xMinYMid" xlink:href="data:image/png;base64,{inline[2]}"/>')
            row += high
        else:
            behind, written, style = drawn(line, style, y)
            shapes += behind
            texts += written
            row += 1
    width, height = columns * CELL_WIDTH + 2 * MARGIN, row * CELL_HEIGHT + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width:.0f}" height="{height}" '
        f'font-family="DejaVu Sans Mono" font-size="{SIZE}"><rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
        + "".join(shapes) + "".join(texts) + "</svg>")


def save(target: Path, screen: str, columns: int) -> None:
    """Into a PNG."""
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as svg:
        svg.write(svg_of(screen, columns))
        svg.flush()
        subprocess.run(["rsvg-convert", "-o", str(target), svg.name], check=True)
