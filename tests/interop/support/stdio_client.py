"""A stdio client of MCP that is strict with the bridge.

Every line that the bridge writes must be one JSON-RPC message; no request may be answered twice,
and nothing may be answered that was not asked. Breaches are collected and fail `close`.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

DEADLINE = 60.0
"""Seconds that anything may take which depends on another process."""

LATEST = "2025-11-25"

Handler = Callable[[dict[str, Any]], Any]


def eventually(found: Callable[[], Any], what: str, timeout: float = DEADLINE) -> Any:
    """Asks again and again until `found` gives something true, and gives it."""
    end = time.monotonic() + timeout
    while not (value := found()):
        assert time.monotonic() < end, f"no {what} within {timeout} s"
        time.sleep(0.05)
    return value


class Answer:
    """The answer to one request, now or later."""

    def __init__(self, client: StdioClient, key: str, method: str) -> None:
        self._client = client
        self._key = key
        self._method = method

    def message(self, timeout: float = DEADLINE) -> dict[str, Any]:
        """Waits for the whole response."""
        found = self._client.wait(
            lambda: self._client.responses.get(self._key), f"an answer to {self._method}", timeout
        )
        return found

    def arrived(self) -> bool:
        """Whether the response is there already."""
        with self._client.changed:
            return self._key in self._client.responses

    def result(self, timeout: float = DEADLINE) -> dict[str, Any]:
        """Waits for the response, which must be a result."""
        message = self.message(timeout)
        assert "result" in message, f"{self._method} failed: {message}"
        return message["result"]

    def text(self, timeout: float = DEADLINE) -> str:
        """Waits for the result of a tool and gives its only text."""
        result = self.result(timeout)
        assert not result.get("isError"), result
        return result["content"][0]["text"]


class StdioClient:
    """Starts a command and speaks MCP with it over its standard streams.

    `handlers` answers requests of the server by method: a function of `params` that returns the
    `result`. A request without a handler is answered with the error -32601.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        capabilities: dict[str, Any] | None = None,
        handlers: Mapping[str, Handler] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.capabilities = capabilities or {}
        self.handlers = dict(handlers or {})
        self.changed = threading.Condition()
        self.version = LATEST
        self.sent: list[bytes] = []
        self.lines: list[bytes] = []
        self.responses: dict[str, dict[str, Any]] = {}
        self.notifications: list[dict[str, Any]] = []
        self.server_requests: list[dict[str, Any]] = []
        self.breaches: list[str] = []
        self._asked: dict[str, str] = {}
        self._answered: set[str] = set()
        self._ids = itertools.count(1)
        self._write = threading.Lock()
        self._ended = False
        self._stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, env=env
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # What the bridge says ---------------------------------------------------------------------

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            reply = None
            with self.changed:
                self.lines.append(line.rstrip(b"\n"))
                try:
                    reply = self._take(line)
                except Exception as error:  # noqa: BLE001 (whatever is wrong with a line is a breach)
                    self.breaches.append(f"not a JSON-RPC message: {line[:300]!r} ({error})")
                self.changed.notify_all()
            if reply is not None:
                self.send(reply)
        with self.changed:
            self._ended = True
            self.changed.notify_all()

    def _take(self, line: bytes) -> dict[str, Any] | None:
        assert line.endswith(b"\n"), "the last line has no end"
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        if "method" in message:
            if "id" not in message:
                self.notifications.append(message)
                return None
            self.server_requests.append(message)
            return self._reply(message)
        assert ("result" in message) != ("error" in message)
        key = json.dumps(message["id"])
        if key not in self._asked:
            self.breaches.append(f"an answer to nothing: {line[:300]!r}")
        elif key in self._answered:
            self.breaches.append(f"a second answer: {line[:300]!r}")
        else:
            self._answered.add(key)
            return self._settle(key, message, line)
        return None

    def _settle(self, key: str, message: dict[str, Any], line: bytes) -> dict[str, Any] | None:
        """Hands a response to whoever waits for it; gives what is to be sent in return."""
        del line
        self.responses[key] = message
        return None

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": request["id"]}
        handler = self.handlers.get(request["method"])
        if request["method"] == "ping":
            return {**head, "result": {}}
        if handler is None:
            return {**head, "error": {"code": -32601, "message": "Method not found"}}
        return {**head, "result": handler(request.get("params", {}))}

    # What the client says ---------------------------------------------------------------------

    def send_line(self, line: bytes) -> None:
        """Writes one line as it is."""
        assert self.process.stdin is not None
        with self._write:
            self.sent.append(line)
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()

    def send(self, message: dict[str, Any]) -> None:
        """Writes one message."""
        self.send_line(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Sends a notification."""
        self.send({"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params}))

    def start(self, method: str, params: dict[str, Any] | None = None, *, id: Any = None) -> Answer:
        """Sends a request and does not wait for its answer."""
        request_id = next(self._ids) if id is None else id
        message = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        return self.start_line(json.dumps(message, separators=(",", ":")).encode(), request_id, method)

    def start_line(self, line: bytes, request_id: Any, method: str) -> Answer:
        """Sends a request that is spelled by the caller."""
        key = json.dumps(request_id)
        with self.changed:
            assert key not in self._asked, f"the test uses the id {key} twice"
            self._asked[key] = method
        self.send_line(line)
        return Answer(self, key, method)

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a request and waits for its result."""
        return self.start(method, params).result()

    def start_tool(self, name: str, arguments: dict[str, Any] | None = None, **more: Any) -> Answer:
        """Calls a tool and does not wait. `progress` is a progress token, `id` the request's id."""
        params: dict[str, Any] = {"name": name, "arguments": arguments or {}}
        if "progress" in more:
            params["_meta"] = {"progressToken": more["progress"]}
        return self.start("tools/call", params, id=more.get("id"))

    def tool(self, name: str, arguments: dict[str, Any] | None = None) -> str:
        """Calls a tool and gives the text that it answers."""
        return self.start_tool(name, arguments).text()

    def start_initialize(self, version: str = LATEST) -> Answer:
        """Sends `initialize` and does not wait."""
        return self.start(
            "initialize",
            {
                "protocolVersion": version,
                "capabilities": self.capabilities,
                "clientInfo": {"name": "interop-client", "version": "1.0.0"},
            },
        )

    def initialize(self, version: str = LATEST) -> dict[str, Any]:
        """The handshake; gives the server's InitializeResult."""
        result = self.start_initialize(version).result()
        self.version = result["protocolVersion"]
        self.greet()
        return result

    def greet(self) -> None:
        """Says that the handshake is over."""
        self.notify("notifications/initialized")

    # Waiting ----------------------------------------------------------------------------------

    def wait(self, found: Callable[[], Any], what: str, timeout: float = DEADLINE) -> Any:
        """Waits until `found` gives something true, and gives it."""
        end = time.monotonic() + timeout
        with self.changed:
            while not (value := found()):
                left = end - time.monotonic()
                assert not self._ended, f"the bridge ended before {what}\n{self.stderr()}"
                assert left > 0, f"no {what} within {timeout} s\n{self.stderr()}"
                self.changed.wait(left)
            return value

    def of_method(self, method: str) -> list[dict[str, Any]]:
        """The notifications of a method that have arrived so far."""
        with self.changed:
            return [message for message in self.notifications if message["method"] == method]

    def wait_notification(
        self,
        method: str,
        accept: Callable[[dict[str, Any]], bool] = lambda params: True,
        timeout: float = DEADLINE,
    ) -> dict[str, Any]:
        """Waits for a notification of the method with acceptable `params`."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.of_method(method) if accept(m.get("params", {}))), None)

        return self.wait(found, method, timeout)

    def progress(self, token: Any) -> list[float]:
        """The progress reported for a token so far, in the order of arrival."""
        return [
            message["params"]["progress"]
            for message in self.of_method("notifications/progress")
            if message["params"]["progressToken"] == token
        ]

    def logged(self) -> str:
        """Everything that the bridge has logged so far."""
        # The bridge writes at the offset of the same open file, so nobody may seek in it.
        file = self._stderr.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def stderr(self) -> str:
        """The end of what the bridge logged."""
        return "bridge's stderr: " + self.logged()[-4000:]

    def transcript(self) -> Iterator[dict[str, Any]]:
        """Every message of both directions, as `schemas.mjs` takes it."""
        with self.changed:
            sent, received = list(self.sent), list(self.lines)
        asked = {json.dumps(request["id"]): request["method"] for request in self.server_requests}
        for direction, lines, methods in (("client→server", sent, asked), ("server→client", received, self._asked)):
            for message in map(json.loads, lines):
                entry = {"revision": self.version, "direction": direction, "message": message}
                if "method" not in message:
                    entry["method"] = methods.get(json.dumps(message.get("id")))
                yield entry

    # The end ----------------------------------------------------------------------------------

    def close_stdin(self) -> None:
        """Says that nothing more will come."""
        assert self.process.stdin is not None
        with self._write:
            self.process.stdin.close()

    def close(self, expect: int = 0) -> None:
        """Ends the bridge the regular way and checks how it ended."""
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            self.close_stdin()
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the bridge did not end after stdin closed\n{self.stderr()}") from None
        self._reader.join(DEADLINE)
        assert not self.breaches, f"{self.breaches}\n{self.stderr()}"
        assert code == expect, f"the bridge ended with {code}, not {expect}\n{self.stderr()}"

    def kill(self) -> None:
        """Ends the bridge in any case."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE)
        self._stderr.close()

    def __enter__(self) -> StdioClient:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self.close()
            else:
                # pytest shows this only for a test that failed.
                print(self.stderr())
                print("last lines:", *(line[:500] for line in self.lines[-8:]), sep="\n")
        finally:
            self.kill()
