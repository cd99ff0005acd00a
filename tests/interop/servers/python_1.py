"""An MCP server on the Python SDK 1.x.

`python_1.py [--port N] [--mode session|stateless-json|sse]` listens on 127.0.0.1, prints
`listening <port>` and serves until it is killed. The mode `session` is Streamable HTTP at `/mcp` with
sessions and an event store, so that streams can be resumed; `stateless-json` has neither and answers in
JSON; `sse` is the HTTP+SSE transport of 2024-11-05 at `/sse`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from common import COUNTER, NAMES, arguments, gate, gates, release, serve
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import Completion, JSONRPCMessage, SamplingMessage, TextContent
from pydantic import AnyUrl, BaseModel

RETRY_MS = 300

counter = 0

# The sessions of the clients that subscribed to the counter.
subscribers: list[Any] = []


class MemoryEventStore(EventStore):
    """Events in memory, replayed per stream in the order in which they were stored."""

    def __init__(self) -> None:
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        position = int(last_event_id)
        if not 0 < position <= len(self._events):
            return None
        stream_id = self._events[position - 1][0]
        for number, (stream, message) in enumerate(self._events[position:], position + 1):
            # A stored None is a priming event: it only names a position.
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


class Name(BaseModel):
    name: str


class Interop(FastMCP):
    """Says in its capabilities what it does: this SDK fixes some of them."""

    def declare(self) -> None:
        low = self._mcp_server
        options = NotificationOptions(tools_changed=True, resources_changed=True, prompts_changed=True)
        create, capabilities = low.create_initialization_options, low.get_capabilities

        def get_capabilities(*given: Any, **more: Any) -> Any:
            found = capabilities(*given, **more)
            found.resources.subscribe = True
            return found

        low.get_capabilities = get_capabilities  # type: ignore[method-assign]
        low.create_initialization_options = lambda *_, **more: create(options, **more)  # type: ignore[method-assign]

        @low.set_logging_level()
        async def set_level(level: str) -> None:
            del level  # Whatever is logged here is sent: many servers take no notice.

        @low.subscribe_resource()
        async def subscribe(uri: AnyUrl) -> None:
            assert str(uri) == COUNTER
            subscribers.append(low.request_context.session)

        @low.unsubscribe_resource()
        async def unsubscribe(uri: AnyUrl) -> None:
            subscribers.remove(low.request_context.session)


def create_server(stateless: bool) -> FastMCP:
    server = Interop(
        "interop-python",
        instructions="Instructions of interop-python",
        stateless_http=stateless,
        json_response=stateless,
        event_store=None if stateless else MemoryEventStore(),
        retry_interval=None if stateless else RETRY_MS,
    )

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

    @server.tool(name="close-own-stream")
    async def close_own_stream(times: int, context: Context) -> str:
        """Polling: ends the stream of this call, which is answered on the one that resumes it."""
        for step in range(1, times + 1):
            await context.report_progress(step, times)
            # The stream's task writes what was reported before it is closed.
            await asyncio.sleep(0.2)
            await context.close_sse_stream()
            await asyncio.sleep(3 * RETRY_MS / 1000)
        return f"closed {times} times"

    @server.tool(name="announce")
    async def announce(context: Context) -> str:
        await context.session.send_tool_list_changed()
        return "announced"

    @server.tool(name="close-standalone")
    async def close_standalone(context: Context) -> str:
        await context.close_standalone_sse_stream()
        return "closed"

    @server.tool(name="ask")
    async def ask(context: Context) -> str:
        answer = await context.elicit("What is your name?", Name)
        return f"{answer.action}: {answer.data.name if answer.action == 'accept' else None}"

    @server.tool(name="sample")
    async def sample(prompt: str, context: Context) -> str:
        question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        answer = await context.session.create_message(
            [question], max_tokens=10, related_request_id=context.request_id
        )
        return f"{answer.model}: {answer.content.text}"

    @server.tool(name="roots")
    async def roots(context: Context) -> str:
        # This SDK sends it on the standalone stream.
        return " ".join(str(root.uri) for root in (await context.session.list_roots()).roots)

    @server.tool(name="log")
    async def log(level: str, data: str, context: Context) -> str:
        await context.log(level, data, logger_name="interop")
        return "logged"

    @server.tool(name="fail")
    async def fail(message: str) -> str:
        raise ToolError(message)

    @server.tool(name="touch")
    async def touch() -> str:
        global counter
        counter += 1
        for session in list(subscribers):
            try:
                await session.send_resource_updated(AnyUrl(COUNTER))
            except Exception:  # noqa: BLE001 (a session that has ended)
                subscribers.remove(session)
        return str(counter)

    @server.resource(COUNTER, name="counter", mime_type="text/plain")
    async def read_counter() -> str:
        return str(counter)

    @server.prompt(name="greet", description="A greeting")
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    @server.completion()
    async def complete(reference: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=[name for name in NAMES if name.startswith(argument.value)], hasMore=False)

    server.declare()
    return server


def main() -> None:
    given = arguments("session", "stateless-json", "sse")
    server = create_server(given.mode == "stateless-json")
    if given.mode == "sse":
        serve(server.sse_app(), given.port, lambda: {"watched": [COUNTER] * len(subscribers)})
    else:
        app = server.streamable_http_app()
        sessions = server.session_manager._server_instances
        serve(app, given.port, lambda: {"sessions": len(sessions), "watched": [COUNTER] * len(subscribers)})


if __name__ == "__main__":
    main()
