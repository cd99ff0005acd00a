"""Every client in front of every server: two eras on one side, four kinds of server on the other.

Legacy servers with Streamable HTTP, servers with the HTTP+SSE of 2024-11-05, modern servers, and servers
that speak both; each built on a real SDK, or two. In front of them stand the clients of four SDKs, which
take the tour of `clients/common`, and the two clients of our own, which look at every message.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modern_client import SUBSCRIPTION, ModernClient, Subscription
from support.paths import HERE, NODE, PYTHON, PYTHON_2, bridge_command
from support.schemas import breaches
from support.servers import KINDS, MORE_KINDS, Server
from support.stdio_client import DEADLINE, LATEST, StdioClient, eventually

COUNTER = "interop://counter"
UPDATED = "notifications/resources/updated"
TOOLS_CHANGED = "notifications/tools/list_changed"
LOGGED = "notifications/message"

LEGACY = ["typescript", "python"]
SSE = ["typescript-sse", "python-sse"]
MODERN = ["typescript-2-modern", "python-2-modern"]
DUAL = ["typescript-2-dual", "typescript-2-sessions", "python-2-dual"]
SERVERS = [*LEGACY, *SSE, *MODERN, *DUAL]

# They take `logging/setLevel` and send everything all the same.
TAKES_NO_LEVEL = ["python", "python-sse"]


def server_name(name: str) -> str:
    return {**KINDS, **MORE_KINDS}[name].server_name


def leftovers(server: Server) -> dict[str, Any]:
    """What clients have left at a server: sessions, subscriptions, streams, calls."""
    state = server.state()
    # Who watches a resource is the server's own list, which ends with the session.
    return {name: value for name, value in state.items() if value and name != "watched"}


def expect_nothing_left(server: Server) -> None:
    try:
        eventually(lambda: not leftovers(server), "end of everything")
    except AssertionError:
        left = leftovers(server)
        # The next test begins with a clean one.
        server.restart()
        pytest.fail(f"left at {server.kind}: {left}")


# The clients of the SDKs --------------------------------------------------------------------------

PEERS = {
    "typescript-1": [NODE, "typescript-1.mjs"],
    "typescript-2-legacy": [NODE, "typescript-2.mjs", "--era", "legacy"],
    "typescript-2-auto": [NODE, "typescript-2.mjs", "--era", "auto"],
    "typescript-2-modern": [NODE, "typescript-2.mjs", "--era", "modern"],
    "python-1": [PYTHON, "python_1.py"],
    "python-2-legacy": [PYTHON_2, "python_2.py", "--era", "legacy"],
    "python-2-auto": [PYTHON_2, "python_2.py", "--era", "auto"],
    "python-2-modern": [PYTHON_2, "python_2.py", "--era", "modern"],
}

# Each client meets every kind of server, and the SDKs change places along the way.
MEETINGS = [
    (peer, (one if number % 2 else other))
    for number, peer in enumerate(PEERS)
    for one, other in [
        ("typescript", "python"),
        ("python-sse", "typescript-sse"),
        ("typescript-2-modern", "python-2-modern"),
        ("python-2-dual", "typescript-2-dual"),
        ("typescript-2-sessions", "python-2-dual"),
    ]
]


@pytest.mark.parametrize(("peer", "name"), MEETINGS)
def test_tour_of_a_real_client(peer: str, name: str, servers: Callable[[str], Server], tmp_path: Path) -> None:
    server = servers(name)
    program, script, *more = PEERS[peer]
    done = subprocess.run(
        [program, HERE / "clients" / script, *more, *bridge_command(), server.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=3 * DEADLINE,
        check=False,
        env={**os.environ, "MCP_TETHER_HOME": str(tmp_path / "tether"), "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr.decode()
    got = json.loads(done.stdout)
    modern = not peer.endswith(("-1", "-legacy"))
    assert got["era"] == ("modern" if modern else "legacy")
    # A Python client that is told to be modern asks nobody who they are.
    asks = peer != "python-2-modern"
    assert got["server"] == (server_name(name) if asks else None)
    assert got["instructions"] == (f"Instructions of {server_name(name)}" if asks else None)
    assert {"echo", "ask", "paced"} <= set(got["tools"])
    assert got["echoes"] == [f"Echo: {n}" for n in range(10)]
    assert got["progress"] == [1, 2, 3] and got["paced"]
    assert got["asked"] == "accept: Ada"
    assert got["sampled"] == "interop-model: sampled a haiku"
    assert got["roots"] == "file:///interop"
    if name in (*MODERN, *DUAL):
        assert got["interview"] == "Ada, 1 root(s), sampled an ode to Ada"
        assert got["tagged"]["given"] == {"region": "Zürich", "limit": 7}
        headers = got["tagged"]["headers"]
        assert headers["mcp-param-region"] == "=?base64?WsO8cmljaA==?=" and headers["mcp-param-limit"] == "7"
        assert headers["mcp-name"] == "tagged"
    assert got["updated"] and got["counted"] and got["announced"]
    if name in TAKES_NO_LEVEL and not modern:
        assert got["logged"] == ["beware", "never mind"]
    else:
        assert got["logged"] == ["beware"]
    assert got["held"] == ("not tried" if peer == "python-1" else "cancelled")
    assert got["greeting"] == "Hello, Ada!" and got["completed"] == ["Ada", "Alan"]
    assert got["failed"] and got["missing"]
    assert got["unknown"] is not None and (peer == "python-1" or got["unknown"] in (-32601, -32602))
    if modern:
        assert got["honored"] == {"toolsListChanged": True, "resourceSubscriptions": [COUNTER]}
        assert got.get("subscription", "local") == "local"
    assert got["errors"] == []
    expect_nothing_left(server)


# The clients of our own ---------------------------------------------------------------------------

CAPABILITIES = {"elicitation": {}, "sampling": {}, "roots": {}}
HANDLERS = {
    "elicitation/create": lambda params: {"action": "accept", "content": {"name": "Ada"}},
    "sampling/createMessage": lambda params: {
        "model": "interop-model",
        "role": "assistant",
        "content": {"type": "text", "text": "sampled " + params["messages"][0]["content"]["text"]},
        "stopReason": "endTurn",
    },
    "roots/list": lambda params: {"roots": [{"uri": "file:///interop", "name": "interop"}]},
}

DIALECTS: dict[str, type[StdioClient]] = {"legacy": StdioClient, "modern": ModernClient}
every_cell = pytest.mark.parametrize("name", SERVERS)
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)

seen: list[dict[str, Any]] = []
"""Every message of the clients in this file."""

Connect = Callable[..., StdioClient]


@pytest.fixture
def connect(dialect: str, name: str, bridged: Any, servers: Callable[[str], Server]) -> Iterator[Connect]:
    """Connects a client of the dialect to the server; what both have said is kept, and nothing is left."""
    clients: list[StdioClient] = []

    def start(capabilities: dict[str, Any] = CAPABILITIES, **more: Any) -> StdioClient:
        handlers = {**HANDLERS, **more.pop("handlers", {})}
        pair = bridged(name, make=DIALECTS[dialect], capabilities=capabilities, handlers=handlers, **more)
        clients.append(pair.client)
        return pair.client

    yield start
    for client in clients:
        client.close()
        seen.extend(client.transcript())
        if dialect == "legacy":
            expect_nothing_modern(client)
    expect_nothing_left(servers(name))


def expect_nothing_modern(client: StdioClient) -> None:
    """What a strict old client could stumble over does not reach it."""
    for message in map(json.loads, client.lines):
        result = message.get("result", {})
        assert not {"resultType", "ttlMs", "cacheScope", "inputRequests", "requestState"} & set(result), message
        assert SUBSCRIPTION not in message.get("params", {}).get("_meta", {}), message


def watch(client: StdioClient) -> Subscription | None:
    """Asks for the changes of the tools and of the counter."""
    if isinstance(client, ModernClient):
        subscription = client.listen(toolsListChanged=True, resourceSubscriptions=[COUNTER])
        assert subscription.granted == {"toolsListChanged": True, "resourceSubscriptions": [COUNTER]}
        return subscription
    assert client.request("resources/subscribe", {"uri": COUNTER}) == {}
    return None


def count(client: StdioClient) -> int:
    (content,) = client.request("resources/read", {"uri": COUNTER})["contents"]
    return int(content["text"])


@every_cell
@both_dialects
def test_tools_prompts_and_errors(dialect: str, name: str, connect: Connect) -> None:
    client = connect()
    hello = client.initialize()
    assert hello["serverInfo"]["name"] == server_name(name)
    assert hello["instructions"] == f"Instructions of {server_name(name)}"
    if dialect == "legacy":
        assert hello["protocolVersion"] == LATEST
    capabilities = hello["capabilities"]
    assert capabilities["tools"]["listChanged"] and capabilities["resources"]["subscribe"]
    tools = {tool["name"]: tool for tool in client.request("tools/list")["tools"]}
    assert {"echo", "get-sum", "paced", "ask"} <= set(tools)

    ids: list[Any] = [*range(100, 106), *(f"call-{n}" for n in range(6))]
    answers = {id: client.start_tool("echo", {"message": f"<{id}>"}, id=id) for id in ids}
    for id, answer in answers.items():
        assert answer.message()["id"] == id and answer.text() == f"Echo: <{id}>"

    long = client.start_tool("trigger-long-running-operation", {"duration": 0.1, "steps": 3}, progress="p-1")
    assert long.text().startswith("Long running operation completed.")
    assert client.progress("p-1") == [1, 2, 3]

    failed = client.start_tool("fail", {"message": "as asked"}).result()
    assert failed["isError"] and "as asked" in failed["content"][0]["text"]
    assert client.start("interop/no-such-method", {}).message()["error"]["code"] in (-32601, -32602)
    if name.startswith("typescript"):
        # The older revisions have a code of their own for this, which the newest gave up.
        missing = client.start("resources/read", {"uri": "interop://missing"}).message()["error"]
        assert missing["code"] == -32602 or (dialect == "legacy" and missing["code"] == -32002), missing

    got = client.request("prompts/get", {"name": "greet", "arguments": {"name": "Zoë"}})
    assert got["messages"][0]["content"]["text"] == "Hello, Zoë!"
    reference = {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "name", "value": "A"}}
    assert client.request("completion/complete", reference)["completion"]["values"] == ["Ada", "Alan"]
    if dialect == "legacy":
        assert client.request("ping") == {}
    if "tagged" in tools:
        tagged = json.loads(client.tool("tagged", {"region": " padded ", "limit": 3}))
        assert tagged["given"]["region"] == " padded "
        assert tagged["headers"]["mcp-param-region"] == "=?base64?IHBhZGRlZCA=?="


@every_cell
@both_dialects
def test_what_a_server_asks(dialect: str, name: str, connect: Connect) -> None:
    client = connect()
    client.initialize()
    assert client.tool("ask") == "accept: Ada"
    assert client.tool("sample", {"prompt": "a haiku"}) == "interop-model: sampled a haiku"
    assert client.tool("roots") == "file:///interop"
    if name in (*MODERN, *DUAL):
        assert client.tool("interview") == "Ada, 1 root(s), sampled an ode to Ada"
    client.handlers["elicitation/create"] = lambda params: {"action": "decline"}
    assert client.tool("ask").startswith("decline: ")


@every_cell
@both_dialects
def test_other_calls_go_on_while_a_question_is_open(dialect: str, name: str, connect: Connect) -> None:
    client = connect(manual=True) if dialect == "modern" else connect()
    answer = {"action": "accept", "content": {"name": "Grace"}}
    if isinstance(client, ModernClient):
        client.initialize()
        outer = client.start_tool("ask")
        ((key, question),) = outer.result()["inputRequests"].items()
        assert question["method"] == "elicitation/create"
        assert client.tool("echo", {"message": "meanwhile"}) == "Echo: meanwhile"
        outer = client.retry(outer, {key: answer})
    else:
        regular = client._reply
        client._reply = lambda asked: None if asked["method"] == "elicitation/create" else regular(asked)  # type: ignore[method-assign]
        client.initialize()
        outer = client.start_tool("ask")
        (request,) = client.wait(lambda: client.server_requests, "question")
        assert client.tool("echo", {"message": "meanwhile"}) == "Echo: meanwhile"
        assert not outer.arrived()
        client.send({"jsonrpc": "2.0", "id": request["id"], "result": answer})
    assert outer.text() == "accept: Grace"


@every_cell
@both_dialects
def test_client_that_cannot_be_asked(dialect: str, name: str, connect: Connect) -> None:
    client = connect(capabilities={})
    client.handlers.clear()
    client.initialize()
    message = client.start_tool("ask").message()
    assert "error" in message or message["result"]["isError"], message
    # The SDK 1.x for Python asks without looking.
    assert not client.server_requests or (dialect == "legacy" and name in ("python", "python-sse"))
    assert client.tool("echo", {"message": "still there"}) == "Echo: still there"


@every_cell
@both_dialects
def test_changes(dialect: str, name: str, connect: Connect, servers: Callable[[str], Server]) -> None:
    client = connect()
    client.initialize()
    watched = len(servers(name).state()["watched"])
    subscription = watch(client)
    before = count(client)
    client.tool("touch")
    assert client.wait_notification(UPDATED)["params"]["uri"] == COUNTER
    assert count(client) == before + 1
    client.tool("announce")
    client.wait_notification(TOOLS_CHANGED)

    # What is no longer wanted does not come; what else was wanted still does.
    if isinstance(client, ModernClient):
        assert subscription is not None
        subscription.close()
        if name not in (*MODERN, *DUAL):
            # A legacy server is told.
            eventually(lambda: len(servers(name).state()["watched"]) == watched, "end of the subscription")
        other = client.listen(toolsListChanged=True)
        assert other.granted == {"toolsListChanged": True}
    else:
        assert client.request("resources/unsubscribe", {"uri": COUNTER}) == {}
    changes = len(client.of_method(TOOLS_CHANGED))
    client.tool("touch")
    client.tool("announce")
    client.wait(lambda: len(client.of_method(TOOLS_CHANGED)) > changes, "second announcement")
    assert len(client.of_method(UPDATED)) == 1 and len(client.of_method(TOOLS_CHANGED)) == 2


@every_cell
@both_dialects
def test_log_messages(dialect: str, name: str, connect: Connect) -> None:
    client = connect()
    client.initialize()
    if isinstance(client, ModernClient):
        client.level = "warning"
    else:
        assert client.request("logging/setLevel", {"level": "warning"}) == {}
    client.tool("log", {"level": "error", "data": "beware"})
    client.tool("log", {"level": "info", "data": "never mind"})
    got = [message["params"]["data"] for message in client.of_method(LOGGED)]
    assert got == ["beware"] or (dialect == "legacy" and name in TAKES_NO_LEVEL and got == ["beware", "never mind"])
    if isinstance(client, ModernClient):
        # It would be a breach.
        client.level = None
        client.tool("log", {"level": "error", "data": "unasked"})
        assert len(client.of_method(LOGGED)) == 1


@every_cell
@both_dialects
def test_cancellation(dialect: str, name: str, connect: Connect) -> None:
    client = connect()
    client.initialize()
    call = f"to-cancel-{dialect}-{name}"
    client.start_tool("hold", {"name": call}, id="c-1")
    kept = client.start_tool("hold", {"name": f"{call}-not"})
    eventually(lambda: call in json.loads(client.tool("holds")), "held call")
    client.notify("notifications/cancelled", {"requestId": "c-1", "reason": "enough"})
    eventually(lambda: call not in json.loads(client.tool("holds")), "end of the held call")
    eventually(lambda: client.tool("release", {"name": f"{call}-not"}) == "true", "the other call")
    assert kept.text() == f"released: {call}-not"


def test_every_message_is_valid() -> None:
    """What the clients above were sent, and what they sent, is of the revision that it claims."""
    if not seen:
        pytest.skip("no message has been seen")
    assert breaches(seen) == []
