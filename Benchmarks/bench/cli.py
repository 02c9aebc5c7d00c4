# SPDX-License-Identifier: Apache-2.0
"""The command line as a whole process, from its start to its exit."""
import os
import statistics
import time

from .containers import docker_host, serve
from .plot import bars, digits, microseconds
from .steps import step
from .system import BERTH, Failure, program, run

ROUNDS = 150


def took(command, null):
    """Microseconds from the start of a process to its end."""
    words = [str(word) for word in command]
    streams = [(os.POSIX_SPAWN_DUP2, null, descriptor) for descriptor in (0, 1)]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=streams)
    _, status = os.waitpid(pid, 0)
    ended = time.perf_counter()
    if status:
        raise Failure(f"{' '.join(words)}: status {status}")
    return (ended - began) * 1e6


@step("cli", "`berth run -- true` as a whole process, and `docker exec` beside it")
def cli(results):
    docker = [program("docker", "run dev/bootstrap --test"), "--host", docker_host()]
    name = f"berth-bench-{os.getpid()}"
    run([*docker, "run", "--detach", "--name", name, "--network", "none", "busybox", "sleep", "1000"])
    try:
        with serve(results, "runc", "--reuse", "reset", "--size", "2") as server:
            server.wait_idle(2)
            to = ["--server", server.address]
            lease = run([BERTH, "acquire", *to]).strip()
            commands = {
                "run": [BERTH, "run", *to, "--", "true"],
                "lease": [BERTH, "run", *to, "--lease", lease, "--", "true"],
                "docker": [*docker, "exec", name, "true"],
                "nothing": [program("true", "install coreutils")],
            }
            found = measured(commands)
    finally:
        run([*docker, "rm", "--force", name])
    results.command("berth run -- true")
    results.command("berth run --lease LEASE -- true")
    results.command("docker exec CONTAINER true")
    p50 = {key: statistics.median(values) for key, values in found.items()}
    results.data.update(found)
    results.figure("`berth run -- true`, runc, p50", microseconds(p50["run"]),
                   f"`docker exec`, in turn with it: {microseconds(p50['docker'])}, "
                   f"{digits(p50['docker'] / p50['run'])} times as long", "≤ 6 ms", p50["run"] <= 6000)
    results.figure("the same in a lease, p50", microseconds(p50["lease"]),
                   f"`true` of this machine, with nothing around it: {microseconds(p50['nothing'])}")
    results.plots["cli"] = bars("A command that runs true, whole process, p50",
                                [("berth run, runc", p50["run"]), ("docker exec", p50["docker"])])


def measured(commands):
    """In turn: whatever else the machine does happens to all."""
    found = {key: [] for key in commands}
    null = os.open("/dev/null", os.O_RDWR)
    for key in found:
        took(commands[key], null)
    for _ in range(ROUNDS):
        for key, values in found.items():
            values.append(took(commands[key], null))
    os.close(null)
    return found
