# SPDX-License-Identifier: Apache-2.0
"""Kernels through both ways in: what people do with them, and how they end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, Dict, List, Tuple

import berth
from jupyter_client.ioloop.manager import AsyncIOLoopKernelManager
from zmq.eventloop.zmqstream import ZMQStream

from .support import HERE, PATIENCE, Cell, Frontend, WorldCase, frontend, until

#: The connection that acquired a lease is gone for so long, and the lease is.
GRACE = 10.0
BOTH = ("berth", "berth-argv")


class KernelTests(WorldCase):
    def tearDown(self) -> None:
        # Each gives its container back, whatever became of its kernel.
        until(lambda: self.world.leased() == 0, GRACE + 5)

    def test_output_comes_while_a_cell_runs_and_in_order(self) -> None:
        for name in BOTH:
            with self.subTest(name), frontend(name) as notebook:
                times: List[float] = []

                def note(message: Dict[str, Any]) -> None:
                    if message["msg_type"] == "stream":
                        times.append(time.monotonic())

                code = "import time\nfor i in range(3): print(i, flush=True); time.sleep(0.5)"
                cell = notebook.take(notebook.send(code), note)
                self.assertEqual(cell.text, "0\n1\n2\n")
                self.assertGreater(times[-1] - times[0], 0.7)

    def test_what_a_fork_and_a_subprocess_print_is_output(self) -> None:
        with frontend("berth") as notebook:
            fork = "import os\nif os.fork() == 0:\n    print('from a fork', flush=True); os._exit(0)\nos.wait()"
            cell = notebook.run(f"{fork}\nimport time; time.sleep(0.5)")
            self.assertIn("from a fork", cell.text)
            self.assertIn("from a shell", notebook.run("!echo from a shell").text)
            self.assertIn("tcp://127.0.0.1:", notebook.run(
                'import zmq; s = zmq.Context().socket(zmq.REP); s.bind("tcp://127.0.0.1:*"); s.getsockopt(zmq.LAST_ENDPOINT)'
            ).value or "")

    def test_an_interrupt_stops_a_cell_and_keeps_the_variables(self) -> None:
        for name in BOTH:
            with self.subTest(name), frontend(name) as notebook:
                notebook.run("x = 6")

                def interrupt(message: Dict[str, Any]) -> None:
                    if message["msg_type"] == "stream" and "running" in message["content"]["text"]:
                        notebook.manager.interrupt_kernel()

                began = time.monotonic()
                cell = notebook.take(notebook.send("print('running', flush=True)\nimport time; time.sleep(60)"), interrupt)
                self.assertIn("KeyboardInterrupt", cell.traceback)
                notebook.take(notebook.send("!echo running; sleep 60"), interrupt)
                self.assertLess(time.monotonic() - began, 30)
                self.assertEqual(notebook.run("x * 7").value, "42")

    def test_input_is_asked_of_the_frontend(self) -> None:
        for name in BOTH:
            with self.subTest(name), frontend(name) as notebook:
                id = notebook.send("print('hello', input('who? '))", stdin=True)
                asked = notebook.client.get_stdin_msg(timeout=PATIENCE)
                self.assertEqual(asked["content"]["prompt"], "who? ")
                notebook.client.input("Ada")
                self.assertEqual(notebook.take(id).text, "hello Ada\n")

    def test_a_restart_keeps_the_container_and_its_files_and_a_shutdown_gives_it_back(self) -> None:
        for name in BOTH:
            with self.subTest(name), frontend(name) as notebook:
                notebook.run("x = 1; open('/workspace/kept', 'w').write('as it was')")
                host = notebook.run("open('/proc/self/cgroup').read()").value
                for now in (False, True):
                    notebook.manager.restart_kernel(now=now)
                    notebook.ready()
                    self.assertEqual(notebook.run("open('/workspace/kept').read()").value, "'as it was'")
                    self.assertEqual(notebook.run("open('/proc/self/cgroup').read()").value, host)
                    self.assertEqual(notebook.run("x").error, "name 'x' is not defined")
                self.assertEqual(self.world.leased(), 1)
                notebook.manager.shutdown_kernel()
                until(lambda: self.world.leased() == 0, 2)

    def test_a_frontend_whose_sockets_come_back_one_by_one_misses_nothing_of_a_kernel_that_was_restarted(self) -> None:
        for name in BOTH:
            with frontend(name, reconnect_interval=400) as notebook:
                for now in (False, True, False):
                    notebook.manager.restart_kernel(now=now)
                    # Such a frontend takes what is left of the kernel before for a sign that it has subscribed.
                    notebook.ready()
                    with self.subTest(name, now=now):
                        self.assertEqual(notebook.run("6 * 7").value, "42")

    def test_a_kernel_that_dies_says_why_in_its_cell_and_looks_busy_to_nobody(self) -> None:
        deaths = {
            "x = bytearray(800 << 20)": "out of memory at 512 MiB",
            "import os; os._exit(3)": "it exited with code 3",
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "killed by SIGSEGV (Segmentation fault)",
        }
        for name in BOTH:
            with frontend(name) as notebook:
                for code, words in deaths.items():
                    with self.subTest(name, code=code):
                        notebook.run("open('/workspace/kept', 'w').close()")
                        id, behind = notebook.send(code), notebook.send("1 + 1")
                        cell = notebook.take(id)
                        self.assertEqual((cell.error, cell.status), (words, "error"))
                        self.assertIn(words, cell.traceback)
                        self.assertEqual(notebook.take(behind).status, "aborted")
                        until(lambda: not notebook.manager.is_alive(), 1)
                        notebook.manager.restart_kernel(now=True)
                        notebook.ready()
                        self.assertEqual(notebook.run("import os; os.listdir('/workspace')").value, "['kept']")

    def test_pages_are_told_why_a_kernel_died_before_they_are_told_that_it_restarts(self) -> None:
        asyncio.run(asyncio.wait_for(self._told_before_the_restart(), PATIENCE))

    async def _told_before_the_restart(self) -> None:
        """As in Jupyter's server: who carries the messages and who restarts the kernel take turns on one loop."""
        manager = AsyncIOLoopKernelManager(kernel_name="berth")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        stream = None
        try:
            await client.wait_for_ready(timeout=PATIENCE)
            kinds: List[str] = []
            restarting = asyncio.Event()
            stream = ZMQStream(client.iopub_channel.socket.shadow(client.iopub_channel.socket.underlying))

            def carry(frames: List[bytes]) -> None:
                kinds.append(frames[0].decode().rpartition(".")[2])
                time.sleep(0.001)  # As long as a page's message takes on a busy machine.

            stream.on_recv(carry)
            manager.add_restart_callback(restarting.set)
            client.execute("import os\nfor i in range(300): print(i, flush=True)\nos._exit(3)")
            await restarting.wait()
            self.assertIn("stdout", kinds)
            self.assertIn("error", kinds)
        finally:
            if stream is not None:
                stream.on_recv(None)
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    def test_a_cell_whose_page_is_gone_does_not_take_the_reason_of_the_next(self) -> None:
        with frontend("berth") as notebook:
            other = Frontend(notebook.manager, another=True)
            other.ready()
            id = other.send("import time; time.sleep(0.5)")
            while other.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "execute_input":
                pass
            other.client.stop_channels()
            notebook.take_shown(id)
            self.assertEqual(notebook.run("import os; os._exit(3)").error, "it exited with code 3")

    def test_a_hundred_megabytes_of_output_arrive(self) -> None:
        for name in BOTH:
            with self.subTest(name), frontend(name) as notebook:
                code = "line = 'x' * 999 + chr(10)\nfor _ in range(100_000): print(line, end='')\nprint('the end')"
                cell = notebook.run(code)
                self.assertEqual(cell.bytes, 100_000_008)
                self.assertTrue(cell.text.endswith("\nthe end\n"))

    def test_ten_thousand_displays_arrive_though_nobody_reads_for_a_while(self) -> None:
        with frontend("berth") as notebook:
            id = notebook.send("from IPython.display import display\nfor i in range(10_000): display(i)")
            until(lambda: self._is_held_up(notebook), PATIENCE)
            counted: List[str] = []
            notebook.take(id, lambda m: counted.append(m["content"]["data"]["text/plain"]) if "data" in m["content"] else None)
            self.assertEqual(counted, [str(number) for number in range(10_000)])

    def _is_held_up(self, notebook: Any) -> bool:
        """What was printed does not grow any more: it waits."""
        with berth.Client(self.world.address) as client:
            before = client.stats().held_bytes
            time.sleep(0.5)
            return client.stats().held_bytes == before

    def test_a_frontend_killed_leaves_no_container_after_the_grace(self) -> None:
        code = (
            "import sys; from tests.support import *; m = KernelManager(kernel_name=sys.argv[1]); m.start_kernel()\n"
            "f = Frontend(m); f.ready(); f.send('while True: pass'); print('ready', flush=True); time.sleep(600)"
        )
        words = [[sys.executable, "-c", code, name] for name in BOTH]
        frontends = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True) for each in words]
        for killed in frontends:
            assert killed.stdout is not None
            self.assertEqual(killed.stdout.readline(), "ready\n")
        self.assertEqual(self.world.leased(), len(BOTH))
        for killed in frontends:
            killed.kill()
            killed.communicate()
        until(lambda: self.world.leased() == 0, GRACE + 5)

    def test_a_start_that_fails_says_what_is_wrong(self) -> None:
        from jupyter_client.manager import KernelManager

        failures: Dict[str, Tuple[Dict[str, Any], str]] = {
            "no-pool": ({"pool": "nope"}, 'there is no pool "nope"; there is: default'),
            "no-server": ({"server": "127.0.0.1:1"}, "no Berth server at 127.0.0.1:1"),
            "no-python": ({"python": "/usr/bin/python0"}, "python0"),
            "no-ipykernel": ({"python": "/usr/bin/python3", "env": {"PYTHONHOME": "/nowhere"}}, "exited with 1"),
            "too-long": ({"lifetime": 100_000}, "more than the longest, 86400000"),
        }
        for name, (config, words) in failures.items():
            with self.subTest(name):
                self.world.install(name, **config)
                with self.assertRaises(RuntimeError) as raised:
                    KernelManager(kernel_name=name).start_kernel()
                self.assertIn(words, str(raised.exception))

    def test_a_kernel_that_reaches_its_lifetime_says_so(self) -> None:
        self.world.install("short", lifetime=5)
        with frontend("short") as notebook:
            self.assertEqual(notebook.run("import time; time.sleep(60)").error, "it has reached its lifetime of 5 s")

    def test_the_environment_and_the_directory_are_what_the_settings_say(self) -> None:
        os.environ["SECRET_OF_THE_HOST"] = "yes"
        self.addCleanup(os.environ.pop, "SECRET_OF_THE_HOST")
        self.world.install("set", env={"MINE": "a b"}, cwd="/tmp")
        with frontend("set") as notebook:
            seen = notebook.run("import os; (os.environ.get('MINE'), os.environ.get('SECRET_OF_THE_HOST'), os.getcwd())")
            self.assertEqual(seen.value, "('a b', None, '/tmp')")

    def test_the_sockets_here_are_for_nobody_else(self) -> None:
        with frontend("berth") as notebook:
            folder = os.path.dirname(notebook.manager.ip)
            self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        self.assertFalse(os.path.exists(folder))

    def test_the_example_runs_without_a_page(self) -> None:
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(HERE.parent / "example/hello.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        NotebookClient(notebook, kernel_name="berth").execute()
        shown = [output for cell in notebook.cells for output in cell.outputs]
        text = "".join(each.get("text", "") for each in shown)
        self.assertIn("step 0\nstep 1\nstep 2\n", text)
        self.assertTrue(any("image/png" in each.get("data", {}) for each in shown))
        self.assertIn("unreachable", text)

    def test_the_debugger_can_be_started(self) -> None:
        with frontend("berth") as notebook:
            started = notebook.client.session.msg("debug_request", {
                "type": "request", "seq": 1, "command": "initialize",
                "arguments": {"clientID": "test", "adapterID": "", "pathFormat": "path"},
            })
            notebook.client.control_channel.send(started)
            reply = notebook.client.get_control_msg(timeout=PATIENCE)
            self.assertTrue(reply["content"].get("success"), json.dumps(reply["content"], default=str))


class RestartedServerTests(WorldCase):
    def test_kernels_are_told_dead_within_a_second_and_restart(self) -> None:
        with frontend("berth") as one, frontend("berth-argv") as other:
            ids = [each.send("import time; print('running', flush=True); time.sleep(60)") for each in (one, other)]
            for each in (one, other):
                while each.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
                    pass
            self.world.server.end(signal.SIGKILL)
            took = until(lambda: not one.manager.is_alive() and not other.manager.is_alive(), 1, 0.01)
            self.assertLess(took, 1)
            for each, id in zip((one, other), ids):
                cell: Cell = each.take(id)
                self.assertIn("the connection to the Berth server", cell.error)
                self.assertEqual(cell.status, "error")
            self.world.server.start()
            for each in (one, other):
                each.manager.restart_kernel(now=True)
                each.ready()
                self.assertEqual(each.run("6 * 7").value, "42")

    def test_jupyters_server_is_told_within_a_second_too_and_restarts_the_kernel_itself(self) -> None:
        asyncio.run(asyncio.wait_for(self._restart_by_itself(), PATIENCE))

    async def _restart_by_itself(self) -> None:
        manager = AsyncIOLoopKernelManager(kernel_name="berth")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=PATIENCE)
            told = asyncio.Event()
            manager.add_restart_callback(told.set)
            await asyncio.to_thread(self.world.server.end, signal.SIGKILL)
            await asyncio.wait_for(told.wait(), 1)
            await asyncio.to_thread(self.world.server.start)
            while not await manager.is_alive():
                await asyncio.sleep(0.05)
            await client.wait_for_ready(timeout=PATIENCE)
            self.assertTrue(await manager.is_alive())
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
