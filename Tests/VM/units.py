# SPDX-License-Identifier: Apache-2.0
"""Item J51. What a unit file forbids. Item J52. The journal."""
import pathlib

from machine import Service, check, directories_named, eventually, expect, run, together


def refuses(setting: str, *properties: str, runtime: str = "runc") -> None:
    """The server ends, without having listened, with a line that names the setting."""
    server = Service(*properties, runtime=runtime)
    try:
        server.start()
        eventually(lambda: server.accepts() or server.state() in ("failed", "inactive"), "it listens, or ends")
        log = server.log()
        expect(not server.is_listening(), f"it does not listen: {log}")
        expect(f"{setting}" in log and server.unit in log, f"it names {setting} and its unit: {log}")
        last = [entry for entry in server.journal() if entry.get("_TRANSPORT") == "stdout"][-1]
        expect(last["PRIORITY"] == "3", f"why it ended is an error: {last}")
        code = server.show("ExecMainStatus")
        expect(code == "1", f"its exit code is 1: {code}")
    finally:
        server.stop()
    expect(not directories_named(f"berth-{server.port}"), "no cgroup is left")


@check
def protected_cgroups():
    """with ProtectControlGroups=yes the server names it instead of listening"""
    together(refuses,
             ("ProtectControlGroups=yes", "ProtectControlGroups=yes"),
             ("ProtectControlGroups=yes", "ProtectControlGroups=yes", "Delegate=yes"))


@check
def restricted_namespaces():
    """with RestrictNamespaces= the server names it, and the namespaces that it needs"""
    together(refuses,
             ("RestrictNamespaces=", "RestrictNamespaces=yes"),
             ("must allow net", "RestrictNamespaces=cgroup ipc mnt pid uts user"))


@check
def protected_system():
    """with ProtectSystem=strict and no RuntimeDirectory the server names both; the sample unit has both, and serves"""
    refuses("RuntimeDirectory=berth", "ProtectSystem=strict")


@check
def other_restrictions():
    """capabilities, system calls and address families that a unit takes away are named"""
    together(refuses,
             ("CAP_SYS_ADMIN", "CapabilityBoundingSet=~CAP_SYS_ADMIN"),
             ("CAP_SETUID", "CapabilityBoundingSet=~CAP_SETUID"),
             ("SystemCallFilter=", "SystemCallFilter=~@mount"),
             ("SystemCallFilter=", "SystemCallFilter=~@mount", "SystemCallErrorNumber=EPERM"),
             ("AF_NETLINK", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"),
             ("sethostname", "ProtectHostname=yes"))


@check
def sample_unit():
    """the unit in packaging/ serves, with all that it protects"""
    unit = pathlib.Path(__file__).resolve().parent / "systemd/system/berth.service"
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
