"""The client command of the conformance suite: a stdio client with the bridge as its server.

The suite starts `driver.py <server-url>` and names the scenario in `MCP_CONFORMANCE_SCENARIO`. The
driver starts the bridge with that URL, does over its standard streams what the scenario expects of
a client, ends it by closing its stdin, and exits with 0 only if the bridge did so too.

To add a scenario, write a function of `Run` and enter it in SCENARIOS. A function may make its own
client (other capabilities, another environment for the bridge, another revision).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.paths import bridge_command  # noqa: E402
from support.stdio_client import LATEST, StdioClient  # noqa: E402


@dataclass(frozen=True)
class Run:
    """What the suite told the driver."""

    url: str
    scenario: str
    version: str
    """The revision that the suite runs the scenario at."""
    context: dict[str, Any]
    """Data of the scenario: identifiers, keys, tokens."""

    def client(self, **more: Any) -> StdioClient:
        """Starts the bridge to the suite's server."""
        return StdioClient([*bridge_command(), self.url], **more)


def tools(run: Run) -> None:
    """Lists the tools and calls the first one."""
    with run.client() as client:
        client.initialize()
        for tool in client.request("tools/list")["tools"][:1]:
            client.start_tool(tool["name"], {"a": 2, "b": 3}).result()


def call_without_arguments(run: Run) -> None:
    """Lists the tools and calls the first one, whose stream the server closes."""
    with run.client() as client:
        client.initialize()
        (tool,) = client.request("tools/list")["tools"]
        client.start_tool(tool["name"]).result()


def elicitation_defaults(run: Run) -> None:
    """Answers an elicitation with the defaults of its schema, as a host does for a silent user."""

    def elicit(params: dict[str, Any]) -> dict[str, Any]:
        fields = params["requestedSchema"]["properties"]
        defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
        return {"action": "accept", "content": defaults}

    with run.client(capabilities={"elicitation": {"form": {}}}, handlers={"elicitation/create": elicit}) as client:
        client.initialize()
        client.request("tools/list")
        client.start_tool("test_client_elicitation_defaults").result()


def schema_echo(run: Run) -> None:
    """Sends a tool's input schema back as it arrived."""
    with run.client() as client:
        client.initialize()
        listed = {tool["name"]: tool for tool in client.request("tools/list")["tools"]}
        schema = listed["json_schema_2020_12_tool"]["inputSchema"]
        client.start_tool("json_schema_echo", {"schema": schema}).result()


SCENARIOS: dict[str, Callable[[Run], None]] = {
    "initialize": tools,
    "tools_call": tools,
    "sse-retry": call_without_arguments,
    "elicitation-sep1034-client-defaults": elicitation_defaults,
    "json-schema-2020-12-preservation": schema_echo,
}


def main() -> int:
    run = Run(
        url=sys.argv[-1],
        scenario=os.environ["MCP_CONFORMANCE_SCENARIO"],
        version=os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", LATEST),
        context=json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")),
    )
    scenario = SCENARIOS.get(run.scenario)
    if scenario is None:
        print(f"driver: no function for the scenario {run.scenario}", file=sys.stderr)
        return 2
    scenario(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
