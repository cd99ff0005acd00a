"""The real servers that the tests run: how each is started, and what can be expected of it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .paths import HERE, NODE, NODE_MODULES, PYTHON, PYTHON_2, RMCP_SERVER
from .stdio_client import DEADLINE

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
EVERYTHING = NODE_MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"


@dataclass(frozen=True)
class Kind:
    """A server and its mode."""

    name: str
    server_name: str
    command: Callable[[int], list[str]]
    sessions: bool
    """Whether it hands out session ids (and offers the standalone stream)."""
    own: bool = True
    """Whether it is one of ours, with the tools `hold`, `release`, `holds` and `announce`."""
    resumable: bool = False
    """Whether it is one of ours with an event store: `paced`, `close-own-stream`, `close-standalone`, `ask`."""
    path: str = "/mcp"
    ready: str = r"listening (\d+)"
    flags: tuple[str, ...] = ()
    """What the bridge is told about it."""

    def __str__(self) -> str:
        return self.name


def script(interpreter: Any, name: str, *more: str) -> Callable[[int], list[str]]:
    """The command of one of our own servers, as a function of its port."""
    return lambda port: [str(interpreter), str(HERE / "servers" / name), "--port", str(port), *more]


LEGACY = ("--protocol", "legacy")
"""rmcp serves both eras. Most tests are about the sessions of the legacy one."""

KINDS = {
    kind.name: kind
    for kind in [
        Kind(
            "everything",
            "mcp-servers/everything",
            lambda port: [str(NODE), str(EVERYTHING), "streamableHttp"],
            sessions=True,
            own=False,
            ready=r"listening on port (\d+)",
        ),
        Kind("typescript", "interop-typescript", script(NODE, "typescript-1.mjs"), sessions=True, resumable=True),
        Kind("python", "interop-python", script(PYTHON, "python_1.py"), sessions=True, resumable=True),
        Kind(
            "python-stateless-json",
            "interop-python",
            script(PYTHON, "python_1.py", "--mode", "stateless-json"),
            sessions=False,
        ),
        Kind(
            "rmcp",
            "interop-rmcp",
            lambda port: [str(RMCP_SERVER), "--port", str(port)],
            sessions=True,
            flags=LEGACY,
        ),
        Kind(
            "rmcp-stateless-json",
            "interop-rmcp",
            lambda port: [str(RMCP_SERVER), "--port", str(port), "--mode", "stateless-json"],
            sessions=False,
            flags=LEGACY,
        ),
    ]
}

# Servers that are not of the legacy era with Streamable HTTP, or serve both eras.
MORE_KINDS = {
    kind.name: kind
    for kind in [
        Kind(
            "typescript-sse",
            "interop-typescript",
            script(NODE, "typescript-1.mjs", "--mode", "sse"),
            sessions=True,
            path="/sse",
        ),
        Kind("python-sse", "interop-python", script(PYTHON, "python_1.py", "--mode", "sse"), sessions=True, path="/sse"),
        Kind(
            "everything-sse",
            "mcp-servers/everything",
            lambda port: [str(NODE), str(EVERYTHING), "sse"],
            sessions=True,
            own=False,
            path="/sse",
            ready=r"running on port (\d+)",
        ),
        Kind("rmcp-dual", "interop-rmcp", lambda port: [str(RMCP_SERVER), "--port", str(port)], sessions=False),
        *(
            Kind(
                f"typescript-2-{mode}",
                "interop-typescript-2",
                script(NODE, "typescript-2.mjs", "--mode", mode),
                sessions=mode == "sessions",
            )
            for mode in ("modern", "dual", "sessions")
        ),
        *(
            Kind(f"python-2-{mode}", "interop-python-2", script(PYTHON_2, "python_2.py", "--mode", mode), sessions=False)
            for mode in ("modern", "dual")
        ),
    ]
}


def free_port() -> int:
    """A free port below the range from which the system takes ports for clients.

    Nothing else is given such a port by chance, so it is still free when a server is started on it
    again.
    """
    for _ in range(200):
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Server:
    """A running server, which can be killed and started again on the same port."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._log: list[bytes] = []
        self._ready = threading.Condition()
        self._matched = False
        # The port may be taken between the look and the start; then another one is tried.
        for attempt in range(5):
            self.port = free_port()
            try:
                self.start()
                return
            except AssertionError:
                if attempt == 4:
                    raise

    @property
    def url(self) -> str:
        """The MCP endpoint."""
        return f"http://127.0.0.1:{self.port}{self.kind.path}"

    def state(self) -> dict[str, Any]:
        """What clients have left open at one of our own servers."""
        with _DIRECT.open(f"http://127.0.0.1:{self.port}/state", timeout=DEADLINE) as answer:
            return json.load(answer)

    def start(self) -> None:
        """Starts the server and waits until it listens."""
        self._matched = False
        self.process = subprocess.Popen(
            self.kind.command(self.port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PORT": str(self.port)},
            start_new_session=True,
        )
        threading.Thread(target=self._drain, args=(self.process,), daemon=True).start()
        end = time.monotonic() + DEADLINE
        with self._ready:
            while not self._matched:
                self._ready.wait(0.1)
                code = self.process.poll()
                assert code is None, f"{self.kind} ended with {code}: {self.log()}"
                if time.monotonic() > end:
                    self.kill()
                    raise AssertionError(f"{self.kind} does not listen: {self.log()}")

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._ready:
                self._log.append(line)
                del self._log[:-200]
                if process is self.process and re.search(self.kind.ready, line.decode(errors="replace")):
                    self._matched = True
                self._ready.notify_all()

    def log(self) -> str:
        """The end of what the server printed."""
        return b"".join(self._log[-30:]).decode(errors="replace")

    def kill(self) -> None:
        """Kills the server at once: no session is ended, no connection is closed in order."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends the server and what it has started."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.kill()

    def restart(self) -> None:
        """Kills the server and starts it again on the same port: all sessions are lost."""
        self.kill()
        self.start()
