#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the pieces of pieces.py in a context of Berth and in an IPython kernel, and says where the two differ.

    compare.py BERTH    with BERTH_SERVER set
"""
import json
import os
import re
import subprocess
import sys

from jupyter_client.manager import start_new_kernel
from pieces import PIECES


def berth(*arguments, **options):
    done = subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, text=True, **options)
    return done.stdout


def add(items, kind, value):
    """Output of a stream is one item, however it came."""
    if kind in ("stdout", "stderr") and items and items[-1][0] == kind:
        items[-1] = (kind, items[-1][1] + value)
    else:
        items.append((kind, value))


def plain(text):
    return re.sub(r"0x[0-9a-f]+", "0x…", text)


def forms(data):
    """Pictures are compared by their kind."""
    return {mime: "…" if mime.startswith("image/png") else plain(form) if isinstance(form, str) else form
            for mime, form in sorted(data.items())}


def in_context(context, code, answers):
    out = berth("run", "--context", context, "--json", "-i", "--code", code or " ",
                input="".join(f"{answer}\n" for answer in answers))
    items = []
    for event in map(json.loads, out.splitlines()):
        kind = event["event"]
        if kind == "output":
            add(items, event["stream"], event["text"])
        elif kind == "display":
            data = {mime: json.loads(form) if mime == "application/json" else form
                    for mime, form in event["data"].items()}
            name = "result" if event.get("result") else "update" if event.get("update") else "display"
            add(items, name, forms(data))
        elif kind == "failure":
            add(items, "failure", (event["name"], event["message"]))
        elif kind == "prompt":
            add(items, "prompt", (event["text"], event.get("password", False)))
    return items


def in_kernel(client, code, answers):
    items, answers = [], list(answers)

    def shown(message):
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            add(items, content["name"], content["text"])
        elif kind == "execute_result":
            add(items, "result", forms(content["data"]))
        elif kind == "display_data":
            add(items, "display", forms(content["data"]))
        elif kind == "update_display_data":
            add(items, "update", forms(content["data"]))
        elif kind == "error":
            add(items, "failure", (content["ename"], content["evalue"]))

    def asked(message):
        content = message["content"]
        add(items, "prompt", (content["prompt"], content["password"]))
        client.input(answers.pop(0))

    client.execute_interactive(code, output_hook=shown, stdin_hook=asked, allow_stdin=bool(answers), timeout=60)
    return items


def main():
    os.environ["BERTH_LEASE"] = berth("acquire").strip()
    context = berth("context", "open", "python").strip()
    manager, client = start_new_kernel(kernel_name="python3")
    wrong = differ = 0
    try:
        for number, piece in enumerate(PIECES):
            code, answers, reason = (*piece, [], None)[:3] if isinstance(piece, tuple) else (piece, [], None)
            if isinstance(piece, tuple):
                answers, reason = piece[1], piece[2] if len(piece) > 2 else None
            ours, theirs = in_context(context, code, answers), in_kernel(client, code, answers)
            differ += reason is not None
            if (ours != theirs) == (reason is not None):
                continue
            wrong += 1
            print(f"{number}: {code!r}\n    here:    {ours}\n    IPython: {theirs}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        berth("release")
    print(f"{len(PIECES)} pieces, {differ} that are known to differ, {wrong} that should not be as they are")
    return 1 if wrong else 0


sys.exit(main())
