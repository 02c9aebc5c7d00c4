# SPDX-License-Identifier: Apache-2.0
"""What a model host does, the same with each generation of the SDK and in each era of the protocol."""

from __future__ import annotations

import time
import unittest
from typing import Any, Awaitable, Callable, List, Optional

import anyio

from . import wire
from .sdk import GENERATION, MODES, Client, RefusedError, connect
from .wire import eventually, leased, processes

SCENARIOS: List[Callable[[Client], Awaitable[None]]] = []
case = unittest.TestCase()
case.maxDiff = None

PLOT = """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
png += chunk(b"IDAT", zlib.compress(b"\\0\\xff\\0\\0")) + chunk(b"IEND", b"")
"""


def scenario(body: Callable[[Client], Awaitable[None]]) -> Callable[[Client], Awaitable[None]]:
    SCENARIOS.append(body)
    return body


async def until(what: Callable[[], bool]) -> float:
    return await anyio.to_thread.run_sync(lambda: eventually(what))


# What it is


@scenario
async def says_what_it_is(client: Client) -> None:
    case.assertEqual(client.name, "berth")
    case.assertIn("start_session", client.instructions)


@scenario
async def lists_its_tools(client: Client) -> None:
    tools = await client.tools()
    names = [tool.name for tool in tools]
    case.assertEqual(
        names,
        ["run_code", "run_command", "start_session", "end_session", "write_file", "read_file", "list_files"])
    for tool in tools:
        schema = tool.outputSchema if GENERATION == 1 else tool.output_schema
        case.assertEqual(schema["type"], "object", tool.name)
        case.assertTrue(tool.title and tool.description and tool.annotations, tool.name)


# Code and commands in containers of their own


@scenario
async def runs_code_and_returns_output_and_value(client: Client) -> None:
    result = await client.call("run_code", code="print('hello')\n6 * 7", language="python")
    case.assertFalse(result.is_error, result)
    case.assertEqual(result.text, "hello\n[value]\n42")
    case.assertEqual(result.structured["stdout"], "hello\n")
    case.assertEqual(result.structured["value"], "42")
    case.assertEqual(result.structured["exit_code"], 0)


@scenario
async def runs_code_of_each_shell(client: Client) -> None:
    for language, code in [("bash", "a=(1 2 3); echo ${#a[@]}"), ("sh", "echo $((1 + 2))")]:
        result = await client.call("run_code", code=code, language=language)
        case.assertEqual((result.text, result.is_error), ("3", False))


@scenario
async def an_exception_is_an_error_with_its_trace(client: Client) -> None:
    result = await client.call("run_code", code="def f():\n    return 1 / 0\nf()")
    case.assertTrue(result.is_error)
    case.assertEqual(result.structured["error_name"], "ZeroDivisionError")
    case.assertIn("return 1 / 0", result.text)


@scenario
async def runs_a_command(client: Client) -> None:
    result = await client.call("run_command", command="echo out; echo err >&2; pwd")
    case.assertEqual(result.text, "out\n/workspace\n[stderr]\nerr")
    case.assertEqual(result.structured["stderr"], "err\n")


@scenario
async def an_exit_code_is_an_error(client: Client) -> None:
    result = await client.call("run_command", command="echo some; exit 3")
    case.assertTrue(result.is_error)
    case.assertEqual(result.text, "some\n[exit code 3]")
    case.assertEqual(result.structured["exit_code"], 3)


@scenario
async def a_missing_program_is_an_error(client: Client) -> None:
    result = await client.call("run_command", command="no-such-program")
    case.assertTrue(result.is_error)
    case.assertEqual(result.structured["exit_code"], 127)
    case.assertIn("not found", result.text)


@scenario
async def nothing_is_kept_without_a_session(client: Client) -> None:
    await client.call("run_command", command="echo x > /workspace/left-behind")
    result = await client.call("run_command", command="ls -A /workspace")
    case.assertEqual(result.text, "[no output]")


