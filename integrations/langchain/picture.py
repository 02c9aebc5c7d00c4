#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the README's picture: an agent at work in a container, step by step: picture.py FILE.png

What its model says is written here; the container, and what the tools answer, are the server's at BERTH_SERVER. Needs what
screenshot.py does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
sys.path[:0] = [str(PACKAGE / "tests"), str(PACKAGE.parent)]

import screenshot  # noqa: E402
from deepagents import create_deep_agent  # noqa: E402
from langchain_berth import BerthSandbox  # noqa: E402
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage  # noqa: E402
from told import Told, call  # noqa: E402

COLUMNS = 84
BOLD, DIM, GREEN, BLUE, CYAN, PLAIN = (f"\033[{code}m" for code in (1, 2, 32, 34, 36, 0))

QUESTION = "Which number below 10 000 has the longest Collatz sequence? Keep it in a file."
PROGRAM = """\
def steps(n):
    count = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        count += 1
    return count

best = max(range(1, 10_000), key=steps)
print(f"{best} takes {steps(best)} steps")
"""
MODEL = [
    ("First a look at where I am.", call("execute", command="id; python3 --version; df -h . | tail -1")),
    ("Now the program.", call("write_file", file_path="/workspace/collatz.py", content=PROGRAM)),
    ("", call("execute", command="python3 collatz.py > result.txt; ls")),
    ("", call("read_file", file_path="/workspace/result.txt")),
    ("It is 6171, with 261 steps; /workspace/result.txt says so.", AIMessage("")),
]


def shown(message: BaseMessage) -> list[str]:
    """A message's lines on the terminal."""
    if isinstance(message, ToolMessage):
        return [f"  {DIM}│{PLAIN} {line}" if line else f"  {DIM}│{PLAIN}" for line in message.text.rstrip().split("\n")]
    if isinstance(message, HumanMessage):
        return [f"{BOLD}{BLUE}❯{PLAIN} {BOLD}{message.text}{PLAIN}"]
    assert isinstance(message, AIMessage)
    lines = ["", message.text] if message.text else []
    for request in message.tool_calls:
        subject, *rest = request["args"].values()
        lines.append(f"{GREEN}●{PLAIN} {BOLD}{CYAN}{request['name']}{PLAIN}  {subject}")
        lines += [f"  {GREEN}+ {line}{PLAIN}" for text in rest for line in text.rstrip().split("\n")]
    return lines


def main(target: str) -> None:
    answers = [answer.model_copy(update={"content": said}) for said, answer in MODEL]
    messages: list[BaseMessage] = []
    lines: list[str] = []
    with BerthSandbox() as sandbox:
        agent = create_deep_agent(model=Told(answers=answers), backend=sandbox)
        question: Any = {"messages": [HumanMessage(QUESTION)]}
        for state in agent.stream(question, stream_mode="values"):
            for message in state["messages"][len(messages) :]:
                lines += shown(message)
                messages.append(message)
    # What the model says has to be so.
    assert "6171 takes 261 steps" in messages[-2].text, messages[-2]
    screen = "\n".join(lines)
    print(screen)
    screenshot.save(Path(target), screen, COLUMNS)


if __name__ == "__main__":
    main(sys.argv[1])
