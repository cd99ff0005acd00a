"""Configurations of mcp-remote, with the program replaced and nothing else.

Every invocation is run under mcp-remote itself and under the bridge, against a server that keeps what it is
asked, and what the two ask is compared. Where they differ on purpose, docs/migrating.md says so and a test here
does too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser, Page
from support.home import Home
from support.paths import NODE, NODE_MODULES, bridge_command
from support.remote import TOOLS, Remote, Request
from support.stdio_client import DEADLINE, StdioClient, eventually

MCP_REMOTE = str(NODE_MODULES / "mcp-remote" / "dist" / "proxy.js")
SIGN_IN = {
    "mcp-remote": re.compile(r"Please authorize this client by visiting:\s+(\S+)"),
    "mcp-tether": re.compile(r"to sign in to \S+ open this URL: (\S+)"),
}
OPENERS = ("xdg-open", "gio", "x-www-browser", "sensible-browser")


@dataclass
class Run:
    """What became of one invocation."""

    asked: list[Request]
    page: Page | None = None
    """Where the person ended who signed in."""
    code: int | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    logged: str = ""

    def of(self, path: str, method: str | None = None) -> list[Request]:
        return [request for request in self.asked if request.path == path and method in (None, request.method)]

    def mcp(self, rpc: str) -> list[Request]:
        """The requests with a JSON-RPC method that the client asked for, or that one of ours asks at first."""
        return [request for request in self.asked if request.path in ("/mcp", "/messages") and request.rpc == rpc]

    def authorize(self) -> dict[str, str]:
        (request,) = self.of("/authorize")
        return request.query

    def token(self) -> Request:
        (request,) = self.of("/token")
        return request


class Both:
    """Runs an invocation under both bridges."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def environment(self, name: str, **variables: str) -> dict[str, str]:
        """That of one of them, which has a home of its own that lasts as long as the test."""
        directory = self.directory / name
        # Nothing that is found first in PATH opens a window; the person reads the URL on stderr.
        stubs = directory / "bin"
        if not stubs.exists():
            stubs.mkdir(parents=True)
            for opener in OPENERS:
                (stubs / opener).symlink_to("/bin/true")
        usual = {
            "BROWSER": "true",
            "PATH": f"{stubs}:{os.environ['PATH']}",
            "MCP_REMOTE_CONFIG_DIR": str(directory / "mcp-auth"),
        }
        return Home(directory, **(usual | variables)).environment

    @contextmanager
    def client(self, name: str, *words: str, **variables: str) -> Iterator[StdioClient]:
        """A client before one of them."""
        ours = [*bridge_command(), *words, "--store", "file"]
        command = ours if name == "mcp-tether" else [str(NODE), MCP_REMOTE, *words]
        client = StdioClient(command, env=self.environment(name, **variables))
        try:
            yield client
        finally:
            client.kill()

    def one(
        self, name: str, remote: Remote, *words: str, calls: tuple[str, ...] = (), idle: float = 0.0, **variables: str
    ) -> Run:
        """Handshake, list, calls, end; the person signs in if there is something to open."""
        remote.forget()
        run = Run([])
        with self.client(name, *words, **variables) as client:
            hello = client.start_initialize()

            def signed_in() -> bool:
                found = SIGN_IN[name].search(client.logged())
                if found and run.page is None:
                    run.page = Browser().visit(found[1])
                assert client.process.poll() is None, client.stderr()
                return hello.arrived()

            eventually(signed_in, f"handshake of {name}")
            hello.result()
            client.greet()
            client.request("tools/list")
            for tool in calls:
                client.start_tool(tool).message()
            if idle:
                eventually(lambda: remote_pings(remote), "ping", idle)
            client.close()
            run.code, run.logged = client.process.returncode, client.logged()
            run.lines = [json.loads(line) for line in client.lines]
        run.asked = remote.asked()
        return run

    def run(self, remote: Remote, *words: str, **more: Any) -> tuple[Run, Run]:
        """mcp-remote's and ours."""
        theirs = self.one("mcp-remote", remote, *words, **more)
        ours = self.one("mcp-tether", remote, *words, **more)
        assert theirs.code == ours.code == 0
        return theirs, ours

    def refused(self, *words: str, **variables: str) -> tuple[int, int]:
        """The exit codes of an invocation that neither takes."""
        with (
            self.client("mcp-remote", *words, **variables) as theirs,
            self.client("mcp-tether", *words, **variables) as ours,
        ):
            return theirs.process.wait(DEADLINE), ours.process.wait(DEADLINE)


