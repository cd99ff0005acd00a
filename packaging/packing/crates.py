"""The crates that are linked into the binary of a target, as cargo resolves them."""

import dataclasses
import functools
import json
import pathlib
import subprocess
import tomllib

from .project import NAME, ROOT, Mistake


@dataclasses.dataclass(frozen=True)
class Crate:
    name: str
    version: str
    # As crates.io has it; the old `A/B` means `A OR B`.
    licence: str
    description: str
    folder: pathlib.Path
    # Of the crate's archive on crates.io.
    sha256: str | None
    # (name, version) of what it is linked with.
    needs: tuple[tuple[str, str], ...]


@functools.cache
def linked(triple: str) -> tuple[Crate, ...]:
    """All of them, sorted, without mcp-tether itself, and without what only builds or tests it."""
    return tuple(crate for crate in _resolve(triple) if crate.name != NAME)


@functools.cache
def own(triple: str) -> Crate:
    return next(crate for crate in _resolve(triple) if crate.name == NAME)


@functools.cache
def _resolve(triple: str) -> tuple[Crate, ...]:
    ran = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
    )
    if ran.returncode != 0:
        raise Mistake("cargo metadata failed")
    found = json.loads(ran.stdout)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    needs: dict[str, list[str]] = {}
    waiting = [found["resolve"]["root"]]
    while waiting:
        identity = waiting.pop()
        if identity in needs:
            continue
        needs[identity] = [
            edge["pkg"] for edge in nodes[identity]["deps"] if any(kind["kind"] is None for kind in edge["dep_kinds"])
        ]
        waiting.extend(needs[identity])
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}

    def crate(identity: str) -> Crate:
        package = packages[identity]
        key = (package["name"], package["version"])
        return Crate(
            *key,
            " OR ".join(package["license"].split("/")) if package["license"] else "",
            " ".join((package["description"] or "").split()),
            pathlib.Path(package["manifest_path"]).parent,
            sums[key],
            tuple(sorted((packages[other]["name"], packages[other]["version"]) for other in needs[identity])),
        )

    return tuple(sorted((crate(identity) for identity in needs), key=lambda crate: (crate.name, crate.version)))
