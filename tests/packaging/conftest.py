"""The packages under test: made once, from the release binary."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import support

# Only for what needs an address: there is none in Cargo.toml yet.
REPOSITORY = "https://github.com/example/mcp-tether"


@pytest.fixture(scope="session")
def version() -> str:
    return tomllib.loads((support.ROOT / "Cargo.toml").read_text())["package"]["version"]


@pytest.fixture(scope="session")
def binary() -> Path:
    default = Path(os.environ.get("CARGO_TARGET_DIR", support.ROOT / "target")) / "release" / support.EXECUTABLE
    path = Path(os.environ.get("MCP_TETHER_RELEASE_BIN", default)).absolute()
    assert path.is_file(), f"{path} is missing: cargo build --locked --release"
    return path


@pytest.fixture(scope="session")
def host(binary: Path) -> str:
    """The target that the binary was built for: MCP_TETHER_TARGET, or that of this machine's Rust."""
    if given := os.environ.get("MCP_TETHER_TARGET"):
        return given
    for line in support.run("rustc", "-vV").splitlines():
        if line.startswith("host: "):
            return line.removeprefix("host: ")
    raise AssertionError("rustc does not say its host")


def pack(out: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, support.ROOT / "packaging" / "pack", "--out", out, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.fixture(scope="session")
def packed(tmp_path_factory, request) -> Path:
    """The folder that packaging/pack made, with an address."""
    if given := os.environ.get("MCP_TETHER_PACKED"):
        return Path(given).absolute()
    out = tmp_path_factory.mktemp("packed") / "out"
    binary, host = request.getfixturevalue("binary"), request.getfixturevalue("host")
    ran = pack(out, "--repository", REPOSITORY, f"{host}={binary}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return out


@pytest.fixture(scope="session")
def demo(binary: Path):
    """A demo server, and its URL."""
    with support.demo(binary) as url:
        yield url


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def machine() -> str:
    """This system as Node.js says it, which is how npm packages and bundles are chosen."""
    return support.run("node", "-p", "`${process.platform}-${process.arch}`").strip()


# The beginning of a program for another system, as far as anybody looks.
FOREIGN = {
    "aarch64-apple-darwin": b"\xcf\xfa\xed\xfe" + (0x0100000C).to_bytes(4, "little") + bytes(100),
    "x86_64-apple-darwin": b"\xcf\xfa\xed\xfe" + (0x01000007).to_bytes(4, "little") + bytes(100),
    "x86_64-pc-windows-msvc": b"MZ"
    + bytes(58)
    + (64).to_bytes(4, "little")
    + b"PE\0\0"
    + (0x8664).to_bytes(2, "little"),
}


@pytest.fixture(scope="session")
def packed_for_all(tmp_path_factory, binary, host) -> Path:
    """Packages for several systems: the program of this one, and what looks like those of others."""
    folder = tmp_path_factory.mktemp("all")
    arguments = [f"{host}={binary}"]
    for target, content in FOREIGN.items():
        if target != host:
            (folder / target).write_bytes(content)
            arguments.append(f"{target}={folder / target}")
    ran = pack(folder / "out", "--repository", REPOSITORY, *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "out"
