#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a server says to the manager of services that has started it, and the sockets that it takes from it.

    BERTH=…/berth packaging/tests/service.py

The test plays the manager; the checks in a virtual machine (Tests/VM) use systemd itself.
"""
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from servers import BERTH, PATIENCE, eventually

#: Leaves the sockets of its argument open as systemd does, then becomes the server.
ACTIVATOR = """
import os, socket, sys
opened, pid = sys.argv[1:3]
exec(opened)
# Far from 3, and twice, so that none is overwritten before it is where it should be.
kept = [os.dup(os.dup(os.dup(each.fileno()))) for each in sockets]
for number, descriptor in enumerate(kept): os.dup2(descriptor, 3 + number)
os.environ.update(LISTEN_PID=pid.replace("own", str(os.getpid())), LISTEN_FDS=str(len(sockets)))
os.execv(sys.argv[3], sys.argv[3:])
"""


class Mailbox:
    """Where messages for the manager arrive."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)

    def any(self):
        return self.socket.recv(4096).decode().split("\n")

    def next(self):
        """The next message that is more than a sign of life."""
        while (lines := self.any()) == ["WATCHDOG=1"]:
            pass
        return lines

    def waits(self, seconds):
        """Whether one is there, or comes within this time."""
        return bool(select.select([self.socket], [], [], seconds)[0])


