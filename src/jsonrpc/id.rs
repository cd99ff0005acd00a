//! Request ids: the spelling a peer used, and the value two spellings share.

use std::fmt;

use bytes::Bytes;

/// A request id exactly as it was spelled in JSON: `1`, `"1"`, `1.5`, `"\u0061"`, or `null`.
#[derive(Clone, PartialEq, Eq)]
pub struct Id(Bytes);

/// What an id means: the key under which a request and its answer meet.
///
/// Servers parse the id and write it anew, so that an answer may spell it differently: `"\u0061"`
/// comes back as `"a"`, `1.0` as `1`. Numbers are compared as decimal numbers of any size, never
/// as floating point, so that big neighbours stay different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IdKey {
    /// A string, with its escapes resolved.
    String(Box<str>),
    /// A number: sign, significant digits, and the power of ten of the last digit.
    Number {
        /// `true` for numbers below zero.
        negative: bool,
        /// Digits without leading and trailing zeros; empty for zero.
        digits: Box<str>,
        /// Power of ten that the last digit stands for.
        exponent: i64,
    },
    /// A string or number that cannot be read as either (a lone surrogate, a monstrous exponent).
    Verbatim(Bytes),
}

impl Id {
    /// The id `null`, used in errors for messages whose id is unknown (JSON-RPC 2.0, section 5).
    pub const NULL: Id = Id(Bytes::from_static(b"null"));

    /// Takes the JSON text of an id. `None` if it is neither a string, a number nor `null`.
    pub fn from_raw(raw: Bytes) -> Option<Id> {
        let first = *raw.first()?;
        (matches!(first, b'"' | b'-' | b'0'..=b'9') || &raw[..] == b"null").then_some(Id(raw))
    }

    /// The JSON text.
    pub fn raw(&self) -> &Bytes {
        &self.0
    }

    /// Whether this is `null`, which MCP forbids in requests.
    pub fn is_null(&self) -> bool {
        &self.0[..] == b"null"
    }

    /// The value behind the spelling.
    pub fn key(&self) -> IdKey {
        let raw = &self.0[..];
        let key = if raw.first() == Some(&b'"') {
            serde_json::from_slice::<String>(raw).ok().map(|s| IdKey::String(s.into()))
        } else {
            number(raw)
        };
        key.unwrap_or_else(|| IdKey::Verbatim(self.0.clone()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a JSON number as decimal digits and an exponent.
fn number(raw: &[u8]) -> Option<IdKey> {
    let (negative, rest) = match raw.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, raw),
    };
    let (mantissa, mut exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => {
            let text = std::str::from_utf8(&rest[at + 1..]).ok()?;
            (&rest[..at], text.parse::<i64>().ok()?)
        }
        None => (rest, 0),
    };
    let mut digits = String::with_capacity(mantissa.len());
    let mut fraction: i64 = 0;
    let mut seen_point = false;
    for &byte in mantissa {
        match byte {
            b'.' if !seen_point => seen_point = true,
            b'0'..=b'9' => {
                digits.push(char::from(byte));
                fraction += i64::from(seen_point);
            }
            _ => return None,
        }
    }
    exponent = exponent.checked_sub(fraction)?;
    let significant = digits.trim_end_matches('0');
    exponent = exponent.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(IdKey::Number { negative: false, digits: "".into(), exponent: 0 });
    }
    Some(IdKey::Number { negative, digits: significant.into(), exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(raw: &'static str) -> IdKey {
        Id::from_raw(Bytes::from_static(raw.as_bytes())).unwrap().key()
    }

    #[test]
    fn spellings_of_one_value_meet() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("100", "1E2"),
            ("100", "1.00e+2"),
            ("0", "-0"),
            ("0.5", "5e-1"),
            ("\"a\"", "\"\\u0061\""),
            ("\"/\"", "\"\\/\""),
        ] {
            assert_eq!(key(a), key(b), "{a} and {b}");
        }
    }

    #[test]
    fn different_ids_stay_different() {
        let ids = [
            "1",
            "\"1\"",
            "1.5",
            "-1",
            "12345678901234567890",
            "12345678901234567891",
            "12345678901234567000",
            "10",
            "0",
            "\"\"",
            "\"a\"",
            "\"A\"",
        ];
        for (i, a) in ids.iter().enumerate() {
            for b in &ids[i + 1..] {
                assert_ne!(key(a), key(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn unreadable_ids_are_compared_by_spelling() {
        assert_eq!(key("\"\\ud800\""), key("\"\\ud800\""));
        assert_ne!(key("\"\\ud800\""), key("\"\\ud801\""));
        assert_eq!(key("1e99999999999999999999"), key("1e99999999999999999999"));
        assert_eq!(key("1e-9223372036854775808"), key("1e-9223372036854775808"));
    }

    #[test]
    fn only_strings_numbers_and_null_are_ids() {
        for raw in ["true", "{}", "[1]", ""] {
            assert!(Id::from_raw(Bytes::from_static(raw.as_bytes())).is_none(), "{raw}");
        }
        assert!(Id::NULL.is_null());
    }
}
