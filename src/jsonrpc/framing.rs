//! Making a message one line: the only change that a relayed message ever suffers.

use bytes::Bytes;
use memchr::memchr3_iter;

/// The first byte of U+2028 and U+2029 in UTF-8, at which some clients split lines.
const SEPARATOR_LEAD: u8 = 0xe2;

/// A valid JSON text as one line.
///
/// CR and LF, which valid JSON has only between its tokens, become spaces; the line separators
/// U+2028 and U+2029, which it has only inside strings, become their escapes. A text with none of
/// them is returned as it is, without a copy. One pass.
pub fn one_line(text: Bytes) -> Bytes {
    let mut out: Vec<u8> = Vec::new();
    let mut done = 0;
    for at in memchr3_iter(b'\n', b'\r', SEPARATOR_LEAD, &text) {
        let (length, instead): (usize, &[u8]) = match &text[at..] {
            [b'\n' | b'\r', ..] => (1, b" "),
            [SEPARATOR_LEAD, 0x80, 0xa8, ..] => (3, b"\\u2028"),
            [SEPARATOR_LEAD, 0x80, 0xa9, ..] => (3, b"\\u2029"),
            _ => continue,
        };
        if done == 0 {
            out.reserve(text.len() + instead.len());
        }
        out.extend_from_slice(&text[done..at]);
        out.extend_from_slice(instead);
        done = at + length;
    }
    if done == 0 {
        return text;
    }
    out.extend_from_slice(&text[done..]);
    out.into()
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