class Tests(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-service-", dir="/run"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *before, listen="127.0.0.1:0", settings="", **environment):
        config = self.folder / "berth.yaml"
        config.write_text(settings)
        process = subprocess.Popen(
            [*before, BERTH, "serve", "--config", config, "--runtime", "runc", "--listen", listen, "--state-dir",
             self.folder / "state", "--size", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            stderr=self.log_file(), env=dict(os.environ, **environment))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), 0, self.log())

    def log_file(self):
        file = open(self.folder / "log", "a")
        self.addCleanup(file.close)
        return file

    def log(self):
        return (self.folder / "log").read_text()

    def mailbox(self, name=None):
        box = Mailbox(name or f"{self.folder}/notify")
        self.addCleanup(box.socket.close)
        return box

    def test_the_manager_hears_when_a_server_is_ready_reloads_and_stops_and_how_long_that_may_take(self):
        for name in (f"{self.folder}/notify", f"@{self.folder}/notify"):
            box = self.mailbox(name)
            server = self.start(NOTIFY_SOCKET=name, settings="drain_time: 40s\n")
            ready = box.next()
            self.assertEqual(ready[0], "READY=1")
            # It has said so to everybody before.
            address = re.fullmatch(r"berth: listening on (\S+)\n", server.stdout.readline())[1]
            self.assertEqual(ready[1:], [f"STATUS=serving {address}"])
            server.send_signal(signal.SIGHUP)
            reloading = box.next()
            self.assertEqual(reloading[0], "RELOADING=1")
            said = int(re.fullmatch(r"MONOTONIC_USEC=(\d+)", reloading[1])[1]) / 1e6
            self.assertLess(abs(time.clock_gettime(time.CLOCK_MONOTONIC) - said), 30)
            self.assertEqual(box.next(), ready)
            # A reload that finds a mistake ends too.
            (self.folder / "berth.yaml").write_text("pools: {\n")
            server.send_signal(signal.SIGHUP)
            self.assertEqual(box.next()[0], "RELOADING=1")
            self.assertEqual(box.next(), ready)
            self.end(server)
            # The drain time, 5 s for removing everything, and 10 s more.
            self.assertEqual(box.next(), ["STOPPING=1", "STATUS=draining", "EXTEND_TIMEOUT_USEC=55000000"])

    def test_a_server_that_is_watched_gives_signs_of_life_and_none_while_it_stands_still(self):
        box = self.mailbox()
        server = self.start(NOTIFY_SOCKET=f"{self.folder}/notify", WATCHDOG_USEC="300000")
        self.assertEqual(box.next()[0], "READY=1")
        began = time.monotonic()
        for _ in range(10):
            self.assertEqual(box.any(), ["WATCHDOG=1"])
        self.assertGreater(time.monotonic() - began, 0.7, "three in each time, not more")
        server.send_signal(signal.SIGSTOP)
        # What was sent before.
        while box.waits(1):
            box.any()
        self.assertFalse(box.waits(1))
        server.send_signal(signal.SIGCONT)
        self.assertEqual(box.any(), ["WATCHDOG=1"])
        self.end(server)

    def test_a_watchdog_for_another_process_and_a_manager_that_is_not_there_change_nothing(self):
        box = self.mailbox()
        server = self.start(NOTIFY_SOCKET=f"{self.folder}/notify", WATCHDOG_USEC="30000", WATCHDOG_PID="1")
        self.assertEqual(box.any()[0], "READY=1")
        self.end(server)
        self.assertEqual(box.any()[0], "STOPPING=1")
        for name in (f"{self.folder}/nobody", "relative", "", "/" + 200 * "x"):
            server = self.start(NOTIFY_SOCKET=name, WATCHDOG_USEC="300000")
            self.assertIn("listening on", server.stdout.readline(), self.log())
            self.end(server)

    def activate(self, opened, pid="own"):
        return self.start("python3", "-c", ACTIVATOR, opened, pid, listen="127.0.0.1:0")

    def test_a_server_serves_on_sockets_that_it_was_started_with_and_leaves_their_files(self):
        path = f"{self.folder}/socket"
        server = self.activate(
            f"unix = socket.socket(socket.AF_UNIX); unix.bind({path!r}); unix.listen()\n"
            "sockets = [socket.create_server(('127.0.0.1', 0)), unix]")
        addresses = [server.stdout.readline().split()[-1] for _ in range(2)]
        self.assertEqual(addresses[1], f"unix:{path}", self.log())
        for address in addresses:
            done = subprocess.run([BERTH, "run", "--server", address, "--wait", "1m", "--", "echo", "hello"],
                                  capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.end(server)
        self.assertTrue(os.path.exists(path), "it is the manager's")
        host, port = addresses[0].split(":")
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex((host, int(port))), 0, "nothing holds the socket any more")

    def test_calls_that_come_before_the_server_is_ready_wait_for_it(self):
        path = f"{self.folder}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            with subprocess.Popen([BERTH, "run", "--server", f"unix:{path}", "--wait", "1m", "--", "echo", "hello"],
                                  stdout=subprocess.PIPE, text=True) as client:
                # The call is in the socket's queue.
                eventually(lambda: select.select([listener], [], [], 0)[0], "the client has connected")
                descriptor = os.dup(listener.fileno())
                os.set_inheritable(descriptor, True)
                opened = f"sockets = [socket.socket(fileno={descriptor})]"
                config = self.folder / "berth.yaml"
                config.write_text("")
                server = subprocess.Popen(
                    ["python3", "-c", ACTIVATOR, opened, "own", BERTH, "serve", "--config", config, "--runtime", "runc",
                     "--state-dir", self.folder / "state", "--size", "1"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=self.log_file(), close_fds=False)
                self.addCleanup(server.wait)
                self.addCleanup(server.kill)
                os.close(descriptor)
                self.assertEqual((client.stdout.read(), client.wait(PATIENCE)), ("hello\n", 0), self.log())
                self.end(server)

    def test_sockets_that_are_for_another_process_are_not_looked_at(self):
        server = self.activate("sockets = [socket.create_server(('127.0.0.1', 0))]", pid="1")
        self.assertIn("listening on 127.0.0.1:", server.stdout.readline())
        self.end(server)
        self.assertEqual(server.stdout.read(), "", "at its own address alone")

    def test_sockets_that_are_not_loopback_or_no_listening_streams_are_refused(self):
        for opened, words in [
                ("socket.create_server(('0.0.0.0', 0))", "is not loopback"),
                ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "no listening socket of a stream"),
                ("socket.socket()", "no listening socket of a stream"),
                ("open('/dev/null')", "no listening socket of a stream")]:
            server = self.activate(f"sockets = [{opened}]")
            self.assertEqual(server.wait(PATIENCE), 2, opened)
            self.assertIn(words, self.log())
            (self.folder / "log").write_text("")


if __name__ == "__main__":
    unittest.main(verbosity=2)
