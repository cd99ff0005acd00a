"""server.json for the MCP registry (schema of 2025-12-11).

The registry lists servers. A bridge is one once it has an address, so that every package of it asks for the
address as its first argument (docs/releasing.md says when to publish it).
"""

import json

from . import bundle
from .project import NAME, Project
from .targets import Binary

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"


def make(project: Project, bundles: list[tuple[Binary, str]]) -> bytes:
    """`bundles` are the binaries with the SHA-256 sums of their MCPB bundles."""
    packages = [
        _package("npm", NAME, version=project.version, runtimeHint="npx"),
        _package("pypi", NAME, version=project.python_version, runtimeHint="uvx"),
    ]
    for binary, sha256 in bundles:
        # A bundle asks for the address by itself.
        url = f"{project.repository}/releases/download/v{project.version}/{bundle.file_name(project, binary)}"
        packages.append(
            {"registryType": "mcpb", "identifier": url, "fileSha256": sha256, "transport": {"type": "stdio"}}
        )
    described = {
        "$schema": SCHEMA,
        "name": project.registry_name,
        "title": "mcp-tether",
        "description": project.description,
        "version": project.version,
        "websiteUrl": project.repository,
        "repository": {"url": project.repository, "source": "github"},
        "packages": packages,
    }
    return (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode()


def _package(kind: str, identifier: str, **more: str) -> dict:
    return {
        "registryType": kind,
        "identifier": identifier,
        **more,
        "transport": {"type": "stdio"},
        "packageArguments": [
            {
                "type": "positional",
                "valueHint": "url",
                "description": "Address of the remote MCP server",
                "placeholder": "https://mcp.example.com/mcp",
                "format": "string",
                "isRequired": True,
            }
        ],
    }
