# SPDX-License-Identifier: Apache-2.0
"""What the self-check does not ask: limits, users, ends, retries."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from typing import Any

import berth.aio
import pytest
from berth_inspect import BerthSandboxEnvironment, _sandbox
from berth_inspect._output import Tail
from conftest import Opener, leased
from inspect_ai.util import OutputLimitExceededError, SandboxUnavailableError, SandboxUserUnsupportedError
from inspect_ai.util._sandbox.limits import override_max_exec_output_size, override_max_read_file_size


# MARK: Output


async def test_of_more_output_than_the_limit_the_end_is_kept(sandbox_env: BerthSandboxEnvironment) -> None:
    with override_max_exec_output_size(1000):
        result = await sandbox_env.exec(["sh", "-c", "seq 1 100000; seq 1 100000 >&2; exit 3"])
    whole = "".join(f"{number}\n" for number in range(1, 100001))
    assert (result.returncode, result.stdout, result.stderr) == (3, whole[-1000:], whole[-1000:])


def test_no_more_than_the_limit_and_one_piece_are_held() -> None:
    tail = Tail(100)
    for number in range(10000):
        tail.add(f"{number:010}".encode())
        assert tail._size < 100 + 10
    assert tail.text() == "".join(f"{number:010}" for number in range(9990, 10000))


@pytest.mark.parametrize("limit, text", [(1, ""), (2, ""), (3, "€"), (4, "€"), (6, "€€"), (9, "€€€"), (10, "€€€")])
def test_a_character_that_is_cut_is_left_out(limit: int, text: str) -> None:
    tail = Tail(limit)
    tail.add("€€€".encode())
    assert tail.text() == text


def test_what_was_written_as_no_character_stays_to_be_seen() -> None:
    tail = Tail(10)
    tail.add(b"\x80\x80ok")
    assert tail.text() == "\ufffd\ufffdok"


# MARK: How programs end


async def test_a_program_that_is_not_there_is_127_and_says_so(sandbox_env: BerthSandboxEnvironment) -> None:
    result = await sandbox_env.exec(["no-such-program"])
    assert (result.success, result.returncode) == (False, 127)
    assert "no-such-program" in result.stderr


async def test_a_working_directory_that_is_not_there_is_126_and_says_so(sandbox_env: BerthSandboxEnvironment) -> None:
    result = await sandbox_env.exec(["true"], cwd="no/such/place")
    assert (result.success, result.returncode) == (False, 126)
    assert "/workspace/no/such/place" in result.stderr


async def test_a_file_in_no_format_that_runs_is_126_and_no_lack_of_permission(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.write_file("odd", "\x01\x02")
    await sandbox_env.exec(["chmod", "+x", "odd"])
    result = await sandbox_env.exec(["./odd"])
    assert (result.success, result.returncode) == (False, 126), result


async def test_memory_that_is_used_up_is_137_and_said_on_stderr(sandbox_env: BerthSandboxEnvironment) -> None:
    result = await sandbox_env.exec(["python3", "-c", "print('so far', flush=True); b'x' * (1 << 30)"])
    assert (result.success, result.returncode, result.stdout) == (False, 137, "so far\n")
    assert "memory" in result.stderr
    assert (await sandbox_env.exec(["echo", "alive"])).stdout == "alive\n"


async def test_a_null_byte_is_the_error_that_inspect_knows(sandbox_env: BerthSandboxEnvironment) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        await sandbox_env.exec(["echo", "a\0b"])


async def test_a_timeout_is_final_and_gives_what_was_written_before(sandbox_env: BerthSandboxEnvironment) -> None:
    with pytest.raises(TimeoutError) as caught:
        await sandbox_env.exec(["sh", "-c", "echo run >> runs; echo out; echo err >&2; sleep 100"], timeout=1)
    assert getattr(caught.value, "truncated_output") == "out\nerr\n"
    assert await sandbox_env.read_file("runs") == "run\n"


async def test_without_a_timeout_a_program_has_longer_than_the_servers_minute(opened: Opener) -> None:
    sandbox = await opened(longest=3.0)
    with pytest.raises(TimeoutError, match="3 s"):
        await sandbox.exec(["sleep", "100"])


def stop(process: int) -> None:
    """Returns when all of its threads stand."""
    os.kill(process, signal.SIGSTOP)
    _, status = os.waitpid(process, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


async def test_a_command_is_retried_when_the_server_gives_no_answer(
    server: Any, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is stopped, and goes on when the sandbox says that it tries again."""
    monkeypatch.setattr(_sandbox, "SLACK", 0.5)
    sandbox = await opened()
    process = server._process.pid

    class GoesOn(logging.Handler):
        records: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.records.append(record.getMessage())
            os.kill(process, signal.SIGCONT)

    handler = GoesOn()
    _sandbox.logger.addHandler(handler)
    stop(process)
    try:
        result = await sandbox.exec(["echo", "answered"], timeout=1)
    finally:
        os.kill(process, signal.SIGCONT)
        _sandbox.logger.removeHandler(handler)
    assert result.stdout == "answered\n"
    assert handler.records == ["Berth gave no answer within a timeout of 1 s"]


