"""The licence texts of everything that is linked into the binary, as one text.

They are taken from the sources that cargo built from, with those of C code that a crate carries. What comes
without a text of its own has one in packaging/licences, named after the crate.
"""

import re

from . import crates
from .project import ROOT, Mistake
from .targets import Target

TEXTS = ROOT / "packaging" / "licences"
_NAME = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?", re.IGNORECASE)
# Code of this kind in a crate is not a text, though it may be named like one.
_CODE = {".rs", ".c", ".h", ".py", ".cmake", ".in", ".json", ".toml"}
# What a crate's own metadata does not say.
_REMARKS = {
    "libdbus-sys": "contains libdbus, which is used under the Academic Free License 2.1",
}


def text(target: Target) -> bytes:
    parts: dict[str, list[str]] = {}
    listed = []
    for name, licence, texts in _entries(target):
        listed.append(f"  {name} ({licence})")
        for content in texts:
            parts.setdefault(content, []).append(name)
    lines = [
        "mcp-tether is licensed under MIT or Apache-2.0 (LICENSE-MIT, LICENSE-APACHE). Its program for",
        f"{target.triple} contains the following works, whose licences are below.",
        "",
        *listed,
    ]
    for content, names in parts.items():
        lines += ["", "-" * 80, *[f"{name}" for name in names], "-" * 80, "", content]
    return ("\n".join(lines) + "\n").encode()


def _entries(target: Target):
    """(name, licence, texts) of each work."""
    for crate in crates.linked(target.triple):
        found = [_read(path) for path in _files(crate)]
        if not found:
            spare = TEXTS / f"{crate.name}.txt"
            if not spare.is_file():
                raise Mistake(f"{crate.name} {crate.version} has no licence text: put it into packaging/licences")
            found = [_read(spare)]
        remark = _REMARKS.get(crate.name)
        licence = f"{crate.licence}; {remark}" if remark else crate.licence
        yield f"{crate.name} {crate.version}", licence, found
    yield "the Rust standard library", "MIT OR Apache-2.0", [_read(TEXTS / "rust-std.txt")]
    if target.triple.endswith("-musl"):
        yield "musl", "MIT", [_read(TEXTS / "musl.txt")]


def _files(crate: crates.Crate):
    return sorted(
        path
        for path in crate.folder.rglob("*")
        if path.is_file() and path.suffix not in _CODE and _NAME.fullmatch(path.name)
    )


def _read(path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")
