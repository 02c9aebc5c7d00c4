# SPDX-License-Identifier: Apache-2.0
"""Inspect's own checks of a sandbox, all of them."""

from inspect_ai.util._sandbox.self_check import *  # noqa: F403
