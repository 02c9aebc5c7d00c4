# SPDX-License-Identifier: Apache-2.0
"""Thousands of members made and removed, the server killed again and again: nothing may be left of any of them."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from .containers import runtime
from .plot import digits
from .steps import step
from .system import BERTH, Failure, Server

MIB = 1 << 20
# What the machine may have more afterwards, everything else being quiet: the kernel keeps caches of its own.
ALLOWED = {"cgroups": 5, "namespaces": 5, "memory": 64 * MIB}


class Machine:
    """What this machine has, of all that members are made of."""

    def __init__(self):
        read = lambda path: pathlib.Path(path).read_text(encoding="utf-8")
        # Those that are removed and still held by something count here, and in no folder.
        lines = [line.split() for line in read("/proc/cgroups").splitlines() if not line.startswith("#")]
        self.cgroups = max(int(fields[2]) for fields in lines)
        # A network namespace is freed some time after its last process has ended.
        found = re.search(r"^net_namespace\s+(\d+)", read("/proc/slabinfo"), re.M)
        self.namespaces = int(found.group(1)) if found else len(self._namespaces())
        numbers = dict(re.findall(r"^(\w+):\s+(\d+) kB", read("/proc/meminfo"), re.M))
        self.memory = sum(int(numbers.get(key, 0)) << 10 for key in ("SUnreclaim", "KernelStack", "PageTables", "Percpu", "Shmem"))

    @staticmethod
    def _namespaces():
        found = set()
        for entry in pathlib.Path("/proc").iterdir():
            try:
                found.add(os.readlink(entry / "ns" / "net"))
            except OSError:
                continue
        return found

    @classmethod
    def at_rest(cls):
        """After what is freed in the background is freed, and pages that hold removed cgroups are dropped.

        The slab of namespaces counts as used what each processor keeps of it: dozens after many creates, with none alive.
        """
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
        time.sleep(1)
        shrink = pathlib.Path("/sys/kernel/slab/net_namespace/shrink")
        if shrink.exists():
            shrink.write_text("1", encoding="ascii")
        return cls()

    def more_than(self, before):
        """What there is more than before and than is allowed for."""
        return [f"{getattr(self, name) - getattr(before, name):,} more {name}" for name, allowed in ALLOWED.items()
                if getattr(self, name) > getattr(before, name) + allowed]


class Churn:
    """Members made and removed on one runtime, the server killed so many times meanwhile and started again at once."""

    def __init__(self, flags, members, kills):
        self.members, self.kills = members, kills
        self.server = Server([*flags, "--reuse", "never", "--size", "4", "--max", "12"])
        self.made = 0

    def run(self):
        before = Machine.at_rest()
        began = time.monotonic()
        lives = self.kills + 1
        try:
            for life in range(lives):
                self._live(self.members * (life + 1) // lives, is_last=life == self.kills)
            seconds = time.monotonic() - began
            left = self._left()
            deadline = time.monotonic() + 20
            while left and time.monotonic() < deadline:
                time.sleep(0.2)
                left = self._left()
        finally:
            shutil.rmtree(self.server.folder, ignore_errors=True)
        after = Machine.at_rest()
        while after.more_than(before) and time.monotonic() < deadline:
            after = Machine.at_rest()
        left += after.more_than(before)
        return {"made": self.made, "seconds": seconds, "left": left, "told": "; ".join(left[:5]),
                "before": vars(before), "after": vars(after)}

    def _live(self, until, is_last):
        """One server, until so many members were made in all; the last one ends as a server should."""
        self.server.__enter__()
        load = None
        try:
            command = [BERTH, "load", "--server", self.server.address, "--scenario", "acquire", "-c", "8", "-d", "600s"]
            load = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
            made = 0
            deadline = time.monotonic() + 900
            while self.made + made < until:
                if load.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"berth load ended, or too few members were made: {made}")
                made = sum(int(pool.get("creates", 0)) for pool in self.server.stats()["pools"])
                time.sleep(0.02)
            self.made += made
        finally:
            if not is_last:
                self.server.process.send_signal(signal.SIGKILL)
                self.server.process.wait()
            if load:
                load.kill()
                load.wait()
            if is_last:
                self._end()
            else:
                self.server.process.stdout.close()
                self.server.log.close()

    def _end(self):
        """As `Server` ends, but its folder stays to be looked at."""
        process = self.server.process
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise Failure("the server did not end within 60 s of SIGTERM") from error
        finally:
            process.stdout.close()
            self.server.log.close()

    def _left(self):
        """All that carries this server's name."""
        name, folder = self.server.instance, self.server.folder
        found = [f"process {pid}" for pid in self.server.member_processes()]
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if name.encode() in (entry / "cmdline").read_bytes():
                        found.append(f"process {entry.name} with the server's name")
                except OSError:
                    continue
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        found += [f"mount {line.split()[4]}" for line in mounts if name in line or str(folder) in line]
        found += [f"cgroup {path}" for path, folders, _ in os.walk("/sys/fs/cgroup") if name in os.path.basename(path)]
        members = folder / name / "members"
        if members.is_dir():
            found += [f"file {path}" for path in members.iterdir()]
        return found


def default_runtime():
    return os.environ.get("RUNTIME") or "native"


@step("churn", "MEMBERS (10,000) made and removed, the server killed KILLS (20) times: nothing is left", by_default=False)
def churn(results):
    name = default_runtime()
    members, kills = int(os.environ.get("MEMBERS") or 10_000), int(os.environ.get("KILLS") or 20)
    results.command(f"berth serve --runtime {name} --reuse never --size 4 --max 12  # killed {kills} times")
    results.command("berth load --scenario acquire -c 8")
    left = Churn(runtime(name), members, kills).run()
    results.data.update(left)
    results.figure(f"members made and removed, {name}", f"{left['made']:,}",
                   f"in {digits(left['seconds'])} s, the server killed {kills} times")
    results.figure("left of them: cgroups, mounts, namespaces, processes, files, memory", left["told"] or "nothing",
                   f"kernel memory {(left['after']['memory'] - left['before']['memory']) / MIB:+.1f} MiB", "nothing",
                   not left["told"])
    if left["told"]:
        raise Failure(left["told"])
