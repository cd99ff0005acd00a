"""Sign-in with a real keyring: gnome-keyring in a D-Bus session, in every condition it can be in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import keyring
from support.authorization import AuthorizationServer, ProtectedServer
from support.home import Home
from support.stdio_client import DEADLINE

pytestmark = pytest.mark.skipif(
    not keyring.installed(), reason="no gnome-keyring and dbus here; tests/interop/setup installs them on Debian"
)

SERVICE = "mcp-tether"
TOKEN = "attribute.username = token-"
"""How `secret-tool` shows a record with tokens. Registrations of clients are kept beside them, and outlive them."""


@pytest.fixture
def home(authorization: AuthorizationServer, tmp_path: Path) -> Home:
    authorization.set_ttl(3600)
    return Home(tmp_path, store="auto")


def inside(home: Home, session: Mapping[str, str]) -> Home:
    """The same home in a D-Bus session."""
    moved = Home(home.directory.parent, store=home.store)
    moved.environment = {**home.environment, **session}
    return moved


def uses_the_stored_token(home: Home, url: str) -> None:
    with home.bridge(url, "--auth", "stored") as client:
        client.initialize()
        assert client.tool("who") == "ada"


def no_secret_on_disk(authorization: AuthorizationServer, home: Home) -> None:
    secrets = authorization.secrets()
    assert len(secrets) >= 3 and not home.files_with(secrets)


def test_recipe(home: Home) -> None:
    """The sessions are what the other tests take them for."""
    with keyring.unlocked(home.environment) as session:
        assert keyring.store(session, "recipe", "token-1", "kept-in-the-keyring")
    with keyring.unlocked(home.environment) as session:
        assert "secret = kept-in-the-keyring" in keyring.lookup(session, "recipe")
    with keyring.locked(home.environment) as session:
        assert "locked" in keyring.lookup(session, "recipe")
        assert not keyring.store(session, "recipe", "token-2", "kept-in-the-keyring")
    with keyring.without_provider(home.environment) as session:
        assert not keyring.store(session, "recipe", "token-2", "kept-in-the-keyring")
    assert any(home.files()) and not home.files_with(["kept-in-the-keyring"])


def test_stored_in_one_process_and_read_in_others(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    with keyring.unlocked(home.environment) as session:
        signed_in = inside(home, session)
        signed_in.login(protected.url)
        assert TOKEN in keyring.lookup(session, SERVICE)
        no_secret_on_disk(authorization, home)
        for _ in range(2):
            uses_the_stored_token(signed_in, protected.url)
        # Another token takes the place of the first one, in the keyring as well.
        protected.refuse_known_tokens()
        uses_the_stored_token(signed_in, protected.url)
        assert [entry["status"] for entry in authorization.refreshes()] == [200]
        no_secret_on_disk(authorization, home)
        status = signed_in.run("auth", "status")
        assert status.returncode == 0 and "keyring" in status.stdout, status.stdout + status.stderr
    # After the person has logged out of the desktop and in again.
    with keyring.unlocked(home.environment) as session:
        signed_in = inside(home, session)
        uses_the_stored_token(signed_in, protected.url)
        assert signed_in.run("logout", protected.url).returncode == 0
        assert TOKEN not in keyring.lookup(session, SERVICE)
    assert len(authorization.asked("/auth")) == 1


def test_locked(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    """Told in words, and nothing is thrown away."""
    with keyring.unlocked(home.environment) as session:
        inside(home, session).login(protected.url)
    with keyring.locked(home.environment) as session, inside(home, session).bridge(
        protected.url, "--auth", "stored"
    ) as client:
        error = client.start_initialize().message()["error"]
        assert "locked" in error["message"] or "keyring" in error["message"], error
    no_secret_on_disk(authorization, home)
    with keyring.unlocked(home.environment) as session:
        uses_the_stored_token(inside(home, session), protected.url)
    assert len(authorization.asked("/auth")) == 1


@pytest.mark.parametrize("condition", ["no-bus", "no-provider", "locked", "hanging"])
def test_without_a_keyring_that_works(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home, condition: str
) -> None:
    """The file takes its place, is announced once, and nobody waits for long."""
    if condition == "locked":
        # A keyring that exists and that nobody has unlocked.
        with keyring.unlocked(home.environment) as session:
            assert keyring.store(session, "something-else", "else", "not-a-real-secret")
    sessions = {"no-provider": keyring.without_provider, "locked": keyring.locked, "hanging": keyring.hanging}
    if condition == "no-bus":
        signs_in_with_files(authorization, protected, home)
        return
    with sessions[condition](home.environment) as session:
        signs_in_with_files(authorization, protected, inside(home, session))


def signs_in_with_files(authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
    begin = time.monotonic()
    done = home.login(protected.url)
    # `login` by hand gives the keyring a minute, in which a person can unlock it.
    assert time.monotonic() - begin < 2 * DEADLINE
    holders = home.files_with(authorization.secrets())
    assert holders
    for path in holders:
        assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700, path
    announced = [line for line in done.stderr.splitlines() if str(holders[0].parent) in line]
    assert len(announced) == 1, done.stderr
    begin = time.monotonic()
    uses_the_stored_token(home, protected.url)
    assert time.monotonic() - begin < DEADLINE / 2
    assert len(authorization.asked("/auth")) == 1


def test_a_keyring_that_is_demanded(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home
) -> None:
    """`--store keyring` fails rather than writing a file."""
    home.store = "keyring"
    assert home.run("login", protected.url).returncode != 0
    assert not home.files_with(authorization.secrets())


def test_no_keyring_without_a_record(servers, home: Home) -> None:  # type: ignore[no-untyped-def]
    """A server that asks nobody to sign in has nothing to do with the keyring."""
    with keyring.hanging(home.environment) as session:
        with inside(home, session).bridge(servers("typescript").url) as client:
            client.initialize()
            assert client.tool("echo", {"message": "at once"}) == "Echo: at once"


def test_doctor(home: Home) -> None:
    """What is said of each, and that the item for it is gone again."""

    def verdict(session: Mapping[str, str]) -> tuple[str, str]:
        found = json.loads(inside(home, session).run("doctor", "--json").stdout)
        finding = next(finding for finding in found["findings"] if finding["area"] == "keyring")
        return finding["verdict"], finding["detail"]

    with keyring.unlocked(home.environment) as session:
        assert verdict(session) == ("ok", "an item was written, read and removed")
        assert "username = doctor-" not in keyring.lookup(session, SERVICE)
    with keyring.locked(home.environment) as session:
        assert verdict(session)[0] == "warning"
    with keyring.without_provider(home.environment) as session:
        assert verdict(session)[0] == "warning"
    with keyring.hanging(home.environment) as session:
        assert verdict(session) == (
            "warning",
            "it does not answer within 2 s; sign-ins go into files that only you can read",
        )
