"""The official conformance suite, with `driver.py` and the bridge as the client under test.

Every scenario is named here: one that the suite adds is not run until somebody has read it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from driver import DONE
from support.conformance import NEW, OLD, Verdict, required, suite
from support.paths import HERE, PYTHON

LEGACY, MODERN = "legacy", "modern"
"""The client in front of the bridge: of 2025-11-25, and of 2026-07-28."""

# What the revision 2025-11-25 requires of clients.
REQUIRED_2025 = [
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
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

# What 2026-07-28 requires of them.
REQUIRED_2026 = [
    "tools_call",
    "request-metadata",
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
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
]

# Not required by either revision.
PRESERVATION = "json-schema-2020-12-preservation"

# Extensions, which no revision requires. The suite runs them at one all the same, when it is told to.
EXTENSIONS = [
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/dpop",
    "auth/dpop-nonce",
    "auth/enterprise-managed-authorization",
    "auth/wif-jwt-bearer",
]

# Servers that do OAuth as 2025-03-26 had it.
OLD_SERVERS = ["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"]


@dataclass(frozen=True)
class Case:
    """One run of a scenario."""

    suite: str
    revision: str
    scenario: str
    dialect: str

    def __str__(self) -> str:
        return f"{self.suite.removeprefix('conformance-')}-{self.revision}-{self.dialect}-{self.scenario}"


CASES = [
    *(Case(NEW, "2025-11-25", name, LEGACY) for name in [*REQUIRED_2025, PRESERVATION]),
    *(Case(NEW, "2026-07-28", name, LEGACY) for name in [*REQUIRED_2026, PRESERVATION]),
    *(Case(NEW, "2026-07-28", name, MODERN) for name in [*REQUIRED_2026, PRESERVATION]),
    *(Case(NEW, "2025-11-25", name, LEGACY) for name in EXTENSIONS),
    *(Case(NEW, "2026-07-28", name, dialect) for name in EXTENSIONS for dialect in (LEGACY, MODERN)),
    *(Case(NEW, "2025-03-26", name, LEGACY) for name in OLD_SERVERS),
    # The last release of the suite that was not an alpha has stricter ways in some places.
    *(Case(OLD, "2025-11-25", name, LEGACY) for name in REQUIRED_2025),
]


@dataclass(frozen=True)
class Outcome:
    """What the suite found, and what the driver printed."""

    checks: list[dict[str, Any]]
    code: int
    report: str
    printed: str

    def late(self) -> bool:
        """Whether all that the suite finds is that the client came back later than the `retry` said.

        It allows 200 ms, which a machine that is busy with something else may take for itself.
        """
        bad = [check for check in self.checks if check["status"] in ("FAILURE", "WARNING")]
        return bool(bad) and all(
            check["id"] == "client-sse-retry-timing" and not check.get("details", {}).get("tooEarly", True)
            for check in bad
        )


def run(case: Case, directory: Path) -> Outcome:
    """Runs one scenario."""
    driver = " ".join(shlex.quote(str(part)) for part in (PYTHON, HERE / "driver.py", case.dialect))
    done = subprocess.run(
        [
            *suite(case.suite),
            *("client", "--command", driver, "--scenario", case.scenario),
            *(["--force"] if case.scenario in EXTENSIONS else []),
            *("--spec-version", case.revision, "--timeout", "100000", "--output-dir", directory),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=150,
        check=False,
    )
    (checks,) = directory.rglob("checks.json")
    (printed,) = directory.rglob("stdout.txt")
    return Outcome(json.loads(checks.read_text()), done.returncode, done.stderr.decode(), printed.read_text())


def run_in_time(case: Case, directory: Path) -> Outcome:
    """Runs one scenario; again where the machine was too slow for it, or could not start a process."""
    for attempt in range(3):
        try:
            outcome = run(case, directory / str(attempt))
        except OSError:
            if attempt == 2:
                raise
            continue
        if not outcome.late():
            break
    return outcome


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Case, Future[Outcome]]]:
    """The runs that were selected, two at a time: a run mostly waits for processes to start."""
    cases = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_scenario" and item.module is request.module
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {case: pool.submit(run_in_time, case, tmp_path_factory.mktemp("suite")) for case in cases}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_scenario(case: Case, outcomes: dict[Case, Future[Outcome]], verdicts: list[Verdict]) -> None:
    """No failure, no warning, at least one success, and the client has ended well."""
    outcome = outcomes[case].result()
    statuses = {check["status"] for check in outcome.checks}
    good = (
        statuses <= {"SUCCESS", "INFO", "SKIPPED"}
        and "SUCCESS" in statuses
        and outcome.code == 0
        and DONE in outcome.printed
    )
    verdicts.append(Verdict("client", case.suite, case.revision, case.scenario, case.dialect, good))
    assert good, f"{statuses}, ended with {outcome.code}\n{outcome.report}"


@pytest.mark.parametrize(("revision", "names"), [("2025-11-25", REQUIRED_2025), ("2026-07-28", REQUIRED_2026)])
def test_all_that_is_required_is_here(revision: str, names: list[str]) -> None:
    assert names == required(revision, "client")
