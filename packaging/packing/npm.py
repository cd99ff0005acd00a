"""The npm packages: `mcp-tether`, and one with the binary for each system.

npm installs of the `optionalDependencies` of the first only that one whose `os` and `cpu` fit; nothing is
downloaded and no script runs at installation. Linux has one package for any C library, because the released
binary is static; one that is not says which it needs with `libc`.
"""

import json

from . import archive
from .files import Tree, below, tar_gz
from .project import AUTHOR, KEYWORDS, NAME, ROOT, Project
from .targets import Binary

SCOPE = "@mcp-tether"


def make_main(project: Project, binaries: list[Binary]) -> bytes:
    manifest = {
        **_common(project),
        "name": NAME,
        "description": project.description,
        "keywords": KEYWORDS,
        "bin": {NAME: "launcher.js"},
        "files": ["launcher.js"],
        "engines": {"node": ">=18"},
        "optionalDependencies": {name(binary): project.version for binary in binaries},
    }
    if project.registry_name:
        # How the MCP registry sees that the package belongs to the server of this name.
        manifest["mcpName"] = project.registry_name
    tree: Tree = {
        "package.json": (_json(manifest), False),
        "launcher.js": ((ROOT / "packaging" / "npm" / "launcher.js").read_bytes(), True),
        "README.md": (project.readme().encode(), False),
    }
    for text in ("LICENSE-MIT", "LICENSE-APACHE"):
        tree[text] = (project.text(text), False)
    return tar_gz(below("package", tree), project.time)


def make_platform(project: Project, binary: Binary) -> bytes:
    target = binary.target
    manifest = {
        **_common(project),
        "name": name(binary),
        "description": f"The program of {NAME} for {target.triple}; install {NAME} instead",
        "os": [target.platform],
        "cpu": [target.arch],
        **({"libc": [target.libc]} if target.libc else {}),
        "files": [target.executable],
        "preferUnplugged": True,
    }
    tree = {
        **archive.documents(project, binary),
        "package.json": (_json(manifest), False),
        "README.md": (
            f"The program of [{NAME}](https://www.npmjs.com/package/{NAME}) for {target.triple}.\n".encode(),
            False,
        ),
        target.executable: (binary.bytes, True),
    }
    return tar_gz(below("package", tree), project.time)


def name(binary: Binary) -> str:
    return f"{SCOPE}/{binary.target.platform}-{binary.target.arch}"


def file_name(binary: Binary | None, project: Project) -> str:
    """As `npm pack` would call it."""
    package = name(binary) if binary else NAME
    return f"{package.removeprefix('@').replace('/', '-')}-{project.version}.tgz"


def _common(project: Project) -> dict:
    common = {"version": project.version, "license": f"({project.licence})", "author": AUTHOR}
    if project.repository:
        common["repository"] = {"type": "git", "url": f"git+{project.repository}.git"}
        common["homepage"] = f"{project.repository}#readme"
    return common


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
