# SPDX-License-Identifier: Apache-2.0
"""Steps with containers: leases, programs, output, filling a pool."""
import os
import time

from .plot import bars, columns, digits, lines, microseconds, number, seconds, sized
from .steps import step
from .system import Failure, Server, latency, load, memory_of, rate, tool

KIB = 1 << 10


def docker_host():
    host = os.environ.get("BERTH_TEST_DOCKER")
    if not host:
        raise Failure("BERTH_TEST_DOCKER is not set: run this through dev/with-docker, as `make bench` does")
    return host


def runtime(name):
    return ["--runtime", name, *(["--docker-host", docker_host()] if name == "docker" else [])]


def serve(results, name, *arguments):
    server = Server([*runtime(name), *arguments])
    results.command(" ".join(["berth serve --runtime", name, *map(str, arguments)]))
    return server


def expect_none_failed(report):
    failed = report["failed"] or sum(entry["count"] for entry in report["failures"])
    return [] if not failed else [f"{entry['count']} × {entry['kind']}" for entry in report["failures"]]


def measured(results, server, scenario, *arguments, duration=8, command=()):
    report, shown = load(server, scenario, *arguments, duration=duration, command=command)
    results.command(shown)
    return report


@step("acquire", "A warm acquire, runc")
def acquire(results):
    with serve(results, "runc", "--reuse", "reset", "--size", "8", "--max", "24") as server:
        server.wait_idle(8)
        found = tool("acquire", server.port, 6)
    results.command("berth-bench acquire PORT 6")
    results.data.update(found)
    took, empty = found["acquire"], found["empty_call"]
    results.figure("warm acquire, p50", microseconds(took["p50"]), f"an empty call {microseconds(empty['p50'])}",
                   "≤ 120 µs", took["p50"] <= 120)
    results.figure("warm acquire, p99", microseconds(took["p99"]), f"an empty call {microseconds(empty['p99'])}",
                   "≤ 1 ms", took["p99"] <= 1000)


@step("execute", "`true` in a lease, and docker exec beside it")
def execute(results):
    rows = []
    with serve(results, "runc", "--size", "2") as server:
        server.wait_idle(2)
        report = measured(results, server, "execute", duration=6, command=["true"])
        runc = latency(report, "execute")
        results.data["runc"] = runc
        results.figure("`true` in a leased container, runc, p50", microseconds(runc["p50"]), f"p99 {microseconds(runc['p99'])}")
        rows.append(("execute true, runc", runc["p50"]))
    with serve(results, "docker", "--size", "2") as server:
        server.wait_idle(2)
        report = measured(results, server, "execute", "--baseline", "docker-exec", "--docker-host", docker_host(),
                          duration=20, command=["true"])
    ours, theirs = latency(report, "execute"), latency(report, "dockerExec")
    ratio = theirs["p50"] / ours["p50"]
    results.data.update(docker=ours, docker_exec=theirs)
    results.figure("`true` in a leased container, Docker, p50", microseconds(ours["p50"]),
                   f"`docker exec`, in turn with it: {microseconds(theirs['p50'])}, {digits(ratio)} times as long",
                   "≤ 1/45 of docker exec", ratio >= 45)
    rows += [("execute true, Docker", ours["p50"]), ("docker exec true", theirs["p50"])]
    results.plots["execute"] = bars("Running true in a container that is there, p50", rows)


@step("cycle", "Acquire, `true`, release: 8 at a time, runc")
def cycle(results):
    with serve(results, "runc", "--reuse", "reset", "--size", "8", "--max", "24") as server:
        server.wait_idle(8)
        report = measured(results, server, "cycle", "-c", "8", duration=10, command=["true"])
    failures = expect_none_failed(report)
    results.data["reset"] = {"rate": rate(report), **latency(report, "cycle"), "failures": failures}
    results.figure("acquire + `true` + release, reuse reset", f"{number(rate(report))}/s",
                   f"p50 {microseconds(latency(report, 'cycle')['p50'])}; " + (", ".join(failures) or "no failures"),
                   "≥ 700/s", rate(report) >= 700 and not failures)
    with serve(results, "runc", "--size", "8", "--max", "24") as server:
        server.wait_idle(8)
        # The members that are warm at the start are no rate that lasts: the warm-up uses them up.
        report = measured(results, server, "cycle", "-c", "8", "--warmup", "5s", duration=20, command=["true"])
    failures = expect_none_failed(report)
    results.data["never"] = {"rate": rate(report), **latency(report, "cycle"), "failures": failures}
    results.figure("acquire + `true` + release, reuse never", f"{number(rate(report))}/s",
                   f"p50 {microseconds(latency(report, 'cycle')['p50'])}; " + (", ".join(failures) or "no failures"),
                   "≥ 25/s, no failures", rate(report) >= 25 and not failures)