def remote_pings(remote: Remote) -> list[Request]:
    return [request for request in remote.asked() if request.rpc == "ping"]


def joined(value: object) -> str | None:
    """The name of a case: its words."""
    return " ".join(value) if isinstance(value, tuple) else None


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


# Without sign-in ------------------------------------------------------------------------------


def test_nothing_but_a_url(both: Both) -> None:
    with Remote() as remote:
        theirs, ours = both.run(remote, remote.url)
        assert theirs.mcp("tools/list") and ours.mcp("tools/list")
        # Documented: a server is asked once of which era it is. Theirs tries the connection out beforehand.
        assert not theirs.mcp("server/discover") and len(ours.mcp("server/discover")) == 1
        assert len(theirs.mcp("initialize")) >= len(ours.mcp("initialize")) == 1
        assert not remote_pings(remote)
        assert len(ours.logged.splitlines()) == 1 and theirs.logged


@pytest.mark.parametrize(
    "words",
    [
        ("--header", "Authorization: Bearer ${AUTH_TOKEN}"),
        ("--header", "Authorization:${AUTH_HEADER}"),
        ("--header-file", "headers.txt"),
    ],
)
def test_headers(both: Both, tmp_path: Path, words: tuple[str, str]) -> None:
    file = tmp_path / "headers.txt"
    file.write_text(
        "# credentials for the example server\nAuthorization: Bearer fake-token\nX-Custom-Header: custom-value\n"
    )
    words = (words[0], str(file)) if words[0] == "--header-file" else words
    with Remote() as remote:
        runs = both.run(remote, remote.url, *words, AUTH_TOKEN="fake-token", AUTH_HEADER="Bearer fake-token")
        for run in runs:
            for request in run.of("/mcp"):
                assert request.headers["authorization"] == "Bearer fake-token", request
                assert ("x-custom-header" in request.headers) == (words[0] == "--header-file")
        # With a file, what is in the list of processes tells nobody.
        assert "fake-token" not in runs[1].logged


def test_a_file_of_headers_that_is_not_there(both: Both) -> None:
    assert both.refused("http://127.0.0.1:9/mcp", "--header-file", "/nowhere/headers.txt") == (1, 1)


def test_a_variable_that_is_not_set_is_an_error_here(both: Both) -> None:
    """Documented: theirs sends the text as it stands or an empty one, ours nothing at all."""
    words = ("--header", "X-Key: ${FAKE_UNSET}")
    with Remote() as remote:
        theirs = both.one("mcp-remote", remote, remote.url, *words)
        assert all("x-key" in request.headers for request in theirs.mcp("initialize"))
        remote.forget()
        with both.client("mcp-tether", remote.url, *words) as client:
            assert client.process.wait(DEADLINE) == 1
            assert "FAKE_UNSET" in client.logged()
        assert not remote.asked()


