//! A value as a header ("Value Encoding").

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::jsonrpc::{Id, IdKey};
use crate::limits::MAX_MIRRORED_VALUE;

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";

/// The largest integer below which doubles have all of them. Others must not be mirrored, because
/// who reads them as doubles sees another number ("Schema Extension").
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// `text` as it is, if a header can hold it so: ASCII that is visible, and spaces between.
pub(super) fn plain(text: &str) -> Option<HeaderValue> {
    (is_plain(text) && text.len() <= MAX_MIRRORED_VALUE)
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
}

/// `text` as it is, or in base64 where it could not be told from another value. `None` if it is too
/// long.
pub(super) fn encoded(text: &str) -> Option<HeaderValue> {
    if is_plain(text) && !(text.starts_with(OPENING) && text.ends_with(CLOSING)) {
        return plain(text);
    }
    if text.len() > MAX_MIRRORED_VALUE {
        return None;
    }
    let mut out = String::from(OPENING);
    STANDARD.encode_string(text, &mut out);
    out.push_str(CLOSING);
    if out.len() > MAX_MIRRORED_VALUE {
        return None;
    }
    HeaderValue::try_from(out).ok()
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
}

/// The string that a JSON text is. `None` for other values, and for strings that are no Unicode
/// text (half a surrogate pair).
pub(super) fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// The text of an argument: a string itself, a boolean by its name, a number in decimal.
///
/// What the schema declares plays no part: a server that takes `"42"` for an integer compares the
/// header with what it got, and one that does not shall complain of the argument and not of the
/// header. For the same reason a fraction has a text, although no number but integers should be
/// mirrored. Integers that doubles do not have, objects and arrays have none.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => string(json).map(Cow::Owned),
        b't' | b'f' => Some(Cow::Borrowed(json)),
        b'-' | b'0'..=b'9' => decimal(json).map(Cow::Owned),
        _ => None,
    }
}

/// A JSON number without an exponent and without needless digits: `4.20e1` is `42`.
fn decimal(json: &str) -> Option<String> {
    // Ids are numbers of any size already.
    let IdKey::Number { negative, digits, exponent } = Id::from_raw(json.to_owned().into())?.key()
    else {
        return None;
    };
    // More digits than a double has: not worth the thought.
    let places = usize::try_from(exponent.unsigned_abs()).ok().filter(|places| *places <= 40)?;
    if digits.len() > 40 {
        return None;
    }
    let mut out = if exponent >= 0 {
        format!("{digits}{}", "0".repeat(places))
    } else {
        let mut whole = format!("{digits:0>width$}", width = places + 1);
        whole.insert(whole.len() - places, '.');
        whole
    };
    if out.is_empty() {
        out.push('0');
    }
    if negative {
        out.insert(0, '-');
    }
    out.parse::<f64>().is_ok_and(|value| value.abs() <= MAX_SAFE).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_the_specification_and_others() {
        for (value, header) in [
            ("us-west1", "us-west1"),
            ("us west 1", "us west 1"),
            ("", ""),
            ("~!", "~!"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            (" us-west1", "=?base64?IHVzLXdlc3Qx?="),
            ("us-west1 ", "=?base64?dXMtd2VzdDEg?="),
            (" ", "=?base64?IA==?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("line1\r\nline2", "=?base64?bGluZTENCmxpbmUy?="),
            ("\tindented", "=?base64?CWluZGVudGVk?="),
            ("a\tb", "=?base64?YQli?="),
            ("a\u{7f}", "=?base64?YX8=?="),
            ("a\0", "=?base64?YQA=?="),
            ("\u{a0}", "=?base64?wqA=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("=?base64??=", "=?base64?PT9iYXNlNjQ/Pz0=?="),
            // The two marks overlap here; a server that looks for both finds both.
            ("=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?="),
            ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
            ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
            ("SGVsbG8=?=", "SGVsbG8=?="),
        ] {
            assert_eq!(encoded(value).unwrap(), header, "{value:?}");
        }
    }

    #[test]
    fn long_values_are_left_out() {
        assert!(encoded(&"x".repeat(MAX_MIRRORED_VALUE)).is_some());
        assert!(encoded(&"x".repeat(MAX_MIRRORED_VALUE + 1)).is_none());
        assert!(encoded(&"\n".repeat(MAX_MIRRORED_VALUE / 4 * 3 - 9)).is_some());
        assert!(encoded(&"\n".repeat(MAX_MIRRORED_VALUE / 4 * 3)).is_none());
        assert!(encoded(&"\n".repeat(MAX_MIRRORED_VALUE + 1)).is_none());
    }

    #[test]
    fn what_has_no_encoding_is_plain_or_left_out() {
        assert_eq!(plain("tools/call").unwrap(), "tools/call");
        assert_eq!(plain("=?base64?QQ==?=").unwrap(), "=?base64?QQ==?=");
        for text in ["a\nb", " a", "é", "a\t"] {
            assert!(plain(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn arguments_as_texts() {
        for (json, expected) in [
            ("42", Some("42")),
            ("-7", Some("-7")),
            ("0", Some("0")),
            ("-0", Some("0")),
            ("0.0", Some("0")),
            ("0e9", Some("0")),
            ("42.0", Some("42")),
            ("4.2e1", Some("42")),
            ("4.20E+1", Some("42")),
            ("4200e-2", Some("42")),
            ("1e2", Some("100")),
            ("-1e0", Some("-1")),
            ("9007199254740991", Some("9007199254740991")),
            ("-9007199254740991", Some("-9007199254740991")),
            ("9007199254740991.0", Some("9007199254740991")),
            ("9007199254740992", None),
            ("-9007199254740992", None),
            ("9007199254740993", None),
            ("12345678901234567890", None),
            ("1e16", None),
            ("1e300", None),
            ("1e999999999999999999999", None),
            ("3.14", Some("3.14")),
            ("-0.050", Some("-0.05")),
            ("1e-3", Some("0.001")),
            ("1e-300", None),
            ("true", Some("true")),
            ("false", Some("false")),
            (r#""""#, Some("")),
            (r#""42""#, Some("42")),
            (r#""a\u0042\n""#, Some("aB\n")),
            (r#""null""#, Some("null")),
            (r#""\ud800""#, None),
            ("{}", None),
            ("[1]", None),
        ] {
            assert_eq!(text(json).as_deref(), expected, "{json}");
        }
    }

    /// What a server does ("Value Encoding").
    fn decoded(header: &HeaderValue) -> String {
        let text = header.to_str().unwrap();
        match text.strip_prefix(OPENING).and_then(|rest| rest.strip_suffix(CLOSING)) {
            Some(inner) => String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap(),
            None => text.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in prop_oneof![
            any::<String>(),
            "[ -~\t]{0,12}",
            "=\\?base64\\?[A-Za-z=?]{0,6}(\\?=)?",
        ]) {
            let header = encoded(&text).unwrap();
            prop_assert!(header.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(header.as_bytes().trim_ascii(), header.as_bytes());
            prop_assert_eq!(decoded(&header), text);
        }

        #[test]
        fn every_spelling_of_an_integer_is_one_text(value in -9_007_199_254_740_991i64..=9_007_199_254_740_991, zeros in 0usize..5) {
            let plain = value.to_string();
            let point = format!("{value}.{}", "0".repeat(zeros + 1));
            let scaled = format!("{value}{}e-{zeros}", "0".repeat(zeros));
            for spelling in [&plain, &point, &scaled] {
                prop_assert_eq!(text(spelling), Some(Cow::Borrowed(&*plain)), "{}", spelling);
            }
        }
    }
}
