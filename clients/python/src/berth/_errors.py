# SPDX-License-Identifier: Apache-2.0
"""Why a call failed."""

from __future__ import annotations

import enum
from typing import Dict, Mapping, Optional, Type

from google.protobuf.message import DecodeError

from ._ttrpc import ttrpc_pb2


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


class Reason(enum.IntEnum):
    """The finer kind of a failure, where its code is too coarse to act on."""

    NONE = 0
    # Files:
    NO_SUCH_FILE = 1
    IS_A_DIRECTORY = 2
    NOT_A_DIRECTORY = 3
    ALREADY_EXISTS = 4
    DIRECTORY_NOT_EMPTY = 5
    #: A device, a pipe or a socket.
    NOT_A_FILE = 6
    READ_ONLY = 7
    #: The path is, or leads, outside of the places it may be in.
    OUTSIDE = 8
    NOT_PERMITTED = 9
    NO_SPACE = 10
    TOO_MANY_LINKS = 11
    NAME_TOO_LONG = 12
    BAD_ARCHIVE = 13
    # Leases and executions:
    NO_SUCH_LEASE = 20
    NO_SUCH_EXECUTION = 21
    NO_SUCH_POOL = 22
    EXECUTION_LIMIT = 23
    BACKGROUND_LIMIT = 24
    WAITER_LIMIT = 25
    CLIENT_LIMIT = 26
    #: The server's memory for callers, or a client's share of it.
    MEMORY_LIMIT = 27
    MESSAGE_TOO_LARGE = 28
    INPUT_ENDED = 29
    INPUT_GAP = 30
    NO_TERMINAL = 31
    BREAKER_OPEN = 32
    SHUTTING_DOWN = 33
    DRAINING_POOL = 34
    # Contexts:
    #: It never was, was closed, or is lost; the message says which, where that is known.
    NO_SUCH_CONTEXT = 35
    CONTEXT_LIMIT = 36
    #: A piece of code runs in it.
    CONTEXT_BUSY = 37
    CONTEXT_START_FAILED = 38
    # Connections:
    #: Nobody listens there, or whoever does takes no more.
    CONNECTION_REFUSED = 40
    NOT_A_SOCKET = 41
    CONNECTION_LIMIT = 42
    # Who calls:
    #: No token, or one that is unknown, revoked or expired.
    UNKNOWN_CALLER = 50
    OPERATOR_ONLY = 51
    #: ``metadata`` has ``limit``, and ``retry_after_ms`` where time helps.
    TENANT_LIMIT = 52


class BerthError(Exception):
    """A call failed: ``code`` says what kind of failure it is, ``message`` what was wrong and what would be right.

    The codes that callers tell apart most have a class of their own, so that ``except berth.NotFoundError`` works.
    ``reason`` tells apart what has the same code; ``metadata`` is what the server says beside it, as
    ``retry_after_ms``.
    """

    def __init__(
        self, code: Code, message: str, reason: Reason = Reason.NONE, metadata: Optional[Mapping[str, str]] = None
    ) -> None:
        super().__init__(code, message, reason)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata: Dict[str, str] = dict(metadata or {})

    def __str__(self) -> str:
        if self.reason is Reason.NONE:
            return f"{self.code.name}: {self.message}"
        return f"{self.code.name} ({self.reason.name}): {self.message}"

    def again(self) -> BerthError:
        """The same as a new exception: one that is raised twice collects the tracebacks of both."""
        return type(self)(self.code, self.message, self.reason, self.metadata)

    @staticmethod
    def of(code: int, message: str) -> BerthError:
        """The error for a status code; one that is not known is ``UNKNOWN``."""
        known = Code(code) if code in _KNOWN and code != Code.OK else Code.UNKNOWN
        return _CLASSES.get(known, BerthError)(known, message)

    @staticmethod
    def from_status(status: ttrpc_pb2.Status) -> BerthError:
        """With the reason, if the server gives one that is known here."""
        error = BerthError.of(status.code, status.message)
        for detail in status.details:
            if detail.type_url.rpartition("/")[2] != "google.rpc.ErrorInfo":
                continue
            try:
                info = ttrpc_pb2.ErrorInfo.FromString(detail.value)
            except DecodeError:
                continue  # The code and the message say enough.
            if info.domain == "berth.dev":
                error.reason = Reason.__members__.get(info.reason, Reason.NONE)
                error.metadata = dict(info.metadata)
        return error


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


class UnauthenticatedError(BerthError):
    """The server wants a token that is right, and has none, or another."""


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
    Code.UNAUTHENTICATED: UnauthenticatedError,
}
