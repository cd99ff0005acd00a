"""The image and the installer in a bare Debian, both without a container engine: chroot does what one would.

The image is made by following the Dockerfile. It is built for a static program; where the program at hand
needs a C library, the loader and the libraries that it names are put into the image as well.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import support

DEBIAN = support.CACHE / "debian.tar"
# By their paths, because PATH is that of the program inside.
MKDIR, MOUNT, CHROOT = (shutil.which(name) for name in ("mkdir", "mount", "chroot"))
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="chroot into Linux"),
    pytest.mark.skipif(not DEBIAN.is_file(), reason="NOT CHECKED here: takes root and debootstrap"),
]


def inside(
    root: Path,
    *command: str,
    user: str = "0:0",
    check: bool = True,
    binds: dict[Path, str] | None = None,
    stdin: str = "",
    limit: int = 5 * support.DEADLINE,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Runs a command in `root` as `user`. Mounts are in a namespace of their own, and gone with it."""
    mounts = "".join(
        f"{MKDIR} -p {shlex.quote(str(root) + to)} && {MOUNT} --bind {shlex.quote(str(what))} {shlex.quote(str(root) + to)} && "
        for what, to in {Path("/dev"): "/dev", Path("/proc"): "/proc", **(binds or {})}.items()
    )
    # The environment is the one given and no other; an image has no `env` to see to that inside.
    script = f'{mounts} exec {CHROOT} --userspec={user} {shlex.quote(str(root))} "$@"'
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **variables}
    ran = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-c", script, "sh", *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=limit,
        input=stdin,
        check=False,
    )
    assert not check or ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran


def copy_of_debian(to: Path) -> Path:
    to.mkdir()
    subprocess.run(["tar", "-xpf", DEBIAN, "--numeric-owner", "--strip-components=1", "-C", to], check=True)
    # So that names of hosts are known in there.
    shutil.copy("/etc/resolv.conf", to / "etc" / "resolv.conf")
    return to


class Image:
    """The stages of a Dockerfile, as folders."""

    def __init__(self, context: Path, arguments: dict[str, str], scratch: Path):
        self.context, self.arguments, self.scratch = context, arguments, scratch
        self.stages: dict[str, Path] = {}
        self.config: dict = {"env": {}, "user": "0:0", "labels": {}, "entrypoint": [], "volumes": []}
        text = re.sub(r"^#.*\n", "", (context / "Dockerfile").read_text(), flags=re.MULTILINE)
        for line in re.sub(r"\\\n", "", text).splitlines():
            if line.strip():
                word, _, rest = line.strip().partition(" ")
                getattr(self, f"do_{word.lower()}")(self.filled(rest))

    def filled(self, text: str) -> str:
        return re.sub(r"\$(\w+)", lambda found: self.arguments[found[1]], text)

    def do_from(self, rest: str):
        name = re.sub(r"^--platform=\S+ ", "", rest).split()
        self.root = self.scratch / f"stage-{len(self.stages)}"
        if name[0] == "scratch":
            self.root.mkdir()
        else:
            assert name[0].startswith("debian:"), name
            copy_of_debian(self.root)
        self.stages[name[2] if name[1:2] == ["AS"] else "last"] = self.root

    def do_arg(self, rest: str):
        name, _, default = rest.partition("=")
        self.arguments.setdefault(name, default)

    def do_run(self, rest: str):
        inside(self.root, "sh", "-c", rest, DEBIAN_FRONTEND="noninteractive")

    def do_copy(self, rest: str):
        options, paths = [], []
        for word in rest.split():
            (options if word.startswith("--") else paths).append(word)
        source = self.context
        for option in options:
            assert option.startswith("--from="), option
            source = self.stages[option.removeprefix("--from=")]
        what, to = source / paths[0].lstrip("/"), self.root / paths[1].lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        if what.is_dir():
            to.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", f"{what}/.", f"{to}/"], check=True)
        else:
            subprocess.run(["cp", "-a", what, to], check=True)

    def do_label(self, rest: str):
        self.config["labels"] |= dict(word.split("=", 1) for word in shlex.split(rest))

    def do_env(self, rest: str):
        self.config["env"] |= dict(word.split("=", 1) for word in shlex.split(rest))

    def do_user(self, rest: str):
        self.config["user"] = rest

    def do_volume(self, rest: str):
        self.config["volumes"].append(rest)

    def do_entrypoint(self, rest: str):
        self.config["entrypoint"] = json.loads(rest)


@pytest.fixture(scope="module")
def image(packed, version, tmp_path_factory):
    processor = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    arguments = {"TARGETARCH": processor, "BUILDPLATFORM": f"linux/{processor}", "VERSION": version}
    image = Image(packed / "container", arguments, tmp_path_factory.mktemp("image"))
    root = image.stages["last"]
    program = root / image.config["entrypoint"][0].lstrip("/")
    interpreter = re.search(r"interpreter: (\S+)\]", support.run("readelf", "-lW", program))
    if interpreter:
        print("the program is not static: its C library is put into the image for this test")
        for library in re.findall(r"(/\S+) \(0x", support.run("ldd", program)):
            (root / library.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library.lstrip("/"))
    return image


def in_image(image, *arguments, **more):
    config = image.config
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["user"]), "the image runs as root"
    return inside(
        image.stages["last"], *config["entrypoint"], *arguments, user=config["user"], **{**config["env"], **more}
    )


