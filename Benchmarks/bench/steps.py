# SPDX-License-Identifier: Apache-2.0
"""What a step is: a function that measures one thing, and leaves figures, commands and plots."""
import dataclasses

STEPS = {}


@dataclasses.dataclass
class Figure:
    """A line of the table."""
    what: str
    value: str
    beside: str = ""
    target: str = ""
    # None: no target, or none that this machine can be held to.
    met: bool = None

    def row(self):
        target = self.target
        if self.met is not None:
            target += ": yes" if self.met else ": **no**"
        return [self.what, self.value, self.beside, target]


class Results:
    """What one step has found."""

    def __init__(self, name, machine):
        self.name, self.machine = name, machine
        self.figures, self.commands, self.plots, self.data = [], [], {}, {}
        self.seconds, self.failure = 0, None
        # Percent of the CPU time that the host gave to others meanwhile; None: not known.
        self.stolen = None

    def figure(self, *arguments, **named):
        figure = Figure(*arguments, **named)
        self.figures.append(figure)
        print("   ", "  |  ".join(cell for cell in figure.row() if cell), flush=True)

    def command(self, line):
        if line not in self.commands:
            self.commands.append(line)

    def json(self):
        return {"machine": self.machine, "commands": self.commands, "plots": list(self.plots), "failure": self.failure,
                "figures": [dataclasses.asdict(figure) for figure in self.figures], "data": self.data,
                "seconds": self.seconds, "stolen": self.stolen}


def step(name, title, by_default=True):
    """Makes a function a step; those that take long run only when they are named."""
    def register(function):
        STEPS[name] = (function, title, by_default)
        return function
    return register
