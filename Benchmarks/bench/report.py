"""What is left of a run: JSON, a table in Markdown, and plots."""
import json
import re

from .system import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "docs" / "benchmarks"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def _cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(figures):
    lines = ["| what | figure | beside it | target |", "|---|---|---|---|"]
    return lines + ["| " + " | ".join(_cell(cell) for cell in figure.row()) + " |" for figure in figures]


def markdown(machine, steps, plots_in):
    """All steps: `steps` are (name, title, Results, failure)."""
    words = "; ".join(f"{key} {value}" for key, value in machine.items() if value != "not there")
    lines = [f"Measured by `make bench`: {words}.", ""]
    for name, title, results, failure in steps:
        lines += [f"### {title}", ""]
        if results.figures:
            lines += [*table(results.figures), ""]
        if failure:
            lines += [f"**This step failed:** {_cell(failure)}", ""]
        for plot in results.plots:
            lines += [f"![{title}]({plots_in}{plot}.svg)", ""]
        if results.commands:
            lines += [f"`make bench ONLY={name}` does this:", "", "```sh", *results.commands, "```", ""]
    return "\n".join(lines)


def write(folder, machine, steps):
    """Writes results.json, results.md and the plots to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for _, _, results, _ in steps:
        for name, plot in results.plots.items():
            (folder / f"{name}.svg").write_text(plot, encoding="utf-8")
    found = {"machine": machine, "steps": {name: {**results.json(), "failure": failure}
                                           for name, _, results, failure in steps}}
    (folder / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(machine, steps, ""), encoding="utf-8")


def record(machine, steps):
    """Puts the run into docs/benchmarks.md, between its marks, and its plots and JSON beside it."""
    write(PLOTS, machine, steps)
    (PLOTS / "results.md").unlink()
    text = DOCUMENT.read_text(encoding="utf-8")
    new = f"{BEGIN}\n\n{markdown(machine, steps, 'benchmarks/')}\n{END}"
    text, count = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: new, text, flags=re.S)
    if count != 1:
        raise ValueError(f"{DOCUMENT} has not one pair of the marks {BEGIN} {END}")
    DOCUMENT.write_text(text, encoding="utf-8")
