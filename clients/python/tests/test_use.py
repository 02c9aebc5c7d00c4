# SPDX-License-Identifier: Apache-2.0
"""What people of the language try, and what the README promises: both clients, against a server that does as it is told."""

import asyncio
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path, PurePosixPath
from typing import Any, Callable, Dict, List, Set, Tuple

import berth
import berth.aio
from berth.v1 import pool_pb2

from .double import Asked, Double, Handler

PACKAGE = Path(__file__).resolve().parents[1]
#: Two, three and four bytes a character, and bytes that are none.
SPLIT = "aé€🚢".encode() + b"\xff" + "z€".encode()[:-1]
JOINED = SPLIT.decode("utf-8", "replace")


class Cat:
    """A program that writes what it reads, and waits for its reader when a window of it was not taken."""

    def __init__(self) -> None:
        self.pieces: List[int] = []
        self._taken = 0
        self._acknowledged = 0
        self._is_full = threading.Condition()

    def execute(self, asked: Asked) -> None:
        request = pool_pb2.ExecuteRequest.FromString(asked.payload)
        self._asked = asked
        self._window = request.window_bytes
        asked.started()
        self._write(request.stdin)
        if not request.keep_stdin_open:
            asked.exited()

    def input(self, asked: Asked) -> None:
        # The answer comes when the program has read: not while it waits in its own write.
        threading.Thread(target=self._take, args=(asked,), name="double").start()

    def acknowledge(self, asked: Asked) -> None:
        with self._is_full:
            self._acknowledged = pool_pb2.AcknowledgeRequest.FromString(asked.payload).stdout_offset
            self._is_full.notify()

    def _take(self, asked: Asked) -> None:
        request = pool_pb2.InputRequest.FromString(asked.payload)
        assert request.offset == self._taken, (request.offset, self._taken)
        self.pieces.append(len(request.data))
        self._write(request.data)
        asked.answer(pool_pb2.InputResponse(offset=self._taken))
        if request.end:
            self._asked.exited()

    def _write(self, data: bytes) -> None:
        for position in range(0, len(data), 32 << 10):
            piece = data[position : position + (32 << 10)]
            with self._is_full:
                if not self._is_full.wait_for(lambda: self._taken + len(piece) - self._acknowledged <= self._window, 10):
                    return
            self._asked.output(self._taken, piece)
            self._taken += len(piece)

    def handlers(self) -> Dict[str, Handler]:
        return {"Execute": self.execute, "Input": self.input, "Acknowledge": self.acknowledge}


def to_stdout(data: bytes, size: int) -> Handler:
    def execute(asked: Asked) -> None:
        asked.started()
        for position in range(0, len(data), size):
            asked.output(position, data[position : position + size])
        asked.exited()

    return execute


def keeps_and_ends(double: Double) -> Handler:
    def execute(asked: Asked) -> None:
        double.asked.put(asked)
        asked.started()
        asked.exited()

    return execute


#: Options, and what the request says: merge_output, whether there is a terminal, its no_echo.
MERGED_AND_SILENT: List[Tuple[Dict[str, Any], Tuple[bool, bool, bool]]] = [
    ({}, (False, False, False)),
    ({"merge_output": True}, (True, False, False)),
    ({"terminal": (24, 80)}, (False, True, False)),
    ({"terminal": (24, 80), "no_echo": True}, (False, True, True)),
    ({"no_echo": True, "terminal": (24, 80), "merge_output": False}, (False, True, True)),
    ({"no_echo": False}, (False, False, False)),
]
WRONG_MERGED_AND_SILENT: List[Tuple[Dict[str, Any], str]] = [
    ({"merge_output": "yes"}, "merge_output"), ({"no_echo": True}, "no_echo is of a terminal"),
    ({"no_echo": "no", "terminal": (24, 80)}, "no_echo"),
]


def merged_and_silent(asked: Asked) -> Tuple[bool, bool, bool]:
    ran = pool_pb2.ExecuteRequest.FromString(asked.payload)
    return ran.merge_output, ran.HasField("terminal"), ran.terminal.no_echo


