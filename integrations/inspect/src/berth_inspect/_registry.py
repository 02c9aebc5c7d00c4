# SPDX-License-Identifier: Apache-2.0
"""What the entry point names: importing it registers the sandbox."""

from ._sandbox import BerthSandboxEnvironment

__all__ = ["BerthSandboxEnvironment"]
