"""The MCPB bundle, which Claude Desktop and others install with a click: one for each system.

A manifest can name one program for each operating system, but not for each processor, hence a bundle each.
The value of a header comes from a file, so that it is on no command line. What is not set arrives as
`${user_config.…}`, and the bridge leaves such a header out (docs/reference.md).
"""

import json

from . import archive
from .files import zip_archive
from .project import AUTHOR, KEYWORDS, NAME, Project
from .targets import Binary

_LONG = """\
Connects to any remote MCP server by its address, over Streamable HTTP or the older HTTP+SSE.

If the server wants you to sign in, the browser opens once, and the tokens are kept in the keyring of your \
system. Servers that want a fixed key get it in a header, from a file of yours. Broken connections, lost \
sessions and restarts of the server are survived, and where something fails you are told what and why."""


def file_name(project: Project, binary: Binary) -> str:
    return f"{archive.name(project, binary)}.mcpb"


def manifest(project: Project, binary: Binary) -> dict:
    program = f"server/{binary.target.executable}"
    described = {
        "manifest_version": "0.3",
        "name": NAME,
        "display_name": "Remote MCP server (mcp-tether)",
        "version": project.version,
        "description": project.description,
        "long_description": _LONG,
        "author": {"name": AUTHOR},
        "server": {
            "type": "binary",
            "entry_point": program,
            "mcp_config": {
                "command": f"${{__dirname}}/{program}",
                "args": [
                    "${user_config.url}",
                    "--header",
                    "${user_config.header_name}: file:${user_config.header_file}",
                ],
                "env": {},
            },
        },
        "tools_generated": True,
        "prompts_generated": True,
        "keywords": KEYWORDS,
        "license": project.licence,
        "compatibility": {"platforms": [binary.target.platform]},
        "user_config": {
            "url": {
                "type": "string",
                "title": "Address of the server",
                "description": "For example https://mcp.example.com/mcp",
                "required": True,
            },
            "header_file": {
                "type": "file",
                "title": "File with the value of a header",
                "description": "Only for servers that want a fixed key or token instead of a sign-in: a text file "
                "with nothing but the value, for Authorization for example: Bearer YOUR-TOKEN",
                "required": False,
            },
            "header_name": {
                "type": "string",
                "title": "Name of that header",
                "description": "Authorization, unless the server says otherwise",
                "default": "Authorization",
                "required": False,
            },
        },
    }
    if project.repository:
        described["repository"] = {"type": "git", "url": f"{project.repository}.git"}
        described["homepage"] = project.repository
        described["documentation"] = f"{project.repository}#readme"
        described["support"] = f"{project.repository}/issues"
    return described


def make(project: Project, binary: Binary) -> bytes:
    text = json.dumps(manifest(project, binary), indent=2, ensure_ascii=False) + "\n"
    tree = {
        **archive.documents(project, binary),
        "manifest.json": (text.encode(), False),
        f"server/{binary.target.executable}": (binary.bytes, True),
    }
    return zip_archive(tree, project.time)
