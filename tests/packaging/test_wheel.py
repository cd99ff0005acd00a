"""The wheel: installed by pip and run by uv, each in an environment of its own."""

import os
import re
import sys

import pytest

import support


@pytest.fixture(scope="module")
def wheel(packed, host):
    """The one for this system."""
    family = {"linux": "linux_", "darwin": "macosx_", "win32": "win_"}[sys.platform]
    machine = {"x86_64": "x86_64|amd64", "aarch64": "aarch64|arm64"}[host.partition("-")[0]]
    fitting = [
        path for path in (packed / "release").glob("*.whl") if family in path.name and re.search(machine, path.name)
    ]
    assert len(fitting) == 1, fitting
    return fitting[0]


def test_pip(wheel, version, demo, home, tmp_path):
    support.run(sys.executable, "-m", "venv", tmp_path / "venv")
    bin_dir = tmp_path / "venv" / ("Scripts" if support.WINDOWS else "bin")
    python = bin_dir / ("python.exe" if support.WINDOWS else "python")
    support.run(python, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", wheel)
    program = bin_dir / support.EXECUTABLE
    assert support.run(program, "--version") == f"mcp-tether {version}\n"
    support.converse([program, demo], env=support.clean_environment(home))
    shown = support.run(python, "-m", "pip", "show", "--files", "mcp-tether")
    assert "licenses/THIRD-PARTY-LICENSES.txt" in shown.replace(os.sep, "/")
    support.run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "mcp-tether")
    assert not program.exists()


def test_uvx(wheel, version, demo, home, tmp_path):
    environment = support.clean_environment(home, UV_CACHE_DIR=str(tmp_path / "uv"), UV_NO_CONFIG="1")
    uvx = [support.tool("uv"), "tool", "run", "--offline", "--python", sys.executable, "--from", wheel, "mcp-tether"]
    assert support.run(*uvx, "--version", env=environment) == f"mcp-tether {version}\n"
    support.converse([*uvx, demo], env=environment)


@pytest.mark.skipif(sys.platform != "linux", reason="tags of Linux")
def test_its_tag_is_what_it_needs(wheel, host):
    """A second opinion on the oldest glibc."""
    said = support.run(support.tool("auditwheel"), "show", wheel)
    if host.endswith("-gnu"):
        tag = re.search(r"-py3-none-(manylinux_\d+_\d+_\w+)\.whl$", wheel.name)[1]
        found = re.search(r'platform\s+tag:\s+"(manylinux_\d+_\d+_\w+)"', said)
        assert found and found[1] == tag, said


def test_metadata(packed):
    for path in (packed / "release").glob("*.whl"):
        support.run(support.tool("twine"), "check", "--strict", path)
