# SPDX-License-Identifier: Apache-2.0
"""Interpreters that keep their state: to open one, to run a piece in it, to interrupt that, to copy it."""
from .containers import serve
from .plot import microseconds
from .steps import step
from .system import tool

PIECES = 2000
# Microseconds.
PIECE, INTERRUPT, COPIES, SHOWN = 1500, 200_000, 100_000, 1000


@step("contexts", "Contexts: opening, pieces of code, interrupts and copies, runc")
def contexts(results):
    with serve(results, "runc", "--size", "1", "--max", "2", "--memory", "512m") as server:
        server.wait_idle(1)
        found = tool("contexts", server.port, PIECES)
    results.command(f"berth-bench contexts PORT {PIECES}")
    results.data.update(found)
    plain, opened, piece = found["plain_start"], found["open"], found["piece"]
    ratio = opened["p50"] / plain["p50"]
    results.figure("a context of Python is open, p50", microseconds(opened["p50"]),
                   f"a plain start of the interpreter {microseconds(plain['p50'])}; {ratio:.2f} times that", "≤ 1.3 times",
                   ratio <= 1.3)
    results.figure("a second piece, `x`, and its value, p50", microseconds(piece["p50"]),
                   f"p99 {microseconds(piece['p99'])}", "≤ 1.5 ms", piece["p50"] <= PIECE)
    bash = found["bash_piece"]
    results.figure("the same in bash, `echo $x`, p50", microseconds(bash["p50"]), f"p99 {microseconds(bash['p99'])}")
    for name, times in found["interrupts"].items():
        results.figure(f"INT ends {name} and keeps the variables, at most", microseconds(times["max"]),
                       f"p50 {microseconds(times['p50'])}, {times['count']} times", "≤ 200 ms", times["max"] <= INTERRUPT)
    copies = found["copies"]
    results.figure("20 copies of a context with 50 MB, p50", microseconds(copies["p50"]),
                   f"at most {microseconds(copies['max'])}, {copies['count']} times", "≤ 100 ms", copies["p50"] <= COPIES)
    frame = found.get("data_frame")
    if frame is None:
        results.figure("a DataFrame is shown as HTML and text", "not measured", "there is no pandas")
    else:
        more = frame["shown"]["p50"] - frame["rendered"]["p50"]
        results.figure("a DataFrame as HTML and text, beside its rendering, p50", microseconds(max(0, more)),
                       f"rendered {microseconds(frame['rendered']['p50'])}", "≤ 1 ms", more <= SHOWN)
