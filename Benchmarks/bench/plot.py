# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG files of our own: readable on a light and on a dark page, no script, nothing from the network."""
import html
import math

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 58, 40

STYLE = """
svg { --fg: #1c1f23; --dim: #646b73; --grid: #e4e7ea; --c0: #1f6fd0; --c1: #d9730d; --c2: #0f8a72; --c3: #8250c8;
  font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --fg: #e7e9ec; --dim: #9aa1aa; --grid: #2e3237; --c0: #6cabff;
  --c1: #ffa657; --c2: #4fd1b2; --c3: #c49bff; } }
text { fill: var(--dim); } .title { fill: var(--fg); font-size: 14px; font-weight: 600; } .value { fill: var(--fg); }
.grid { stroke: var(--grid); } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
"""


def number(value):
    """To three digits: 1234567 is "1.23 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 0.9995:
            return f"{digits(value / size)} {unit}"
    return digits(value)


def digits(value):
    if abs(value) >= 99.95 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def sized(value):
    """Bytes for people: 1234567 is "1.23 MB"."""
    text = number(value)
    return text + ("B" if " " in text else " B")


def seconds(value):
    return f"{digits(value)} s"


def microseconds(value):
    """A duration for people: 1234 is "1.23 ms"."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if abs(value) >= size * 0.9995:
            return f"{digits(value / size)} {unit}"
    return f"{digits(value)} µs"


def _text(x, y, words, css="", anchor="start"):
    css = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{html.escape(words)}</text>'


def _page(title, series, parts, height=HEIGHT):
    """The picture around its parts: title, and a legend where there is more than one series."""
    legend, x = [], LEFT
    for index, name in enumerate(series if len(series) > 1 else []):
        legend.append(f'<rect x="{x}" y="31" width="12" height="12" rx="2" style="fill:var(--c{index})"/>')
        legend.append(_text(x + 17, 41, name))
        x += 34 + 6.6 * len(name)
    label = html.escape(title, quote=True)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>", _text(LEFT, 20, title, "title"), *legend, *parts, "</svg>", ""])


def _ticks(highest):
    step = 10 ** math.floor(math.log10(max(highest, 1e-9) / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if factor * step >= highest / 4 * 0.999)
    return [step * index for index in range(math.ceil(highest / step - 1e-9) + 1)]


def _grid(ticks, write):
    top = ticks[-1] or 1

    def at(value):
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = []
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at(tick):.1f}" y2="{at(tick):.1f}"/>')
        parts.append(_text(LEFT - 8, at(tick) + 4, write(tick), anchor="end"))
    return parts, at


def columns(title, groups, series, write=number):
    """Columns side by side: `series` maps a name to one value for each group, None where there is none."""
    highest = max((value for values in series.values() for value in values if value), default=1)
    parts, at = _grid(_ticks(highest), write)
    slot = (WIDTH - LEFT - RIGHT) / len(groups)
    width = min(slot * 0.8 / len(series), 64)
    for place, group in enumerate(groups):
        middle = LEFT + slot * (place + 0.5)
        parts.append(_text(middle, HEIGHT - BOTTOM + 18, group, anchor="middle"))
        for index, values in enumerate(series.values()):
            value = values[place]
            if value is None:
                continue
            x = middle + (index - len(series) / 2) * width
            parts.append(f'<rect x="{x + 1:.1f}" y="{at(value):.1f}" width="{width - 2:.1f}" '
                         f'height="{HEIGHT - BOTTOM - at(value):.1f}" rx="2" style="fill:var(--c{index})"/>')
            parts.append(_text(x + width / 2, at(value) - 4, write(value), "value", "middle"))
    return _page(title, list(series), parts)


def bars(title, rows, write=microseconds):
    """Horizontal bars on a logarithmic scale, for figures that are far apart: rows of name and value."""
    values = [value for _, value in rows if value]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values) * 1.0001))
    left, height = 250, 54 + 28 * len(rows) + 26

    def at(value):
        return left + math.log(value / low) / math.log(high / low) * (WIDTH - left - 70)

    parts, tick = [], low
    while tick <= high * 1.001:
        parts.append(f'<line class="grid" x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="36" y2="{height - 24}"/>')
        parts.append(_text(at(tick), height - 8, write(tick), anchor="middle"))
        tick *= 10
    for index, (name, value) in enumerate(rows):
        y = 44 + 28 * index
        parts.append(_text(left - 8, y + 14, name, anchor="end"))
        if value:
            parts.append(f'<rect x="{left}" y="{y}" width="{max(at(value) - left, 1):.1f}" height="20" rx="2" '
                         'style="fill:var(--c0)"/>')
            parts.append(_text(at(value) + 6, y + 14, write(value), "value"))
    return _page(title, [], parts, height)


def lines(title, x_words, series, write=number):
    """Lines over a common x axis: `series` maps a name to points (x, y)."""
    points = [point for line in series.values() for point in line]
    parts, at = _grid(_ticks(max((y for _, y in points), default=1)), write)
    last = max((x for x, _ in points), default=1) or 1

    def across(value):
        return LEFT + value / last * (WIDTH - LEFT - RIGHT)

    for tick in _ticks(last):
        if tick <= last:
            parts.append(_text(across(tick), HEIGHT - BOTTOM + 18, number(tick), anchor="middle"))
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 6, x_words, anchor="end"))
    for index, line in enumerate(series.values()):
        path = " ".join(f"{across(x):.1f},{at(y):.1f}" for x, y in line)
        parts.append(f'<polyline class="line" style="stroke:var(--c{index})" points="{path}"/>')
    return _page(title, list(series), parts)
