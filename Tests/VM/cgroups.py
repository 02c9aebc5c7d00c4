# SPDX-License-Identifier: Apache-2.0
"""Item J46. Where members' cgroups are: in the server's own, where that is delegated to it."""
from machine import (BERTH, CGROUPS, Service, cgroup_of, check, directories_named, eventually, expect, read, run)


@check
def members_in_a_delegated_unit():
    """with Delegate=yes members live below the server's unit, in its Slice=, and the server in a leaf beside them"""
    with Service("Delegate=yes", "Slice=berthcheck.slice") as server:
        member = server.await_member()
        expect(server.cgroup == f"/berthcheck.slice/{server.unit}", f"{server.cgroup} is in the slice")
        expect(member.startswith(f"{server.cgroup}/berth-{server.port}/"),
               f"{member} is below {server.cgroup}")
        expect(cgroup_of(server.pid) == f"{server.cgroup}/berth-server", f"the server is in {cgroup_of(server.pid)}")
        right = {"memory.max": str(128 << 20), "pids.max": "128", "cpu.max": "100000 100000"}

        def has_limits(member: str) -> bool:
            return all(read(f"{CGROUPS}{member}/{name}").strip() == value for name, value in right.items())

        eventually(lambda: any(has_limits(member) for member in server.members()), "a member has its limits")
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
        held = eventually(lambda: (pool := server.pool()).get("held") and pool.get("idle") and pool, "creates are held")
        expect(1 <= held["idle"] <= 3 and "MiB" in held["held_reason"], f"{held}")


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
