//! What a modern request says about itself: the `_meta` that every request carries
//! (2026-07-28, basic, "Per-request protocol fields").

use bytes::Bytes;
use serde_json::Value;

use crate::era::revisions::{LOG_LEVELS, REVISIONS};
use crate::era::{
    CLIENT_CAPABILITIES, CLIENT_INFO, Era, LOG_LEVEL, PROTOCOL_VERSION, UNSUPPORTED_VERSION,
};
use crate::json;
use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{INVALID_PARAMS, Id, Message, member};

/// The protocol members of the `_meta` of one request.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// The revision that the request is written in.
    pub(super) version: String,
    /// What tells sessions apart.
    pub(super) signature: Signature,
    /// The capabilities as a legacy server is to see them, as JSON.
    pub(super) capabilities: String,
    /// Name and version of the client, as JSON.
    pub(super) client_info: Option<String>,
    /// The lowest level of log messages that is asked for, as a place in [`LOG_LEVELS`].
    pub(super) level: Option<usize>,
}

/// The capabilities that decide which session a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// What the server may ask the client.
    pub(super) declared: Declared,
    /// Extensions and experimental capabilities, in one spelling.
    others: Box<str>,
}

/// What a client can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) roots: bool,
    pub(super) sampling: bool,
    pub(super) sampling_tools: bool,
    pub(super) sampling_context: bool,
    pub(super) form: bool,
    pub(super) url: bool,
}

/// Why a request is answered with an error at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    code: i32,
    message: String,
    data: Option<Value>,
}

impl Refusal {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), data: None }
    }

    pub(super) fn with(self, data: Value) -> Refusal {
        Refusal { data: Some(data), ..self }
    }

    /// The error response to the request with this id.
    pub(super) fn response(&self, id: &Id) -> Bytes {
        member::error_response(id, self.code, &self.message, self.data.as_ref())
    }
}

/// The names of the revisions that a modern client can speak with us.
pub(super) fn supported() -> Vec<&'static str> {
    REVISIONS.iter().filter(|known| known.era == Era::Modern).map(|known| known.name).collect()
}

impl Envelope {
    /// Reads the `_meta` of a request.
    ///
    /// # Errors
    /// -32602 without a version or capabilities or with an unknown log level, -32022 for a revision
    /// that we do not speak.
    pub(super) fn read(message: &Message) -> Result<Envelope, Refusal> {
        let meta = member::lookup(message.bytes(), &["params", "_meta"]).unwrap_or("{}");
        let get = |name| member::lookup(meta.as_bytes(), &[name]);
        let Some(version) = member::lookup_string(meta.as_bytes(), &[PROTOCOL_VERSION]) else {
            return Err(missing(PROTOCOL_VERSION, "a string"));
        };
        if !supported().contains(&&*version) {
            let data = json!({"supported": supported(), "requested": version});
            return Err(
                Refusal::new(UNSUPPORTED_VERSION, "Unsupported protocol version").with(data)
            );
        }
        let declared = get(CLIENT_CAPABILITIES).and_then(|text| {
            // A legacy server must not ask for tasks, nor wait for news of the roots, which the
            // client has no way to send.
            let patch = Patch::new().remove(&["tasks"]).remove(&["roots", "listChanged"]);
            Some((text, patch.apply(text.as_bytes())?))
        });
        let Some((text, legacy)) = declared else {
            return Err(missing(CLIENT_CAPABILITIES, "an object"));
        };
        let level = match get(LOG_LEVEL).filter(|text| *text != "null") {
            None => None,
            Some(text) => {
                let level = serde_json::from_str::<String>(text).ok();
                let place = level.and_then(|level| LOG_LEVELS.iter().position(|l| *l == level));
                Some(place.ok_or_else(|| {
                    let levels = LOG_LEVELS.join(", ");
                    let text = format!("_meta[\"{LOG_LEVEL}\"] must be one of {levels}");
                    Refusal::new(INVALID_PARAMS, text)
                })?)
            }
        };
        Ok(Envelope {
            version,
            signature: Signature::of(text),
            capabilities: String::from_utf8_lossy(&legacy).into_owned(),
            client_info: get(CLIENT_INFO).filter(|text| text.starts_with('{')).map(str::to_owned),
            level,
        })
    }
}

fn missing(name: &str, what: &str) -> Refusal {
    Refusal::new(INVALID_PARAMS, format!("every request needs _meta[\"{name}\"], {what}"))
}

impl Signature {
    fn of(capabilities: &str) -> Signature {
        let others = ["extensions", "experimental"].map(|name| {
            let text = member::lookup(capabilities.as_bytes(), &[name]).unwrap_or("{}");
            serde_json::from_str::<Value>(text).map_or(text.to_owned(), |value| value.to_string())
        });
        Signature { declared: Declared::of(capabilities), others: others.join(" ").into() }
    }

    /// How badly a session that was opened for `self` suits a request of `other`. A session whose
    /// server may ask for what the request does not offer is the worse choice.
    pub(super) fn distance(&self, other: &Signature) -> u32 {
        let pairs = self.declared.flags().into_iter().zip(other.declared.flags());
        let of_flags: u32 = pairs
            .map(|pair| match pair {
                (true, false) => 8,
                (false, true) => 1,
                _ => 0,
            })
            .sum();
        of_flags + u32::from(self.others != other.others)
    }
}

impl Declared {
    fn of(capabilities: &str) -> Declared {
        let has = |path: &[&str]| {
            let value = member::lookup(capabilities.as_bytes(), path);
            value.is_some_and(|text| !matches!(text, "null" | "false"))
        };
        let url = has(&["elicitation", "url"]);
        Declared {
            roots: has(&["roots"]),
            sampling: has(&["sampling"]),
            sampling_tools: has(&["sampling", "tools"]),
            sampling_context: has(&["sampling", "context"]),
            // Without a mode, forms are meant (client/elicitation, "Capabilities").
            form: has(&["elicitation", "form"]) || (has(&["elicitation"]) && !url),
            url,
        }
    }

    fn flags(self) -> [bool; 6] {
        let Declared { roots, sampling, sampling_tools, sampling_context, form, url } = self;
        [roots, sampling, sampling_tools, sampling_context, form, url]
    }
}