@scenario
async def long_output_is_cut_to_its_last_16_kib(client: Client) -> None:
    result = await client.call("run_command", command="seq 1 20000; echo é >&2")
    whole = "".join(f"{number}\n" for number in range(1, 20001))
    case.assertEqual(result.structured["stdout"], whole[-16384:])
    case.assertEqual(result.structured["stdout_left_out"], len(whole) - 16384)
    case.assertEqual((result.structured["stderr"], result.structured["stderr_left_out"]), ("é\n", 0))
    case.assertIn(f"[the first {len(whole) - 16384} bytes of stdout were left out", result.text)


@scenario
async def output_that_is_no_text_is_still_an_answer(client: Client) -> None:
    result = await client.call("run_command", command=r"printf 'a\377\000b\033[1m'")
    case.assertEqual(result.structured["stdout"], "a\ufffd\0b\x1b[1m")


@scenario
async def a_timeout_ends_the_program(client: Client) -> None:
    began = time.monotonic()
    result = await client.call("run_command", command="echo begun; sleep 600", timeout=0.5)
    case.assertLess(time.monotonic() - began, 10)
    case.assertTrue(result.is_error)
    case.assertEqual(result.structured["ended"], "timed_out")
    case.assertIn("begun", result.text)
    case.assertIn("give a larger `timeout`", result.text)


# Sessions


@scenario
async def a_session_keeps_variables_and_files(client: Client) -> None:
    session = await client.session()
    await client.call("run_code", code="x = 20", session=session)
    await client.call("run_code", code="open('note', 'w').write(str(x))", session=session)
    result = await client.call("run_code", code="x + 1", session=session)
    case.assertEqual(result.structured["value"], "21")
    case.assertEqual((await client.call("run_command", command="cat note", session=session)).text, "20")
    await client.call("end_session", session=session)


@scenario
async def a_session_has_an_interpreter_for_each_language(client: Client) -> None:
    session = await client.session(language="bash")
    await client.call("run_code", code="cd /tmp; export NAME=berth", session=session)
    case.assertEqual((await client.call("run_code", code="echo $NAME in $PWD", session=session)).text, "berth in /tmp")
    result = await client.call("run_code", code="'py' + 'thon'", language="python", session=session)
    case.assertEqual(result.structured["value"], "'python'")
    case.assertEqual((await client.call("run_code", code="echo $NAME", session=session)).text, "berth")
    await client.call("end_session", session=session)


@scenario
async def what_a_command_leaves_in_the_background_goes_on_in_a_session(client: Client) -> None:
    session = await client.session()
    command = "(sleep .5; echo later > note) >/dev/null 2>&1 & echo started"
    case.assertEqual((await client.call("run_command", command=command, session=session)).text, "started")
    command = "until [ -s note ]; do sleep .05; done; cat note"
    result = await client.call("run_command", command=command, session=session)
    case.assertEqual(result.text, "later")
    await client.call("end_session", session=session)


@scenario
async def sessions_are_apart(client: Client) -> None:
    one, other = await client.session(), await client.session()
    case.assertNotEqual(one, other)
    await client.call("run_code", code="secret = 1; open('/tmp/secret', 'w').close()", session=one)
    code = "import os; 'secret' in globals() or os.path.exists('/tmp/secret')"
    result = await client.call("run_code", code=code, session=other)
    case.assertEqual(result.structured["value"], "False")
    for session in (one, other):
        await client.call("end_session", session=session)


@scenario
async def an_ended_session_gives_its_container_back_and_says_so(client: Client) -> None:
    session = await client.session()
    case.assertEqual(leased(), 1)
    result = await client.call("end_session", session=session)
    case.assertEqual((result.is_error, result.structured["had_ended"]), (False, False))
    await until(lambda: leased() == 0)
    result = await client.call("run_code", code="1", session=session)
    case.assertTrue(result.is_error)
    case.assertIn("end_session was called", result.text)
    case.assertIn("Call start_session for a new one", result.text)
    case.assertTrue((await client.call("end_session", session=session)).structured["had_ended"])


