"""The official conformance suite, with `driver.py` and the bridge as the client under test.

Every scenario is named here: one that the suite adds is not run until somebody has read it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from driver import DONE
from support.paths import HERE, NODE, NODE_MODULES, PYTHON

OLD, NEW = "conformance-0.1", "conformance-0.2"
"""Two releases of the suite. The names are aliases in package.json."""

CURRENT = "2025-11-25"

# What the revision 2025-11-25 requires of clients (requirements/2025-11-25.yaml of the suite).
REQUIRED = [
    "initialize",
    "tools_call",
    "sse-retry",
    "elicitation-sep1034-client-defaults",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/basic-cimd",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/scope-step-up",
    "auth/scope-retry-limit",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
]

# Servers that do OAuth as 2025-03-26 had it.
OLD_SERVERS = ["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"]

# What 2026-07-28 adds to sign-in. The rules hold whatever is spoken after it, so they are run on the
# wire of 2025-11-25. The older release has only the first three.
ADDED = [
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/authorization-server-migration",
    "auth/iss-supported",
    "auth/iss-not-advertised",
    "auth/iss-supported-missing",
    "auth/iss-wrong-issuer",
    "auth/iss-unexpected",
    "auth/iss-normalized",
    "auth/metadata-issuer-mismatch",
]

RUNS = [
    *((suite, CURRENT, name) for suite in (OLD, NEW) for name in REQUIRED),
    *((suite, "2025-03-26", name) for suite in (OLD, NEW) for name in OLD_SERVERS),
    *((OLD, CURRENT, name) for name in ADDED[:3]),
    *((NEW, CURRENT, name) for name in ADDED),
    (NEW, CURRENT, "json-schema-2020-12-preservation"),
]


def run(
    suite: str, version: str, scenario: str, directory: Path
) -> tuple[subprocess.CompletedProcess[bytes], list[dict[str, Any]], str]:
    """Runs one scenario; gives the suite's end, its checks and what the driver printed."""
    # The newer release runs a scenario at a revision that is not its own only when it is told twice.
    force = ["--force"] if suite == NEW and scenario in ADDED else []
    driver = " ".join(shlex.quote(str(part)) for part in (PYTHON, HERE / "driver.py"))
    done = subprocess.run(
        [
            NODE,
            NODE_MODULES / suite / "dist" / "index.js",
            *("client", "--command", driver, "--scenario", scenario),
            *("--spec-version", version, *force, "--timeout", "60000", "--output-dir", directory),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    (checks,) = directory.rglob("checks.json")
    (printed,) = directory.rglob("stdout.txt")
    return done, json.loads(checks.read_text()), printed.read_text()


def late(done: subprocess.CompletedProcess[bytes], checks: list[dict[str, Any]]) -> bool:
    """Whether all that the suite finds is that the client came back later than the `retry` said.

    It allows 200 ms, which a machine that is busy with something else may take for itself.
    """
    bad = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
    return bool(bad) and all(
        check["id"] == "client-sse-retry-timing" and not check.get("details", {}).get("tooEarly", True)
        for check in bad
    )


@pytest.mark.parametrize(
    ("suite", "version", "scenario"), RUNS, ids=[f"{suite[12:]}-{name}" for suite, _, name in RUNS]
)
def test_scenario(suite: str, version: str, scenario: str, tmp_path: Path) -> None:
    """No failure, no warning, at least one success, and the client has ended well."""
    for attempt in range(3):
        done, checks, printed = run(suite, version, scenario, tmp_path / str(attempt))
        if not late(done, checks):
            break
    report = done.stderr.decode()
    assert {check["status"] for check in checks} <= {"SUCCESS", "INFO", "SKIPPED"}, report
    assert any(check["status"] == "SUCCESS" for check in checks), report
    assert done.returncode == 0, report
    assert DONE in printed, report
