"""The conformance suite's server scenarios: a server as it is, and the same server through the bridge.

Between the suite and the bridge stands `servers/front.mjs`, which makes an HTTP server of a stdio server.
What the suite finds must be the same, check by check: the bridge adds nothing and takes nothing away,
whether it passes messages on or translates them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.conformance import NEW, Verdict, document, required, suite
from support.paths import NODE, ROOT, bridge_command
from support.servers import HERE, Kind, Server, script
from test_conformance import CASES

SUITE = Kind("suite", "interop-suite", script(NODE, "suite.mjs"), sessions=True)

# The runs of both files together.
EVERY = len(CASES) + 3 * sum(len(required(revision, "server")) + 1 for revision in ("2025-11-25", "2026-07-28"))

REVISIONS = ["2025-11-25", "2026-07-28"]

# What the suite sees of a translation of 2026-07-28 for a server of 2025-11-25, and why it must.
SEEN = {
    "server-stateless": "a call that needs what the client cannot do has no error code of its own there",
    "input-required-result-basic-elicitation": "a question has no name there that could be the key",
    "input-required-result-missing-input-response": "the state of the first round is the bridge's, and it is missing",
    "input-required-result-ignore-extra-params": "the state of the first round is the bridge's, and it is missing",
}

Findings = dict[str, Counter[tuple[str, str, str]]]
"""Scenario to checks: the identifier, the name and the status of each."""


def scenarios(revision: str) -> list[str]:
    """What a server is required to pass, and what this one passes as well."""
    return [*required(revision, "server"), "json-schema-2020-12"]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The URL of the server that is tested; another one can be named (the suite has one in its source)."""
    named = os.environ.get("MCP_TETHER_SUITE_URL")
    if named is not None:
        yield named
        return
    server = Server(SUITE)
    yield server.url
    server.kill()


def findings(url: str, revision: str, directory: Path) -> Findings:
    """Runs the suite against a server."""
    done = subprocess.run(
        [*suite(NEW), "server", "--url", url, "--requirements", revision, "--output-dir", directory],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    found: Findings = {}
    for name in scenarios(revision):
        files = list(directory.glob(f"server-{name}-20*/checks.json"))
        assert len(files) == 1, f"{name} was not run\n{done.stdout}\n{done.stderr}"
        checks = json.loads(files[0].read_text())
        found[name] = Counter((check["id"], check.get("name", ""), check["status"]) for check in checks)
    return found


def good(checks: Counter[tuple[str, str, str]]) -> bool:
    statuses = {status for _, _, status in checks}
    return statuses <= {"SUCCESS", "INFO", "SKIPPED"} and "SUCCESS" in statuses


@pytest.fixture(scope="module")
def direct(target: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Findings]:
    """What the suite finds at the server itself."""
    found: dict[str, Findings] = {}

    def get(revision: str) -> Findings:
        if revision not in found:
            found[revision] = findings(target, revision, tmp_path_factory.mktemp("direct"))
        return found[revision]

    return get


@pytest.mark.parametrize("revision", REVISIONS)
def test_server_itself(revision: str, direct: Callable[[str], Findings], verdicts: list[Verdict]) -> None:
    """What is compared with is a server that the suite has no fault to find with."""
    found = direct(revision)
    verdicts.extend(Verdict("server", NEW, revision, name, "direct", good(checks)) for name, checks in found.items())
    if "MCP_TETHER_SUITE_URL" not in os.environ:
        assert [name for name, checks in found.items() if not good(checks)] == []


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_through_the_bridge(
    revision: str,
    era: str,
    target: str,
    direct: Callable[[str], Findings],
    verdicts: list[Verdict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server speaks both eras, so either is translated once and passed on once."""
    monkeypatch.setenv("MCP_TETHER_HOME", str(tmp_path / "tether"))
    bridge = [*bridge_command(), target, "--protocol", era]
    command = [str(NODE), str(HERE / "servers" / "front.mjs")]
    front = Server(Kind("front", "", lambda port: [*command, "--port", str(port), "--", *bridge], sessions=True))
    try:
        found = findings(front.url, revision, tmp_path)
        log = front.log()
    finally:
        front.stop()
    how = f"bridged to {era}"
    verdicts.extend(Verdict("server", NEW, revision, name, how, good(checks)) for name, checks in found.items())
    expected = direct(revision)
    different = [
        f"{name}: {sign} {check}"
        for name, checks in found.items()
        for sign, differing in (("-", expected[name] - checks), ("+", checks - expected[name]))
        for check in differing
        if not (revision == "2026-07-28" and era == "legacy" and name in SEEN)
    ]
    assert different == [], "\n".join([*different, log])
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_document(request: pytest.FixtureRequest, verdicts: list[Verdict]) -> None:
    """`docs/conformance.md` says what has been found."""
    runs = {(v.role, v.how) for v in verdicts}
    wanted = {("client", "legacy"), ("client", "modern"), ("server", "direct")}
    wanted |= {("server", "bridged to legacy"), ("server", "bridged to modern")}
    if runs != wanted or len(verdicts) < EVERY:
        pytest.skip("not every scenario has been run")
    cases = {(role, revision): required(revision, role) for role in ("client", "server") for revision in REVISIONS}
    text = document(verdicts, cases, SEEN)
    file = ROOT / "docs" / "conformance.md"
    if request.config.getoption("--write-conformance"):
        file.write_text(text)
    assert file.read_text() == text, "run with --write-conformance"
