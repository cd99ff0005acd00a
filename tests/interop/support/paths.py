"""Where things are: the repository, the cache that `setup` fills, the command of the bridge."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("MCP_TETHER_INTEROP_CACHE", HERE / ".cache")).resolve()
PYTHON = CACHE / "venv" / "bin" / "python"
PYTHON_2 = CACHE / "venv2" / "bin" / "python"
"""The interpreter with the Python SDK 2.x; PYTHON has 1.x."""
NODE = CACHE / "node"
NODE_MODULES = CACHE / "npm" / "node_modules"
REAL_CLIENTS = CACHE / "real-clients" / "node_modules"
RMCP_SERVER = CACHE / "rmcp-target" / "debug" / "interop-rmcp-server"


def bridge_command() -> list[str]:
    """The bridge under test without its URL: `MCP_TETHER_BIN`, split like a shell would."""
    default = shlex.quote(str(ROOT / "target" / "debug" / "mcp-tether"))
    return shlex.split(os.environ.get("MCP_TETHER_BIN") or default)
