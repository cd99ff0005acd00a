"""The client of the Python SDK 2.x: `python_2.py --era legacy|auto|modern COMMAND [ARGUMENT...]` starts
the command as its server, takes the tour and prints a report as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack
from typing import Any

import mcp_types as types
from common import PATIENCE, ROOT, Seen, given, tour
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client

seen = Seen()
errors: list[str] = []


async def elicit(context: Any, params: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def sample(context: Any, params: Any) -> types.CreateMessageResult:
    text = types.TextContent(type="text", text=f"sampled {params.messages[0].content.text}")
    return types.CreateMessageResult(model="interop-model", role="assistant", content=text, stop_reason="endTurn")


async def list_roots(context: Any) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=ROOT, name="interop")])


async def on_log(params: Any) -> None:
    seen.add("notifications/message", params.data)


async def on_message(message: Any) -> None:
    if isinstance(message, Exception):
        errors.append(str(message))
    else:
        method = getattr(getattr(message, "root", message), "method", None)
        if method in ("notifications/tools/list_changed", "notifications/resources/updated"):
            seen.add(method)


class Api:
    cancels = True

    def __init__(self, client: Client, modern: bool, stack: AsyncExitStack) -> None:
        self._client, self._modern, self._stack = client, modern, stack
        self.honored: Any = None

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], progress: Any = None) -> types.CallToolResult:
        return await self._client.call_tool(name, arguments, progress_callback=progress)

    async def read(self, uri: str) -> types.ReadResourceResult:
        return await self._client.read_resource(uri)

    async def prompt(self, name: str, arguments: dict[str, str]) -> types.GetPromptResult:
        return await self._client.get_prompt(name, arguments)

    async def complete(self, prompt: str, argument: str, value: str) -> types.CompleteResult:
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return await self._client.complete(reference, {"name": argument, "value": value})

    async def subscribe(self, uri: str) -> None:
        if self._modern:
            opened = self._client.listen(tools_list_changed=True, resource_subscriptions=[uri])
            subscription = await self._stack.enter_async_context(opened)
            self.honored = subscription.honored.model_dump(by_alias=True, exclude_none=True)
        else:
            await self._client.subscribe_resource(uri)

    async def level(self, level: Any) -> None:
        # For 2026-07-28 it is given when the client is made.
        if not self._modern:
            await self._client.set_logging_level(level)

    async def unknown(self) -> None:
        await self._client.session._dispatcher.send_raw_request("interop/no-such-method", self._meta())

    def _meta(self) -> dict[str, Any]:
        if not self._modern:
            return {}
        name = "io.modelcontextprotocol/"
        return {"_meta": {name + "protocolVersion": "2026-07-28", name + "clientCapabilities": {}}}


async def main() -> None:
    where = given()
    server: Any
    if where.url is None:
        command, *arguments = where.command
        server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    else:
        server = sse_client(where.url) if where.url.endswith("/sse") else where.url
    async with (
        Client(
            server,
            mode="2026-07-28" if where.era == "modern" else where.era,
            read_timeout_seconds=PATIENCE,
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=list_roots,
            logging_callback=on_log,
            log_level="info",
            message_handler=on_message,
            client_info=types.Implementation(name="interop-python-client-2", version="2.0.0"),
        ) as client,
        AsyncExitStack() as stack,
    ):
        modern = client.protocol_version >= "2026"
        api = Api(client, modern, stack)
        report = await tour(api, seen)
        found = {
            "server": client.server_info.name if client.server_info else None,
            "instructions": client.instructions,
            "era": "modern" if modern else "legacy",
        }
        if modern:
            found["honored"] = api.honored
    print(json.dumps({**found, **report, "errors": errors}))


asyncio.run(main())
