# SPDX-License-Identifier: Apache-2.0
"""Steps without containers: the state machine, the codec, calls, connections, beside a Go server."""
import json
import subprocess
import time

from .plot import columns, digits, microseconds, number, sized
from .steps import step
from .system import ROOT, TOOL, Failure, Server, memory_of, program, run, tool

MIB, KIB = 1 << 20, 1 << 10


@step("state-machine", "The pool's decisions alone, one core")
def state_machine(results):
    rows = tool("state-machine")
    results.command("berth-bench state-machine")
    results.data["rows"] = rows
    for row in rows:
        results.figure(f"acquire and give back, {row['members']:,} members", f"{number(row['unused_per_second'])}/s",
                       f"release and reset {number(row['reset_per_second'])}/s, removal and create "
                       f"{number(row['never_per_second'])}/s", "≥ 1 M/s", row["unused_per_second"] >= 1e6)


@step("codec", "Frames found in what was read, and written, one core")
def codec(results):
    rows = tool("codec")
    results.command("berth-bench codec")
    results.data["rows"] = rows
    for row in rows:
        results.figure(f"decode frames with {row['data']:,} bytes of data", f"{number(row['decoded_frames_per_second'])}/s",
                       f"{sized(row['decoded_bytes_per_second'])}/s, of which the data stays where it is")
        results.figure(f"encode frames with {row['data']:,} bytes of data", f"{number(row['encoded_frames_per_second'])}/s",
                       f"{sized(row['encoded_bytes_per_second'])}/s")


@step("allocations", "How often operations allocate memory")
def allocations(results):
    limits = ROOT / "Benchmarks" / "allocations.txt"
    lines = run([ROOT / ".build" / "release" / "count-allocations", limits]).splitlines()
    results.command("count-allocations Benchmarks/allocations.txt")
    for line in lines:
        count, limit, name = line.split("\t")
        results.figure(name, f"{count} allocations", "", limit)
        results.data[name] = float(count)


def go_server(like):
    """containerd's ttrpc server in Go, from Debian's package, that answers as the Berth server does."""
    folder = ROOT / "clients" / "foreign"
    if not (folder / "Makefile").exists():
        raise Failure(f"{folder} is missing, which has the Go ttrpc server to compare with")
    advice = "apt-get install golang-go golang-github-containerd-ttrpc-dev protobuf-compiler"
    program("go", advice)
    run([program("make", "apt-get install make"), "-C", folder], timeout=300)
    return Server(command=[folder / ".build" / "ttrpc-bench", "-listen", "127.0.0.1:0", "-like", like.address])


@step("unary", "The unary call Stats, beside a Go ttrpc server with the same answer")
def unary(results):
    rounds, seconds, flights, rows = 3, 1, (1, 16, 64, 256), []
    with Server(["--runtime", "runc", "--size", "2"]) as berth:
        berth.wait_idle(2)
        with go_server(berth) as go:
            for connections in (1, 64):
                for in_flight in flights:
                    # In turn, and the median of each: whatever else the machine does happens to both.
                    found = {"Berth": [], "Go ttrpc": []}
                    for _ in range(rounds):
                        for name, server in (("Berth", berth), ("Go ttrpc", go)):
                            found[name].append(tool("unary", server.port, connections, in_flight, seconds))
                    for name, runs in found.items():
                        if failed := sum(run["failed"] for run in runs):
                            raise Failure(f"{failed} calls failed at {name}")
                        runs.sort(key=lambda run: run["calls_per_second"])
                        rows.append({"server": name, **runs[rounds // 2]})
    results.command("berth serve --runtime runc --size 2")
    results.command("clients/foreign/.build/ttrpc-bench -like 127.0.0.1:7411")
    results.command(f"berth-bench unary PORT CONNECTIONS IN_FLIGHT {seconds}  # {rounds} times each, in turn: the median")
    results.data["rows"] = rows

    def rates(server, connections):
        return [row["calls_per_second"] for row in rows
                if row["server"] == server and row["connections"] == connections]

    for connections in (1, 64):
        for flight, ours, theirs in zip(flights, rates("Berth", connections), rates("Go ttrpc", connections)):
            is_target = flight == 64 and connections == 1
            p50 = next(row["latency"]["p50"] for row in rows if row["server"] == "Berth"
                       and row["connections"] == connections and row["in_flight"] == flight)
            results.figure(f"Stats, {flight} in flight on {connections} connection{'s' * (connections > 1)}",
                           f"{number(ours)}/s", f"Go ttrpc {number(theirs)}/s: {digits(ours / theirs)} times; "
                           f"p50 {microseconds(p50)}", "≥ 1.8 × Go" if is_target else "",
                           ours >= 1.8 * theirs if is_target else None)
    results.plots["unary"] = columns(
        "Unary calls a second, by calls in flight", [f"{flight}" for flight in flights],
        {"Berth, 1 connection": rates("Berth", 1), "Berth, 64 connections": rates("Berth", 64),
         "Go ttrpc, 1": rates("Go ttrpc", 1), "Go ttrpc, 64": rates("Go ttrpc", 64)})


@step("connections", "10 000 idle connections: their memory, and what they do to the others")
def connections(results):
    count, seconds = 10_000, 4
    with Server(["--runtime", "runc", "--size", "2", "--max-connections", count + 200]) as server:
        server.wait_idle(2)
        time.sleep(1)
        idle = memory_of(server.pid)
        results.figure("memory of an idle server with two members", f"{digits(idle['rss'] / MIB)} MiB",
                       f"private {digits(idle['private'] / MIB)} MiB", "≤ 40 MB", idle["rss"] <= 40e6)
        tool("unary", server.port, 64, 64, 2)
        before = memory_of(server.pid)
        alone = tool("unary", server.port, 64, 64, seconds)["latency"]
        holder = subprocess.Popen([str(TOOL), "idle", str(server.port), str(count)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        try:
            line = holder.stdout.readline()
            if not line:
                raise Failure(f"{count} connections could not be opened")
            opened = json.loads(line)["open"]
            after = memory_of(server.pid)
            crowded = tool("unary", server.port, 64, 64, seconds)["latency"]
        finally:
            holder.stdin.close()
            holder.wait(60)
            holder.stdout.close()
    each = (after["private"] - before["private"]) / opened
    results.command(f"berth serve --runtime runc --size 2 --max-connections {count + 200}")
    results.command(f"berth-bench idle PORT {count}; berth-bench unary PORT 64 64 {seconds}")
    results.data.update(idle=idle, each=each, alone=alone, crowded=crowded)
    results.figure(f"memory of an idle connection, at {opened:,}", f"{digits(each / KIB)} KiB", "", "≤ 20 KiB",
                   each <= 20 * KIB)
    results.figure(f"p99 of 64 active connections beside {opened:,} idle ones", microseconds(crowded["p99"]),
                   f"without them {microseconds(alone['p99'])}: {digits(crowded['p99'] / alone['p99'])} times",
                   "≤ 2 times", crowded["p99"] <= 2 * alone["p99"])
    results.plots["connections"] = columns(
        "Latency of 64 active connections", ["p50", "p90", "p99"],
        {"alone": [alone[key] for key in ("p50", "p90", "p99")],
         f"beside {opened:,} idle ones": [crowded[key] for key in ("p50", "p90", "p99")]}, microseconds)