def leased(asked: Asked) -> None:
    asked.answer(pool_pb2.AcquireResponse(lease="l1", member="m1"))


class UseTests(unittest.TestCase):
    """Item H37, as people of Python try the client; leases that were dropped are item G36."""

    def serve(self, handlers: Any = None, **options: Any) -> Double:
        double = Double(handlers, **options)
        self.addCleanup(double.close)
        return double

    def connect(self, double: Double, **options: Any) -> berth.Client:
        client = berth.Client(double.address, **options)
        self.addCleanup(client.close)
        return client

    # MARK: Text

    def test_a_character_that_is_split_between_two_pieces_comes_whole(self) -> None:
        """Nothing is lost, and nothing becomes U+FFFD that was not broken before."""
        for size in (1, 2, 3, 100):
            client = self.connect(self.serve({"Execute": to_stdout(SPLIT, size)}))
            with client.execute(["x"]) as execution:
                pieces = list(execution.text())
            self.assertEqual("".join(piece.text for piece in pieces), JOINED, size)
            self.assertTrue(all(piece.text for piece in pieces), "and no piece is empty")

    def test_the_two_streams_do_not_mix_their_characters(self) -> None:
        def execute(asked: Asked) -> None:
            asked.started()
            asked.output(0, b"\xe2\x82")
            asked.output(0, b"\xc3", 1)
            asked.output(2, b"\xac")
            asked.output(1, b"\xa9", 1)
            asked.exited()

        with self.connect(self.serve({"Execute": execute})).execute(["x"]) as execution:
            self.assertEqual(
                list(execution.text()), [berth.Text(berth.Stream.STDOUT, "€"), berth.Text(berth.Stream.STDERR, "é")]
            )

    def test_what_is_behind_a_gap_is_not_the_rest_of_a_character_before_it(self) -> None:
        def attach(asked: Asked) -> None:
            asked.started()
            asked.output(0, b"a\xe2\x82")
            asked.event(pool_pb2.ExecuteEvent(dropped=pool_pb2.Dropped(offset=3, bytes=7)))
            asked.output(10, b"\xacb")
            asked.exited()

        with self.connect(self.serve({"Attach": attach})).lease("l1").attach("e1") as execution:
            pieces = list(execution.text())
        self.assertEqual([(piece.text, piece.dropped) for piece in pieces], [("a", 0), ("\ufffd", 7), ("\ufffdb", 0)])

    # MARK: Input

    def test_standard_input_of_any_length_is_sent_in_pieces_while_the_output_is_read(self) -> None:
        """5 MB are more than a message, and more than a program takes that nobody reads."""
        data = os.urandom(5_000_000)
        cat = Cat()
        client = self.connect(self.serve(cat.handlers()))
        self.assertEqual(client.run(["cat"], stdin=data, max_output=10_000_000).stdout, data)
        self.assertLessEqual(max(cat.pieces), 256 << 10)

    def test_a_program_that_does_not_read_its_long_input_ends_as_it_does(self) -> None:
        double = self.serve({"Input": lambda asked: asked.fail(9, "the input has ended")})

        def execute(asked: Asked) -> None:
            asked.started()
            asked.exited(3)

        double.handlers["Execute"] = execute
        self.assertEqual(self.connect(double).run(["false"], stdin=bytes(5_000_000)).exit_code, 3)

    def test_what_is_written_comes_behind_a_long_first_input(self) -> None:
        cat = Cat()
        client = self.connect(self.serve(cat.handlers()))
        with client.execute(["cat"], stdin=bytes(2_000_000), keep_stdin_open=True) as execution:
            done = threading.Thread(target=lambda: execution.close_stdin("é"))
            done.start()
            result = execution.result()
            done.join()
        self.assertEqual(result.stdout, bytes(2_000_000) + "é".encode())

    # MARK: Arguments

    def test_arguments_of_the_wrong_kind_are_named_before_anything_is_sent(self) -> None:
        """Never a TypeError of protobuf's that names a field of a message."""
        client: Any = berth.Client("127.0.0.1:1")
        lease: Any = client.lease("l1")
        wrong: List[Tuple[str, Callable[[], object]]] = [
            ("argv", lambda: client.run("ls")),
            ("argv", lambda: client.run(b"ls")),
            ("argv", lambda: client.run(Path("ls"))),
            ("argv", lambda: client.run(7)),
            ("argv", lambda: client.run({"ls": 1})),
            ("argv[0]", lambda: client.run([1])),
            ("argv[1]", lambda: lease.run(["ls", None])),
            ("env", lambda: client.run(["ls"], env=["A=1"])),
            ("env['A']", lambda: client.run(["ls"], env={"A": 1})),
            ("a name in env", lambda: client.run(["ls"], env={1: "A"})),
            ("cwd", lambda: client.run(["ls"], cwd=1)),
            ("shell", lambda: client.run(shell=["ls"])),
            ("code", lambda: client.run(code=1, language="python")),
            ("language", lambda: client.run(code="1", language=3)),
            ("stdin", lambda: client.run(["ls"], stdin=[1])),
            ("uid", lambda: client.run(["ls"], uid="0")),
            ("timeout", lambda: client.run(["ls"], timeout="1")),
            ("deadline", lambda: client.run(["ls"], deadline="1")),
            ("window", lambda: client.run(["ls"], window="1")),
            ("max_output", lambda: client.run(["ls"], max_output=1.5)),
            ("keep_background", lambda: client.run(["ls"], keep_background="no")),
            ("terminal", lambda: client.execute(["ls"], terminal="24x80")),
            ("terminal[0]", lambda: client.execute(["ls"], terminal=("24", "80"))),
            ("pool", lambda: client.acquire(1)),
            ("wait", lambda: client.acquire(wait="1")),
            ("token", lambda: client.lease(b"l1")),
            ("address", lambda: berth.Client(7411)),  # type: ignore[arg-type]
            ("keepalive", lambda: berth.Client(keepalive="1")),  # type: ignore[arg-type]
            ("execution", lambda: lease.attach(1)),
            ("stdout_offset", lambda: lease.attach("e1", stdout_offset="1")),
            ("path", lambda: lease.write_file(1, b"")),
            ("data", lambda: lease.write_file("/tmp/a", 1)),
            ("mode", lambda: lease.write_file("/tmp/a", b"", mode="0644")),
            ("path", lambda: lease.read_file(None)),
            ("offset", lambda: lease.read_file("/tmp/a", offset="1")),
            ("path", lambda: lease.list_directory(1)),
            ("to", lambda: lease.rename("/tmp/a", 1)),
            ("mode", lambda: lease.change_mode("/tmp/a", "0644")),
            ("recursive", lambda: lease.remove("/tmp/a", recursive="yes")),
            ("ttl", lambda: lease.renew("1")),
        ]
        for name, call in wrong:
            with self.subTest(name), self.assertRaisesRegex(TypeError, "^" + name.replace("[", r"\[")):
                call()

    def test_types_refuse_a_line_where_words_are_wanted(self) -> None:
        """Mypy reports an ignore that is not needed, so that this fails when the types take a str."""
        client = berth.Client("127.0.0.1:1")
        with self.assertRaises(TypeError):
            client.run("ls")  # type: ignore[arg-type]
        with self.assertRaises(TypeError):
            client.lease("l1").execute("ls")  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            client.run(["ls"], keep_stdin_open=True)  # type: ignore[call-arg]

    def test_text_and_paths_are_taken_where_they_have_one_meaning(self) -> None:
        double = self.serve()
        lease = self.connect(double).lease("l1")

        def sent(method: str, call: Callable[[], object], answer: Any = None) -> bytes:
            double.handlers[method] = lambda asked: (double.asked.put(asked), asked.answer(answer))[0]  # type: ignore
            call()
            return double.next(method).payload

        written = pool_pb2.WriteFileRequest.FromString(
            sent("WriteFile", lambda: lease.write_file(PurePosixPath("/tmp/a"), "é"), pool_pb2.WriteFileResponse(offset=2))
        )
        self.assertEqual((written.path, written.data), ("/tmp/a", "é".encode()))
        double.handlers["Execute"] = lambda asked: (double.asked.put(asked), asked.started(), asked.exited())[0]  # type: ignore
        lease.run([Path("/bin/ls"), "a"], cwd=Path("/tmp"), env={"A": Path("/x")}, stdin="é")
        ran = pool_pb2.ExecuteRequest.FromString(double.next("Execute").payload)
        self.assertEqual((list(ran.argv), ran.cwd, dict(ran.env)), (["/bin/ls", "a"], "/tmp", {"A": "/x"}))
        self.assertEqual(ran.stdin, "é".encode())

    def test_what_is_not_utf_8_goes_as_bytes(self) -> None:
        double = self.serve()
        lease = self.connect(double).lease("l1")
        double.handlers["Execute"] = lambda asked: (double.asked.put(asked), asked.started(), asked.exited())[0]  # type: ignore
        for word in (b"a\xff", os.fsdecode(b"a\xff")):
            lease.run(["ls", word], cwd=word, env={"A": word, "B": "b"})
            ran = pool_pb2.ExecuteRequest.FromString(double.next("Execute").payload)
            self.assertEqual((list(ran.argv), list(ran.argv_raw)), ([], [b"ls", b"a\xff"]))
            self.assertEqual((dict(ran.env), list(ran.env_raw)), ({"B": "b"}, [b"A=a\xff"]))
            self.assertEqual((ran.cwd, ran.cwd_raw), ("", b"a\xff"))
        double.handlers["RenameFile"] = lambda asked: (double.asked.put(asked), asked.answer())[0]  # type: ignore
        lease.rename(b"/tmp/\xff", "/tmp/a")
        renamed = pool_pb2.RenameFileRequest.FromString(double.next("RenameFile").payload)
        self.assertEqual((renamed.from_raw, renamed.to), (b"/tmp/\xff", "/tmp/a"))
        info = berth.FileInfo.of(pool_pb2.FileInfo(name="\ufffd", name_raw=b"\xff"))
        self.assertEqual((info.name, info.name_bytes, os.fsencode(info.name)), ("\udcff", b"\xff", b"\xff"))

    def test_merged_output_and_a_terminal_without_echo_are_asked_for_and_only_then(self) -> None:
        double = self.serve()
        double.handlers["Execute"] = keeps_and_ends(double)
        client = self.connect(double)
        for options, expected in MERGED_AND_SILENT:
            client.run(["x"], **options)
            self.assertEqual(merged_and_silent(double.next("Execute")), expected, options)
        for wrong, words in WRONG_MERGED_AND_SILENT:
            with self.assertRaisesRegex((TypeError, ValueError), words):
                client.run(["x"], **wrong)

    def test_a_url_is_refused_with_words(self) -> None:
        for address in ("http://127.0.0.1:7411", "https://berth", "tcp://127.0.0.1:7411/"):
            for make in (berth.Client, berth.aio.Client):
                with self.assertRaisesRegex(ValueError, "URL"):
                    make(address)

    # MARK: Ends and times

    def test_after_the_server_was_killed_everything_about_an_execution_says_unavailable(self) -> None:
        """Not "cancelled", which would be the caller's own doing."""
        double = self.serve({"Execute": lambda asked: asked.started()})
        with self.connect(double).execute(["sleep"]) as execution:
            self.assertEqual(execution.id, "e1")
            double.peers[0].kill()
            asks: List[Callable[[], object]] = [execution.wait, execution.wait, execution.result, lambda: list(execution)]
            for ask in asks:
                with self.assertRaises(berth.UnavailableError):
                    ask()

    def test_a_mute_server_holds_nobody_for_ever(self) -> None:
        """Without a deadline. It is asked once whether it is there; then the connection counts as lost."""
        double = self.serve({"Hello": lambda asked: None, "Acquire": lambda asked: None, "Execute": lambda asked: None})
        calls: List[Callable[[berth.Client], object]] = [
            lambda client: client.run(["sleep"]), lambda client: client.acquire(), lambda client: client.execute(["x"]).id,
        ]
        for call in calls:
            begin = time.monotonic()
            with self.assertRaisesRegex(berth.UnavailableError, "said nothing for 0.4 s"):
                call(self.connect(double, keepalive=0.4))
            self.assertGreaterEqual(time.monotonic() - begin, 0.4)
            self.assertLess(time.monotonic() - begin, 5)

    def test_a_server_that_does_not_even_read_holds_nobody_for_ever(self) -> None:
        double = self.serve({"Hello": lambda asked: time.sleep(2)})
        with self.assertRaisesRegex(berth.UnavailableError, "said nothing"):
            self.connect(double, keepalive=0.3).lease("l1").run(["x" * 3_000_000] * 1, env={"A": "y" * 1_000_000})

    def test_a_program_that_is_quiet_for_long_is_not_given_up(self) -> None:
        double = self.serve()
        client = self.connect(double, keepalive=0.2)
        with client.execute(["sleep"]) as execution:
            asked = double.next("Execute")
            asked.started()
            threading.Timer(1, asked.exited).start()
            self.assertTrue(execution.wait().ok)

    # MARK: What was dropped

    def test_a_lease_that_was_dropped_is_released_at_once_and_with_a_warning(self) -> None:
        double = self.serve({"Acquire": leased})
        client = self.connect(double)
        lease: Any = client.acquire()
        with self.assertWarnsRegex(ResourceWarning, "Lease of m1.*dropped"):
            del lease
            gc.collect()
        self.assertEqual(pool_pb2.ReleaseRequest.FromString(double.next("Release").payload).lease, "l1")

    def test_an_execution_holds_the_lease_that_it_runs_in(self) -> None:
        double = self.serve({"Acquire": leased})
        client = self.connect(double)
        execution: Any = client.acquire().execute(["x"])
        gc.collect()
        asked = double.next("Execute")
        asked.started()
        asked.exited()
        self.assertTrue(execution.wait().ok)
        with self.assertWarns(ResourceWarning):
            del execution
            gc.collect()
        double.next("Release")

    def test_detached_released_and_foreign_leases_may_be_dropped(self) -> None:
        double = self.serve({"Acquire": leased, "Release": lambda asked: asked.answer()})
        client = self.connect(double)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client.acquire(detached=True)
            client.lease("l1")
            with client.acquire():
                pass
            client.acquire().release()
            gc.collect()
        client.hello()
        self.assertTrue(double.asked.empty())

    def test_an_execution_that_was_dropped_is_given_up_without_another_call(self) -> None:
        """Its member would be held until the next call."""
        double = self.serve()
        execution: Any = self.connect(double).execute(["yes"])
        double.next("Execute").started("e9", 4)
        self.assertEqual(execution.id, "e9")
        del execution
        gc.collect()
        self.assertEqual(pool_pb2.DetachRequest.FromString(double.next("Detach").payload).execution, "e9")

    # MARK: Credit

    def test_credit_comes_in_large_pieces_and_before_sixty_events_are_on_their_way(self) -> None:
        """A server that gets credit for each event sends each as small; one that gets none stops at 60."""
        acknowledged: List[int] = []
        enough = threading.Condition()

        def execute(asked: Asked) -> None:
            threading.Thread(target=send, args=(asked,), name="double").start()

        def send(asked: Asked) -> None:
            asked.started()
            for offset in range(300):
                with enough:
                    if not enough.wait_for(lambda: offset - (acknowledged or [0])[-1] < 60, 5):
                        return
                asked.output(offset, b"x")
            asked.exited()

        def acknowledge(asked: Asked) -> None:
            with enough:
                acknowledged.append(pool_pb2.AcknowledgeRequest.FromString(asked.payload).stdout_offset)
                enough.notify()

        client = self.connect(self.serve({"Execute": execute, "Acknowledge": acknowledge}))
        self.assertEqual(client.run(["x"], deadline=20).stdout, b"x" * 300)
        # With credit up to 240 all are on their way; what is given after that may come after the end.
        self.assertGreaterEqual(len(acknowledged), 8)
        self.assertEqual(acknowledged, list(range(30, 301, 30))[: len(acknowledged)])

    # MARK: Errors

    def test_errors_have_a_reason_where_the_code_is_too_coarse(self) -> None:
        double = self.serve({"Stat": lambda asked: asked.fail_with(9, "it is one", "IS_A_DIRECTORY")})
        double.handlers["Acquire"] = lambda asked: asked.fail_with(14, "later", "BREAKER_OPEN", retry_after_ms="1500")
        double.handlers["Execute"] = lambda asked: asked.fail_with(8, "no", "A_REASON_OF_LATER")
        client = self.connect(double)
        with self.assertRaises(berth.FailedPreconditionError) as caught:
            client.lease("l1").stat("/tmp")
        self.assertIs(caught.exception.reason, berth.Reason.IS_A_DIRECTORY)
        self.assertIn("IS_A_DIRECTORY", str(caught.exception))
        with self.assertRaises(berth.UnavailableError) as unavailable:
            client.acquire()
        self.assertEqual(unavailable.exception.metadata, {"retry_after_ms": "1500"})
        with self.assertRaises(berth.ResourceExhaustedError) as exhausted:
            client.run(["x"])
        self.assertIs(exhausted.exception.reason, berth.Reason.NONE)
        known = {name for name in pool_pb2.ErrorReason.keys() if name != "ERROR_REASON_UNSPECIFIED"}
        self.assertEqual(known, {reason.name for reason in berth.Reason} - {"NONE"}, "and all of the contract's are known")

    # MARK: Installing

    def test_installing_from_the_folder_leaves_nothing_in_it(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "python")
            wanted = ("src", "pyproject.toml", "setup.py", "README.md")
            folder.mkdir()
            for name in wanted:
                if (PACKAGE / name).is_dir():
                    shutil.copytree(PACKAGE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
                elif (PACKAGE / name).exists():
                    shutil.copy(PACKAGE / name, folder / name)
            before = files_of(folder)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
            subprocess.run(
                [*command, "--target", scratch + "/into", str(folder)],
                check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            )
            self.assertEqual(files_of(folder), before)
            self.assertTrue(Path(scratch, "into/berth/py.typed").exists())
            self.assertTrue(Path(scratch, "into/berth/v1/pool_pb2.pyi").exists())


def files_of(folder: Path) -> Set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class AsyncUseTests(unittest.IsolatedAsyncioTestCase):
    def serve(self, handlers: Any = None) -> Double:
        double = Double(handlers)
        self.addCleanup(double.close)
        return double

    def connect(self, double: Double, **options: Any) -> berth.aio.Client:
        client = berth.aio.Client(double.address, **options)
        self.addAsyncCleanup(client.close)
        return client

    async def asked(self, double: Double, method: str) -> Asked:
        return await asyncio.get_running_loop().run_in_executor(None, double.next, method)

    async def test_a_character_that_is_split_between_two_pieces_comes_whole(self) -> None:
        for size in (1, 2, 3):
            async with self.connect(self.serve({"Execute": to_stdout(SPLIT, size)})).execute(["x"]) as execution:
                self.assertEqual("".join([piece.text async for piece in execution.text()]), JOINED)

    async def test_standard_input_of_any_length_is_sent_in_pieces_while_the_output_is_read(self) -> None:
        data = os.urandom(5_000_000)
        client = self.connect(self.serve(Cat().handlers()))
        self.assertEqual((await client.run(["cat"], stdin=data, max_output=10_000_000)).stdout, data)

    async def test_after_the_server_was_killed_everything_about_an_execution_says_unavailable(self) -> None:
        double = self.serve({"Execute": lambda asked: asked.started()})
        async with self.connect(double).execute(["sleep"]) as execution:
            await execution.id()
            double.peers[0].kill()
            for ask in (execution.wait, execution.wait, execution.result):
                with self.assertRaises(berth.UnavailableError):
                    await ask()

    async def test_a_mute_server_holds_nobody_for_ever(self) -> None:
        double = self.serve({"Hello": lambda asked: None, "Execute": lambda asked: None, "Acquire": lambda asked: None})
        calls: List[Callable[[berth.aio.Client], Any]] = [lambda client: client.run(["x"]), lambda client: client.acquire()]
        for call in calls:
            with self.assertRaisesRegex(berth.UnavailableError, "said nothing for 0.4 s"):
                await asyncio.wait_for(call(self.connect(double, keepalive=0.4)), 5)

    async def test_a_program_that_is_quiet_for_long_is_not_given_up(self) -> None:
        double = self.serve()
        async with self.connect(double, keepalive=0.2).execute(["sleep"]) as execution:
            asked = await self.asked(double, "Execute")
            asked.started()
            threading.Timer(1, asked.exited).start()
            self.assertTrue((await execution.wait()).ok)

    async def test_a_client_that_is_used_on_a_second_event_loop_says_so_at_once(self) -> None:
        client = self.connect(self.serve())
        await client.hello()

        def elsewhere() -> None:
            async def hello() -> None:
                await asyncio.wait_for(client.hello(), 5)

            with self.assertRaisesRegex(RuntimeError, "another event loop"):
                asyncio.run(hello())

        await asyncio.get_running_loop().run_in_executor(None, elsewhere)
        self.assertEqual((await client.hello()).version, "double/1")

    async def test_run_refuses_an_input_that_is_kept_open_and_a_line_in_the_place_of_words(self) -> None:
        client = self.connect(self.serve())
        with self.assertRaises(ValueError):
            await client.run(["cat"], keep_stdin_open=True)  # type: ignore[call-arg]
        with self.assertRaises(TypeError):
            await client.run("ls")  # type: ignore[arg-type]

    async def test_a_lease_that_was_dropped_is_released_at_once_and_with_a_warning(self) -> None:
        double = self.serve({"Acquire": leased})
        client = self.connect(double)
        lease: Any = await client.acquire()
        with self.assertWarnsRegex(ResourceWarning, "Lease of m1.*dropped"):
            del lease
            gc.collect()
        release = await self.asked(double, "Release")
        self.assertEqual(pool_pb2.ReleaseRequest.FromString(release.payload).lease, "l1")

    async def test_an_execution_that_was_dropped_is_given_up_without_another_call(self) -> None:
        double = self.serve()
        execution: Any = self.connect(double).execute(["yes"])
        async with execution:
            (await self.asked(double, "Execute")).started("e9", 4)
            await execution.id()
            execution._give_up = lambda: None  # Leaving the block must not close it here.
        del execution
        gc.collect()
        await self.asked(double, "Detach")

    async def test_merged_output_and_a_terminal_without_echo_are_asked_for_and_only_then(self) -> None:
        double = self.serve()
        double.handlers["Execute"] = keeps_and_ends(double)
        client = self.connect(double)
        for options, expected in MERGED_AND_SILENT:
            await client.run(["x"], **options)
            self.assertEqual(merged_and_silent(await self.asked(double, "Execute")), expected, options)
        for wrong, words in WRONG_MERGED_AND_SILENT:
            with self.assertRaisesRegex((TypeError, ValueError), words):
                await client.run(["x"], **wrong)

    async def test_the_new_calls_about_files(self) -> None:
        double = self.serve({"Stat": lambda asked: asked.fail_with(5, "nothing is there", "NO_SUCH_FILE")})
        lease = self.connect(double).lease("l1")
        with self.assertRaises(berth.NotFoundError) as caught:
            await lease.stat("/tmp/a", follow=True)
        self.assertIs(caught.exception.reason, berth.Reason.NO_SUCH_FILE)
        calls: List[Tuple[str, Callable[[], Any]]] = [
            ("MakeDirectory", lambda: lease.make_directory("/tmp/d", parents=True)),
            ("RenameFile", lambda: lease.rename("/tmp/d", "/tmp/e", no_replace=True)),
            ("ChangeMode", lambda: lease.change_mode("/tmp/e", 0o700)),
        ]
        for method, call in calls:
            double.handlers[method] = lambda asked: (double.asked.put(asked), asked.answer())[0]  # type: ignore
            await call()
            await self.asked(double, method)


if __name__ == "__main__":
    unittest.main()