async def test_without_retries_no_answer_is_a_timeout(
    server: Any, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sandbox, "SLACK", 0.5)
    sandbox = await opened()
    stop(server._process.pid)
    try:
        with pytest.raises(TimeoutError, match="no answer"):
            await sandbox.exec(["echo"], timeout=1, timeout_retry=False)
    finally:
        os.kill(server._process.pid, signal.SIGCONT)


async def test_a_call_that_is_cancelled_ends_its_program(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.exec(["mkfifo", "started"])
    running = asyncio.create_task(sandbox_env.exec(["sh", "-c", "echo $$ > started; sleep 1000"]))
    pid = (await sandbox_env.exec(["cat", "started"])).stdout.strip()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # Ends when that process has.
    assert (await sandbox_env.exec(["tail", "-f", f"--pid={pid}", "/dev/null"], timeout=20)).success


# MARK: Many


async def test_more_programs_at_a_time_than_a_container_takes_wait_in_line(sandbox_env: BerthSandboxEnvironment) -> None:
    results = await asyncio.gather(*(sandbox_env.exec(["sh", "-c", f"sleep 0.1; echo {n}"]) for n in range(80)))
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(80)]


async def test_what_a_command_leaves_running_goes_on(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.exec(["mkfifo", "a", "b"])
    started = await sandbox_env.exec(["bash", "-c", "nohup sh -c 'read x < a; echo $x > b' > log 2>&1 & echo PID $!"])
    assert started.stdout.startswith("PID ")
    await sandbox_env.exec(["sh", "-c", "echo hello > a"], timeout=10)
    assert (await sandbox_env.exec(["cat", "b"], timeout=10)).stdout == "hello\n"


async def test_when_too_much_was_left_running_the_command_is_told(sandbox_env: BerthSandboxEnvironment) -> None:
    for _ in range(32):
        assert (await sandbox_env.exec(["sh", "-c", "sleep 1000 > /dev/null 2>&1 &"])).success
    result = await sandbox_env.exec(["sh", "-c", "sleep 1000 > /dev/null 2>&1 &"])
    assert (result.success, result.returncode) == (False, 126)
    assert "running" in result.stderr


# MARK: Users


async def test_the_containers_own_user_may_be_named(sandbox_env: BerthSandboxEnvironment) -> None:
    uid = (await sandbox_env.exec(["id", "-u"])).stdout.strip()
    for user in ("berth", uid):
        assert (await sandbox_env.exec(["id", "-un"], user=user)).stdout == "berth\n"


async def test_a_user_that_the_pool_allows_runs_programs(opened: Opener) -> None:
    sandbox = await opened(pool="users")
    for user in ("nobody", "65534"):
        assert (await sandbox.exec(["id", "-u"], user=user)).stdout == "65534\n"


@pytest.mark.parametrize("user", ["root", "0", "nobody", "65534", "1234", "no-such-user", "1000:1000"])
async def test_other_users_are_refused_as_such(sandbox_env: BerthSandboxEnvironment, user: str) -> None:
    with pytest.raises(SandboxUserUnsupportedError):
        await sandbox_env.exec(["id"], user=user)


# MARK: Files


async def test_a_file_keeps_its_permissions_when_it_is_written_again(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.write_file("tool", "#!/bin/sh\necho one\n")
    await sandbox_env.exec(["chmod", "750", "tool"])
    await sandbox_env.write_file("tool", "#!/bin/sh\necho two\n")
    assert (await sandbox_env.exec(["./tool"])).stdout == "two\n"
    assert (await sandbox_env.exec(["stat", "-c", "%a", "tool"])).stdout == "750\n"


async def test_outside_of_the_writable_places_there_is_no_permission(sandbox_env: BerthSandboxEnvironment) -> None:
    with pytest.raises(PermissionError, match="/workspace") as caught:
        await sandbox_env.write_file("/usr/bin/tool", "x")
    assert caught.value.filename == "/usr/bin/tool"


async def test_no_space_is_said(sandbox_env: BerthSandboxEnvironment) -> None:
    with pytest.raises(OSError) as caught:
        await sandbox_env.write_file("large", b"x" * (80 << 20))
    assert caught.value.errno == errno.ENOSPC


async def test_below_a_file_nothing_is_found(sandbox_env: BerthSandboxEnvironment) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await sandbox_env.read_file("/etc/passwd/x")
    assert caught.value.filename == "/etc/passwd/x"


async def test_text_that_is_not_utf_8_is_a_unicode_decode_error(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.write_file("binary", b"\xc3\x28")
    with pytest.raises(UnicodeDecodeError):
        await sandbox_env.read_file("binary")


async def test_line_ends_are_kept(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.write_file("lines", "a\r\nb\n")
    assert await sandbox_env.read_file("lines") == "a\r\nb\n"


async def test_a_file_of_exactly_the_limit_is_read_and_one_byte_more_is_not(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env.write_file("exact", bytes(4096))
    with override_max_read_file_size(4096):
        assert await sandbox_env.read_file("exact", text=False) == bytes(4096)
    with override_max_read_file_size(4095), pytest.raises(OutputLimitExceededError):
        await sandbox_env.read_file("exact", text=False)


async def test_a_file_that_says_no_size_is_held_to_the_limit(sandbox_env: BerthSandboxEnvironment) -> None:
    with override_max_read_file_size(100), pytest.raises(OutputLimitExceededError):
        await sandbox_env.read_file("/proc/self/status")


# MARK: The lease


async def test_a_lease_is_kept_while_nothing_happens(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool ends a lease that was not used for a second."""
    sandbox = await opened(pool="brief")
    renewals: asyncio.Queue[None] = asyncio.Queue()
    renew = sandbox._lease.renew

    async def counted(ttl: float | None = None) -> float:
        left = await renew(ttl)
        renewals.put_nowait(None)
        return left

    monkeypatch.setattr(sandbox._lease, "renew", counted)
    for _ in range(6):
        await asyncio.wait_for(renewals.get(), 10)
    assert (await sandbox.exec(["sh", "-c", "echo $WHERE"])).stdout == "brief\n"


async def test_a_lease_that_has_ended_is_a_sandbox_that_is_unavailable(sandbox_env: BerthSandboxEnvironment) -> None:
    await sandbox_env._lease.release()
    with pytest.raises(SandboxUnavailableError):
        await sandbox_env.exec(["true"])
    with pytest.raises(SandboxUnavailableError):
        await sandbox_env.read_file("/etc/passwd")
    with pytest.raises(SandboxUnavailableError):
        await sandbox_env.write_file("x", "x")
    with pytest.raises(ConnectionError):
        await sandbox_env.connection()


async def test_a_lease_that_ends_under_a_program_is_a_sandbox_that_is_unavailable(
    sandbox_env: BerthSandboxEnvironment,
) -> None:
    await sandbox_env.exec(["mkfifo", "started"])
    running = asyncio.create_task(sandbox_env.exec(["sh", "-c", "echo > started; sleep 1000"]))
    await sandbox_env.exec(["cat", "started"])
    await sandbox_env._lease.release()
    with pytest.raises(SandboxUnavailableError):
        await running


async def test_after_cleanup_nothing_is_leased(server: Any) -> None:
    environments = await BerthSandboxEnvironment.sample_init("test", None, {})
    async with berth.aio.Client() as client:
        assert await leased(client) == 1
        await BerthSandboxEnvironment.sample_cleanup("test", None, environments, True)
        assert await leased(client) == 0
