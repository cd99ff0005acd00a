"""A stdio client of the revision 2026-07-28 that is strict with the bridge.

There is no handshake: every request says in `_meta` who asks and what the client can do. What a server
needs from the client comes as a result, `input_required`, which is answered by the same request under a
new id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .stdio_client import DEADLINE, Answer, StdioClient

MODERN = "2026-07-28"

META = "io.modelcontextprotocol/"
SUBSCRIPTION = META + "subscriptionId"

CACHEABLE = {
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
}
"""The methods whose results say how long they are good."""

CHANGES = {
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
}

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]

NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
"""The capability that a client must have declared before it may be asked."""


class ModernClient(StdioClient):
    """Starts a command and speaks 2026-07-28 with it over its standard streams.

    `handlers` answers what the server asks for by `input_required`. A call is retried by itself until it
    is complete; with `manual` the test sees `input_required` and retries with `retry`. With `strict`, a
    result must have what the revision demands of it.
    """

    def __init__(self, *given: Any, manual: bool = False, strict: bool = True, **more: Any) -> None:
        self.manual, self.strict = manual, strict
        self.level: str | None = None
        """The log level that goes with every request."""
        self.rounds: list[dict[str, Any]] = []
        """The results `input_required` that have been seen."""
        self._requests: dict[str, dict[str, Any]] = {}
        self._first: dict[str, str] = {}
        self._listening: set[str] = set()
        super().__init__(*given, **more)
        self.version = MODERN

    # What the client says ---------------------------------------------------------------------

    def meta(self, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `_meta` of a request."""
        level = {} if self.level is None else {META + "logLevel": self.level}
        return {
            META + "protocolVersion": MODERN,
            META + "clientInfo": {"name": "interop-client", "version": "1.0.0"},
            META + "clientCapabilities": self.capabilities,
            **level,
            **(more or {}),
        }

    def start(self, method: str, params: dict[str, Any] | None = None, *, id: Any = None) -> Answer:
        """Sends a request and does not wait for its answer."""
        params = params or {}
        request_id = next(self._ids) if id is None else id
        message = {
            "jsonrpc": "2.0",
            "id": request_id,
            "method": method,
            "params": {**params, "_meta": self.meta(params.get("_meta"))},
        }
        with self.changed:
            self._requests[json.dumps(request_id)] = message
        return self.start_line(json.dumps(message, separators=(",", ":")).encode(), request_id, method)

    def start_initialize(self, version: str = MODERN) -> Answer:
        """What stands in the place of `initialize`: asks what the server is."""
        return self.start("server/discover")

    def initialize(self, version: str = MODERN) -> dict[str, Any]:
        """Asks what the server is; gives its DiscoverResult with the server's name where legacy has it."""
        result = self.start_initialize().result()
        assert MODERN in result["supportedVersions"], result
        return {**result, "serverInfo": result.get("_meta", {}).get(META + "serverInfo")}

    def greet(self) -> None:
        """There is no handshake that could be over."""

    def listen(self, timeout: float = DEADLINE, **wanted: Any) -> Subscription:
        """Opens a subscription and waits until it is acknowledged."""
        answer = self.start("subscriptions/listen", {"notifications": wanted}, id=f"listen-{next(self._ids)}")
        key = answer._key

        def acknowledged() -> dict[str, Any] | None:
            assert key not in self.responses, f"the subscription ended: {self.responses[key]}"
            return next((m for m in self.of_subscription(key) if m["method"].endswith("/acknowledged")), None)

        found = self.wait(acknowledged, "acknowledgement of the subscription", timeout)
        assert self.of_subscription(key)[0] is found, "something came before the acknowledgement"
        return Subscription(self, answer, found["params"]["notifications"])

    def of_subscription(self, key: str) -> list[dict[str, Any]]:
        """The notifications of a subscription so far."""
        with self.changed:
            return [m for m in self.notifications if json.dumps(_subscription(m)) == key]

    def retry(self, answer: Answer, responses: dict[str, Any], *, id: Any = None) -> Answer:
        """Sends a request again with what it was told to bring (for `manual`)."""
        asked = answer.message()["result"]
        return self._again(self._requests[answer._key], asked, responses, id)

    # What the bridge says ---------------------------------------------------------------------

    def _take(self, line: bytes) -> dict[str, Any] | None:
        message = json.loads(line)
        if "method" in message and "id" in message:
            self.breaches.append(f"a request to a client that takes none: {line[:300]!r}")
            return None
        if "method" in message and self.strict:
            self._check_notification(message)
        return super()._take(line)

    def _settle(self, key: str, message: dict[str, Any], line: bytes) -> dict[str, Any] | None:
        # Whoever waits does so for the first of the requests.
        first = self._first.get(key, key)
        result = message.get("result")
        if result is not None and self.strict:
            self._check_result(self._asked[key], result, line)
        if result is None or result.get("resultType") != "input_required" or self.manual:
            self.responses[first] = message
            return None
        self.rounds.append(result)
        responses = {}
        for name, request in (result.get("inputRequests") or {}).items():
            method = request["method"]
            if NEEDS[method] not in self.capabilities or method not in self.handlers:
                self.breaches.append(f"{method} was asked of a client that cannot: {line[:300]!r}")
                return None
            responses[name] = self.handlers[method](request.get("params", {}))
        retried = {**self._requests[key], "id": next(self._ids)}
        retried["params"] = _with_input(retried["params"], result, responses)
        new = json.dumps(retried["id"])
        self._requests[new], self._asked[new], self._first[new] = retried, self._asked[key], first
        return retried

    def _again(self, request: dict[str, Any], asked: dict[str, Any], responses: dict[str, Any], id: Any) -> Answer:
        params = _with_input(request["params"], asked, responses)
        del params["_meta"]
        return self.start(request["method"], params, id=id)

    def _check_result(self, method: str, result: dict[str, Any], line: bytes) -> None:
        if not isinstance(result.get("resultType"), str):
            self.breaches.append(f"a result without a resultType: {line[:300]!r}")
        elif result["resultType"] == "complete" and method in CACHEABLE:
            if type(result.get("ttlMs")) is not int or result.get("cacheScope") not in ("public", "private"):
                self.breaches.append(f"a result without ttlMs and cacheScope: {line[:300]!r}")

    def _check_notification(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params", {})
        if method in CHANGES and json.dumps(_subscription(message)) not in self._asked:
            self.breaches.append(f"{method} without a subscription: {message}")
        if method == "notifications/message":
            if self.level is None:
                self.breaches.append(f"a log message that nobody asked for: {message}")
            elif LEVELS.index(params["level"]) < LEVELS.index(self.level):
                self.breaches.append(f"a log message below {self.level}: {message}")


class Subscription:
    """An open `subscriptions/listen`."""

    def __init__(self, client: ModernClient, answer: Answer, granted: dict[str, Any]) -> None:
        self._client, self.answer, self.granted = client, answer, granted

    def got(self, method: str) -> list[dict[str, Any]]:
        """The notifications of a method that have come on it."""
        return [m for m in self._client.of_subscription(self.answer._key) if m["method"] == method]

    def wait(self, method: str, timeout: float = DEADLINE) -> dict[str, Any]:
        """Waits for a notification of the method."""
        return self._client.wait(lambda: next(iter(self.got(method)), None), method, timeout)

    def close(self) -> None:
        """Ends it as a client does: by taking the request back."""
        self._client.notify("notifications/cancelled", {"requestId": json.loads(self.answer._key)})


def _subscription(message: dict[str, Any]) -> Any:
    return message.get("params", {}).get("_meta", {}).get(SUBSCRIPTION)


def _with_input(params: dict[str, Any], asked: dict[str, Any], responses: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the next round: those of the first, the answers, and the state as it came."""
    kept = {name: value for name, value in params.items() if name not in ("inputResponses", "requestState")}
    state = {"requestState": asked["requestState"]} if "requestState" in asked else {}
    return {**kept, "inputResponses": responses, **state}
