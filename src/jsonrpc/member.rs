//! Looking at one member of a message, and messages of our own.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Id;

/// The JSON text at the end of a path of member names, or `None` where there is none.
///
/// Reads only as deep as the path goes. Of repeated members the last one counts.
pub fn lookup<'a>(json: &'a [u8], path: &[&str]) -> Option<&'a str> {
    let mut text = std::str::from_utf8(json).ok()?;
    for name in path {
        text = one(text, name)?;
    }
    Some(text)
}

/// As [`lookup`], for a string value with its escapes resolved.
pub fn lookup_string(json: &[u8], path: &[&str]) -> Option<String> {
    serde_json::from_str(lookup(json, path)?).ok()
}

fn one<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    struct Member<'n>(&'n str);
    impl<'de> Visitor<'de> for Member<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<&RawValue>()? {
                if name(key) == self.0 {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Member(wanted)).ok().flatten().map(RawValue::get)
}

/// A member name with its escapes resolved. One that is no Unicode text (a lone surrogate is legal
/// JSON) is returned as it is spelled, with its quotes, and so equals no name that anybody asks for.
pub(super) fn name(raw: &RawValue) -> Cow<'_, str> {
    let text = raw.get();
    if has_escapes(text) {
        return serde_json::from_str::<String>(text).map_or(Cow::Borrowed(text), Cow::Owned);
    }
    Cow::Borrowed(text.get(1..text.len().saturating_sub(1)).unwrap_or(text))
}

/// Whether a JSON string is spelled with escapes.
pub(super) fn has_escapes(text: &str) -> bool {
    memchr::memchr(b'\\', text.as_bytes()).is_some()
}

/// Whether the JSON text at `path` is `true`.
pub fn is_true(json: &[u8], path: &[&str]) -> bool {
    lookup(json, path) == Some("true")
}

/// An error response (JSON-RPC 2.0, section 5.1). `data` must be JSON.
pub fn error_response(
    id: &Id,
    code: i32,
    message: &str,
    data: Option<&serde_json::Value>,
) -> Bytes {
    let mut out = String::with_capacity(128 + message.len());
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(&String::from_utf8_lossy(id.raw()));
    out.push_str(&format!(
        r#","error":{{"code":{code},"message":{}"#,
        serde_json::Value::from(message)
    ));
    if let Some(data) = data {
        out.push_str(&format!(r#","data":{data}"#));
    }
    out.push_str("}}");
    Bytes::from(out)
}

/// A notification without parameters.
pub fn notification(method: &str) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":{}}}"#, serde_json::Value::from(method)))
}

/// The notification by which either side takes back a request
/// (2025-11-25, basic/utilities/cancellation).
pub const CANCELLED: &str = "notifications/cancelled";

/// A notification that takes a request back.
pub fn cancelled(id: &Id, reason: &str) -> Bytes {
    let id = String::from_utf8_lossy(id.raw());
    let reason = serde_json::Value::from(reason);
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"{CANCELLED}","params":{{"requestId":{id},"reason":{reason}}}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = br#"{"a":{"b":[1],"c":"x\u0041"},"\u0061":{"b":2.0},"\ud800":0}"#;

    #[test]
    fn paths() {
        assert_eq!(lookup(TEXT, &["a", "b"]), Some("2.0"));
        assert_eq!(lookup(TEXT, &["a", "c"]), None);
        assert_eq!(lookup(TEXT, &["a", "b", "c"]), None);
        assert_eq!(lookup(TEXT, &["z"]), None);
        assert_eq!(lookup_string(br#"{"a":"x\u0041"}"#, &["a"]).as_deref(), Some("xA"));
        assert!(is_true(br#"{"a":true}"#, &["a"]));
        assert_eq!(lookup(b"[1]", &["a"]), None);
    }

    #[test]
    fn our_own_messages_are_json() {
        let id = Id::from_raw(Bytes::from_static(b"\"q\\u0061\"")).unwrap();
        let bytes =
            error_response(&id, -31000, "a \"b\"\n", Some(&serde_json::json!({"kind": "x"})));
        assert_eq!(
            bytes,
            r#"{"jsonrpc":"2.0","id":"q\u0061","error":{"code":-31000,"message":"a \"b\"\n","data":{"kind":"x"}}}"#
        );
        assert_eq!(notification("a/b"), r#"{"jsonrpc":"2.0","method":"a/b"}"#);
    }
}