@pytest.mark.parametrize(
    "patterns", [("delete*",), ("*account",), ("exactTool",), ("delete*", "get*")], ids=joined
)
def test_tools_are_ignored(both: Both, patterns: tuple[str, ...]) -> None:
    words = [word for pattern in patterns for word in ("--ignore-tool", pattern)]
    with Remote() as remote:
        theirs, ours = both.run(remote, remote.url, *words, calls=TOOLS)

        def listed(run: Run) -> list[str]:
            return [tool["name"] for line in run.lines for tool in line.get("result", {}).get("tools", [])]

        def called(run: Run) -> list[str]:
            return [request.json["params"]["name"] for request in run.mcp("tools/call")]

        assert listed(ours) == listed(theirs) == called(ours) == called(theirs)
        assert 0 < len(listed(ours)) < len(TOOLS)


@pytest.mark.parametrize(
    ("strategy", "server", "first"),
    [
        ("http-first", "both", "POST"),
        ("http-first", "sse", "POST"),
        ("sse-first", "both", "GET"),
        ("sse-first", "http", "GET"),
        ("http-only", "http", "POST"),
        ("sse-only", "both", "GET"),
    ],
)
def test_transports(both: Both, strategy: str, server: str, first: str) -> None:
    with Remote(http=server != "sse", sse=server != "http") as remote:
        for run in both.run(remote, remote.url, "--transport", strategy):
            # mcp-remote looks for a challenge with a GET before it begins, which is not for a stream alone.
            order = [
                request.method
                for request in run.of("/mcp")
                if request.rpc == "initialize" or request.headers["accept"] == "text/event-stream"
            ]
            assert order[0] == first, order
            over_sse = bool(run.of("/messages"))
            assert over_sse == (server == "sse" or (server == "both" and first == "GET"))


@pytest.mark.parametrize(("strategy", "server"), [("http-only", "sse"), ("sse-only", "http")])
def test_a_transport_that_the_server_does_not_have(both: Both, strategy: str, server: str) -> None:
    with Remote(http=server != "sse", sse=server != "http") as remote:
        with both.client("mcp-remote", remote.url, "--transport", strategy) as client:
            client.start_initialize()
            assert client.process.wait(DEADLINE) == 1
        # Ours answers the client, whatever happens.
        with both.client("mcp-tether", remote.url, "--transport", strategy) as client:
            assert "error" in client.start_initialize().message()


@pytest.mark.parametrize(
    ("words", "comes_back"), [((), True), (("--disable-cookies",), False), (("--header", "Cookie: mine=1"), False)]
)
def test_cookies(both: Both, words: tuple[str, ...], comes_back: bool) -> None:
    with Remote(cookie="AWSALB=fake-node; Path=/") as remote:
        for run in both.run(remote, remote.url, *words):
            (request,) = run.mcp("tools/list")
            expected = "AWSALB=fake-node" if comes_back else None
            assert request.headers.get("cookie") == (expected or ("mine=1" if "--header" in words else None))


def test_a_quiet_connection_is_kept(both: Both) -> None:
    with Remote() as remote:
        for name in ("mcp-remote", "mcp-tether"):
            run = both.one(name, remote, remote.url, "--keep-alive", "--ping-interval", "1", idle=DEADLINE)
            assert run.mcp("ping")


def test_the_proxy(both: Both) -> None:
    """Documented: the variables are honoured with the flag or without."""
    with Remote() as proxy:
        target = "http://mcp.example.com/mcp"
        for name, words, used in [
            ("mcp-remote", ["--enable-proxy"], True),
            ("mcp-remote", [], False),
            ("mcp-tether", ["--enable-proxy"], True),
            ("mcp-tether", [], True),
        ]:
            proxy.forget()
            variables = {"HTTP_PROXY": proxy.origin, "http_proxy": proxy.origin, "NO_PROXY": "localhost,127.0.0.1"}
            with both.client(name, target, "--allow-http", *words, **variables) as client:
                client.start_initialize()
                if used:
                    eventually(proxy.asked, f"{name} at the proxy")
                    assert all(
                        request.method == "CONNECT" or request.target.startswith("http") for request in proxy.asked()
                    )
                elif name == "mcp-remote":
                    client.process.wait(DEADLINE)
                    assert not proxy.asked()


