"""A server that is killed and started again: the session is lost, and the client does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.paths import bridge_command
from support.servers import KINDS, Server
from support.stdio_client import StdioClient

# How each refuses a session that it does not know: everything with 400 and a JSON-RPC error,
# typescript and python with 404 and a JSON-RPC error, rmcp with 404 and text.
SESSION_SERVERS = [kind.name for kind in KINDS.values() if kind.sessions]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test alone."""
    running = Server(KINDS[request.param])
    yield running
    running.kill()


restartable = pytest.mark.parametrize("server", SESSION_SERVERS, indirect=True)


@restartable
def test_session_is_recovered_after_a_restart(server: Server, bridged: Any) -> None:
    pair = bridged(server)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    assert client.tool("echo", {"message": "before"}) == "Echo: before"
    server.restart()
    calls = [client.start_tool("echo", {"message": f"after {n}"}) for n in range(12)]
    assert [call.text() for call in calls] == [f"Echo: after {n}" for n in range(12)]

    first, second = recorder.posts("initialize")
    assert second.body == first.body and "mcp-session-id" not in second.headers
    old, new = (e.response_headers["mcp-session-id"] for e in (first, second))
    assert old != new
    assert [e.headers["mcp-session-id"] for e in recorder.posts("notifications/initialized")] == [old, new]
    # The answer to the replayed handshake is the bridge's own affair (`breaches` would have it).
    client.close()
    (deleted,) = recorder.all("DELETE")
    assert deleted.headers["mcp-session-id"] == new


@restartable
def test_restart_is_not_noticed_without_a_relay_between(server: Server) -> None:
    """As above, straight to the port: connections are refused while the server is away."""
    with StdioClient([*bridge_command(), server.url, *server.kind.flags]) as client:
        client.initialize()
        assert client.tool("get-sum", {"a": 1, "b": 2}) == "The sum of 1 and 2 is 3."
        server.restart()
        assert client.tool("get-sum", {"a": 3, "b": 4}) == "The sum of 3 and 4 is 7."
        assert client.request("ping") == {}


def test_server_that_is_away_fails_the_call_and_not_the_bridge() -> None:
    server = Server(KINDS["typescript"])
    try:
        with StdioClient([*bridge_command(), server.url, *server.kind.flags]) as client:
            client.initialize()
            client.request("ping")
            server.kill()
            error = client.start_tool("echo", {"message": "anybody?"}).message()["error"]
            assert error["data"]["kind"] in ("connect", "stream_lost"), error
            server.start()
            assert client.tool("echo", {"message": "back"}) == "Echo: back"
    finally:
        server.kill()


@pytest.mark.parametrize("server", ["everything"], indirect=True)
def test_state_of_the_session_is_restored(server: Server, bridged: Any) -> None:
    """The log level and the subscriptions go to the new session before the refused call does."""
    uri = "demo://resource/dynamic/text/1"
    pair = bridged(server)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    client.request("logging/setLevel", {"level": "warning"})
    for number in (1, 2):
        client.request("resources/subscribe", {"uri": f"demo://resource/dynamic/text/{number}"})
    client.request("resources/unsubscribe", {"uri": "demo://resource/dynamic/text/2"})
    server.restart()
    assert client.tool("echo", {"message": "after"}) == "Echo: after"

    new = recorder.posts("initialize")[1].response_headers["mcp-session-id"]
    sent = [
        json.loads(e.body) for e in recorder.all("POST") if e.headers.get("mcp-session-id") == new and e.status == 200
    ]
    methods = [message["method"] for message in sent]
    assert methods[-1] == "tools/call"
    assert {"logging/setLevel", "resources/subscribe"} == set(methods[:-1]), methods
    assert [m["params"]["uri"] for m in sent if m["method"] == "resources/subscribe"] == [uri]
    # What the server had declared may have changed; the client is told to look again.
    for what in ("tools", "prompts", "resources"):
        client.wait_notification(f"notifications/{what}/list_changed")
