"""Fixtures: servers that live as long as the test run, and a bridge per test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.authorization import AuthorizationServer, ProtectedServer
from support.conformance import Verdict
from support.home import Home
from support.paths import bridge_command
from support.recorder import Recorder
from support.servers import KINDS, MORE_KINDS, Server
from support.stdio_client import StdioClient


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-conformance", action="store_true", help="write docs/conformance.md from what the suite finds"
    )


def pytest_report_header() -> str:
    return f"bridge: {' '.join(bridge_command())}"


def pytest_sessionstart() -> None:
    program = bridge_command()[0]
    if shutil.which(program) is None:
        pytest.exit(f"there is no bridge at {program}: build it, or set MCP_TETHER_BIN", returncode=2)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server]]:
    """Gives the running server of a kind; it is started when it is first asked for."""
    running: dict[str, Server] = {}

    def get(name: str) -> Server:
        if name not in running:
            running[name] = Server(KINDS.get(name) or MORE_KINDS[name])
        return running[name]

    yield get
    for server in running.values():
        server.kill()


@pytest.fixture(scope="session")
def verdicts() -> list[Verdict]:
    """What the conformance suite has found in this run, for `docs/conformance.md`."""
    return []


@pytest.fixture
def authorization() -> Iterator[AuthorizationServer]:
    """An authorization server that knows nobody yet."""
    server = AuthorizationServer()
    yield server
    server.kill()


@pytest.fixture
def protected(authorization: AuthorizationServer) -> Iterator[ProtectedServer]:
    """An MCP server that takes the tokens of `authorization`."""
    server = ProtectedServer(authorization)
    yield server
    server.kill()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home of somebody whose browser signs in at once."""
    return Home(tmp_path)


class Bridged:
    """A client, the bridge, and a recorder between the bridge and a server."""

    def __init__(self, client: StdioClient, recorder: Recorder, server: Server) -> None:
        self.client, self.recorder, self.server = client, recorder, server


PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def bridged(
    request: pytest.FixtureRequest, servers: Callable[[str], Server]
) -> Iterator[Callable[..., Bridged]]:
    """Starts a bridge to a server of a kind (or a given server), with a recorder between.

    At the end of a test that passed, the bridge must end with 0 after its stdin was closed.
    """
    with ExitStack() as stack:
        clients: list[StdioClient] = []

        def start(where: str | Server, make: type[StdioClient] = StdioClient, **more: Any) -> Bridged:
            server = servers(where) if isinstance(where, str) else where
            recorder = stack.enter_context(Recorder(server.port))
            client = make([*bridge_command(), recorder.url(server.kind.path)], **more)
            stack.callback(client.kill)
            clients.append(client)
            return Bridged(client, recorder, server)

        yield start
        for client in clients:
            if request.node.stash.get(PASSED, False):
                if client.process.poll() is None:
                    client.close()
            else:
                # pytest shows this with the failure.
                print(client.stderr())
                print("last lines:", *(line[:500] for line in client.lines[-8:]), sep="\n")