@step("stream", "Output of a program, and docker exec beside it")
def stream(results):
    with serve(results, "runc", "--size", "2") as server:
        server.wait_idle(2)
        report = measured(results, server, "stream", duration=6)
    runc = report["bytes"] / report["seconds"]
    results.figure("stdout, runc", f"{sized(runc)}/s", "", "≥ 1 GB/s", runc >= 1e9)
    with serve(results, "docker", "--size", "2") as server:
        server.wait_idle(2)
        report = measured(results, server, "stream", "--baseline", "docker-exec", "--docker-host", docker_host(),
                          duration=16)
    size = 64 << 20
    ours = size / latency(report, "stream")["p50"] * 1e6
    theirs = size / latency(report, "dockerExec")["p50"] * 1e6
    results.data.update(runc=runc, docker=ours, docker_exec=theirs)
    results.figure("stdout, Docker", f"{sized(ours)}/s", f"`docker exec`, in turn with it: {sized(theirs)}/s, "
                   f"{digits(ours / theirs)} times", "≥ 4 × docker exec", ours >= 4 * theirs)
    results.plots["stream"] = columns("Output bytes a second", ["runc", "Docker", "docker exec"],
                                      {"stdout": [runc, ours, theirs]}, sized)


@step("write", "16 bytes from a program's write to the client")
def write(results):
    for name in ("runc", "docker"):
        with serve(results, name, "--size", "2") as server:
            server.wait_idle(2)
            found = tool("write-latency", server.port, 800)["latency"]
        results.command("berth-bench write-latency PORT 800")
        results.data[name] = found
        results.figure(f"16 bytes from the program to the client, {name}, p50", microseconds(found["p50"]),
                       f"p99 {microseconds(found['p99'])}", "< 300 µs", found["p50"] < 300)


@step("fill", "Filling a pool of 10 to 300 members, and their memory, runc")
def fill(results):
    # The next size only while there is memory for it: a member is small, but the host decides.
    rows = []
    for count in (10, 30, 100, 300):
        with serve(results, "runc", "--size", count, "--max", count, "--memory-budget", "64g") as server:
            server.wait_idle(0)
            empty = memory_of(server.pid)
            took = server.wait_idle(count, timeout=180)
            time.sleep(0.5)
            own = memory_of(server.pid)
            processes = server.member_processes()
            agents = sum(memory_of(pid)["private"] for pid in processes)
            began = time.monotonic()
        rows.append({"members": count, "seconds": took, "empty": empty, "server": own, "agents": agents,
                     "processes": len(processes), "removal_seconds": time.monotonic() - began})
        if len(processes) < count:
            raise Failure(f"{len(processes)} processes in {count} containers were found")
        results.figure(f"{count} members warm", f"{digits(took)} s", f"{digits(count / took)} a second; all removed in "
                       f"{digits(rows[-1]['removal_seconds'])} s")
    results.data["rows"] = rows
    last, first = rows[-1], rows[0]
    agent = last["agents"] / last["members"]
    server = (last["server"]["private"] - first["server"]["private"]) / (last["members"] - first["members"])
    results.figure("private memory of a warm member", f"{digits((agent + server) / KIB)} KiB",
                   f"its agent {digits(agent / KIB)}, the server {digits(server / KIB)}", "≤ 300 KiB",
                   agent + server <= 300 * KIB)
    results.plots["fill"] = lines("Time to fill a pool, runc", "members",
                                  {"seconds": [(0, 0)] + [(row["members"], row["seconds"]) for row in rows]}, seconds)