@scenario
async def an_unknown_session_is_told_with_what_to_do(client: Client) -> None:
    result = await client.call("run_command", command="true", session="nonsense")
    case.assertTrue(result.is_error)
    case.assertEqual(result.text, 'there is no session "nonsense": call start_session, and use the id it returns')


@scenario
async def pieces_of_code_in_a_session_run_one_after_another(client: Client) -> None:
    session = await client.session()
    await client.call("run_code", code="steps = []", session=session)

    async def step(number: int) -> None:
        code = f"import time; steps.append('{number} begins'); time.sleep(.05); steps.append('{number} ends')"
        case.assertFalse((await client.call("run_code", code=code, session=session)).is_error)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(step, number)
    value = (await client.call("run_code", code="steps", session=session)).structured["value"]
    steps = eval(value)
    case.assertEqual(len(steps), 8)
    for first, second in zip(steps[::2], steps[1::2]):
        case.assertEqual((first.split()[0], first.split()[1], second.split()[1]), (second.split()[0], "begins", "ends"))
    await client.call("end_session", session=session)


@scenario
async def a_timeout_in_a_session_keeps_its_variables(client: Client) -> None:
    session = await client.session()
    result = await client.call("run_code", code="y = 5\nimport time\ntime.sleep(600)", session=session, timeout=0.5)
    case.assertTrue(result.is_error)
    case.assertIn("the session keeps its variables", result.text)
    case.assertEqual((await client.call("run_code", code="y", session=session)).structured["value"], "5")
    await client.call("end_session", session=session)


@scenario
async def a_lost_interpreter_is_told_and_replaced(client: Client) -> None:
    session = await client.session()
    await client.call("run_code", code="z = 1; open('kept', 'w').close()", session=session)
    result = await client.call("run_code", code="import os; os._exit(7)", session=session)
    case.assertTrue(result.is_error and result.structured["interpreter_lost"])
    case.assertIn("its variables are gone", result.text)
    result = await client.call("run_code", code="import os; 'z' in globals(), os.listdir()", session=session)
    case.assertEqual(result.structured["value"], "(False, ['kept'])")
    await client.call("end_session", session=session)


@scenario
async def a_session_whose_container_died_says_why(client: Client) -> None:
    session = await client.session()

    async def kill() -> None:
        await until(lambda: len(processes("76543")) > 0)
        wire.kill_container(processes("76543")[0])

    async with anyio.create_task_group() as group:
        group.start_soon(kill)
        result = await client.call("run_command", command="exec sleep 76543", session=session)
    case.assertTrue(result.is_error)
    case.assertEqual(result.structured["ended"], "container_lost")
    case.assertIn("the container went away", result.text)
    result = await client.call("run_code", code="1", session=session)
    case.assertIn("has ended: the container went away. Call start_session", result.text)


# Pictures


@scenario
async def a_picture_is_shown_as_one(client: Client) -> None:
    code = PLOT + "print('before'); display({'image/png': png, 'text/plain': 'a dot'}, raw=True); print('after')"
    result = await client.call("run_code", code=code)
    case.assertFalse(result.is_error, result)
    case.assertEqual(result.types, ["image/png"])
    case.assertTrue(result.pictures[0].startswith(b"\x89PNG"))
    case.assertEqual(result.structured["pictures"], 1)
    case.assertIn("[picture 1: image/png", result.text)


# Files


