# SPDX-License-Identifier: Apache-2.0
"""Berth's warm containers as a sandbox of Inspect AI: ``sandbox="berth"``."""

from ._config import BerthSandboxConfig
from ._sandbox import BerthSandboxEnvironment

__all__ = ["BerthSandboxConfig", "BerthSandboxEnvironment"]
