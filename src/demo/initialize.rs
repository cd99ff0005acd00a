//! The answer to `initialize` (basic/lifecycle): a session, its revision, what the server can do.

use serde::Deserialize;
use serde_json::Value;

use super::revision::Revision;
use super::session::ClientCapabilities;
use crate::json;

/// The parameters of `initialize`, as far as the server cares.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The revision that the client proposes.
    pub protocol_version: String,
    /// What the client can do.
    pub capabilities: ClientCapabilities,
}

/// The result of `initialize`.
pub fn result(revision: Revision) -> Value {
    let mut server = json!({
        "name": "mcp-tether-demo",
        "version": env!("CARGO_PKG_VERSION"),
    });
    if revision.has_titles_and_structured_results() {
        server["title"] = "Demo server of mcp-tether".into();
    }
    json!({
        "protocolVersion": revision.name(),
        "capabilities": {
            "tools": {"listChanged": true},
            "resources": {"subscribe": true},
            "prompts": {},
            "completions": {},
            "logging": {},
        },
        "serverInfo": server,
        "instructions": "A server to try MCP clients with. Read demo://readme, or call any tool: \
                         none of them does any harm.",
    })
}
