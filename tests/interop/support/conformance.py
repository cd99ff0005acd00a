"""The official conformance suite: its releases, what it requires, what it found."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .paths import NODE, NODE_MODULES

OLD, NEW = "conformance-0.1", "conformance-0.2"
"""Two releases of the suite. The names are aliases in package.json."""


def suite(release: str) -> list[str]:
    """The command of the suite."""
    return [str(NODE), str(NODE_MODULES / release / "dist" / "index.js")]


def version(release: str) -> str:
    """The version of a release."""
    return json.loads((NODE_MODULES / release / "package.json").read_text())["version"]


def required(revision: str, role: str) -> list[str]:
    """The scenarios that a revision requires of a `client` or a `server`, as the suite lists them."""
    names: list[str] = []
    inside = False
    for line in (NODE_MODULES / NEW / "requirements" / f"{revision}.yaml").read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            inside = line == f"{role}:"
        elif inside and line.startswith("  - "):
            names.append(line.removeprefix("  - "))
    return names


@dataclass(frozen=True)
class Verdict:
    """The result of one run."""

    role: str
    """What was tested, a `client` or a `server`."""
    suite: str
    revision: str
    scenario: str
    how: str
    """`legacy` or `modern` for a client, `direct` or `bridged` for a server."""
    good: bool
