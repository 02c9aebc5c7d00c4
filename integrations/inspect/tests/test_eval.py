# SPDX-License-Identifier: Apache-2.0
"""Whole evaluations, with a model that says what it was told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import berth.aio
import pytest
from berth_inspect import BerthSandboxConfig
from conftest import leased
from inspect_ai import Task, eval_async
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log
from inspect_ai.model import ChatMessageTool, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver, use_tools
from inspect_ai.tool import bash, bash_session, python, text_editor
from inspect_ai.util import ExecCompleted, ExecStdout, SandboxEnvironmentSpec, sandbox

PACKAGE = Path(__file__).resolve().parents[1]


#: Said with each answer: counting would load a table of tokens from the network.
USAGE = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)


def call(tool: str, **arguments: Any) -> ModelOutput:
    return ModelOutput.for_tool_call("mockllm/model", tool, arguments).model_copy(update={"usage": USAGE})


def said(text: str) -> ModelOutput:
    return ModelOutput.from_content("mockllm/model", text).model_copy(update={"usage": USAGE})


async def evaluated(task: Task, outputs: list[ModelOutput], tmp_path: Path, **options: Any) -> EvalLog:
    model = get_model("mockllm/model", custom_outputs=outputs)
    (log,) = await eval_async(task, model=model, log_dir=str(tmp_path), **options)
    assert log.status == "success", log.error
    return log


def tools_of(log: EvalLog) -> list[ChatMessageTool]:
    assert log.samples is not None
    return [message for message in log.samples[0].messages if isinstance(message, ChatMessageTool)]


async def test_a_model_uses_bash_and_python_in_the_sandbox(server: Any, tmp_path: Path) -> None:
    task = Task(
        dataset=[
            Sample(
                "What is in the file?",
                target="42",
                files={"numbers.txt": "6 7", "deep/er/note": "n"},
                setup="#!/bin/sh\necho set up > setup.txt",
            )
        ],
        solver=[use_tools(bash(timeout=30), python(timeout=30)), generate()],
        scorer=includes(),
        sandbox="berth",
    )
    outputs = [
        call("bash", command="cat numbers.txt setup.txt deep/er/note; echo problem >&2"),
        call("python", code="a, b = open('numbers.txt').read().split()\nprint(int(a) * int(b))"),
        said("It is 42."),
    ]
    log = await evaluated(task, outputs, tmp_path)
    shell, program = tools_of(log)
    assert shell.text == "problem\n\n6 7set up\nn"
    assert program.text == "42\n"
    assert log.results is not None and log.results.scores[0].metrics["accuracy"].value == 1
    async with berth.aio.Client() as client:
        assert await leased(client) == 0


async def test_the_readme_s_example_is_an_evaluation_that_a_model_can_solve(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("product.py").write_text((PACKAGE / "README.md").read_text().split("`product.py`:\n\n```python\n")[1].split("```")[0])
    code = "a, b = open('numbers.txt').read().split()\nprint(int(a) * int(b))"
    model = get_model("mockllm/model", custom_outputs=[call("python", code=code), said("The product is 42.")])
    (log,) = await eval_async("product.py", model=model, log_dir=str(tmp_path))
    assert log.status == "success", log.error
    (program,) = tools_of(log)
    assert program.text == "42\n"
    assert log.results is not None and log.results.scores[0].metrics["accuracy"].value == 1


async def test_what_goes_wrong_in_the_sandbox_is_an_error_of_the_tool_and_not_of_the_sample(
    server: Any, tmp_path: Path
) -> None:
    task = Task(
        dataset=[Sample("Wait.", target="done")],
        solver=[use_tools(bash(timeout=1), python(timeout=100)), generate()],
        scorer=includes(),
        sandbox="berth",
    )
    outputs = [
        call("bash", command="echo so far; sleep 100"),
        call("python", code="print('x' * 20_000_000)"),
        said("done"),
    ]
    log = await evaluated(task, outputs, tmp_path)
    slow, large = tools_of(log)
    assert slow.error is not None and slow.error.type == "timeout"
    assert slow.text == "so far\n"
    # The rest is cut by Inspect, as with any sandbox.
    assert large.error is None and "x" * 1000 in large.text


async def test_many_samples_at_once_have_a_container_each(server: Any, tmp_path: Path) -> None:
    @solver
    def alone() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            listed = await sandbox().exec(["sh", "-c", "ls; touch mine"])
            state.output = said("alone" if listed.stdout == "" else f"found {listed.stdout}")
            return state

        return solve

    task = Task(
        dataset=[Sample(str(number), target="alone") for number in range(24)],
        solver=alone(),
        scorer=includes(),
        sandbox="berth",
    )
    log = await evaluated(task, [], tmp_path, max_samples=24)
    assert log.results is not None and log.results.scores[0].metrics["accuracy"].value == 1


async def test_an_evaluation_that_is_cancelled_leaves_no_container(server: Any, tmp_path: Path) -> None:
    began = asyncio.Event()

    @solver
    def waits() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            await sandbox().exec(["true"])
            began.set()
            await sandbox().exec(["sleep", "1000"])
            return state

        return solve

    task = Task(dataset=[Sample("Wait.")], solver=waits(), sandbox="berth")
    running = asyncio.create_task(evaluated(task, [], tmp_path))
    await asyncio.wait_for(began.wait(), 60)
    async with berth.aio.Client() as client:
        assert await leased(client) == 1
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, AssertionError):  # Inspect may say it as the log's status.
            await running
        assert await leased(client) == 0


async def test_the_tools_that_inspect_puts_into_a_sandbox_work(server: Any, tmp_path: Path) -> None:
    """text_editor and bash_session: a program of Inspect's is copied into the container and serves there."""
    task = Task(
        dataset=[Sample("Edit.", target="done")],
        solver=[use_tools(text_editor(), bash_session()), generate()],
        scorer=includes(),
        sandbox=SandboxEnvironmentSpec("berth", BerthSandboxConfig(pool="tools")),
    )
    outputs = [
        call("text_editor", command="create", path="/workspace/poem", file_text="roses are blue\n"),
        call("text_editor", command="str_replace", path="/workspace/poem", old_str="blue", new_str="red"),
        call("bash_session", action="type_submit", input="cat /workspace/poem"),
        said("done"),
    ]
    log = await evaluated(task, outputs, tmp_path)
    for message in tools_of(log):
        assert message.error is None, message.error
    assert "roses are red" in tools_of(log)[-1].text


