//! Texts that hold a secret somewhere: no trace shows it, and what was JSON still is.
//!
//! Input: a line with the name of a header, then the text, in which U+007F and U+0001 stand for the secret.
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp_tether::secret::{Redactor, Secret};
use mcp_tether::trace::redact::{Policy, Redaction};
use serde::de::IgnoredAny;

const SECRET: &str = "fake-secret-0123456789";

/// One input.
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (name, text) = input.split_once('\n').unwrap_or(("", input));
    // What the fuzzer is not likely to write by itself.
    let text = text.replace('\u{7f}', SECRET).replace('\u{1}', "\\u0066ake-secret-0123456789");
    let known = Redactor::new([Secret::new(SECRET.into())]);
    let redaction = Redaction::new([7; 16]);
    let json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
    for policy in [Policy::Message, Policy::OAuth] {
        let out = redaction.json(&text, policy, &known);
        assert!(!out.contains(SECRET), "{out}");
        if json {
            serde_json::from_str::<IgnoredAny>(&out).expect("it is still JSON");
            // Nor by an escape, where no other stands before it.
            assert!(out.contains(r"\\") || !out.replace(r"\u0066", "f").contains(SECRET), "{out}");
            // Deeper than a tree may be, or with half a surrogate pair, it has no value.
            let Ok(value) = serde_json::from_str::<serde_json::Value>(&out) else { continue };
            assert!(!value.to_string().contains(SECRET), "{out}");
        }
    }
    assert!(!redaction.form(text.as_bytes(), &known).contains(SECRET));
    let mut headers = HeaderMap::new();
    if let (Ok(name), Ok(value)) =
        (HeaderName::try_from(name), HeaderValue::from_bytes(text.as_bytes()))
    {
        headers.insert(name, value);
    }
    for (_, value) in redaction.headers(&headers, &known) {
        assert!(!value.contains(SECRET), "{value}");
    }
}
