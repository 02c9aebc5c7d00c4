# SPDX-License-Identifier: Apache-2.0
"""The way to a warm member: what one takes, how many a second, and that nothing of them stays."""
import contextlib
import statistics
import time

from .churn import Churn
from .containers import expect_none_failed, measured, runtime, serve
from .plot import bars, digits, microseconds, number
from .steps import step
from .system import BERTH, Failure, latency, memory_of, rate, run

KIB = 1 << 10
ROUNDS, FULL = 5, 300
# Members made and removed, and how many times the server is killed meanwhile; the churn does it with many more.
MADE, KILLS = 300, 3


def runtimes():
    """Those without a daemon: `native` first, where this build has it, and what it is compared with."""
    known = run([BERTH, "serve", "--help"])
    return ["native", "runc"] if "native" in known else ["runc"]


@step("create", "Members made, each used once: one after another, 8 in flight, 300 at once, and what they leave")
def create(results):
    names = runtimes()
    _to_ready(results, names)
    for name in names:
        _cycles(results, name)
    for name in names:
        _full_pool(results, name)
    for name in names:
        left = Churn(runtime(name), MADE, KILLS).run()
        results.data[f"left {name}"] = left
        results.figure(f"left after {left['made']:,} members and {KILLS} SIGKILLs of the server, {name}",
                       left["told"] or "nothing", "", "nothing", not left["told"])


def _to_ready(results, names):
    """No member is warm, so that an acquire waits for one to be made. In turn: whatever else the machine does happens to all."""
    took = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serve(results, name, "--size", "0", "--max", "4")) for name in names]
        for _ in range(ROUNDS):
            for name, server in zip(names, servers):
                report = measured(results, server, "acquire", "--warmup", "500ms", duration=3)
                if failures := expect_none_failed(report):
                    raise Failure(f"{name}: {', '.join(failures)}")
                took[name].append(latency(report, "acquire", "acquireWaited")["p50"])
    p50 = {name: statistics.median(values) for name, values in took.items()}
    results.data["to_ready"] = took
    for name in names:
        beside, target, met = "", "", None
        if name == "native":
            share = p50["runc"] / p50[name]
            beside, target = f"runc, in turn with it, takes {digits(share)} times as long", "≤ 4 ms and ≤ 1/5 of runc's"
            met = p50[name] <= 4000 and share >= 5
        results.figure(f"a member from its create until it is ready, {name}, p50", microseconds(p50[name]), beside, target, met)
    results.plots["create"] = bars("A member from its create until it is ready, p50", list(p50.items()))


def _cycles(results, name):
    with serve(results, name, "--reuse", "never", "--size", "8", "--max", "24") as server:
        server.wait_idle(8)
        # The members that are warm at the start are no rate that lasts: the warm-up uses them up.
        report = measured(results, server, "cycle", "-c", "8", "--warmup", "5s", duration=60 if name == "native" else 20,
                          command=["true"])
    failures = expect_none_failed(report)
    results.data[f"cycle {name}"] = {"rate": rate(report), **latency(report, "cycle"), "failures": failures}
    target = 150 if name == "native" else 25
    results.figure(f"acquire + `true` + release, each member used once, {name}", f"{number(rate(report))}/s",
                   f"p50 {microseconds(latency(report, 'cycle')['p50'])}; " + (", ".join(failures) or "no failures"),
                   f"≥ {target}/s, no failures", rate(report) >= target and not failures)


def _full_pool(results, name):
    with serve(results, name, "--size", FULL, "--max", FULL, "--memory-budget", "64g") as server:
        server.wait_idle(0)
        empty = memory_of(server.pid)["private"]
        took = server.wait_idle(FULL, timeout=180)
        # What the last creates have used is given back a moment later.
        time.sleep(0.5)
        grown = memory_of(server.pid)["private"] - empty
        processes = server.member_processes()
        agents = sum(memory_of(pid)["private"] for pid in processes)
    if len(processes) < FULL:
        raise Failure(f"{name}: {len(processes)} processes in {FULL} containers were found")
    one = (agents + grown) / FULL
    results.data[f"full {name}"] = {"seconds": took, "agents": agents, "server": grown}
    results.figure(f"{FULL} members warm, {name}", f"{digits(took)} s", f"{digits(FULL / took)} a second",
                   "≤ 2 s" if name == "native" else "", took <= 2 if name == "native" else None)
    results.figure(f"private memory of a warm member, {name}", f"{digits(one / KIB)} KiB",
                   f"its agent {digits(agents / FULL / KIB)}, the server {digits(grown / FULL / KIB)}", "≤ 300 KiB",
                   one <= 300 * KIB)
