"""What the Python clients share: where the server is, and a tour of all that it offers.

It is the tour of `common.mjs`, and gives the same report.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

PATIENCE = 60.0
"""Seconds that the tour waits for what a notification should bring."""

COUNTER = "interop://counter"
ROOT = "file:///interop"


@dataclass
class Given:
    """The command line: `[--era ERA] COMMAND [ARGUMENT...]`, or a URL in the place of the command."""

    era: str
    url: str | None
    command: list[str]


def given() -> Given:
    rest = sys.argv[1:]
    era = "legacy"
    if rest[0] == "--era":
        _, era, *rest = rest
    return Given(era, rest[0], []) if rest[0].startswith("http") else Given(era, None, rest)


class Seen:
    """Notifications by method, as they come."""

    def __init__(self) -> None:
        self._all: list[tuple[str, Any]] = []
        self._wake = asyncio.Event()

    def add(self, method: str, params: Any = None) -> None:
        self._all.append((method, params))
        self._wake.set()

    def of(self, method: str) -> list[Any]:
        return [params for name, params in self._all if name == method]

    async def wait(self, method: str) -> bool:
        """Whether a notification of the method has come, or comes in time."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.of(method):
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return False
        return True


async def tour(client: Any, seen: Seen) -> dict[str, Any]:
    """Uses a server in the ways that an application does and gives a report."""
    report: dict[str, Any] = {}
    me = str(os.getpid())

    async def call(name: str, arguments: dict[str, Any] | None = None, **more: Any) -> str:
        return (await client.call(name, arguments or {}, **more)).content[0].text

    async def fails(asked: Callable[[], Awaitable[Any]]) -> Any:
        try:
            await asked()
        except Exception as error:  # noqa: BLE001 (both SDKs have classes of their own)
            return getattr(getattr(error, "error", error), "code", repr(error))
        return None

    report["tools"] = await client.tools()
    report["echoes"] = await asyncio.gather(*(call("echo", {"message": str(n)}) for n in range(10)))

    # Each step is let go only when the one before has arrived, as in the other clients.
    report["progress"] = []
    arrived = asyncio.Event()

    async def on_progress(step: float, total: float | None, message: str | None) -> None:
        report["progress"].append(step)
        arrived.set()

    paced = asyncio.create_task(call("paced", {"name": me, "steps": 3}, progress=on_progress))
    for step in range(1, 5):
        arrived.clear()
        while await call("release", {"name": me}) != "true":
            await asyncio.sleep(0.02)
        if step < 4:
            await arrived.wait()
    report["paced"] = await paced == f"paced: {me}"

    report["asked"] = await call("ask")
    report["sampled"] = await call("sample", {"prompt": "a haiku"})
    report["roots"] = await call("roots")
    if "interview" in report["tools"]:
        report["interview"] = await call("interview")
    if "tagged" in report["tools"]:
        report["tagged"] = json.loads(await call("tagged", {"region": "Zürich", "limit": 7}))

    await client.subscribe(COUNTER)

    async def count() -> int:
        return int((await client.read(COUNTER)).contents[0].text)

    before = await count()
    await call("touch")
    report["updated"] = await seen.wait("notifications/resources/updated")
    report["counted"] = await count() > before
    await call("announce")
    report["announced"] = await seen.wait("notifications/tools/list_changed")

    await client.level("info")
    await call("log", {"level": "warning", "data": "beware"})
    await call("log", {"level": "debug", "data": "never mind"})
    report["logged"] = seen.of("notifications/message")

    async def holds() -> bool:
        return f"{me}-held" in json.loads(await call("holds"))

    report["held"] = "not tried"
    if client.cancels:
        held = asyncio.create_task(call("hold", {"name": f"{me}-held"}))
        while not await holds():
            await asyncio.sleep(0.02)
        held.cancel()
        while await holds():
            await asyncio.sleep(0.02)
        report["held"] = "cancelled"

    greeting = await client.prompt("greet", {"name": "Ada"})
    report["greeting"] = greeting.messages[0].content.text
    report["completed"] = (await client.complete("greet", "name", "A")).completion.values
    failed = await client.call("fail", {"message": "as asked"})
    is_error = getattr(failed, "isError", None) or getattr(failed, "is_error", None)
    report["failed"] = is_error is True and "as asked" in failed.content[0].text
    report["unknown"] = await fails(client.unknown)
    report["missing"] = await fails(lambda: client.read("interop://missing")) is not None
    return report
