"""Where there are packages for several systems, each client takes the one for this system."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

import support
from conftest import FOREIGN

pytestmark = pytest.mark.skipif("MCP_TETHER_PACKED" in os.environ, reason="packs for several systems itself")


class Registry(http.server.ThreadingHTTPServer):
    """An npm registry on loopback with the packages of a folder, and no others."""

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.files = {path.name: path.read_bytes() for path in folder.glob("*.tgz")}
        self.packages = {}
        self.taken: list[str] = []
        for file, content in self.files.items():
            with tarfile.open(folder / file) as tar:
                manifest = json.load(tar.extractfile("package/package.json"))
            dist = {"tarball": f"{self.address}/{file}", "shasum": hashlib.sha1(content).hexdigest()}
            self.packages[manifest["name"]] = {
                "name": manifest["name"],
                "dist-tags": {"latest": manifest["version"]},
                "versions": {manifest["version"]: {**manifest, "dist": dist}},
            }


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = unquote(self.path[1:])
        content = self.server.files.get(name)
        if content is not None:
            self.server.taken.append(name)
        elif name in self.server.packages:
            content = json.dumps(self.server.packages[name]).encode()
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write(content or b"{}")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def registry(packed_for_all):
    server = Registry(packed_for_all / "release")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_npx_downloads_the_main_package_and_one_other(registry, version, machine, home, demo):
    npx = ("cmd", "/c", "npx") if support.WINDOWS else ("npx",)
    environment = support.clean_environment(
        home,
        npm_config_registry=registry.address,
        npm_config_update_notifier="false",
        npm_config_cache=str(home / "npm"),
        npm_config_audit="false",
    )
    said = support.run(*npx, "-y", "mcp-tether", "--version", env=environment, cwd=home)
    assert said == f"mcp-tether {version}\n"
    assert sorted(registry.taken) == sorted([f"mcp-tether-{version}.tgz", f"mcp-tether-{machine}-{version}.tgz"])
    assert len(registry.packages) > 3
    support.converse([*npx, "-y", "mcp-tether", demo], env=environment, cwd=home)


def test_pip_takes_the_wheel_that_fits(packed_for_all, version, tmp_path):
    assert len(list((packed_for_all / "release").glob("*.whl"))) > 3
    support.run(sys.executable, "-m", "venv", tmp_path / "venv")
    bin_dir = tmp_path / "venv" / ("Scripts" if support.WINDOWS else "bin")
    support.run(
        bin_dir / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--find-links",
        packed_for_all / "release",
        "mcp-tether",
    )
    assert support.run(bin_dir / support.EXECUTABLE, "--version") == f"mcp-tether {version}\n"


def test_each_system_has_its_packages(packed_for_all, version):
    release = packed_for_all / "release"
    for target, content in FOREIGN.items():
        stem = f"mcp-tether-{version}-{target}"
        windows = target.endswith("-msvc")
        program = "mcp-tether.exe" if windows else "mcp-tether"
        if target not in str(sorted(release.iterdir())):
            continue
        if windows:
            with zipfile.ZipFile(release / f"{stem}.zip") as archive:
                assert archive.read(f"{stem}/{program}") == content or support.WINDOWS
                licences = archive.read(f"{stem}/THIRD-PARTY-LICENSES.txt").decode()
            assert "Boost Software License" in licences and "libdbus" not in licences
        else:
            assert (release / f"{stem}.tar.gz").is_file()
        with zipfile.ZipFile(release / f"{stem}.mcpb") as bundle:
            manifest = json.loads(bundle.read("manifest.json"))
            assert bundle.getinfo(f"server/{program}").external_attr >> 16 == 0o100755
        assert manifest["compatibility"]["platforms"] == ["win32" if windows else "darwin"]
        assert json.loads((release / f"{stem}.cdx.json").read_text())["components"]
    names = " ".join(path.name for path in release.iterdir())
    for tag in ("macosx_11_0_arm64", "macosx_10_12_x86_64", "win_amd64"):
        assert f"mcp_tether-{version}-py3-none-{tag}.whl" in names
    formula = (packed_for_all / "homebrew" / "mcp-tether.rb").read_text()
    assert formula.count("on_macos") == 1 and formula.count("sha256 ") >= 2 and "windows" not in formula
