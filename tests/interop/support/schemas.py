"""Messages against the official JSON schema of the revision that each claims."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Any

from .paths import HERE, NODE
from .stdio_client import DEADLINE


def breaches(entries: Iterable[dict[str, Any]]) -> list[str]:
    """What `schemas.mjs` finds wrong with messages, one line each; what was not checked is wrong too."""
    lines = [json.dumps(entry) for entry in entries]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        done = subprocess.run(
            [NODE, HERE / "schemas.mjs", file.name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE,
            check=False,
        )
    *found, last = done.stdout.splitlines() or [""]
    assert last.startswith(f"{len(lines)} messages, ") and done.returncode in (0, 1), done.stderr
    return [line.replace(file.name, "message") for line in found]