def test_http_is_for_this_machine(both: Both) -> None:
    assert both.refused("http://mcp.example.com/mcp") == (1, 1)


def test_logs(both: Both) -> None:
    with Remote() as remote:
        theirs, ours = both.run(remote, remote.url, "--silent")
        assert theirs.logged == "" or "Silent mode" in theirs.logged
        assert ours.logged == ""
        theirs, ours = both.run(remote, remote.url, "--debug", "--header", "Authorization: Bearer fake-secret-1")
        # Documented: into a file of its own there, on stderr here.
        assert list((both.directory / "mcp-remote" / "mcp-auth").rglob("*_debug.log"))
        assert "initialize" in ours.logged and "fake-secret-1" not in ours.logged


@pytest.mark.parametrize(("mode", "asks"), [("legacy", False), ("auto", True)])
def test_eras(both: Both, mode: str, asks: bool) -> None:
    with Remote() as remote:
        for run in both.run(remote, remote.url, "--protocol", mode):
            assert bool(run.mcp("server/discover")) == asks and run.mcp("initialize")


def test_timeouts_and_addresses(both: Both) -> None:
    words = "--connect-timeout 30 --headers-timeout 300 --body-timeout 0 --ipv4 --auth-timeout 60".split()
    with Remote() as remote:
        for run in both.run(remote, f"http://localhost:{remote.port}/mcp", *words):
            assert run.mcp("tools/list")


# With sign-in ---------------------------------------------------------------------------------

PER_REQUEST = {"state", "code_challenge", "client_id"}


def signed_in(theirs: Run, ours: Run, *, differ: frozenset[str] = frozenset()) -> None:
    """What any sign-in has in common, but for parameters that are different for a reason."""
    for run in (theirs, ours):
        assert run.page is not None and run.page.status == 200
        query, form = run.authorize(), run.token().form
        assert query["code_challenge_method"] == "S256" and query["response_type"] == "code"
        assert form["grant_type"] == "authorization_code" and form["code_verifier"]
        assert form["redirect_uri"] == query["redirect_uri"]
        (listing,) = run.mcp("tools/list")
        assert listing.headers["authorization"].startswith("Bearer ")

    def comparable(query: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in query.items() if name not in PER_REQUEST | differ}

    assert comparable(ours.authorize()) == comparable(theirs.authorize())
    of_token = {"code", "code_verifier", "client_id", "client_secret", *differ}
    assert {name: value for name, value in ours.token().form.items() if name not in of_token} == {
        name: value for name, value in theirs.token().form.items() if name not in of_token
    }


ANY_PORT = frozenset({"redirect_uri"})


def test_a_sign_in(both: Both) -> None:
    with Remote(protected=True) as remote:
        theirs, ours = both.run(remote, remote.url)
        signed_in(theirs, ours, differ=ANY_PORT)
        assert ours.authorize()["resource"] == remote.url and ours.authorize()["scope"] == "a b"
        # Documented: a port that is free, or the one that is asked for.
        for run in (theirs, ours):
            assert re.fullmatch(r"http://(localhost|127\.0\.0\.1):\d+/.*", run.authorize()["redirect_uri"])
        members = {"redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method", "client_name"}
        for run in (theirs, ours):
            (registration,) = run.of("/register")
            assert members <= registration.json.keys()
            assert registration.json["token_endpoint_auth_method"] == "none"
            assert registration.json["redirect_uris"] == [run.authorize()["redirect_uri"]]
            assert registration.json["grant_types"] == ["authorization_code", "refresh_token"]
            assert registration.json["scope"] == "a b"
        # Nobody is asked twice.
        remote.forget()
        theirs, ours = both.run(remote, remote.url)
        assert theirs.page is ours.page is None


PORT = 19_117
"""Below the ports that the system or a test takes for something else."""


