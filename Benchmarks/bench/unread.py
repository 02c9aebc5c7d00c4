# SPDX-License-Identifier: Apache-2.0
"""Output that its client does not read: what it costs the server, the agent and other calls, and that all of it comes."""
import json
import os
import pathlib
import re
import subprocess

from .containers import docker_host, serve
from .plot import digits, microseconds, sized
from .steps import step
from .system import TOOL, Failure, memory_of, run

KIB, MIB = 1 << 10, 1 << 20
# Bytes of output; less, to see quickly whether all is well.
DEFAULT_BYTES = 5_000_000_000
UNARY = ("Hello", "Stats", "Acquire", "Release")


class Unread:
    """`berth-bench unread`, which stops where memory is to be looked at."""

    def __init__(self, port, size):
        self.process = subprocess.Popen([str(TOOL), "unread", str(port), str(size)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def next(self):
        """What it says next: it goes on when it is told to."""
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"berth-bench unread: {self.process.stderr.read().strip()[-600:]}")
        return json.loads(line)

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def agents(server, name):
    """Private memory of each agent: the process 1 of its container."""
    if name == "docker":
        docker = ["docker", "-H", docker_host()]
        containers = run([*docker, "ps", "-q", "--filter", f"name=berth-{server.instance}-"]).split()
        pids = [int(pid) for pid in run([*docker, "inspect", "-f", "{{.State.Pid}}", *containers]).split()]
    else:
        pids = server.member_processes()
    found = {}
    for pid in pids:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            if re.search(r"^NSpid:.*\s1$", status, re.M):
                found[pid] = memory_of(pid)["private"]
        except OSError:
            # It has ended.
            continue
    if not found:
        raise Failure("no agents were found in the server's containers")
    return found


def grown(before, after):
    """By how much that agent grew which grew most."""
    return max((size - before[pid] for pid, size in after.items() if pid in before), default=0)


@step("unread", "5 GB of output to a client that reads nothing, and then all of it")
def unread(results):
    size = int(os.environ.get("UNREAD_BYTES") or DEFAULT_BYTES)
    for name in ("runc", "docker"):
        with serve(results, name, "--reuse", "reset", "--size", "6") as server:
            server.wait_idle(6)
            with Unread(server.port, size) as client:
                client.next()
                before = memory_of(server.pid)["private"], agents(server, name)
                client.go_on()
                standing = client.next()
                after = memory_of(server.pid)["private"], agents(server, name)
                client.go_on()
                read = client.next()
            end = memory_of(server.pid)["private"]
        _tell(results, name, standing, read, after[0] - before[0], grown(before[1], after[1]), end - before[0])
    results.command(f"berth-bench unread PORT {size}")


def _tell(results, name, standing, read, server, agent, server_after):
    calls = standing["calls"]
    results.data[name] = {"server_growth": server, "agent_growth": agent, "server_growth_after": server_after,
                          "taken": standing["taken"], "calls": calls, "read": read}
    results.figure(f"growth of the server, {name}", f"{digits(server / MIB)} MiB",
                   f"with {digits(standing['taken'] / KIB)} KiB taken from the program; after all was read "
                   f"{digits(server_after / MIB)} MiB", "< 4 MiB", max(server, server_after) < 4 * MIB)
    results.figure(f"growth of the agent, {name}", f"{digits(agent / KIB)} KiB", "", "< 1 MiB", agent < MIB)
    unary = {call: took for call, took in calls.items() if call.split(",")[0] in UNARY}
    slowest = max(unary, key=lambda call: unary[call]["p99"])
    results.figure(f"other calls meanwhile, {name}, p99 of the slowest kind", microseconds(unary[slowest]["p99"]),
                   f"{slowest}; p50 {microseconds(unary[slowest]['p50'])}, max "
                   f"{microseconds(max(took['max'] for took in unary.values()))}",
                   "p99 < 2 ms", unary[slowest]["p99"] < 2000)
    trues = [took for call, took in calls.items() if call not in unary]
    results.figure(f"`true` in another lease meanwhile, {name}, p50", microseconds(max(took["p50"] for took in trues)),
                   f"p99 {microseconds(max(took['p99'] for took in trues))}")
    whole = read["hash"] == read["expected_hash"]
    results.figure(f"all of it, read then, {name}", sized(read["bytes"]),
                   f"in {digits(read['seconds'])} s, {sized(read['bytes'] / read['seconds'])}/s", "the hash is the "
                   "program's", whole)
    if not whole:
        raise Failure(f"the output has the hash {read['hash']}, not {read['expected_hash']}")
