//! `initialize`, answered from what `server/discover` said.

use bytes::Bytes;

use super::peers::{Client, Server, TASKS, quoted};
use crate::era::SERVER_INFO;
use crate::jsonrpc::splice::{self, Patch};
use crate::jsonrpc::{Id, Message, member};

/// What a server is called that does not say.
const UNKNOWN: &str = r#""unknown""#;

/// The request `server/discover` as a modern client would send it (2026-07-28, server/discover,
/// "Request"). Name and capabilities are the legacy client's, from its `initialize`.
///
/// `id` is JSON text, `version` the name of a modern revision.
pub fn discover_request(id: &str, initialize: Option<&Message>, version: &str) -> Bytes {
    let client = Client::new(initialize);
    let version = quoted(version);
    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"server/discover"}}"#);
    client
        .describe(Patch::new(), &version)
        .apply(text.as_bytes())
        .unwrap_or_else(|| Bytes::from(text))
}

/// The answer to `initialize` (2025-11-25, basic/lifecycle, "Initialization"): the
/// `DiscoverResult` without what only modern clients know. Members that nobody knows stay.
pub(super) fn answer(id: &Id, client: &Client, server: &Server) -> Bytes {
    let discovered = server.discovered.as_bytes();
    let mut patch = Patch::new()
        .set(&["protocolVersion"], quoted(client.revision.name))
        .remove(&["supportedVersions"])
        .remove(&["resultType"])
        .remove(&["ttlMs"])
        .remove(&["cacheScope"]);
    match member::lookup(discovered, &["capabilities"]).and_then(splice::members) {
        None => patch = patch.set(&["capabilities"], "{}"),
        Some(_) if client.has_tasks() => {}
        Some(_) => {
            if member::lookup(discovered, &["capabilities", "extensions", TASKS]).is_some() {
                patch = patch
                    .remove(&["capabilities", "extensions", TASKS])
                    .prune(&["capabilities", "extensions"]);
            }
        }
    }
    patch = patch.set(&["serverInfo"], server_info(discovered));
    if member::lookup(discovered, &["_meta", SERVER_INFO]).is_some() {
        patch = patch.remove(&["_meta", SERVER_INFO]).prune(&["_meta"]);
    }
    if member::lookup_string(discovered, &["instructions"]).is_none() {
        // `null` would be no string to a strict client.
        patch = patch.remove(&["instructions"]);
    }
    let result = patch.apply(discovered).or_else(|| patch.apply(b"{}")).unwrap_or_default();
    super::result(id, &String::from_utf8_lossy(&result))
}

/// Name and version of the server. Some early servers have them in the body.
fn server_info(discovered: &[u8]) -> String {
    let places: [&[&str]; 2] = [&["_meta", SERVER_INFO], &["serverInfo"]];
    let info = places
        .into_iter()
        .filter_map(|place| member::lookup(discovered, place))
        .find(|text| splice::members(text).is_some())
        .unwrap_or("{}");
    let complete = Patch::new().default_to(&["name"], UNKNOWN).default_to(&["version"], UNKNOWN);
    complete
        .apply(info.as_bytes())
        .map_or_else(|| info.to_owned(), |text| String::from_utf8_lossy(&text).into_owned())
}
