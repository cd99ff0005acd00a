"""Sign-in with a code that is entered in a browser somewhere else (RFC 8628), against oidc-provider."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from support.authorization import AuthorizationServer, ProtectedServer
from support.browser import Browser
from support.home import Home
from support.stdio_client import eventually

CODE_LINE = re.compile(r"to sign in to \S+ enter the code (\S+) at (\S+) or open (\S+)$", re.MULTILINE)
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def printed(read: object) -> tuple[str, str, str]:
    """The code, where it is entered, and the URL that has it, once stderr names them."""

    def found() -> tuple[str, str, str] | None:
        matches = CODE_LINE.findall(read())  # type: ignore[operator]
        return matches[-1] if matches else None

    return eventually(found, "the code on stderr")


def headless(tmp_path: Path) -> Home:
    """The home of a person on a machine without a browser."""
    home = Home(tmp_path)
    del home.environment["BROWSER"]
    return home


def test_a_bridge_on_a_machine_without_a_browser(
    authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path
) -> None:
    home = headless(tmp_path)
    with home.bridge(protected.url) as client:
        answer = client.start_initialize()
        code, at, complete = printed(client.logged)
        assert at.startswith(authorization.issuer) and code in complete
        page = Browser().visit(complete)
        assert page.status == 200, page.text
        assert answer.result()["serverInfo"]["name"] == "interop-protected"
        client.greet()
        assert client.tool("who") == "ada"
        client.close()
        logged = client.logged()
    (asked,) = authorization.asked("/device/auth")
    assert (asked["status"], asked["resource"]) == (200, [protected.url])
    polls = authorization.asked("/token", grant=GRANT)
    assert polls[-1]["status"] == 200
    assert {entry["error"] for entry in polls[:-1]} <= {"authorization_pending"}
    # It asks no more often than it should.
    assert all(later["at"] - earlier["at"] > 4.5 for earlier, later in zip(polls, polls[1:]))
    assert [entry["status"] for entry in authorization.asked("/reg")] == [201]
    assert not [secret for secret in authorization.secrets() if secret in logged]


def test_login_with_a_code(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home, tmp_path: Path
) -> None:
    heard = tmp_path / "stderr"
    with heard.open("w") as stderr:
        login = subprocess.Popen(
            home.command("login", protected.url, "--device-code"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=home.environment,
        )
    try:
        _, _, complete = printed(heard.read_text)
        assert Browser().visit(complete).status == 200
        assert login.wait(timeout=60) == 0, heard.read_text()
    finally:
        login.kill()
        login.wait()
    assert not authorization.asked("/auth")
    # The tokens are refreshed like any others.
    authorization.set_ttl(3600)
    protected.refuse_known_tokens()
    with home.bridge(protected.url, "--auth", "stored") as client:
        client.initialize()
        assert client.tool("who") == "ada"
