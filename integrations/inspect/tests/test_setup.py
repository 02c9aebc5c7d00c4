# SPDX-License-Identifier: Apache-2.0
"""Configuration, the start and the end of a task, and what people are told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import shlex
import subprocess
from pathlib import Path
from typing import Any

import berth.aio
import pytest
from berth_inspect import BerthSandboxConfig, BerthSandboxEnvironment
from conftest import Opener, leased
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.util import SandboxEnvironmentSpec, SandboxUnavailableError
from inspect_ai.util._sandbox.registry import registry_find_sandboxenv


def test_the_entry_point_registers_the_sandbox() -> None:
    assert registry_find_sandboxenv("berth") is BerthSandboxEnvironment


def test_a_configuration_survives_a_log() -> None:
    spec = SandboxEnvironmentSpec("berth", BerthSandboxConfig(pool="users", others={"second": "default"}))
    again = SandboxEnvironmentSpec.model_validate(spec.model_dump())
    assert again == spec and hash(again) == hash(spec)


def test_a_file_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "berth-sandbox.yaml"
    path.write_text("server: unix:/run/berth.sock\npool: python\nenv: {A: b}\nwait: 2\n")
    wanted = BerthSandboxConfig(server="unix:/run/berth.sock", pool="python", env={"A": "b"}, wait=2)
    assert BerthSandboxConfig.of(str(path)) == wanted
    path.write_text("")
    assert BerthSandboxConfig.of(str(path)) == BerthSandboxConfig()


@pytest.mark.parametrize("text, said", [("pol: x", "pol"), ("wait: long", "wait"), ("- a", "map"), ("a: [", "expected")])
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "berth-sandbox.yaml"
    path.write_text(text)
    with pytest.raises(PrerequisiteError) as caught:
        BerthSandboxConfig.of(str(path))
    assert str(path) in str(caught.value.message) and said in str(caught.value.message)


async def test_a_task_without_a_server_is_told_how_to_start_one() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        await BerthSandboxEnvironment.task_init("startup", BerthSandboxConfig(server="unix:/no/such/socket"))
    assert "berth serve" in str(caught.value.message) and "unix:/no/such/socket" in str(caught.value.message)


async def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        await BerthSandboxEnvironment.task_init("startup", BerthSandboxConfig(server="nowhere"))
    assert '"nowhere" is not an address' in str(caught.value.message)


async def test_a_task_with_an_unknown_pool_is_told_which_there_are(server: Any) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        await BerthSandboxEnvironment.task_init("startup", BerthSandboxConfig(others={"second": "nonesuch"}))
    assert "'nonesuch'" in str(caught.value.message) and "default, users" in str(caught.value.message)


async def test_a_sample_may_have_several_containers(server: Any) -> None:
    config = BerthSandboxConfig(others={"second": "brief"}, env={"OF": "config"})
    environments = await BerthSandboxEnvironment.sample_init("test", config, {})
    try:
        assert list(environments) == ["default", "second"]
        await environments["default"].write_file("only-here", "x")
        second = environments["second"]
        assert (await second.exec(["sh", "-c", "ls; echo $OF $WHERE $X"], env={"X": "y"})).stdout == "config brief y\n"
    finally:
        await BerthSandboxEnvironment.sample_cleanup("test", config, environments, False)


async def test_when_one_container_is_not_to_be_had_the_others_are_given_back(server: Any) -> None:
    with pytest.raises(SandboxUnavailableError, match="nonesuch"):
        await BerthSandboxEnvironment.sample_init("test", BerthSandboxConfig(others={"second": "nonesuch"}), {})
    async with berth.aio.Client() as client:
        assert await leased(client) == 0


async def test_a_container_that_does_not_come_in_time_is_an_error_that_says_so(opened: Opener) -> None:
    sandboxes = [await opened(pool="tools") for _ in range(2)]
    with pytest.raises(SandboxUnavailableError, match="Berth gave no container"):
        while len(sandboxes) < 100:
            sandboxes.append(await opened(pool="tools", wait=0.01))


async def test_the_command_of_a_connection_is_a_terminal_in_the_container(sandbox_env: BerthSandboxEnvironment) -> None:
    connection = await sandbox_env.connection()
    assert (connection.type, connection.container) == ("berth", sandbox_env._lease.member)
    await sandbox_env.write_file("answer", "from the sample\n")
    program, *arguments = shlex.split(connection.command)
    assert program == "berth"
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen([os.environ["BERTH"], *arguments], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.write(ours, b"cat answer; exit\n")
        output = await asyncio.to_thread(read_to_the_end, ours)
        await asyncio.to_thread(process.wait, 30)
    finally:
        os.close(ours)
    assert "from the sample" in output


def read_to_the_end(terminal: int) -> str:
    data = b""
    with contextlib.suppress(OSError):  # So a terminal ends.
        while piece := os.read(terminal, 4096):
            data += piece
    return data.decode("utf-8", "replace")


async def test_a_connection_as_another_user_is_not_to_be_had(sandbox_env: BerthSandboxEnvironment) -> None:
    assert (await sandbox_env.connection(user="berth")).container
    with pytest.raises(NotImplementedError):
        await sandbox_env.connection(user="65534")


async def test_a_detached_container_is_kept_and_released_by_the_cleanup_command(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    config = BerthSandboxConfig(detached=True)
    environments = await BerthSandboxEnvironment.sample_init("test", config, {})
    token = environments["default"].as_type(BerthSandboxEnvironment)._lease.token
    await environments["default"].write_file("left", "behind")
    # As Inspect does it with --no-sandbox-cleanup: the sample's cleanup is left out.
    await BerthSandboxEnvironment.task_cleanup("shutdown", config, False)
    assert token in capsys.readouterr().out.replace("\n", "")
    async with berth.aio.Client() as client:
        assert await client.lease(token).read_file("/workspace/left") == b"behind"
        await BerthSandboxEnvironment.cli_cleanup(token)
        assert await leased(client) == 0
    await BerthSandboxEnvironment.cli_cleanup(token)
    await BerthSandboxEnvironment.cli_cleanup(None)
    assert "nothing to clean up" in capsys.readouterr().out
