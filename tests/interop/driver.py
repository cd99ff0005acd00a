"""The client command of the conformance suite: a stdio client with the bridge as its server.

The suite starts `driver.py legacy|modern <server-url>` and names the scenario in
`MCP_CONFORMANCE_SCENARIO`. The driver starts the bridge with that URL, does over its standard streams
what the scenario expects of a client, ends it by closing its stdin, and exits with 0 only if the bridge
did so too. A legacy client speaks 2025-11-25 with the bridge and a modern one 2026-07-28, whatever
revision the suite runs the scenario at.

To add a scenario, write a function of `Run` and enter it in SCENARIOS. A function may make its own
client (other capabilities, other flags for the bridge).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.home import Home  # noqa: E402
from support.modern_client import MODERN, ModernClient  # noqa: E402
from support.stdio_client import Answer, StdioClient  # noqa: E402

CLIENT_METADATA_URL = "https://conformance-test.local/client-metadata.json"
"""The only one that the suite's authorization servers know; nobody asks for it."""

UNAUTHORIZED = -31011
UNSUPPORTED_VERSION = -32022

DONE = "driver: all as expected"
"""Printed at a good end: the suite does not mind how a client ends that it expects to give up."""


@dataclass(frozen=True)
class Run:
    """What the suite told the driver."""

    modern: bool
    """Whether the client in front of the bridge is of 2026-07-28."""
    url: str
    scenario: str
    context: dict[str, Any]
    """Data of the scenario: identifiers, keys, tokens, calls."""

    @contextmanager
    def client(
        self, *flags: str, variables: dict[str, str] | None = None, **more: Any
    ) -> Iterator[StdioClient]:
        """Starts the bridge to the suite's server, with a new home and a browser that signs in at once."""
        if self.modern:
            # The suite's servers leave out what they think a client can do without.
            more |= {"make": ModernClient, "strict": False}
        with tempfile.TemporaryDirectory() as directory:
            with Home(Path(directory), **(variables or {})).bridge(self.url, *flags, **more) as client:
                yield client


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


def list_only(run: Run) -> None:
    """Lists the tools, which is all that this server has."""
    with run.client() as client:
        client.initialize()
        assert client.request("tools/list")["tools"]


def metadata(run: Run) -> None:
    """Lists the tools as a client that can do everything; the server refuses what it gets first."""
    with run.client(capabilities={"roots": {}, "sampling": {}, "elicitation": {}}) as client:
        hello = client.start_initialize().message()
        if run.modern and hello.get("error", {}).get("code") == UNSUPPORTED_VERSION:
            # What a modern client is refused it hears; like the SDKs it takes a version from the list.
            assert MODERN in hello["error"]["data"]["supported"]
            client.initialize()
        else:
            assert "result" in hello, hello
            client.greet()
        client.request("tools/list")


def every_list(run: Run) -> None:
    """Lists everything and uses one of each, so that every header is seen."""
    with run.client() as client:
        client.initialize()
        for tool in client.request("tools/list")["tools"]:
            client.start_tool(tool["name"]).result()
        for resource in client.request("resources/list")["resources"]:
            client.request("resources/read", {"uri": resource["uri"]})
        for prompt in client.request("prompts/list")["prompts"]:
            client.request("prompts/get", {"name": prompt["name"]})


def given_calls(run: Run) -> None:
    """Lists the tools and makes the calls that the suite hands out."""
    with run.client() as client:
        client.initialize()
        client.request("tools/list")
        for call in run.context["toolCalls"]:
            client.start_tool(call["name"], call["arguments"]).result()


def valid_tools(run: Run) -> None:
    """Only the tool that can be called is listed."""
    with run.client() as client:
        client.initialize()
        assert [tool["name"] for tool in client.request("tools/list")["tools"]] == ["valid_tool"]
        client.start_tool("valid_tool", {"region": "eu"}).result()


CONFIRMED = {"action": "accept", "content": {"confirmed": True}}


