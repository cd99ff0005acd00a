"""`check` and the commands that ask a server something, against every real server.

Each command is run as a script would: its exit code, what is on stdout, and that nothing is on stderr if
it succeeds. Afterwards the server has no session of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.authorization import AuthorizationServer, ProtectedServer
from support.home import Home
from support.paths import ROOT, bridge_command
from support.recorder import Recorder
from support.servers import KINDS, MORE_KINDS, Kind, Server
from support.stdio_client import DEADLINE, eventually

EVERY_KIND = {**KINDS, **MORE_KINDS}
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "check.schema.json").read_text()))
STEPS = ["dns", "tcp", "tls", "http", "authorization", "era", "handshake", "tools", "resources", "prompts", "stream", "end"]
LONG = 200_000

# Those whose look at what is left open tells everything.
TELLS = {name for name, kind in EVERY_KIND.items() if kind.own and not name.startswith("rmcp")}
MODERN = {"rmcp-dual"} | {name for name in EVERY_KIND if "-2-" in name}
SSE = {name for name in EVERY_KIND if name.endswith("-sse")}

every_kind = pytest.mark.parametrize("name", EVERY_KIND)

Done = subprocess.CompletedProcess[str]


class Shell:
    """Somebody who gives commands about one server."""

    def __init__(self, kind: Kind, url: str, home: Path, recorder: Recorder | None = None) -> None:
        self.kind, self.url, self.recorder = kind, url, recorder
        self.environment = {**os.environ, "MCP_TETHER_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "100"}

    def command(self, name: str, *words: str) -> list[str]:
        return [*bridge_command(), name, self.url, *words, *self.kind.flags]

    def run(self, name: str, *words: str, code: int = 0, given: str | None = None) -> Done:
        """Runs a command to its end, which must have this exit code."""
        done = subprocess.run(
            self.command(name, *words),
            **({"input": given} if given is not None else {"stdin": subprocess.DEVNULL}),
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=2 * DEADLINE,
            check=False,
        )
        assert done.returncode == code, f"{name} {words}: {done.returncode}\n{done.stdout}{done.stderr}"
        if code == 0:
            assert done.stderr == "", f"{name} {words} succeeds and has something to say: {done.stderr}"
        return done

    def says(self, name: str, *words: str, **more: Any) -> str:
        """What a command prints that succeeds."""
        return self.run(name, *words, **more).stdout

    def tells(self, name: str, *words: str, **more: Any) -> Any:
        """The same, as the one line of JSON that it is."""
        text = self.says(name, *words, "--json", **more)
        assert text.endswith("\n") and text.count("\n") == 1, text[:500]
        return json.loads(text)

    def refused(self, name: str, *words: str, code: int) -> dict[str, Any]:
        """The error of a command that fails, which is one line of JSON on stderr."""
        done = self.run(name, *words, "--json", code=code)
        assert done.stderr.count("\n") == 1, done.stderr
        error = json.loads(done.stderr)["error"]
        assert error["code"] == code and error["message"], error
        return error


@pytest.fixture
def shell(name: str, servers: Callable[[str], Server], tmp_path: Path) -> Iterator[Shell]:
    """A shell with a recorder in front of the server, which has nothing of it when it is gone."""
    server = servers(name)
    with Recorder(server.port) as recorder:
        yield Shell(EVERY_KIND[name], recorder.url(server.kind.path), tmp_path / "tether", recorder)
        expect_no_session(recorder)
    if name in TELLS:
        eventually(lambda: not any(left for what, left in server.state().items() if what != "watched"), "end of everything")


def expect_no_session(recorder: Recorder) -> None:
    """Every session that a server has handed out was ended, and is not there any more.

    One that comes with a refusal may be gone already (404).
    """
    begun = [e.response_headers.get("mcp-session-id") for e in recorder.everything if e.method == "POST"]
    gone = [e for e in recorder.everything if e.method == "DELETE" and e.status in (200, 202, 204, 404)]
    ended = [e.headers["mcp-session-id"] for e in gone]
    assert {session for session in begun if session} == set(ended)


def judged(report: str) -> dict[str, Any]:
    """The report of a check, held against its schema."""
    found = json.loads(report)
    SCHEMA.validate(found)
    assert [step["name"] for step in found["steps"]] == STEPS
    return found


def steps(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in report["steps"]}


@every_kind
def test_check(name: str, shell: Shell) -> None:
    report = judged(shell.says("check", "--json"))
    # rmcp announces that its lists change, and refuses to be listened to (404).
    warned = ["stream"] if name == "rmcp-dual" else []
    assert [step["name"] for step in report["steps"] if step["result"] == "warning"] == warned
    assert (report["result"], report["exitCode"]) == ("warning" if warned else "ok", 0), report
    assert "error" not in report and "authorization" not in report
    server = report["server"]
    assert server["name"] == shell.kind.server_name
    assert server["era"] == ("modern" if name in MODERN else "legacy")
    assert server["revision"] == ("2026-07-28" if name in MODERN else "2025-11-25")
    assert server["transport"] == ("http+sse" if name in SSE else "streamable-http")
    found = steps(report)
    for step in ("tcp", "http", "authorization", "era", "handshake", "tools", "end"):
        assert found[step]["result"] == "ok", found[step]
    assert found["authorization"]["state"] == "none" and found["tls"]["result"] == "skipped"
    assert found["tools"]["count"] >= 5
    assert sum(step.get("milliseconds", 0) for step in report["steps"]) <= report["milliseconds"] + 1

    table = shell.says("check")
    assert table.splitlines()[0] == shell.url and "works: " in table and "\x1b" not in table
    assert shell.says("check", "--quiet") == ""


@every_kind
def test_inspect_and_lists(name: str, shell: Shell) -> None:
    all_of_it = shell.tells("inspect")
    assert all_of_it["server"]["serverInfo"]["name"] == shell.kind.server_name
    assert all_of_it["era"] == ("modern" if name in MODERN else "legacy")
    assert all_of_it["transport"] == ("http+sse" if name in SSE else "streamable-http")
    names = [tool["name"] for tool in all_of_it["tools"]]
    assert {"echo", "get-sum"} <= set(names)
    assert [tool["name"] for tool in shell.tells("tools")["tools"]] == names
    echo = shell.tells("tools", "echo")
    assert echo["inputSchema"]["required"] == ["message"]
    shown = shell.says("inspect")
    assert shell.kind.server_name in shown and all(tool in shown for tool in names)
    if shell.kind.own and not name.startswith("rmcp"):
        assert all_of_it["server"]["instructions"] == f"Instructions of {shell.kind.server_name}"
        assert "interop://counter" in [resource["uri"] for resource in shell.tells("resources")["resources"]]
        assert "greet" in [prompt["name"] for prompt in shell.tells("prompts")["prompts"]]
        assert int(shell.says("read", "interop://counter")) >= 0
        assert "Hello, Zoë!" in shell.says("prompt", "greet", "name=Zoë")
        assert shell.says("complete", "--prompt", "greet", "name=A").split() == ["Ada", "Alan"]


@every_kind
def test_call(name: str, shell: Shell) -> None:
    assert shell.says("call", "echo", "message=é 日本語 😀") == "Echo: é 日本語 😀\n"
    assert shell.says("call", "get-sum", "a=2", "b=40") == "The sum of 2 and 40 is 42.\n"
    assert shell.says("call", "get-sum", "-", given='{"a": 2, "b": 40}') == "The sum of 2 and 40 is 42.\n"
    (content,) = shell.tells("call", "echo", "message=x")["content"]
    assert (content["type"], content["text"]) == ("text", "Echo: x")
    raw = json.loads(shell.says("call", "echo", "message=x", "--output", "raw"))
    assert raw["jsonrpc"] == "2.0" and raw["result"]["content"] == [content]
    # What is wrong is said before anything is called.
    assert shell.refused("call", "get-sum", "a=two", "b=40", code=1)["kind"] == "usage"
    assert shell.refused("call", "no-such-tool", code=1)["kind"] == "usage"
    if shell.kind.own and not name.startswith("rmcp"):
        done = shell.run("call", "fail", "message=as asked", "--json", code=5)
        assert json.loads(done.stdout)["isError"] and "as asked" in done.stdout
        assert json.loads(done.stderr)["error"]["kind"] == "tool_error"


@every_kind
def test_raw_and_ping(name: str, shell: Shell) -> None:
    listed = json.loads(shell.says("raw", "tools/list"))
    assert "echo" in [tool["name"] for tool in listed["tools"]]
    error = shell.refused("raw", "interop/no-such-method", code=5)
    assert error["kind"] == "server_error" and ("-32601" in error["message"] or "-32602" in error["message"])
    pings = shell.tells("ping", "--count", "2", "--interval", "1ms")
    assert pings["method"] == ("server/discover" if name in MODERN else "ping")
    assert len(pings["milliseconds"]) == 2 and 0 < pings["least"] <= pings["mean"] <= pings["most"]


@every_kind
def test_a_long_result_through_a_pipe(name: str, shell: Shell, tmp_path: Path) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(LONG))
    (tmp_path / "message").write_text(text)
    for form in ("text", "json"):
        # Whoever reads takes a while to begin, so that it has to wait for room in the pipe.
        done = subprocess.run(
            ["bash", "-c", 'set -o pipefail; "$@" | { sleep 0.5; cat; }', "bash"]
            + shell.command("call", "echo", f"message=@{tmp_path / 'message'}", "--output", form),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=shell.environment,
            timeout=2 * DEADLINE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        result = done.stdout.removesuffix("\n") if form == "text" else json.loads(done.stdout)["content"][0]["text"]
        assert result == f"Echo: {text}", f"{len(result)} of {LONG + 6} characters"


@pytest.mark.parametrize("name", sorted(TELLS - {"python-stateless-json"}))
def test_listen(name: str, shell: Shell, servers: Callable[[str], Server], tmp_path: Path) -> None:
    listening = subprocess.Popen(
        shell.command("listen", "--subscribe", "interop://counter", "--count", "1", "--json"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=shell.environment,
    )
    try:
        # Somebody else changes it until it is heard of.
        other = Shell(shell.kind, servers(name).url, tmp_path / "other")
        eventually(lambda: int(other.says("call", "touch")) and listening.poll() is not None, "a notification")
        out, err = listening.communicate(timeout=DEADLINE)
    finally:
        listening.kill()
    assert (listening.returncode, err, out.count("\n")) == (0, "", 1), out
    notification = json.loads(out)
    assert notification["method"] == "notifications/resources/updated"
    assert notification["params"]["uri"] == "interop://counter"


@pytest.mark.parametrize("name", ["everything", "everything-sse"])
def test_listen_to_the_reference_server(name: str, shell: Shell) -> None:
    uri = "demo://resource/dynamic/text/1"
    said = shell.says("listen", "--subscribe", uri, "--count", "1", "--duration", "60s", "--json")
    assert json.loads(said)["method"].startswith("notifications/")


@every_kind
def test_an_interrupted_command_leaves_nothing(name: str, shell: Shell) -> None:
    """Ctrl-C while it waits: the exit code says so, and the session is ended."""
    listening = subprocess.Popen(
        shell.command("listen"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=shell.environment,
    )
    try:
        assert shell.recorder is not None
        question = b'"server/discover"' if name in MODERN else b'"notifications/initialized"'
        shell.recorder.wait(
            lambda: [e for e in shell.recorder.everything if question in e.body and e.status], "handshake"
        )
        listening.send_signal(signal.SIGINT)
        out, err = listening.communicate(timeout=DEADLINE)
    finally:
        listening.kill()
    assert (listening.returncode, err) == (128 + signal.SIGINT, "")
    # Some servers say at once that their lists have changed.
    assert all(line.startswith("notifications/") for line in out.splitlines()), out


# Behind an authorization server -------------------------------------------------------------------


def report_of(done: Done, code: int) -> dict[str, Any]:
    assert done.returncode == code, done.stdout + done.stderr
    report = judged(done.stdout)
    assert report["exitCode"] == code
    return report


def test_check_of_a_protected_server(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    report = report_of(home.run("check", protected.url, "--json"), 3)
    found = steps(report)
    assert found["authorization"]["result"] == "failed" and found["authorization"]["state"] == "needed"
    assert f"mcp-tether login {protected.url}" in found["authorization"]["next"]
    assert found["handshake"]["result"] == "skipped"
    seen = report["authorization"]
    assert seen["issuer"] == authorization.issuer and seen["usable"] is True
    documents = {document["url"]: document.get("status") for document in seen["documents"]}
    resource = f"http://127.0.0.1:{protected.port}/.well-known/oauth-protected-resource/mcp"
    assert documents[resource] == 200
    assert [url for url, status in documents.items() if status == 200 and url.startswith(authorization.issuer)]
    # Nobody was asked, nothing was registered, and no session is there.
    assert not authorization.asked("/auth") and not authorization.asked("/reg")
    assert 200 not in protected.answers("initialize")

    table = home.run("check", protected.url)
    assert table.returncode == 3 and resource in table.stdout and "login" in table.stdout + table.stderr

    home.login(protected.url)
    done = home.run("check", protected.url, "--json")
    report = report_of(done, 0)
    assert done.stderr == "" and report["result"] in ("ok", "warning"), report
    assert steps(report)["authorization"]["state"] == "stored"
    assert report["server"]["name"] == "interop-protected" and "authorization" not in report
    assert not [secret for secret in authorization.secrets() if secret in done.stdout]


def test_check_signs_in_if_it_may(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    report = report_of(home.run("check", protected.url, "--login", "--json"), 0)
    assert steps(report)["authorization"]["state"] == "signed-in"
    assert len(authorization.asked("/auth")) == 1


def test_commands_of_a_protected_server(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    commands: Sequence[Sequence[str]] = [
        ("inspect",), ("tools",), ("call", "who"), ("raw", "tools/list"), ("ping", "--count", "1"), ("listen", "--count", "1"),
    ]
    for name, *words in commands:
        done = home.run(name, protected.url, *words, "--auth", "stored", "--json")
        assert (done.returncode, done.stdout) == (3, ""), (name, done)
        error = json.loads(done.stderr)["error"]
        assert (error["code"], error["kind"]) == (3, "unauthorized")
        assert f"mcp-tether login {protected.url}" in error["message"]
    assert not authorization.asked("/auth")

    # The first one that may opens the browser, and the others need none.
    done = home.run("call", protected.url, "who")
    assert (done.returncode, done.stdout) == (0, "ada\n"), done
    for name, *words in commands[:-1]:
        done = home.run(name, protected.url, *words, "--auth", "stored")
        assert (done.returncode, done.stderr) == (0, ""), (name, done)
    assert len(authorization.asked("/auth")) == 1
