"""Streams that break: servers with an event store, connections that are cut, streams that end."""

from __future__ import annotations

from typing import Any

import pytest
from support.stdio_client import StdioClient, eventually

resumable = pytest.mark.parametrize("name", ["typescript", "python"])


def release(client: StdioClient, name: str) -> None:
    """Lets a `paced` call take its next step."""
    eventually(lambda: client.tool("release", {"name": name}) == "true", f"call of {name}")


@resumable
def test_server_ends_the_stream_of_its_own_call(name: str, bridged: Any) -> None:
    """The polling of SEP-1699: the stream is closed after an event id, twice, before the answer."""
    pair = bridged(name)
    pair.client.initialize()
    answer = pair.client.start_tool("close-own-stream", {"times": 2}, progress="polled")
    assert answer.text() == "closed 2 times"
    assert pair.client.progress("polled") == [1, 2]
    resumed = [e for e in pair.recorder.all("GET") if "last-event-id" in e.headers]
    assert len(resumed) >= 2 and {e.status for e in resumed} == {200}
    assert len(pair.recorder.posts("close-own-stream")) == 1, "a tool was called a second time"


@resumable
def test_connection_cut_in_the_middle_of_a_call(name: str, bridged: Any) -> None:
    """Two cuts; what the server said meanwhile, and the answer, arrive once and in order."""
    pair = bridged(name)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    call = f"paced-{name}"
    answer = client.start_tool("paced", {"name": call, "steps": 4}, progress="cut")
    for step in range(1, 5):
        release(client, call)
        client.wait(lambda: client.progress("cut")[-1:] == [step], f"progress {step}")
        if step in (1, 3):
            recorder.cut()
    release(client, call)
    assert answer.text() == f"paced: {call}"
    assert client.progress("cut") == [1, 2, 3, 4]
    assert len(recorder.posts('paced')) == 1, "a tool was called a second time"
    assert len(recorder.posts("initialize")) == 1, "the session was given up"


@resumable
def test_answer_that_was_given_while_the_connection_was_cut(name: str, bridged: Any) -> None:
    """The call ends while nobody listens to its stream."""
    pair = bridged(name)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    answer = client.start_tool("trigger-long-running-operation", {"duration": 1, "steps": 2}, progress="gone")
    client.wait(lambda: client.progress("gone") == [1], "first progress")
    recorder.cut()
    assert answer.text().startswith("Long running operation completed.")
    assert client.progress("gone") == [1, 2]


@resumable
def test_question_of_the_server_survives_a_cut(name: str, bridged: Any) -> None:
    """The answer to an elicitation goes out although the stream that asked is gone."""
    pair = bridged(name, capabilities={"elicitation": {}})
    client, recorder = pair.client, pair.recorder
    client.handlers["elicitation/create"] = lambda params: (recorder.cut(), {"action": "accept", "content": {"name": "Ada"}})[1]
    client.initialize()
    answer = client.start_tool("ask")
    assert answer.text() == "accept: Ada"
    assert len(client.server_requests) == 1


@resumable
def test_standalone_stream_is_resumed_without_loss(name: str, bridged: Any) -> None:
    pair = bridged(name)
    client, recorder = pair.client, pair.recorder
    changed = "notifications/tools/list_changed"
    client.initialize()
    recorder.wait(lambda: [e for e in recorder.all("GET") if e.status == 200], "standalone stream")
    client.tool("announce")
    client.wait_notification(changed)
    (stream,) = recorder.all("GET")
    # The id that the event had: what comes later must not be missed, though nobody listens.
    if name == "typescript":
        client.tool("close-standalone")
    else:
        recorder.cut()
    recorder.wait(lambda: stream.finished or len(recorder.all("GET")) > 1, "end of the standalone stream")
    client.tool("announce")
    client.wait(lambda: len(client.of_method(changed)) == 2, "second announcement")
    reopened = recorder.all("GET")[1]
    assert "last-event-id" in reopened.headers


@pytest.mark.parametrize("name", ["python-stateless-json", "rmcp-stateless-json"])
def test_call_that_cannot_be_resumed_fails_at_once(name: str, bridged: Any) -> None:
    """An answer in JSON has no event ids, and a tool must not be called twice."""
    pair = bridged(name)
    client, recorder = pair.client, pair.recorder
    client.initialize()
    call = f"lost-{name}"
    answer = client.start_tool("hold", {"name": call})
    eventually(lambda: call in client.tool("holds"), "held call")
    recorder.cut()
    error = answer.message()["error"]
    assert error["data"]["kind"] in ("connect", "stream_lost"), error
    assert error["code"] in (-31002, -31021) and len(error["message"]) <= 200
    assert len(recorder.posts("hold")) == 1, "a tool was called a second time"
    assert client.tool("echo", {"message": "alive"}) == "Echo: alive"
    # A server that did not notice the cut still holds the call; other tests look at the same table.
    client.tool("release", {"name": call})
