//! `--header`, with environment variables.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::secret::Secret;

/// What is wrong with a header. Never shows its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// No colon.
    #[error("must be \"Name: value\" or \"Name:value\"")]
    NoColon,
    /// Not a token (RFC 9110, section 5.6.2).
    #[error("{0:?} is not a header name")]
    Name(String),
    /// A control character in the value.
    #[error("{0}: the value contains a character that a header cannot have")]
    Value(String),
    /// A variable that does not exist, or is empty.
    #[error("{header}: the environment variable {variable} is not set")]
    Unset {
        /// Which header needs it.
        header: String,
        /// The variable.
        variable: String,
    },
    /// A `${` without its `}`.
    #[error("{0}: \"${{\" without \"}}\"")]
    Unclosed(String),
    /// A header that is the bridge's own.
    #[error("{0} is set by the bridge itself")]
    Reserved(String),
}

/// Headers whose value follows from the message or the session.
const RESERVED: [HeaderName; 9] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    crate::transport::endpoint::SESSION_ID,
    crate::transport::endpoint::PROTOCOL_VERSION,
    crate::transport::endpoint::LAST_EVENT_ID,
    crate::era::headers::METHOD_HEADER,
    crate::era::headers::NAME_HEADER,
];

/// Parses `Name: value` texts. Every value is added to `secrets`, because nobody can tell which
/// ones are. A header whose value is an option that a bundle left unset (`${user_config.…}`) is left
/// out.
///
/// # Errors
/// See [`HeaderError`].
pub fn parse(
    texts: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Vec<Secret>,
) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    for text in texts {
        let (name, value) = text.split_once(':').ok_or(HeaderError::NoColon)?;
        let shown = name.trim().to_owned();
        let name =
            HeaderName::try_from(name.trim()).map_err(|_| HeaderError::Name(shown.clone()))?;
        if RESERVED.contains(&name) {
            return Err(HeaderError::Reserved(shown));
        }
        if value.contains("${user_config.") {
            tracing::warn!("--header {shown} is left out: its option was not set");
            continue;
        }
        let value = expand(value.trim(), &shown, env)?;
        let mut header = HeaderValue::from_str(&value).map_err(|_| HeaderError::Value(shown))?;
        header.set_sensitive(true);
        secrets.push(Secret::new(value));
        headers.append(name, header);
    }
    Ok(headers)
}

/// Replaces every `${NAME}`.
fn expand(
    text: &str,
    header: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, HeaderError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, behind) =
            after.split_once('}').ok_or_else(|| HeaderError::Unclosed(header.into()))?;
        let value = env(variable).filter(|value| !value.is_empty());
        let unset = || HeaderError::Unset { header: header.into(), variable: variable.into() };
        out.push_str(before);
        out.push_str(value.ok_or_else(unset)?.trim());
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<HeaderMap, HeaderError> {
        let env = |name: &str| match name {
            "TOKEN" => Some("fake-token\n".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        parse(&[text.to_owned()], &env, &mut Vec::new())
    }

    #[test]
    fn accepted_forms() {
        for text in [
            "Authorization: Bearer fake-token",
            "Authorization:Bearer ${TOKEN}",
            "authorization :Bearer ${TOKEN} ",
        ] {
            assert_eq!(one(text).unwrap()["authorization"], "Bearer fake-token", "{text}");
        }
        assert_eq!(one("X.y~z!: a:b").unwrap()["x.y~z!"], "a:b");
        assert_eq!(one("X-Key: ${TOKEN}${TOKEN}").unwrap()["x-key"], "fake-tokenfake-token");
        assert!(one("X-Key: ${user_config.key}").unwrap().is_empty());
    }

    #[test]
    fn repeated_headers_are_all_kept() {
        let texts = ["A: 1".to_owned(), "B: 2".to_owned(), "A: 3".to_owned()];
        let headers = parse(&texts, &|_| None, &mut Vec::new()).unwrap();
        assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(headers["b"], "2");
    }

    #[test]
    fn refused_forms_do_not_show_the_value() {
        for text in [
            "fake-secret",
            "Bad Name: fake-secret",
            ": fake-secret",
            "X-Key: ${UNSET}fake-secret",
            "X-Key: ${EMPTY}",
            "X-Key: ${TOKEN",
            "X-Key: fake-secret\x01",
            "Mcp-Session-Id: fake-secret",
            "mcp-method: fake-secret",
            "MCP-Name: fake-secret",
            "Content-Length: 1",
        ] {
            let error = one(text).unwrap_err().to_string();
            assert!(!error.contains("fake-secret"), "{error}");
        }
        assert!(one("X: ${UNSET}").unwrap_err().to_string().contains("UNSET"));
    }
}
