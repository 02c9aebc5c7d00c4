# SPDX-License-Identifier: Apache-2.0
"""Who takes part in the storm: each does one kind of harm, again and again, but for the keepers, who must not notice."""
import json
import random
import subprocess
import threading
import time

from . import wire
from .system import BERTH

# What a program may try from inside. Each ends by itself or by its time-out.
HOSTILE = {
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "memory": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "memory, as the last to be killed": "open('/proc/self/oom_score_adj', 'w').write('0')\nx = []\n"
                                        "while True: x.append(bytearray(1 << 20))",
    "full tmpfs": "f = open('/tmp/f', 'wb')\nwhile True: f.write(bytes(1 << 20))",
    "kills all": "import os\nwhile True:\n    try: os.kill(-1, 9)\n    except OSError: pass",
    "stops all": "import os, signal\nfor _ in range(100000):\n    try: os.kill(-1, signal.SIGSTOP)\n    except OSError: pass",
    "output": "import os\nwhile True: os.write(1, bytes(65536))",
    "small output": "import os\nwhile True: os.write(2, b'x')",
    "frames to every descriptor": "import os\nf = bytes.fromhex('0000000a0000000902000a0808021204626f6f6d') * 50\n"
                                  "for n in range(3, 512):\n    try: os.write(n, f)\n    except OSError: pass",
    "daemons": "import os, time\nfor _ in range(50):\n    if os.fork() == 0:\n        os.setsid()\n"
               "        if os.fork() == 0: time.sleep(1000)\n        os._exit(0)",
    "sockets": "import socket\ns = []\nwhile True:\n    a, b = socket.socketpair()\n    a.setblocking(False)\n"
               "    s += [a, b]\n    try:\n        while True: a.send(bytes(65536))\n    except BlockingIOError: pass",
}


class Actor(threading.Thread):
    """Calls `act` until it is told to stop. What must not happen is in `problems`."""
    pause = 0.2

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.random = server, random.Random(seed)
        # Each a client of its own, with a share of its own of the server's memory; `berth` comes from 127.0.0.1.
        self.source = f"127.0.0.{2 + seed % 250}"
        self.stopping, self.acts, self.problems = threading.Event(), 0, []

    def run(self):
        while not self.stopping.is_set():
            try:
                self.act()
                self.acts += 1
            except OSError:
                # The server may close what it does not want to hear; that it is gone the storm itself sees.
                pass
            self.stopping.wait(self.pause)
        self.finish()

    def act(self):
        raise NotImplementedError

    def finish(self):
        """What it holds is given up."""

    def connect(self):
        return wire.connect(self.server.port, source=self.source)

    def berth(self, command, *arguments, timeout=60):
        words = [str(BERTH), command, "--server", self.server.address, *arguments]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout, check=False)

    def admin(self, *arguments):
        """`berth admin COMMAND` takes the server after the command."""
        words = [str(BERTH), "admin", *arguments, "--server", self.server.address]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              check=False)


class Keeper(Actor):
    """Has a lease all the time, with a file and a program in the background that must go on."""
    pause = 2

    def __init__(self, server, seed):
        super().__init__(server, seed)
        made = self.berth("acquire", "--pool", "kept", "--wait", "30s")
        self.lease = made.stdout.decode().strip()
        started = self.berth("run", "--lease", self.lease, "--keep-background", "--", "sh", "-c",
                             "echo treasure > /workspace/kept; (while sleep 1; do echo .; done) & echo $! > /workspace/pid")
        if made.returncode or started.returncode:
            self.problems.append(f"no lease to keep: {made.stderr!r} {started.stderr!r}")

    def act(self):
        number = self.random.randrange(1 << 30)
        said = self.berth("run", "--lease", self.lease, "--timeout", "50s", "--", "sh", "-c",
                          f"cat /workspace/kept; kill -0 $(cat /workspace/pid) && seq 3000 | tail -1; echo {number}")
        expected = f"treasure\n3000\n{number}\n".encode()
        if said.stdout != expected:
            self.problems.append(f"a kept lease answered {said.stdout[-200:]!r}, exit {said.returncode}: {said.stderr[-300:]!r}")

    def finish(self):
        self.berth("release", self.lease)


class HostileProgram(Actor):
    def act(self):
        script = self.random.choice(list(HOSTILE.values()))
        self.berth("run", "--pool", "hostile", "--wait", "30s", "--timeout", "2s", "--", "python3", "-c", script, timeout=90)


