# SPDX-License-Identifier: Apache-2.0
"""Runs a snippet, and shows what it writes as it writes it."""

import sys

import berth

SNIPPET = """
import time
for number in range(3):
    print(number, flush=True)
    time.sleep(0.2)
"""

with berth.Client() as client, client.execute(code=SNIPPET, language="python", timeout=10) as execution:
    for event in execution:
        if isinstance(event, berth.Output):
            target = sys.stdout if event.stream is berth.Stream.STDOUT else sys.stderr
            target.buffer.write(event.data)
            target.flush()
    print(execution.end)
