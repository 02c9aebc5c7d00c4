#!/usr/bin/env python3
"""What Berth must do on a machine as most users have it: systemd, cgroup v2, Podman, Docker.

    checks.py [WORD…]    runs the checks, or those in whose sentences one of the words occurs

Tests/VM/run copies it into the machine of dev/vm and runs it there, as root. Each check is a function whose sentence
can be true or false. The last line is "N passed, N failed".
"""
import pathlib
import sys
import tempfile
import time
import traceback

import machine
from machine import (BERTH, CGROUPS, CheckFailed, Service, busybox_root, cgroup_of, directories_named, eventually,
                     expect, host_root, read, run)

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


# --- what members do on cgroup v2, wherever they are

@check
def limits_hold():
    """a member's memory, process and time limits hold on cgroup v2, and nothing of it is left"""
    with Service(arguments=("--memory", "64m", "--processes", "32")) as server:
        outcome = server.run("echo", "hello").ok
        expect(outcome.out == "hello\n", f"it says hello: {outcome}")
        outcome = server.shell("head -c 300000000 /dev/zero | tail >/dev/null; exit $?")
        expect(outcome.code == 137, f"too much memory ends a program with 137: {outcome}")
        outcome = server.berth("run", "--wait", "60s", "--timeout", "1s", "--", "sleep", "100")
        expect(outcome.code == 124, f"its time-out ends a program with 124: {outcome}")
        outcome = server.shell("i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i + 1)); done; wait")
        expect("ork" in outcome.err, f"a 33rd process is refused: {outcome}")
        server.stop()
        expect(not directories_named(f"berth-{server.port}"), "no cgroup is left")
        expect(run("pgrep", "-f", "[.]berth/agent").code == 1, "no agent is left")


# --- J46: where members' cgroups are

@check
def members_in_a_delegated_unit():
    """with Delegate=yes members live below the server's unit, and the server in a leaf beside them"""
    with Service("Delegate=yes") as server:
        member = server.await_member()
        expect(member.startswith(f"{server.cgroup}/berth-{server.port}/"),
               f"{member} is below {server.cgroup}")
        expect(cgroup_of(server.pid) == f"{server.cgroup}/berth-server", f"the server is in {cgroup_of(server.pid)}")
        limits = {name: read(f"{CGROUPS}{member}/{name}").strip() for name in ("memory.max", "pids.max", "cpu.max")}
        expect(limits == {"memory.max": str(128 << 20), "pids.max": "128", "cpu.max": "100000 100000"},
               f"its limits are set: {limits}")
        server.run("true").ok
        expect(f"cgroup.path={CGROUPS}{server.cgroup}/berth-{server.port}" in server.log(),
               f"the log says where: {server.log()}")


@check
def memory_of_a_unit():
    """MemoryMax= of the unit holds for its members, and the server outlives what it ends"""
    with Service("Delegate=yes", arguments=("--memory", "600m", "--tmpfs", "16m")) as server:
        server.await_member()
        server.run("true").ok
        before = server.pid
        # Afterwards, since members that have no room in it are not made.
        run("systemctl", "set-property", "--runtime", server.unit, "MemoryMax=300M").ok
        outcome = server.run("python3", "-c", "b = bytearray(500_000_000); print(len(b))")
        expect(outcome.code == 137, f"500 MB in a unit of 300 are too much: {outcome}")
        expect(server.pid == before, "the server is the same")


@check
def budget_of_a_unit():
    """the pool keeps the sum of its members' limits within MemoryMax= of the unit"""
    with Service("Delegate=yes", "MemoryMax=500M", arguments=("--memory", "128m", "--max", "8"), size=8) as server:
        # In 80 % of what the server leaves of 500 MB three have room at most; in the machine's memory all eight.
        leases = 0
        while (outcome := server.berth("acquire", "--wait", "20s")).code == 0 and leases < 8:
            leases += 1
        expect(1 <= leases <= 3 and "MiB" in outcome.err, f"{leases} leases, then: {outcome}")


