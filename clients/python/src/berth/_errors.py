"""Why a call failed."""

from __future__ import annotations

import enum
from typing import Dict, Type


class Code(enum.IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class BerthError(Exception):
    """A call failed: ``code`` says what kind of failure it is, ``message`` what was wrong and what would be right.

    The codes that callers tell apart most have a class of their own, so that ``except berth.NotFoundError`` works.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @staticmethod
    def of(code: int, message: str) -> BerthError:
        """The error for a status code; one that is not known is ``UNKNOWN``."""
        known = Code(code) if code in _KNOWN and code != Code.OK else Code.UNKNOWN
        return _CLASSES.get(known, BerthError)(known, message)


class CancelledError(BerthError):
    """The stream was given up by its caller."""


class InvalidArgumentError(BerthError):
    """The request cannot be served as it is."""


class DeadlineExceededError(BerthError):
    """The call's deadline passed, or an acquire's wait."""


class NotFoundError(BerthError):
    """There is no such pool, file or execution; or the lease never was, or has ended."""


class PermissionDeniedError(BerthError):
    """The path is, or leads, outside of what programs may write to, or its mode forbids it."""


class ResourceExhaustedError(BerthError):
    """A limit is reached: members, waiters, the size of a message, space."""


class FailedPreconditionError(BerthError):
    """The request is right, but not now, or not for this execution or file."""


class UnimplementedError(BerthError):
    """The server is too old for this call."""


class UnavailableError(BerthError):
    """The server cannot be reached, the connection was lost, or no member can be had now: the message says which."""


_KNOWN = {int(code) for code in Code}
_CLASSES: Dict[Code, Type[BerthError]] = {
    Code.CANCELLED: CancelledError,
    Code.INVALID_ARGUMENT: InvalidArgumentError,
    Code.DEADLINE_EXCEEDED: DeadlineExceededError,
    Code.NOT_FOUND: NotFoundError,
    Code.PERMISSION_DENIED: PermissionDeniedError,
    Code.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    Code.FAILED_PRECONDITION: FailedPreconditionError,
    Code.UNIMPLEMENTED: UnimplementedError,
    Code.UNAVAILABLE: UnavailableError,
}
