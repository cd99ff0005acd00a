//! What a modern server answers, as a client of an earlier revision expects it.

use bytes::Bytes;

use super::peers::Client;
use crate::era::SUBSCRIPTION_ID;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::splice::{self, Patch};
use crate::jsonrpc::{Id, Message, member};
use crate::secret::{neutralise, truncate};

/// What a result is (2026-07-28, basic, "ResultType").
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// The answer.
    Complete,
    /// A handle of a task, for a client that knows them.
    Task,
    /// The server needs input first. The JSON text of the result.
    InputRequired(&'a str),
    /// Nothing that the client could make anything of.
    Unrecognized(Failure),
}

/// What the result in `response` is.
pub(super) fn outcome<'a>(response: &'a Message, client: &Client) -> Outcome<'a> {
    let Some(result) = member::lookup(response.bytes(), &["result"]) else {
        return Outcome::Complete;
    };
    let kind = match member::lookup(result.as_bytes(), &["resultType"]) {
        None | Some("null") => return Outcome::Complete,
        Some(text) => serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()),
    };
    let message = match kind.as_str() {
        "complete" => return Outcome::Complete,
        "input_required" => return Outcome::InputRequired(result),
        "task" if client.has_tasks() => return Outcome::Task,
        "task" => "the server answered with a task, which this client did not ask for".into(),
        other => {
            let other = truncate(&neutralise(other), 40);
            format!("the server answered with an unrecognized result type “{other}”")
        }
    };
    Outcome::Unrecognized(Failure::new(FailureKind::InvalidResponse, message))
}

/// A complete answer for the client, without the members that it does not know. `_meta` stays: it
/// is open in every revision.
pub(super) fn answer(response: &Message, method: &str, id: &Id) -> Bytes {
    let result = member::lookup(response.bytes(), &["result"]).unwrap_or_default();
    // Who asks for these knows what they mean: `ttlMs` of a task is how long it is kept.
    let Some(members) = splice::members(result).filter(|_| !is_modern(method)) else {
        return response.with_id(id);
    };
    let find = |name| members.iter().rfind(|member| member.key == name).map(|member| member.value);
    let mut patch = Patch::new();
    for name in ["resultType", "ttlMs", "cacheScope"] {
        if find(name).is_some() {
            patch = patch.remove(&["result", name]);
        }
    }
    match method {
        "tools/list" => {
            if let Some(tools) = find("tools").and_then(without_odd_schemas) {
                patch = patch.set(&["result", "tools"], tools);
            }
        }
        "tools/call" => {
            if let Some(structured) = find("structuredContent").filter(|text| !is_object(text)) {
                patch = patch.remove(&["result", "structuredContent"]);
                let content = find("content").and_then(splice::elements).unwrap_or_default();
                if content.is_empty() && structured != "null" {
                    let text = super::peers::quoted(structured);
                    let block = format!(r#"[{{"type":"text","text":{text}}}]"#);
                    patch = patch.set(&["result", "content"], block);
                }
            }
        }
        _ => {}
    }
    if patch.is_empty() {
        return response.with_id(id);
    }
    let id_text = id.to_string();
    let patch = patch.set(&["id"], id_text.as_str());
    patch.apply(response.bytes()).unwrap_or_else(|| response.with_id(id))
}

/// A notification without the id of its subscription (2026-07-28, basic/patterns/subscriptions,
/// "Receiving Notifications"), and without what holds nothing else.
pub(super) fn notification(message: &Message) -> Bytes {
    if member::lookup(message.bytes(), &["params", "_meta", SUBSCRIPTION_ID]).is_none() {
        return message.bytes().clone();
    }
    let patch = Patch::new()
        .remove(&["params", "_meta", SUBSCRIPTION_ID])
        .prune(&["params", "_meta"])
        .prune(&["params"]);
    patch.apply(message.bytes()).unwrap_or_else(|| message.bytes().clone())
}

/// Methods that no legacy revision has.
fn is_modern(method: &str) -> bool {
    method == "server/discover" || method.starts_with("tasks/")
}

fn is_object(text: &str) -> bool {
    text.starts_with('{')
}

/// The tools without output schemas that are more than earlier revisions allow: clients of those
/// reject the whole list for one. `None` if there are none.
fn without_odd_schemas(tools: &str) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for tool in splice::elements(tools)? {
        let schema = member::lookup(tool.as_bytes(), &["outputSchema"]);
        if schema.is_none_or(is_legacy_schema) {
            continue;
        }
        let start = tool.as_ptr() as usize - tools.as_ptr() as usize;
        let patched = Patch::new().remove(&["outputSchema"]).apply(tool.as_bytes())?;
        out.push_str(&tools[done..start]);
        out.push_str(std::str::from_utf8(&patched).ok()?);
        done = start + tool.len();
    }
    (done > 0).then(|| out + &tools[done..])
}

/// Whether an output schema is one of 2025-11-25: an object whose properties have schemas that are
/// objects (schema, `Tool.outputSchema`).
fn is_legacy_schema(schema: &str) -> bool {
    let schema = schema.as_bytes();
    let typed = member::lookup_string(schema, &["type"]).as_deref() == Some("object");
    let properties = member::lookup(schema, &["properties"]).is_none_or(|properties| {
        splice::members(properties)
            .is_some_and(|all| all.iter().all(|property| is_object(property.value)))
    });
    let required = member::lookup(schema, &["required"]).is_none_or(|required| {
        splice::elements(required).is_some_and(|all| all.iter().all(|name| name.starts_with('"')))
    });
    typed && properties && required
}
