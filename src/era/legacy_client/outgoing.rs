//! Requests to a modern server: each says for itself who asks, and in which revision.

use bytes::Bytes;

use super::Turn;
use crate::era::LOG_LEVEL;
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{Id, Message};

/// What a request carries when it is sent again because the server asked for input (2026-07-28,
/// basic/patterns/mrtr, "Client Requirements").
#[derive(Debug, Default)]
pub(super) struct Input<'a> {
    /// The JSON text of `inputResponses`.
    pub responses: Option<&'a str>,
    /// The JSON text of `requestState`, exactly as the server wrote it.
    pub state: Option<&'a str>,
}

/// A request of the client as a modern client would send it, with the id that it has on the link
/// (2026-07-28, basic, "`_meta`"). Everything else stays as the client wrote it.
pub(super) fn request(message: &Message, id: &Id, turn: &Turn<'_>) -> Bytes {
    let id = id.to_string();
    described(Patch::new().set(&["id"], id.as_str()), turn, message.bytes())
}

/// The same request with the input that the server asked for.
pub(super) fn retry(message: &Message, id: &Id, input: &Input<'_>, turn: &Turn<'_>) -> Bytes {
    let id = id.to_string();
    let mut patch = Patch::new().set(&["id"], id.as_str());
    for (name, value) in [("inputResponses", input.responses), ("requestState", input.state)] {
        patch = match value {
            Some(value) => patch.set(&["params", name], value),
            None => patch.remove(&["params", name]),
        };
    }
    described(patch, turn, message.bytes())
}

/// `subscriptions/listen` with this filter, which is JSON text (2026-07-28,
/// basic/patterns/subscriptions, "Opening a Stream").
pub(super) fn listen(id: &Id, filter: &str, turn: &Turn<'_>) -> Bytes {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{filter}}}}}"#
    );
    let patch = turn.client.describe(Patch::new(), &turn.server.version);
    patch.apply(text.as_bytes()).unwrap_or_else(|| Bytes::from(text))
}

/// The client's `notifications/cancelled` for the id that its request has on the link.
pub(super) fn cancelled(message: &Message, id: &Id) -> Bytes {
    let id = id.to_string();
    let patch = Patch::new().set(&["params", "requestId"], id.as_str());
    patch.apply(message.bytes()).unwrap_or_else(|| message.bytes().clone())
}

fn described<'a>(patch: Patch<'a>, turn: &'a Turn<'_>, text: &Bytes) -> Bytes {
    let mut patch = turn.client.describe(patch, &turn.server.version);
    if let Some(level) = turn.level {
        patch = patch.set(&["params", "_meta", LOG_LEVEL], level);
    }
    patch.apply(text).unwrap_or_else(|| text.clone())
}
