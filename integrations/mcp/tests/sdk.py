# SPDX-License-Identifier: Apache-2.0
"""The SDK's client, of either generation, behind one face: what a model host does with it."""

from __future__ import annotations

import base64
import importlib.metadata
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional

import anyio

from .wire import BERTH

GENERATION = int(importlib.metadata.version("mcp").split(".")[0])
#: The ways to connect: the second generation speaks both eras of the protocol.
MODES = ["handshake"] if GENERATION == 1 else ["stateless", "handshake"]

Progress = Callable[[float, Optional[float], Optional[str]], Awaitable[None]]


@dataclass
class Result:
    text: str
    pictures: List[bytes]
    structured: Dict[str, Any]
    is_error: bool
    types: List[str] = field(default_factory=list)


class RefusedError(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Client:
    def __init__(self, client: Any, version: str, name: str, instructions: str) -> None:
        self._client = client
        self.version = version
        self.name = name
        self.instructions = instructions

    async def tools(self) -> List[Any]:
        return list((await self._client.list_tools()).tools)

    async def call(self, tool: str, progress: Optional[Progress] = None, **arguments: Any) -> Result:
        """Calls a tool. The SDK checks the result against the tool's output schema."""
        try:
            result = await self._client.call_tool(tool, arguments, progress_callback=progress)
        except Exception as error:
            details = getattr(error, "error", None)
            if details is None:
                raise
            raise RefusedError(details.code, details.message) from error
        pictures = [block for block in result.content if block.type == "image"]
        structured = result.structuredContent if GENERATION == 1 else result.structured_content
        return Result(
            text="\n".join(block.text for block in result.content if block.type == "text"),
            pictures=[base64.b64decode(block.data) for block in pictures],
            structured=structured or {},
            is_error=bool(result.isError if GENERATION == 1 else result.is_error),
            types=[block.mimeType if GENERATION == 1 else block.mime_type for block in pictures],
        )

    async def call_and_cancel(self, tool: str, when: Callable[[], Awaitable[None]], **arguments: Any) -> None:
        """Begins a call, and cancels it after `when`, as a host does for its user."""
        if GENERATION == 1:
            import mcp.types as types

            # The first generation tells the server only if it is asked to.
            request = self._client._request_id
            async with anyio.create_task_group() as group:
                group.start_soon(self._abandoned, tool, arguments)
                await when()
                await self._client.send_notification(
                    types.ClientNotification(
                        types.CancelledNotification(
                            params=types.CancelledNotificationParams(requestId=request, reason="the user stopped it")
                        )
                    )
                )
                group.cancel_scope.cancel()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(self._abandoned, tool, arguments)
                await when()
                group.cancel_scope.cancel()

    async def _abandoned(self, tool: str, arguments: Dict[str, Any]) -> None:
        await self._client.call_tool(tool, arguments)
        raise AssertionError("a call that was to be cancelled was answered")

    async def session(self, **arguments: Any) -> str:
        return str((await self.call("start_session", **arguments)).structured["session"])


@asynccontextmanager
async def connect(mode: str, *flags: str) -> AsyncIterator[Client]:
    """Starts `berth mcp` as a host does: the environment has little in it, so the server is named by a flag."""
    arguments = ["mcp", "--server", os.environ["BERTH_SERVER"], *flags]
    if GENERATION == 1:
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        async with stdio_client(StdioServerParameters(command=BERTH, args=arguments)) as (read, write):
            async with ClientSession(read, write) as session:
                opened = await session.initialize()
                yield Client(session, str(opened.protocolVersion), opened.serverInfo.name, opened.instructions or "")
    else:
        from mcp import Client as SDKClient
        from mcp import StdioServerParameters

        parameters = StdioServerParameters(command=BERTH, args=arguments)
        async with SDKClient(parameters, mode="auto" if mode == "stateless" else "legacy") as client:
            info = client.session.server_info
            yield Client(client, str(client.protocol_version), info.name if info else "", client.instructions or "")
