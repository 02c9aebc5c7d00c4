#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a model host waits for `berth mcp`: make bench, on a quiet machine.

The times are those of a host without an SDK: from writing a request to having read its answer.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Callable, List

from tests.wire import Host

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 500


def measure(name: str, what: Callable[[], object], count: int = COUNT, target: float = 0) -> None:
    for _ in range(min(20, count)):
        what()
    times: List[float] = []
    for _ in range(count):
        began = time.perf_counter()
        what()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    wanted = f"  (target {target} ms)" if target else ""
    print(
        f"{name:34} p50 {statistics.median(times):7.2f} ms   p99 {times[int(len(times) * 0.99)]:7.2f} ms"
        f"   of {count}{wanted}",
        flush=True,
    )


def connect() -> None:
    """From starting the program to its first answer."""
    host = Host()
    host.ask("ping")
    host.process.kill()
    host.process.wait()


def main() -> None:
    measure("connect", connect, max(10, COUNT // 25))
    with Host() as host:
        session = host.session()
        measure("ping", lambda: host.ask("ping"))
        measure("run_code in a session", lambda: host.call("run_code", code="x = 1", session=session), target=4)
        measure("run_code with a value", lambda: host.call("run_code", code="6 * 7", session=session))
        measure("run_command true in a session", lambda: host.call("run_command", command="true", session=session))
        measure("run_command true", lambda: host.call("run_command", command="true"), COUNT // 5)
        measure("run_code", lambda: host.call("run_code", code="6 * 7"), COUNT // 5)
        measure("start_session and end_session", lambda: host.call("end_session", session=host.session()), COUNT // 5)
        measure("read_file of 1 KB", lambda: host.call("read_file", session=session, path="/etc/passwd", length=1024))


if __name__ == "__main__":
    main()
