# SPDX-License-Identifier: Apache-2.0
"""Connections into a container through `berth forward`: how fast a gigabyte comes, and how long 16 bytes take there and back."""
import hashlib
import os
import select
import signal
import socket
import statistics
import subprocess
import time

from .containers import serve
from .plot import digits, microseconds
from .steps import step
from .system import BERTH, Failure, run

SIZE, BLOCK = 1 << 30, 256 << 10
TRANSFERS, TRIPS = 5, 3000
# MB/s; microseconds.
RATE, TRIP = 500, 250

# s: sends all there is. e: echoes.
LISTENER = f"""
import socket, threading
block = bytes(range(256)) * {BLOCK // 256}
def serve(c):
    if c.recv(1) == b"s":
        for _ in range({SIZE // BLOCK}): c.sendall(block)
        c.shutdown(socket.SHUT_WR)
    while data := c.recv(65536): c.sendall(data)
    c.close()
def accept(l):
    while True:
        c, _ = l.accept()
        if c.family == socket.AF_INET: c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(c,), daemon=True).start()
port, path = socket.socket(), socket.socket(socket.AF_UNIX)
port.bind(("127.0.0.1", 8000)); path.bind("/tmp/s")
for l in (port, path): l.listen(9)
threading.Thread(target=accept, args=(path,), daemon=True).start()
accept(port)
"""


class Forward:
    """`berth forward` to the listener's port, and to its unix socket."""

    def __init__(self, server):
        self.environment = {"BERTH_SERVER": f"127.0.0.1:{server.port}"}
        self.environment["BERTH_LEASE"] = run([BERTH, "acquire"], env=self.environment).strip()
        run([BERTH, "run", "--detach", "--timeout", "1h", "--", "python3", "-c", LISTENER], env=self.environment)
        self.path = server.folder / "forwarded"
        self.process = subprocess.Popen(
            [BERTH, "forward", "0:8000", f"{self.path}:/tmp/s", "--wait", "10s"], stdout=subprocess.PIPE, text=True,
            env={**os.environ, **self.environment})

    def __enter__(self):
        lines = [self.process.stdout.readline() for _ in range(2)]
        if not lines[1]:
            raise Failure("berth forward: did not listen")
        self.port = int(lines[0].split()[0].rpartition(":")[2])
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()

    def connect(self, kind, what):
        if kind == "port":
            connection = socket.create_connection(("127.0.0.1", self.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(self.path))
        connection.sendall(what)
        return connection

    def transfer(self, kind, digest=None):
        """MB/s."""
        room, count = bytearray(1 << 20), 0
        with self.connect(kind, b"s") as connection:
            began = time.perf_counter()
            while got := connection.recv_into(room):
                count += got
                if digest:
                    digest.update(memoryview(room)[:got])
            took = time.perf_counter() - began
        if count != SIZE:
            raise Failure(f"{count} bytes came, of {SIZE}")
        return SIZE / 1e6 / took

    def trips(self, kind):
        """Microseconds, in order."""
        times = []
        with self.connect(kind, b"e") as connection:
            for _ in range(TRIPS):
                began = time.perf_counter()
                connection.sendall(b"0123456789abcdef")
                left = 16
                while left:
                    got = len(connection.recv(left))
                    if not got:
                        raise Failure("the connection ended")
                    left -= got
                times.append((time.perf_counter() - began) * 1e6)
        return sorted(times)


def relayed(relays=3):
    """Microseconds, in order: 16 bytes there and back through as many processes that only read and write, as a connection
    passes: `berth forward`, the server, the agent. What this machine's wake-ups cost, whoever relays."""
    pairs = [socket.socketpair() for _ in range(relays + 1)]
    children = []
    for number in range(relays + 1):
        child = os.fork()
        if child == 0:
            try:
                relay(pairs[number][1], pairs[number + 1][0] if number < relays else None, pairs)
            finally:
                os._exit(0)
        children.append(child)
    first = pairs[0][0]
    for one, other in pairs:
        other.close()
        if one is not first:
            one.close()
    times = []
    for _ in range(TRIPS):
        began = time.perf_counter()
        first.sendall(b"0123456789abcdef")
        first.recv(16, socket.MSG_WAITALL)
        times.append((time.perf_counter() - began) * 1e6)
    first.close()
    for child in children:
        os.waitpid(child, 0)
    return sorted(times)


def relay(one, other, pairs):
    """Until the first end of file. Without `other`: echoes."""
    for end in (end for pair in pairs for end in pair):
        if end is not one and end is not other:
            end.close()
    to = {one.fileno(): (other or one).fileno()}
    if other:
        to[other.fileno()] = one.fileno()
    poll = select.epoll()
    for end in to:
        poll.register(end, select.EPOLLIN)
    while True:
        for end, _ in poll.poll():
            data = os.read(end, 65536)
            if not data:
                return
            os.write(to[end], data)


@step("connect", "Connections into a container, through `berth forward`, runc")
def connect(results):
    expected = hashlib.sha256()
    for _ in range(SIZE // BLOCK):
        expected.update(bytes(range(256)) * (BLOCK // 256))
    with serve(results, "runc", "--size", "1", "--max", "2", "--memory", "256m") as server:
        server.wait_idle(1)
        with Forward(server) as forward:
            for kind, name in (("port", "a port, to a port"), ("unix", "a unix socket, to a unix socket")):
                digest = hashlib.sha256()
                forward.transfer(kind, digest)
                if digest.digest() != expected.digest():
                    raise Failure(f"{name}: what came is not what was sent")
                rates = [forward.transfer(kind) for _ in range(TRANSFERS)]
                trips, floor = forward.trips(kind), statistics.median(relayed())
                results.data[kind] = {"megabytes_per_second": rates, "round_trip_p50": statistics.median(trips),
                                      "three_relays_p50": floor}
                rate, trip = statistics.median(rates), statistics.median(trips)
                results.figure(f"1 GiB from {name}, p50", f"{digits(rate)} MB/s",
                               f"{digits(min(rates))} to {digits(max(rates))}, {TRANSFERS} times, and its hash", f"≥ {RATE} MB/s",
                               rate >= RATE)
                results.figure(f"16 bytes there and back, {name}, p50", microseconds(trip),
                               f"p99 {microseconds(trips[len(trips) * 99 // 100])}; through three bare relays "
                               f"{microseconds(floor)}: {digits(trip / floor)} times that", f"≤ {TRIP} µs", trip <= TRIP)
    results.command("berth forward 0:8000 PATH:/tmp/s")