@scenario
async def files_are_written_read_and_listed(client: Client) -> None:
    session = await client.session()
    result = await client.call("write_file", session=session, path="data/é.csv", content="a,b\n1,ö\n")
    case.assertEqual(result.structured, {"path": "/workspace/data/é.csv", "bytes": 9})
    result = await client.call("read_file", session=session, path="/workspace/data/é.csv")
    case.assertEqual(result.text, "a,b\n1,ö\n")
    case.assertEqual((result.structured["size"], result.structured["encoding"]), (9, "text"))
    await client.call("run_command", command="ln -s é.csv data/link; mkdir data/inner", session=session)
    result = await client.call("list_files", session=session, path="data")
    case.assertEqual(result.text, "/workspace/data: 3 entries\ninner/\nlink -> é.csv\né.csv  9")
    case.assertEqual(result.structured["entries"][1]["target"], "é.csv")
    await client.call("end_session", session=session)


@scenario
async def long_and_binary_files_are_read_in_parts(client: Client) -> None:
    session = await client.session()
    command = "yes é | head -c 200000 > long; head -c 300 /dev/zero > zeros"
    await client.call("run_command", command=command, session=session)
    result = await client.call("read_file", session=session, path="long", length=1000)
    # 1000 bytes end within a character.
    case.assertEqual(result.structured["bytes"], 999)
    case.assertIn("read on with `offset` 999", result.text)
    result = await client.call("read_file", session=session, path="long", offset=199_998)
    case.assertEqual((result.structured["content"], result.structured["bytes"]), ("é", 2))
    result = await client.call("read_file", session=session, path="zeros")
    case.assertTrue(result.is_error)
    case.assertIn("read it with `encoding` base64", result.text)
    result = await client.call("read_file", session=session, path="zeros", encoding="base64")
    case.assertEqual(result.structured["content"], "AAAA" * 100)
    result = await client.call("write_file", session=session, path="copy", content="AAAA" * 100, encoding="base64")
    case.assertEqual((await client.call("run_command", command="cmp copy zeros", session=session)).text, "[no output]")
    await client.call("end_session", session=session)


@scenario
async def a_picture_in_a_file_can_be_looked_at(client: Client) -> None:
    session = await client.session()
    await client.call("run_code", code=PLOT + "open('dot.png', 'wb').write(png);", session=session)
    result = await client.call("read_file", session=session, path="dot.png")
    case.assertEqual((result.types, result.structured["picture"]), (["image/png"], "image/png"))
    await client.call("end_session", session=session)


@scenario
async def mistakes_about_files_are_told(client: Client) -> None:
    session = await client.session()
    for tool, arguments, words in [
        ("read_file", {"path": "nope"}, "/workspace/nope"),
        ("read_file", {"path": "/tmp"}, "directory"),
        ("list_files", {"path": "/etc/passwd"}, "/etc/passwd"),
        ("write_file", {"path": "/usr/x", "content": ""}, "/usr"),
    ]:
        result = await client.call(tool, session=session, **arguments)
        case.assertTrue(result.is_error, tool)
        case.assertIn(words, result.text)
    await client.call("end_session", session=session)


# Progress and cancelling


@scenario
async def output_comes_as_progress_while_it_is_made(client: Client) -> None:
    times: List[float] = []
    values: List[float] = []
    texts: List[str] = []

    async def progress(value: float, total: Optional[float], message: Optional[str]) -> None:
        times.append(time.monotonic())
        values.append(value)
        texts.append(message or "")

    result = await client.call(
        "run_command", progress, command="for i in 1 2 3; do echo line $i; sleep .3; done; seq 1 100000; sleep .3")
    end = time.monotonic()
    case.assertFalse(result.is_error)
    case.assertEqual(texts[0], "line 1\n")
    case.assertGreater(end - times[0], 0.7)
    case.assertEqual(sorted(set(values)), values)
    case.assertLess(len(times), 3 + (times[-1] - times[0]) * 10)


async def cancelled_in_half_a_second(client: Client, session: str, tool: str, word: str, **arguments: Any) -> None:
    """The best of three: what else runs on the machine may hold up one of them."""

    async def when() -> None:
        await until(lambda: len(processes(word)) > 0)

    times: List[float] = []
    while not times or min(times) >= 0.5 and len(times) < 3:
        await client.call_and_cancel(tool, when, session=session, **arguments)
        times.append(await until(lambda: len(processes(word)) == 0))
    case.assertLess(min(times), 0.5)


