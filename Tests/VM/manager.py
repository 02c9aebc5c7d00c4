# SPDX-License-Identifier: Apache-2.0
"""The server as a service: its end; the units in packaging/systemd; the Debian package."""
import pathlib
import re
import subprocess

from machine import BERTH, PATIENT, Service, accepts, check, eventually, expect, read, run

HERE = pathlib.Path(__file__).resolve().parent
UNITS = HERE / "systemd"


@check
def programs_have_their_drain_time():
    """a stop waits for a running program as long as drain_time says"""
    with Service("Delegate=yes", "KillMode=mixed", "TimeoutStopSec=10min",
                 arguments=("--drain-time", "10m")) as server:
        program = "echo begun; sleep 30; echo done"
        client = subprocess.Popen(["env", f"BERTH_SERVER={server.address}", BERTH, "run", "--wait", PATIENT, "--timeout",
                                   PATIENT, "--shell", program], stdout=subprocess.PIPE, text=True)
        expect(client.stdout.readline() == "begun\n", "the program has begun")
        run("systemctl", "stop", server.unit).ok
        rest, code = client.stdout.read(), client.wait()
        expect((rest, code) == ("done\n", 0), f"it had the time: {rest!r}, exit code {code}\n{server.log()}")
        expect("every container is removed" in server.log(), f"the server ended in order: {server.log()}")


@check
def units_are_right():
    """systemd-analyze finds no fault in the units, and what the service may do is no more than was looked at"""
    folder = pathlib.Path("/run/systemd/system")
    try:
        for unit in ("berth.service",):
            text = (UNITS / "system" / unit).read_text().replace("/usr/local/bin/berth", BERTH)
            # This machine has no manual pages.
            (folder / unit).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
        run("systemctl", "daemon-reload").ok
        outcome = run("systemd-analyze", "verify", *(str(folder / unit) for unit in ("berth.service",)))
        expect(outcome.code == 0 and "berth" not in outcome.err, f"{outcome}")
        outcome = run("systemd-analyze", "security", "--no-pager", "berth.service").ok
        score = float(re.search(r"Overall exposure level for berth.service: ([0-9.]+)", outcome.out)[1])
        expect(score <= 7.1, f"it is {score} of 10:\n{outcome.out}")
        print(f"        exposure of berth.service: {score}", flush=True)
    finally:
        for unit in ("berth.service",):
            (folder / unit).unlink(missing_ok=True)
        run("systemctl", "daemon-reload")


@check
def package():
    """the Debian package starts a server, upgrades it, and leaves nothing after a purge"""
    archive = str(HERE / "berth.deb")

    def serves() -> str:
        expect(run("systemctl", "is-active", "berth").out.strip() == "active", run("systemctl", "status", "berth").out)
        eventually(lambda: accepts(7411), "it listens")
        outcome = run("/usr/bin/berth", "run", "--wait", PATIENT, "--", "echo", "hello")
        expect(outcome.code == 0 and outcome.out == "hello\n", f"a program runs: {outcome}")
        return run("systemctl", "show", "--value", "-p", "MainPID", "berth").out.strip()

    try:
        run("dpkg", "--install", archive).ok
        first = serves()
        expect(cgroup_is_delegated(first), read(f"/proc/{first}/cgroup"))
        expect(run("systemctl", "is-enabled", "berth").out.strip() == "enabled", "it starts with the machine")
        run("systemctl", "reload", "berth").ok
        # The same version again is an upgrade for the package's scripts.
        run("dpkg", "--install", archive).ok
        second = serves()
        expect(second != first, "the server is that of the new files")
    finally:
        outcome = run("dpkg", "--purge", "berth")
    expect(outcome.code == 0, f"it is purged: {outcome}")
    expect(run("systemctl", "is-active", "berth").out.strip() == "inactive", "nothing runs")
    left = run("find", "/etc", "/usr", "/var", "/run", "/lib/systemd", "-xdev", "-name", "*berth*", "-not", "-path",
               "/var/lib/dpkg/*", "-not", "-path", "/run/berth-check*").out
    expect(not re.search(r"(?m)^/(etc|usr|lib)/|^/var/cache/berth|^/run/berth$", left), f"left: {left}")


def cgroup_is_delegated(pid: str) -> bool:
    return read(f"/proc/{pid}/cgroup").strip().endswith("/system.slice/berth.service/berth-server")
