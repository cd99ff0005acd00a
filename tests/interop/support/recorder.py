"""A relay between the bridge and a server that records what passes and can cut connections.

It forwards bytes untouched and reads them as HTTP/1.1 on the way, so a test can compare what the
client wrote with what the server got, and what the server sent with what the client got, byte for
byte, and can wait for a request that only the server would otherwise see.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .stdio_client import DEADLINE


@dataclass
class Exchange:
    """One HTTP request and what came back so far."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    status: int | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    response: bytearray = field(default_factory=bytearray)
    finished: bool = False

    def messages(self) -> list[bytes]:
        """The JSON-RPC messages in the response, as the server spelled them."""
        kind = self.response_headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == "application/json":
            return [bytes(self.response)] if self.finished and self.response.strip() else []
        if kind == "text/event-stream":
            return list(_events(bytes(self.response)))
        return []


def _events(stream: bytes) -> Iterator[bytes]:
    """The data of the complete events with data in an SSE stream."""
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for block in text.split(b"\n\n")[:-1]:
        lines = [line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]
        data = b"\n".join(line[1:] if line.startswith(b" ") else line for line in lines)
        if data:
            yield data


class _HttpReader:
    """Reads one direction of an HTTP/1.1 connection from pieces of any size."""

    def __init__(self, on_head: Callable[[str, dict[str, str]], bool], on_body: Callable[[bytes], None],
                 on_end: Callable[[], None]) -> None:
        self._on_head, self._on_body, self._on_end = on_head, on_body, on_end
        self._buffer = bytearray()
        self._state, self._left = "head", 0

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _step(self) -> bool:
        if self._state == "head":
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            first, *rest = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
            del self._buffer[: end + 4]
            headers = {}
            for line in rest:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            has_body = self._on_head(first, headers)
            if has_body and headers.get("transfer-encoding", "").lower() == "chunked":
                self._state = "size"
            elif has_body and "content-length" in headers:
                self._state, self._left = "length", int(headers["content-length"])
            elif has_body and first.startswith("HTTP/"):
                self._state = "to-the-end"
            else:
                self._on_end()
            return True
        if self._state == "size":
            line = self._line()
            if line is None:
                return False
            self._left = int(line.split(b";")[0], 16)
            self._state = "chunk" if self._left else "trailer"
            return True
        if self._state == "chunk-end":
            if len(self._buffer) < 2:
                return False
            del self._buffer[:2]
            self._state = "size"
            return True
        if self._state == "trailer":
            line = self._line()
            if line is None:
                return False
            if not line:
                self._finish()
            return True
        if self._state == "to-the-end":
            self._on_body(bytes(self._buffer))
            self._buffer.clear()
            return False
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        self._on_body(piece)
        if self._left:
            return False
        if self._state == "chunk":
            self._state = "chunk-end"
        else:
            self._finish()
        return True

    def _finish(self) -> None:
        self._state = "head"
        self._on_end()


class Recorder:
    """Listens on a loopback port of its own and forwards every connection to `port`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.changed = threading.Condition()
        self.everything: list[Exchange] = []
        """All exchanges, in the order in which their requests began."""
        self.problems: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(DEADLINE)

    def url(self, path: str = "/mcp") -> str:
        """The URL to give to the bridge."""
        return f"http://127.0.0.1:{self.port}{path}"

    # The relay (runs in the loop's thread) ------------------------------------------------------

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(self._end(tasks))
        self._loop.close()

    async def _end(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Waits until every connection is closed: a server must not go on with one of ours."""
        writers = list(self._writers)
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        # What closes a socket is done in the turn after.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._reset(writer)
            return
        self._writers |= {writer, up_writer}
        waiting: list[Exchange] = []  # requests whose response has not ended, oldest first

        def request_head(first: str, headers: dict[str, str]) -> bool:
            method, path, _ = first.split(" ", 2)
            exchange = Exchange(method, path, headers)
            waiting.append(exchange)
            self._note(lambda: self.everything.append(exchange))
            return True

        def request_body(piece: bytes) -> None:
            waiting[-1].body += piece

        def response_head(first: str, headers: dict[str, str]) -> bool:
            status = int(first.split(" ")[1])
            if status < 200:
                return False
            exchange = waiting[0]
            exchange.response_headers = headers
            self._note(lambda: setattr(exchange, "status", status))
            return status not in (204, 304)

        def response_body(piece: bytes) -> None:
            self._note(lambda: waiting[0].response.extend(piece))

        def response_end() -> None:
            if waiting and waiting[0].status is not None:
                done = waiting.pop(0)
                self._note(lambda: setattr(done, "finished", True))

        requests = _HttpReader(request_head, request_body, lambda: self._note(lambda: None))
        responses = _HttpReader(response_head, response_body, response_end)
        try:
            await asyncio.gather(
                self._pump(reader, up_writer, requests), self._pump(up_reader, writer, responses)
            )
        except asyncio.CancelledError:
            pass  # The recorder is being closed.
        finally:
            self._writers -= {writer, up_writer}
            writer.close()
            up_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, http: _HttpReader) -> None:
        try:
            while data := await reader.read(65536):
                try:
                    http.feed(data)
                except Exception as error:  # noqa: BLE001 (a relay goes on; the test sees `problems`)
                    self.problems.append(f"unreadable HTTP: {error!r} in {data[:200]!r}")
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        # One side has ended: neither HTTP client nor server here half-closes and goes on.
        writer.close()

    def _note(self, change: Callable[[], Any]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> None:
        """Ends a connection with RST, as a crash or a middlebox would."""
        link = writer.get_extra_info("socket")
        if link is not None:
            try:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass  # It has ended by itself already.
        writer.transport.abort()

    # For the tests ------------------------------------------------------------------------------

    def cut(self) -> None:
        """Resets every connection, on both sides."""

        async def reset() -> None:
            for writer in list(self._writers):
                self._reset(writer)

        asyncio.run_coroutine_threadsafe(reset(), self._loop).result(DEADLINE)

    @property
    def exchanges(self) -> list[Exchange]:
        """All but the question of which era the server is, which goes before everything else.

        A server that makes a session for it gets that back with a DELETE, which is part of it.
        """
        asked = [e for e in self.everything if e.headers.get("mcp-method") == "server/discover"]
        strays = {e.response_headers.get("mcp-session-id") for e in asked} - {None}
        return [e for e in self.everything if e not in asked and e.headers.get("mcp-session-id") not in strays]

    def all(self, method: str) -> list[Exchange]:
        """The exchanges of an HTTP method so far."""
        with self.changed:
            return [exchange for exchange in self.exchanges if exchange.method == method]

    def posts(self, rpc_method: str) -> list[Exchange]:
        """The POSTs of a JSON-RPC method so far."""
        name = f'"{rpc_method}"'.encode()
        return [exchange for exchange in self.all("POST") if name in exchange.body]

    def wait(self, found: Callable[[], Any], what: str, timeout: float = DEADLINE) -> Any:
        """Waits until `found` gives something true, and gives it."""
        end = time.monotonic() + timeout
        with self.changed:
            while not (value := found()):
                left = end - time.monotonic()
                if left <= 0:
                    seen = [(e.method, e.status, e.body[:80]) for e in self.exchanges[-12:]]
                    raise AssertionError(f"no {what} within {timeout} s; last requests: {seen}")
                self.changed.wait(left)
            return value

    def server_messages(self) -> list[bytes]:
        """Every message that the server has sent, as it spelled them."""
        with self.changed:
            return [message for exchange in self.exchanges for message in exchange.messages()]

    def close(self) -> None:
        """Ends the relay."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        assert not self.problems, self.problems

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
