# SPDX-License-Identifier: Apache-2.0
"""What users copy, against the server at BERTH_SERVER."""

import asyncio
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import berth
import berth.aio

PACKAGE = Path(__file__).resolve().parents[1]


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        assert "BERTH_SERVER" in os.environ, "these tests want a server: run them with clients/conformance/with-server"

    def output(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", *command], capture_output=True, text=True, timeout=60, cwd=PACKAGE
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_the_examples_of_the_readme_print_what_it_says(self) -> None:
        blocks = re.findall(r"```(python|text)\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
        self.assertEqual([kind for kind, _ in blocks], ["python", "text"] * 3)
        for (_, example), (_, expected) in zip(blocks[::2], blocks[1::2]):
            self.assertEqual(self.output("-c", example), expected)

    def test_samples(self) -> None:
        self.assertEqual(self.output("samples/stream_a_snippet.py"), "0\n1\n2\nexited with 0\n")
        self.assertEqual(
            self.output("samples/interactive_session.py"),
            "6 * 7 = 42\n2 ** 64 = 18446744073709551616\n'berth'.upper() = BERTH\nexited with 0\n",
        )
        self.assertEqual(
            self.output("samples/ten_at_once.py"), "".join(f"{number} squared is {number * number}\n" for number in range(10))
        )

    def test_a_context_keeps_its_state_and_shows_more_than_text(self) -> None:
        with berth.Client() as client, client.acquire() as lease, lease.context("python") as context:
            self.assertTrue(context.version.startswith("3."), context.version)
            self.assertIsNone(context.run("x = 6").value)
            shown = context.run("display({'text/html': '<b>', 'text/plain': 'b'}, raw=True); x * 7")
            self.assertEqual([display.data for display in shown.displays][0], {"text/html": b"<b>", "text/plain": b"b"})
            self.assertEqual((shown.value, shown.text, shown.ok), ("42", "", True))
            failed = context.run("x / 0")
            assert failed.failure is not None
            self.assertEqual((failed.failure.name, failed.exit_code), ("ZeroDivisionError", 1))
            self.assertEqual(context.complete("os_is_not_here = x.bit_l").matches, ["bit_length"])
            self.assertIn(b"int", context.inspect("x")["text/plain"])
            with context.execute("y = input('? ')", keep_stdin_open=True) as execution:
                for event in execution:
                    if isinstance(event, berth.Prompt):
                        execution.write("answer\n")
            self.assertEqual(context.run("y").value, "'answer'")
            with context.execute("print(1)\nwhile True: pass") as execution:
                for event in execution:
                    if isinstance(event, berth.Output):
                        execution.signal("INT")
                self.assertFalse(execution.wait().context_lost)
            self.assertEqual([info.pieces for info in lease.contexts()], [6])
            with context.fork() as copy:
                self.assertEqual((copy.language, copy.version), ("python", context.version))
                self.assertIsNone(copy.run("x += 1").value)
                self.assertEqual((copy.run("x").value, context.run("x").value), ("7", "6"))
            with lease.context("sh") as shell, self.assertRaises(berth.UnimplementedError):
                shell.fork()
            context.run("import threading; done = threading.Event(); threading.Thread(target=done.wait, name='busy').start()")
            with self.assertRaisesRegex(berth.FailedPreconditionError, "a thread runs in it: busy") as refused:
                context.fork()
            self.assertIs(refused.exception.reason, berth.Reason.CONTEXT_START_FAILED)
            context.run("done.set()")
            lost = context.run("import os; os._exit(3)")
            self.assertEqual((lost.end.context_lost, lost.exit_code), (True, 3))
            with self.assertRaises(berth.NotFoundError) as caught:
                context.run("x")
            self.assertIs(caught.exception.reason, berth.Reason.NO_SUCH_CONTEXT)
            with lease.context("bash") as shell:
                shell.run("cd /tmp; f() { pwd; }")
                self.assertEqual(shell.run("f").text, "/tmp\n")

    def test_the_same_with_asyncio(self) -> None:
        async def session() -> None:
            async with berth.aio.Client() as client, await client.acquire() as lease:
                async with await lease.context("python") as context:
                    await context.run("x = 6")
                    self.assertEqual((await context.run("x * 7")).value, "42")
                    async with await context.fork() as copy:
                        self.assertIsNone((await copy.run("x = 7")).value)
                        self.assertEqual((await context.run("x")).value, "6")
                    events = [event async for event in context.execute("print(1); display(2); 3 / 0")]
                    self.assertEqual([type(event) for event in events], [berth.Output, berth.Display, berth.Failure])
                    self.assertEqual((await context.complete("x.bit_l")).matches, ["bit_length"])
                    self.assertIn("text/plain", await context.inspect("x"))
                    self.assertEqual([info.language for info in await lease.contexts()], ["python"])
                self.assertEqual(await lease.contexts(), [])

        asyncio.run(session())

    def test_an_execution_that_did_not_start_has_no_id_and_says_why(self) -> None:
        async def session() -> None:
            async with berth.aio.Client() as client:
                with self.assertRaisesRegex(berth.BerthError, "it did not start: .*no-such-program") as raised:
                    await client.execute(["no-such-program"]).id()
                self.assertEqual(raised.exception.code, berth.Code.FAILED_PRECONDITION)

        with berth.Client() as client:
            with self.assertRaisesRegex(berth.BerthError, "it did not start: .*no-such-program"):
                client.execute(["no-such-program"]).id
        asyncio.run(session())

    def test_who_attaches_goes_on_with_the_input_where_others_left_it(self) -> None:
        with berth.Client() as client, client.acquire() as lease:
            first = lease.execute(["cat"], keep_stdin_open=True)
            first.write("first\n")
            second = lease.attach(first.id)
            second.write("second\n")
            second.close_stdin("third\n")
            self.assertEqual(second.result().text, "first\nsecond\nthird\n")
            first.result()

        async def the_same() -> None:
            async with berth.aio.Client() as client, await client.acquire() as lease:
                first = lease.execute(["cat"], keep_stdin_open=True)
                await first.write("first\n")
                second = lease.attach(await first.id())
                await second.write("second\n")
                await second.close_stdin("third\n")
                self.assertEqual((await second.result()).text, "first\nsecond\nthird\n")
                await first.result()

        asyncio.run(the_same())

    def test_the_benchmark_runs(self) -> None:
        self.assertRegex(self.output("bench.py", "20"), r"^run true: n 20  p50 \d+ us  p99 \d+ us\n$")


if __name__ == "__main__":
    unittest.main()
