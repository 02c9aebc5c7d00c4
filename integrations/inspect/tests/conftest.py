# SPDX-License-Identifier: Apache-2.0
"""One server for all tests, with the pools that they need."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "clients/conformance"))

from berth_inspect import BerthSandboxConfig, BerthSandboxEnvironment  # noqa: E402
from servers import Server, find_berth  # type: ignore[import-not-found]  # noqa: E402

os.environ["INSPECT_DISPLAY"] = "none"

POOLS = """
pools:
  default: {size: 2, memory: 256m}
  # Lets callers choose: nobody.
  users: {size: 1, allowed_uids: [65534]}
  # Room for the tools that Inspect puts into a sandbox.
  tools: {size: 1, memory: 1g, tmpfs: 256m}
  brief: {size: 1, lease: 1s, env: {WHERE: brief}}
"""


def on_docker() -> list[str]:
    """Flags of a server that takes its containers from the dockerd of `dev/with-docker`, where the tests run in it."""
    docker = os.environ.get("BERTH_TEST_DOCKER")
    return ["--runtime", "docker", "--docker-host", docker, "--image", "python:3.9-slim"] if docker else []


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    binary, problems = find_berth()
    assert not problems, problems
    with tempfile.TemporaryDirectory(prefix="berth-inspect-") as folder:
        (Path(folder) / "berth.yaml").write_text(POOLS)
        server = Server(binary, "server", ["--config", f"{folder}/berth.yaml", *on_docker()], Path(folder))
        try:
            server.start()
            os.environ["BERTH_SERVER"] = server.address
            yield server
        finally:
            server.close()


Opener = Callable[..., Coroutine[Any, Any, BerthSandboxEnvironment]]


@pytest.fixture
async def opened(server: Any) -> AsyncIterator[Opener]:
    """Opens sandboxes as Inspect does for a sample, and cleans them up."""
    openings = []

    async def opened(**settings: Any) -> BerthSandboxEnvironment:
        config = BerthSandboxConfig(**settings)
        environments = await BerthSandboxEnvironment.sample_init("test", config, {})
        openings.append(environments)
        return environments["default"].as_type(BerthSandboxEnvironment)

    yield opened
    for environments in openings:
        await BerthSandboxEnvironment.sample_cleanup("test", None, environments, False)


@pytest.fixture
async def sandbox_env(opened: Opener, request: pytest.FixtureRequest) -> BerthSandboxEnvironment:
    """What the self-check asks for, with the check that no container of Berth can pass."""
    from inspect_ai.util import SandboxUserUnsupportedError

    if getattr(request.node, "originalname", "") == "test_exec_as_user":
        request.applymarker(
            pytest.mark.xfail(
                raises=SandboxUserUnsupportedError, strict=True, reason="it adds a user, as root: Berth runs nothing as root"
            )
        )
    return await opened()


async def leased(client: Any) -> int:
    """How many containers are leased."""
    return sum(pool.leased for pool in (await client.stats()).pools)
