"""The systems that are packed for, what each kind of package calls them, and proof that a binary is for one."""

import dataclasses
import os
import re
import struct
import subprocess

from .project import Mistake


@dataclasses.dataclass(frozen=True)
class Target:
    triple: str
    # As Node.js says it: process.platform, process.arch.
    platform: str
    arch: str
    # Platform tags of a wheel, None where they depend on the binary.
    wheel: str | None

    @property
    def executable(self) -> str:
        return "mcp-tether.exe" if self.platform == "win32" else "mcp-tether"

    @property
    def libc(self) -> str | None:
        """The C library that the binary needs at run time; a static one needs none."""
        return "glibc" if self.triple.endswith("-gnu") else None


# A static binary runs with any C library, hence both families of tags; the versions are the oldest that pip knows.
# Those of macOS are what Rust builds for.
TARGETS = {
    target.triple: target
    for target in [
        Target(
            "x86_64-unknown-linux-musl",
            "linux",
            "x64",
            "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
        ),
        Target(
            "aarch64-unknown-linux-musl",
            "linux",
            "arm64",
            "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        ),
        Target("x86_64-unknown-linux-gnu", "linux", "x64", None),
        Target("aarch64-unknown-linux-gnu", "linux", "arm64", None),
        Target("x86_64-apple-darwin", "darwin", "x64", "macosx_10_12_x86_64"),
        Target("aarch64-apple-darwin", "darwin", "arm64", "macosx_11_0_arm64"),
        Target("x86_64-pc-windows-msvc", "win32", "x64", "win_amd64"),
        Target("aarch64-pc-windows-msvc", "win32", "arm64", "win_arm64"),
    ]
}

# What PEP 600 lets a manylinux binary load, beside the loader itself.
MANYLINUX_LIBRARIES = {"libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libgcc_s.so.1"}


@dataclasses.dataclass(frozen=True)
class Binary:
    target: Target
    path: str
    bytes: bytes
    wheel_tags: str


def load(argument: str) -> Binary:
    """Reads TARGET=BINARY, and makes sure that the one is for the other."""
    triple, separator, path = argument.partition("=")
    target = TARGETS.get(triple)
    if not separator or target is None:
        raise Mistake(f"{argument!r} is not TARGET=BINARY; the targets are {', '.join(TARGETS)}")
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise Mistake(f"cannot read {path}: {error.strerror}") from error
    if _built_for(content) != (target.platform, target.arch):
        raise Mistake(f"{path} is not a program for {triple}")
    return Binary(target, path, content, _wheel_tags(target, path))


def _built_for(content: bytes) -> tuple[str, str] | None:
    """The platform and architecture that an executable file names in its header."""
    if content[:5] == b"\x7fELF\x02":
        machine = struct.unpack_from("<H", content, 18)[0]
        return ("linux", {62: "x64", 183: "arm64"}.get(machine, "?"))
    if content[:4] == b"\xcf\xfa\xed\xfe":
        machine = struct.unpack_from("<I", content, 4)[0]
        return ("darwin", {0x01000007: "x64", 0x0100000C: "arm64"}.get(machine, "?"))
    if content[:2] == b"MZ" and len(content) >= 64:
        at = struct.unpack_from("<I", content, 60)[0]
        if content[at : at + 4] == b"PE\0\0":
            machine = struct.unpack_from("<H", content, at + 4)[0]
            return ("win32", {0x8664: "x64", 0xAA64: "arm64"}.get(machine, "?"))
    return None


def _wheel_tags(target: Target, path: str) -> str:
    if target.platform != "linux":
        return target.wheel
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", _readelf("-d", path)))
    if target.wheel is not None:
        if needed:
            raise Mistake(f"{path} is not static: it loads {', '.join(sorted(needed))}")
        return target.wheel
    extra = {name for name in needed - MANYLINUX_LIBRARIES if not name.startswith("ld-linux-")}
    if extra:
        raise Mistake(f"{path} loads {', '.join(sorted(extra))}, which is not on every Linux")
    # The newest version of a glibc symbol is the oldest glibc that the binary runs with.
    versions = re.findall(r"\bGLIBC_(\d+)\.(\d+)", _readelf("-V", path))
    major, minor = max((int(major), int(minor)) for major, minor in versions)
    machine = target.triple.split("-")[0]
    return f"manylinux_{major}_{minor}_{machine}"


def _readelf(option: str, path: str) -> str:
    try:
        ran = subprocess.run(
            ["readelf", "-W", option, path],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise Mistake("readelf is not installed; it is in the package binutils") from error
    if ran.returncode != 0:
        raise Mistake(f"readelf cannot read {path}: {ran.stderr.strip()}")
    return ran.stdout
