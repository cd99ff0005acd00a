//! What goes back to the client: answers and notifications with the members of 2026-07-28.

use bytes::Bytes;

use super::envelope::{Refusal, supported};
use crate::era::revisions::CACHEABLE;
use crate::era::{SERVER_INFO, SUBSCRIPTION_ID};
use crate::json;
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{INVALID_PARAMS, Id, Kind, Message, member};

/// The resource does not exist (2025-11-25, server/resources). Not to be used in 2026-07-28.
const RESOURCE_NOT_FOUND: i64 = -32002;
/// A URL must be visited first (2025-11-25, client/elicitation). Not to be used in 2026-07-28.
pub(super) const URL_ELICITATION_REQUIRED: i64 = -32042;
/// Something failed that the other side can do nothing about (JSON-RPC 2.0, section 5.1).
pub(super) const INTERNAL_ERROR: i32 = -32603;

/// The JSON text of an id, which is UTF-8 because its message was.
pub(super) fn text(id: &Id) -> &str {
    std::str::from_utf8(id.raw()).unwrap_or("null")
}

/// The response to a request for `method` as the client gets it, with its own `id`.
pub(super) fn response(
    message: &Message,
    id: &Id,
    method: &str,
    server_info: Option<&str>,
) -> Bytes {
    let mut patch = Patch::new().set(&["id"], text(id));
    if matches!(message.kind(), Kind::Response { error: true, .. }) {
        match error_code(message) {
            Some(RESOURCE_NOT_FOUND) => {
                patch = patch.set(&["error", "code"], INVALID_PARAMS.to_string());
            }
            Some(URL_ELICITATION_REQUIRED) => {
                patch = patch.set(&["error", "code"], INTERNAL_ERROR.to_string());
            }
            _ => return message.with_id(id),
        }
    } else {
        patch = patch.default_to(&["result", "resultType"], r#""complete""#);
        if CACHEABLE.contains(&method) {
            patch = patch
                .default_to(&["result", "ttlMs"], "0")
                .default_to(&["result", "cacheScope"], r#""private""#);
        }
        if let Some(info) = server_info {
            patch = patch.default_to(&["result", "_meta", SERVER_INFO], info);
        }
    }
    patch.apply(message.bytes()).unwrap_or_else(|| message.with_id(id))
}

/// The code of an error response, however the number is spelled.
pub(super) fn error_code(message: &Message) -> Option<i64> {
    let code: f64 = member::lookup(message.bytes(), &["error", "code"])?.parse().ok()?;
    (code.fract() == 0.0).then_some(code as i64)
}

/// What an answered `initialize` says about the server.
#[derive(Clone, Debug)]
pub(super) struct Initialized {
    /// The result of `server/discover`, as JSON.
    pub(super) discovered: String,
    /// Name and version of the server, as JSON.
    pub(super) server_info: Option<String>,
    /// It can be told a log level.
    pub(super) logging: bool,
    /// It announces changed lists: of tools, of prompts, of resources.
    pub(super) list_changed: [bool; 3],
    /// It announces changed resources.
    pub(super) subscribe: bool,
}

impl Initialized {
    /// Reads the response to `initialize`. `None` if it has no result that is an object.
    pub(super) fn read(message: &Message) -> Option<Initialized> {
        let result = member::lookup(message.bytes(), &["result"])?;
        let declared = |path: &[&str]| {
            let path = [&["capabilities"], path].concat();
            member::lookup(result.as_bytes(), &path)
                .filter(|text| !matches!(*text, "null" | "false"))
        };
        let info = member::lookup(result.as_bytes(), &["serverInfo"]);
        let info = info.filter(|text| text.starts_with('{')).map(str::to_owned);
        Some(Initialized {
            discovered: discovered(result, info.as_deref())?,
            server_info: info,
            logging: declared(&["logging"]).is_some(),
            list_changed: ["tools", "prompts", "resources"]
                .map(|list| declared(&[list, "listChanged"]).is_some()),
            subscribe: declared(&["resources", "subscribe"]).is_some(),
        })
    }
}

/// The `InitializeResult` as a `DiscoverResult` (2026-07-28, server/discover).
fn discovered(result: &str, server_info: Option<&str>) -> Option<String> {
    let versions = serde_json::Value::from(supported()).to_string();
    let mut patch = Patch::new()
        .remove(&["protocolVersion"])
        .remove(&["serverInfo"])
        .set(&["supportedVersions"], versions)
        .default_to(&["resultType"], r#""complete""#)
        .default_to(&["ttlMs"], "0")
        .default_to(&["cacheScope"], r#""private""#);
    let capabilities = member::lookup(result.as_bytes(), &["capabilities"]);
    patch = if capabilities.is_some_and(|text| text.starts_with('{')) {
        // Tasks of 2025-11-25 are not the extension of 2026-07-28.
        patch.remove(&["capabilities", "tasks"])
    } else {
        patch.set(&["capabilities"], "{}")
    };
    if let Some(info) = server_info {
        patch = patch.default_to(&["_meta", SERVER_INFO], info);
    }
    let bytes = patch.apply(result.as_bytes())?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A response with a result of ours.
pub(super) fn result(id: &Id, result: &str) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, text(id)))
}

/// A notification as it is written to the subscription that the request `id` opened.
pub(super) fn tagged(message: &Message, id: &Id) -> Bytes {
    let patch = Patch::new().set(&["params", "_meta", SUBSCRIPTION_ID], text(id));
    patch.apply(message.bytes()).unwrap_or_else(|| message.bytes().clone())
}

/// The first message of a subscription; `granted` is a filter as JSON
/// (2026-07-28, basic/patterns/subscriptions, "Acknowledgment").
pub(super) fn acknowledged(id: &Id, granted: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"{SUBSCRIPTION_ID}":{}}},"notifications":{granted}}}}}"#,
        text(id)
    ))
}

/// The end of a subscription in good order (as above, "Graceful Closure").
pub(super) fn closed(id: &Id, server_info: Option<&str>) -> Bytes {
    let info = server_info.map(|info| format!(r#","{SERVER_INFO}":{info}"#)).unwrap_or_default();
    let subscription = text(id);
    let own = format!(
        r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{subscription}{info}}}}}"#
    );
    result(id, &own)
}

/// A request for input (2026-07-28, basic/patterns/mrtr). `requests` is an object as JSON.
pub(super) fn input_required(
    id: &Id,
    requests: &str,
    state: &str,
    server_info: Option<&str>,
) -> Bytes {
    let state = serde_json::Value::from(state);
    let meta = server_info
        .map(|info| format!(r#","_meta":{{"{SERVER_INFO}":{info}}}"#))
        .unwrap_or_default();
    let own = format!(
        r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":{state}{meta}}}"#
    );
    result(id, &own)
}

/// The client declared less than a request needs.
pub(super) fn missing_capability(text: &str, required: serde_json::Value) -> Refusal {
    Refusal::new(crate::era::MISSING_CAPABILITY, text)
        .with(json!({ "requiredCapabilities": required }))
}
