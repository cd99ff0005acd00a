//! `input_required`: what the server asks for, as requests that the client knows.
//!
//! Multi round-trip requests (2026-07-28, basic/patterns/mrtr) became requests of the server in
//! earlier revisions. This reads what is asked and writes the questions; `calls` keeps the rounds.

use std::collections::HashSet;

use bytes::Bytes;

use super::peers::{Client, quoted};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::splice::{self, Member, Patch};
use crate::jsonrpc::{Id, member};
use crate::limits::{MAX_INPUT_BYTES, MAX_INPUT_QUESTIONS};
use crate::secret::{neutralise, truncate};

/// What the server is told where the client does not show what it asks for, or fails to: nobody has
/// made a choice (2026-07-28, client/elicitation, "Response Actions").
pub(super) const NOT_SHOWN: &str = r#"{"action":"cancel"}"#;

/// One `InputRequiredResult`.
#[derive(Debug)]
pub(super) struct Input<'a> {
    /// The JSON text of `requestState`, if the server sent one.
    pub state: Option<&'a str>,
    /// The questions, in the server's order.
    pub questions: Vec<Question<'a>>,
}

/// One question.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// Its name as the server spelled it, with quotes.
    pub name: &'a str,
    /// What it is for the client.
    pub ask: Ask,
    request: &'a str,
}

/// What a question is for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Elicitation that the client does not offer; it is not asked.
    Unseen,
    /// Elicitation with a form.
    Form,
    /// Elicitation at a URL.
    Url,
    /// A completion of the client's model.
    Sampling,
    /// The client's roots.
    Roots,
}

impl Ask {
    /// The name of the request, for people.
    pub fn method(self) -> &'static str {
        match self {
            Ask::Unseen | Ask::Form | Ask::Url => "elicitation/create",
            Ask::Sampling => "sampling/createMessage",
            Ask::Roots => "roots/list",
        }
    }
}

/// Reads the `result` of a response.
///
/// # Errors
/// The failure of the client's request: the result is not one, asks too much, or asks what the
/// client did not declare and what cannot be declined towards the server.
pub(super) fn read<'a>(result: &'a str, client: &Client) -> Result<Input<'a>, Failure> {
    let sent = |name| member::lookup(result.as_bytes(), &[name]).filter(|text| *text != "null");
    let state = sent("requestState");
    if state.is_some_and(|state| state.len() > MAX_INPUT_BYTES) {
        return Err(Failure::new(
            FailureKind::TooLarge,
            format!("the server asked for input with a state of over {MAX_INPUT_BYTES} bytes"),
        ));
    }
    let asked = match sent("inputRequests") {
        None => Vec::new(),
        Some(text) => {
            splice::members(text).ok_or_else(|| odd("with `inputRequests` that are no object"))?
        }
    };
    if asked.is_empty() && state.is_none() {
        return Err(odd("but asked nothing"));
    }
    if asked.len() > MAX_INPUT_QUESTIONS {
        return Err(odd(&format!("with over {MAX_INPUT_QUESTIONS} questions at once")));
    }
    let mut names = HashSet::new();
    let mut questions = Vec::with_capacity(asked.len());
    for Member { key, name, value } in asked {
        if !names.insert(key) {
            return Err(odd("with two questions of one name"));
        }
        questions.push(Question { name, ask: ask(value, client)?, request: value });
    }
    Ok(Input { state, questions })
}

fn ask(request: &str, client: &Client) -> Result<Ask, Failure> {
    let bytes = request.as_bytes();
    let lacks = |what: &str| {
        let message = format!("the server needs {what}, which this client does not offer");
        Err(Failure::new(FailureKind::NoInput, message))
    };
    match member::lookup_string(bytes, &["method"]).as_deref() {
        Some("elicitation/create") => {
            let mode = match member::lookup(bytes, &["params", "mode"]) {
                None => "form".into(),
                Some(text) => serde_json::from_str::<String>(text).unwrap_or_default(),
            };
            Ok(match mode.as_str() {
                "form" if client.elicits_by_form() => Ask::Form,
                "url" if client.elicits_by_url() => Ask::Url,
                _ => Ask::Unseen,
            })
        }
        Some("sampling/createMessage") if !client.declares(&["sampling"]) => {
            lacks("a completion of the client's model (sampling)")
        }
        Some("sampling/createMessage") => {
            let wants = |name| member::lookup(bytes, &["params", name]).is_some();
            if (wants("tools") || wants("toolChoice")) && !client.declares(&["sampling", "tools"]) {
                return lacks("sampling with tools");
            }
            Ok(Ask::Sampling)
        }
        Some("roots/list") if !client.declares(&["roots"]) => lacks("the client's roots"),
        Some("roots/list") => Ok(Ask::Roots),
        Some(other) => Err(odd(&format!("by “{}”", truncate(&neutralise(other), 40)))),
        None => Err(odd("without a method")),
    }
}

fn odd(how: &str) -> Failure {
    Failure::new(FailureKind::InvalidResponse, format!("the server asked for input {how}"))
}

impl Question<'_> {
    /// The request to the client, in its own revision. A visit to a URL gets an id, which 2025-11-25
    /// demands, unless the server gave it one.
    pub fn request(&self, id: &Id, client: &Client) -> Bytes {
        let id = id.to_string();
        let mut patch = Patch::new().set(&["jsonrpc"], r#""2.0""#).set(&["id"], id.as_str());
        match self.ask {
            Ask::Form if !client.revision.elicitation_by_url => {
                patch = patch.remove(&["params", "mode"]);
            }
            Ask::Url => patch = patch.default_to(&["params", "elicitationId"], id.as_str()),
            Ask::Sampling if !client.revision.sampling_with_tools => {
                let messages = member::lookup(self.request.as_bytes(), &["params", "messages"]);
                if let Some(messages) = messages.and_then(with_single_blocks) {
                    patch = patch.set(&["params", "messages"], messages);
                }
            }
            Ask::Unseen | Ask::Form | Ask::Sampling | Ask::Roots => {}
        }
        patch.apply(self.request.as_bytes()).unwrap_or_default()
    }

    /// The JSON text of the id that the visit to a URL has for the client.
    pub fn visit(&self, id: &Id) -> Option<String> {
        let given = || member::lookup(self.request.as_bytes(), &["params", "elicitationId"]);
        (self.ask == Ask::Url).then(|| given().map_or_else(|| id.to_string(), str::to_owned))
    }
}

/// `notifications/elicitation/complete` (2025-11-25, client/elicitation, "Completion Notifications
/// for URL Mode Elicitation"). `visit` is JSON text.
pub(super) fn completed(visit: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":{},"params":{{"elicitationId":{visit}}}}}"#,
        quoted("notifications/elicitation/complete")
    ))
}

/// Sampling messages with one block of content each, as revisions before 2025-11-25 have them:
/// several blocks become several messages of the same role. `None` if they are so already.
fn with_single_blocks(messages: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut changed = false;
    for message in splice::elements(messages)? {
        let blocks = member::lookup(message.as_bytes(), &["content"]).and_then(splice::elements);
        let Some(blocks) = blocks else {
            out.push(message.to_owned());
            continue;
        };
        changed = true;
        for block in blocks {
            let single = Patch::new().set(&["content"], block).apply(message.as_bytes())?;
            out.push(String::from_utf8_lossy(&single).into_owned());
        }
    }
    changed.then(|| format!("[{}]", out.join(",")))
}
