# SPDX-License-Identifier: Apache-2.0
"""The runtime native on cgroup v2, in a delegated unit and without delegation."""
from machine import CGROUPS, Service, check, directories_named, eventually, expect, read, run


def holds(server: Service) -> None:
    """Limits and devices are held, whoever set them."""
    lease = server.lease()
    inside = server.berth("run", lease, "--shell", "cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max").ok.out
    expect(inside.split("\n")[:4] == [str(128 << 20), "0", "128", "100000 100000"], f"a member has its limits: {inside}")
    seen = server.berth("run", lease, "--shell", "cat /proc/self/cgroup; touch /sys/fs/cgroup/x 2>&1").out
    expect(seen.startswith("0::/\n") and "Read-only" in seen, f"it sees its own cgroup only, read-only: {seen}")
    member = next(path for path in server.members() if read(f"{CGROUPS}{path}/cgroup.procs").strip())
    tried = run("sh", "-c", f"echo $$ >{CGROUPS}{member}/cgroup.procs; head -c 1 /dev/zero | wc -c; head -c 1 /dev/vda")
    expect(tried.out.strip() == "1" and "not permitted" in tried.err, f"devices are restricted, root's too: {tried}")
    outcome = server.run("python3", "-c", "b = bytearray(500_000_000); print(len(b))")
    expect(outcome.code == 137 and "memory" in outcome.err, f"500 MB are too much, and it is told why: {outcome}")


@check
def native_in_a_delegated_unit():
    """native: members are cloned into cgroups below a delegated unit, with all limits, and devices restricted"""
    with Service("Delegate=yes", runtime="native", size=2) as server:
        expect(server.await_member().startswith(f"{server.cgroup}/berth-{server.port}/"), "members are in the unit")
        holds(server)
    expect(not directories_named(f"berth-{server.port}"), "no cgroup is left")


@check
def native_without_delegation():
    """native: without a delegated cgroup all limits hold below the root, and a SIGKILL of the server leaves nothing"""
    with Service("KillMode=process", runtime="native", size=2) as server:
        expect(server.await_member().startswith(f"/berth-{server.port}/"), "members are below the root")
        holds(server)
        run("kill", "-9", str(server.pid)).ok
        eventually(lambda: not directories_named(f"berth-{server.port}"), "no cgroup is left")
        eventually(lambda: not run("pgrep", "-f", f"berth-launcher --instance {server.port}").out, "no launcher is left")
