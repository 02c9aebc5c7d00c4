# SPDX-License-Identifier: Apache-2.0
"""Berth's warm containers as a sandbox of Deep Agents."""

from ._sandbox import BerthSandbox

__all__ = ["BerthSandbox"]
