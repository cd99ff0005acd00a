"""A person with Debian's Chromium: login, consent, and our own page at the end.

Screenshots go to `$CI_ARTIFACTS`, else to `.cache/artifacts`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.authorization import AuthorizationServer, ProtectedServer
from support.chromium import Chromium
from support.home import Home
from support.stdio_client import DEADLINE, eventually


@pytest.fixture
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


class Login:
    """`mcp-tether login` in the background, with the URL that it asks to open."""

    def __init__(self, home: Home, url: str) -> None:
        self._home, self._log = home, home.directory.parent / "login.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                home.command("login", url),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=home.environment,
            )
        (self.url,) = eventually(self._opened, "URL to open")
        self.redirect_uri = parse_qs(urlsplit(self.url).query)["redirect_uri"][0]

    def _opened(self) -> list[str]:
        assert self.process.poll() is None, self.output()
        return self._home.opened()

    def output(self) -> str:
        return self._log.read_text()

    def ends_with(self, code: int) -> None:
        """Waits for the end of the command."""
        assert self.process.wait(DEADLINE) == code, self.output()


@pytest.fixture
def login(protected: ProtectedServer, tmp_path: Path) -> Iterator[Login]:
    started = Login(Home(tmp_path, follow=False), protected.url)
    yield started
    started.process.kill()
    started.process.wait()


def complaints(chromium: Chromium) -> list[str]:
    """Without what is right as it is: the fonts that oidc-provider's pages want from the web, the icon
    that nobody has, and the status 400 of a page that says that the sign-in failed.
    """
    expected = ("fonts.googleapis.com", "favicon", "/callback?error=")
    return [line for line in chromium.complaints() if not any(part in line for part in expected)]


def test_login_and_consent(
    authorization: AuthorizationServer, protected: ProtectedServer, chromium: Chromium, login: Login, tmp_path: Path
) -> None:
    chromium.sign_in(login.url, "sign-in")
    chromium.wait_for_url(login.redirect_uri)
    login.ends_with(0)

    # What the page says, and that the browser had nothing against how it says it.
    assert f"127.0.0.1:{protected.port}" in chromium.text()
    assert chromium.driver.title and chromium.heading()
    assert chromium.driver.execute_script("return document.documentElement.lang")
    assert not complaints(chromium)
    assert chromium.driver.execute_script("return document.scripts.length") == 0
    loaded = chromium.driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in loaded if not name.endswith("/favicon.ico")]
    source = chromium.driver.page_source
    assert not [secret for secret in authorization.secrets() if secret in source]

    # How it looks.
    backgrounds = []
    for scheme in ("light", "dark"):
        chromium.prefer(scheme)
        chromium.screenshot(f"sign-in-3-done-{scheme}")
        backgrounds.append(chromium.background())
    assert backgrounds[0] != backgrounds[1], backgrounds
    for scheme in ("light", "dark"):
        chromium.prefer(scheme)
        chromium.phone()
        chromium.screenshot(f"sign-in-4-phone-{scheme}")
        width = chromium.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], f"the page is wider than a phone: {width}"

    home = Home(tmp_path, follow=False)
    with home.bridge(protected.url, "--auth", "stored") as client:
        client.initialize()
        assert client.tool("who") == "ada"


def test_cancelled_by_the_person(authorization: AuthorizationServer, chromium: Chromium, login: Login) -> None:
    chromium.cancel(login.url)
    chromium.wait_for_url(login.redirect_uri)
    login.ends_with(3)
    for scheme in ("light", "dark"):
        chromium.prefer(scheme)
        chromium.screenshot(f"cancelled-{scheme}")
    assert not complaints(chromium)
    assert not authorization.asked("/token")


def test_a_forged_answer_first(
    authorization: AuthorizationServer, protected: ProtectedServer, chromium: Chromium, login: Login
) -> None:
    """Somebody else's answer gets a page of its own, which shows nothing of it; the wait goes on."""
    markup = "%3Cscript%3Edocument.title%3D%22forged%22%3C%2Fscript%3Eforged"
    chromium.driver.get(f"{login.redirect_uri}?state=forged&error={markup}&error_description={markup}")
    chromium.wait_for_url(login.redirect_uri)
    chromium.screenshot("forged-answer")
    assert "forged" not in chromium.driver.title + chromium.text()
    assert chromium.driver.execute_script("return document.scripts.length") == 0
    chromium.driver.get(f"{login.redirect_uri}?state=forged&code=forged")
    chromium.wait_for_url(login.redirect_uri)
    assert login.process.poll() is None, login.output()
    assert not authorization.asked("/token")

    chromium.sign_in(login.url)
    chromium.wait_for_url(login.redirect_uri)
    login.ends_with(0)
    assert f"127.0.0.1:{protected.port}" in chromium.text()
    assert [entry["status"] for entry in authorization.asked("/token")] == [200]
