# SPDX-License-Identifier: Apache-2.0
"""Servers and other programs for the tests of this folder: on runc, at ports of their own, each ended by its process."""
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BERTH = os.environ.get("BERTH") or str(ROOT / ".build/debug/berth")
#: How long anything may take that should take a second: the machine has other things to do.
PATIENCE = 60.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition, words, seconds=PATIENCE):
    """Waits until the condition holds, and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds:.0f} s not so: {words() if callable(words) else words}")
        time.sleep(0.1)


def get(address, path):
    """The status and the text of a page; None and "" if nothing answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


class Server:
    """`berth serve` with a configuration, and with metrics, at addresses that it keeps when it is started again.

    A runc of its own stands before the real one: it does what the files `slow` and `no-create` in the server's folder ask for.
    """

    def __init__(self, name, folder, settings):
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.port, self.http = free_port(), f"127.0.0.1:{free_port()}"
        self.address = f"127.0.0.1:{self.port}"
        self.process, self.held = None, []
        self.configure(settings)
        self._write_runc()

    def configure(self, settings):
        (self.folder / "berth.yaml").write_text(
            f"listen: {self.address}\nhttp: {self.http}\nruntime: runc\ninstance: pkg{self.port}\n"
            f"state_dir: {self.folder}/state\n{settings}")

    def _write_runc(self):
        runc = shutil.which("runc", path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin")
        assert runc, "runc is missing: run dev/bootstrap --test"
        (self.folder / "bin").mkdir()
        script = self.folder / "bin/runc"
        script.write_text(f"""#!/bin/bash
for word; do
    case $word in
    create | run)
        if [ -e {self.folder}/no-create ]; then echo "a create that is to fail" >&2; exit 1; fi
        if [ -e {self.folder}/slow ]; then sleep 11; fi ;;
    esac
done
exec {runc} "$@"
""")
        script.chmod(0o755)

    def start(self):
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                [BERTH, "serve", "--config", str(self.folder / "berth.yaml")], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True,
                env=dict(os.environ, PATH=f"{self.folder}/bin:{os.environ['PATH']}"))
        line = self.process.stdout.readline()
        assert "listening on" in line, f"{self.name} did not start: {line}\n{self.log()}"
        eventually(lambda: get(self.http, "/livez")[0] == 200, f"{self.name} has its metrics")
        return self

    def log(self):
        return (self.folder / "log").read_text()[-3000:]

    def metric(self, name):
        """The sum of a metric's series."""
        lines = get(self.http, "/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + " ", name + "{")))

    def berth(self, *words, check=True):
        done = subprocess.run([BERTH, *words], text=True, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, BERTH_SERVER=self.address))
        assert not check or done.returncode == 0, f"berth {' '.join(words)}: {done}\n{self.log()}"
        return done.stdout.strip()

    def client(self, *words):
        """A client that goes on; it ends with the server, or by end_clients."""
        return subprocess.Popen([BERTH, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=dict(os.environ, BERTH_SERVER=self.address))

    def end(self, how=signal.SIGTERM):
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def limit_descriptors(self):
        """Lowers the limit of descriptors to little more than are open now."""
        pid = self.process.pid
        opened = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + 2, opened + 2))

    def kill_members(self):
        """Kills the first process of each container, and waits until others are there."""
        before = self.metric('berth_pool_retirements_total{pool="one",reason="died"}')
        wanted = self.metric("berth_pool_idle_min")
        members = self.members()
        assert len(members) >= wanted, f"{self.name} has {members}"
        for pid in members:
            # Some may be about to end already.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.metric('berth_pool_retirements_total{pool="one",reason="died"}') >= before + wanted
                   and self.metric('berth_pool_members{pool="one",state="idle"}') >= wanted,
                   lambda: f"{self.name} has new members: {self.log()}")

    def hold_members(self):
        """Mounts something into each container's folder, so that it can't be removed."""
        for bundle in (self.folder / f"state/pkg{self.port}/members").iterdir():
            held = bundle / "held"
            held.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "held", held], check=True)
            self.held.append(held)

    def let_members_go(self):
        while self.held:
            subprocess.run(["umount", self.held.pop()], check=True)

    def members(self):
        """The first processes of our containers, as the kernel numbers them."""
        pids = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                status, cgroup = (entry / "status").read_text(), (entry / "cgroup").read_text()
            except OSError:
                continue
            namespaces = status.partition("NSpid:")[2].split("\n")[0].split()
            if f"berth-pkg{self.port}" in cgroup and len(namespaces) > 1 and namespaces[-1] == "1":
                pids.append(int(entry.name))
        return pids
