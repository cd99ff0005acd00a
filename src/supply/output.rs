//! What a command has printed, as headers (pure).

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::limits::MAX_COMMAND_HEADERS;

/// Why it is none. Never shows what was printed but the name of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// Nothing.
    #[error("printed nothing; it has to print headers, as lines \"Name: value\"")]
    Nothing,
    /// Not UTF-8.
    #[error("printed something that is no text")]
    NoText,
    /// A line without a colon, or with a name that is none.
    #[error("printed no header in line {0}; it has to print lines \"Name: value\"")]
    Line(usize),
    /// JSON of another shape.
    #[error("printed JSON that is not one object of names and strings")]
    Json,
    /// A control character.
    #[error("printed a value for {0} that a header cannot have")]
    Value(HeaderName),
    /// A header that is the bridge's own.
    #[error("printed the header {0}, which is the bridge's own")]
    Reserved(HeaderName),
    /// Too many.
    #[error("printed more than {MAX_COMMAND_HEADERS} headers")]
    TooMany,
}

/// Reads lines `Name: value`, or one JSON object of names and values. `reserved` may not be among them.
///
/// # Errors
/// See [`OutputError`].
pub fn parse(bytes: &[u8], reserved: &[HeaderName]) -> Result<HeaderMap, OutputError> {
    let text = std::str::from_utf8(bytes).map_err(|_| OutputError::NoText)?;
    // A brace is in no name.
    let pairs = if text.trim_start().starts_with('{') { object(text)? } else { lines(text)? };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if reserved.contains(&name) || name == http::header::ACCEPT {
            return Err(OutputError::Reserved(name));
        }
        let value = HeaderValue::from_str(value.trim());
        headers.append(name.clone(), value.map_err(|_| OutputError::Value(name))?);
        if headers.len() > MAX_COMMAND_HEADERS {
            return Err(OutputError::TooMany);
        }
    }
    if headers.is_empty() { Err(OutputError::Nothing) } else { Ok(headers) }
}

fn lines(text: &str) -> Result<Vec<(HeaderName, String)>, OutputError> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').ok_or(OutputError::Line(at + 1))?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| OutputError::Line(at + 1))?;
        found.push((name, value.to_owned()));
    }
    Ok(found)
}

fn object(text: &str) -> Result<Vec<(HeaderName, String)>, OutputError> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return Err(OutputError::Json);
    };
    let pair = |(name, value): (String, Value)| match (HeaderName::try_from(name), value) {
        (Ok(name), Value::String(value)) => Ok((name, value)),
        _ => Err(OutputError::Json),
    };
    members.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<HeaderMap, OutputError> {
        parse(text.as_bytes(), &[HeaderName::from_static("mcp-session-id")])
    }

    #[test]
    fn lines_and_objects() {
        for text in [
            "Authorization: Bearer fake\nX-Org: 1",
            "\r\nauthorization:Bearer fake \r\n\r\nX-Org:1\r\n",
            r#" {"Authorization": "Bearer fake", "X-Org": "1"} "#,
        ] {
            let headers = one(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((headers.len(), &headers["x-org"]), (2, &HeaderValue::from_static("1")));
            assert_eq!(headers["authorization"], "Bearer fake");
        }
        assert_eq!(one("A: 1\nA: 2").unwrap().get_all("a").iter().count(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_without_a_value() {
        for (text, error) in [
            ("", OutputError::Nothing),
            (" \n\n", OutputError::Nothing),
            ("{}", OutputError::Nothing),
            ("fake-token", OutputError::Line(1)),
            ("A: 1\nnot a name: fake", OutputError::Line(2)),
            ("{\"A\": 1}", OutputError::Json),
            ("{\"A\": \"fake\"", OutputError::Json),
            ("{\"not a name\": \"fake\"}", OutputError::Json),
            ("A: fake\u{1}", OutputError::Value(HeaderName::from_static("a"))),
            ("Mcp-Session-Id: fake", OutputError::Reserved("mcp-session-id".parse().unwrap())),
            ("Accept: fake", OutputError::Reserved(http::header::ACCEPT)),
            (&"A: 1\n".repeat(MAX_COMMAND_HEADERS + 1), OutputError::TooMany),
        ] {
            assert_eq!(one(text), Err(error.clone()), "{text}");
            assert!(!error.to_string().contains("fake"), "{error}");
        }
        assert_eq!(one(&"A: 1\n".repeat(MAX_COMMAND_HEADERS)).unwrap().len(), MAX_COMMAND_HEADERS);
        assert_eq!(parse(b"A: \xff", &[]), Err(OutputError::NoText));
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(text: Vec<u8>) {
            let _ = parse(&text, &[]);
        }
    }
}
