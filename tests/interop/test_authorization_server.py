"""What the tests of the sign-in rely on: the servers refuse what a wrong client would do.

A plain client in Python stands where the bridge stands elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from support.authorization import TTL, AuthorizationServer, ProtectedServer
from support.browser import Browser
from support.chromium import Chromium
from support.stdio_client import DEADLINE

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}},
}


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        answer = _DIRECT.open(request, timeout=DEADLINE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read()


def initialize(url: str, token: str | None = None) -> tuple[int, Any]:
    """Sends `initialize`; gives the status and the challenge."""
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    status, headers, _ = ask(
        url,
        json.dumps(INITIALIZE).encode(),
        Content_Type="application/json",
        Accept="application/json, text/event-stream",
        **bearer,
    )
    return status, headers.get("WWW-Authenticate")


class Client:
    """A registered client with a callback listener, for one code flow."""

    def __init__(self, issuer: str, resource: str | None) -> None:
        _, _, found = ask(f"{issuer}/.well-known/openid-configuration")
        self.metadata = json.loads(found)
        self.resource = resource
        self.received: list[dict[str, str]] = []
        received = self.received

        class Callback(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 (the name that http.server asks for)
                url = urllib.parse.urlsplit(self.path)
                if url.path == "/callback":
                    received.append(dict(urllib.parse.parse_qsl(url.query)))
                self.send_response(200 if url.path == "/callback" else 404)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>Done</title><h1>Signed in</h1>")

            def log_message(self, *_: object) -> None:
                pass

        self._listener = HTTPServer(("127.0.0.1", 0), Callback)
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()
        self.redirect_uri = f"http://127.0.0.1:{self._listener.server_port}/callback"
        self.verifier = secrets.token_urlsafe(48)
        status, _, answer = ask(
            self.metadata["registration_endpoint"],
            json.dumps(
                {
                    "client_name": "plain client",
                    "application_type": "native",
                    "redirect_uris": [self.redirect_uri],
                    "grant_types": ["authorization_code", "refresh_token"],
                    "response_types": ["code"],
                    "token_endpoint_auth_method": "none",
                }
            ).encode(),
            Content_Type="application/json",
        )
        assert status == 201, answer
        self.client_id = json.loads(answer)["client_id"]

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def _with_resource(self, parameters: dict[str, str]) -> dict[str, str]:
        return parameters if self.resource is None else {**parameters, "resource": self.resource}

    def authorization_url(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        parameters = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "mcp:tools offline_access",
            "state": "plain-state",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        query = urllib.parse.urlencode(self._with_resource(parameters))
        return f"{self.metadata['authorization_endpoint']}?{query}"

    def token(self, **parameters: str) -> tuple[int, dict[str, Any]]:
        form = self._with_resource({"client_id": self.client_id, **parameters})
        status, _, answer = ask(self.metadata["token_endpoint"], urllib.parse.urlencode(form).encode())
        return status, json.loads(answer)

    def exchange(self) -> tuple[int, dict[str, Any]]:
        (answer,) = self.received
        assert answer["state"] == "plain-state" and answer["iss"] == self.metadata["issuer"]
        return self.token(
            grant_type="authorization_code",
            code=answer["code"],
            redirect_uri=self.redirect_uri,
            code_verifier=self.verifier,
        )

    def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        return self.token(grant_type="refresh_token", refresh_token=token)


@pytest.fixture
def client(authorization: AuthorizationServer, protected: ProtectedServer) -> Iterator[Client]:
    plain = Client(authorization.issuer, protected.url)
    yield plain
    plain.close()


def test_the_challenge_leads_to_the_authorization_server(
    authorization: AuthorizationServer, protected: ProtectedServer
) -> None:
    status, challenge = initialize(protected.url)
    assert status == 401
    found = re.search(r'^Bearer .*resource_metadata="([^"]+)"', challenge)
    assert found, challenge
    _, _, document = ask(found[1])
    metadata = json.loads(document)
    assert metadata["resource"] == protected.url
    assert metadata["authorization_servers"] == [authorization.issuer]
    assert metadata["scopes_supported"] == ["mcp:tools"]
    assert initialize(protected.url, "not-a-real-token")[0] == 401


def test_tokens_are_short_and_refresh_tokens_single_use(
    authorization: AuthorizationServer, protected: ProtectedServer, client: Client
) -> None:
    page = Browser().visit(client.authorization_url())
    assert page.status == 200 and "Signed in" in page.text, page
    status, first = client.exchange()
    assert status == 200 and first["expires_in"] == TTL, first
    assert initialize(protected.url, first["access_token"])[0] == 200

    time.sleep(TTL + 1)
    assert initialize(protected.url, first["access_token"])[0] == 401
    status, second = client.refresh(first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"], second
    assert initialize(protected.url, second["access_token"])[0] == 200

    # The second use of a refresh token ends the whole family.
    status, error = client.refresh(first["refresh_token"])
    assert (status, error["error"]) == (400, "invalid_grant")
    status, error = client.refresh(second["refresh_token"])
    assert (status, error["error"]) == (400, "invalid_grant")
    mine = [entry for entry in authorization.refreshes() if entry["client"] == client.client_id]
    assert [entry["status"] for entry in mine] == [200, 400, 400]
    assert {first["refresh_token"], second["access_token"]} <= set(authorization.secrets())


def test_a_sign_in_without_the_resource_is_refused(authorization: AuthorizationServer) -> None:
    """The scope is the resource's, so it means nothing where no resource is named."""
    plain = Client(authorization.issuer, resource=None)
    try:
        Browser().visit(plain.authorization_url())
        (answer,) = plain.received
        assert "error" in answer and "code" not in answer
    finally:
        plain.close()


def test_known_tokens_can_be_refused(protected: ProtectedServer, client: Client) -> None:
    Browser().visit(client.authorization_url())
    token = client.exchange()[1]["access_token"]
    assert initialize(protected.url, token)[0] == 200
    protected.refuse_known_tokens()
    assert initialize(protected.url, token)[0] == 401


def test_held_requests_of_clients_that_are_gone_are_dropped(
    authorization: AuthorizationServer, client: Client
) -> None:
    """A refresh that never arrived leaves the refresh token good."""
    Browser().visit(client.authorization_url())
    refresh_token = client.exchange()[1]["refresh_token"]
    before = len(authorization.asked("/token"))
    with authorization.held("/token"):
        form = urllib.parse.urlencode(
            {"client_id": client.client_id, "grant_type": "refresh_token", "refresh_token": refresh_token}
        ).encode()
        with pytest.raises(TimeoutError):
            _DIRECT.open(urllib.request.Request(client.metadata["token_endpoint"], form), timeout=1)
        assert len(authorization.asked("/token")) == before + 1
        time.sleep(0.5)  # The server hears of the closed connection.
    assert client.refresh(refresh_token)[0] == 200


def test_chromium_signs_in(client: Client) -> None:
    with Chromium() as chromium:
        chromium.sign_in(client.authorization_url())
        chromium.wait_for_url(client.redirect_uri)
        chromium.screenshot("plain-callback")
        assert chromium.heading() == "Signed in"
    status, tokens = client.exchange()
    assert status == 200 and tokens["token_type"] == "Bearer"
