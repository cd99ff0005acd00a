"""The client of the Python SDK 1.x: `python_1.py COMMAND [ARGUMENT...]` starts the command as its server,
takes the tour and prints a report as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta
from typing import Any

import mcp.types as types
from common import PATIENCE, ROOT, Seen, given, tour
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

seen = Seen()
errors: list[str] = []


async def elicit(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    text = types.TextContent(type="text", text=f"sampled {params.messages[0].content.text}")
    return types.CreateMessageResult(model="interop-model", role="assistant", content=text, stopReason="endTurn")


async def list_roots(context: Any) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=ROOT, name="interop")])


async def on_log(params: types.LoggingMessageNotificationParams) -> None:
    seen.add("notifications/message", params.data)


async def on_message(message: Any) -> None:
    if isinstance(message, Exception):
        errors.append(str(message))
    elif isinstance(message, types.ServerNotification):
        method = message.root.method
        if method != "notifications/message":
            seen.add(method)


class Api:
    cancels = False
    """This SDK stops waiting and tells nobody."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], progress: Any = None) -> types.CallToolResult:
        return await self._session.call_tool(name, arguments, progress_callback=progress)

    async def read(self, uri: str) -> types.ReadResourceResult:
        return await self._session.read_resource(AnyUrl(uri))

    async def prompt(self, name: str, arguments: dict[str, str]) -> types.GetPromptResult:
        return await self._session.get_prompt(name, arguments)

    async def complete(self, prompt: str, argument: str, value: str) -> types.CompleteResult:
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return await self._session.complete(reference, {"name": argument, "value": value})

    async def subscribe(self, uri: str) -> None:
        await self._session.subscribe_resource(AnyUrl(uri))

    async def level(self, level: Any) -> None:
        await self._session.set_logging_level(level)

    async def unknown(self) -> None:
        # The methods that this SDK can send are a closed set, so it is a prompt that nobody knows.
        request = types.GetPromptRequest(params=types.GetPromptRequestParams(name="no-such-prompt"))
        await self._session.send_request(types.ClientRequest(request), types.GetPromptResult)


async def main() -> None:
    where = given()
    if where.url is None:
        command, *arguments = where.command
        streams = stdio_client(StdioServerParameters(command=command, args=arguments, env=dict(os.environ)))
    elif where.url.endswith("/sse"):
        streams = sse_client(where.url)
    else:
        streams = streamable_http_client(where.url)
    async with (
        streams as (read, write, *_),
        ClientSession(
            read,
            write,
            read_timeout_seconds=timedelta(seconds=PATIENCE),
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=list_roots,
            logging_callback=on_log,
            message_handler=on_message,
            client_info=types.Implementation(name="interop-python-client", version="1.0.0"),
        ) as session,
    ):
        hello = await session.initialize()
        report = await tour(Api(session), seen)
        await session.send_ping()
    found = {"server": hello.serverInfo.name, "instructions": hello.instructions, "era": "legacy"}
    print(json.dumps({**found, **report, "errors": errors}))


asyncio.run(main())
