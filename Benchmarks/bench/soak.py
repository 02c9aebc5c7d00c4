# SPDX-License-Identifier: Apache-2.0
"""The soak: hours of everything at once, after which nothing may have grown."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from .plot import lines
from .steps import step
from .system import BERTH, Failure, Server

MIB = 1 << 20
# The load holds three leases of each pool for output, and has three operations under way. Of a pool whose members are used
# again none is made beyond those: it would be kept, and at rest there would be more than before.
CONFIGURATION = """\
max: 24
pools:
  reused:
    reuse: reset
    size: 6
    max: 6
  fresh:
    reuse: never
    size: 3
    max: 10
"""
POOLS = ("reused", "fresh")
WARM_UP = 15
# What a window's median may have more at the end than after the first minute. Members come and go all the time, and how many
# programs run at a moment depends on how fast the machine is then: a minute's median was seen from 17 to 28 in one soak.
# Processes that are left behind show at rest, where nothing is allowed for.
ALLOWED = {"descriptors": 6, "threads": 2, "members": 2, "mounts": 4, "state files": 12, "container processes": 12}


def growth(name, first, last):
    """What is wrong with how a resource has developed; None when nothing is."""
    if name in ("rss", "private"):
        # malloc keeps an arena for each thread, and a thread more may come late.
        allowed = max(8 * MIB, first / 10)
        if last > first + allowed:
            return f"{name} memory grew from {first / MIB:.1f} to {last / MIB:.1f} MiB"
    elif last > first + ALLOWED[name]:
        return f"{name}: {first:g} after the first minute, {last:g} at the end"
    return None


def quiet(server, members=9):
    """What the server has when all leases are given back, the pools are full again, and what ends has ended: each member is
    its agent alone."""
    server.wait_idle(members)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = server.resources()
        if now["members"] <= members and now["container processes"] <= members:
            break
        time.sleep(0.2)
    return now


def window(samples, begin, end):
    inside = [sample for at, sample in samples if begin <= at < end]
    if not inside:
        raise Failure("the soak was too short to compare its begin with its end")
    return {name: statistics.median(sample[name] for sample in inside) for name in inside[0]}


@step("soak", "The mix for MINUTES (30): nothing grows, runc", by_default=False)
def soak(results):
    minutes = float(os.environ.get("MINUTES") or 30)
    if minutes < 3:
        raise Failure("MINUTES must be 3 at least: the first minute is compared with the last")
    with tempfile.TemporaryDirectory(prefix="berth-soak-") as name:
        folder = pathlib.Path(name)
        (folder / "berth.yaml").write_text(CONFIGURATION, encoding="utf-8")
        with Server(["--runtime", "runc", "--config", folder / "berth.yaml"]) as server:
            _soak(results, server, folder, minutes * 60)


def _start(server, folder, seconds):
    """`berth load` on both pools."""
    loads = []
    for pool in POOLS:
        command = [BERTH, "load", "--server", server.address, "--scenario", "mix", "--pool", pool, "-c", "3",
                   "--connections", "2", "-d", f"{seconds:.0f}s", "--json", folder / f"{pool}.json"]
        with (folder / f"{pool}.log").open("wb") as log:
            loads.append((pool, subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                                 stdout=log, stderr=log)))
    return loads


def _sample(server, loads, seconds):
    """What the server has, every two seconds, until the loads have ended."""
    samples, began = [], time.monotonic()
    try:
        while any(process.poll() is None for _, process in loads) and time.monotonic() < began + seconds + 60:
            samples.append((time.monotonic() - began, server.resources()))
            time.sleep(2)
    finally:
        for _, process in loads:
            if process.poll() is None:
                process.terminate()
            process.wait(60)
    return samples


def _soak(results, server, folder, seconds):
    quiet(server)
    # What comes with the first use, as threads, caches and what agents keep ready, is no growth.
    _sample(server, _start(server, folder, WARM_UP), WARM_UP)
    before = quiet(server)
    results.command("berth serve --runtime runc --config soak.yaml  # two pools: reuse reset, reuse never")
    loads = _start(server, folder, seconds)
    for pool in POOLS:
        results.command(f"berth load --scenario mix --pool {pool} -c 3 --connections 2 -d {seconds:.0f}s")
    samples = _sample(server, loads, seconds)
    failures = [f"berth load of pool {pool}: exit {process.returncode}: "
                + (folder / f"{pool}.log").read_text(encoding="utf-8", errors="replace")[-400:]
                for pool, process in loads if process.returncode]
    failures += _failed_operations(results, folder)
    after = quiet(server)
    first, last = window(samples, 60, 120), window(samples, seconds - 60, seconds)
    failures += [problem for name in first if (problem := growth(name, first[name], last[name]))]
    # At rest there is nothing to allow for but memory that the allocator keeps.
    for name in ("descriptors", "members", "mounts", "state files", "container processes"):
        if after[name] > before[name]:
            failures.append(f"{name} at rest: {before[name]} before, {after[name]} after")
    results.data.update(before=before, after_first_minute=first, at_end=last, after=after,
                        samples=[{"at": round(at, 1), **sample} for at, sample in samples])
    for name in first:
        scale, unit = (MIB, " MiB") if name in ("rss", "private") else (1, "")
        results.figure(f"{name} of the server under load" if unit else f"{name} under load",
                       f"{last[name] / scale:.4g}{unit}", f"after the first minute {first[name] / scale:.4g}{unit}; at rest "
                       f"{before[name] / scale:.4g} before, {after[name] / scale:.4g} after", "no growth",
                       growth(name, first[name], last[name]) is None)
    results.plots["soak"] = lines(
        "Memory of the server, MiB", "seconds of the mix",
        {"resident": [(at, sample["rss"] / MIB) for at, sample in samples],
         "private": [(at, sample["private"] / MIB) for at, sample in samples]})
    if failures:
        raise Failure("; ".join(failures))


def _failed_operations(results, folder):
    problems = []
    for pool in POOLS:
        file = folder / f"{pool}.json"
        if not file.exists() or not file.stat().st_size:
            continue
        report = json.loads(file.read_text(encoding="utf-8"))
        results.figure(f"operations of the mix, pool {pool}", f"{report['completed']:,}", f"{report['failed']} failed",
                       "none failed", report["failed"] == 0)
        problems += [f"{entry['count']} × {entry['kind']}: {entry['message']}" for entry in report["failures"]]
    return problems