def rounds(run: Run) -> None:
    """Answers what tools ask for, with another call while a question is open."""
    ask = "elicitation/create"
    manual = {"manual": True} if run.modern else {}
    with run.client(capabilities={"elicitation": {"form": {}}}, **manual) as client:
        if not run.modern:
            regular = client._reply
            client._reply = lambda asked: None if asked["method"] == ask else regular(asked)  # type: ignore[method-assign]
        client.initialize()
        client.request("tools/list")

        def asked(call: Answer) -> Any:
            """Waits for the question of a call."""
            if isinstance(client, ModernClient):
                (request,) = call.result()["inputRequests"].items()
                return request[0]
            before = len(questions)
            questions.append(client.wait(lambda: client.server_requests[before:], "question")[0])
            assert questions[-1]["method"] == ask
            return questions[-1]["id"]

        def confirm(call: Answer, question: Any) -> None:
            """Answers it, and waits for the end of the call."""
            if isinstance(client, ModernClient):
                call = client.retry(call, {question: CONFIRMED})
            else:
                client.send({"jsonrpc": "2.0", "id": question, "result": CONFIRMED})
            assert call.result()["content"]

        questions: list[Any] = []
        first = client.start_tool("test_mrtr_echo_state")
        question = asked(first)
        client.start_tool("test_mrtr_unrelated").result()
        confirm(first, question)
        second = client.start_tool("test_mrtr_no_state")
        confirm(second, asked(second))
        client.start_tool("test_mrtr_no_result_type").result()


def use(client: StdioClient) -> None:
    """What the suite's own client does once it is signed in."""
    client.initialize()
    (tool,) = client.request("tools/list")["tools"]
    client.start_tool(tool["name"]).result()


def sign_in(run: Run) -> None:
    """Signs in as a client that nobody knows yet."""
    with run.client() as client:
        use(client)


def sign_in_with_metadata_document(run: Run) -> None:
    """Signs in with the URL of a Client ID Metadata Document."""
    with run.client("--client-metadata-url", CLIENT_METADATA_URL) as client:
        use(client)


def sign_in_as_known_client(run: Run) -> None:
    """Signs in with the identifier and the secret that the suite hands out."""
    secret = run.context["client_secret"]
    flags = ("--client-id", run.context["client_id"], "--client-secret", "env:CONFORMANCE_CLIENT_SECRET")
    with run.client(*flags, variables={"CONFORMANCE_CLIENT_SECRET": secret}) as client:
        use(client)


def sign_in_without_a_person(run: Run, grant: str, secrets: dict[str, str], *flags: str) -> None:
    """Signs in with a grant that needs nobody; each flag of `secrets` refers to a member of the context."""
    variables = {f"CONFORMANCE_{member.upper()}": run.context[member] for member in secrets.values()}
    references = (f"{flag}=env:CONFORMANCE_{member.upper()}" for flag, member in secrets.items())
    who = ("--grant", grant, "--client-id", run.context["client_id"])
    with run.client(*who, *references, *flags, variables=variables) as client:
        use(client)


def sign_in_by_secret(run: Run) -> None:
    """Signs in as the client itself, with the secret that the suite hands out."""
    sign_in_without_a_person(run, "client-credentials", {"--client-secret": "client_secret"})


def sign_in_by_key(run: Run) -> None:
    """Signs in as the client itself, with the key that the suite hands out."""
    algorithm = ("--signing-alg", run.context["signing_algorithm"])
    sign_in_without_a_person(run, "client-credentials", {"--private-key": "private_key_pem"}, *algorithm)


def sign_in_as_workload(run: Run) -> None:
    """Signs in with the assertion that the suite hands out."""
    sign_in_without_a_person(run, "jwt-bearer", {"--assertion": "valid_jwt"})