@scenario
async def a_cancelled_command_is_gone_in_half_a_second(client: Client) -> None:
    session = await client.session()
    # One that does not end by TERM.
    command = "trap '' TERM; sleep 65432; sleep 65432"
    await cancelled_in_half_a_second(client, session, "run_command", "65432", command=command)
    case.assertEqual((await client.call("run_command", command="echo still here", session=session)).text, "still here")
    await client.call("end_session", session=session)


@scenario
async def cancelled_code_keeps_the_sessions_variables(client: Client) -> None:
    session = await client.session()
    await client.call("run_code", code="kept = 'yes'", session=session)
    code = "import subprocess\nsubprocess.run(['sleep', '54321'])"
    await cancelled_in_half_a_second(client, session, "run_code", "54321", code=code)
    case.assertEqual((await client.call("run_code", code="kept", session=session)).structured["value"], "'yes'")
    await client.call("end_session", session=session)


@scenario
async def many_calls_run_at_once(client: Client) -> None:
    results: List[str] = []

    async def one(number: int) -> None:
        results.append((await client.call("run_command", command=f"sleep .2; echo {number}")).text)

    began = time.monotonic()
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(one, number)
    case.assertEqual(sorted(results), ["0", "1", "2", "3"])
    case.assertLess(time.monotonic() - began, 10)


# Mistakes


@scenario
async def wrong_arguments_are_told_to_the_model(client: Client) -> None:
    for arguments, words in [
        ({}, "`code` is missing"),
        ({"code": "1", "language": "cobol"}, "`language` must be python, bash, sh or node"),
        ({"code": "1", "timeout": -1}, "`timeout` must be a number of seconds"),
        ({"code": "1", "file": "x"}, "run_code has no argument `file`"),
    ]:
        result = await client.call("run_code", **arguments)
        case.assertTrue(result.is_error)
        case.assertIn(words, result.text)


@scenario
async def an_unknown_tool_is_refused(client: Client) -> None:
    with case.assertRaises(RefusedError) as caught:
        await client.call("format_disk")
    case.assertEqual(caught.exception.code, -32602)
    case.assertIn('there is no tool "format_disk"; there are run_code', caught.exception.message)


@scenario
async def too_many_sessions_are_refused_with_what_to_do(client: Client) -> None:
    sessions = [await client.session() for _ in range(3)]
    result = await client.call("start_session")
    case.assertTrue(result.is_error)
    case.assertIn("3 sessions are open, the maximum. Call end_session", result.text)
    await client.call("end_session", session=sessions.pop())
    sessions.append(await client.session())
    for session in sessions:
        await client.call("end_session", session=session)


class Scenarios(unittest.TestCase):
    """Each scenario in each era, and then everything is given back."""


def add(mode: str, body: Callable[[Client], Awaitable[None]]) -> None:
    def test(self: unittest.TestCase) -> None:
        async def run() -> None:
            with anyio.fail_after(60):
                async with connect(mode, "--max-sessions", "3") as client:
                    expected = "2026-07-28" if mode == "stateless" else "2025-11-25"
                    self.assertEqual(client.version, expected)
                    await body(client)
            # Whatever a scenario left open ends with its host.
            await until(lambda: leased() == 0)

        anyio.run(run)

    test.__doc__ = f"SDK {GENERATION}, {mode}: {body.__name__.replace('_', ' ')}"
    setattr(Scenarios, f"test_{mode}_{body.__name__}", test)


for mode in MODES:
    for body in SCENARIOS:
        add(mode, body)


def load_tests(loader: unittest.TestLoader, tests: Any, pattern: Any) -> Any:
    assert len(SCENARIOS) >= 25
    return tests
