//! One text as a message, as a batch, as a line of output, and as something to salvage an id from.
use bytes::Bytes;
use mcp_tether::jsonrpc::{Id, IdKey, Invalid, Message, Source, batch, framing, member, salvage};
use serde_json::value::RawValue;

/// One input.
pub fn run(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    for source in [Source::Client, Source::Server] {
        message(&bytes, source);
    }
    members(&bytes);
    if let Some(id) = salvage::salvage_id(input) {
        assert!(is_json(id.raw()));
    }
}

fn message(bytes: &Bytes, source: Source) {
    match Message::parse(bytes.clone(), source) {
        Ok(message) => {
            assert_eq!(&message.bytes()[..], bytes.trim_ascii());
            assert!(is_json(message.bytes()));
            one_line(&message, source);
            other_id(&message, source);
        }
        Err(Invalid::Json(_)) => assert!(!is_json(bytes)),
        Err(Invalid::Shape { id, .. }) => {
            assert!(is_json(bytes));
            assert!(id.is_none_or(|id| is_json(id.raw())));
        }
    }
}

/// A message made one line is one line, and the same message.
fn one_line(message: &Message, source: Source) {
    let line = framing::one_line(message.bytes().clone());
    let text = std::str::from_utf8(&line).expect("it was UTF-8");
    assert!(!text.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
    let again = Message::parse(line.clone(), source).expect("it was a message");
    // An id or a method may hold a separator, which is then written as an escape.
    match message.id().map(Id::key) {
        // Compared by spelling, because it has no value: it may hold half a surrogate pair.
        Some(IdKey::Verbatim(_)) => assert!(again.id().is_some()),
        key => assert_eq!(again.id().map(Id::key), key),
    }
    assert_eq!(again.method(), message.method());
    assert_eq!(framing::one_line(line.clone()), line);
}

/// Another id in its place leaves everything else alone.
fn other_id(message: &Message, source: Source) {
    let Some(id) = message.id() else {
        return;
    };
    let other = Id::from_raw(Bytes::from_static(b"\"fuzz\"")).expect("a string is an id");
    let changed = message.with_id(&other);
    let changed = Message::parse(changed, source).expect("it was a message");
    if changed.id() == Some(&other) {
        assert_eq!(changed.with_id(id), message.bytes());
    } else {
        // An error without an id member has the id null, and no place for another.
        assert!(id.is_null());
        assert_eq!(changed.bytes(), message.bytes());
    }
    assert_eq!(changed.method(), message.method());
}

fn members(bytes: &Bytes) {
    let _ = member::lookup_string(bytes, &["params", "name"]);
    if let Some(text) = member::lookup(bytes, &["params", "_meta"]) {
        assert!(is_json(text.as_bytes()));
    }
    match batch::split(bytes) {
        Ok(members) => {
            assert!(batch::is_batch(bytes));
            assert!(members.iter().all(|member| is_json(member)));
        }
        Err(Invalid::Json(_)) => assert!(!(is_json(bytes) && batch::is_batch(bytes))),
        Err(Invalid::Shape { .. }) => {}
    }
}

/// Whether serde_json takes the text, which must be UTF-8 throughout.
fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok())
}
