# SPDX-License-Identifier: Apache-2.0
"""Berth's errors as those that Inspect's interface names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import berth
from berth import Reason
from inspect_ai.util import SandboxUnavailableError

_NUMBERS = {
    Reason.NO_SUCH_FILE: errno.ENOENT,
    Reason.NOT_A_DIRECTORY: errno.ENOTDIR,
    Reason.IS_A_DIRECTORY: errno.EISDIR,
    Reason.NOT_A_FILE: errno.EINVAL,
    # These three are a PermissionError each; the words tell them apart.
    Reason.NOT_PERMITTED: errno.EACCES,
    Reason.READ_ONLY: errno.EACCES,
    Reason.OUTSIDE: errno.EACCES,
    Reason.NO_SPACE: errno.ENOSPC,
    Reason.NAME_TOO_LONG: errno.ENAMETOOLONG,
    Reason.TOO_MANY_LINKS: errno.ELOOP,
}


@contextmanager
def errors_of_file(path: str, file: str) -> Iterator[None]:
    """Raises ``OSError`` (of the class that its number gives), ``TimeoutError`` or ``SandboxUnavailableError``.

    :param path: as the server knows it.
    :param file: as the caller called it.
    """
    try:
        yield
    except berth.DeadlineExceededError as error:
        raise TimeoutError(f"{file}: {error.message}") from error
    except berth.BerthError as error:
        number = _NUMBERS.get(error.reason)
        if number is None:
            raise unavailable(error) from error
        raise OSError(number, error.message.removeprefix(f"{path}: "), file) from error


def unavailable(error: berth.BerthError) -> SandboxUnavailableError:
    return SandboxUnavailableError(f"Berth: {error.message}")
