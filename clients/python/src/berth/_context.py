# SPDX-License-Identifier: Apache-2.0
"""An interpreter in a lease that keeps its state."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Dict, Optional, Type

from . import _requests
from ._errors import NotFoundError, UnavailableError
from ._execution import Execution
from ._types import Completion, Result
from .v1 import pool_pb2

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._lease import Lease


class Context:
    """Runs pieces of code, one at a time, each with what those before it have left.

        with lease.context("python") as context:
            context.run("x = 6")
            print(context.run("x * 7").value)
    """

    def __init__(self, lease: Lease, id: str, language: str = "", version: str = "") -> None:
        self._lease = lease
        #: For ``Context(lease, id)`` elsewhere.
        self.id = id
        self.language = language
        #: Of the interpreter; empty where it does not tell.
        self.version = version

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            self.close()
        except (NotFoundError, UnavailableError):
            pass  # It has ended by itself, or goes with the connection.

    def __repr__(self) -> str:
        return f"<berth.Context of {self.language or 'a language'}>"

    def run(self, code: str, **options: Unpack[_requests.PieceOptions]) -> Result:
        """Runs a piece of code: what it wrote and showed, whether it failed, and how it ended. Options: see
        ``berth.PieceOptions``."""
        with self.execute(code, **_requests.for_run(dict(options))) as execution:
            return execution.result()

    def execute(self, code: str, **options: Unpack[_requests.PieceOptions]) -> Execution:
        """Starts a piece of code. Iterating gives ``Display``, ``Failure`` and ``Prompt`` beside its output."""
        given: Dict[str, object] = dict(options)
        deadline = _requests.taken_deadline(given)
        client = self._lease._client
        request, rest = _requests.piece(self._lease.token, self.id, code, given, client._window)
        return client._start(self._lease, request, rest, given, deadline)

    def complete(self, code: str, cursor: Optional[int] = None) -> Completion:
        """What could stand at a place in code; at its end, if none is given."""
        text, place = _requests.place(code, cursor)
        request = pool_pb2.CompleteRequest(lease=self._lease.token, context=self.id, code=text, cursor=place)
        response = self._lease._client.call("Complete", request, pool_pb2.CompleteResponse)
        return Completion(list(response.matches), response.start, response.end)

    def inspect(self, code: str, cursor: Optional[int] = None, *, detail: bool = False) -> Dict[str, bytes]:
        """What is known about the name at a place in code, by MIME types; empty where nothing is."""
        text, place = _requests.place(code, cursor)
        request = pool_pb2.InspectRequest(
            lease=self._lease.token, context=self.id, code=text, cursor=place, detail=detail
        )
        response = self._lease._client.call("Inspect", request, pool_pb2.InspectResponse)
        return {form.mime: form.data for form in response.data}

    def fork(self) -> Context:
        """A copy of it with all that it holds, made in milliseconds: what a piece does in one, the other does not see.
        Python alone. Raises ``FailedPreconditionError`` while a piece runs in it, or threads do."""
        request = pool_pb2.ForkContextRequest(lease=self._lease.token, context=self.id)
        response = self._lease._client._open("ForkContext", request, pool_pb2.ForkContextResponse)
        return Context(self._lease, response.context, self.language, response.version)

    def close(self) -> None:
        """Ends it, with all that it started. Raises ``NotFoundError`` when it has ended."""
        request = pool_pb2.CloseContextRequest(lease=self._lease.token, context=self.id)
        self._lease._client.call("CloseContext", request, pool_pb2.CloseContextResponse)