@pytest.mark.parametrize(
    ("words", "redirect"),
    [
        ((str(PORT),), f"http://localhost:{PORT}/oauth/callback"),
        ((str(PORT), "--host", "127.0.0.1"), f"http://127.0.0.1:{PORT}/oauth/callback"),
        (("--callback-path", "/custom/callback"), None),
    ],
    ids=joined,
)
def test_where_the_browser_comes_back(both: Both, words: tuple[str, ...], redirect: str | None) -> None:
    with Remote(protected=True) as remote:
        theirs, ours = both.run(remote, remote.url, *words)
        signed_in(theirs, ours, differ=frozenset() if redirect else ANY_PORT)
        for run in (theirs, ours):
            found = run.authorize()["redirect_uri"]
            assert found == redirect or (redirect is None and found.endswith("/custom/callback"))


@pytest.mark.parametrize(
    "words",
    [
        ("--resource", "https://tenant1.example.net/"),
        ("--disable-resource-parameter",),
        ("--authorize-param", "access_type=offline", "--authorize-param", "prompt=consent"),
        ("--authorize-param", "audience=https://your-api.example", "--authorize-param", "login_hint=user@example.com"),
    ],
    ids=joined,
)
def test_parameters_of_a_sign_in(both: Both, words: tuple[str, ...]) -> None:
    with Remote(protected=True) as remote:
        theirs, ours = both.run(remote, remote.url, *words)
        signed_in(theirs, ours, differ=ANY_PORT)
        resource = {"--resource": words[-1], "--disable-resource-parameter": None}.get(words[0], remote.url)
        assert ours.authorize().get("resource") == ours.token().form.get("resource") == resource
        for pair in words[1::2] if words[0] == "--authorize-param" else ():
            name, value = pair.split("=", 1)
            assert ours.authorize()[name] == value and name not in ours.token().form


def test_a_parameter_that_is_not_to_be_given(both: Both) -> None:
    assert both.refused("http://127.0.0.1:9/mcp", "--authorize-param", "state=x") == (1, 1)


def test_a_document_as_client_id(both: Both) -> None:
    document = "https://client.example.com/.well-known/oauth-client-metadata"
    words = (str(PORT), "--client-metadata-url", document)
    with Remote(protected=True, documents=True) as remote:
        theirs, ours = both.run(remote, remote.url, *words)
        signed_in(theirs, ours)
        for run in (theirs, ours):
            assert run.authorize()["client_id"] == document and not run.of("/register")
    with Remote(protected=True) as remote:
        # A server that knows nothing of it is registered with.
        for run in both.run(remote, remote.url, *words):
            assert run.of("/register") and run.authorize()["client_id"] != document


def test_an_id_token_as_bearer(both: Both) -> None:
    with Remote(protected=True, scopes=("openid", "email")) as remote:
        theirs, ours = both.run(remote, remote.url, "--use-id-token")
        signed_in(theirs, ours, differ=ANY_PORT)
        for run in (theirs, ours):
            assert run.mcp("tools/list")[0].headers["authorization"].startswith("Bearer eyJ")


