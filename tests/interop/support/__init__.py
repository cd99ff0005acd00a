"""What the interoperability tests share: a stdio client, a recording relay, server processes."""
