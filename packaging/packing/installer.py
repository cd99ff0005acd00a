"""install.sh as it is released: it knows where its releases are, which one it is, and whose signature they bear."""

import re

from .project import ROOT, Mistake, Project

# Made by whoever releases (docs/releasing.md); without it releases have no signature to check.
SIGNERS = ROOT / "packaging" / "allowed_signers"


def signers() -> str:
    """The lines of the file that are keys, or nothing when there is none."""
    if not SIGNERS.is_file():
        return ""
    lines = [line for line in SIGNERS.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        if not re.fullmatch(
            r"mcp-tether namespaces=\"mcp-tether-release\" (ssh|sk-ssh)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+( [A-Za-z0-9@._ -]*)?",
            line,
        ):
            raise Mistake(f"packaging/allowed_signers has a line that is not as docs/releasing.md says: {line}")
    return "\n".join(lines)


def make(project: Project) -> bytes:
    text = project.text("install.sh").decode()
    for name, value in (("repository", project.repository), ("release", project.version), ("signers", signers())):
        text, count = re.subn(rf"^{name}=$", lambda _: f"{name}='{value}'", text, flags=re.MULTILINE)
        if count != 1:
            raise Mistake(f"install.sh must have one line {name}=")
    return text.encode()