def test_a_device(both: Both) -> None:
    with Remote(protected=True) as remote:
        theirs, ours = both.run(remote, remote.url, "--device-code")
        for run in (theirs, ours):
            assert run.page is None and not run.of("/authorize")
            (device,) = run.of("/device")
            assert device.form["scope"] == "a b" and device.form["resource"] == remote.url
            assert "FAKE-CODE" in run.logged
            assert run.token().form["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
            (registration,) = run.of("/register")
            assert "urn:ietf:params:oauth:grant-type:device_code" in registration.json["grant_types"]


def test_an_expired_token_is_renewed(both: Both) -> None:
    with Remote(protected=True, expires_in=1) as remote:
        both.run(remote, remote.url)
        remote.expires_in = 3600
        time.sleep(1.1)
        theirs, ours = both.run(remote, remote.url)
        for run in (theirs, ours):
            form = run.of("/token")[0].form
            assert form["grant_type"] == "refresh_token" and form["resource"] == remote.url
            assert run.page is None


@pytest.mark.parametrize("at", ["argument", "file"])
def test_what_to_register_with(both: Both, tmp_path: Path, at: str) -> None:
    said = {"scope": "read write", "client_name": "Example", "token_endpoint_auth_method": "client_secret_post"}
    (tmp_path / "client.json").write_text(json.dumps(said))
    text = json.dumps(said) if at == "argument" else f"@{tmp_path / 'client.json'}"
    with Remote(protected=True) as remote:
        theirs, ours = both.run(remote, remote.url, "--static-oauth-client-metadata", text)
        signed_in(theirs, ours, differ=ANY_PORT)
        assert ours.authorize()["scope"] == "read write"
        for run in (theirs, ours):
            (registration,) = run.of("/register")
            # Theirs registers for the scopes of the resource, and then asks for those that are said.
            names = said.keys() - ({"scope"} if run is theirs else set())
            assert {name: registration.json[name] for name in names} == {name: said[name] for name in names}
            assert run.token().form["client_secret"].startswith("fake-client-secret-")
            assert "authorization" not in run.token().headers


INFO = {"client_id": "fake-client", "client_secret": "${FAKE_SECRET}"}
GIVEN = ("--static-oauth-client-info", json.dumps(INFO))


@contextmanager
def remote_of_a_given_client(**about: Any) -> Iterator[Remote]:
    """A server for a client that is registered beforehand, for which both insist on the port that is derived
    from the URL: a URL with one below those that the system or a test takes for something else."""
    for _ in range(100):
        with Remote(protected=True, **about) as remote:
            derived = 3335 + int(hashlib.md5(remote.url.encode()).hexdigest()[:4], 16) % 45_816
            if derived < 19_000:
                yield remote
                return
    raise AssertionError("no URL")


@pytest.mark.parametrize(
    ("said", "methods", "basic"),
    [
        # What is not said is client_secret_basic (RFC 7591, section 2), unless the server has it not.
        ({}, ("none", "client_secret_post", "client_secret_basic"), True),
        ({}, ("client_secret_post",), False),
        ({"token_endpoint_auth_method": "client_secret_post"}, ("client_secret_post", "client_secret_basic"), False),
    ],
)
def test_a_given_client(both: Both, said: dict[str, str], methods: tuple[str, ...], basic: bool) -> None:
    words = ("--static-oauth-client-info", json.dumps(INFO | said))
    with remote_of_a_given_client(methods=methods, registers=False) as remote:
        theirs, ours = both.run(remote, remote.url, *words, FAKE_SECRET="fake-secret-of-a-client")
        # The port too: a redirect URI is registered beforehand, as mcp-remote derives it.
        signed_in(theirs, ours)
        for run in (theirs, ours):
            assert run.authorize()["client_id"] == "fake-client" and not run.of("/register")
            assert _authentication(run) == (basic, "fake-client", "fake-secret-of-a-client")
        assert "fake-secret-of-a-client" not in ours.logged and "list of processes" not in ours.logged


def _authentication(run: Run) -> tuple[bool, str, str]:
    """Whether by a header, the id, the secret."""
    request = run.token()
    if "authorization" in request.headers:
        text = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        name, _, secret = text.partition(":")
        return True, name, secret
    return False, request.form["client_id"], request.form["client_secret"]


def test_a_secret_that_is_typed(both: Both) -> None:
    """Documented: it works, and is warned about."""
    words = ("--static-oauth-client-info", json.dumps(INFO | {"client_secret": "fake-typed-secret"}))
    with remote_of_a_given_client(registers=False) as remote:
        _, ours = both.run(remote, remote.url, *words, "--debug")
        assert _authentication(ours)[2] == "fake-typed-secret"
        assert "list of processes" in ours.logged and "fake-typed-secret" not in ours.logged


@pytest.mark.parametrize("known", [True, False], ids=["discovered", "token-endpoint"])
def test_without_a_person(both: Both, known: bool) -> None:
    with Remote(protected=True, metadata=known) as remote:
        words = ["--client-credentials", "--static-oauth-client-info", json.dumps(INFO)]
        if not known:
            about = {"scope": "mcp.read mcp.write", "token_endpoint_auth_method": "client_secret_basic"}
            words += ["--token-endpoint", f"{remote.origin}/token"]
            words += ["--static-oauth-client-metadata", json.dumps(about)]
        theirs, ours = both.run(remote, remote.url, *words, FAKE_SECRET="fake-secret-of-a-client")
        for run in (theirs, ours):
            assert run.page is None and not run.of("/register")
            assert _authentication(run) == (True, "fake-client", "fake-secret-of-a-client")
            form = run.token().form
            assert form["grant_type"] == "client_credentials"
            assert form["scope"] == ("a b" if known else "mcp.read mcp.write")
            assert form.get("resource") == (remote.url if known else None)


def test_a_page_of_ones_own(both: Both) -> None:
    with Remote(protected=True) as remote:
        done = f"{remote.origin}/done"
        theirs, ours = both.run(remote, remote.url, "--auth-success-url", done)
        signed_in(theirs, ours, differ=ANY_PORT)
        for run in (theirs, ours):
            assert run.page and run.page.text == "the page of a company" and run.page.url == done
            (request,) = run.of("/done")
            assert request.target == "/done" and "referer" not in request.headers


@pytest.mark.parametrize("url", ["http://mcp.example.com/done", "https://u@mcp.example.com/", "https://mcp.example.com/?a"])
def test_a_page_that_may_not_be(both: Both, url: str) -> None:
    assert both.refused("http://127.0.0.1:9/mcp", "--auth-success-url", url) == (1, 1)


# Taking over ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--header", "X-Tenant: ${TENANT}", "--resource", "https://tenant1.example.net/"),
        ("--authorize-param", "prompt=consent", "--device-code"),
        GIVEN,
    ],
    ids=["plain", "flags", "device", "given"],
)
def test_sign_ins_are_taken_over(both: Both, words: tuple[str, ...]) -> None:
    """What mcp-remote has obtained goes on here, and nobody signs in."""
    variables = {"TENANT": "blue", "FAKE_SECRET": "fake-secret-of-a-client"}
    remotes = remote_of_a_given_client if words == GIVEN else partial(Remote, protected=True)
    with remotes(expires_in=1) as remote:
        before = both.one("mcp-remote", remote, remote.url, *words, **variables)
        folder = str(both.directory / "mcp-remote" / "mcp-auth")
        files = {path: path.read_bytes() for path in Path(folder).rglob("*.json")}
        assert files
        done = subprocess.run(
            [*bridge_command(), "auth", "import", remote.url, "--yes", "--store", "file", *words],
            env=both.environment("mcp-tether", MCP_REMOTE_CONFIG_DIR=folder, **variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        assert "taken over from mcp-remote" in printed and "fake-refresh" not in printed
        assert {path: path.read_bytes() for path in files} == files

        # The access token has expired: the rotating refresh token is used once, by the same client.
        remote.expires_in = 3600
        time.sleep(1.1)
        after = both.one("mcp-tether", remote, remote.url, "--auth", "stored", *words, **variables)
        assert after.code == 0 and after.page is None and not after.of("/register") + after.of("/authorize")
        former, form = before.of("/token")[0], after.token().form
        assert form["grant_type"] == "refresh_token" and form.get("resource") == former.form.get("resource")
        assert _client(after.token()) == _client(former)
        again = both.one("mcp-tether", remote, remote.url, "--auth", "stored", *words, **variables)
        assert again.page is None and not again.of("/token")


def _client(request: Request) -> str:
    if "authorization" in request.headers:
        return base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode().partition(":")[0]
    return request.form["client_id"]