def sign_in_by_identity_provider(run: Run) -> None:
    """Signs in with the id token that the suite hands out, by way of its identity provider."""
    secrets = {"--client-secret": "client_secret", "--idp-id-token": "idp_id_token"}
    endpoint = ("--idp-token-endpoint", run.context["idp_token_endpoint"])
    client = ("--idp-client-id", run.context["idp_client_id"])
    sign_in_without_a_person(run, "enterprise", secrets, *endpoint, *client)


def refused(run: Run) -> None:
    """The sign-in must not succeed; the client is told so and the bridge lives on."""
    with run.client() as client:
        expect_unauthorized(client.start_initialize().message())


def never_enough(run: Run) -> None:
    """No scope is ever enough; after some attempts the client is told so."""
    with run.client() as client:
        hello = client.start_initialize().message()
        if "error" in hello:
            # A stateless server asks for the scope at the first request already.
            expect_unauthorized(hello)
        else:
            client.greet()
            expect_unauthorized(client.start("tools/list").message())


def expect_unauthorized(message: dict[str, Any]) -> None:
    error = message.get("error")
    assert error is not None and error["code"] == UNAUTHORIZED, message
    assert error["data"]["kind"] == "unauthorized", message


SCENARIOS: dict[str, Callable[[Run], None]] = {
    "request-metadata": metadata,
    "http-standard-headers": every_list,
    "http-custom-headers": given_calls,
    "http-invalid-tool-headers": valid_tools,
    "json-schema-ref-no-deref": list_only,
    "sep-2322-client-request-state": rounds,
    "initialize": tools,
    "tools_call": tools,
    "sse-retry": call_without_arguments,
    "elicitation-sep1034-client-defaults": elicitation_defaults,
    "json-schema-2020-12-preservation": schema_echo,
    "auth/2025-03-26-oauth-endpoint-fallback": sign_in,
    "auth/2025-03-26-oauth-metadata-backcompat": sign_in,
    "auth/authorization-server-migration": sign_in,
    "auth/basic-cimd": sign_in_with_metadata_document,
    "auth/client-credentials-basic": sign_in_by_secret,
    "auth/client-credentials-jwt": sign_in_by_key,
    "auth/dpop": sign_in,
    "auth/dpop-nonce": sign_in,
    "auth/enterprise-managed-authorization": sign_in_by_identity_provider,
    "auth/iss-normalized": refused,
    "auth/iss-not-advertised": sign_in,
    "auth/iss-supported": sign_in,
    "auth/iss-supported-missing": refused,
    "auth/iss-unexpected": refused,
    "auth/iss-wrong-issuer": refused,
    "auth/metadata-default": sign_in,
    "auth/metadata-issuer-mismatch": refused,
    "auth/metadata-var1": sign_in,
    "auth/metadata-var2": sign_in,
    "auth/metadata-var3": sign_in,
    "auth/offline-access-not-supported": sign_in,
    "auth/offline-access-scope": sign_in,
    "auth/pre-registration": sign_in_as_known_client,
    "auth/resource-mismatch": refused,
    "auth/scope-from-scopes-supported": sign_in,
    "auth/scope-from-www-authenticate": sign_in,
    "auth/scope-omitted-when-undefined": sign_in,
    "auth/scope-retry-limit": never_enough,
    "auth/scope-step-up": sign_in,
    "auth/token-endpoint-auth-basic": sign_in,
    "auth/token-endpoint-auth-none": sign_in,
    "auth/token-endpoint-auth-post": sign_in,
    "auth/wif-jwt-bearer": sign_in_as_workload,
}


def main() -> int:
    dialect, url = sys.argv[1:]
    run = Run(
        modern={"legacy": False, "modern": True}[dialect],
        url=url,
        scenario=os.environ["MCP_CONFORMANCE_SCENARIO"],
        context=json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")),
    )
    scenario = SCENARIOS.get(run.scenario)
    if scenario is None:
        print(f"driver: no function for the scenario {run.scenario}", file=sys.stderr)
        return 2
    scenario(run)
    print(DONE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
