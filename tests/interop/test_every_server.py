"""What every server must see and every client must get, whatever the server is built on."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import Any

import pytest
from support.paths import bridge_command
from support.servers import KINDS
from support.stdio_client import DEADLINE, LATEST, eventually

every_server = pytest.mark.parametrize("kind", KINDS.values(), ids=str)
own_server = pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.own], ids=str)
session_server = pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.sessions], ids=str)

AWKWARD = "é 日本語 😀 \u2028 \\ / \t \" \u0001"


@every_server
def test_handshake_tools_and_ping(kind: Any, bridged: Any) -> None:
    client = bridged(kind.name).client
    hello = client.initialize()
    assert hello["serverInfo"]["name"] == kind.server_name
    assert hello["protocolVersion"] == LATEST
    names = {tool["name"] for tool in client.request("tools/list")["tools"]}
    assert {"echo", "get-sum", "trigger-long-running-operation"} <= names
    assert client.tool("echo", {"message": AWKWARD}) == f"Echo: {AWKWARD}"
    assert client.tool("get-sum", {"a": 2, "b": 40}) == "The sum of 2 and 40 is 42."
    assert client.request("ping") == {}


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
@pytest.mark.parametrize("name", ["typescript", "python", "rmcp"])
def test_revision_that_the_server_chose_is_named_on_every_request(name: str, version: str, bridged: Any) -> None:
    pair = bridged(name)
    assert pair.client.initialize(version)["protocolVersion"] == version
    assert pair.client.tool("echo", {"message": "hello"}) == "Echo: hello"
    pair.recorder.wait(lambda: pair.recorder.all("GET"), "standalone stream")
    pair.client.close()
    first, *others = pair.recorder.exchanges
    assert "mcp-protocol-version" not in first.headers
    assert [e.headers.get("mcp-protocol-version") for e in others] == [version] * len(others)


@session_server
def test_session_id_goes_with_every_request_and_is_deleted_at_the_end(kind: Any, bridged: Any) -> None:
    pair = bridged(kind.name)
    pair.client.initialize()
    pair.client.request("tools/list")
    pair.recorder.wait(lambda: pair.recorder.all("GET"), "standalone stream")
    pair.client.close()
    first, *others = pair.recorder.exchanges
    session = first.response_headers["mcp-session-id"]
    assert "mcp-session-id" not in first.headers
    assert [e.headers.get("mcp-session-id") for e in others] == [session] * len(others)
    for exchange in pair.recorder.all("POST"):
        accepted = exchange.headers["accept"]
        assert "application/json" in accepted and "text/event-stream" in accepted
        assert exchange.headers["content-type"].startswith("application/json")
    (deleted,) = pair.recorder.all("DELETE")
    assert deleted.status in (200, 202, 204)


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if not k.sessions], ids=str)
def test_without_a_session_there_is_none_to_send_or_delete(kind: Any, bridged: Any) -> None:
    pair = bridged(kind.name)
    pair.client.initialize()
    pair.client.request("tools/list")
    pair.client.close()
    assert not pair.recorder.all("DELETE")
    assert all("mcp-session-id" not in e.headers for e in pair.recorder.exchanges)
    kinds = {e.response_headers["content-type"].split(";")[0] for e in pair.recorder.posts("tools/list")}
    assert kinds == {"application/json"}


@every_server
def test_parallel_calls_keep_their_ids(kind: Any, bridged: Any) -> None:
    client = bridged(kind.name).client
    client.initialize()
    ids: list[Any] = [*range(100, 112), *(f"call-{n}" for n in range(12))]
    answers = {id: client.start_tool("echo", {"message": f"<{id}>"}, id=id) for id in ids}
    for id, answer in answers.items():
        message = answer.message()
        assert message["id"] == id and type(message["id"]) is type(id)
        assert answer.text() == f"Echo: <{id}>"


@every_server
def test_error_of_the_server_arrives_unchanged(kind: Any, bridged: Any) -> None:
    pair = bridged(kind.name)
    pair.client.initialize()
    message = pair.client.start("interop/no-such-method", {}).message()
    assert message["error"]["code"] in (-32601, -32602)
    assert pair.client.lines[-1] in pair.recorder.server_messages()
    # Some servers give the error with HTTP status 404, which is not a lost session here.
    assert pair.client.tool("echo", {"message": "still there"}) == "Echo: still there"
    assert len(pair.recorder.posts("initialize")) == 1


@every_server
def test_progress_arrives_before_the_answer(kind: Any, bridged: Any) -> None:
    client = bridged(kind.name).client
    client.initialize()
    answer = client.start_tool("trigger-long-running-operation", {"duration": 1, "steps": 4}, progress="p-1")
    assert answer.text().startswith("Long running operation completed.")
    if kind.name != "python-stateless-json":  # Its JSON answers leave no room for notifications.
        assert client.progress("p-1") == [1, 2, 3, 4]


@own_server
def test_unanswered_call_holds_up_nothing(kind: Any, bridged: Any) -> None:
    client = bridged(kind.name).client
    client.initialize()
    held = [client.start_tool("hold", {"name": f"held-{n}"}) for n in range(8)]
    for n in range(8):
        assert client.tool("echo", {"message": str(n)}) == f"Echo: {n}"
    assert client.request("ping") == {}
    assert not any(answer.arrived() for answer in held)
    for n in range(8):
        eventually(lambda: client.tool("release", {"name": f"held-{n}"}) == "true", f"call held-{n}")
    assert [answer.text() for answer in held] == [f"released: held-{n}" for n in range(8)]


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.own and k.sessions], ids=str)
def test_cancellation_reaches_the_server(kind: Any, bridged: Any) -> None:
    client = bridged(kind.name).client
    client.initialize()
    client.start_tool("hold", {"name": "to-cancel"}, id="c-1")
    eventually(lambda: "to-cancel" in client.tool("holds"), "held call")
    client.notify("notifications/cancelled", {"requestId": "c-1", "reason": "enough"})
    eventually(lambda: "to-cancel" not in client.tool("holds"), "end of the held call")
    assert client.request("ping") == {}
    # The bridge ends with 0 (checked at the end): a cancelled request is not an unanswered one.


@session_server
def test_notification_of_the_server_on_the_standalone_stream(kind: Any, bridged: Any) -> None:
    pair = bridged(kind.name)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    recorder.wait(lambda: [e for e in recorder.all("GET") if e.status == 200], "standalone stream")
    if kind.own:
        assert client.tool("announce") == "announced"
        client.wait_notification("notifications/tools/list_changed")
    else:
        client.request("resources/subscribe", {"uri": "demo://resource/dynamic/text/1"})
        client.wait_notification("notifications/message", lambda p: "Subscribe" in p["data"])
    (stream,) = recorder.all("GET")
    assert any(b'"notifications/' in message for message in stream.messages())


@every_server
def test_bytes_pass_unchanged_in_both_directions(kind: Any, bridged: Any) -> None:
    """The bodies that the server got are the lines that the client wrote, and the other way round."""
    pair = bridged(kind.name)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    arguments = b'{"message" : "\\u00e9\\ud83d\\ude00 \\/ \xc3\xa9\xf0\x9f\x98\x80 \\u2028" ,"odd":[1.0, 1e2,-0.0,12345678901234567890, {}]}'
    for number, id in enumerate([b'"x\\u0041"', b"7001", b"9007199254740991"]):
        line = (
            b'{ "params":{"name":"echo","arguments":' + arguments + b'},\t"id": ' + id
            + b', "method":"tools/call","jsonrpc":"2.0" }'
        )
        answer = client.start_line(line, json.loads(id), "tools/call")
        assert answer.text().startswith("Echo: é😀 / é😀"), number
    client.start_tool("trigger-long-running-operation", {"duration": 0.2, "steps": 2}, progress=7).result()
    client.start("interop/no-such-method", {}).message()
    client.close()
    assert Counter(e.body for e in recorder.all("POST")) == Counter(client.sent)
    # The two changes that a message suffers: an answer has its id as the client spelled it, and
    # U+2028 is escaped, which some clients take for the end of a line.
    spelled = [
        m.replace(b'"xA"', b'"x\\u0041"').replace("\u2028".encode(), b"\\u2028") for m in recorder.server_messages()
    ]
    received, sent = Counter(client.lines), Counter(spelled)
    assert received - sent == Counter(), "the bridge wrote something that the server did not send"
    assert sent - received == Counter(), "the bridge kept something to itself"


@every_server
def test_input_that_ends_at_once_is_answered_in_full(kind: Any, servers: Any) -> None:
    """`printf ... | mcp-tether URL`: all of the input is there, and ends, before the first answer."""
    messages = [
        {
            "jsonrpc": "2.0",
            "id": "init",
            "method": "initialize",
            "params": {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": {"name": "printf", "version": "1"}},
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "list", "method": "tools/list"},
        {"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "x"}}},
    ]
    # The last line has no end.
    done = subprocess.run(
        [*bridge_command(), servers(kind.name).url, *kind.flags],
        input="\n".join(map(json.dumps, messages)).encode(),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    answers = {m["id"]: m for m in map(json.loads, done.stdout.splitlines()) if "id" in m}
    assert set(answers) == {"init", "list", "call"}, done.stderr.decode()
    assert all("result" in answer for answer in answers.values()), answers
    assert done.returncode == 0, done.stderr.decode()
