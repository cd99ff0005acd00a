"""What is in the packages: the same bytes each time, sums, licences, the bill of materials."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import support
from conftest import REPOSITORY, pack

pytestmark = pytest.mark.skipif("MCP_TETHER_PACKED" in os.environ, reason="looks at how packages are made")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_input_gives_the_same_bytes(tmp_path, binary, host, packed):
    other = tmp_path / "elsewhere" / "other-name"
    other.parent.mkdir()
    other.write_bytes(binary.read_bytes())
    other.chmod(0o700)
    again = pack(tmp_path / "again", "--repository", REPOSITORY, f"{host}={other}", TZ="Pacific/Auckland", LANG="C")
    assert again.returncode == 0, again.stderr
    assert files(tmp_path / "again") == files(packed)

    later = pack(tmp_path / "later", "--repository", REPOSITORY, f"{host}={other}", SOURCE_DATE_EPOCH="1700000001")
    assert later.returncode == 0, later.stderr
    with tarfile.open(next((tmp_path / "later" / "release").glob("*.tar.gz"))) as tar:
        entries = tar.getmembers()
    assert {entry.mtime for entry in entries} == {1700000001}
    assert {(entry.uid, entry.gid, entry.mode) for entry in entries} <= {(0, 0, 0o644), (0, 0, 0o755)}
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)


def test_without_an_address_what_needs_one_is_not_made(tmp_path, binary, host):
    manifest = tomllib.loads((support.ROOT / "Cargo.toml").read_text())["package"]
    if "repository" in manifest:
        pytest.skip("Cargo.toml has an address")
    ran = pack(tmp_path / "out", f"{host}={binary}")
    assert ran.returncode == 0, ran.stderr
    assert "Cargo.toml has no `repository`" in ran.stdout
    made = files(tmp_path / "out")
    assert not [name for name in made if name.endswith((".rb", "server.json", "install.sh"))]
    assert not any(b"github.com/example" in content for name, content in made.items() if name.endswith(".json"))


def test_mistakes_are_said(tmp_path, binary, host):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    other = {"linux": "x86_64-apple-darwin"}.get(sys.platform, "x86_64-unknown-linux-musl")
    for out, arguments, text in [
        ("full", [f"{host}={binary}"], "is not empty"),
        ("a", [f"{other}={binary}"], "is not a program for"),
        ("b", ["sparc-plan9=x"], "is not TARGET=BINARY"),
        ("c", [f"{host}={tmp_path / 'absent'}"], "cannot read"),
        ("d", ["--repository", "http://example.com/x", f"{host}={binary}"], "is not the https address"),
        ("e", [f"{host}={binary}", f"{host}={binary}"], "two binaries for the same system"),
    ]:
        ran = pack(tmp_path / out, *arguments)
        assert ran.returncode == 1 and text in ran.stderr, (arguments, ran.stderr)
        assert "Traceback" not in ran.stderr
    if host.endswith("-linux-gnu"):
        ran = pack(tmp_path / "f", f"{host.replace('-gnu', '-musl')}={binary}")
        assert ran.returncode == 1 and "is not static" in ran.stderr


def test_sums_and_names(packed, version, host):
    release = packed / "release"
    lines = (release / "SHA256SUMS").read_text().splitlines()
    listed = {name: total for total, name in (line.split("  ") for line in lines)}
    assert set(listed) == {path.name for path in release.iterdir()} - {"SHA256SUMS"}
    for name, total in listed.items():
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == total

    # cargo-binstall finds the archive, and the program in it, by the templates in Cargo.toml.
    manifest = tomllib.loads((support.ROOT / "Cargo.toml").read_text())["package"]["metadata"]["binstall"]
    windows = host.endswith("-msvc")
    known = {
        "repo": REPOSITORY,
        "name": "mcp-tether",
        "version": version,
        "target": host,
        "bin": "mcp-tether",
        "binary-ext": ".exe" if windows else "",
    }
    where = {**manifest, **(manifest["overrides"][host] if windows else {})}

    def fill(text: str) -> str:
        return re.sub(r"\{ ([a-z-]+) \}", lambda found: known[found[1]], text)

    url = fill(where["pkg-url"])
    assert url.startswith(f"{REPOSITORY}/releases/download/v{version}/")
    archive = release / url.rpartition("/")[2]
    if windows:
        names = zipfile.ZipFile(archive).namelist()
    else:
        with tarfile.open(archive) as tar:
            names = tar.getnames()
    assert fill(where["bin-dir"]) in names


def test_the_installer_knows_its_release(packed, version):
    text = (packed / "release" / "install.sh").read_text()
    assert f"\nrepository='{REPOSITORY}'\n" in text and f"\nrelease='{version}'\n" in text
    support.run("sh", "-n", packed / "release" / "install.sh")


def test_the_installer_knows_the_signers(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(support.ROOT / "packaging"))
    from packing import installer, project

    key = tmp_path / "key"
    support.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release@example.invalid", "-f", key)
    line = f'mcp-tether namespaces="mcp-tether-release" {key.with_suffix(".pub").read_text().strip()}'
    monkeypatch.setattr(installer, "SIGNERS", tmp_path / "allowed_signers")
    installer.SIGNERS.write_text(f"# who signs\n{line}\n{line}\n")
    made = tmp_path / "install.sh"
    made.write_bytes(installer.make(project.read(REPOSITORY)))
    assert f"\nsigners='{line}\n{line}'\n" in made.read_text()
    support.run("sh", "-n", made)
    for wrong in (line.replace("mcp-tether ", "somebody ", 1), line + "'; true '", line.split(" ssh-")[0]):
        installer.SIGNERS.write_text(wrong)
        with pytest.raises(project.Mistake, match="allowed_signers has a line"):
            installer.signers()


def test_everything_that_is_linked_has_its_licence(packed, host):
    with_licences = next((packed / "container").rglob("THIRD-PARTY-LICENSES.txt"), None)
    if with_licences is None:
        pytest.skip("there is no container for this system")
    text = with_licences.read_text()
    tree = support.run(
        "cargo",
        "tree",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--target",
        host,
        "--format",
        "{p}",
        cwd=support.ROOT,
    )
    linked = {tuple(line.split()[:2]) for line in tree.splitlines()} - {("", "")}
    assert len(linked) > 100
    for name, number in linked:
        if name != "mcp-tether":
            assert f"  {name} {number.removeprefix('v')} (" in text, name
            assert f"\n{name} {number.removeprefix('v')}\n" in text, name
    # C code that crates carry, and what is in no list of crates.
    for words in ("Academic Free License", "BoringSSL", "The Rust Project Developers"):
        assert words in text, words


def test_bill_of_materials(packed):
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from cyclonedx.validation import make_schemabased_validator

    bill = next((packed / "release").glob("*.cdx.json")).read_text()
    assert make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_5).validate_str(bill) is None
    bill = json.loads(bill)
    known = {component["bom-ref"] for component in [*bill["components"], bill["metadata"]["component"]]}
    assert len(known) == len(bill["components"]) + 1
    for dependency in bill["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= known
    assert {dependency["ref"] for dependency in bill["dependencies"]} == known
    assert all(component.get("hashes") and component.get("licenses") for component in bill["components"])


def test_the_crate_has_what_it_needs():
    listed = support.run("cargo", "package", "--list", "--allow-dirty", "--locked", cwd=support.ROOT).splitlines()
    assert {
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "src/main.rs",
        "src/lib.rs",
    } <= set(listed)
    written = {"Cargo.toml.orig", ".cargo_vcs_info.json"}
    strange = [name for name in set(listed) - written if not name.startswith("src/") and "/" in name]
    assert not strange, strange
    # Whatever the sources include from beside them is in the package, too.
    sources = subprocess.run(["git", "ls-files", "src"], cwd=support.ROOT, capture_output=True, text=True, check=True)
    assert {name.replace(os.sep, "/") for name in sources.stdout.splitlines()} <= set(listed)


def test_the_formula_is_ruby(packed, tmp_path):
    formula = packed / "homebrew" / "mcp-tether.rb"
    text = formula.read_text()
    for found, total in re.findall(r'url "([^"]+)"\s+sha256 "([0-9a-f]{64})"', text):
        archive = packed / "release" / found.rpartition("/")[2]
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == total
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path, filter="data")
        # Homebrew enters the one folder of the archive; what `install` names is there.
        folder = next(tmp_path.iterdir())
        for name in re.findall(r'\.install "([^"]+)"', text):
            assert (folder / name).is_file(), name
        assert list(folder.glob("man/man1/*.1"))
    try:
        support.run("ruby", "-wc", formula)
    except FileNotFoundError:
        print("NOT CHECKED: the syntax of the formula (ruby is not here)")


def test_server_json(packed, version):
    described = json.loads((packed / "registry" / "server.json").read_text())
    if schema := os.environ.get("MCP_SERVER_SCHEMA"):
        import jsonschema

        jsonschema.validate(described, json.loads(Path(schema).read_text()))
    # The registry's own rules, and those of the schema for what we use.
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", described["name"])
    assert len(described["description"]) <= 100 and described["version"] == version
    for package in described["packages"]:
        assert package["transport"] == {"type": "stdio"}
        if package["registryType"] == "mcpb":
            bundle = packed / "release" / package["identifier"].rpartition("/")[2]
            assert hashlib.sha256(bundle.read_bytes()).hexdigest() == package["fileSha256"]
        else:
            assert package["packageArguments"][0]["isRequired"]
    # How the registry sees that the packages are ours.
    with tarfile.open(packed / "release" / f"mcp-tether-{version}.tgz") as tar:
        assert json.load(tar.extractfile("package/package.json"))["mcpName"] == described["name"]
    wheel = zipfile.ZipFile(next((packed / "release").glob("*.whl")))
    metadata = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    assert f"<!-- mcp-name: {described['name']} -->" in wheel.read(metadata).decode()
