# SPDX-License-Identifier: Apache-2.0
"""What the standard tests do not ask: limits, ends, leases."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import berth
import pytest
from conftest import leased
from deepagents.backends.protocol import FileDownloadResponse, FileUploadResponse
from langchain_berth import BerthSandbox


# MARK: Commands


def test_stdout_and_stderr_come_in_the_order_of_writing(sandbox: BerthSandbox) -> None:
    result = sandbox.execute("for n in 1 2 3; do echo out $n; echo err $n >&2; done; exit 7")
    assert result.output == "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"
    assert (result.exit_code, result.truncated) == (7, False)


def test_a_timeout_is_124_with_what_was_written_and_nothing_runs_on(sandbox: BerthSandbox) -> None:
    result = sandbox.execute("echo so far; sleep 1000 & echo $! > pid; sleep 1000", timeout=1)
    assert (result.exit_code, result.truncated) == (124, False)
    assert result.output == "so far\nError: Command timed out after 1 seconds, with all that it had started."
    # Ends when that process has.
    assert sandbox.execute("tail -f --pid=$(cat pid) /dev/null", timeout=20).exit_code == 0


def test_a_command_without_a_timeout_has_the_sandboxs(server: Any) -> None:
    with BerthSandbox(timeout=0.5, longest=0.7) as sandbox:
        assert "0.5 seconds" in sandbox.execute("sleep 100").output
        assert "0.7 seconds" in sandbox.execute("sleep 100", timeout=0).output
        with pytest.raises(ValueError, match="timeout=-1"):
            sandbox.execute("true", timeout=-1)


def test_output_over_the_limit_is_left_out_and_counted(server: Any) -> None:
    with BerthSandbox(max_output=10) as sandbox:
        result = sandbox.execute("printf 0123456789abcde; exit 3")
    assert (result.exit_code, result.truncated) == (3, True)
    assert result.output == "0123456789\n[5 more bytes of output were left out]"


def test_memory_that_is_used_up_is_137_and_said(sandbox: BerthSandbox) -> None:
    result = sandbox.execute("exec python3 -c \"print('so far', flush=True); b'x' * (1 << 30)\"")
    assert result.exit_code == 137
    assert result.output.startswith("so far\n") and "memory" in result.output
    assert sandbox.execute("echo alive").output == "alive\n"


def test_a_signal_is_the_exit_code_that_a_shell_says(sandbox: BerthSandbox) -> None:
    assert sandbox.execute("kill -TERM $$").exit_code == 143


def test_what_is_not_utf_8_becomes_a_replacement(sandbox: BerthSandbox) -> None:
    assert sandbox.execute(r"printf 'a\377b'").output == "a\ufffdb"


def test_a_shell_of_ones_own_and_variables(server: Any) -> None:
    with BerthSandbox(shell="bash", env={"NAME": "x y"}) as sandbox:
        assert sandbox.execute('[[ $NAME == "x y" ]] && echo $0 $HOME').output == "bash /workspace\n"
    with BerthSandbox(shell="no-such-shell") as sandbox:
        result = sandbox.execute("true")
        assert result.exit_code == 127 and "no-such-shell" in result.output


def test_what_a_command_leaves_running_goes_on(sandbox: BerthSandbox) -> None:
    sandbox.execute("mkfifo a b; (read x < a; echo $x > b) > log 2>&1 &")
    sandbox.execute("echo hello > a", timeout=10)
    assert sandbox.execute("cat b", timeout=10).output == "hello\n"


def test_when_too_much_was_left_running_the_command_is_told(sandbox: BerthSandbox) -> None:
    for _ in range(32):
        assert sandbox.execute("sleep 1000 > /dev/null 2>&1 &").exit_code == 0
    result = sandbox.execute("sleep 1000 > /dev/null 2>&1 &")
    assert result.exit_code == 126 and "running" in result.output


def test_threads_run_commands_at_the_same_time(sandbox: BerthSandbox) -> None:
    sandbox.execute("mkfifo meet")
    with ThreadPoolExecutor(2) as threads:
        # Neither can end without the other.
        reads = threads.submit(sandbox.execute, "cat meet", timeout=20)
        writes = threads.submit(sandbox.execute, "echo met > meet", timeout=20)
        assert (reads.result().output, writes.result().exit_code) == ("met\n", 0)


# MARK: Files


def test_each_file_has_an_answer_of_its_own_in_order(sandbox: BerthSandbox) -> None:
    sandbox.execute("mkdir d; mkdir -m 500 closed")
    uploads = [("/workspace/a", b"1"), ("b", b""), ("/usr/x", b""), ("/workspace/d", b""), ("/workspace/closed/x", b""),
               ("/workspace/a/b", b""), ("/work\0", b""), ("/workspace/e/f/g", b"2")]
    wanted = [None, "invalid_path", "permission_denied", "is_directory",
              "permission_denied", "invalid_path", "invalid_path", None]
    assert sandbox.upload_files(uploads) == [FileUploadResponse(path, error) for (path, _), error in zip(uploads, wanted)]
    downloads = {"/workspace/e/f/g": b"2", "/workspace/no": "file_not_found", "/workspace": "is_directory",
                 "b": "invalid_path", "/dev/zero": "invalid_path", "/workspace/a/b": "invalid_path", "/workspace/a": b"1"}
    assert sandbox.download_files(list(downloads)) == [
        FileDownloadResponse(path, *((None, found) if isinstance(found, str) else (found, None)))
        for path, found in downloads.items()
    ]


async def test_the_same_when_it_is_awaited(sandbox: BerthSandbox) -> None:
    uploads = [("/workspace/a", b"1"), ("b", b""), ("/usr/x", b""), ("/work\0", b""), ("/workspace/e/f", b"2")]
    wanted = [None, "invalid_path", "permission_denied", "invalid_path", None]
    answers = await sandbox.aupload_files(uploads)
    assert answers == [FileUploadResponse(path, error) for (path, _), error in zip(uploads, wanted)]
    assert await sandbox.adownload_files(["/workspace/e/f", "/workspace/no", "b"]) == [
        FileDownloadResponse("/workspace/e/f", b"2"),
        FileDownloadResponse("/workspace/no", None, "file_not_found"),
        FileDownloadResponse("b", None, "invalid_path"),
    ]
    await sandbox.aclose()


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_file_keeps_its_permissions_when_it_is_written_again(sandbox: BerthSandbox, awaited: bool) -> None:
    sandbox.upload_files([("/workspace/tool", b"#!/bin/sh\necho one\n")])
    sandbox.execute("chmod 750 tool")
    files = [("/workspace/tool", b"#!/bin/sh\necho two\n")]
    if awaited:
        await sandbox.aupload_files(files)
        await sandbox.aclose()
    else:
        sandbox.upload_files(files)
        assert sandbox.execute("./tool; stat -c %a tool").output == "two\n750\n"


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_file_over_the_limit_is_not_downloaded(server: Any, awaited: bool) -> None:
    async with BerthSandbox(max_download=1000) as sandbox:
        sandbox.upload_files([("/workspace/a", bytes(1000)), ("/workspace/b", bytes(1001))])
        paths = ["/workspace/a", "/workspace/b", "/proc/self/status"]
        a, b, c = await sandbox.adownload_files(paths) if awaited else sandbox.download_files(paths)
    assert a.content == bytes(1000)
    assert (b.content, b.error) == (None, "/workspace/b is larger than 1000 bytes")
    # It says no size, and is held to the limit all the same.
    assert (c.content, c.error) == (None, "/proc/self/status is larger than 1000 bytes")


def test_no_space_is_said(sandbox: BerthSandbox) -> None:
    (answer,) = sandbox.upload_files([("/workspace/large", b"x" * (70 << 20))])
    assert answer.error is not None and "No space left" in answer.error


# MARK: Event loops


async def test_many_commands_are_awaited_at_the_same_time(sandbox: BerthSandbox) -> None:
    results = await asyncio.gather(*(sandbox.aexecute(f"sleep 0.1; echo {number}") for number in range(24)))
    assert [result.output for result in results] == [f"{number}\n" for number in range(24)]
    await sandbox.aclose()


async def test_a_task_that_is_cancelled_ends_its_command(sandbox: BerthSandbox) -> None:
    sandbox.execute("mkfifo started")
    running = asyncio.create_task(sandbox.aexecute("echo $$ > started; sleep 1000"))
    pid = (await sandbox.aexecute("cat started")).output.strip()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await sandbox.aexecute(f"tail -f --pid={pid} /dev/null", timeout=20)).exit_code == 0
    await sandbox.aclose()


def test_event_loops_follow_each_other(sandbox: BerthSandbox) -> None:
    async def once(number: int) -> str:
        result = await sandbox.aexecute(f"echo {number} >> log; cat log")
        await sandbox._loops[asyncio.get_running_loop()].close()
        return result.output

    assert [asyncio.run(once(number)) for number in range(3)] == ["0\n", "0\n1\n", "0\n1\n2\n"]


# MARK: The lease


def test_after_close_nothing_is_leased(server: Any) -> None:
    with berth.Client() as client:
        with BerthSandbox() as sandbox:
            assert leased(client) == 1
        assert leased(client) == 0
        sandbox.close()
        dropped = BerthSandbox()
        assert leased(client) == 1
        del dropped
        gc.collect()
        assert leased(client) == 0


def test_a_lease_from_elsewhere_is_shared_and_left(server: Any) -> None:
    with BerthSandbox() as first:
        first.upload_files([("/workspace/x", b"shared")])
        with BerthSandbox(lease=first.token) as second:
            assert second.execute("cat x").output == "shared"
        assert first.execute("cat x").output == "shared"


def test_a_detached_container_outlives_its_sandbox(server: Any) -> None:
    with BerthSandbox(detached=True) as sandbox:
        sandbox.upload_files([("/workspace/x", b"left")])
    with berth.Client() as client:
        lease = client.lease(sandbox.token)
        assert lease.read_file("/workspace/x") == b"left"
        lease.release()


def test_a_lease_is_kept_while_nothing_happens(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool ends a lease that was not used for a second."""
    with BerthSandbox(pool="brief") as sandbox:
        renewals: queue.Queue[float] = queue.Queue()
        renew = sandbox._lease.renew

        def counted(ttl: float | None = None) -> float:
            left = renew(ttl)
            renewals.put(left)
            return left

        monkeypatch.setattr(sandbox._lease, "renew", counted)
        for _ in range(6):
            renewals.get(timeout=10)
        assert sandbox.execute("echo $WHERE").output == "brief\n"


