"""The home of a person who signs in: where the bridge keeps its things, and a browser that does as told."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import browser
from .paths import bridge_command
from .stdio_client import DEADLINE, StdioClient

SIGN_IN_LINE = re.compile(r"to sign in to \S+ open this URL: (\S+)$", re.MULTILINE)

# What decides over browser, store and places comes from the test alone.
_STRIPPED = re.compile(
    r"MCP_TETHER_(?!BIN|INTEROP)|XDG_|DBUS_|SSH_|GNOME_KEYRING_|WSL|BROWSER$|DISPLAY$|WAYLAND_DISPLAY$|https?_proxy$|all_proxy$",
    re.IGNORECASE,
)


class Home:
    """A directory with everything that the bridge keeps, and the environment that points there."""

    def __init__(self, directory: Path, *, follow: bool = True, store: str = "file", **variables: str) -> None:
        """`follow`: the browser signs in at once; else it only notes the URL (`opened`)."""
        self.directory = directory / "home"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.store = store
        self.notes = directory / "opened-urls"
        self.environment = {name: value for name, value in os.environ.items() if not _STRIPPED.match(name)}
        self.environment |= {
            "HOME": str(self.directory),
            "MCP_TETHER_HOME": str(self.directory / "tether"),
            "BROWSER": browser.command() if follow else browser.command("--note", self.notes),
            **variables,
        }

    def bridge(self, url: str, *flags: str, make: type[StdioClient] = StdioClient, **more: Any) -> StdioClient:
        """Starts a bridge to `url`; the client in front of it is a `make`."""
        return make([*bridge_command(), url, "--store", self.store, *flags], env=self.environment, **more)

    def command(self, *arguments: str) -> list[str]:
        """The command line of a command of the bridge."""
        # Where a record is, the index says; only who writes or removes has a choice.
        store = () if arguments[0] in ("auth", "doctor") else ("--store", self.store)
        return [*bridge_command(), *arguments, *store]

    def run(self, *arguments: str, timeout: float = 2 * DEADLINE) -> subprocess.CompletedProcess[str]:
        """Runs a command of the bridge (`login`, `logout`, `auth`, `doctor`) to its end."""
        return subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=timeout,
            check=False,
        )

    def login(self, url: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """Signs in, which must succeed."""
        done = self.run("login", url, *flags)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def opened(self) -> list[str]:
        """The URLs that a browser which only notes them was started with."""
        return self.notes.read_text().split() if self.notes.exists() else []

    def files(self) -> Iterator[Path]:
        """Every regular file below the home."""
        return (path for path in sorted(self.directory.rglob("*")) if path.is_file() and not path.is_symlink())

    def files_with(self, secrets: list[str]) -> list[Path]:
        """The files that contain one of the secrets."""
        return [path for path in self.files() if any(secret.encode() in path.read_bytes() for secret in secrets)]


def sign_in_urls(text: str) -> list[str]:
    """The URLs that the bridge asks to open on stderr, oldest first, each once."""
    return list(dict.fromkeys(SIGN_IN_LINE.findall(text)))
