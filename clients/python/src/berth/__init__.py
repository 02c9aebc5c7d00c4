# SPDX-License-Identifier: Apache-2.0
"""Berth: run programs in warm containers.

    import berth

    with berth.Client() as client:
        print(client.run(["echo", "hello"]).text)

The same for asyncio is in ``berth.aio``; the contract's messages are in ``berth.v1.pool_pb2``.
"""

from ._client import Client
from ._errors import (
    BerthError,
    CancelledError,
    Code,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Reason,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from ._context import Context
from ._execution import Execution, FileReader
from ._lease import Lease
from ._requests import LeaseOptions, LeaseRunOptions, Options, PieceOptions, RunOptions
from ._socket import Socket
from ._types import (
    Completion,
    ContextInfo,
    Display,
    Dropped,
    End,
    EndCause,
    Event,
    ExecutionFailed,
    ExecutionInfo,
    Failure,
    FileInfo,
    FileType,
    Output,
    Prompt,
    Result,
    Server,
    StartFailure,
    Stream,
    Text,
    Usage,
)
from ._version import VERSION as __version__

__all__ = [
    "BerthError",
    "CancelledError",
    "Client",
    "Code",
    "Completion",
    "Context",
    "ContextInfo",
    "DeadlineExceededError",
    "Display",
    "Dropped",
    "End",
    "EndCause",
    "Event",
    "Execution",
    "ExecutionFailed",
    "ExecutionInfo",
    "FailedPreconditionError",
    "Failure",
    "FileInfo",
    "FileReader",
    "FileType",
    "InvalidArgumentError",
    "Lease",
    "LeaseOptions",
    "LeaseRunOptions",
    "NotFoundError",
    "Options",
    "Output",
    "PermissionDeniedError",
    "PieceOptions",
    "Prompt",
    "Reason",
    "ResourceExhaustedError",
    "Result",
    "RunOptions",
    "Server",
    "Socket",
    "StartFailure",
    "Stream",
    "Text",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Usage",
    "__version__",
]
