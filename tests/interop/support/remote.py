"""A remote MCP server and its authorization server in one, which keep what they are asked.

It says yes to everything: what it is for is to compare what two bridges ask. A test describes the server
with `Remote(...)`; `asked` gives the requests.
"""

from __future__ import annotations

import base64
import itertools
import json
import queue
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = ("deleteTask", "getTask", "DeleteUser", "getAccount", "exactTool", "exactToolTwo")


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    """By names in lower case; the last of equal ones."""
    body: bytes

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query))

    @property
    def form(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def rpc(self) -> str | None:
        """The method of the JSON-RPC message in the body."""
        try:
            return self.json.get("method")
        except (ValueError, AttributeError):
            return None


@dataclass
class Remote:
    """What the server is like."""

    protected: bool = False
    """Whether it wants a token, and says where its authorization server is."""
    http: bool = True
    """Whether `/mcp` speaks Streamable HTTP; else it is not found."""
    sse: bool = False
    """Whether `/mcp` speaks HTTP+SSE to a GET."""
    cookie: str | None = None
    """What `Set-Cookie` of `initialize` says."""
    scopes: tuple[str, ...] = ("a", "b")
    methods: tuple[str, ...] = ("none", "client_secret_post", "client_secret_basic")
    documents: bool = False
    """Whether a URL of a document may be a `client_id`."""
    registers: bool = True
    metadata: bool = True
    """Whether anything can be discovered."""
    expires_in: int = 3600
    registered_method: str | None = None
    """What a registration answers as `token_endpoint_auth_method`; else what was asked for."""

    _asked: list[Request] = field(default_factory=list, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _streams: dict[str, queue.Queue[bytes | None]] = field(default_factory=dict, init=False)
    _numbers: Any = field(default_factory=itertools.count, init=False)
    refresh_tokens: list[str] = field(default_factory=list, init=False)
    """Those that are good, each once."""

    def __enter__(self) -> Remote:
        remote = self

        class Handler(_Handler):
            server_of = remote

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/mcp"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in list(self._streams.values()):
            stream.put(None)
        self._server.shutdown()
        self._server.server_close()

    def keep(self, request: Request) -> None:
        with self._changed:
            self._asked.append(request)
            self._changed.notify_all()

    def asked(self, path: str | None = None, method: str | None = None) -> list[Request]:
        """The requests so far, of a path and of an HTTP method."""
        with self._changed:
            return [
                request
                for request in self._asked
                if path in (None, request.path) and method in (None, request.method)
            ]

    def forget(self) -> None:
        """Forgets the requests so far."""
        with self._changed:
            self._asked.clear()

    def next(self, kind: str) -> str:
        return f"fake-{kind}-{next(self._numbers)}"


def _client(request: Request) -> str:
    """The client that a token request is from."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        return urllib.parse.unquote_plus(base64.b64decode(given).decode().partition(":")[0])
    return request.form["client_id"]


def _unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Remote

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            pass

    # Answers ----------------------------------------------------------------------------------

    def answer(self, status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> None:
        kind = None
        if not isinstance(body, bytes):
            body, kind = json.dumps(body).encode(), "application/json"
        self.send_response(status)
        for name, value in {**({"Content-Type": kind} if kind else {}), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        request = Request(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
        )
        remote = self.server_of
        remote.keep(request)
        path = request.path
        if path.startswith("http"):
            # As a proxy: the target is a whole URL.
            self.answer(502)
        elif path == "/mcp":
            self._mcp(request)
        elif path == "/messages":
            self._message(request)
        elif path.startswith("/.well-known/"):
            self._metadata(path)
        else:
            part = getattr(self, f"_{path.strip('/')}", None) if remote.protected else None
            if part is None:
                self.answer(404)
            else:
                part(request)

    do_GET = do_POST = do_DELETE = do_CONNECT = _handle

    # MCP --------------------------------------------------------------------------------------

    def _mcp(self, request: Request) -> None:
        remote = self.server_of
        authorization = request.headers.get("authorization", "")
        if remote.protected and not authorization.startswith(("Bearer fake-", "Bearer eyJ")):
            where = f'Bearer resource_metadata="{remote.origin}/.well-known/oauth-protected-resource/mcp"'
            self.answer(401, b"", {"WWW-Authenticate": where if remote.metadata else "Bearer"})
        elif request.method == "GET" and remote.sse:
            self._stream()
        elif not remote.http:
            self.answer(404 if request.method == "GET" else 405 if remote.sse else 404)
        elif request.method == "GET":
            self.answer(405)
        elif request.method == "DELETE":
            self.answer(200)
        else:
            reply = self._reply(request.json)
            headers = {}
            if request.rpc == "initialize":
                headers["Mcp-Session-Id"] = remote.next("session")
                if remote.cookie:
                    headers["Set-Cookie"] = remote.cookie
            self.answer(202 if reply is None else 200, b"" if reply is None else reply, headers)

    def _reply(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if "method" not in message or "id" not in message:
            return None
        result: dict[str, Any] | None = {
            "initialize": lambda: {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "remote", "version": "1"},
            },
            "ping": dict,
            "tools/list": lambda: {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]},
            "tools/call": lambda: {"content": [{"type": "text", "text": message["params"]["name"]}]},
        }.get(message["method"], lambda: None)()
        head = {"jsonrpc": "2.0", "id": message["id"]}
        if result is None:
            return {**head, "error": {"code": -32601, "message": "Method not found"}}
        return {**head, "result": result}

    def _stream(self) -> None:
        remote = self.server_of
        name = remote.next("stream")
        stream: queue.Queue[bytes | None] = queue.Queue()
        remote._streams[name] = stream
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(f"event: endpoint\ndata: /messages?stream={name}\n\n".encode())
        self.wfile.flush()
        while (event := stream.get()) is not None:
            self.wfile.write(b"event: message\ndata: " + event + b"\n\n")
            self.wfile.flush()

    def _message(self, request: Request) -> None:
        stream = self.server_of._streams[request.query["stream"]]
        self.answer(202)
        if (reply := self._reply(request.json)) is not None:
            stream.put(json.dumps(reply).encode())

    # Authorization ----------------------------------------------------------------------------

    def _metadata(self, path: str) -> None:
        remote = self.server_of
        if not (remote.protected and remote.metadata):
            self.answer(404)
        elif path == "/.well-known/oauth-protected-resource/mcp":
            about = {
                "resource": remote.url,
                "authorization_servers": [remote.origin],
                "scopes_supported": remote.scopes,
            }
            self.answer(200, about)
        elif path == "/.well-known/oauth-authorization-server":
            about = {
                "issuer": remote.origin,
                "authorization_endpoint": f"{remote.origin}/authorize",
                "token_endpoint": f"{remote.origin}/token",
                "device_authorization_endpoint": f"{remote.origin}/device",
                "response_types_supported": ["code"],
                "grant_types_supported": [
                    "authorization_code",
                    "refresh_token",
                    "client_credentials",
                    "urn:ietf:params:oauth:grant-type:device_code",
                ],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": remote.methods,
            }
            if remote.registers:
                about["registration_endpoint"] = f"{remote.origin}/register"
            if remote.documents:
                about["client_id_metadata_document_supported"] = True
            self.answer(200, about)
        else:
            self.answer(404)

    def _register(self, request: Request) -> None:
        remote = self.server_of
        about = {**request.json, "client_id": remote.next("client")}
        if remote.registered_method:
            about["token_endpoint_auth_method"] = remote.registered_method
        if about.get("token_endpoint_auth_method", "client_secret_basic") != "none":
            about |= {"client_secret": remote.next("client-secret"), "client_secret_expires_at": 0}
        self.answer(201, about)

    def _authorize(self, request: Request) -> None:
        query = request.query
        back = urllib.parse.urlencode({"code": self.server_of.next("code"), "state": query["state"]})
        self.answer(302, b"", {"Location": f"{query['redirect_uri']}?{back}"})

    def _device(self, _: Request) -> None:
        about = {
            "device_code": self.server_of.next("device-code"),
            "user_code": "FAKE-CODE",
            "verification_uri": f"{self.server_of.origin}/activate",
            "expires_in": 600,
            "interval": 1,
        }
        self.answer(200, about)

    def _token(self, request: Request) -> None:
        remote = self.server_of
        form = request.form
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in remote.refresh_tokens:
                self.answer(400, {"error": "invalid_grant"})
                return
            remote.refresh_tokens.remove(form["refresh_token"])
        about: dict[str, Any] = {
            "access_token": remote.next("access-token"),
            "token_type": "Bearer",
            "expires_in": remote.expires_in,
            "scope": form.get("scope", " ".join(remote.scopes)),
        }
        if form["grant_type"] != "client_credentials":
            about["refresh_token"] = remote.next("refresh-token")
            remote.refresh_tokens.append(about["refresh_token"])
            claims = {"iss": remote.origin, "sub": "ada", "aud": _client(request), "exp": int(time.time()) + 3600}
            about["id_token"] = _unsigned(claims)
        self.answer(200, about)

    def _done(self, _: Request) -> None:
        self.answer(200, b"the page of a company", {"Content-Type": "text/plain"})
