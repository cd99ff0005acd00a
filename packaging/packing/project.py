"""What Cargo.toml says about the project, and the time that packages bear."""

import dataclasses
import os
import pathlib
import re
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAME = "mcp-tether"
AUTHOR = "The mcp-tether contributors"
KEYWORDS = ["mcp", "model-context-protocol", "mcp-server", "mcp-remote", "proxy", "bridge", "stdio", "oauth"]


class Mistake(Exception):
    """Something that whoever packs has to put right; the text says what."""


@dataclasses.dataclass(frozen=True)
class Project:
    version: str
    description: str
    licence: str
    # The address of the repository without a slash at its end, or None while Cargo.toml has none.
    repository: str | None
    # Seconds since 1970 that every file in a package bears.
    time: int

    @property
    def python_version(self) -> str:
        """The version as PEP 440 spells it."""
        found = re.fullmatch(r"(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.?(\d+))?", self.version)
        if not found:
            raise Mistake(f"{self.version} has no spelling for PyPI: use X.Y.Z, or X.Y.Z-rc.N (alpha, beta)")
        kind = {None: "", "alpha": "a", "beta": "b", "rc": "rc"}[found[2]]
        return found[1] + kind + (found[3] or "")

    @property
    def registry_name(self) -> str | None:
        """The name in the MCP registry, which follows from who owns the repository on GitHub."""
        found = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", self.repository or "")
        return f"io.github.{found[1]}/{found[2]}" if found else None

    def text(self, name: str) -> bytes:
        """A file of the repository."""
        return (ROOT / name).read_bytes()

    def readme(self) -> str:
        """README.md for places where its relative links lead nowhere."""
        text = self.text("README.md").decode()
        if self.repository:
            there = f"{self.repository}/blob/v{self.version}/"
            text = re.sub(r"\]\((?!https?:|#)([^)]+)\)", lambda link: f"]({there}{link[1]})", text)
        return text


def read(repository: str | None) -> Project:
    """Reads Cargo.toml.

    The time is SOURCE_DATE_EPOCH, or else that of the newest commit, or else 1980-01-01, where zip begins.
    """
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    repository = repository or package.get("repository")
    if repository is not None:
        repository = repository.rstrip("/")
        if not re.fullmatch(r"https://[^\s/\"'\\$`]+(/[^\s/\"'\\$`]+)+", repository):
            raise Mistake(f"{repository!r} is not the https address of a repository")
    return Project(package["version"], package["description"], package["license"], repository, _time())


def _time() -> int:
    earliest = 315532800
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        git = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        given = git.stdout.strip() if git.returncode == 0 else str(earliest)
    if not given.isdigit():
        raise Mistake(f"SOURCE_DATE_EPOCH must be seconds since 1970, not {given!r}")
    return max(int(given), earliest)
