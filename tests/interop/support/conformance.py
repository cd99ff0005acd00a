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


def document(verdicts: list[Verdict], cases: dict[tuple[str, str], list[str]], seen: dict[str, str]) -> str:
    """`docs/conformance.md`.

    `cases` has the scenarios by role and revision that a revision requires, `seen` what the suite must see
    of a translation.
    """
    found = {(v.role, v.suite, v.revision, v.scenario, v.how): v.good for v in verdicts}

    def cell(*key: str) -> str:
        return {True: "passed", False: "failed", None: "–"}[found.get(key)]  # type: ignore[arg-type]

    def table(head: list[str], rows: list[list[str]]) -> list[str]:
        return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]

    new, old = version(NEW), version(OLD)
    lines = [
        "# Conformance",
        "",
        f"What the official conformance suite (`@modelcontextprotocol/conformance` {new}) finds. This page is",
        "written by `tests/interop/run --write-conformance test_conformance.py test_conformance_server.py`, and a",
        "test fails when it no longer says what a run finds.",
        "",
        "Passed is meant strictly: no failure, no warning, at least one success, and the client, the bridge and the",
        "suite end well.",
        "",
        "## In the place of a client",
        "",
        "The suite starts a server, and where it is needed an authorization server, and watches what comes. In front",
        "of the bridge is a stdio client that knows nothing of HTTP or of signing in: one of 2025-11-25 (legacy), or",
        "one of 2026-07-28 (modern).",
    ]
    for revision, columns in (
        ("2025-11-25", [("legacy client", NEW, "legacy"), (f"legacy client, suite {old}", OLD, "legacy")]),
        ("2026-07-28", [("legacy client", NEW, "legacy"), ("modern client", NEW, "modern")]),
    ):
        names = cases["client", revision]
        rows = [[f"`{n}`", *(cell("client", s, revision, n, how) for _, s, how in columns)] for n in names]
        totals = [f"{sum(row[i + 1] == 'passed' for row in rows)} of {len(rows)}" for i in range(len(columns))]
        lines += ["", f"### Required by {revision}", ""]
        lines += table(["scenario", *(title for title, _, _ in columns)], [*rows, ["**all**", *totals]])
    more = [v for v in verdicts if v.role == "client" and v.scenario not in cases.get(("client", v.revision), ())]
    lines += ["", "### Not required", ""]
    lines += table(
        ["scenario", "revision", "client", ""],
        [[f"`{v.scenario}`", v.revision, v.how, "passed" if v.good else "failed"] for v in more],
    )
    lines += [
        "",
        "## Between the suite and a server",
        "",
        "The suite is the client of a server of both eras, once directly and once through the bridge (behind",
        "`tests/interop/servers/front.mjs`, which gives a stdio server an HTTP side). Told to use one side of the",
        "server, the bridge passes messages on if the suite is of the same era and translates them if it is not.",
        "What the suite finds is compared check by check.",
    ]
    for revision, how in (("2025-11-25", ("legacy", "modern")), ("2026-07-28", ("modern", "legacy"))):
        names = cases["server", revision]
        columns = ["direct", *(f"bridged to {era}" for era in how)]
        rows = []
        for name in names:
            row = [cell("server", NEW, revision, name, column) for column in columns]
            if revision == "2026-07-28" and name in seen and row[-1] != row[0]:
                row[-1] += f": {seen[name]}"
            rows.append([f"`{name}`", *row])
        totals = [f"{sum(row[i + 1] == 'passed' for row in rows)} of {len(rows)}" for i in range(len(columns))]
        titles = ["direct", f"passed on ({how[0]} side)", f"translated ({how[1]} side)"]
        lines += ["", f"### Required by {revision}", ""]
        lines += table(["scenario", *titles], [*rows, ["**all**", *totals]])
    return "\n".join([*lines, ""])
