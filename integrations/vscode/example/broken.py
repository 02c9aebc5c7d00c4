# SPDX-License-Identifier: Apache-2.0
"""Fails: run the task "test", and look at the panel Problems."""


def share(count: int) -> float:
    return 1 / count


print("one share of none:", share(0))
