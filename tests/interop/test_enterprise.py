"""A person who signs in at the identity provider of their company, which vouches for them at an MCP server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.authorization import TTL, AuthorizationServer, ProtectedServer
from support.browser import Browser
from support.home import Home
from test_device import GRANT as DEVICE_CODE
from test_device import printed
from test_grants import register

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def idp() -> Iterator[AuthorizationServer]:
    """The identity provider, whose id tokens live as long as access tokens do."""
    server = AuthorizationServer(TTL, "--idp")
    yield server
    server.kill()


@pytest.fixture
def trusting(idp: AuthorizationServer) -> Iterator[AuthorizationServer]:
    """An authorization server that takes its word."""
    server = AuthorizationServer(TTL, "--trusts", idp.issuer)
    yield server
    server.kill()


@pytest.fixture
def company_server(trusting: AuthorizationServer) -> Iterator[ProtectedServer]:
    """An MCP server behind that."""
    server = ProtectedServer(trusting)
    yield server
    server.kill()


def at_idp(idp: AuthorizationServer, **more: Any) -> dict[str, Any]:
    about = {
        "grant_types": ["authorization_code", "refresh_token", EXCHANGE],
        "response_types": ["code"],
        "redirect_uris": ["http://127.0.0.1/callback"],
        "application_type": "native",
    }
    if more:
        about |= {"response_types": [], "redirect_uris": []}
    return register(idp, **(about | more))


def settings(
    idp: AuthorizationServer, trusting: AuthorizationServer, tmp_path: Path, **more: Any
) -> tuple[Home, dict[str, str]]:
    there = at_idp(idp, **more)
    here = register(trusting, grant_types=[JWT_BEARER], client_name="at-mcp")
    home = Home(tmp_path, FAKE_IDP_SECRET=there["client_secret"], FAKE_SECRET=here["client_secret"])
    return home, {"idp": there["client_id"], "mcp": here["client_id"]}


def flags(idp: AuthorizationServer, clients: dict[str, str]) -> list[str]:
    return [
        "--grant=enterprise",
        f"--idp-issuer={idp.issuer}",
        f"--idp-client-id={clients['idp']}",
        "--idp-client-secret=env:FAKE_IDP_SECRET",
        f"--client-id={clients['mcp']}",
        "--client-secret=env:FAKE_SECRET",
    ]


def test_one_sign_in_and_then_renewal(
    idp: AuthorizationServer, trusting: AuthorizationServer, company_server: ProtectedServer, tmp_path: Path
) -> None:
    home, clients = settings(idp, trusting, tmp_path)
    with home.bridge(company_server.url, *flags(idp, clients)) as client:
        client.initialize()
        assert client.tool("who") == "ada"
        for text in ("one", "two"):
            # The access token and the id token both come to their end.
            time.sleep(TTL + 1)
            assert client.tool("echo", {"message": text}) == f"Echo: {text}"
        client.close()
        logged = client.logged()
    assert [entry["status"] for entry in idp.asked("/token", grant="authorization_code")] == [200]
    refreshes = idp.asked("/token", grant="refresh_token")
    assert refreshes and {entry["status"] for entry in refreshes} == {200}
    exchanges = idp.asked("/token", grant=EXCHANGE)
    assert len(exchanges) >= 3 and {entry["status"] for entry in exchanges} == {200}
    assert {entry["status"] for entry in trusting.asked("/token", grant=JWT_BEARER)} == {200}
    assert not trusting.asked("/auth")
    assert not [secret for secret in idp.secrets() + trusting.secrets() if secret in logged]


def test_another_server_needs_nobody(
    idp: AuthorizationServer, trusting: AuthorizationServer, company_server: ProtectedServer, tmp_path: Path
) -> None:
    home, clients = settings(idp, trusting, tmp_path)
    home.login(company_server.url, *flags(idp, clients))
    other = ProtectedServer(trusting)
    try:
        with home.bridge(other.url, *flags(idp, clients), "--auth", "stored") as client:
            client.initialize()
            assert client.tool("who") == "ada"
    finally:
        other.kill()
    assert len(idp.asked("/token", grant="authorization_code")) == 1
    # Signed out there, it is over: the refresh token is revoked as well.
    done = home.run("logout", idp.issuer)
    assert done.returncode == 0 and "revoked" in done.stdout, done.stdout + done.stderr
    done = home.run("auth", "status", idp.issuer)
    assert done.returncode == 3, done.stdout


def test_as_an_administrator_has_written(
    idp: AuthorizationServer, trusting: AuthorizationServer, company_server: ProtectedServer, tmp_path: Path
) -> None:
    home, clients = settings(idp, trusting, tmp_path)
    file = tmp_path / "managed" / "enterprise.toml"
    file.parent.mkdir(mode=0o755)
    file.write_text(
        f"""
[idp]
issuer = "{idp.issuer}"
client-id = "{clients["idp"]}"
client-secret = "env:FAKE_IDP_SECRET"

[[server]]
url = "http://127.0.0.1:{company_server.port}/mcp"
client-id = "{clients["mcp"]}"
client-secret = "env:FAKE_SECRET"
"""
    )
    file.chmod(0o644)
    home.environment["MCP_TETHER_ENTERPRISE_FILE"] = str(file)
    with home.bridge(company_server.url) as client:
        client.initialize()
        assert client.tool("who") == "ada"
    assert len(idp.asked("/token", grant="authorization_code")) == 1


def test_with_a_code_on_another_device(
    idp: AuthorizationServer, trusting: AuthorizationServer, company_server: ProtectedServer, tmp_path: Path
) -> None:
    home, clients = settings(idp, trusting, tmp_path, grant_types=["refresh_token", EXCHANGE, DEVICE_CODE])
    del home.environment["BROWSER"]
    with home.bridge(company_server.url, *flags(idp, clients), "--device-code") as client:
        answer = client.start_initialize()
        code, at, complete = printed(client.logged)
        assert at.startswith(idp.issuer) and code in complete
        assert Browser().visit(complete).status == 200
        answer.result()
        client.greet()
        assert client.tool("who") == "ada"
    assert not idp.asked("/auth") and not trusting.asked("/auth")
