//! One line of the bridge's stdout.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// A line that has been checked to be one JSON-RPC message.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// The line without its newline.
    pub text: String,
    /// The JSON text of the id, if there is one.
    pub id: Option<String>,
    /// The method of a request or notification.
    pub method: Option<String>,
    /// Whether it is a JSON-RPC error.
    pub is_error: bool,
}

/// The code that belongs to each `data.kind` of the bridge's own errors.
const CODES: [(&str, i64); 17] = [
    ("dns", -31001),
    ("connect", -31002),
    ("tls", -31003),
    ("timeout", -31004),
    ("http_status", -31010),
    ("unauthorized", -31011),
    ("rate_limited", -31012),
    ("redirect", -31013),
    ("invalid_response", -31020),
    ("stream_lost", -31021),
    ("resume_failed", -31022),
    ("session_lost", -31023),
    ("no_input", -31024),
    ("too_large", -31030),
    ("overloaded", -31031),
    ("shutting_down", -31040),
    ("internal", -31050),
];

impl Line {
    /// Checks that `text` is one JSON-RPC 2.0 message on one line.
    ///
    /// # Errors
    /// What is wrong with it, with the beginning of the text.
    pub fn parse(text: Vec<u8>) -> Result<Line, String> {
        let text = String::from_utf8(text).map_err(|e| format!("stdout is not UTF-8: {e}"))?;
        let wrong = |what: &str| format!("stdout line {what}: {:.300}", text);
        let members: HashMap<String, &RawValue> =
            serde_json::from_str(&text).map_err(|e| wrong(&format!("is no JSON object ({e})")))?;
        let get = |name: &str| members.get(name).map(|raw| raw.get());
        if get("jsonrpc").is_some_and(|v| v != "\"2.0\"") {
            return Err(wrong("has a wrong \"jsonrpc\""));
        }
        let splits = |separator: &str| memchr::memmem::find(text.as_bytes(), separator.as_bytes());
        if ["\r", "\u{2028}", "\u{2029}"].into_iter().find_map(splits).is_some() {
            return Err(wrong("would be split by some clients"));
        }
        let method: Option<String> = match get("method") {
            Some(raw) => Some(serde_json::from_str(raw).map_err(|_| wrong("has an odd method"))?),
            None => None,
        };
        let is_error = get("error").is_some_and(|raw| raw != "null");
        let is_response = get("result").is_some() || is_error;
        if method.is_none() && !(is_response && get("id").is_some()) {
            return Err(wrong("is neither request, notification nor response"));
        }
        let id = get("id").map(str::to_owned);
        Ok(Line { id, method, is_error, text })
    }

    /// Whether it answers the request with this id (JSON text).
    pub fn answers(&self, id: &str) -> bool {
        self.method.is_none() && self.id.as_deref() == Some(id)
    }

    /// The message as a tree.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.text).expect("checked")
    }

    /// Asserts that this is the bridge's own error of `kind` with everything such an error must
    /// have: code, a bounded message with words in it, and a URL without query or credentials.
    /// Gives its `error` member.
    #[track_caller]
    pub fn failed(&self, kind: &str) -> Value {
        let error = self.value()["error"].take();
        let code = CODES.iter().find(|(name, _)| *name == kind).expect("a known kind").1;
        assert_eq!(error["data"]["kind"], kind, "{self}");
        assert_eq!(error["code"], code, "{self}");
        let message = error["message"].as_str().unwrap_or_default();
        let length = message.chars().count();
        assert!((10..=200).contains(&length), "message of {length} characters: {self}");
        assert!(!message.chars().any(char::is_control), "control characters: {self}");
        if let Some(url) = error["data"]["url"].as_str() {
            assert!(!url.contains(['?', '#', '@']), "more than origin and path: {self}");
        }
        error
    }

    /// Asserts that this is a result, and gives it.
    #[track_caller]
    pub fn result(&self) -> Value {
        assert!(!self.is_error, "expected a result: {self}");
        self.value()["result"].take()
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.500}", self.text)
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
