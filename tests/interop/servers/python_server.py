"""An MCP server on the Python SDK 1.x.

`python_server.py [--port N] [--mode session|stateless-json]` listens on 127.0.0.1, prints
`listening <port>` and serves `/mcp` until it is killed. The mode `session` keeps sessions and an
event store, so that streams can be resumed; `stateless-json` has neither and answers in JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage
from pydantic import BaseModel

RETRY_MS = 300


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


# Calls that wait for the tool `release`, by name; shared by all sessions.
gates: dict[str, asyncio.Event] = {}


async def gate(name: str) -> None:
    """Returns when `release` is called for the name."""
    event = gates[name] = asyncio.Event()
    try:
        await event.wait()
    finally:
        gates.pop(name, None)


def create_server(stateless: bool) -> FastMCP:
    server = FastMCP(
        "interop-python",
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
    async def release(name: str) -> str:
        event = gates.get(name)
        if event is None:
            return "false"
        # Taken away here, so that a second `release` waits for the next step.
        del gates[name]
        event.set()
        return "true"

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

    return server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=["session", "stateless-json"], default="session")
    arguments = parser.parse_args()
    app = create_server(arguments.mode == "stateless-json").streamable_http_app()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", arguments.port))
    # Connections that arrive from here on wait in the backlog until uvicorn accepts them.
    listener.listen(128)
    print(f"listening {listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
