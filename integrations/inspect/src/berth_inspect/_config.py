# SPDX-License-Identifier: Apache-2.0
"""What a task says about its sandboxes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from inspect_ai._util.error import PrerequisiteError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Found beside the task, when the task names no other.
CONFIG_FILE = "berth-sandbox.yaml"


class BerthSandboxConfig(BaseModel):
    """Where a sample's containers come from. All of it is optional.

    In a task: ``sandbox=SandboxEnvironmentSpec("berth", BerthSandboxConfig(pool="python"))``; or the same as a YAML file:
    ``sandbox=("berth", "sandbox.yaml")``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: HOST:PORT, tls://HOST:PORT or unix:PATH; else ``BERTH_SERVER``, else 127.0.0.1:7411.
    server: str | None = None
    #: TLS, as by ``tls://``; the Python client's environment says more.
    tls: bool = False
    #: The pool of the sample's first container; else the server's default pool.
    pool: str | None = None
    #: Further containers of each sample: for ``sandbox(NAME)``, from which pool.
    others: dict[str, str] = Field(default_factory=dict)
    #: Environment variables of every program, beside the pool's.
    env: dict[str, str] = Field(default_factory=dict)
    #: How long a sample waits in line for a container, in seconds; the server's ``max_wait`` is the most.
    wait: float = Field(default=900.0, ge=0)
    #: How long a command may run that was given no timeout, in seconds; the server's ``max_execution_timeout`` is the most.
    longest: float = Field(default=86400.0, gt=0)
    #: The container outlives the evaluation, for the time that an unused lease lasts: to look at, with
    #: ``--no-sandbox-cleanup``.
    detached: bool = False

    def __hash__(self) -> int:
        # Inspect collects configurations in sets, and a dict has no hash.
        return hash(self.model_dump_json())

    @property
    def address(self) -> str:
        return self.server or os.environ.get("BERTH_SERVER") or "127.0.0.1:7411"

    @staticmethod
    def of(config: BaseModel | str | None) -> BerthSandboxConfig:
        """What Inspect has: a configuration, a file's name, or nothing. Raises ``PrerequisiteError``."""
        if config is None:
            return BerthSandboxConfig()
        if isinstance(config, BerthSandboxConfig):
            return config
        if not isinstance(config, str):
            raise PrerequisiteError(
                f"The sandbox \"berth\" takes a BerthSandboxConfig or a YAML file, not a {type(config).__name__}"
            )
        return _from_file(Path(config))


def _from_file(path: Path) -> BerthSandboxConfig:
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise ValueError("it is not a map of settings")
        return BerthSandboxConfig(**values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise PrerequisiteError(f"{path}: {wrong}") from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise PrerequisiteError(f"{path}: {error}") from error
