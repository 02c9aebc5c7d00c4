# SPDX-License-Identifier: Apache-2.0
"""What the checks need of the machine that they run in: services of systemd, files of the kernel, programs."""
import itertools
import json
import os
import pathlib
import socket
import subprocess
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

BERTH = str(pathlib.Path(__file__).resolve().parent / "berth")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# Everything is ten times slower here than on the machine that emulates this one, which may have other things to do: no
# check is about speed.
PATIENCE = 600.0
# The same for a command's --wait.
PATIENT = "10m"


CHECKS = []


def check(function):
    """Marks what checks.py is to run."""
    CHECKS.append(function)
    return function


class CheckFailed(Exception):
    pass


def expect(condition: object, words: str) -> None:
    if not condition:
        raise CheckFailed(words)


def run(*command: str, stdin: str | None = None, timeout: float = 2 * PATIENCE, user: str | None = None) -> "Outcome":
    """Runs a program to its end. As the ordinary user, in that user's session."""
    if user:
        session = ("systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--machine={user}@.host", "--user")
        command = session + command
    done = subprocess.run(command, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=timeout, errors="replace")
    return Outcome(done.returncode, done.stdout, done.stderr)


class Outcome:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __str__(self) -> str:
        return f"exit code {self.code}, stdout {self.out!r}, stderr {self.err!r}"

    @property
    def ok(self) -> "Outcome":
        expect(self.code == 0, f"it was to succeed: {self}")
        return self


def eventually(condition, words: str, seconds: float = PATIENCE):
    """Waits until the condition holds, and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise CheckFailed(f"within {seconds:.0f} s not so: {words}")
        # Looking is dear where every program takes half a second to start.
        time.sleep(0.3)


def together(function, *arguments: tuple) -> None:
    """Calls it with each of these, two at a time: the machine has two processors, and a server that starts uses one."""
    with ThreadPoolExecutor(2) as pool:
        for call in [pool.submit(function, *each) for each in arguments]:
            call.result()


def read(path) -> str:
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def cgroup_of(pid: int) -> str:
    """Below /sys/fs/cgroup, with a slash at its beginning."""
    return read(f"/proc/{pid}/cgroup").strip().removeprefix("0::")


def directories_named(name: str) -> list[str]:
    found = run("find", str(CGROUPS), "-type", "d", "-name", name).out.split()
    return sorted(path.removeprefix(str(CGROUPS)) for path in found)


def answers(unix_socket: str, path: str = "/version") -> bool:
    """Whether an engine gives an answer of HTTP."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        try:
            connection.connect(unix_socket)
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
            return connection.recv(12).endswith(b" 200")
        except OSError:
            return False


def accepts(port: int) -> bool:
    """Whether somebody takes connections there; needs no program to tell."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


class Service:
    """`berth serve` as a service of systemd, with properties as in a unit file. Gone at the end of a `with`."""

    numbers = itertools.count(1)

    def __init__(self, *properties: str, arguments: tuple[str, ...] = (), runtime: str = "runc", size: int = 1) -> None:
        number = next(Service.numbers)
        self.name = f"berth-check-{os.getpid()}-{number}"
        self.unit = f"{self.name}.service"
        self.port = 7500 + number
        self.address = f"127.0.0.1:{self.port}"
        self.properties = properties
        self.command = [BERTH, "serve", "--runtime", runtime, "--listen", self.address, "--size", str(size), *arguments]

    def start(self) -> None:
        """Returns as soon as systemd has started it."""
        options = [word for property in self.properties for word in ("-p", property)]
        run("systemd-run", "--quiet", f"--unit={self.name}", *options, "--", *self.command).ok

    def __enter__(self) -> "Service":
        self.start()
        self.await_listening()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def await_listening(self) -> None:
        def decided() -> bool:
            return self.accepts() or self.state() not in ("active", "activating", "deactivating")
        try:
            eventually(decided, "the server listens, or ends")
            expect(self.accepts(), f"the server ended: {self.log()}")
        except CheckFailed:
            self.stop()
            raise

    def accepts(self) -> bool:
        return accepts(self.port)

    def is_listening(self) -> bool:
        return f"berth: listening on {self.address}" in self.log()

    def stop(self) -> None:
        run("systemctl", "stop", self.unit)
        run("systemctl", "reset-failed", self.unit)

    def state(self) -> str:
        return self.show("ActiveState")

    def show(self, property: str) -> str:
        return run("systemctl", "show", "--value", "-p", property, self.unit).out.strip()

    def log(self) -> str:
        return "\n".join(entry["MESSAGE"] for entry in self.journal())

    def journal(self) -> list[dict]:
        run("journalctl", "--sync")
        lines = run("journalctl", "-o", "json", "--no-pager", f"_SYSTEMD_UNIT={self.unit}").out.splitlines()
        entries = [json.loads(line) for line in lines]
        # Of those that restarted this one, too.
        return [entry for entry in entries if isinstance(entry.get("MESSAGE"), str)]

    @property
    def pid(self) -> int:
        return int(self.show("MainPID"))

    @property
    def cgroup(self) -> str:
        return self.show("ControlGroup")

    def berth(self, *arguments: str, **options) -> Outcome:
        return run("env", f"BERTH_SERVER={self.address}", BERTH, *arguments, **options)

    def run(self, *program: str, **options) -> Outcome:
        return self.berth("run", "--wait", PATIENT, "--", *program, **options)

    def shell(self, line: str, **options) -> Outcome:
        return self.berth("run", "--wait", PATIENT, "--shell", line, **options)

    def lease(self) -> str:
        """Takes a lease; the flag by which programs run in it. Several programs then need one container."""
        return f"--lease={self.berth('acquire', '--wait', PATIENT).ok.out.split()[0]}"

    def pool(self) -> dict:
        return json.loads(self.berth("stats", "--json").ok.out)["pools"][0]

    def members(self) -> list[str]:
        """The members' cgroups, wherever they are."""
        # They may go away meanwhile; find(1) passes that over.
        return [path.removeprefix(str(CGROUPS)) for parent in directories_named(f"berth-{self.port}")
                for path in run("find", f"{CGROUPS}{parent}", "-mindepth", "1", "-maxdepth", "1", "-type", "d"
                                ).out.split()]

    def await_member(self) -> str:
        return eventually(self.members, f"there is a member's cgroup of {self.name}")[0]


def busybox_root(directory: str) -> str:
    """A tar archive of a root file system that has nothing but busybox, its /tmp and /workspace root's alone."""
    archive = f"{directory}/busybox.tar"
    applets = run("/bin/busybox", "--list").ok.out.split()
    with tarfile.open(archive, "w") as tar:
        for name in ("bin", "etc", "tmp", "workspace", "proc", "sys", "dev", "usr", "root", "run", "berth"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add("/bin/busybox", "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return archive


def host_root(directory: str) -> str:
    """A tar archive of a root file system whose programs are mounted from this machine's /usr."""
    archive = f"{directory}/host.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("etc", "tmp", "proc", "sys", "dev", "usr", "root", "run", "berth", "var"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for name in ("bin", "sbin", "lib", "lib64"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
    return archive
