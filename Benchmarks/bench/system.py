# SPDX-License-Identifier: Apache-2.0
"""The machine, its processes, and servers on it."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / ".build" / "release"
BERTH, TOOL = BUILT / "berth", BUILT / "berth-bench"


class Failure(Exception):
    """Why a step could not be done, in one line."""


def program(name, advice):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if not path:
        raise Failure(f"{name} is missing: {advice}")
    return path


def run(command, timeout=300, env=None):
    """Runs a command to its end and returns what it printed; what it said on stderr is in the error when it fails."""
    words = [str(word) for word in command]
    try:
        result = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, timeout=timeout, check=False, env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{' '.join(words)}: not ended after {timeout} s") from error
    if result.returncode:
        raise Failure(f"{' '.join(words)}: exit {result.returncode}: {result.stderr.strip()[-600:]}")
    return result.stdout


def first_line(command, env=None):
    try:
        return run(command, env=env).strip().splitlines()[0]
    except (Failure, IndexError, OSError):
        return "not there"


def machine():
    """What the figures depend on."""
    read = lambda path: pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^model name\s*:\s*(.+)$", read("/proc/cpuinfo"), re.M)
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', read("/etc/os-release"), re.M)
    memory = re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))
    changed = run(["git", "-C", ROOT, "status", "--porcelain"]).strip()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip() + (" and changes" if changed else ""),
        "cpu": f"{len(os.sched_getaffinity(0))} × {model.group(1) if model else os.uname().machine}",
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB",
        "system": f"{name.group(1) if name else 'Linux'}, kernel {os.uname().release}, cgroup "
                  + ("v2" if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"),
        "berth": first_line([BERTH, "--version"]),
        "swift": first_line(["swift", "--version"]),
        "runc": first_line([program("runc", "run dev/bootstrap"), "--version"]),
        "docker": first_line(["docker", "--version"]),
        "go": first_line(["go", "version"]),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


class StolenTime:
    """How much of this machine's CPU time its host has given to others since this was made, where it is a virtual one."""
    def __init__(self):
        self.before = self._ticks()

    @staticmethod
    def _ticks():
        # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5)
        fields = pathlib.Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]
        return int(fields[7]), sum(map(int, fields))

    def percent(self):
        stolen, total = (after - before for before, after in zip(self.before, self._ticks()))
        return round(100 * stolen / total, 1) if total else 0


def memory_of(pid):
    """Bytes: resident, and private: what it has written itself. Pages of its binary, which all of its kind share, are in the
    former only."""
    sizes = {"Rss": 0, "Private_Dirty": 0}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        key = line.split(":")[0]
        if key in sizes:
            sizes[key] = int(line.split()[1]) << 10
    return {"rss": sizes["Rss"], "private": sizes["Private_Dirty"]}


def state_folder():
    """Where servers keep their state: on a tmpfs, as /run is on nearly every host. On ext4 a dozen files for each member cost a
    fifth of the creates: a new file looks past all that were deleted within the last 5 seconds."""
    shared = "/dev/shm"
    lines = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return shared if any(line.split()[1:3] == [shared, "tmpfs"] for line in lines) else None


class Server:
    """A `berth serve` on a free port, or another server that prints where it listens; ended, with all it has made."""
    count = 0

    def __init__(self, arguments=(), command=None):
        Server.count += 1
        self.instance = f"bench-{os.getpid()}-{Server.count}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-bench-", dir=state_folder()))
        self.is_berth = command is None
        self.command = [str(word) for word in command or [
            BERTH, "serve", "--listen", "127.0.0.1:0", "--instance", self.instance, "--state-dir", self.folder,
            "--log-level", "warning", *arguments]]
        self.shown = "berth serve " + " ".join(map(str, arguments)) if self.is_berth else " ".join(self.command)
        self.process = None
        self.port = 0

    def __enter__(self):
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, start_new_session=True)
        line = self.process.stdout.readline().decode(errors="replace")
        found = re.search(r"listening on \S*:(\d+)", line)
        if not found:
            self.__exit__(None, None, None)
            raise Failure(f"{self.shown}: did not listen: {line}{self.log_tail}")
        self.log_tail = ""
        self.started = time.monotonic()
        self.port = int(found.group(1))
        return self

    log_tail = ""

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.log_tail = (self.folder / "log").read_text(errors="replace")[-600:]
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def stats(self):
        return json.loads(run([BERTH, "stats", "--json", "--server", self.address]))

    def wait_idle(self, count, timeout=120):
        """Until so many members are warm; the seconds since it listened."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            pools = self.stats()["pools"]
            if sum(pool["idle"] for pool in pools) >= count:
                return time.monotonic() - self.started
            if any(pool.get("cause_message") for pool in pools):
                raise Failure(f"{self.shown}: {[pool.get('cause_message') for pool in pools]}")
            time.sleep(0.02)
        raise Failure(f"{self.shown}: not {count} members warm after {timeout} s: {self.stats()['pools']}")

    def member_processes(self):
        """Those in this server's containers: their cgroups carry the instance's name."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if self.instance in (entry / "cgroup").read_text(encoding="utf-8"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def resources(self):
        """What must not grow."""
        mounts = pathlib.Path(f"/proc/{self.pid}/mountinfo").read_text(encoding="utf-8").splitlines()
        pools = self.stats()["pools"]
        members = sum(pool[state] for pool in pools for state in ("starting", "idle", "leased", "resetting", "stopping"))
        return {**memory_of(self.pid), "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")),
                "threads": len(os.listdir(f"/proc/{self.pid}/task")), "members": members,
                "mounts": sum(1 for mount in mounts if self.instance in mount or str(self.folder) in mount),
                "state files": sum(len(files) + len(folders) for _, folders, files in os.walk(self.folder)),
                "container processes": len(self.member_processes())}


def tool(*arguments, timeout=120):
    return json.loads(run([TOOL, *arguments], timeout=timeout))


def load(server, scenario, *arguments, duration=8, command=()):
    """`berth load`: its report, and the command line as a user would type it."""
    options = ["--scenario", scenario, "-d", f"{duration}s", *map(str, arguments)]
    tail = ["--", *command] if command else []
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run([BERTH, "load", "--server", server.address, *options, "--json", file.name, *tail], timeout=duration + 180)
        report = json.loads(pathlib.Path(file.name).read_text(encoding="utf-8"))
    shown = re.sub(r" --docker-host \S+", "", " ".join(["berth load", *options, *tail]))
    return report, shown


def latency(report, operation, step="total"):
    """In microseconds."""
    for entry in report["operations"]:
        if entry["name"] == operation:
            for part in entry["steps"]:
                if part["name"] == step:
                    found = part["latency"]
                    return {key: found[key] / 1000 for key in ("p50", "p90", "p99", "max")} | {"count": found["count"]}
    raise Failure(f"no {step} of {operation} in the report: {report['failures']}")


def rate(report):
    return report["completed"] / report["seconds"] if report["seconds"] else 0
