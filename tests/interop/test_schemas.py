"""The validator itself: what it takes and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from support.modern_client import META
from support.schemas import breaches

NAME = {"name": "n", "version": "1"}
MODERN = {
    META + "protocolVersion": "2026-07-28",
    META + "clientInfo": NAME,
    META + "clientCapabilities": {},
}


def message(revision: str, sender: str, more: dict[str, Any], method: str | None = None) -> dict[str, Any]:
    """A line for the validator; `sender` is the first letter of client or server."""
    direction = "client→server" if sender == "c" else "server→client"
    answered = {} if method is None else {"method": method}
    return {"revision": revision, "direction": direction, "message": {"jsonrpc": "2.0", **more}, **answered}


def result(revision: str, method: str, value: dict[str, Any], sender: str = "s") -> dict[str, Any]:
    return message(revision, sender, {"id": 1, "result": value}, method)


INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": NAME}
INITIALIZED = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": NAME}
ACKNOWLEDGED = {"notifications": {}, "_meta": {META + "subscriptionId": "a"}}
TOOLS = {"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
ROOTS = {"resultType": "input_required", "inputRequests": {"a": {"method": "roots/list"}}}
UNSUPPORTED = {"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"], "requested": "1"}}

GOOD = {
    "initialize": message("2025-11-25", "c", {"id": 1, "method": "initialize", "params": INITIALIZE}),
    "initialized": result("2025-11-25", "initialize", INITIALIZED),
    "oldest": message("2024-11-05", "c", {"method": "notifications/initialized"}),
    "question": message("2025-06-18", "s", {"id": 1, "method": "roots/list"}),
    "answer": result("2025-03-26", "roots/list", {"roots": []}, "c"),
    "extension": message("2025-11-25", "c", {"id": 1, "method": "vendor/thing", "params": {"a": 1}}),
    "discover": message("2026-07-28", "c", {"id": 1, "method": "server/discover", "params": {"_meta": MODERN}}),
    "tools": result("2026-07-28", "tools/list", TOOLS),
    "input": result("2026-07-28", "tools/call", ROOTS),
    "acknowledged": message(
        "2026-07-28", "s", {"method": "notifications/subscriptions/acknowledged", "params": ACKNOWLEDGED}
    ),
    "cancelled": message("2026-07-28", "c", {"method": "notifications/cancelled", "params": {"requestId": 1}}),
    "unsupported": message("2026-07-28", "s", {"id": 1, "error": UNSUPPORTED}, "tools/list"),
}

BAD = {
    "no capabilities": result("2025-11-25", "initialize", {"protocolVersion": "2025-11-25", "serverInfo": NAME}),
    "a client's request": message("2025-11-25", "s", {"id": 1, "method": "tools/list"}),
    "a server's notification": message("2025-11-25", "c", {"method": "notifications/tools/list_changed"}),
    "a request of a modern server": message("2026-07-28", "s", {"id": 1, "method": "roots/list"}),
    "gone": message("2026-07-28", "c", {"method": "notifications/initialized"}),
    "no _meta": message("2026-07-28", "c", {"id": 1, "method": "tools/list", "params": {}}),
    "no ttlMs": result("2026-07-28", "tools/list", {"tools": [], "resultType": "complete"}),
    "no resultType": result("2026-07-28", "tools/call", {"content": []}),
    "a wrong question": result(
        "2026-07-28", "tools/call", {"resultType": "input_required", "inputRequests": {"a": {"method": "tools/list"}}}
    ),
    "no subscription id": message(
        "2026-07-28", "s", {"method": "notifications/subscriptions/acknowledged", "params": {}}
    ),
    "no data": message("2026-07-28", "s", {"id": 1, "error": {"code": -32022, "message": "no"}}, "tools/list"),
    "no schema": message("2099-01-01", "c", {"method": "notifications/initialized"}),
    "a null id": message("2025-11-25", "c", {"id": None, "method": "ping"}),
}


def test_good_messages_pass() -> None:
    assert breaches(GOOD.values()) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_messages_do_not(name: str) -> None:
    found = breaches([GOOD["tools"], BAD[name]])
    assert len(found) == 2 and found[0].startswith("message:2: "), found
