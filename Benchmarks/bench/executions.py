# SPDX-License-Identifier: Apache-2.0
"""What running programs cost the server: quiet ones, such whose output is read, and such whose output is not."""
import contextlib
import threading
import time

from . import wire
from .containers import serve
from .plot import digits
from .steps import step
from .system import BERTH, Failure, memory_of, run

KIB = 1 << 10
COUNT, LEASES = 60, 4
# What a program of each kind runs, and whether its output is read.
KINDS = {
    "quiet": (["sleep", "1000"], False),
    "output that is read": (["yes"], True),
    "output that is not read": (["yes"], False),
}


class Readers:
    """Takes what comes on connections, and gives the credit back for none: the streams have no window."""

    def __init__(self, connections):
        self.connections, self.stopping = connections, threading.Event()
        self.threads = [threading.Thread(target=self._read, args=(one,), daemon=True) for one in connections]

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _read(self, connection):
        connection.settimeout(0.2)
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                connection.recv(1 << 20)


def execute_in(stream, lease, argv, window):
    message = wire.field(1, lease) + b"".join(wire.field(4, word) for word in argv)
    return wire.call(stream, "Execute", message + (wire.field(13, window) if window else b""), streams=True)


def stand(server, reads):
    """Until all run and, where nobody reads, the server's memory stands still."""
    deadline, last = time.monotonic() + 60, 0
    while time.monotonic() < deadline:
        time.sleep(1)
        stats, now = server.stats(), memory_of(server.pid)["private"]
        if stats.get("executions") == COUNT and (reads or abs(now - last) < 64 * KIB):
            return now, int(stats.get("held_bytes", 0))
        last = now
    raise Failure(f"{COUNT} programs do not come to rest: {server.stats()}")


@step("executions", f"Memory of the server for each of {COUNT} running programs, runc")
def executions(results):
    for kind, (argv, reads) in KINDS.items():
        with serve(results, "runc", "--size", str(LEASES), "--max", str(LEASES)) as server:
            server.wait_idle(LEASES)
            leases = [run([BERTH, "acquire", "--server", server.address]).strip() for _ in range(LEASES)]
            for lease in leases:
                # What is used once, and then kept, is no growth.
                run([BERTH, "run", "--server", server.address, "--lease", lease, "--", "head", "-c", "3000000", "/dev/zero"])
            time.sleep(1)
            before = memory_of(server.pid)["private"]
            with contextlib.ExitStack() as stack:
                connections = [stack.enter_context(wire.connect(server.port)) for _ in range(LEASES)]
                for number in range(COUNT):
                    place = number % LEASES
                    connections[place].sendall(
                        execute_in(1 + 2 * (number // LEASES), leases[place], argv, 0 if reads else 1 << 20))
                if reads:
                    stack.enter_context(Readers(connections))
                    # Long enough for each of them to have had its turn again and again.
                    time.sleep(5)
                after, held = stand(server, reads)
            each, counted = (after - before) / COUNT, held / COUNT
            results.data[kind] = {"each": each, "counted": counted}
            results.figure(f"a running program, {kind}", f"{digits(max(0, each) / KIB)} KiB",
                           f"counted in the budget {digits(counted / KIB)} KiB", "≤ 256 KiB beyond the counted",
                           each <= counted + 256 * KIB)
