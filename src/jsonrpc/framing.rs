//! Making a message one line: the only change that a relayed message ever suffers.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr2, memchr2_iter, memmem};

/// The first two bytes of U+2028 and U+2029 in UTF-8, at which some clients split lines.
const SEPARATOR: &[u8] = b"\xe2\x80";

/// A valid JSON text as one line.
///
/// CR and LF, which valid JSON has only between its tokens, become spaces; the line separators
/// U+2028 and U+2029, which it has only inside strings, become their escapes. A text with none of
/// them is returned as it is, without a copy.
pub fn one_line(text: Bytes) -> Bytes {
    let text = match memchr2(b'\n', b'\r', &text) {
        None => text,
        Some(first) => {
            let mut owned = text.to_vec();
            for at in memchr2_iter(b'\n', b'\r', &text[first..]) {
                owned[first + at] = b' ';
            }
            Bytes::from(owned)
        }
    };
    match escape_separators(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(escaped) => escaped.into(),
    }
}

fn escape_separators(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut done = 0;
    for at in memmem::find_iter(text, SEPARATOR) {
        let escape: &[u8] = match text.get(at + 2) {
            Some(0xa8) => b"\\u2028",
            Some(0xa9) => b"\\u2029",
            _ => continue,
        };
        out.extend_from_slice(&text[done..at]);
        out.extend_from_slice(escape);
        done = at + 3;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[done..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_is_not_copied() {
        let text = Bytes::from_static(b"{\"a\":\"\xe2\x80\x9c\"}");
        let line = one_line(text.clone());
        assert_eq!(line.as_ptr(), text.as_ptr());
    }

    #[test]
    fn newlines_between_tokens_become_spaces() {
        assert_eq!(one_line(Bytes::from_static(b"{\r\n\t\"a\":\n1\r}")), &b"{  \t\"a\": 1 }"[..]);
    }

    #[test]
    fn separators_are_escaped() {
        let text = Bytes::from("{\"a\":\"x\u{2028}y\u{2029}\u{2027}\u{202a}\"}");
        let line = one_line(text.clone());
        assert_eq!(line, "{\"a\":\"x\\u2028y\\u2029\u{2027}\u{202a}\"}".as_bytes());
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(value(&line), value(&text));
    }
}
