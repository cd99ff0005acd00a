"""A D-Bus session with gnome-keyring, or with something that is wrong with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .stdio_client import DEADLINE, eventually

PROGRAMS = ("dbus-run-session", "gnome-keyring-daemon", "secret-tool")
PASSWORD = "not-a-real-password"

# The daemon goes to the background; `cat` holds the session until our end of its stdin is closed.
_UNLOCKED = f"printf %s {PASSWORD} | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1"
_LOCKED = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1"
_HOLD = 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat'

# A bus that can start no service: nobody provides secrets.
_NO_SERVICES = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def installed() -> bool:
    """Whether the programs are here (tests/interop/setup installs them on Debian)."""
    return all(shutil.which(program) for program in PROGRAMS)


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a session: the home's keyrings, and a runtime directory of its own."""
    home = Path(environment["HOME"])
    (home / ".local/share/keyrings").mkdir(mode=0o700, parents=True, exist_ok=True)
    runtime = home / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {**environment, "XDG_RUNTIME_DIR": str(runtime)}


def _end_daemons(address: str) -> None:
    """Ends the keyring daemons of one bus: some outlive it. No other process has this address."""
    entry = f"DBUS_SESSION_BUS_ADDRESS={address}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("gnome-keyring-d") and entry in (
                process / "environ"
            ).read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass  # It has ended by itself, or belongs to somebody else.


@contextmanager
def _session(environment: Mapping[str, str], start: str, *options: str) -> Iterator[dict[str, str]]:
    inside = variables(environment)
    session = subprocess.Popen(
        ["dbus-run-session", *options, "--", "sh", "-c", f"{start}; {_HOLD}" if start else _HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=inside,
        text=True,
    )
    assert session.stdin is not None and session.stdout is not None
    address = ""
    try:
        address = session.stdout.readline().strip()
        assert address, "there is no D-Bus session"
        yield {**inside, "DBUS_SESSION_BUS_ADDRESS": address}
    finally:
        session.stdin.close()
        try:
            session.wait(DEADLINE)
        finally:
            session.kill()
            session.wait()
            session.stdout.close()
            if address:
                _end_daemons(address)


@contextmanager
def unlocked(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a session whose keyring is open. The first one makes the keyring."""
    with _session(environment, _UNLOCKED) as inside:
        yield inside


@contextmanager
def locked(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The same keyring, which nobody has unlocked. There is no display to ask on."""
    with _session(environment, _LOCKED) as inside:
        yield inside


@contextmanager
def without_provider(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A bus on which nobody keeps secrets."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(_NO_SERVICES)
        config.flush()
        with _session(environment, "", f"--config-file={config.name}") as inside:
            yield inside


@contextmanager
def hanging(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A bus that takes every connection and never says a word."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/bus"
        listener.bind(path)
        listener.listen(64)
        taken: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    taken.append(listener.accept()[0])
            except OSError:
                pass  # The test is over.

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield {**variables(environment), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}"}
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)
            for connection in taken:
                connection.close()


def _secret_tool(environment: Mapping[str, str], *arguments: str, secret: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["secret-tool", *arguments],
        env=dict(environment),
        input=secret,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def store(environment: Mapping[str, str], service: str, user: str, secret: str) -> bool:
    """Keeps a secret under the attributes that the bridge uses; whether that worked."""
    arguments = ("store", "--label", user, "service", service, "username", user)
    return _secret_tool(environment, *arguments, secret=secret).returncode == 0


def lookup(environment: Mapping[str, str], service: str) -> str:
    """What `secret-tool` shows of a service: attributes and, if the keyring is open, secrets."""
    done = _secret_tool(environment, "search", "--all", "service", service)
    return done.stdout + done.stderr


def wait_stored(environment: Mapping[str, str], service: str) -> str:
    """Waits until the keyring has something of a service."""
    return str(eventually(lambda: lookup(environment, service), f"item of {service} in the keyring"))