@check
def slice_of_a_unit():
    """Slice= of the unit holds its members"""
    with Service("Delegate=yes", "Slice=berthcheck.slice") as server:
        member = server.await_member()
        expect(member.startswith(f"/berthcheck.slice/{server.unit}/berth-{server.port}/"), f"{member} is in the slice")
        server.run("true").ok


@check
def members_without_delegation():
    """without a delegated cgroup members live below the root as ever, and the log says so"""
    with Service() as server:
        member = server.await_member()
        expect(member.startswith(f"/berth-{server.port}/"), f"{member} is below the root")
        expect(cgroup_of(server.pid) == server.cgroup, "the server stays where systemd put it")
        server.run("true").ok
        log = server.log()
        expect(f"cgroup.path={CGROUPS}/berth-{server.port}" in log and "Delegate=yes" in log, f"the log says it: {log}")


@check
def members_in_a_session():
    """in a user's session members live below that session's delegated cgroup"""
    server = Service()
    unit = f"{server.name}.scope"
    session = run("systemd-run", "--quiet", "--collect", "--machine=user@.host", "--user", f"--unit={server.name}",
                  "sudo", *server.command)
    expect(session.code == 0, f"it starts: {session}")
    try:
        member = server.await_member()
        expect(member.startswith(f"/user.slice/user-1000.slice/user@1000.service/berth-{server.port}/"),
               f"{member} is below the user's manager")
        server.run("true").ok
    finally:
        run("systemctl", "--machine=user@.host", "--user", "stop", server.unit)
    eventually(lambda: not directories_named(f"berth-{server.port}"), f"no cgroup of {unit} is left")


@check
def restarts_in_a_delegated_unit():
    """a delegated unit can be restarted, and comes back after its server was killed, with nothing left of before"""
    with Service("Delegate=yes", "Restart=always", "RestartSec=100ms") as server:
        first = server.await_member()
        run("systemctl", "restart", server.unit).ok
        second = eventually(lambda: [m for m in server.members() if m != first], "there is a new member")[0]
        expect(not (CGROUPS / first[1:]).exists(), "the old one is gone")
        killed = server.pid
        run("kill", "-9", str(killed)).ok
        eventually(lambda: [m for m in server.members() if m not in (first, second)], "there is a new member again")
        eventually(lambda: not (CGROUPS / second[1:]).exists(), "the second is gone")
        expect(server.pid not in (0, killed), "another server runs")
        server.run("true").ok
    expect(not directories_named(f"berth-{server.port}"), "no cgroup is left")


@check
def killed_without_delegation():
    """after SIGKILL of a server that has no delegated cgroup its janitor leaves no cgroup"""
    with Service("KillMode=process") as server:
        server.await_member()
        run("kill", "-9", str(server.pid)).ok
        eventually(lambda: not directories_named(f"berth-{server.port}"), "no cgroup is left")


@check
def doctor_says_where():
    """doctor says where members' cgroups will be, and whether the unit's limits hold for them"""
    def doctor(*properties: str) -> str:
        options = [word for property in properties for word in ("-p", property)]
        return run("systemd-run", "--quiet", "--pipe", "--wait", "--collect", *options, BERTH, "doctor").out

    text = doctor("Delegate=yes", "Slice=berthcheck.slice")
    expect("/sys/fs/cgroup/berthcheck.slice/" in text and "delegated" in text, f"delegated: {text}")
    text = doctor()
    expect("/sys/fs/cgroup/berth-" in text and "Delegate=yes" in text, f"not delegated: {text}")


# --- J47: in a container

def in_container(engine: str, *options: str, name: str, command: tuple[str, ...]) -> machine.Outcome:
    return run(engine, "run", "--detach", "--name", name, "--privileged", "--network", "host", "-v", "/usr:/usr:ro",
               "-v", f"{pathlib.Path(BERTH).parent}:/berth:ro", *options, "berth-check-host", *command, timeout=300)


