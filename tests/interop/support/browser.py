"""A stand-in for a browser and the person before it, over plain HTTP.

It opens a URL, follows redirects, keeps cookies, fills in the forms of `authorization-server.mjs`
and ends at the first page without a form. As a program it is a command for `BROWSER`:

    browser.py URL               does all that
    browser.py --note FILE URL   only appends the URL to FILE, for a test that goes on itself
"""

from __future__ import annotations

import http.cookiejar
import shlex
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

DEADLINE = 60.0
"""Seconds that an answer may take, and that a person waits for a callback nobody listens to."""

ANSWERS = {"login": "ada", "password": "not-a-real-password"}
MAX_STEPS = 20


@dataclass(frozen=True)
class Page:
    """What the browser shows, and how it got there."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str
    visited: tuple[str, ...]
    """Every URL that was asked for, the last one included."""


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = given.get("action") or ""
        elif tag == "input" and (name := given.get("name")):
            self.fields[name] = ANSWERS.get(name, given.get("value") or "")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Browser:
    """One browser profile: its cookies live as long as it does."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
            _NoRedirects(),
        )

    def visit(self, url: str, patience: float = 0.0, give_up: threading.Event | None = None) -> Page:
        """Opens a URL and goes on to the page where there is nothing more to do.

        Where nobody listens, or the connection breaks, the person reloads for `patience` seconds or
        until `give_up` is set.
        """
        give_up = give_up or threading.Event()
        visited: list[str] = []
        form: bytes | None = None
        for _ in range(MAX_STEPS):
            visited.append(url)
            status, headers, text = self._ask(url, form, patience, give_up)
            form = None
            if status in (301, 302, 303, 307, 308):
                url = urllib.parse.urljoin(url, headers["Location"])
                continue
            page = _Form(text)
            if page.action is None or status >= 400:
                return Page(url, status, headers, text, tuple(visited))
            url = urllib.parse.urljoin(url, page.action)
            form = urllib.parse.urlencode(page.fields).encode()
        raise AssertionError(f"no end after {MAX_STEPS} pages: {visited}")

    def _ask(
        self, url: str, form: bytes | None, patience: float, give_up: threading.Event
    ) -> tuple[int, Mapping[str, str], str]:
        request = urllib.request.Request(url, form, {"Accept": "text/html"})
        end = time.monotonic() + patience
        while True:
            try:
                try:
                    answer = self._opener.open(request, timeout=DEADLINE)
                except urllib.error.HTTPError as error:
                    answer = error
                with answer:
                    return answer.status, answer.headers, answer.read().decode(errors="replace")
            except (ConnectionError, urllib.error.URLError) as error:
                reason = getattr(error, "reason", error)
                if not isinstance(reason, ConnectionError) or time.monotonic() > end:
                    raise
                if give_up.wait(0.1):
                    raise


def command(*arguments: str | Path) -> str:
    """A value for `BROWSER` that runs this file; the URL is appended by whoever reads it."""
    return shlex.join([sys.executable, str(Path(__file__).resolve()), *map(str, arguments)])


def main() -> int:
    *options, url = sys.argv[1:]
    if options and options[0] == "--note":
        with Path(options[1]).open("a") as notes:
            notes.write(url + "\n")
        return 0
    page = Browser().visit(url)
    return 0 if page.status < 400 else 1


if __name__ == "__main__":
    sys.exit(main())
