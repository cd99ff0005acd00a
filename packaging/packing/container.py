"""What `docker build` needs: the Dockerfile, and the binaries where it looks for them."""

import pathlib

from . import archive
from .files import write
from .project import ROOT, Project
from .targets import Binary

# Docker's names of processors.
_PROCESSORS = {"x64": "amd64", "arm64": "arm64"}


def make(out: pathlib.Path, project: Project, binaries: list[Binary]) -> None:
    for binary in binaries:
        if binary.target.platform == "linux":
            folder = out / "linux" / _PROCESSORS[binary.target.arch]
            write(folder / "mcp-tether", binary.bytes, executable=True)
            for name, (content, _) in archive.documents(project, binary).items():
                write(folder / "licenses" / name, content)
    write(out / "Dockerfile", (ROOT / "packaging" / "Dockerfile").read_bytes())
