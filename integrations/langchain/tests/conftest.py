# SPDX-License-Identifier: Apache-2.0
"""One server for all tests, with the pools that they need."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "clients/conformance"))

from langchain_berth import BerthSandbox  # noqa: E402
from servers import Server, find_berth  # type: ignore[import-not-found]  # noqa: E402

POOLS = """
pools:
  default: {size: 2, memory: 256m}
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
    with tempfile.TemporaryDirectory(prefix="langchain-berth-") as folder:
        (Path(folder) / "berth.yaml").write_text(POOLS)
        server = Server(binary, "server", ["--config", f"{folder}/berth.yaml", *on_docker()], Path(folder))
        try:
            server.start()
            os.environ["BERTH_SERVER"] = server.address
            yield server
        finally:
            server.close()


@pytest.fixture
def sandbox(server: Any) -> Iterator[BerthSandbox]:
    with BerthSandbox() as sandbox:
        yield sandbox


def leased(client: Any) -> int:
    """How many containers are leased."""
    return sum(pool.leased for pool in client.stats().pools)
