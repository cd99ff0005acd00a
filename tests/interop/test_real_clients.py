"""What `mcp-tether install` writes is read by the clients that it is written for, and they get to the server.

Each client runs offline in an empty home. What it would write itself for the same command line is compared
with what we write, so that a change of its form is noticed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.paths import NODE, NODE_MODULES, REAL_CLIENTS, bridge_command
from support.stdio_client import DEADLINE, eventually


def platform_binary(folder: str, name: str) -> Path:
    """The native program in the package for this system, which a script would only look for."""
    found = [path for path in REAL_CLIENTS.glob(folder) if path.is_file() and path.name == name]
    assert found, f"{name} is not in {REAL_CLIENTS}/{folder}: run setup"
    return found[0]


class Person:
    """Somebody with an empty home who uses clients."""

    def __init__(self, directory: Path, demo: str) -> None:
        self.home, self.url = directory / "home", demo
        self.project = self.home / "project"
        self.project.mkdir(parents=True)
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{NODE.resolve().parent}:{os.environ['PATH']}",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "MCP_TETHER_HOME": str(self.home / "tether"),
            # What would send something somewhere, or ask.
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "GEMINI_TELEMETRY_ENABLED": "false",
            "MCP_INSPECTOR_SECRET_STORE": "memory",
        }

    def run(self, *words: str | Path, errors: bool = False) -> str:
        """Runs a program to its end, which must be a success; its stdout, or its stderr."""
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.project,
            env=self.environment,
            timeout=4 * DEADLINE,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stderr if errors else done.stdout)

    def tether(self, *words: str) -> str:
        return self.run(*bridge_command(), *words)

    def install(self, client: str, *more: str) -> None:
        self.tether("install", self.url, "--client", client, "--name", "tether", "--force", *more)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a demo server."""
    said = tmp_path_factory.mktemp("demo") / "said"
    with said.open("wb") as file:
        process = subprocess.Popen([*bridge_command(), "demo", "--port", "0"], stdin=subprocess.DEVNULL, stderr=file)
    try:
        yield eventually(lambda: re.search(r"http://\S+/mcp", said.read_text()), "URL of the demo server")[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=DEADLINE)


@pytest.fixture
def person(tmp_path: Path, demo: str) -> Person:
    return Person(tmp_path, demo)


def entry(text: str, section: str) -> dict[str, Any]:
    return json.loads(text)[section]["tether"]


def test_claude_code(person: Person) -> None:
    claude = platform_binary("@anthropic-ai/claude-code-*/claude", "claude")
    person.install("claude-code")
    assert re.search(r"^tether: .*Connected$", person.run(claude, "mcp", "list"), re.MULTILINE)
    got = person.run(claude, "mcp", "get", "tether")
    assert "Connected" in got and "Scope: User config" in got and person.url in got
    # It has put things of its own into the file by now; ours and theirs stay.
    file = person.home / ".claude.json"
    ours, before = entry(file.read_text(), "mcpServers"), json.loads(file.read_text())
    person.run(claude, "mcp", "remove", "tether", "-s", "user")
    person.run(claude, "mcp", "add", "-s", "user", "tether", "--", ours["command"], *ours["args"])
    theirs = entry(file.read_text(), "mcpServers")
    assert {name: value for name, value in theirs.items() if value != {}} == ours
    person.tether("uninstall", "tether", "--client", "claude-code")
    left = json.loads(file.read_text())
    assert left.pop("mcpServers") == {}
    before.pop("mcpServers")
    assert left.keys() >= before.keys()
    # In a project a person has to agree first; the entry is found.
    person.install("claude-code", "--project")
    assert "tether" in person.run(claude, "mcp", "list")
    assert "Scope: Project config" in person.run(claude, "mcp", "get", "tether")


def test_claude_code_keeps_what_a_migration_keeps(person: Person) -> None:
    claude = platform_binary("@anthropic-ai/claude-code-*/claude", "claude")
    person.run(claude, "mcp", "add", "-s", "user", "tether", "-e", "A=b", "--", "npx", "-y", "mcp-remote", person.url)
    person.tether("migrate", "--client", "claude-code", "--yes")
    got = person.run(claude, "mcp", "get", "tether")
    assert "Connected" in got and "A=b" in got and "npx" not in got


def test_codex(person: Person) -> None:
    codex = platform_binary("@openai/codex-*/vendor/*/bin/codex", "codex")
    file = person.home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text("# mine\nmodel = 'm' # which\n\n[profiles.fast]\nmodel = 'f'\n")
    person.install("codex", "--header", "X-Team: a b")
    [found] = json.loads(person.run(codex, "mcp", "list", "--json"))
    transport = found["transport"]
    assert (found["name"], found["enabled"], transport["type"]) == ("tether", True, "stdio")
    assert transport["args"] == [person.url, "--header", "X-Team: a b"]
    ours = tomllib.loads(file.read_text())["mcp_servers"]["tether"]
    person.run(codex, "mcp", "add", "theirs", "--", ours["command"], *ours["args"])
    assert tomllib.loads(file.read_text())["mcp_servers"]["theirs"] == ours
    person.tether("uninstall", "tether", "--client", "codex")
    assert [server["name"] for server in json.loads(person.run(codex, "mcp", "list", "--json"))] == ["theirs"]
    assert file.read_text().startswith("# mine\nmodel = 'm' # which\n\n[profiles.fast]\n")


def test_gemini(person: Person) -> None:
    gemini = REAL_CLIENTS / "@google" / "gemini-cli" / "bundle" / "gemini.js"
    file = person.home / ".gemini" / "settings.json"
    file.parent.mkdir()
    file.write_text('{\n  // mine\n  "general": { "enableAutoUpdate": false }\n}\n')
    person.install("gemini")
    mine = '{\n  // mine\n  "general": { "enableAutoUpdate": false },\n'
    assert file.read_text().startswith(mine)
    said = person.run(NODE, gemini, "mcp", "list", errors=True)
    assert re.search(r"tether: .* \(stdio\) - Connected$", said, re.MULTILINE), said
    ours = json.loads(file.read_text().replace("// mine", ""))["mcpServers"]["tether"]
    person.run(NODE, gemini, "mcp", "add", "-s", "user", "theirs", ours["command"], *ours["args"])
    assert json.loads(file.read_text().replace("// mine", ""))["mcpServers"]["theirs"] == ours


def test_the_inspector(person: Person) -> None:
    inspector = NODE_MODULES / ".bin" / "mcp-inspector"
    person.install("cursor")
    file = person.home / ".cursor" / "mcp.json"

    def tools() -> list[str]:
        words = ("--cli", "--config", file, "--server", "tether", "--method", "tools/list")
        return [tool["name"] for tool in json.loads(person.run(NODE, inspector, *words))["tools"]]

    assert "echo" in eventually(tools, "tools")
