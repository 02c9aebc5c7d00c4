# SPDX-License-Identifier: Apache-2.0
"""One piece of code, once: in an interpreter that is warm, in one that is started, through Docker, and with nothing around it."""
import os
import pathlib
import statistics
import tempfile

from .cli import took
from .containers import docker_host, expect_none_failed, measured, runtime
from .create import runtimes
from .plot import bars, digits, microseconds
from .steps import step
from .system import Failure, Server, latency, program, run

CONFIGURATION = """\
max: 12
pools:
  plain: {size: 2, reuse: reset, memory: 512m}
  warm: {size: 2, reuse: reset, memory: 512m, interpreters: {python: {}}}
  pandas: {size: 2, reuse: reset, memory: 512m, interpreters: {python: {preload: [numpy, pandas]}}}
"""
SHORT = "print(1)"
LONG = "import numpy, pandas; print(int(pandas.Series(numpy.arange(10)).sum()))"
ROUNDS, SPAWNS = 5, 20


@step("interpreters", "One piece of Python, once: warm, by exec, through Docker, and with nothing around it")
def interpreters(results):
    name = runtimes()[0]
    found = {}
    with tempfile.TemporaryDirectory(prefix="berth-interpreters-") as folder:
        file = pathlib.Path(folder) / "berth.yaml"
        file.write_text(CONFIGURATION, encoding="utf-8")
        results.command(f"berth serve --runtime {name} --config interpreters.yaml  # pools plain, warm, pandas")
        with Server([*runtime(name), "--config", file]) as server, Containers() as docker:
            server.wait_idle(6)
            for _ in range(ROUNDS):
                _round(results, server, docker, found)
    p50 = {key: statistics.median(values) for key, values in found.items()}
    results.data.update(found)
    results.command("docker exec CONTAINER python3 -c 'print(1)'")
    results.command("docker run --rm --network none python:3.9-slim python3 -c 'print(1)'")
    results.figure(f"`print(1)`, a warm interpreter, {name}, p50", microseconds(p50["warm"]),
                   f"by exec {microseconds(p50['exec'])}, {digits(p50['exec'] / p50['warm'])} times as long; Python alone "
                   f"{microseconds(p50['python'])}", "≤ 3.5 ms", p50["warm"] <= 3500)
    results.figure("the same through Docker, p50", f"exec {microseconds(p50['docker exec'])}",
                   f"run {microseconds(p50['docker run'])}, {digits(p50['docker run'] / p50['warm'])} times as long as warm")
    results.figure(f"numpy and pandas, preloaded and used, {name}, p50", microseconds(p50["warm pandas"]),
                   f"by exec {microseconds(p50['exec pandas'])}", "≤ 8 ms", p50["warm pandas"] <= 8000)
    results.figure(f"`true` in a lease, {name}, p50", microseconds(p50["true"]),
                   f"a bare posix_spawn of it {microseconds(p50['spawn'])}", "≤ 1.4 times that",
                   p50["true"] <= 1.4 * p50["spawn"])
    results.plots["interpreters"] = bars("One piece of Python, p50", [
        (key, p50[key]) for key in ("warm", "exec", "python", "docker exec", "docker run", "warm pandas", "exec pandas")])


def _round(results, server, docker, found):
    """In turn: whatever else the machine does happens to all."""
    def load(key, scenario, pool, *arguments, command=()):
        report = measured(results, server, scenario, "--pool", pool, *arguments, "--warmup", "300ms", duration=2,
                          command=command)
        if failures := expect_none_failed(report):
            raise Failure(f"{key}: {', '.join(failures)}")
        found.setdefault(key, []).append(latency(report, scenario)["p50"])

    def spawn(key, times, command):
        null = os.open("/dev/null", os.O_RDWR)
        try:
            found.setdefault(key, []).append(statistics.median(took(command, null) for _ in range(times)))
        finally:
            os.close(null)

    load("warm", "run", "warm", "--language", "python", "--code", SHORT)
    load("exec", "run", "plain", command=["python3", "-c", SHORT])
    load("warm pandas", "run", "pandas", "--language", "python", "--code", LONG)
    load("exec pandas", "run", "plain", command=["python3", "-c", LONG])
    load("true", "execute", "plain", command=["true"])
    spawn("spawn", SPAWNS * 5, [program("true", "install coreutils")])
    spawn("python", SPAWNS, [program("python3", "run dev/bootstrap"), "-c", SHORT])
    spawn("docker exec", SPAWNS, [*docker.client, "exec", docker.name, "python3", "-c", SHORT])
    spawn("docker run", 3, [*docker.client, "run", "--rm", "--network", "none", docker.image, "python3", "-c", SHORT])


class Containers:
    """A container that sleeps, to exec in."""
    image = "python:3.9-slim"

    def __init__(self):
        self.client = [program("docker", "run dev/bootstrap --test"), "--host", docker_host()]
        self.name = f"berth-bench-{os.getpid()}"

    def __enter__(self):
        run([*self.client, "run", "--detach", "--name", self.name, "--network", "none", self.image, "sleep", "10000"])
        return self

    def __exit__(self, *_):
        run([*self.client, "rm", "--force", self.name])
