#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Berth must do on a machine as most users have it: systemd, cgroup v2, Podman, Docker.

    checks.py [WORD…]    runs the checks, or those in whose sentences one of the words occurs

Tests/VM/run copies it into the machine of dev/vm and runs it there, as root. Each check is a function whose sentence
can be true or false. The machine is emulated in software, so time-outs of engines and of systemd may pass that never
would: a check that fails is tried once more, and both outcomes are printed. The last line is "N passed, N failed".
"""
import sys
import time
import traceback

# Each brings its checks, in the order in which they run.
import members
import cgroups
import units
import manager
import engines
import containers
import native
from machine import CHECKS, CheckFailed, run

__all__ = ["members", "cgroups", "units", "manager", "engines", "containers", "native"]


def attempt(function, sentence: str, mark: str) -> bool:
    """Runs a check and prints its outcome: "ok", or the mark and what was wrong."""
    began = time.monotonic()
    try:
        function()
    except Exception as error:
        words_of_it = str(error) if isinstance(error, CheckFailed) else traceback.format_exc()
        print(f"{mark}{sentence} ({time.monotonic() - began:.0f} s)\n        "
              + words_of_it.strip().replace("\n", "\n        "), flush=True)
        return False
    print(f"ok      {sentence} ({time.monotonic() - began:.0f} s)", flush=True)
    return True


def main() -> int:
    words = [word.lower() for word in sys.argv[1:]]
    passed = failed = 0
    # The ordinary user's session goes on between two programs of that user.
    run("loginctl", "enable-linger", "user")
    for function in CHECKS:
        sentence = " ".join((function.__doc__ or "").split())
        if words and not any(word in f"{function.__name__} {sentence}".lower() for word in words):
            continue
        if attempt(function, sentence, "AGAIN   ") or attempt(function, sentence, "FAILED  "):
            passed += 1
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
