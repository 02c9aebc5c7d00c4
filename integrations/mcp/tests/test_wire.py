# SPDX-License-Identifier: Apache-2.0
"""What no SDK does, or shows: the lines themselves, mistakes, bounds, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any

from .wire import BERTH, META, PATIENCE, Host, berth, eventually, kill_container, leased, processes, text, waiting


def list_tools(number: int) -> bytes:
    """A request with a long answer."""
    request = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": {"_meta": META}}
    return json.dumps(request).encode() + b"\n"


class WireTest(unittest.TestCase):
    maxDiff = None

    def tearDown(self) -> None:
        eventually(lambda: leased() == 0)


class EndTests(WireTest):
    """How it ends: whatever happens to the host, every container is given back."""

    def busy(self, *flags: str) -> Host:
        """A host with two sessions, and a program that runs in one of them."""
        host = Host(*flags)
        session = host.session()
        host.session()
        host.begin_call("run_command", command="trap '' TERM; sleep 43210; sleep 43210", session=session)
        host.begin_call("run_command", command="sleep 43210")
        eventually(lambda: len(processes("43210")) >= 2 and leased() == 3)
        return host

    def gone(self, host: Host) -> None:
        eventually(lambda: not processes("43210") and leased() == 0)

    def test_the_end_of_stdin_releases_everything_and_ends_it(self) -> None:
        host = self.busy()
        began = time.monotonic()
        self.assertEqual(host.end(), 0)
        self.assertLess(time.monotonic() - began, 2)
        self.gone(host)
        # What was under way was not answered any more: nobody is there to read it.
        self.assertEqual([message for message in host.others if "id" in message], [])

    def test_a_signal_releases_everything_and_ends_it(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number.name):
                host = self.busy()
                host.process.send_signal(number)
                self.assertEqual(host.process.wait(5), 0)
                self.gone(host)

    def test_a_kill_releases_everything(self) -> None:
        host = self.busy()
        host.process.kill()
        host.process.wait()
        self.gone(host)

    def test_a_stdout_that_is_closed_ends_it(self) -> None:
        host = Host(reads=False)
        assert host.process.stdout is not None
        host.process.stdout.close()
        host.begin("ping")
        self.assertEqual(host.process.wait(PATIENCE), 0)

    def test_stdin_that_is_empty_is_an_end_without_a_word(self) -> None:
        done = subprocess.run([BERTH, "mcp"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class BoundTests(WireTest):
    def test_a_host_that_does_not_read_is_read_no_further_and_others_are_not_held_up(self) -> None:
        host = Host(reads=False)
        request = list_tools(1)
        os.set_blocking(host.process.stdin.fileno(), False)
        sent, quiet = 0, time.monotonic()
        # Until nothing has been taken for a second.
        while time.monotonic() - quiet < 1:
            try:
                sent += os.write(host.process.stdin.fileno(), request * 10)
                quiet = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            self.assertLess(sent, 50_000 * len(request), "it takes requests without end")
        memory = int(Path(f"/proc/{host.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.assertLess(memory, 200 << 20)
        # Its end is noticed all the same.
        began = time.monotonic()
        host.process.stdin.close()
        self.assertEqual(host.process.wait(PATIENCE), 0)
        self.assertLess(time.monotonic() - began, 5)

    def test_a_host_that_reads_again_gets_every_answer(self) -> None:
        with Host(reads=False) as host:
            count = 2000
            requests = b"".join(list_tools(number) for number in range(count))
            writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=host.process.stdin)
            threading.Thread(target=writer.communicate, args=(requests,), daemon=True).start()
            time.sleep(0.5)
            host.read()
            self.assertEqual({host.next()["id"] for _ in range(count)}, set(range(count)))

    def test_a_message_that_is_too_long_is_answered_under_its_id_and_the_next_ones_are_served(self) -> None:
        with Host("--max-message", "64k") as host:
            answer = host.answer(host.begin_call("run_code", code="#" * 100_000))
            self.assertEqual(answer["error"]["code"], -32600)
            self.assertIn("and may have 65536", answer["error"]["message"])
            self.assertEqual(text(host.call("run_code", code="#" * 60_000 + "\n1")), "[value]\n1")

    def test_calls_over_the_maximum_are_told_to_wait(self) -> None:
        with Host("--max-calls", "2") as host:
            session = host.session()
            running = [host.begin_call("run_command", command="sleep 32109", session=session) for _ in range(2)]
            eventually(lambda: len(processes("32109")) >= 2)
            result = host.call("run_command", command="true")
            self.assertTrue(result["isError"])
            self.assertIn("2 calls are under way already, the maximum", text(result))
            for request in running:
                host.notify("notifications/cancelled", {"requestId": request})
            eventually(lambda: not processes("32109"))
            eventually(lambda: not host.call("run_command", command="true", session=session)["isError"])

    def test_a_flood_of_output_makes_at_most_ten_notifications_a_second_and_a_small_result(self) -> None:
        with Host() as host:
            began = time.monotonic()
            request = host.begin_call("run_command", token="t", command="yes | head -c 100000000")
            result = host.answer(request, 60)["result"]
            seconds = time.monotonic() - began
            self.assertFalse(result["isError"])
            self.assertEqual(result["structuredContent"]["stdout_left_out"], 100_000_000 - 16384)
            notes = [message for message in host.others if message.get("method") == "notifications/progress"]
            self.assertLessEqual(len(notes), seconds * 10 + 2)
            self.assertLess(max(len(line) for line in host.lines), 100_000)

    def test_an_idle_session_ends_and_its_end_is_told(self) -> None:
        with Host("--session-idle", "1s") as host:
            session = host.session()
            # A call that lasts longer than that is not idle.
            self.assertFalse(host.call("run_command", command="sleep 2", session=session)["isError"])
            eventually(lambda: leased() == 0)
            result = host.call("run_code", code="1", session=session)
            self.assertTrue(result["isError"])
            self.assertIn("has ended: it had no call for 1s. Call start_session", text(result))


    def test_a_host_that_does_not_read_stderr_holds_nothing_up(self) -> None:
        # Its pipe is full after some hundred lines.
        with Host(reads_errors=False) as host:
            for number in range(3000):
                host.send({"jsonrpc": "2.0", "id": number + 1000, "method": "m" * 90})
            self.assertEqual(host.answer(3999)["error"]["code"], -32601)
            self.assertEqual(text(host.call("run_code", code="1")), "[value]\n1")


class ProtocolTests(WireTest):
    def test_stdout_has_whole_messages_and_nothing_else(self) -> None:
        with Host() as host:
            host.call("run_command", command="printf 'a\\nb\\0\\377'; echo x >&2")
            host.call("run_code", code="print('{\"jsonrpc\": \"2.0\"}')")
            host.send({"jsonrpc": "2.0", "id": 99, "method": "nope"})
            host.answer(99)
            for line in host.lines:
                self.assertEqual(json.loads(line)["jsonrpc"], "2.0")
                self.assertTrue(line.endswith(b"\n"))

    def test_each_older_revision_is_served(self) -> None:
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"):
            with self.subTest(version), Host(version=version) as host:
                self.assertEqual(host.initialized["protocolVersion"], version)
                result = host.call("run_code", code="6 * 7")
                self.assertEqual(text(result), "[value]\n42")
                self.assertEqual("structuredContent" in result, version >= "2025-06-18")

    def test_both_eras_share_one_connection_and_its_sessions(self) -> None:
        with Host() as host:
            session = host.session()
            host.call("run_code", code="x = 1", session=session)
            answer = host.ask(
                "tools/call", {"name": "run_code", "arguments": {"code": "x", "session": session}, "_meta": META})
            result = answer["result"]
            self.assertEqual((result["resultType"], result["structuredContent"]["value"]), ("complete", "1"))
            self.assertEqual(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "berth")
            self.assertNotIn("resultType", host.ask("tools/list")["result"])

    def test_a_cancelled_call_is_never_answered(self) -> None:
        with Host() as host:
            session = host.session()
            code = "import time\nwhile True: time.sleep(.01)"
            request = host.begin_call("run_code", token=5, code=code, session=session)
            waiting = host.begin_call("run_code", code="print('never')", session=session)
            time.sleep(0.3)
            for cancelled in (waiting, request, request, 12345):
                host.notify("notifications/cancelled", {"requestId": cancelled, "reason": "enough"})
            # The session is free again, and what was cancelled while it waited has not run.
            self.assertEqual(text(host.call("run_code", code="print('next')", session=session)), "next")
            self.assertEqual([message for message in host.others if "id" in message], [])
            # The id may be used again.
            host.send({"jsonrpc": "2.0", "id": request, "method": "ping"})
            self.assertEqual(host.answer(request)["result"], {})

    def test_a_call_that_waits_for_a_container_can_be_cancelled(self) -> None:
        self.addCleanup(berth, "admin", "resize", "default", "--max", "16")
        berth("admin", "resize", "default", "--max", "4")
        with Host("--max-calls", "64") as host:
            sessions = [host.session() for _ in range(4)]
            request = host.begin_call("start_session")
            eventually(lambda: waiting() == 1)
            host.notify("notifications/cancelled", {"requestId": request})
            for session in sessions:
                host.call("end_session", session=session)
            # Its container comes all the same, and is given back.
            eventually(lambda: waiting() == 0 and leased() == 0)
            self.assertEqual([message for message in host.others if "id" in message], [])

    def test_an_id_that_is_in_use_is_refused(self) -> None:
        with Host() as host:
            session = host.session()
            request = host.begin_call("run_command", command="sleep 21098", session=session)
            host.send({"jsonrpc": "2.0", "id": request, "method": "ping"})
            self.assertIn("still under way", host.answer(request)["error"]["message"])

    def test_progress_comes_only_where_it_is_asked_for(self) -> None:
        with Host() as host:
            host.call("run_command", command="echo a; sleep .3; echo b")
            self.assertEqual(host.others, [])
            request = host.begin_call("run_command", token="tok", command="printf 'é'; sleep .3; echo b")
            result = host.answer(request)
            self.assertEqual(result["result"]["structuredContent"]["stdout"], "éb\n")
            params = [message["params"] for message in host.others]
            self.assertEqual(params[0], {"progressToken": "tok", "progress": 2, "message": "é"})


class ServerTests(WireTest):
    """What is told of a server that is not there, or goes away."""

    def test_a_server_that_is_not_there_is_told_and_found_when_it_comes(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            address = f"unix:{folder}/berth.sock"
            with Host(server=address) as host:
                result = host.call("run_code", code="1")
                self.assertTrue(result["isError"])
                self.assertIn("ask the user to start one with `berth serve`", text(result))
                server = start(address, folder)
                try:
                    self.assertEqual(text(host.call("run_code", code="1")), "[value]\n1")
                    session = host.session()
                    stop(server, signal.SIGKILL)
                    self.assertTrue(host.call("run_code", code="1", session=session)["isError"])
                    server = start(address, folder)
                    result = host.call("run_code", code="1", session=session)
                    self.assertIn("Call start_session for a new one", text(result))
                    self.assertEqual(text(host.call("run_code", code="2", session=host.session())), "[value]\n2")
                finally:
                    stop(server, signal.SIGTERM)

    def test_a_session_outlives_the_time_of_an_unused_lease(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            address = f"unix:{folder}/berth.sock"
            server = start(address, folder, "--lease", "1s")
            try:
                with Host(server=address) as host:
                    session = host.session()
                    host.call("run_code", code="x = 1", session=session)
                    time.sleep(3)
                    self.assertEqual(text(host.call("run_code", code="x", session=session)), "[value]\n1")
            finally:
                stop(server, signal.SIGTERM)

    def test_an_unknown_pool_is_told_with_where_it_is_set(self) -> None:
        with Host("--pool", "nope") as host:
            result = host.call("run_command", command="true")
            self.assertIn('there is no pool "nope"', text(result))
            self.assertIn("set by --pool", text(result))

    def test_a_container_that_died_between_calls_is_told(self) -> None:
        with Host() as host:
            session = host.session()
            host.call("run_command", command="sleep 10987 >/dev/null 2>&1 & echo", session=session)
            request = host.begin_call("run_command", command="sleep 10988", session=session)
            eventually(lambda: len(processes("10988")) > 0)
            kill_container(processes("10988")[0])
            self.assertIn("the container went away", text(host.answer(request)["result"]))
            for tool in ("list_files", "end_session"):
                self.assertIn("the container went away", text(host.call(tool, session=session)))


def start(address: str, folder: str, *flags: str) -> "subprocess.Popen[str]":
    server = subprocess.Popen(
        [BERTH, "serve", "--runtime", "runc", "--listen", address, "--instance", f"mcp{os.getpid()}", "--state-dir",
         f"{folder}/state", "--size", "2", "--log-level", "warning", "--drain-time", "1s", *flags],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    assert "listening on" in line, line
    return server


def stop(server: "subprocess.Popen[str]", how: signal.Signals) -> None:
    server.send_signal(how)
    server.wait(PATIENCE)
    assert server.stdout is not None
    server.stdout.close()


if __name__ == "__main__":
    unittest.main()
