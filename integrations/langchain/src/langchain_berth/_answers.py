# SPDX-License-Identifier: Apache-2.0
"""Berth's answers and errors in the words of Deep Agents."""

from __future__ import annotations

import berth
from berth import EndCause, Reason, StartFailure
from deepagents.backends.protocol import ExecuteResponse

_FILE_ERRORS = {
    Reason.NO_SUCH_FILE: "file_not_found",
    Reason.IS_A_DIRECTORY: "is_directory",
    Reason.NOT_PERMITTED: "permission_denied",
    Reason.READ_ONLY: "permission_denied",
    Reason.OUTSIDE: "permission_denied",
    Reason.NOT_A_DIRECTORY: "invalid_path",
    Reason.NOT_A_FILE: "invalid_path",
    Reason.NAME_TOO_LONG: "invalid_path",
    Reason.TOO_MANY_LINKS: "invalid_path",
}


def file_error(error: berth.BerthError) -> str:
    """One of the framework's words, or, for what it has no word for, the server's. Raises the error again when it is not
    about the file: then there is no sandbox any more."""
    if error.reason is Reason.NO_SPACE:
        return error.message
    if error.reason not in _FILE_ERRORS:
        raise error
    return _FILE_ERRORS[error.reason]


def is_a_path(path: str) -> bool:
    return path.startswith("/") and "\0" not in path


def response(result: berth.Result, timeout: float) -> ExecuteResponse:
    """Raises ``BerthError`` when the container has ended under the command."""
    end = result.end
    output, code = result.text, end.exit_code
    if end.cause is EndCause.TIMED_OUT:
        code = 124
        output = _with_line(output, f"Error: Command timed out after {timeout:g} seconds, with all that it had started.")
    elif end.cause in (EndCause.SIGNALLED, EndCause.OUT_OF_MEMORY):
        code = 128 + end.signal if end.signal else code or 137
        output = _with_line(output, end.message)
    elif end.cause is EndCause.START_FAILED:
        code = 127 if end.start_failure is StartFailure.PROGRAM_NOT_FOUND else 126
        output = end.message
    elif end.cause is not EndCause.EXITED:
        raise berth.UnavailableError(berth.Code.UNAVAILABLE, f"the sandbox has ended under the command: {end}")
    left_out = end.stdout_truncated
    if left_out:
        output = _with_line(output, f"[{left_out} more bytes of output were left out]")
    return ExecuteResponse(output=output, exit_code=code, truncated=left_out > 0)


def refused(error: berth.BerthError) -> ExecuteResponse:
    """The answer to a command that can't be run as things are, and whose author can do something about it. Raises the error
    again when it is not about the command."""
    if error.reason not in (Reason.BACKGROUND_LIMIT, Reason.EXECUTION_LIMIT, Reason.MESSAGE_TOO_LARGE):
        raise error
    return ExecuteResponse(output=error.message, exit_code=126)


def _with_line(output: str, line: str) -> str:
    if not line:
        return output
    return f"{output}\n{line}" if output and not output.endswith("\n") else output + line
