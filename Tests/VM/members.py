# SPDX-License-Identifier: Apache-2.0
"""What members do on cgroup v2, wherever they are: limits, time-outs, ends, and that nothing stays."""
import json
import pathlib
import tempfile

from machine import PATIENT, Service, busybox_root, check, directories_named, expect, run


@check
def limits_hold():
    """a member's memory, process and time limits hold on cgroup v2, and nothing of it is left"""
    with Service(arguments=("--memory", "64m", "--processes", "32")) as server:
        lease = server.lease()
        outcome = server.berth("run", lease, "--", "echo", "hello").ok
        expect(outcome.out == "hello\n", f"it says hello: {outcome}")
        outcome = server.berth("run", lease, "--shell", "head -c 300000000 /dev/zero | tail >/dev/null; exit $?")
        expect(outcome.code == 137, f"too much memory ends a program with 137: {outcome}")
        outcome = server.berth("run", lease, "--timeout", "1s", "--", "sleep", "100")
        expect(outcome.code == 124, f"its time-out ends a program with 124: {outcome}")
        outcome = server.berth("run", lease, "--shell", "i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i + 1)); done")
        expect("ork" in outcome.err, f"a 33rd process is refused: {outcome}")
        server.stop()
        expect(not directories_named(f"berth-{server.port}"), "no cgroup is left")
        expect(run("pgrep", "-f", "[.]berth/agent").code == 1, "no agent is left")


@check
def output_after_the_end():
    """what a helper still has in hand when its program ends comes whole"""
    whole = "".join(f"{number}\n" for number in range(1, 3001)) + "LAST\n"
    with tempfile.TemporaryDirectory() as directory:
        # The standard times are right for a machine that is ten times as fast.
        settings = pathlib.Path(directory, "berth.yaml")
        settings.write_text("output_grace: 10s\nmax_output_grace: 60s\n")
        with Service("Delegate=yes", arguments=("--config", str(settings))) as server:
            lease = server.lease()
            for number in range(8):
                program = ("bash", "-c", "exec > >(tee /tmp/l) 2>&1; seq 3000; echo LAST")
                outcome = server.berth("run", lease, "--", *program).ok
                expect(outcome.out == whole, f"run {number} has all of it, not {len(outcome.out)} bytes")


def tells_out_of_memory(server: Service, rounds: int) -> None:
    """A file in memory belongs to no process: the kernel ends whom it likes, the agent too."""
    for number in range(rounds):
        line = "exec dd if=/dev/zero of=/tmp/y bs=1M count=200 2>/dev/null"
        if number % 2:
            line = f"echo 0 >/proc/self/oom_score_adj; {line}"
        outcome = server.berth("run", "--wait", PATIENT, "--json", "--shell", line)
        ended = json.loads((outcome.out.splitlines() or ["{}"])[-1])
        expect(outcome.code == 137 and ended.get("cause") == "out_of_memory", f"run {number}: {outcome}")


@check
def out_of_memory_is_told():
    """memory that is used up is told as that ten times out of ten, whichever process the kernel takes"""
    with Service("Delegate=yes", arguments=("--memory", "64m", "--tmpfs", "300m")) as server:
        tells_out_of_memory(server, 10)


@check
def places_of_an_image():
    """an image's /tmp and /workspace that are root's alone are its programs' to write in"""
    image = pathlib.Path("/var/cache/berth/images/places")
    with tempfile.TemporaryDirectory() as directory:
        for part in (image.parent.parent, image.parent, image, image / "rootfs"):
            part.mkdir(mode=0o700 if part == image.parent else 0o755, exist_ok=True)
        run("tar", "-C", str(image / "rootfs"), "-xf", busybox_root(directory)).ok
    with Service("Delegate=yes", arguments=("--image", "places")) as server:
        server.shell("echo x >/tmp/x && echo y >/workspace/y").ok
