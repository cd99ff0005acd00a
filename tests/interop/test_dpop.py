"""Tokens that are bound to a key (RFC 9449), at a real authorization server that insists on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.authorization import TTL, AuthorizationServer, ProtectedServer
from support.home import Home
from test_grants import GRANT, key, register


@pytest.fixture
def authorization() -> Iterator[AuthorizationServer]:
    """An authorization server that gives no other tokens, and wants its nonce in each proof."""
    server = AuthorizationServer(TTL, "--dpop")
    yield server
    server.kill()


@pytest.fixture
def protected(authorization: AuthorizationServer) -> Iterator[ProtectedServer]:
    """An MCP server that takes tokens only with a proof, and changes its nonce now and then."""
    server = ProtectedServer(authorization, "--dpop")
    yield server
    server.kill()


def test_signs_in_and_refreshes(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    with home.bridge(protected.url) as client:
        client.initialize()
        for number in range(25):
            assert client.tool("echo", {"message": str(number)}) == f"Echo: {number}"
        time.sleep(TTL + 1)
        assert client.tool("who") == "ada"
        client.close()
        logged = client.logged()
    answers = protected.answers("tools/call")
    assert answers.count(200) == 26 and 401 in answers, "the nonce changed in between"
    assert 200 in [entry["status"] for entry in authorization.refreshes()]
    assert not [secret for secret in authorization.secrets() if secret in logged]
    # Another process, with the same key.
    time.sleep(TTL + 1)
    with home.bridge(protected.url, "--auth", "stored") as client:
        client.initialize()
        assert client.tool("who") == "ada"
    assert len(authorization.asked("/auth")) == 1


def test_a_client_without_a_person(
    authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path
) -> None:
    known = register(authorization, token_endpoint_auth_method="private_key_jwt", **signed_with(tmp_path))
    home = Home(tmp_path)
    flags = (*GRANT, f"--client-id={known['client_id']}", "--private-key", f"file:{tmp_path / 'key.pem'}")
    with home.bridge(protected.url, *flags) as client:
        client.initialize()
        for number in range(25):
            assert client.tool("echo", {"message": str(number)}) == f"Echo: {number}"
        time.sleep(TTL + 1)
        assert client.tool("echo", {"message": "later"}) == "Echo: later"
    requests = authorization.asked("/token", client=known["client_id"])
    granted = [entry for entry in requests if entry["status"] == 200]
    # The first lacked the nonce; no JWT of the client was sent twice, which the server does not take.
    assert len(granted) >= 2 and requests[0]["error"] == "use_dpop_nonce", requests
    assert {entry["error"] for entry in requests if entry["status"] != 200} == {"use_dpop_nonce"}
    done = home.run("login", protected.url, *flags, "--dpop", "never")
    assert done.returncode == 3 and "invalid_grant" in done.stderr, done.stderr


def signed_with(folder: Path) -> dict[str, Any]:
    """A new key in a file, and what a client that has it is registered with."""
    pem, jwk = key("ES256")
    (folder / "key.pem").write_text(pem)
    return {"token_endpoint_auth_signing_alg": "ES256", "jwks": {"keys": [jwk]}}


def test_without_proofs_there_is_nothing(protected: ProtectedServer, home: Home) -> None:
    done = home.run("login", protected.url, "--dpop", "never")
    assert done.returncode != 0
    assert "invalid_grant" in done.stderr, done.stderr


def test_a_server_that_knows_only_bearer(authorization: AuthorizationServer, home: Home) -> None:
    server = ProtectedServer(authorization)
    try:
        with home.bridge(server.url) as client:
            client.initialize()
            time.sleep(TTL + 1)
            assert client.tool("who") == "ada"
        assert 401 not in server.answers("tools/call")
    finally:
        server.kill()
