"""An MCP server on the Python SDK 2.x, which serves 2026-07-28 and the revisions before it.

`python_2.py [--port N] [--mode dual|modern]` listens on 127.0.0.1, prints `listening <port>` and serves
`/mcp` until it is killed. This SDK always serves both eras; in the mode `modern` a gate in front of it
takes what belongs to the older ones for a request to a server that never heard of them.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from common import COUNTER, NAMES, arguments, gate, gates, release, serve
from mcp.server.elicitation import ElicitationResult
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp_types import (
    Completion,
    CreateMessageResult,
    EmptyResult,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

counter = 0

# The sessions of the legacy clients that subscribed to the counter.
subscribers: list[Any] = []


class Name(BaseModel):
    name: str


async def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


async def ask_sample(prompt: str) -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text=prompt))], max_tokens=10)


async def ask_roots() -> ListRoots:
    return ListRoots()


async def ask_ode(name: Annotated[Name, Resolve(ask_name)]) -> Sample:
    question = TextContent(type="text", text=f"an ode to {name.name}")
    return Sample([SamplingMessage(role="user", content=question)], max_tokens=10)


async def tell(receivers: list[Any], notify: str, *given: Any) -> None:
    """Sends a notification to sessions; one that has ended is forgotten."""
    for session in list(receivers):
        try:
            await getattr(session, notify)(*given)
        except Exception:  # noqa: BLE001
            receivers.remove(session)


def create_server() -> MCPServer:
    server = MCPServer("interop-python-2", version="2.0.0", instructions="Instructions of interop-python-2")

    @server.tool(name="echo")
    async def echo(message: str) -> str:
        return f"Echo: {message}"

    @server.tool(name="get-sum")
    async def get_sum(a: float, b: float) -> str:
        return f"The sum of {a:g} and {b:g} is {a + b:g}."

    @server.tool(name="trigger-long-running-operation")
    async def long_running(duration: float, steps: int, context: Context) -> str:
        for step in range(1, steps + 1):
            await asyncio.sleep(duration / steps)
            await context.report_progress(step, steps)
        return f"Long running operation completed. Steps: {steps}."

    @server.tool(name="hold")
    async def hold(name: str) -> str:
        await gate(name)
        return f"released: {name}"

    @server.tool(name="release")
    async def release_call(name: str) -> str:
        return "true" if release(name) else "false"

    @server.tool(name="holds")
    async def holds() -> str:
        return json.dumps(sorted(gates))

    @server.tool(name="paced")
    async def paced(name: str, steps: int, context: Context) -> str:
        """Waits for `release` before every step, so that a test decides when each message leaves."""
        for step in range(1, steps + 1):
            await gate(name)
            await context.report_progress(step, steps)
        await gate(name)
        return f"paced: {name}"

    @server.tool(name="announce")
    async def announce(context: Context) -> str:
        await context.notify_tools_changed()
        if context.protocol_version < "2026":
            await context.session.send_tool_list_changed()
        return "announced"

    @server.tool(name="touch")
    async def touch(context: Context) -> str:
        global counter
        counter += 1
        await context.notify_resource_updated(COUNTER)
        await tell(subscribers, "send_resource_updated", COUNTER)
        return str(counter)

    @server.tool(name="log")
    async def log(level: str, data: str, context: Context) -> str:
        await context.log(level, data, logger_name="interop")
        return "logged"

    @server.tool(name="fail")
    async def fail(message: str) -> str:
        raise ToolError(message)

    @server.tool(name="ask")
    async def ask(name: Annotated[ElicitationResult[Name], Resolve(ask_name)]) -> str:
        return f"{name.action}: {name.data.name if name.action == 'accept' else None}"

    @server.tool(name="sample")
    async def sample(prompt: str, answer: Annotated[CreateMessageResult, Resolve(ask_sample)]) -> str:
        return f"{answer.model}: {answer.content.text}"

    @server.tool(name="roots")
    async def roots(found: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
        return " ".join(str(root.uri) for root in found.roots)

    @server.tool(name="interview")
    async def interview(
        name: Annotated[Name, Resolve(ask_name)],
        found: Annotated[ListRootsResult, Resolve(ask_roots)],
        ode: Annotated[CreateMessageResult, Resolve(ask_ode)],
    ) -> str:
        """Two questions at once, then a third, with a state that only the server can read."""
        return f"{name.name}, {len(found.roots)} root(s), {ode.content.text}"

    @server.tool(name="tagged", structured_output=False)
    async def tagged(
        context: Context,
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
        limit: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Limit"})] = 0,
    ) -> str:
        """Arguments that a client of Streamable HTTP repeats in headers; an older one need not know."""
        seen = {name: value for name, value in (context.headers or {}).items() if name.startswith("mcp-")}
        return json.dumps({"given": {"region": region, "limit": limit}, "headers": seen})

    @server.resource(COUNTER, name="counter", mime_type="text/plain")
    async def read_counter() -> str:
        return str(counter)

    @server.prompt(name="greet", description="A greeting")
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    @server.completion()
    async def complete(reference: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=[name for name in NAMES if name.startswith(argument.value)], has_more=False)

    declare(server)
    return server


def declare(server: MCPServer) -> None:
    """What the high-level server leaves out for clients of the older revisions."""
    low = server._lowlevel_server
    options = NotificationOptions(tools_changed=True, resources_changed=True, prompts_changed=True)
    capabilities = low.get_capabilities
    low.get_capabilities = lambda given=None, *more, **named: capabilities(options, *more, **named)  # type: ignore[method-assign]

    async def subscribe(context: Any, params: SubscribeRequestParams) -> EmptyResult:
        assert str(params.uri) == COUNTER
        subscribers.append(context.session)
        return EmptyResult()

    async def unsubscribe(context: Any, params: UnsubscribeRequestParams) -> EmptyResult:
        # A session is a new object for every request; its connection is not.
        subscribers[:] = [one for one in subscribers if one._connection is not context.session._connection]
        return EmptyResult()

    async def set_level(context: Any, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()  # The SDK keeps no level for these revisions.

    low.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


def modern_only(app: Any) -> Any:
    """Gives every request the modern treatment that this SDK gives to an unknown version."""

    async def gated(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            named = [value for name, value in scope["headers"] if name == b"mcp-protocol-version"]
            if not named or named[0] < b"2026":
                rest = [pair for pair in scope["headers"] if pair[0] != b"mcp-protocol-version"]
                scope = {**scope, "headers": [*rest, (b"mcp-protocol-version", b"unnamed")]}
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 405, "headers": [(b"allow", b"POST")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return gated


def main() -> None:
    given = arguments("dual", "modern")
    server = create_server()
    app = server.streamable_http_app()

    def state() -> dict[str, Any]:
        return {
            "sessions": len(server.session_manager._server_instances),
            "subscriptions": len(server._subscriptions._listeners),
            "watched": [COUNTER] * len(subscribers),
        }

    serve(modern_only(app) if given.mode == "modern" else app, given.port, state)


if __name__ == "__main__":
    main()
