# SPDX-License-Identifier: Apache-2.0
"""Item J48. Members of Podman, as root and as an ordinary user, and of Docker; a reset there and on the embedded runtime."""
import pathlib
import tempfile

import machine
from machine import BERTH, Service, busybox_root, check, eventually, expect, run
from members import tells_out_of_memory


def resets(server: Service) -> None:
    hosts = []
    for _ in range(2):
        # Both places are root's alone in the image.
        outcome = server.shell("hostname && echo x >/tmp/x && echo y >/workspace/y && echo z >/dev/null")
        expect(outcome.code == 0, f"a program runs: {outcome}")
        hosts.append(outcome.out.strip())
        eventually(lambda: server.pool().get("idle"), "the member is idle again, or another is")
    expect(len(set(hosts)) == 1, f"one container served both leases: {hosts}\n{server.log()}")


class Podman:
    """A service of Podman's API, of root or of the ordinary user, where Podman itself would have its socket."""

    def __init__(self, user: str | None = None, runtime: str | None = None) -> None:
        self.user, self.name = user, f"berth-podman-{user or 'root'}-{runtime or 'default'}"
        self.socket = pathlib.Path("/run/user/1000" if user else "/run", "podman", "podman.sock")
        self.podman = ("podman", *(("--runtime", runtime) if runtime else ()))

    def systemd(self, *command: str) -> tuple[str, ...]:
        return (command[0], "--machine=user@.host", "--user", *command[1:]) if self.user else command

    def run(self, *command: str) -> machine.Outcome:
        return run(*self.podman, *command, user=self.user)

    def __enter__(self) -> "Podman":
        directory = tempfile.mkdtemp(prefix="berth-check-")
        pathlib.Path(directory).chmod(0o755)
        self.run("import", busybox_root(directory), "busybox").ok
        run(*self.systemd("systemd-run", "--quiet", "--collect", f"--unit={self.name}",
                          f"--property=ExecStartPre=/bin/mkdir -p {self.socket.parent}", *self.podman, "system",
                          "service", "--time", "0", f"unix://{self.socket}")).ok
        eventually(lambda: machine.answers(str(self.socket)), "Podman answers")
        return self

    def __exit__(self, *_: object) -> None:
        run(*self.systemd("systemctl", "stop", f"{self.name}.service"))


def as_user(*command: str) -> list[str]:
    """As the user who has no other rights, in that user's session."""
    return ["runuser", "-u", "user", "--", "env", "HOME=/home/user", "XDG_RUNTIME_DIR=/run/user/1000",
            *command]


def resets_on_podman(user: str | None, runtime: str | None) -> None:
    with Podman(user, runtime) as podman:
        # It is found without being named; by an ordinary user's server also as an engine like any other.
        # It takes seconds for its first answers: with other work beside it more than a server waits.
        server = Service("Restart=on-failure", "StartLimitIntervalSec=0", runtime="auto" if runtime else "podman",
                         arguments=("--image", "busybox", "--reuse", "reset", "--max", "1"))
        if user:
            server.command = as_user(*server.command)
            doctor = run(*as_user(BERTH, "doctor", "--image", "busybox"))
            expect(f"unix://{podman.socket}" in doctor.out and doctor.code == 0, f"doctor finds it: {doctor}")
        with server:
            resets(server)
        left = podman.run("ps", "--all", "--quiet", "--filter", "label=dev.berth.instance").ok.out.split()
        expect(not left, f"no container is left: {left}")


@check
def says_where_it_looked():
    """an ordinary user without an engine is told by doctor where one was looked for, and what goes without one"""
    outcome = run(*as_user(BERTH, "doctor"))
    text = outcome.out + outcome.err
    expect("/run/user/1000/docker.sock" in text and "/run/user/1000/podman/podman.sock" in text
           and "systemd-run --user -p Delegate=yes" in text, f"doctor says where: {outcome}")
    expect(outcome.code == 0 and "can run here, on native, with --limits best-effort" in text,
           f"doctor says what goes: {outcome}")
    outcome = run(*as_user(BERTH, "serve", "--runtime", "auto", "--listen", "127.0.0.1:0"))
    text = outcome.out + outcome.err
    expect(outcome.code != 0 and "systemd-run --user -p Delegate=yes" in text and "best-effort" in text,
           f"a server without limits says what to do: {outcome}")


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


@check
def serves_on_docker():
    """on Docker, with cgroup v2 and systemd's cgroups, a member is made, limited, reset and removed"""
    run("systemctl", "start", "docker").ok
    with tempfile.TemporaryDirectory() as directory:
        run("docker", "import", busybox_root(directory), "busybox").ok
    arguments = ("--image", "busybox", "--memory", "64m", "--tmpfs", "300m", "--reuse", "reset", "--max", "1")
    with Service("Requires=docker.service", "After=docker.service", runtime="docker", arguments=arguments) as server:
        resets(server)
        tells_out_of_memory(server, 2)
    left = run("docker", "ps", "--all", "--quiet", "--filter", "label=dev.berth.instance").out.split()
    expect(not left, f"no container is left: {left}")
