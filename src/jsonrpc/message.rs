//! One JSON-RPC message: its bytes, checked once, and a head.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::id::Id;
use super::member;
use super::received::Received;
use super::skeleton::Skeleton;

/// What a message is, with what relaying needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request: it must be answered exactly once.
    Request {
        /// The id, as spelled.
        id: Id,
        /// The method, with its escapes resolved.
        method: Box<str>,
    },
    /// A notification: it is never answered.
    Notification {
        /// The method, with its escapes resolved.
        method: Box<str>,
    },
    /// A result or an error for a request of the other side.
    Response {
        /// The id, as spelled; `null` where the peer could not tell which request failed.
        id: Id,
        /// Whether it carries an `error`.
        error: bool,
    },
}

/// Who wrote a message. What we relay to a client is read with more patience than what a client
/// wants us to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Read from stdin: `"jsonrpc":"2.0"` is demanded and a request id may not be null.
    Client,
    /// Read from the network: a missing `jsonrpc` member is the receiver's to judge.
    Server,
}

/// A well-formed JSON-RPC message: UTF-8, valid JSON of any depth, and of one known kind.
///
/// The bytes are those that were received, without surrounding white space. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    bytes: Bytes,
    kind: Kind,
    id_range: Range<usize>,
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Not UTF-8, or not JSON.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// JSON, but no JSON-RPC message. Carries the id, if one could be told.
    #[error("not a JSON-RPC message: {reason}")]
    Shape {
        /// What is wrong with it.
        reason: &'static str,
        /// The id that an error response can carry.
        id: Option<Id>,
    },
}

impl Message {
    /// Checks `bytes` and reads the head. Cost is one pass for UTF-8 and one for JSON.
    ///
    /// # Errors
    /// [`Invalid::Json`] if the text is not JSON, [`Invalid::Shape`] if it is no JSON-RPC message.
    pub fn parse(bytes: Bytes, source: Source) -> Result<Message, Invalid> {
        Message::of(bytes.into(), source)
    }

    /// As [`Message::parse`]; of text that was looked at while it arrived only the rest is checked.
    ///
    /// # Errors
    /// As there.
    pub fn of(received: Received, source: Source) -> Result<Message, Invalid> {
        let (bytes, skeleton) = received.into_parts();
        let bytes = trim(bytes);
        let (head, id_range) = if let Some(found) = skeleton.as_deref().and_then(read_skeleton) {
            found
        } else {
            // serde_json skips over strings that nobody asks for without checking their UTF-8.
            let text = std::str::from_utf8(&bytes).map_err(|e| Invalid::Json(e.to_string()))?;
            let head = read_head(text)?;
            let id_range = head.id.map_or(0..0, |id| position(id, text));
            (head, id_range)
        };
        let id = (!id_range.is_empty()).then(|| Id::from_raw(bytes.slice(id_range.clone())));
        let kind = classify(&head, id, source)?;
        Ok(Message { bytes, kind, id_range })
    }

    /// The message as it was received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The id of a request or response.
    pub fn id(&self) -> Option<&Id> {
        match &self.kind {
            Kind::Request { id, .. } | Kind::Response { id, .. } => Some(id),
            Kind::Notification { .. } => None,
        }
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// The id of the request that this notification takes back, if it is one that does.
    pub fn takes_back(&self) -> Option<Id> {
        let Kind::Notification { method } = &self.kind else { return None };
        let raw = (**method == *member::CANCELLED)
            .then(|| member::lookup(&self.bytes, &["params", "requestId"]))??;
        Id::from_raw(self.bytes.slice_ref(raw.as_bytes()))
    }

    /// The same message with another spelling of its id; all other bytes stay.
    pub fn with_id(&self, id: &Id) -> Bytes {
        if self.id_range.is_empty() || self.bytes[self.id_range.clone()] == id.raw()[..] {
            return self.bytes.clone();
        }
        let mut out = Vec::with_capacity(self.bytes.len() + id.raw().len());
        out.extend_from_slice(&self.bytes[..self.id_range.start]);
        out.extend_from_slice(id.raw());
        out.extend_from_slice(&self.bytes[self.id_range.end..]);
        out.into()
    }
}

/// The members that decide what a message is. Of a repeated member the last one counts, as in
/// JavaScript and Python.
#[derive(Default)]
struct Head<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    result: bool,
    error: Option<bool>,
}

struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
        let mut head = Head::default();
        while let Some(name) = map.next_key::<&RawValue>()? {
            match &*member::name(name) {
                "jsonrpc" => head.jsonrpc = Some(map.next_value()?),
                "id" => head.id = Some(map.next_value()?),
                "method" => head.method = Some(map.next_value()?),
                "result" => {
                    map.next_value::<IgnoredAny>()?;
                    head.result = true;
                }
                "error" => {
                    let raw: &RawValue = map.next_value()?;
                    head.error = Some(raw.get() != "null");
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

/// The head, and where the id is in the trimmed message. `None` if the skeleton is no JSON, or if the id or the method
/// is so long that it is not whole there.
fn read_skeleton(skeleton: &Skeleton) -> Option<(Head<'_>, Range<usize>)> {
    let text = std::str::from_utf8(skeleton.text()).ok()?.trim_start_matches(WHITE);
    let head = read_head(text.trim_end_matches(WHITE)).ok()?;
    let before = skeleton.text().len() - text.len();
    let original = |raw: &RawValue| {
        let Range { start, end } = position(raw, text);
        let Range { start, end } = skeleton.original(start + before..end + before)?;
        Some(start - before..end - before)
    };
    if let Some(method) = head.method {
        original(method)?;
    }
    let id_range = head.id.map_or(Some(0..0), original)?;
    Some((head, id_range))
}

/// Where a part of `text` is in it.
fn position(part: &RawValue, text: &str) -> Range<usize> {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.get().len()
}

fn read_head(text: &str) -> Result<Head<'_>, Invalid> {
    if !text.starts_with('{') {
        // Distinguishes "not JSON" from "JSON, but no object".
        let mut json = serde_json::Deserializer::from_str(text);
        return match serde::Deserialize::deserialize(&mut json).and_then(|IgnoredAny| json.end()) {
            Ok(()) => Err(Invalid::Shape { reason: "it must be an object", id: None }),
            Err(e) => Err(Invalid::Json(e.to_string())),
        };
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(HeadVisitor)
        .and_then(|head| json.end().map(|()| head))
        .map_err(|e| Invalid::Json(e.to_string()))
}

/// `id` is `None` without an id member, `Some(None)` with one that is no string, number or null.
fn classify(head: &Head<'_>, id: Option<Option<Id>>, source: Source) -> Result<Kind, Invalid> {
    let shape =
        |reason, id: &Option<Option<Id>>| Invalid::Shape { reason, id: id.clone().flatten() };
    let version_ok = match head.jsonrpc {
        Some(raw) => raw.get() == "\"2.0\"",
        None => source == Source::Server,
    };
    if !version_ok {
        return Err(shape("\"jsonrpc\" must be \"2.0\"", &id));
    }
    if let Some(None) = &id {
        return Err(shape("\"id\" must be a string or a number", &None));
    }
    // A server that writes every member has a null method in its responses.
    let absent = |raw: &&RawValue| source == Source::Server && raw.get() == "null";
    if let Some(raw) = head.method.filter(|raw| !absent(raw)) {
        let method: Cow<'_, str> =
            match raw.get().strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
                Some(plain) if !member::has_escapes(plain) => Cow::Borrowed(plain),
                Some(_) => serde_json::from_str::<String>(raw.get())
                    .map_err(|_| shape("\"method\" is not readable", &id))?
                    .into(),
                None => return Err(shape("\"method\" must be a string", &id)),
            };
        let method = method.into();
        return match id.flatten() {
            None => Ok(Kind::Notification { method }),
            Some(id) if id.is_null() && source == Source::Client => {
                Err(Invalid::Shape { reason: "a request id must not be null", id: Some(Id::NULL) })
            }
            Some(id) => Ok(Kind::Request { id, method }),
        };
    }
    let error = head.error == Some(true);
    // An error of null is none: some servers have both members, one of them null.
    if !head.result && !error {
        return Err(shape("it has no \"method\", \"result\" or \"error\"", &id));
    }
    match id.flatten() {
        Some(id) => Ok(Kind::Response { id, error }),
        None if error => Ok(Kind::Response { id: Id::NULL, error }),
        None => Err(Invalid::Shape { reason: "a result needs an id", id: None }),
    }
}

/// The white space that JSON allows around a value.
const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

fn trim(mut bytes: Bytes) -> Bytes {
    let white = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = bytes.iter().position(|b| !white(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !white(b)).map_or(start, |at| at + 1);
    if start == 0 && end == bytes.len() {
        return bytes;
    }
    bytes.truncate(end);
    bytes.split_off(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_notification_takes_back() {
        for (text, expected) in [
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":"q\u0061"}}"#,
                Some(r#""qa""#),
            ),
            (r#"{"method":"notifications/cancelled","params":{"requestId":7.0}}"#, Some("7")),
            (r#"{"method":"notifications/cancelled","params":{"requestId":{}}}"#, None),
            (r#"{"method":"notifications/cancelled"}"#, None),
            (r#"{"method":"notifications/other","params":{"requestId":7}}"#, None),
            (r#"{"id":1,"method":"notifications/cancelled","params":{"requestId":7}}"#, None),
            (r#"{"id":1,"result":{},"params":{"requestId":7}}"#, None),
        ] {
            let text = text.replacen('{', r#"{"jsonrpc":"2.0","#, 1);
            let message = Message::parse(Bytes::from(text.clone()), Source::Server).unwrap();
            let expected = expected.map(|raw| Id::from_raw(Bytes::from(raw)).unwrap().key());
            assert_eq!(message.takes_back().map(|id| id.key()), expected, "{text}");
        }
    }

    fn client(text: &str) -> Result<Message, Invalid> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Source::Client)
    }

    fn server(text: &str) -> Result<Message, Invalid> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Source::Server)
    }

    #[test]
    fn kinds() {
        let request =
            client(r#" {"jsonrpc":"2.0","id":1.0,"method":"tools\/c\u0061ll"} "#).unwrap();
        assert_eq!(request.method(), Some("tools/call"));
        assert_eq!(request.id().unwrap().to_string(), "1.0");
        assert!(request.bytes().ends_with(b"}"));
        assert!(matches!(
            client(r#"{"method":"n","jsonrpc":"2.0"}"#).unwrap().kind(),
            Kind::Notification { .. }
        ));
        let response = server(r#"{"id":"a","result":{"method":"x"}}"#).unwrap();
        assert_eq!(
            response.kind(),
            &Kind::Response { id: response.id().unwrap().clone(), error: false }
        );
        assert!(matches!(
            server(r#"{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#).unwrap().kind(),
            Kind::Response { id, error: true } if id.is_null()
        ));
        assert!(server(r#"{"id":1,"method":null,"result":{}}"#).is_ok());
        assert!(client(r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{}}"#).is_err());
        // Some servers write both members; the one that is not null counts.
        assert!(matches!(
            server(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#).unwrap().kind(),
            Kind::Response { error: false, .. }
        ));
    }

    #[test]
    fn invalid_shapes_keep_the_id() {
        for (text, id) in [
            (r#"{"id":7,"method":"x"}"#, Some("7")),
            (r#"{"jsonrpc":"1.0","id":"q","method":"x"}"#, Some("\"q\"")),
            (r#"{"jsonrpc":"2.0","id":8,"error":null}"#, Some("8")),
            (r#"{"jsonrpc":"2.0","id":7}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":7,"method":5}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":[7],"method":"x"}"#, None),
            (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, Some("null")),
            (r#"{"jsonrpc":"2.0","result":1}"#, None),
            ("[]", None),
            ("7", None),
        ] {
            match client(text) {
                Err(Invalid::Shape { id: found, .. }) => {
                    assert_eq!(found.map(|i| i.to_string()).as_deref(), id, "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn not_json() {
        for text in [
            "",
            "{",
            "{} {}",
            "nope",
            "{\"a\":01}",
            "{\"a\":\"\n\"}",
            "{\"jsonrpc\":\"2.0\",}",
            "{\"jsonrpc\":\"2.0\",\"a\t\":1,\"method\":\"x\"}",
        ] {
            assert!(matches!(client(text), Err(Invalid::Json(_))), "{text}");
        }
        let bad = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"p\":\"\xff\"}");
        assert!(matches!(Message::parse(bad, Source::Client), Err(Invalid::Json(_))));
    }

    #[test]
    fn depth_and_odd_numbers_are_no_obstacle() {
        let depth = 200_000;
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"x","params":{}1e400{},"id":12345678901234567890}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let message = client(&text).unwrap();
        assert_eq!(message.id().unwrap().to_string(), "12345678901234567890");
        assert_eq!(message.bytes(), text.as_bytes());
    }

    #[test]
    fn lone_surrogates_pass() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":"\ud800","\udc00":"\ud800"}"#;
        assert_eq!(server(text).unwrap().bytes(), text.as_bytes());
    }

    #[test]
    fn the_last_of_repeated_members_counts() {
        let message =
            client(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a","method":"b"}"#).unwrap();
        assert_eq!(
            (message.id().unwrap().to_string().as_str(), message.method()),
            ("2", Some("b"))
        );
    }

    #[test]
    fn respelling_the_id_changes_nothing_else() {
        let message = server("{ \"result\" : 1.0 , \"id\" : 1 , \"jsonrpc\":\"2.0\"}").unwrap();
        let id = Id::from_raw(Bytes::from_static(b"1.0")).unwrap();
        assert_eq!(
            message.with_id(&id),
            &b"{ \"result\" : 1.0 , \"id\" : 1.0 , \"jsonrpc\":\"2.0\"}"[..]
        );
    }
}