def serves_in_container(engine: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run(engine, "import", host_root(directory), "berth-check-host", timeout=300).ok
    name, address = f"berth-check-{engine}", {"docker": "127.0.0.1:7471", "podman": "127.0.0.1:7472"}[engine]
    run(engine, "rm", "--force", name, timeout=300)
    try:
        # The shell stays process 1: also what was there before the server has to make room.
        serve = f"/berth/berth serve --runtime runc --listen {address} --size 1 --memory 600m; exit 1"
        in_container(engine, name=name, command=("/bin/sh", "-c", serve)).ok

        def berth(*arguments: str) -> machine.Outcome:
            return run(engine, "exec", "-e", f"BERTH_SERVER={address}", name, "/berth/berth", *arguments)

        log = lambda: "".join(getattr(run(engine, "logs", name), part) for part in ("out", "err"))
        eventually(lambda: "listening" in log() or "true" not in run(
            engine, "inspect", "--format", "{{.State.Running}}", name).out, "it listens, or ends")
        outcome = berth("run", "--wait", "60s", "--", "echo", "hello")
        expect(outcome.code == 0 and outcome.out == "hello\n", f"a program runs: {outcome}\n{log()}")
        member = directories_named(f"berth-{address.split(':')[1]}")
        identity = run(engine, "inspect", "--format", "{{.Id}}", name).out.strip()
        expect(len(member) == 1 and identity in member[0], f"{member} is in the container's own cgroup, {identity}")
        pathlib.Path(f"{CGROUPS}{member[0]}").parent.joinpath("memory.max").write_text("300M")
        outcome = berth("run", "--wait", "60s", "--", "python3", "-c", "b = bytearray(500_000_000)")
        expect(outcome.code == 137, f"the container's own limit holds for members: {outcome}")
        doctor = berth("doctor").out
        expect("container's own" in doctor, f"doctor says where: {doctor}")
    finally:
        run(engine, "rm", "--force", name, timeout=300)


@check
def serves_in_docker():
    """in a privileged container of Docker the embedded runtime makes members, within the container's limits"""
    run("systemctl", "start", "docker", timeout=300).ok
    serves_in_container("docker")


@check
def serves_in_podman():
    """in a privileged container of Podman the embedded runtime makes members, within the container's limits"""
    serves_in_container("podman")


@check
def unprivileged_container():
    """in a container that may make no members the server says so, and does not listen"""
    run("systemctl", "start", "docker", timeout=300).ok
    with tempfile.TemporaryDirectory() as directory:
        run("docker", "import", host_root(directory), "berth-check-host", timeout=300).ok
    outcome = run("docker", "run", "--rm", "-v", "/usr:/usr:ro", "-v", f"{pathlib.Path(BERTH).parent}:/berth:ro",
                  "berth-check-host", "/berth/berth", "serve", "--runtime", "runc", "--listen", "127.0.0.1:0",
                  timeout=300)
    expect(outcome.code == 1 and "--privileged" in outcome.err and "listening" not in outcome.out, f"{outcome}")


# --- J48: reset on Podman

def resets(server: Service) -> None:
    hosts = []
    for _ in range(3):
        outcome = server.shell("hostname; echo x >/tmp/x; echo y >/dev/null")
        expect(outcome.code == 0, f"a program runs: {outcome}")
        hosts.append(outcome.out.strip())
        eventually(lambda: server.pool().get("idle"), "the member is idle again, or another is")
    expect(len(set(hosts)) == 1, f"one container served all three leases: {hosts}\n{server.log()}")


class Podman:
    """A service of Podman's API, of root or of the ordinary user."""

    def __init__(self, user: str | None = None, runtime: str | None = None) -> None:
        self.user, self.name = user, f"berth-podman-{user or 'root'}-{runtime or 'default'}"
        self.socket = f"/run/user/1000/{self.name}.sock" if user else f"/run/{self.name}.sock"
        options = ("--runtime", runtime) if runtime else ()
        self.podman = ("podman", *options)

    def systemd(self, *command: str) -> tuple[str, ...]:
        return (command[0], "--machine=user@.host", "--user", *command[1:]) if self.user else command

    def __enter__(self) -> "Podman":
        directory = tempfile.mkdtemp(prefix="berth-check-")
        pathlib.Path(directory).chmod(0o755)
        run(*self.podman, "import", busybox_root(directory), "busybox", user=self.user, timeout=300).ok
        run(*self.systemd("systemd-run", "--quiet", "--collect", f"--unit={self.name}", *self.podman, "system",
                          "service", "--time", "0", f"unix://{self.socket}")).ok
        # Its first answer takes longer than a server waits.
        eventually(lambda: machine.answers(self.socket), "Podman answers")
        return self

    def __exit__(self, *_: object) -> None:
        run(*self.systemd("systemctl", "stop", f"{self.name}.service"))


def resets_on_podman(user: str | None, runtime: str | None) -> None:
    with Podman(user, runtime) as podman:
        # A Podman that takes longer for its first answers than a server waits is asked again.
        server = Service("Restart=on-failure", "StartLimitIntervalSec=0", runtime="docker", arguments=(
            "--docker-host", f"unix://{podman.socket}", "--image", "busybox", "--reuse", "reset", "--max", "1"))
        if user:
            # As the user who has no other rights.
            server.command = ["runuser", "-u", user, "--", *server.command]
            server.properties += ("Environment=XDG_RUNTIME_DIR=/run/user/1000",)
        with server:
            resets(server)


@check
def resets_on_rootless_podman():
    """a released container is reset and used again on rootless Podman"""
    resets_on_podman("user", None)


@check
def resets_on_rootless_podman_with_runc():
    """a released container is reset and used again on rootless Podman with runc"""
    resets_on_podman("user", "runc")


@check
def resets_on_root_podman():
    """a released container is reset and used again on root's Podman"""
    resets_on_podman(None, None)


@check
def resets_on_runc():
    """a released container is reset and used again on the embedded runtime with cgroup v2"""
    with Service("Delegate=yes", arguments=("--reuse", "reset", "--max", "1")) as server:
        resets(server)


# --- J51: what a unit forbids

def refuses(setting: str, *properties: str, runtime: str = "runc") -> None:
    """The server ends, without having listened, with a line that names the setting."""
    server = Service(*properties, runtime=runtime)
    try:
        server.start()
        eventually(lambda: server.state() in ("failed", "inactive") or server.is_listening(), "it listens, or ends")
        log = server.log()
        expect(not server.is_listening(), f"it does not listen: {log}")
        expect(f"{setting}" in log and server.unit in log, f"it names {setting} and its unit: {log}")
        code = server.show("ExecMainStatus")
        expect(code == "1", f"its exit code is 1: {code}")
    finally:
        server.stop()
    expect(not directories_named(f"berth-{server.port}"), "no cgroup is left")


@check
def protected_cgroups():
    """with ProtectControlGroups=yes the server names it instead of listening"""
    refuses("ProtectControlGroups=yes", "ProtectControlGroups=yes")
    refuses("ProtectControlGroups=yes", "ProtectControlGroups=yes", "Delegate=yes")


@check
def restricted_namespaces():
    """with RestrictNamespaces= the server names it, and the namespaces that it needs"""
    refuses("RestrictNamespaces=", "RestrictNamespaces=yes")
    refuses("must allow net", "RestrictNamespaces=cgroup ipc mnt pid uts user")


@check
def protected_system():
    """with ProtectSystem=strict and no RuntimeDirectory the server names both; with one it serves"""
    refuses("RuntimeDirectory=berth", "ProtectSystem=strict")
    with Service("ProtectSystem=strict", "RuntimeDirectory=berth", "Delegate=yes") as server:
        server.run("true").ok


@check
def other_restrictions():
    """capabilities, system calls and address families that a unit takes away are named"""
    refuses("CAP_SYS_ADMIN", "CapabilityBoundingSet=~CAP_SYS_ADMIN")
    refuses("CAP_SETUID", "CapabilityBoundingSet=~CAP_SETUID")
    refuses("SystemCallFilter=", "SystemCallFilter=~@mount")
    refuses("SystemCallFilter=", "SystemCallFilter=~@mount", "SystemCallErrorNumber=EPERM")
    refuses("AF_NETLINK", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX")
    refuses("sethostname", "ProtectHostname=yes")


@check
def sample_unit():
    """the unit in packaging/ serves, with all that it protects"""
    unit = pathlib.Path(__file__).resolve().parent / "berth.service"
    properties = []
    for line in unit.read_text().splitlines():
        name, _, value = line.partition("=")
        # What systemd-run sets by itself.
        if value and not line.startswith("#") and name not in (
                "Description", "Documentation", "ExecStart", "ExecReload", "WantedBy", "After", "Wants"):
            properties.append(line)
    with Service(*properties) as server:
        server.run("python3", "-c", "print(1)").ok
        expect(server.await_member().startswith(server.cgroup + "/"), "members are in the unit")


# --- J52: the journal

@check
def journal_has_levels():
    """in the journal each message has its own level, and no time stamp of Berth's"""
    server = Service("Delegate=yes", arguments=("--log-level", "debug"))
    with server:
        server.run("true").ok
        entries = server.journal()
    entries += server.journal()
    ours = [entry for entry in entries if entry.get("_TRANSPORT") == "stdout"]
    levels = {}
    for entry in ours:
        expect(not entry["MESSAGE"][:4].isdigit(), f"no time stamp: {entry['MESSAGE']}")
        expect(not entry["MESSAGE"].startswith("<"), f"no prefix is left: {entry['MESSAGE']}")
        levels[entry["MESSAGE"].split(" cgroup.")[0]] = entry["PRIORITY"]
    expect(levels.get("the members' cgroups") == "6", f"info is 6: {levels}")
    expect(any(text.startswith("draining") and level == "5" for text, level in levels.items()),
           f"notice is 5: {levels}")
    failed = Service("ProtectControlGroups=yes")
    try:
        failed.start()
        eventually(lambda: failed.state() == "failed", "it ends")
        entries = [entry for entry in failed.journal() if entry.get("_TRANSPORT") == "stdout"]
        expect(entries and entries[-1]["PRIORITY"] == "3", f"why it ended is an error: {entries}")
    finally:
        failed.stop()


# --- Docker

@check
def serves_on_docker():
    """on Docker, with cgroup v2 and systemd's cgroups, a member is made, limited, reset and removed"""
    run("systemctl", "start", "docker", timeout=300).ok
    with tempfile.TemporaryDirectory() as directory:
        run("docker", "import", busybox_root(directory), "busybox", timeout=300).ok
    with Service("Requires=docker.service", "After=docker.service", runtime="docker",
                 arguments=("--image", "busybox", "--memory", "64m", "--reuse", "reset", "--max", "1")) as server:
        resets(server)
        outcome = server.shell("head -c 300000000 /dev/zero | tail >/dev/null; exit $?")
        expect(outcome.code == 137, f"too much memory ends a program with 137: {outcome}")
    left = run("docker", "ps", "--all", "--quiet", "--filter", "label=dev.berth.instance").out.split()
    expect(not left, f"no container is left: {left}")


def main() -> int:
    words = [word.lower() for word in sys.argv[1:]]
    passed = failed = 0
    # The ordinary user's session goes on between two programs of that user.
    run("loginctl", "enable-linger", "user")
    for function in CHECKS:
        sentence = " ".join((function.__doc__ or "").split())
        if words and not any(word in f"{function.__name__} {sentence}".lower() for word in words):
            continue
        began = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok      {sentence} ({time.monotonic() - began:.0f} s)", flush=True)
        except Exception as error:
            failed += 1
            words_of_it = str(error) if isinstance(error, CheckFailed) else traceback.format_exc()
            print(f"FAILED  {sentence} ({time.monotonic() - began:.0f} s)\n        "
                  + words_of_it.strip().replace("\n", "\n        "), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
