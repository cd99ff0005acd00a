"""The MCPB bundle: validated and unpacked by the official tool, and run as its manifest says."""

import json
import re

import pytest

import support

CLI = support.CACHE / "npm" / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"


@pytest.fixture(scope="module")
def unpacked(packed, host, version, tmp_path_factory):
    bundles = list(
        (packed / "release").glob(f"*{host.partition('-')[0]}*{host.partition('-')[2].rpartition('-')[0]}*.mcpb")
    )
    assert len(bundles) == 1, bundles
    folder = tmp_path_factory.mktemp("mcpb") / "unpacked"
    support.run("node", CLI, "unpack", bundles[0], folder)
    return folder


def test_the_manifest_is_valid(unpacked, version):
    assert "passes" in support.run("node", CLI, "validate", unpacked / "manifest.json")
    manifest = json.loads((unpacked / "manifest.json").read_text())
    assert manifest["version"] == version
    assert (unpacked / manifest["server"]["entry_point"]).is_file()


def configured(unpacked, **options):
    """The command line that a client makes: options that were not set stay as they are written."""
    manifest = json.loads((unpacked / "manifest.json").read_text())
    known = {"__dirname": str(unpacked)}
    for name, option in manifest["user_config"].items():
        value = options.get(name, option.get("default"))
        assert value is not None or not option["required"]
        if value is not None:
            known[f"user_config.{name}"] = str(value)
    config = manifest["server"]["mcp_config"]
    parts = [config["command"], *config["args"]]
    return [re.sub(r"\$\{([^}]+)\}", lambda found: known.get(found[1], found[0]), part) for part in parts]


def test_with_a_url_alone(unpacked, demo, home):
    command = configured(unpacked, url=demo)
    assert "${user_config.header_file}" in " ".join(command)
    support.converse(command, env=support.clean_environment(home))


def test_with_a_header(unpacked, demo, home, tmp_path):
    secret = tmp_path / "value with spaces.txt"
    secret.write_text("Bearer not-a-real-token\n")
    trace = tmp_path / "trace.jsonl"
    command = configured(unpacked, url=demo, header_file=secret)
    assert "not-a-real-token" not in " ".join(command)
    support.converse([*command, "--trace", str(trace)], env=support.clean_environment(home))
    # A trace names the header, and hides its value.
    assert '"authorization"' in trace.read_text().lower() and "not-a-real-token" not in trace.read_text()
    support.converse(
        configured(unpacked, url=demo, header_file=secret, header_name="X-Api-Key"),
        env=support.clean_environment(home),
    )
