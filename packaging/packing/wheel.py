"""The wheel: the binary as a script, which pip and uv put onto PATH as it is."""

import base64
import hashlib

from . import archive
from .files import Tree, zip_archive
from .project import AUTHOR, KEYWORDS, NAME, Project
from .targets import Binary


def file_name(project: Project, binary: Binary) -> str:
    return f"mcp_tether-{project.python_version}-py3-none-{binary.wheel_tags}.whl"


def make(project: Project, binary: Binary) -> bytes:
    stem = f"mcp_tether-{project.python_version}"
    info = f"{stem}.dist-info"
    tree: Tree = {
        f"{stem}.data/scripts/{binary.target.executable}": (binary.bytes, True),
        f"{info}/METADATA": (_metadata(project), False),
        f"{info}/WHEEL": (_wheel(binary), False),
    }
    for name, entry in archive.documents(project, binary).items():
        tree[f"{info}/licenses/{name}"] = entry
    record = [f"{path},sha256={_sum(content)},{len(content)}" for path, (content, _) in sorted(tree.items())]
    record.append(f"{info}/RECORD,,")
    tree[f"{info}/RECORD"] = (("\n".join(record) + "\n").encode(), False)
    return zip_archive(tree, project.time)


def _sum(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _metadata(project: Project) -> bytes:
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", NAME),
        ("Version", project.python_version),
        ("Summary", project.description),
        ("Keywords", ",".join(KEYWORDS)),
        ("Author", AUTHOR),
        ("License-Expression", project.licence),
        *[("License-File", name) for name in ("LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-LICENSES.txt")],
        ("Classifier", "Environment :: Console"),
        ("Classifier", "Programming Language :: Rust"),
        ("Requires-Python", ">=3.8"),
    ]
    if project.repository:
        fields += [
            ("Project-URL", f"Repository, {project.repository}"),
            ("Project-URL", f"Changelog, {project.repository}/blob/v{project.version}/CHANGELOG.md"),
        ]
    fields.append(("Description-Content-Type", "text/markdown; charset=UTF-8"))
    head = "".join(f"{name}: {value}\n" for name, value in fields)
    readme = project.readme()
    if project.registry_name:
        # How the MCP registry sees that the package belongs to the server of this name.
        readme += f"\n<!-- mcp-name: {project.registry_name} -->\n"
    return f"{head}\n{readme}".encode()


def _wheel(binary: Binary) -> bytes:
    tags = "".join(f"Tag: py3-none-{tag}\n" for tag in binary.wheel_tags.split("."))
    return f"Wheel-Version: 1.0\nGenerator: mcp-tether packaging\nRoot-Is-Purelib: false\n{tags}".encode()
