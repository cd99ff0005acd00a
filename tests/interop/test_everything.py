"""The reference server `server-everything`: each feature of the protocol that it offers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.stdio_client import StdioClient

CAPABILITIES = {"elicitation": {}, "sampling": {}, "roots": {"listChanged": True}}
ROOTS = [{"uri": "file:///tmp/interop", "name": "interop"}]


@pytest.fixture
def handlers() -> dict[str, Any]:
    """A client with answers to all that this server asks."""
    return {
        "roots/list": lambda params: {"roots": ROOTS},
        "elicitation/create": lambda params: {"action": "accept", "content": {"name": "Ada", "check": True}},
        "sampling/createMessage": lambda params: {
            "model": "interop-model",
            "role": "assistant",
            "content": {"type": "text", "text": "sampled: " + params["messages"][0]["content"]["text"]},
            "stopReason": "endTurn",
        },
    }


@pytest.fixture
def client(bridged: Any, handlers: dict[str, Any]) -> StdioClient:
    """A connected client."""
    pair = bridged("everything", capabilities=CAPABILITIES, handlers=handlers)
    pair.client.initialize()
    # What is sent to nobody is lost, so nothing is triggered before somebody listens.
    pair.recorder.wait(lambda: [e for e in pair.recorder.all("GET") if e.status == 200], "standalone stream")
    return pair.client


def asked(client: StdioClient, method: str) -> bool:
    return any(request["method"] == method for request in client.server_requests)


def test_roots_are_asked_for_and_answered(client: StdioClient) -> None:
    client.wait_notification("notifications/message", lambda p: "1 root(s) received" in str(p["data"]))
    assert "file:///tmp/interop" in client.tool("get-roots-list")
    assert asked(client, "roots/list")


def test_elicitation_in_the_middle_of_a_call(client: StdioClient) -> None:
    # `extra.sendRequest` of the tool sends on the stream of the call itself.
    result = client.start_tool("trigger-elicitation-request").result()
    assert asked(client, "elicitation/create")
    assert "- Name: Ada" in json.dumps(result)


def test_other_calls_go_on_while_a_question_is_open(bridged: Any, handlers: dict[str, Any]) -> None:
    """The client calls a tool from within its answer to the server's question."""
    inner: list[str] = []
    pair = bridged("everything", capabilities=CAPABILITIES, handlers=handlers)
    client: StdioClient = pair.client
    # Without a result the handler below would block the thread that reads: it answers by hand.
    client.handlers.pop("elicitation/create")
    client._reply = _hold_back(client, "elicitation/create")  # type: ignore[method-assign]
    client.initialize()
    outer = client.start_tool("trigger-elicitation-request")
    question = client.wait(
        lambda: next((r for r in client.server_requests if r["method"] == "elicitation/create"), None), "question"
    )
    inner.append(client.tool("echo", {"message": "meanwhile"}))
    assert inner == ["Echo: meanwhile"] and not outer.arrived()
    client.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})
    assert "declined" in json.dumps(outer.result())


def _hold_back(client: StdioClient, method: str) -> Any:
    regular = client._reply
    return lambda request: None if request["method"] == method else regular(request)


def test_sampling_in_the_middle_of_a_call(client: StdioClient) -> None:
    text = client.tool("trigger-sampling-request", {"prompt": "a haiku", "maxTokens": 20})
    assert asked(client, "sampling/createMessage")
    assert "sampled: Resource trigger-sampling-request context: a haiku" in text


def test_refused_sampling_reaches_the_server(client: StdioClient) -> None:
    client.handlers.pop("sampling/createMessage")
    result = client.start_tool("trigger-sampling-request", {"prompt": "no", "maxTokens": 1}).result()
    assert result["isError"] and "Method not found" in json.dumps(result)


def test_resources_and_their_updates(client: StdioClient) -> None:
    uri = "demo://resource/dynamic/text/1"
    assert client.request("resources/list")["resources"]
    assert client.request("resources/templates/list")["resourceTemplates"]
    (content,) = client.request("resources/read", {"uri": uri})["contents"]
    assert content["uri"] == uri and content["text"]
    assert client.request("resources/subscribe", {"uri": uri}) == {}
    assert client.tool("toggle-subscriber-updates").startswith("Started")
    client.wait_notification("notifications/resources/updated", lambda p: p["uri"] == uri)
    assert client.tool("toggle-subscriber-updates").startswith("Stopped")
    assert client.request("resources/unsubscribe", {"uri": uri}) == {}


def test_binary_content(client: StdioClient) -> None:
    (_, image, _) = client.start_tool("get-tiny-image").result()["content"]
    assert image["type"] == "image" and image["data"].startswith("iVBORw0KGgo")
    (content,) = client.request("resources/read", {"uri": "demo://resource/dynamic/blob/1"})["contents"]
    assert content["blob"]


def test_prompts_and_completion(client: StdioClient) -> None:
    names = {prompt["name"] for prompt in client.request("prompts/list")["prompts"]}
    assert {"simple-prompt", "args-prompt", "completable-prompt"} <= names
    got = client.request("prompts/get", {"name": "args-prompt", "arguments": {"city": "Zürich", "state": "ZH"}})
    assert got["messages"][0]["content"]["text"] == "What's weather in Zürich, ZH?"
    completed = client.request(
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "completable-prompt"},
            "argument": {"name": "name", "value": "A"},
            "context": {"arguments": {"department": "Engineering"}},
        },
    )
    assert completed["completion"]["values"] == ["Alice"]


def test_logging(client: StdioClient) -> None:
    assert client.request("logging/setLevel", {"level": "debug"}) == {}
    assert client.tool("toggle-simulated-logging").startswith("Started")
    client.wait_notification("notifications/message", lambda p: "level" in str(p["data"]))
    assert client.tool("toggle-simulated-logging").startswith("Stopped")


def test_structured_content(client: StdioClient) -> None:
    result = client.start_tool("get-structured-content", {"location": "New York"}).result()
    assert result["structuredContent"] == json.loads(result["content"][0]["text"])
