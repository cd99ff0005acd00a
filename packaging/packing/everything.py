"""Makes all packages and puts them where docs/releasing.md says."""

import hashlib
import pathlib

from . import archive, bill, bundle, container, homebrew, installer, npm, project, registry, targets, wheel
from .files import write


def pack(out: pathlib.Path, arguments: list[str], repository: str | None) -> None:
    if out.exists() and any(out.iterdir()):
        raise project.Mistake(f"{out} is not empty")
    about = project.read(repository)
    binaries = sorted((targets.load(argument) for argument in arguments), key=lambda one: one.target.triple)
    places = [npm.name(binary) for binary in binaries]
    if len(set(places)) != len(places):
        raise project.Mistake("there are two binaries for the same system; of Linux, take -gnu or -musl")
    extra = archive.extras(binaries)

    release: dict[str, bytes] = {}
    archives, bundles = [], []
    for binary in binaries:
        packed = archive.make(about, binary, extra)
        release[f"{archive.name(about, binary)}.{archive.suffix(binary)}"] = packed
        archives.append((binary, _sum(packed)))
        packed = bundle.make(about, binary)
        release[bundle.file_name(about, binary)] = packed
        bundles.append((binary, _sum(packed)))
        release[bill.file_name(about, binary)] = bill.make(about, binary, _sum(binary.bytes))
        release[npm.file_name(binary, about)] = npm.make_platform(about, binary)
        release[wheel.file_name(about, binary)] = wheel.make(about, binary)
    release[npm.file_name(None, about)] = npm.make_main(about, binaries)
    container.make(out / "container", about, binaries)

    if about.repository:
        release["install.sh"] = installer.make(about)
        write(out / "homebrew" / "mcp-tether.rb", homebrew.make(about, archives))
    else:
        print(
            "NOT MADE: install.sh with an address, and the Homebrew formula. Cargo.toml has no `repository`: "
            "set it to the address of the repository, or give --repository."
        )
    if about.registry_name:
        write(out / "registry" / "server.json", registry.make(about, bundles))
    else:
        print("NOT MADE: server.json, because its name follows from a repository on https://github.com.")

    release["SHA256SUMS"] = "".join(f"{_sum(content)}  {name}\n" for name, content in sorted(release.items())).encode()
    for name, content in release.items():
        write(out / "release" / name, content, executable=name == "install.sh")
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size:>10} {path.relative_to(out)}")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
