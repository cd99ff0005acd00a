"""The archive of a release: `mcp-tether-VERSION-TARGET`, what install.sh, Homebrew and cargo-binstall take."""

import pathlib
import subprocess
import tempfile

from . import licences
from .files import Tree, below, tar_gz, zip_archive
from .project import NAME, Mistake, Project
from .targets import Binary

# Where each shell's completions are in an archive; the names are those that the shells look for.
_COMPLETIONS = {
    "bash": "completions/mcp-tether.bash",
    "zsh": "completions/_mcp-tether",
    "fish": "completions/mcp-tether.fish",
    "powershell": "completions/_mcp-tether.ps1",
    "elvish": "completions/mcp-tether.elv",
}


def extras(binaries: list[Binary]) -> Tree:
    """Completions and manual pages, written by the first binary that runs here."""
    for binary in binaries:
        path = str(pathlib.Path(binary.path).resolve())
        try:
            subprocess.run([path, "--version"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        tree: Tree = {}
        for shell, name in _COMPLETIONS.items():
            ran = subprocess.run([path, "completions", shell], stdout=subprocess.PIPE, check=True)
            tree[name] = (ran.stdout, False)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([path, "man", "--dir", folder], stdout=subprocess.DEVNULL, check=True)
            for page in pathlib.Path(folder).iterdir():
                tree[f"man/man1/{page.name}"] = (page.read_bytes(), False)
        return tree
    raise Mistake("none of the binaries runs on this machine, and one must write manual pages and completions")


def documents(project: Project, binary: Binary) -> Tree:
    """What lies beside a binary wherever it goes."""
    tree: Tree = {name: (project.text(name), False) for name in ("LICENSE-MIT", "LICENSE-APACHE")}
    tree["THIRD-PARTY-LICENSES.txt"] = (licences.text(binary.target), False)
    return tree


def name(project: Project, binary: Binary) -> str:
    return f"{NAME}-{project.version}-{binary.target.triple}"


def suffix(binary: Binary) -> str:
    return "zip" if binary.target.platform == "win32" else "tar.gz"


def make(project: Project, binary: Binary, extra: Tree) -> bytes:
    tree = {
        **documents(project, binary),
        **extra,
        binary.target.executable: (binary.bytes, True),
        "README.md": (project.readme().encode(), False),
        "CHANGELOG.md": (project.text("CHANGELOG.md"), False),
    }
    tree = below(name(project, binary), tree)
    return zip_archive(tree, project.time) if suffix(binary) == "zip" else tar_gz(tree, project.time)
