# SPDX-License-Identifier: Apache-2.0
"""The storm: everything harmful at once, on a server that has 512 MiB; who means well must not notice, nothing may be left."""
import contextlib
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

from . import storm_actors as actors
from .steps import step
from .system import BERTH, Failure, Server

MIB = 1 << 20
LIMIT = 512 * MIB
CONFIGURATION = """\
max: 20
pools:
  good: {reuse: reset, size: 3, max: 5}
  kept: {size: 0, max: 2}
  hostile: {size: 2, max: 8, cpus: 0.5, memory: 64m}
  busy: {size: 0, max: 1}
  broken: {size: 0, max: 1, memory: 64m, image: ROOT}
"""


class MemoryLimit:
    """A cgroup with so much memory, for one process; v1 or v2."""

    def __init__(self, name, size):
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self.is_v1 = v1.is_dir()
        self.folder = (v1 if self.is_v1 else pathlib.Path("/sys/fs/cgroup")) / name
        self.size = size

    def __enter__(self):
        self.folder.mkdir()
        (self.folder / ("memory.limit_in_bytes" if self.is_v1 else "memory.max")).write_text(str(self.size))
        return self

    def take(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    @property
    def peak(self):
        """Bytes. The page cache that the server has caused counts, as the limit counts it."""
        file = self.folder / ("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")
        return int(file.read_text()) if file.exists() else None

    @property
    def kills(self):
        text = (self.folder / ("memory.oom_control" if self.is_v1 else "memory.events")).read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.split()[0] == "oom_kill")


def at_rest(server, members):
    """What the server has when all are gone and what ends has ended."""
    deadline = time.monotonic() + 60
    while True:
        now = server.resources()
        if now["members"] <= members and now["container processes"] <= members or time.monotonic() > deadline:
            return now
        time.sleep(0.3)


@step("storm", "Everything harmful at once for MINUTES (30), on a server with 512 MiB, runc", by_default=False)
def storm(results):
    minutes = float(os.environ.get("MINUTES") or 30)
    seed = int(os.environ.get("SEED") or random.randrange(1 << 30))
    print(f"    seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="berth-storm-") as name:
        folder = pathlib.Path(name)
        root = folder / "root"
        root.mkdir()
        (folder / "berth.yaml").write_text(CONFIGURATION.replace("ROOT", str(root)), encoding="utf-8")
        with MemoryLimit(f"berth-storm-{os.getpid()}", LIMIT) as limit:
            with Server(["--runtime", "runc", "--config", folder / "berth.yaml"]) as server:
                limit.take(server.pid)
                # From now on nothing can be made of it.
                root.rmdir()
                results.command("berth serve --runtime runc --config storm.yaml  # in a cgroup with 512 MiB")
                _storm(results, server, limit, folder, minutes * 60, seed)


def _storm(results, server, limit, folder, seconds, seed):
    server.wait_idle(5)
    before = at_rest(server, 5)
    pid = server.pid
    load = [str(BERTH), "load", "--server", server.address, "--scenario", "mix", "--pool", "good", "-c", "2",
            "-d", f"{seconds:.0f}s", "--json", str(folder / "good.json")]
    taking_part = [actors.Keeper(server, seed + number) for number in range(2)]
    taking_part += [kind(server, seed + 10 + number) for number, kind in enumerate(actors.HARM)]
    failures = [problem for actor in taking_part for problem in actor.problems]
    samples, began = [], time.monotonic()
    with (folder / "good.log").open("wb") as log, \
            subprocess.Popen(load, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as good:
        for actor in taking_part:
            actor.start()
        while time.monotonic() < began + seconds and server.process.poll() is None:
            time.sleep(2)
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                # A process that has ended has none.
                samples += [(time.monotonic() - began, int(line.split()[1]) << 10)
                            for line in status.splitlines() if line.startswith("VmRSS")]
        ended_after = time.monotonic() - began if server.process.poll() is not None else None
        failures += actors.stop(taking_part)
        if ended_after is not None:
            # Its load would go on trying to the end of its time.
            good.kill()
        good.wait(120)
    peak, kills = limit.peak, limit.kills
    print(f"    memory: at most {peak_text(peak)} of {LIMIT // MIB} MiB, resident {text_of(samples)}", flush=True)
    if ended_after is not None:
        raise Failure(how_it_ended(server, limit, samples, ended_after) + f", seed {seed}")
    after = at_rest(server, 5)
    failures += [problem for actor in taking_part for problem in actor.problems[:3]]
    report = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    _tell(results, report, taking_part, samples, peak, kills, before, after)
    failures += [f"{entry['count']} × {entry['kind']}: {entry['message']}" for entry in report["failures"]]
    failures += [f"{name} at rest: {before[name]} before, {after[name]} after"
                 for name in ("members", "mounts", "state files", "container processes") if after[name] > before[name]]
    if after["descriptors"] > before["descriptors"] + 6:
        failures.append(f"descriptors at rest: {before['descriptors']} before, {after['descriptors']} after")
    if kills:
        failures.append(f"the kernel killed {kills} processes at the limit")
    results.data.update(seed=seed, before=before, after=after, peak=peak, problems=failures)
    if failures:
        raise Failure(f"seed {seed}: " + "; ".join(failures))


def peak_text(peak):
    return f"{peak / MIB:.0f} MiB" if peak else "not known"


def text_of(samples):
    """What was resident over time, in few words."""
    if not samples:
        return "not known"
    sizes = [size / MIB for _, size in samples]
    return f"{sizes[0]:.0f} MiB at first, {sum(sizes) / len(sizes):.0f} on average, {max(sizes):.0f} at most, " \
           f"{sizes[-1]:.0f} at the end"


def how_it_ended(server, limit, samples, after):
    """A server that is no more, in words, with what it had of memory."""
    why = "killed by the kernel for memory" if limit.kills else f"exit status {server.process.returncode}"
    return f"the server ended after {after:.0f} s ({why}; its memory was {peak_text(limit.peak)} at most, " \
           f"resident {text_of(samples)})"


def _tell(results, report, taking_part, samples, peak, kills, before, after):
    for name, count in actors.summary(taking_part).items():
        results.figure(name, f"{count:,} times")
    keepers = [actor for actor in taking_part if isinstance(actor, actors.Keeper)]
    lost = sum(len(actor.problems) for actor in keepers)
    results.figure("operations of who means well", f"{report['completed']:,}", f"{report['failed']} failed", "none failed",
                   report["failed"] == 0)
    results.figure("looks at leases that are kept", f"{sum(actor.acts for actor in keepers):,}", f"{lost} found them harmed",
                   "none", lost == 0)
    most = max((resident for _, resident in samples), default=0)
    results.figure("memory of the server at most", f"{most / MIB:.0f} MiB", f"its cgroup {peak_text(peak)}, {kills} killed",
                   "under 512 MiB, none killed", kills == 0)
    results.figure("left at rest", f"{after['members']} members, {after['container processes']} processes",
                   f"before {before['members']} and {before['container processes']}", "no more than before",
                   after["members"] <= before["members"])