async def test_a_program_that_is_started_remotely_streams(server: Any, tmp_path: Path) -> None:
    @solver
    def streams() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            process = await sandbox().exec_remote(["sh", "-c", "echo one; echo two; exit 3"])
            text, code = "", None
            async for event in process:
                if isinstance(event, ExecStdout):
                    text += event.data
                elif isinstance(event, ExecCompleted):
                    code = event.exit_code
            state.output = said(f"{text!r} {code}")
            return state

        return solve

    task = Task(
        dataset=[Sample("Stream.", target=r"'one\ntwo\n' 3")],
        solver=streams(),
        scorer=includes(),
        sandbox=SandboxEnvironmentSpec("berth", BerthSandboxConfig(pool="tools")),
    )
    log = await evaluated(task, [], tmp_path)
    assert log.results is not None and log.results.scores[0].metrics["accuracy"].value == 1


async def test_the_example_of_the_readme_runs(server: Any, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
    module: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "README.md", "exec"), module)
    log = await evaluated(module["product"](), [call("python", code="print(6 * 7)"), said("It is 42.")], tmp_path)
    assert tools_of(log)[0].text == "42\n"
    assert log.results is not None and log.results.scores[0].metrics["accuracy"].value == 1


TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import solver
from inspect_ai.util import sandbox

@solver
def where():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("none", (await sandbox().exec(["sh", "-c", "echo $WHERE"])).stdout)
        return state
    return solve

@task
def place():
    return Task(dataset=[Sample("Where?", target="brief")], solver=where(), scorer=includes())
"""


@pytest.mark.parametrize("pool, code", [("brief", 0), ("nonesuch", 1)])
def test_the_command_line_finds_the_configuration_beside_the_task(
    server: Any, tmp_path: Path, pool: str, code: int
) -> None:
    (tmp_path / "place.py").write_text(TASK)
    (tmp_path / "berth-sandbox.yaml").write_text(f"pool: {pool}\n")
    command = [str(Path(sys.executable).parent / "inspect"), "eval", "place.py", "--model", "none", "--sandbox", "berth"]
    done = subprocess.run(
        [*command, "--display", "plain", "--log-dir", "logs"],
        cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, timeout=240,
    )
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code, output
    if code:
        assert "has no pool 'nonesuch'. It has: default, users, tools, brief" in output
    else:
        (log,) = list_eval_logs(str(tmp_path / "logs"))
        results = read_eval_log(log).results
        assert results is not None and results.scores[0].metrics["accuracy"].value == 1
