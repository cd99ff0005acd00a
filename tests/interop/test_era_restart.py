"""Servers of the newer and of the oldest kind that are killed and started again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.modern_client import ModernClient
from support.servers import MORE_KINDS, Server
from support.stdio_client import StdioClient, eventually

COUNTER = "interop://counter"
TOOLS_CHANGED = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test alone."""
    running = Server(MORE_KINDS[request.param])
    yield running
    running.kill()


modern_servers = pytest.mark.parametrize("server", ["typescript-2-modern", "python-2-modern"], indirect=True)
sse_servers = pytest.mark.parametrize("server", ["typescript-sse", "python-sse"], indirect=True)
both_dialects = pytest.mark.parametrize("make", [StdioClient, ModernClient], ids=["legacy", "modern"])


@both_dialects
@modern_servers
def test_subscription_is_opened_again(server: Server, make: type[StdioClient], bridged: Any) -> None:
    """Without a word of the client, which is told to look again: what changed meanwhile nobody knows."""
    client = bridged(server, make=make).client
    client.initialize()
    if isinstance(client, ModernClient):
        subscription = client.listen(toolsListChanged=True, resourceSubscriptions=[COUNTER])
    else:
        client.request("resources/subscribe", {"uri": COUNTER})
    eventually(lambda: server.state()["subscriptions"], "subscription")
    assert not client.of_method(TOOLS_CHANGED)
    server.restart()
    eventually(lambda: server.state()["subscriptions"] == 1, "new subscription")
    client.wait_notification(TOOLS_CHANGED)
    before = len(client.of_method(UPDATED))
    client.tool("touch")
    client.wait(lambda: len(client.of_method(UPDATED)) > before, "update after the restart")
    if isinstance(client, ModernClient):
        assert len(subscription.got("notifications/subscriptions/acknowledged")) == 1
        assert not subscription.answer.arrived()


@both_dialects
@modern_servers
def test_call_that_is_lost_fails_once(server: Server, make: type[StdioClient], bridged: Any) -> None:
    pair = bridged(server, make=make)
    client = pair.client
    client.initialize()
    answer = client.start_tool("hold", {"name": "lost"})
    eventually(lambda: "lost" in json.loads(client.tool("holds")), "held call")
    server.restart()
    error = answer.message()["error"]
    assert error["data"]["kind"] in ("connect", "stream_lost"), error
    assert len(pair.recorder.posts('"hold"')) <= 1 and len(pair.recorder.posts("lost")) == 1
    assert client.tool("echo", {"message": "back"}) == "Echo: back"


@both_dialects
@sse_servers
def test_http_sse_begins_again(server: Server, make: type[StdioClient], bridged: Any) -> None:
    """The stream is the session: what waits for an answer fails, and what comes next is served."""
    pair = bridged(server, make=make)
    client = pair.client
    client.initialize()
    answers = [client.start_tool("hold", {"name": f"lost-{n}"}) for n in range(3)]
    eventually(lambda: len(json.loads(client.tool("holds"))) == 3, "held calls")
    server.restart()
    for answer in answers:
        error = answer.message()["error"]
        assert error["data"]["kind"] in ("connect", "stream_lost"), error
    assert client.tool("echo", {"message": "back"}) == "Echo: back"
    assert len(pair.recorder.posts("lost-0")) == 1, "a tool was called a second time"
