"""The packages of mcp-tether.

`project` is what Cargo.toml says, `targets` the systems and what their packages are called, `files` writes
archives whose bytes depend on nothing but their content. Of the others each makes one kind of package:
`archive`, `npm`, `wheel`, `bundle` (MCPB), `container`, `homebrew`, `registry` (server.json); `bill` (SBOM) and
`licences` describe what is in the binary. `everything` calls them.
"""
