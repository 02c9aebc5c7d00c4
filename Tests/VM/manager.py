# SPDX-License-Identifier: Apache-2.0
"""The server as a service: ready, reload, stop, watchdog, sockets; the units in packaging/systemd; the Debian package."""
import pathlib
import re
import subprocess

from machine import BERTH, PATIENT, Service, accepts, check, eventually, expect, read, run

HERE = pathlib.Path(__file__).resolve().parent
UNITS = HERE / "systemd"


@check
def ready_and_reload():
    """with Type=notify a start waits until callers are served, and a reload until the configuration is in force"""
    settings = pathlib.Path("/run/berth-check.yaml")
    settings.write_text("pools:\n  first: {size: 1}\n")
    with Service("Type=notify", "Delegate=yes", "KillMode=mixed", "ExecReload=/bin/kill -HUP $MAINPID",
                 arguments=("--config", str(settings))) as server:
        expect(server.show("StatusText") == f"serving {server.address}", server.show("StatusText"))
        expect(server.is_listening(), server.log())
        server.run("true").ok
        before = server.pid
        settings.write_text("pools:\n  second: {size: 1}\n")
        run("systemctl", "reload", server.unit).ok
        eventually(lambda: "the configuration is reloaded" in server.log(), "it is reloaded")
        eventually(lambda: server.state() == "active", "it is active again")
        expect(server.pid == before, "the server is the same")
        server.berth("run", "--wait", PATIENT, "--pool", "second", "--", "true").ok
        # A reload that finds a mistake, and one without a change, leave it active too.
        settings.write_text("pools: {")
        run("systemctl", "reload", server.unit).ok
        eventually(lambda: "not reloaded" in server.log(), "the mistake is told")
        eventually(lambda: server.state() == "active", "it is active again")


@check
def programs_have_their_drain_time():
    """a stop waits for a running program as long as drain_time says, which is longer than TimeoutStopSec="""
    with Service("Type=notify", "Delegate=yes", "KillMode=mixed", "TimeoutStopSec=10s",
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
def watchdog():
    """a server that has stopped to turn is ended by the watchdog and started again"""
    with Service("Type=notify", "Delegate=yes", "KillMode=mixed", "WatchdogSec=30s", "Restart=on-failure",
                 "RestartSec=100ms", "NotifyAccess=main") as server:
        server.run("true").ok
        before = server.pid
        run("kill", "-STOP", str(before)).ok
        eventually(lambda: server.pid not in (0, before) and server.state() == "active", "another server is ready")
        expect("watchdog" in run("journalctl", "--no-pager", "-u", server.unit).out.lower(), "it was the watchdog")
        server.run("true").ok


@check
def socket_activation():
    """a call starts a server whose socket systemd holds, and one that comes while it restarts waits for it"""
    name, address = "berth-check-activated", "/run/berth-check.sock"
    folder = pathlib.Path("/run/systemd/system")
    (folder / f"{name}.socket").write_text(f"[Socket]\nListenStream={address}\nListenStream=127.0.0.1:7490\n")
    (folder / f"{name}.service").write_text(
        "[Service]\nType=notify\nDelegate=yes\nKillMode=mixed\n"
        f"ExecStart={BERTH} serve --runtime runc --size 1 --listen 127.0.0.1:7491\n")

    def call(server: str) -> None:
        outcome = run("env", f"BERTH_SERVER={server}", BERTH, "run", "--wait", PATIENT, "--", "echo", "hello")
        expect(outcome.code == 0 and outcome.out == "hello\n", f"{server}: {outcome}")

    try:
        run("systemctl", "daemon-reload").ok
        run("systemctl", "start", f"{name}.socket").ok
        expect(run("systemctl", "is-active", f"{name}.service").out.strip() == "inactive", "nothing runs yet")
        call(f"unix:{address}")
        call("127.0.0.1:7490")
        expect(not accepts(7491), "its own addresses are not looked at")
        run("systemctl", "stop", f"{name}.service")
        # The socket outlived the server.
        call(f"unix:{address}")
    finally:
        run("systemctl", "stop", f"{name}.socket", f"{name}.service")
        for unit in folder.glob(f"{name}.*"):
            unit.unlink()
        run("systemctl", "daemon-reload")


@check
def units_are_right():
    """systemd-analyze finds no fault in the units, and what the service may do is no more than was looked at"""
    folder = pathlib.Path("/run/systemd/system")
    try:
        for unit in ("berth.service", "berth.socket"):
            text = (UNITS / "system" / unit).read_text().replace("/usr/local/bin/berth", BERTH)
            # This machine has no manual pages.
            (folder / unit).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
        run("systemctl", "daemon-reload").ok
        outcome = run("systemd-analyze", "verify", *(str(folder / unit) for unit in ("berth.service", "berth.socket")))
        expect(outcome.code == 0 and "berth" not in outcome.err, f"{outcome}")
        outcome = run("systemd-analyze", "security", "--no-pager", "berth.service").ok
        score = float(re.search(r"Overall exposure level for berth.service: ([0-9.]+)", outcome.out)[1])
        expect(score <= 7.1, f"it is {score} of 10:\n{outcome.out}")
        print(f"        exposure of berth.service: {score}", flush=True)
    finally:
        for unit in ("berth.service", "berth.socket"):
            (folder / unit).unlink(missing_ok=True)
        run("systemctl", "daemon-reload")


@check
def package():
    """the Debian package starts a server, upgrades it, and leaves nothing after a purge"""
    archive = str(HERE / "berth.deb")

    def serves() -> str:
        expect(run("systemctl", "is-active", "berth").out.strip() == "active", run("systemctl", "status", "berth").out)
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
