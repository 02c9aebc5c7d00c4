# SPDX-License-Identifier: Apache-2.0
"""Whole agents, with a model that says what it was told to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import deepagents
import pytest
from deepagents import create_deep_agent
from langchain_berth import BerthSandbox
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from told import Told, call

PACKAGE = Path(__file__).resolve().parents[1]
QUESTION: Any = {"messages": [{"role": "user", "content": "What is 6 * 7? Compute it."}]}


def answers() -> list[AIMessage]:
    return [
        call("write_file", file_path="/workspace/product.py", content="print(6 * 7)\n"),
        call("execute", command="python3 product.py; echo problem >&2; exit 3"),
        call("edit_file", file_path="/workspace/product.py", old_string="7", new_string="8"),
        call("read_file", file_path="/workspace/product.py"),
        call("grep", pattern="6 * 8", path="/workspace"),
        call("execute", command="sleep 100", timeout=1),
        AIMessage("It is 42."),
    ]


def look_at(messages: list[BaseMessage]) -> None:
    written, ran, edited, read, found, slow = (message for message in messages if isinstance(message, ToolMessage))
    assert "42\nproblem\n" in ran.text and "3" in ran.text
    assert "6 * 8" in read.text and "product.py" in found.text
    assert "timed out after 1 seconds" in slow.text and "124" in slow.text
    assert written.status == ran.status == edited.status == "success"
    assert messages[-1].text == "It is 42."


def test_an_agent_works_in_the_sandbox(sandbox: BerthSandbox) -> None:
    agent = create_deep_agent(model=Told(answers=answers()), backend=sandbox)
    look_at(agent.invoke(QUESTION)["messages"])
    assert sandbox.execute("python3 /workspace/product.py").output == "48\n"


async def test_an_agent_that_is_awaited_works_in_the_sandbox(sandbox: BerthSandbox) -> None:
    agent = create_deep_agent(model=Told(answers=answers()), backend=sandbox)
    look_at((await agent.ainvoke(QUESTION))["messages"])
    await sandbox.aclose()


def test_the_example_of_the_readme_runs(
    server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another model, which needs no key."""
    (example,) = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
    told = Told(answers=[call("execute", command="python3 -c 'print(6 * 7)'"), AIMessage("It is 42.")])
    made = create_deep_agent

    def create(model: str, **options: Any) -> Any:
        assert ":" in model
        return made(model=told, **options)

    monkeypatch.setattr(deepagents, "create_deep_agent", create)
    exec(compile(example, "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out == "It is 42.\n"
    assert told.answers == []