def test_a_sandbox_that_nobody_uses_is_not_kept_for_ever(server: Any) -> None:
    with berth.Client() as client, BerthSandbox(pool="brief", keep=0.1) as sandbox:
        began = time.monotonic()
        for stats in client.watch_stats(0.1):
            if sum(pool.leased for pool in stats.pools) == 0:
                break
            assert time.monotonic() - began < 20
        sandbox._keeper._thread.join(10)
        assert not sandbox._keeper._thread.is_alive()
        for call in (lambda: sandbox.execute("true"), lambda: sandbox.upload_files([("/workspace/x", b"")]),
                     lambda: sandbox.download_files(["/workspace/x"])):
            with pytest.raises(berth.NotFoundError):
                call()


def test_a_container_that_ends_under_a_command_is_an_error(sandbox: BerthSandbox) -> None:
    sandbox.execute("mkfifo started")
    failures: queue.Queue[BaseException] = queue.Queue()

    def runs() -> None:
        try:
            sandbox.execute("echo > started; sleep 1000")
        except BaseException as error:
            failures.put(error)

    thread = threading.Thread(target=runs)
    thread.start()
    sandbox.execute("cat started")
    sandbox._lease.release()
    assert isinstance(failures.get(timeout=20), berth.BerthError)
    thread.join()


def test_no_server_and_no_pool_are_errors_that_say_so(server: Any) -> None:
    with pytest.raises(berth.UnavailableError, match="berth serve"):
        BerthSandbox("unix:/no/such/socket")
    with pytest.raises(berth.NotFoundError, match="nonesuch"):
        BerthSandbox(pool="nonesuch")


def test_the_token_is_in_no_name(sandbox: BerthSandbox) -> None:
    assert sandbox.token not in repr(sandbox) and sandbox.token not in sandbox.id and sandbox.id
