"""What the Python servers share: gates that a test opens, a look at what is open, the listener."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

COUNTER = "interop://counter"
"""The resource that the tool `touch` changes."""

NAMES = ["Ada", "Alan", "Grace"]
"""What completes the argument of the prompt `greet`."""

# Calls that wait for the tool `release`, by name; shared by all sessions and requests.
gates: dict[str, asyncio.Event] = {}


async def gate(name: str) -> None:
    """Returns when `release` is called for the name."""
    event = gates[name] = asyncio.Event()
    try:
        await event.wait()
    finally:
        gates.pop(name, None)


def release(name: str) -> bool:
    """Lets one call pass its gate; says whether there was one."""
    # Taken away here, so that a second `release` waits for the next step.
    event = gates.pop(name, None)
    if event is not None:
        event.set()
    return event is not None


def arguments(*modes: str) -> argparse.Namespace:
    """The command line; the first mode is the default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=modes, default=modes[0])
    return parser.parse_args()


class _State:
    """Answers `GET /state`: the HTTP exchanges that are open, and what `more()` adds."""

    def __init__(self, app: Any, more: Callable[[], dict[str, Any]]) -> None:
        self._app, self._more = app, more
        self._open: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/state":
            body = json.dumps({"open": self._open, "gates": sorted(gates), **self._more()}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        entry = {"method": scope["method"], "url": scope["path"]}
        self._open.append(entry)
        try:
            await self._app(scope, receive, send)
        finally:
            self._open.remove(entry)


def serve(app: Any, port: int, more: Callable[[], dict[str, Any]] = dict) -> None:
    """Serves an ASGI application on 127.0.0.1 and prints `listening <port>`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    # Connections that arrive from here on wait in the backlog until uvicorn accepts them.
    listener.listen(128)
    print(f"listening {listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(_State(app, more), log_level="warning")).run(sockets=[listener])
