"""Real stdio clients with the bridge as their command."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import mcp.types as types
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from support.paths import HERE, NODE, NODE_MODULES, bridge_command
from support.stdio_client import DEADLINE

INSPECTOR = NODE_MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"


def inspect(url: str, home: Path, *arguments: str) -> dict[str, Any]:
    """Runs the Inspector's CLI with the bridge as its command, and gives the result it prints."""
    done = subprocess.run(
        [NODE, INSPECTOR, "--cli", *bridge_command(), url, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=2 * DEADLINE,
        check=False,
        # Its catalogue and settings stay away from the home of whoever runs the tests.
        env={**os.environ, "HOME": str(home), "NO_COLOR": "1"},
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["everything", "typescript", "python", "rmcp"])
def test_inspector_lists_and_calls_tools(name: str, servers: Any, tmp_path: Path) -> None:
    url = servers(name).url
    tools = inspect(url, tmp_path, "--method", "tools/list")["tools"]
    assert {"echo", "get-sum"} <= {tool["name"] for tool in tools}
    called = inspect(
        url, tmp_path, "--method", "tools/call", "--tool-name", "get-sum", "--tool-arg", "a=20", "b=22"
    )
    assert called["content"][0]["text"] == "The sum of 20 and 22 is 42."


def test_inspector_lists_resources_and_prompts(servers: Any, tmp_path: Path) -> None:
    url = servers("everything").url
    assert inspect(url, tmp_path, "--method", "resources/list")["resources"]
    prompts = inspect(url, tmp_path, "--method", "prompts/list")["prompts"]
    assert "simple-prompt" in {prompt["name"] for prompt in prompts}
    uri = "demo://resource/dynamic/text/1"
    (content,) = inspect(url, tmp_path, "--method", "resources/read", "--uri", uri)["contents"]
    assert content["uri"] == uri


@pytest.mark.parametrize("name", ["typescript", "python"])
def test_typescript_sdk_client(name: str, servers: Any) -> None:
    done = subprocess.run(
        [NODE, HERE / "clients" / "typescript-1.mjs", *bridge_command(), servers(name).url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    got = json.loads(done.stdout)
    assert got["server"]["name"] == f"interop-{name}"
    assert "echo" in got["tools"]
    assert got["echoes"] == [f"Echo: {n}" for n in range(10)]
    assert got["paced"] == "paced: typescript-client"
    assert got["progress"] == [1, 2, 3]
    assert got["asked"] == "accept: Ada"
    assert got["cancelled"] == "cancelled"
    assert got["announced"] is True
    assert got["error"] in (-32601, -32602)
    assert got["errors"] == []


@pytest.mark.parametrize("name", ["typescript", "python", "everything"])
def test_python_sdk_client(name: str, servers: Any) -> None:
    anyio.run(_python_sdk_client, name, servers(name).url)


async def _python_sdk_client(name: str, url: str) -> None:
    problems: list[Exception] = []
    announced = anyio.Event()

    async def elicit(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def on_message(message: Any) -> None:
        if isinstance(message, Exception):
            problems.append(message)
        elif isinstance(message, types.ServerNotification):
            if isinstance(message.root, types.ToolListChangedNotification):
                announced.set()

    command, *arguments = [*bridge_command(), url]
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with stdio_client(server) as streams:
        async with ClientSession(
            *streams,
            read_timeout_seconds=timedelta(seconds=DEADLINE),
            elicitation_callback=elicit,
            message_handler=on_message,
        ) as session:
            await session.initialize()
            steps: list[float] = []

            async def on_progress(step: float, total: float | None, message: str | None) -> None:
                steps.append(step)

            tools = await session.list_tools()
            assert {"echo", "get-sum"} <= {tool.name for tool in tools.tools}

            async def echo(number: int) -> None:
                result = await session.call_tool("echo", {"message": str(number)})
                assert result.content[0].text == f"Echo: {number}"

            async with anyio.create_task_group() as group:
                for number in range(10):
                    group.start_soon(echo, number)
            long = await session.call_tool(
                "trigger-long-running-operation", {"duration": 0.5, "steps": 3}, progress_callback=on_progress
            )
            assert not long.isError and steps == [1, 2, 3]
            await session.send_ping()
            if name != "everything":
                assert (await session.call_tool("ask")).content[0].text == "accept: Ada"
                await session.call_tool("announce")
                with anyio.fail_after(DEADLINE):
                    await announced.wait()
    assert problems == []
