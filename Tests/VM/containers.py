# SPDX-License-Identifier: Apache-2.0
"""Item J47. Berth within a container."""
import pathlib
import tempfile

import machine
from machine import BERTH, CGROUPS, PATIENT, accepts, check, directories_named, eventually, expect, host_root, run


def in_container(engine: str, *options: str, name: str, command: tuple[str, ...]) -> machine.Outcome:
    return run(engine, "run", "--detach", "--name", name, "--privileged", "--network", "host", "-v", "/usr:/usr:ro",
               "-v", f"{pathlib.Path(BERTH).parent}:/berth:ro", *options, "berth-check-host", *command)


def serves_in_container(engine: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run(engine, "import", host_root(directory), "berth-check-host").ok
    name, port = f"berth-check-{engine}", {"docker": 7471, "podman": 7472}[engine]
    address = f"127.0.0.1:{port}"
    run(engine, "rm", "--force", name)
    try:
        # The shell stays process 1: also what was there before the server has to make room.
        serve = f"/berth/berth serve --runtime runc --listen {address} --size 1 --memory 600m; exit 1"
        in_container(engine, name=name, command=("/bin/sh", "-c", serve)).ok

        def berth(*arguments: str) -> machine.Outcome:
            return run(engine, "exec", "-e", f"BERTH_SERVER={address}", name, "/berth/berth", *arguments)

        # Its processes are the machine's too, and so is its network.
        eventually(lambda: accepts(port) or run("pgrep", "-f", "--", f"--listen {address}").code, "it listens, or ends")
        outcome = berth("run", "--wait", PATIENT, "--", "echo", "hello")
        expect(outcome.code == 0 and outcome.out == "hello\n",
               f"a program runs: {outcome}\n{run(engine, 'logs', name)}")
        member = directories_named(f"berth-{port}")
        identity = run(engine, "inspect", "--format", "{{.Id}}", name).out.strip()
        expect(len(member) == 1 and identity in member[0], f"{member} is in the container's own cgroup, {identity}")
        pathlib.Path(f"{CGROUPS}{member[0]}").parent.joinpath("memory.max").write_text("300M")
        outcome = berth("run", "--wait", PATIENT, "--", "python3", "-c", "b = bytearray(500_000_000)")
        expect(outcome.code == 137, f"the container's own limit holds for members: {outcome}")
        doctor = berth("doctor").out
        expect("container's own" in doctor, f"doctor says where: {doctor}")
    finally:
        run(engine, "rm", "--force", name)


@check
def serves_in_docker():
    """in a privileged container of Docker the embedded runtime makes members, within the container's limits"""
    run("systemctl", "start", "docker").ok
    serves_in_container("docker")


@check
def serves_in_podman():
    """in a privileged container of Podman the embedded runtime makes members, within the container's limits"""
    serves_in_container("podman")


@check
def unprivileged_container():
    """in a container that may make no members the server says so, and does not listen"""
    run("systemctl", "start", "docker").ok
    with tempfile.TemporaryDirectory() as directory:
        run("docker", "import", host_root(directory), "berth-check-host").ok
    outcome = run("docker", "run", "--rm", "-v", "/usr:/usr:ro", "-v", f"{pathlib.Path(BERTH).parent}:/berth:ro",
                  "berth-check-host", "/berth/berth", "serve", "--runtime", "runc", "--listen", "127.0.0.1:0")
    expect(outcome.code == 1 and "--privileged" in outcome.err and "listening" not in outcome.out, f"{outcome}")