class SlowReader(Actor):
    """Reads a kilobyte a second of what it asked for, for a while; then goes without a word."""

    def act(self):
        with self.connect() as connection:
            connection.sendall(wire.execute(1, "hostile", "yes", extra=wire.field(13, 1 << 20)))
            for _ in range(self.random.randrange(5, 40)):
                connection.recv(1024)
                if self.stopping.wait(1):
                    break


class CutConnection(Actor):
    """Ends in the middle: of a frame, of a call, of an answer."""
    pause = 0.05

    def act(self):
        connection = self.connect()
        data = wire.execute(1, "hostile", "sh", "-c", "echo x; sleep 1", extra=wire.field(8, bytes(self.random.randrange(200_000))))
        connection.sendall(data[:self.random.randrange(1, len(data) + 1)])
        if self.random.random() < 0.5:
            wire.reset(connection)
        else:
            connection.close()


class VanishingClient(Actor):
    """A client that is killed while its program runs, and one that is killed with a lease."""

    def act(self):
        command = [str(BERTH), "run", "--pool", "hostile", "--server", self.server.address, "--", "sleep", "30"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            self.stopping.wait(self.random.random())
            client.kill()


class WaitingCaller(Actor):
    """Connections that each ask for more than there is, with requests of almost 4 MiB."""
    pause = 1

    def act(self):
        request = wire.field(8, bytes(4_000_000))
        with self.connect() as connection:
            connection.settimeout(2)
            for stream in range(1, 61, 2):
                try:
                    connection.sendall(wire.execute(stream, "busy", "sleep", "1", extra=request))
                except TimeoutError:
                    break
            self.stopping.wait(3)


class ManyVariables(Actor):
    """Few bytes that become many: 200 000 variables in one request."""
    pause = 1

    def act(self):
        variables = b"".join(wire.field(5, wire.field(1, f"v{n}") + wire.field(2, "")) for n in range(200_000))
        with self.connect() as connection:
            connection.sendall(wire.execute(1, "busy", "true", extra=variables))
            connection.settimeout(5)
            connection.recv(1024)


class OtherProtocol(Actor):
    """Browsers and port scanners."""

    def act(self):
        body = wire.execute(1, "hostile", "true")
        with self.connect() as connection:
            connection.sendall(self.random.choice([
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
                b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", self.random.randbytes(4096)]))
            connection.settimeout(1)
            connection.recv(4096)


class IdleCrowd(Actor):
    """A few hundred connections that say nothing, or half of a frame."""
    pause = 20

    def __init__(self, server, seed):
        super().__init__(server, seed)
        self.crowd = []

    def act(self):
        self.finish()
        half = wire.frame(1, wire.REQUEST, 0, bytes(4 << 20))[:2 << 20]
        for number in range(300):
            connection = self.connect()
            self.crowd.append(connection)
            if number % 3 == 0:
                connection.settimeout(0.2)
                try:
                    connection.sendall(half)
                except TimeoutError:
                    pass

    def finish(self):
        for connection in self.crowd:
            connection.close()
        self.crowd = []


class FailingCreates(Actor):
    """Asks for what cannot be made, and has the backoff taken back, so that it is tried again and again."""
    pause = 3

    def act(self):
        self.admin("reset-backoff", "broken")
        said = self.berth("run", "--pool", "broken", "--wait", "2s", "--", "true")
        if said.returncode != 125:
            self.problems.append(f"a pool that cannot create ended with {said.returncode}: {said.stderr!r}")


class BackgroundPrograms(Actor):
    """Programs that leave something running, in a lease that is then released."""

    def act(self):
        lease = self.berth("acquire", "--pool", "hostile", "--wait", "30s").stdout.decode().strip()
        for _ in range(5):
            self.berth("run", "--lease", lease, "--keep-background", "--timeout", "5s", "--", "sh", "-c", "yes & echo")
        self.berth("release", lease)


HARM = [HostileProgram, HostileProgram, SlowReader, SlowReader, CutConnection, VanishingClient, WaitingCaller, ManyVariables,
        OtherProtocol, IdleCrowd, FailingCreates, BackgroundPrograms]


def summary(actors):
    """How often each kind has done its part."""
    acts = {}
    for actor in actors:
        name = type(actor).__name__
        acts[name] = acts.get(name, 0) + actor.acts
    return json.loads(json.dumps(acts))


def stop(actors, timeout=120):
    for actor in actors:
        actor.stopping.set()
    deadline = time.monotonic() + timeout
    for actor in actors:
        actor.join(max(0.1, deadline - time.monotonic()))
    return [f"{type(actor).__name__} has not ended" for actor in actors if actor.is_alive()]
