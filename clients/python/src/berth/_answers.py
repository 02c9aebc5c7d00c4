# SPDX-License-Identifier: Apache-2.0
"""Deadlines and answers of unary calls."""

from __future__ import annotations

import time
from typing import Optional, Type, TypeVar

from google.protobuf.message import DecodeError, Message

from ._calls import Calls, UnaryCall
from ._types import unexpected
from .v1 import pool_pb2

R = TypeVar("R", bound=Message)
Opened = TypeVar("Opened", pool_pb2.OpenContextResponse, pool_pb2.ForkContextResponse)


def timeout_until(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def patient(deadline: Optional[float]) -> Optional[float]:
    """The server knows the deadline and ends the call by it; here it counts a little later, so that the answer that
    came in time is taken, and the server's words rather than ours say what was late."""
    return None if deadline is None else deadline + 0.25


def decoded(data: bytes, kind: Type[R]) -> R:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise unexpected(f"an answer that is none: {error}") from error


def release_late(answer: bytes, calls: Calls) -> None:
    """What becomes of a lease that nobody waits for any more."""
    token = decoded(answer, pool_pb2.AcquireResponse).lease
    calls.post("Release", pool_pb2.ReleaseRequest(lease=token))


def opening(lease: str, kind: Type[Opened]) -> UnaryCall:
    """A call that makes a context, which is closed if nobody waits for it any more when it comes."""

    def close_late(answer: bytes, calls: Calls) -> None:
        calls.post("CloseContext", pool_pb2.CloseContextRequest(lease=lease, context=decoded(answer, kind).context))

    return UnaryCall(close_late)
