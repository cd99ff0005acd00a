"""The real authorization server and the MCP server that it protects."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .paths import NODE
from .servers import Kind, Server, script
from .stdio_client import DEADLINE, eventually

TTL = 5
"""Seconds that an access token lives, unless a test says otherwise."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _ask(url: str, method: str = "GET") -> Any:
    with _DIRECT.open(urllib.request.Request(url, method=method), timeout=DEADLINE) as answer:
        return json.load(answer)


class AuthorizationServer(Server):
    """`servers/authorization-server.mjs`."""

    def __init__(self, ttl: int = TTL, *more: str) -> None:
        super().__init__(
            Kind(
                "authorization",
                "oidc-provider",
                script(NODE, "authorization-server.mjs", "--ttl", str(ttl), *more),
                sessions=False,
            )
        )

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_asked(self, path: str, count: int = 1, **expected: Any) -> list[dict[str, Any]]:
        """Waits until there are `count` such requests, and gives all."""

        def enough() -> list[dict[str, Any]] | None:
            found = self.asked(path, **expected)
            return found if len(found) >= count else None

        return eventually(enough, f"request {count} to {path} with {expected}")

    def asked(self, path: str, **expected: Any) -> list[dict[str, Any]]:
        """The requests to a path so far that have these members (`grant="refresh_token"`)."""
        return [
            entry
            for entry in _ask(f"{self.issuer}/-/log")
            if entry["path"] == path and all(entry.get(name) == value for name, value in expected.items())
        ]

    def refreshes(self) -> list[dict[str, Any]]:
        """The refresh requests so far, refused ones included."""
        return self.asked("/token", grant="refresh_token")

    def secrets(self) -> list[str]:
        """Every token, code and client secret that it has handed out."""
        return _ask(f"{self.issuer}/-/secrets")

    def set_ttl(self, seconds: int) -> None:
        """Sets the life of the access tokens that are issued from now on."""
        _ask(f"{self.issuer}/-/ttl?seconds={seconds}", "POST")

    @contextmanager
    def held(self, path: str, when: str = "before") -> Iterator[None]:
        """Holds requests to a path (or their answers: `after`) until the end of the block."""
        _ask(f"{self.issuer}/-/hold?{urllib.parse.urlencode({'path': path, 'when': when})}", "POST")
        try:
            yield
        finally:
            _ask(f"{self.issuer}/-/release", "POST")


class ProtectedServer(Server):
    """`servers/protected-server.mjs`."""

    def __init__(self, authorization: AuthorizationServer, *more: str) -> None:
        super().__init__(
            Kind(
                "protected",
                "interop-protected",
                script(NODE, "protected-server.mjs", "--issuer", authorization.issuer, *more),
                sessions=True,
            )
        )
        self.authorization = authorization
        self._secure = more[more.index("--secure-port") + 1] if "--secure-port" in more else None

    @property
    def url(self) -> str:
        """The MCP endpoint."""
        return super().url if self._secure is None else f"https://127.0.0.1:{self._secure}{self.kind.path}"

    def refuse_known_tokens(self) -> None:
        """Refuses every token that it has accepted so far."""
        _ask(f"http://127.0.0.1:{self.port}/-/refuse", "POST")

    def answers(self, rpc: str) -> list[int]:
        """The HTTP status of every POST of a JSON-RPC method so far."""
        return [entry["status"] for entry in _ask(f"http://127.0.0.1:{self.port}/-/log") if entry["rpc"] == rpc]
