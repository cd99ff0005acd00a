"""What the tests share: a demo server, a conversation over stdio, and running commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ["MCP_TETHER_PACKAGING_CACHE"])
WINDOWS = sys.platform == "win32"
# Seconds; generous, so that only what hangs is over it.
DEADLINE = 120
EXECUTABLE = "mcp-tether.exe" if WINDOWS else "mcp-tether"


def run(*command: str | Path, **more) -> str:
    """Runs a command that must succeed, and returns what it printed on stdout."""
    more = {"capture_output": True, "text": True, "timeout": DEADLINE, "stdin": subprocess.DEVNULL, **more}
    ran = subprocess.run([str(part) for part in command], check=False, **more)
    assert ran.returncode == 0, f"{command} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def tool(name: str) -> Path:
    """A program of the virtual environment."""
    return Path(sys.executable).parent / (f"{name}.exe" if WINDOWS else name)


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """The environment of a person with an empty home, in which the bridge keeps all that it keeps."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"(?i)(XDG_|MCP_TETHER_|.*_proxy$|PYTHON|VIRTUAL_ENV|npm_)", name)
    }
    return {**kept, "HOME": str(home), "MCP_TETHER_HOME": str(home / "tether"), **variables}


@contextlib.contextmanager
def demo(binary: Path) -> Iterator[str]:
    """A demo server by this binary; yields its URL."""
    server = subprocess.Popen(
        [binary, "demo", "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = None
        for line in server.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/mcp", line):
                url = found[0]
                break
        assert url, "the demo server said no URL"
        # It writes a line for each request, which somebody must read.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield url
    finally:
        server.terminate()
        server.wait(DEADLINE)


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "packages", "version": "1"},
    },
}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "packed"}}}


def start(command: list[str | Path], **more) -> subprocess.Popen:
    """Starts a bridge."""
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **more,
    )


def converse(command: list[str | Path], **more) -> None:
    """A client in front of a bridge: initializes, calls a tool, and closes stdin. All of it must work."""
    bridge = start(command, **more)
    lines = [INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, CALL]
    out, err = bridge.communicate("".join(json.dumps(line) + "\n" for line in lines), timeout=DEADLINE)
    answers = {message["id"]: message for message in map(json.loads, out.splitlines()) if "id" in message}
    assert "result" in answers.get(1, {}), f"{out}\n{err}"
    assert "packed" in json.dumps(answers[2]["result"]), f"{out}\n{err}"
    assert bridge.returncode == 0, err


def answers_a_signal(command: list[str | Path], number: signal.Signals, **more) -> None:
    """A signal to the process that a client started ends the bridge in order: nothing is left, and it says 0."""
    bridge = start(command, **more)
    bridge.stdin.write(json.dumps(INITIALIZE) + "\n")
    bridge.stdin.flush()
    assert '"result"' in bridge.stdout.readline()
    bridge.send_signal(number)
    # stdin stays open meanwhile, since its end would end the bridge as well.
    try:
        bridge.wait(DEADLINE)
    finally:
        bridge.kill()
    out, err = bridge.communicate(timeout=DEADLINE)
    assert bridge.returncode == 0, f"{bridge.returncode}\n{out}\n{err}"
