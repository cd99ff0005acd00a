//! What goes to the server: the client's requests without the members of 2026-07-28, under ids of
//! ours, and requests of our own.

use bytes::Bytes;

use super::envelope::Envelope;
use crate::era::revisions::newest;
use crate::era::{CLIENT_CAPABILITIES, CLIENT_INFO, Era, LOG_LEVEL, PROTOCOL_VERSION};
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{Id, IdKey, Message};

/// What the ids begin with that we give to a server.
const PREFIX: &str = "mcp-tether/";

/// The id of our request with this number, as JSON. It is a good progress token as well.
pub(super) fn wire_id(number: u64) -> String {
    format!("\"{PREFIX}{number}\"")
}

/// The number in an id of ours.
pub(super) fn number_of(id: &Id) -> Option<u64> {
    match id.key() {
        IdKey::String(text) => text.strip_prefix(PREFIX)?.parse().ok(),
        _ => None,
    }
}

/// A request of the client as the server gets it: with `id`, without the protocol members of its
/// `_meta`, and with another progress token where there is one in `token`. The members of a retry
/// (basic/patterns/mrtr) are taken out if it `may_need_input`.
pub(super) fn request(
    message: &Message,
    id: &str,
    token: Option<&str>,
    may_need_input: bool,
) -> Bytes {
    let mut patch = Patch::new().set(&["id"], id);
    for name in [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL] {
        patch = patch.remove(&["params", "_meta", name]);
    }
    if let Some(token) = token {
        patch = patch.set(&["params", "_meta", "progressToken"], token);
    }
    if may_need_input {
        patch = patch.remove(&["params", "inputResponses"]).remove(&["params", "requestState"]);
    }
    patch
        .prune(&["params", "_meta"])
        .apply(message.bytes())
        .unwrap_or_else(|| message.bytes().clone())
}

/// The client's `notifications/cancelled` for the request that the server knows as `id`.
pub(super) fn cancelled(message: &Message, id: &str) -> Bytes {
    let patch = Patch::new().set(&["params", "requestId"], id);
    patch.apply(message.bytes()).unwrap_or_else(|| message.bytes().clone())
}

/// A request of our own. `params` is JSON.
pub(super) fn own(id: &str, method: &str, params: &str) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#))
}

/// `initialize` (2025-11-25, basic/lifecycle) with what the request says that the session is for.
pub(super) fn initialize(id: &str, envelope: &Envelope) -> Bytes {
    let version = newest(Era::Legacy).name;
    let capabilities = &envelope.capabilities;
    let ourselves =
        concat!(r#"{"name":"mcp-tether","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    let client_info = envelope.client_info.as_deref().unwrap_or(ourselves);
    let params = format!(
        r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{client_info}}}"#
    );
    own(id, "initialize", &params)
}

/// The result that the client gave, as the response to the server's own request.
pub(super) fn answer(id: &Id, result: &str) -> Bytes {
    let id = String::from_utf8_lossy(id.raw());
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}
