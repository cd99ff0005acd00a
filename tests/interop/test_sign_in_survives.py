"""Of three bridges that wait for one sign-in, any one is killed at any moment; the others finish.

The person is as patient as people are: opens every tab and every URL that a bridge asks for, and
reloads a callback page that does not come.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.authorization import AuthorizationServer, ProtectedServer
from support.browser import Browser
from support.home import Home, sign_in_urls
from support.stdio_client import DEADLINE, Answer, StdioClient, eventually

COUNT = 3
PATIENCE = 3 * DEADLINE


class Person(threading.Thread):
    """Signs in wherever somebody asks for it, as long as there is somebody to ask."""

    def __init__(self, home: Home, clients: list[StdioClient]) -> None:
        super().__init__(daemon=True)
        self._home, self._clients = home, clients
        self._browser = Browser()
        self._seen: set[str] = set()
        self._over = threading.Event()
        self.pages: list[str] = []

    def run(self) -> None:
        with ThreadPoolExecutor() as tabs:
            while not self._over.wait(0.2):
                asked = self._home.opened()
                for client in self._clients:
                    if client.process.poll() is None:
                        asked += sign_in_urls(client.logged())
                for url in asked:
                    if url not in self._seen:
                        self._seen.add(url)
                        tabs.submit(self._open, url)

    def _open(self, url: str) -> None:
        try:
            page = self._browser.visit(url, patience=PATIENCE, give_up=self._over)
            self.pages.append(f"{page.status} {page.text}")
        except Exception as error:  # noqa: BLE001 (a tab that fails is a tab that fails)
            self.pages.append(repr(error))

    def stop(self) -> None:
        self._over.set()
        self.join(DEADLINE)


@contextmanager
def present(home: Home, clients: list[StdioClient]) -> Iterator[Person]:
    """A person who acts until the end of the block."""
    person = Person(home, clients)
    person.start()
    try:
        yield person
    finally:
        person.stop()


def insist(ask: Callable[[], Answer]) -> dict[str, Any]:
    """A host that asks again when it is told that somebody must sign in first."""
    end = time.monotonic() + PATIENCE
    while True:
        message = ask().message(PATIENCE)
        if "result" in message:
            return message["result"]
        error = message["error"]
        assert error["data"]["kind"] == "unauthorized", error
        assert time.monotonic() < end, error
        time.sleep(0.5)


def work(client: StdioClient) -> str:
    """What a host does from the start to the first result of a tool."""
    insist(client.start_initialize)
    client.notify("notifications/initialized")
    return insist(lambda: client.start_tool("who"))["content"][0]["text"]


class Scene:
    """Three bridges of one person, of which the first was the first to ask."""

    def __init__(self, authorization: AuthorizationServer, protected: ProtectedServer, home: Home) -> None:
        self.authorization, self.protected, self.home = authorization, protected, home
        self.clients: list[StdioClient] = []
        self.stack = ExitStack()
        self.pool = self.stack.enter_context(ThreadPoolExecutor(COUNT))
        self.work: list[Any] = []

    def start(self) -> None:
        client = self.home.bridge(self.protected.url, "--initialize-deadline", "5s")
        # Before the pool is left: it waits for the work, which ends when the bridge does.
        self.stack.callback(client.kill)
        self.clients.append(client)
        self.work.append(self.pool.submit(work, client))

    def kill(self, number: int) -> None:
        """As the system would: without a word."""
        self.clients[number].process.kill()
        self.clients[number].process.wait()

    def start_the_others(self) -> None:
        for _ in range(COUNT - 1):
            self.start()
        eventually(lambda: self.protected.answers("server/discover").count(401) >= COUNT, "challenge for every bridge")


@pytest.fixture
def scene(authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path) -> Iterator[Scene]:
    authorization.set_ttl(3600)
    made = Scene(authorization, protected, Home(tmp_path, follow=False))
    with made.stack:
        yield made
        # pytest shows this only for a test that failed.
        for number, client in enumerate(made.clients):
            print(f"bridge {number}:", client.stderr())


def finish(scene: Scene, victim: int) -> None:
    """The two that are left must work, and go on working together."""
    left = [number for number in range(COUNT) if number != victim]
    assert [scene.work[number].result(PATIENCE) for number in left] == ["ada", "ada"]
    survivors = [scene.clients[number] for number in left]
    before = len(scene.authorization.refreshes())
    scene.protected.refuse_known_tokens()
    with ThreadPoolExecutor(len(survivors)) as pool:
        assert set(pool.map(lambda client: client.tool("who"), survivors)) == {"ada"}
    assert [entry["status"] for entry in scene.authorization.refreshes()[before:]] == [200]
    for client in survivors:
        client.close()


# The first bridge does the sign-in, the last one only waits for it.
victims = pytest.mark.parametrize("victim", [0, COUNT - 1], ids=["who-signs-in", "who-waits"])


@victims
@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/reg"])
def test_killed_before_there_is_a_tab(scene: Scene, path: str, victim: int) -> None:
    with scene.authorization.held(path):
        scene.start()
        scene.authorization.wait_asked(path)
        scene.start_the_others()
        scene.kill(victim)
    with present(scene.home, scene.clients):
        finish(scene, victim)


@victims
def test_killed_while_the_person_reads(scene: Scene, victim: int) -> None:
    """Nobody opens a second tab: the one that is open still counts."""
    scene.start()
    (url,) = eventually(scene.home.opened, "tab")
    scene.start_the_others()
    scene.kill(victim)
    page = Browser().visit(url, patience=PATIENCE)
    assert page.status == 200, page
    finish(scene, victim)
    assert scene.home.opened() == [url]
    assert len(scene.authorization.asked("/auth")) == 1


@victims
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_the_code_is_exchanged(scene: Scene, when: str, victim: int) -> None:
    """`after`: the code is used up and the tokens are lost with the process that was to get them."""
    scene.start()
    eventually(scene.home.opened, "tab")
    scene.start_the_others()
    with ExitStack() as stack:
        with scene.authorization.held("/token", when):
            stack.enter_context(present(scene.home, scene.clients))
            expected = {"status": 200} if when == "after" else {}
            scene.authorization.wait_asked("/token", **expected)
            scene.kill(victim)
            time.sleep(0.5)  # The server hears of the closed connection.
        finish(scene, victim)


@victims
def test_killed_after_the_sign_in(scene: Scene, victim: int) -> None:
    scene.start()
    eventually(scene.home.opened, "tab")
    scene.start_the_others()
    with present(scene.home, scene.clients):
        scene.work[victim].result(PATIENCE)
        scene.kill(victim)
        finish(scene, victim)
    assert len(scene.authorization.asked("/auth")) == 1


@victims
def test_killed_while_it_refreshes(scene: Scene, victim: int) -> None:
    """The lock goes with its holder; the refresh token was not used, so another one uses it."""
    scene.start()
    (url,) = eventually(scene.home.opened, "tab")
    scene.start_the_others()
    assert Browser().visit(url, patience=PATIENCE).status == 200
    for job in scene.work:
        job.result(PATIENCE)
    scene.protected.refuse_known_tokens()
    before = len(scene.authorization.refreshes())
    with scene.authorization.held("/token"):
        first = scene.clients[0].start_tool("who")
        scene.authorization.wait_asked("/token", 2)  # The exchange was the first.
        others = [client.start_tool("who") for client in scene.clients[1:]]
        scene.kill(victim)
        time.sleep(0.5)
    answers = dict(enumerate([first, *others]))
    answers.pop(victim)
    assert {answer.text(PATIENCE) for answer in answers.values()} == {"ada"}
    good = [entry for entry in scene.authorization.refreshes()[before:] if entry["status"] == 200]
    assert len(good) == 1
    assert len(scene.authorization.asked("/auth")) == 1
