# SPDX-License-Identifier: Apache-2.0
"""How a program ended, as Inspect's interface says it."""

from __future__ import annotations

import errno
import os

import berth
from berth import EndCause, StartFailure
from inspect_ai.util import ExecResult, SandboxUnavailableError


def failed(code: int, message: str) -> ExecResult[str]:
    return ExecResult(False, code, "", message)


def result_of(cmd: list[str], end: berth.End, stdout: str, stderr: str, timeout: float | None) -> ExecResult[str]:
    """Raises what the interface says of a program that did not end by itself."""
    cause = end.cause
    if cause is EndCause.EXITED:
        return ExecResult(end.exit_code == 0, end.exit_code, stdout, stderr)
    if cause is EndCause.TIMED_OUT:
        limit = "" if timeout is None else f" after {timeout} seconds"
        error = TimeoutError(f"Command timed out{limit}: {end.message}")
        # What Inspect shows of a command that was too slow.
        setattr(error, "truncated_output", stdout + stderr)
        raise error
    if cause is EndCause.START_FAILED:
        if end.start_failure is StartFailure.PROGRAM_NOT_FOUND:
            return failed(127, end.message)
        denied = os.strerror(errno.EACCES)
        if end.start_failure is StartFailure.PROGRAM_NOT_EXECUTABLE and end.message.endswith(denied):
            raise PermissionError(errno.EACCES, denied, cmd[0])
        return failed(126, end.message)
    if cause in (EndCause.SIGNALLED, EndCause.OUT_OF_MEMORY):
        code = 128 + end.signal if end.signal else end.exit_code or 137
        return ExecResult(False, code, stdout, stderr + (f"{end.message}\n" if end.message else ""))
    raise SandboxUnavailableError(f"Berth ended the command: {end}")
