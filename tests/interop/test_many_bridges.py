"""Twenty bridges of one person: one tab, one token request per expiry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.authorization import TTL, AuthorizationServer, ProtectedServer
from support.browser import Browser
from support.home import Home
from support.stdio_client import DEADLINE, StdioClient, eventually

COUNT = 20

# 0.5 s of margin before the end, and the seconds of a JWT are whole: 4 s is the least that a token
# is good for. A busy machine only makes it longer.
LEAST_LIFE = TTL - 1 - 0.1


@pytest.fixture
def crowd() -> Iterator[Callable[[Home, str], list[StdioClient]]]:
    """Starts `COUNT` bridges; they are ended in any case."""
    with ExitStack() as stack:

        def start(home: Home, url: str) -> list[StdioClient]:
            clients = [home.bridge(url) for _ in range(COUNT)]
            for client in clients:
                stack.callback(client.kill)
            return clients

        yield start


def all_do(clients: list[StdioClient], action: Callable[[StdioClient], Any]) -> list[Any]:
    """Does the same with all at once; the first failure is raised."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(action, clients))


def who(client: StdioClient) -> str:
    return client.tool("who")


def test_one_refresh_for_an_expired_record(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home, crowd: Any
) -> None:
    home.login(protected.url)
    time.sleep(TTL + 1)
    # The next token outlives the test, so that every further refresh is one too many.
    authorization.set_ttl(3600)
    clients = crowd(home, protected.url)
    all_do(clients, StdioClient.initialize)
    assert all_do(clients, who) == ["ada"] * COUNT
    assert [entry["status"] for entry in authorization.refreshes()] == [200]

    for number in range(2, 5):
        protected.refuse_known_tokens()
        assert all_do(clients, who) == ["ada"] * COUNT
        assert [entry["status"] for entry in authorization.refreshes()] == [200] * number
    all_do(clients, StdioClient.close)
    assert len(authorization.asked("/auth")) == 1


def test_one_refresh_per_expiry_of_five_second_tokens(
    authorization: AuthorizationServer, protected: ProtectedServer, home: Home, crowd: Any
) -> None:
    home.login(protected.url)
    time.sleep(TTL + 1)
    clients = crowd(home, protected.url)
    all_do(clients, StdioClient.initialize)
    end = time.monotonic() + 4 * TTL

    def work(client: StdioClient) -> int:
        calls = 0
        while time.monotonic() < end:
            assert client.tool("echo", {"message": "on"}) == "Echo: on"
            calls += 1
            time.sleep(0.2)
        return calls

    assert min(all_do(clients, work)) >= 1
    all_do(clients, StdioClient.close)
    refreshes = authorization.refreshes()
    assert len(refreshes) >= 3
    assert {entry["status"] for entry in refreshes} == {200}
    gaps = [later["at"] - earlier["at"] for earlier, later in pairwise(refreshes)]
    assert min(gaps) >= LEAST_LIFE, gaps
    assert len(authorization.asked("/auth")) == 1


def test_one_tab_for_all(
    authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path, crowd: Any
) -> None:
    authorization.set_ttl(3600)
    home = Home(tmp_path, follow=False)
    clients = crowd(home, protected.url)
    with ThreadPoolExecutor(COUNT) as pool:
        initialized = [pool.submit(client.initialize) for client in clients]
        eventually(lambda: protected.answers("server/discover").count(401) >= COUNT, "challenge for every bridge")
        (url,) = eventually(home.opened, "tab")
        assert Browser().visit(url, patience=DEADLINE).status == 200
        for future in initialized:
            future.result(2 * DEADLINE)
    assert all_do(clients, who) == ["ada"] * COUNT
    all_do(clients, StdioClient.close)
    assert home.opened() == [url]
    assert [entry["status"] for entry in authorization.asked("/token")] == [200]
    assert len(authorization.asked("/auth")) == len(authorization.asked("/reg")) == 1
