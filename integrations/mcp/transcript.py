#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what a model host sees into a page: transcript.py --write PAGE, or compares it: --check PAGE

Between the two marks of the page are the calls and results of a conversation with a real `berth mcp`. What differs each
time (ids, durations) has a fixed value there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Dict, List

from tests.wire import Host

BEGIN = "<!-- transcript: written by integrations/mcp/transcript.py -->"
END = "<!-- end of transcript -->"

PLOT = """\
import struct, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
png = b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0))
png += chunk(b'IDAT', zlib.compress(b'\\0\\xff\\0\\0')) + chunk(b'IEND', b'')
display({'image/png': png}, raw=True)"""


def steady(text: str, session: str) -> str:
    """The text without what differs each time."""
    text = text.replace(session, "k7wq2mfx9hta")
    text = re.sub(r'"duration_ms": [0-9.e-]+', '"duration_ms": 1.5', text)
    text = re.sub(r"python [0-9.]+,", "python 3.11.2,", text)
    text = re.sub(r'"version": "[0-9.]+"', '"version": "3.11.2"', text)
    text = re.sub(r'"data": "[^"]+"', '"data": "iVBORw0KGgo…"', text)
    return text


def called(tool: str, arguments: Dict[str, Any]) -> str:
    """A call: long arguments stand below it."""
    long = ("code", "command", "content")
    short = " ".join(f"{name}={value}" for name, value in arguments.items() if name not in long)
    below = [f"    {line}" for name in long for line in arguments.get(name, "").splitlines()]
    return "\n".join([f"→ {tool} {short}".rstrip(), *below])


def shown(result: Dict[str, Any]) -> str:
    """What a model reads of a result; the middle of long lines and texts is left out on the page."""
    lines: List[str] = []
    for block in result["content"]:
        text = block["text"] if block["type"] == "text" else f"<{block['mimeType']}>"
        lines.append(text if len(text) < 600 else f"{text[:120]}\n   (and so on)\n{text[-20:]}")
    if result["isError"]:
        lines.insert(0, "(isError)")
    return "\n".join(lines)


def transcript() -> str:
    with Host() as host:
        session = host.session()
        host.call("end_session", session=session)
        parts: List[str] = []
        session = ""

        def step(tool: str, whole: bool = False, **arguments: Any) -> Dict[str, Any]:
            result = host.call(tool, **arguments)
            parts.append(f"{called(tool, arguments)}\n← {shown(result)}")
            if whole:
                parts.append(json.dumps({"result": result}, indent=1, ensure_ascii=False))
            return result

        step("run_code", whole=True, code="print('hello')\n6 * 7", language="python")
        session = step("start_session")["structuredContent"]["session"]
        step("write_file", session=session, path="data.csv", content="name,n\nada,3\nlin,5\n")
        step(
            "run_code", session=session,
            code="import csv\nrows = list(csv.DictReader(open('data.csv')))\nsum(int(row['n']) for row in rows)")
        step("run_code", session=session, code="rows[2]")
        step("run_command", session=session, command="ls -1; sort -t, -k2 -r data.csv | head -2; exit 3")
        step("run_command", session=session, command="seq 1 20000")
        step("run_code", session=session, code=PLOT)
        step("list_files", session=session)
        step("read_file", session=session, path="missing.txt")
        step("run_code", session=session, code="while True: pass", timeout=0.5)
        step("run_code", session=session, code="len(rows)")
        step("end_session", session=session)
        step("run_code", session=session, code="rows")
        step("run_code", code="1", language="perl")
    text = "\n\n".join(parts)
    return steady(text, session)


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in ("--write", "--check"):
        print(__doc__, file=sys.stderr)
        return 2
    page = Path(sys.argv[2])
    before, _, rest = page.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    new = f"\n\n```text\n{transcript()}\n```\n\n"
    if sys.argv[1] == "--write":
        page.write_text(f"{before}{BEGIN}{new}{END}{after}")
        return 0
    if old != new:
        import difflib

        sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), "page", "now"))
        print(f"{page} does not show what a model sees: make transcript", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
