# SPDX-License-Identifier: Apache-2.0
"""What is left of a run: JSON, a table in Markdown, and plots."""
import json
import re

from .steps import STEPS, Figure, Results
from .system import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
RECORDED = ROOT / "docs" / "benchmarks"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def _cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(figures):
    lines = ["| what | figure | beside it | target |", "|---|---|---|---|"]
    return lines + ["| " + " | ".join(_cell(cell) for cell in figure.row()) + " |" for figure in figures]


def _about(machine):
    return "Measured by `make bench`: " + "; ".join(
        f"{key} {value}" for key, value in machine.items() if value != "not there") + "."


def markdown(steps, plots_in):
    """Of all steps that are given; where they were measured is told again where it changes."""
    lines, machine = [], None
    for results in steps:
        title = STEPS[results.name][1]
        lines += [f"### {title}", ""]
        if results.machine != machine:
            machine = results.machine
            lines += [_about(machine), ""]
        if results.stolen is not None:
            lines += [f"Meanwhile the host gave {results.stolen} % of the CPU time to others.", ""]
        if results.figures:
            lines += [*table(results.figures), ""]
        if results.failure:
            lines += [f"**This step failed:** {_cell(results.failure)}", ""]
        for plot in results.plots:
            lines += [f"![{title}]({plots_in}{plot}.svg)", ""]
        if results.commands:
            lines += [f"`make bench ONLY={results.name}` does this:", "", "```sh", *results.commands, "```", ""]
    return "\n".join(lines)


def write(folder, steps):
    """Writes results.json, results.md and the plots to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for results in steps:
        for name, plot in results.plots.items():
            (folder / f"{name}.svg").write_text(plot, encoding="utf-8")
    found = {results.name: results.json() for results in steps}
    (folder / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(steps, ""), encoding="utf-8")


def read(folder):
    """The steps that `write` left in `folder`, by name."""
    file, steps = folder / "results.json", {}
    if not file.exists():
        return steps
    for name, found in json.loads(file.read_text(encoding="utf-8")).items():
        if name not in STEPS:
            continue
        results = steps[name] = Results(name, found["machine"])
        results.figures = [Figure(**figure) for figure in found["figures"]]
        results.commands, results.data, results.failure = found["commands"], found["data"], found["failure"]
        results.seconds, results.stolen = found["seconds"], found.get("stolen")
        results.plots = {plot: (folder / f"{plot}.svg").read_text(encoding="utf-8") for plot in found["plots"]}
    return steps


def record(steps):
    """Puts the run into docs/benchmarks.md, between its marks, and plots and JSON beside it. Steps that were not in this
    run stay as they were recorded."""
    all_steps = {**read(RECORDED), **{results.name: results for results in steps}}
    ordered = [all_steps[name] for name in STEPS if name in all_steps]
    write(RECORDED, ordered)
    (RECORDED / "results.md").unlink()
    text = DOCUMENT.read_text(encoding="utf-8")
    new = f"{BEGIN}\n\n{markdown(ordered, 'benchmarks/')}\n{END}"
    text, count = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: new, text, flags=re.S)
    if count != 1:
        raise ValueError(f"{DOCUMENT} has not one pair of the marks {BEGIN} {END}")
    DOCUMENT.write_text(text, encoding="utf-8")
