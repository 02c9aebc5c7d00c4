#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of programs.py twice in one lease, executed by `python3 -c` and forked from the pool's interpreter, and says
where the two do not give the same bytes and the same end.

    compare.py [--only KIND] MODULE…    with BERTH_SERVER set: the modules that the pool imports beforehand
"""
import re
import sys

import berth
from programs import PROGRAMS

ADDRESS = re.compile(rb"0x[0-9a-f]{6,}|started \d+|pid=\d+")
# What differs, and why that is as it should be.
REASONS = {
    "recursion that is not caught": "C calls below the program count, too: it ends a few calls earlier",
    "its name in /proc": "the command line is that of the process it was forked from",
}
# The same, where modules are imported beforehand.
PRELOADED_REASONS = {
    "hooks": "what was imported beforehand has added a finder",
}


def result(execution):
    out, err = bytearray(), bytearray()
    for event in execution:
        if isinstance(event, berth.Output):
            (out if event.stream == berth.Stream.STDOUT else err).extend(event.data)
    end = execution.end
    return (end.cause.name, end.exit_code, end.signal, ADDRESS.sub(b"ADDRESS", bytes(out)), ADDRESS.sub(b"ADDRESS", bytes(err)))


def cleared(lease):
    lease.run(shell="rm -rf /workspace/* /workspace/__pycache__")


def main():
    arguments = sys.argv[1:]
    modules = set(arguments)
    reasons = dict(REASONS, **(PRELOADED_REASONS if modules else {}))
    bad = explained = forked = 0
    with berth.Client() as client, client.acquire() as lease:
        loaded = lease.run(["python3", "-c", "import sys; print(*sys.modules)"]).text.split()
        if modules:
            code = "import sys, %s; print(*sys.modules)" % ", ".join(sorted(modules))
            loaded = set(lease.run(["python3", "-c", code]).text.split()) - set(loaded)
        else:
            loaded = set()
        for name, code, *more in PROGRAMS:
            if {"numpy", "pandas"} & set(name.replace(",", "").split()) - modules:
                continue
            text, variables = (more + [None, None])[:2]
            stdin = text.encode() if isinstance(text, str) else text or b""
            code = code.replace("PRELOADED", repr(loaded))
            options = dict(stdin=stdin, env=variables or {}, timeout=30)
            first = result(lease.execute(["python3", "-c", code], **options)) if code else None
            cleared(lease)
            if not code:
                continue
            execution = lease.execute(code=code, language="python", **options)
            second = result(execution)
            cleared(lease)
            if execution.warm:
                forked += 1
            else:
                print("not forked: %s" % name)
            if first == second:
                if name in reasons:
                    print("does not differ any more: %s" % name)
            elif name in reasons:
                explained += 1
                print("differs, since %s: %s" % (reasons[name], name))
            else:
                bad += 1
                print("differs: %s\n  executed: %s\n  forked:   %s" % (name, str(first)[:3000], str(second)[:3000]))
    print("%d programs, %d forked, %d differ for a reason, %d that should not" % (len(PROGRAMS), forked, explained, bad))
    sys.exit(bad > 0)


main()
