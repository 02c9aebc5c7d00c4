# SPDX-License-Identifier: Apache-2.0
"""Who this is."""

VERSION = "0.1.0"
NAME = f"berth-python/{VERSION}"
