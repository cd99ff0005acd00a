"""The software bill of materials: CycloneDX 1.5 in JSON, of what is linked into the binary of one target.

Made from the same list as the licence texts, so that the two agree. It has no serial number and its time is
that of the release, so that making it twice gives the same bytes.
"""

import datetime
import json
import re

from . import archive, crates
from .project import NAME, Project
from .targets import Binary


def file_name(project: Project, binary: Binary) -> str:
    return f"{archive.name(project, binary)}.cdx.json"


def make(project: Project, binary: Binary, sha256: str) -> bytes:
    triple = binary.target.triple
    when = datetime.datetime.fromtimestamp(project.time, datetime.UTC)
    linked = crates.linked(triple)
    itself = {
        "type": "application",
        "bom-ref": _reference(NAME, project.version),
        "name": NAME,
        "version": project.version,
        "description": project.description,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "licenses": [{"expression": project.licence}],
        "purl": _reference(NAME, project.version),
        "properties": [{"name": "cdx:rustc:sbom:target:triple", "value": triple}],
    }
    if project.repository:
        itself["externalReferences"] = [{"type": "vcs", "url": project.repository}]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": itself},
        "components": [_component(crate) for crate in linked],
        "dependencies": [
            {
                "ref": _reference(crate.name, crate.version),
                "dependsOn": [_reference(*need) for need in crate.needs],
            }
            for crate in (crates.own(triple), *linked)
        ],
    }
    return (json.dumps(bill, indent=2, ensure_ascii=False) + "\n").encode()


def _component(crate: crates.Crate) -> dict:
    component = {
        "type": "library",
        "bom-ref": _reference(crate.name, crate.version),
        "name": crate.name,
        "version": crate.version,
        "scope": "required",
        "purl": _reference(crate.name, crate.version),
    }
    if crate.description:
        component["description"] = crate.description
    if crate.licence:
        component["licenses"] = [{"expression": crate.licence}]
    if crate.sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": crate.sha256}]
    return component


def _reference(name: str, version: str) -> str:
    """A package URL, in which a `+` of the version is escaped."""
    return f"pkg:cargo/{name}@{re.sub(r'[^A-Za-z0-9.~_-]', lambda one: f'%{ord(one[0]):02X}', version)}"