def test_image(image, version, demo):
    assert in_image(image, "--version").stdout == f"mcp-tether {version}\n"
    in_image(image, "demo", "--try", "--port", "0")
    assert "echo" in in_image(image, "tools", demo).stdout
    # Sign-ins can be kept, and nothing else can be written.
    root = image.stages["last"]
    uid, gid = map(int, image.config["user"].split(":"))
    assert image.config["env"]["MCP_TETHER_HOME"] in image.config["volumes"]
    state = (root / "data").stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (uid, gid, 0o700)
    in_image(image, "secret", "set", "name", stdin="not-a-real-secret")
    assert [path for path in (root / "data").rglob("*") if path.is_file()]
    assert set(image.config["labels"]) >= {"org.opencontainers.image.version"}
    assert image.config["labels"]["org.opencontainers.image.version"] == version


def test_certificates_of_the_image(image):
    """TLS finds authorities: what fails is the name of the server, not the lack of them."""
    said = in_image(image, "doctor", "--json", check=False).stdout
    found = [check for check in _findings(json.loads(said)) if "certificate" in json.dumps(check).lower()]
    assert found and all(check.get("verdict") in ("ok", "note") for check in found), found


def _findings(value):
    if isinstance(value, dict):
        if "verdict" in value:
            yield value
        for inner in value.values():
            yield from _findings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _findings(inner)


@pytest.fixture(scope="module")
def debian(tmp_path_factory, packed):
    """A bare Debian with a person in it, a checkout and the files of a release."""
    root = copy_of_debian(tmp_path_factory.mktemp("debian") / "root")
    inside(root, "useradd", "--create-home", "--uid", "1000", "person")
    shutil.copytree(packed / "release", root / "release")
    checkout = root / "home/person/mcp-tether"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=support.ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(("src/", "Cargo", "install.sh", "README", "CHANGELOG", "LICENSE", "benches/")):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(support.ROOT / name, checkout / name)
    subprocess.run(["chown", "-R", "1000:1000", checkout], check=True)
    return root


def as_person(root, *command, **more):
    return inside(root, *command, user="1000:1000", HOME="/home/person", SHELL="/bin/bash", **more)


def test_installer_in_a_bare_debian(debian, version, demo):
    """No downloader, no Rust, no ssh-keygen; not root."""
    ran = as_person(debian, "sh", "/release/install.sh", check=False)
    assert ran.returncode == 1 and "neither curl nor wget is installed; --from DIR" in ran.stderr
    ran = as_person(debian, "sh", "/home/person/mcp-tether/install.sh", check=False)
    assert ran.returncode == 1 and "cargo is not installed" in ran.stderr

    ran = as_person(debian, "sh", "/release/install.sh", "--from", "/release", "--extras")
    assert f"Installed mcp-tether {version}: /home/person/.local/bin/mcp-tether" in ran.stdout
    assert "NOT CHECKED" in ran.stdout
    program = "/home/person/.local/bin/mcp-tether"
    assert as_person(debian, program, "--version").stdout == f"mcp-tether {version}\n"
    assert "echo" in as_person(debian, program, "tools", demo).stdout
    # The line in .bashrc is for terminals.
    found = as_person(debian, "bash", "-ic", "command -v mcp-tether && complete -p mcp-tether", check=False)
    assert program in found.stdout
    home = debian / "home/person"
    assert (home / ".local/share/man/man1/mcp-tether-call.1").is_file()

    ran = as_person(debian, "sh", "/release/install.sh", "--uninstall")
    assert not (home / ".local/bin/mcp-tether").exists()
    assert "mcp-tether" not in (home / ".bashrc").read_text()
    assert not [path for path in (home / ".local").rglob("*") if path.is_file()]


@pytest.mark.skipif(
    "MCP_TETHER_SOURCE_BUILD" not in os.environ, reason="MCP_TETHER_SOURCE_BUILD=1 builds, for minutes"
)
@pytest.mark.timeout(3600)
def test_installer_builds_from_source(debian, version):
    """With the machine's own toolchain, a copy of its downloaded crates, and a C compiler from Debian."""
    inside(
        debian,
        "sh",
        "-c",
        "apt-get -qq update && apt-get -qq install -y --no-install-recommends gcc libc6-dev",
        DEBIAN_FRONTEND="noninteractive",
    )
    sysroot = Path(support.run("rustc", "--print", "sysroot").strip())
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    # Unpacked sources can be for their owner alone.
    for part in ("cache", "index"):
        shutil.copytree(cargo_home / "registry" / part, debian / "opt/cargo/registry" / part)
    subprocess.run(["chown", "-R", "1000:1000", debian / "opt/cargo"], check=True)
    ran = as_person(
        debian,
        "sh",
        "/home/person/mcp-tether/install.sh",
        binds={sysroot: "/opt/rust"},
        check=False,
        limit=3000,
        PATH="/opt/rust/bin:/usr/bin:/bin",
        CARGO_HOME="/opt/cargo",
        CARGO_NET_OFFLINE="true",
        # The script is what is tried; the optimisations would take most of the time.
        CARGO_PROFILE_RELEASE_LTO="off",
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16",
    )
    assert ran.returncode == 0, ran.stderr
    assert as_person(debian, "/home/person/.local/bin/mcp-tether", "--version").stdout == f"mcp-tether {version}\n"
