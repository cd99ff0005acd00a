"""Sign-in against a real authorization server, by one bridge after the other."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from support.authorization import TTL, AuthorizationServer, ProtectedServer
from support.home import Home, sign_in_urls

UNAUTHORIZED = -31011


def test_the_first_request_signs_in(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    with home.bridge(protected.url) as client:
        assert client.initialize()["serverInfo"]["name"] == "interop-protected"
        assert client.tool("who") == "ada"
        client.close()
        lines, logged = b"\n".join(client.lines).decode(), client.logged()
    assert [entry["status"] for entry in authorization.asked("/reg")] == [201]
    (exchange,) = authorization.asked("/token", grant="authorization_code")
    assert (exchange["status"], exchange["resource"]) == (200, [protected.url])
    # The first request asks for the era of the server.
    assert protected.answers("server/discover")[0] == 401
    assert protected.answers("initialize") == [200]

    (url,) = sign_in_urls(logged)
    assert url.startswith(f"{authorization.issuer}/auth?")
    secrets = authorization.secrets()
    assert len(secrets) >= 3
    assert not [secret for secret in secrets if secret in lines or secret in logged]
    # With `--store file` the tokens are in files that only their owner can read.
    holders = home.files_with(secrets)
    assert holders
    for path in holders:
        assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700, path


def test_nobody_is_asked_again(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    home.login(protected.url)
    for _ in range(3):
        with home.bridge(protected.url, "--auth", "stored") as client:
            client.initialize()
            assert client.tool("who") == "ada"
    assert len(authorization.asked("/auth")) == len(authorization.asked("/reg")) == 1


def test_expired_tokens_are_refreshed_before_they_are_used(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    rounds = 3
    with home.bridge(protected.url) as client:
        client.initialize()
        for number in range(rounds):
            time.sleep(TTL + 1)
            assert client.tool("echo", {"message": str(number)}) == f"Echo: {number}"
    refreshes = authorization.refreshes()
    assert len(refreshes) >= rounds
    assert {entry["status"] for entry in refreshes} == {200}
    assert all(entry["resource"] == [protected.url] for entry in refreshes)
    assert protected.answers("tools/call") == [200] * rounds
    assert len(authorization.asked("/auth")) == 1


def test_a_restarted_bridge_refreshes(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    home.login(protected.url)
    time.sleep(TTL + 1)
    authorization.set_ttl(3600)
    before = len(protected.answers("initialize"))
    with home.bridge(protected.url, "--auth", "stored") as client:
        client.initialize()
        assert client.tool("who") == "ada"
    assert [entry["status"] for entry in authorization.refreshes()] == [200]
    assert protected.answers("initialize")[before:] == [200]


def test_a_refused_token_in_mid_session(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    """The request that met the 401 gets its answer, and the session goes on."""
    authorization.set_ttl(3600)
    with home.bridge(protected.url) as client:
        client.initialize()
        assert client.tool("echo", {"message": "before"}) == "Echo: before"
        protected.refuse_known_tokens()
        assert client.tool("echo", {"message": "after"}) == "Echo: after"
    assert protected.answers("tools/call") == [200, 401, 200]
    # The first request asks for the era of the server.
    assert protected.answers("server/discover")[0] == 401
    assert protected.answers("initialize") == [200]
    assert [entry["status"] for entry in authorization.refreshes()] == [200]
    assert len(authorization.asked("/auth")) == 1


def test_a_revoked_grant_is_told_and_mended_by_login(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home, tmp_path: Path
) -> None:
    """Two machines with a copy of one record: the second use of the refresh token ends the grant."""
    home.login(protected.url)
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.directory, copy.directory, dirs_exist_ok=True)
    time.sleep(TTL + 1)
    with home.bridge(protected.url, "--auth", "stored") as client:
        client.initialize()
        client.close()
    with copy.bridge(protected.url, "--auth", "stored") as client:
        error = client.start_initialize().message()["error"]
        assert error["code"] == UNAUTHORIZED, error
        assert f"mcp-tether login {protected.url}" in error["message"], error
    assert [entry.get("error") for entry in authorization.refreshes()] == [None, "invalid_grant"]

    copy.login(protected.url)
    with copy.bridge(protected.url, "--auth", "stored") as client:
        client.initialize()
        assert client.tool("who") == "ada"


def test_silent_login_never_asks(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    assert home.run("login", protected.url, "--silent").returncode == 3
    assert not authorization.asked("/auth")
    home.login(protected.url)
    assert home.run("login", protected.url, "--silent").returncode == 0
    assert len(authorization.asked("/auth")) == 1


def test_status_shows_no_secret(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    home.login(protected.url)
    for arguments in (["auth", "status"], ["auth", "status", protected.url], ["auth", "status", "--json"]):
        done = home.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert authorization.issuer in done.stdout
        assert not [secret for secret in authorization.secrets() if secret in done.stdout + done.stderr]
        if "--json" in arguments:
            json.loads(done.stdout)


def test_logout_revokes_and_deletes(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    home.login(protected.url)
    authorization.set_ttl(3600)
    tokens = authorization.secrets()
    assert home.files_with(tokens)
    done = home.run("logout", protected.url)
    assert done.returncode == 0, done.stderr
    revocations = authorization.asked("/token/revocation")
    # The access tokens here are JWTs, which this server cannot revoke; the refresh token it can.
    assert 200 in {entry["status"] for entry in revocations}
    assert not home.files_with(tokens)
    assert home.run("login", protected.url, "--silent").returncode == 3
