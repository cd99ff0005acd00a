//! `--header`, with environment variables, and with references to where the value is.
//!
//! A value that is `env:NAME`, `file:PATH` or `keyring:NAME` as a whole is taken from there. In a header
//! whose name ends in `Authorization` a scheme may stand in front: `Bearer keyring:NAME`. What looks like
//! that and is meant as it stands is written `literal:…`. In every other value `${NAME}` is replaced by a
//! variable, and what comes out of one is never looked at again.

use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::secret::Secret;
use crate::supply::{Place, Source};

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
    /// A reference that leads nowhere.
    #[error("{header}: {reason}")]
    Reference {
        /// Which header needs it.
        header: String,
        /// Why there is nothing.
        reason: String,
    },
}

/// What is behind all `--header`.
#[derive(Debug, Default)]
pub struct Headers {
    /// Those whose value is known.
    pub fixed: HeaderMap,
    /// Those whose value is elsewhere.
    pub elsewhere: Vec<Source>,
    /// Further values for these.
    pub besides: HeaderMap,
}

/// Headers whose value follows from the message or the session.
pub static RESERVED: [HeaderName; 9] = [
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
) -> Result<Headers, HeaderError> {
    let mut headers = Headers::default();
    for text in texts {
        let (name, value) = text.split_once(':').ok_or(HeaderError::NoColon)?;
        let shown = name.trim().to_owned();
        let name =
            HeaderName::try_from(name.trim()).map_err(|_| HeaderError::Name(shown.clone()))?;
        if RESERVED.contains(&name) {
            return Err(HeaderError::Reserved(shown));
        }
        if value.contains("${user_config.") {
            log::warn!("--header {shown} is left out: its option was not set");
            continue;
        }
        let (scheme, kind, rest) = reference(&name, value.trim());
        let wrong = |reason: &str| HeaderError::Reference {
            header: shown.clone(),
            reason: reason.to_owned(),
        };
        let text = match kind {
            Some(kind @ ("file" | "keyring")) => {
                let rest = expand(rest, &shown, env)?;
                let place = match kind {
                    _ if rest.is_empty() => {
                        return Err(wrong(&format!("{kind}: without anything behind it")));
                    }
                    "file" => Place::File(PathBuf::from(rest)),
                    _ => Place::Keyring(rest),
                };
                let scheme = scheme.map(str::to_owned);
                headers.elsewhere.push(Source { header: name, scheme, place });
                continue;
            }
            Some("env") => {
                let value = env(rest).filter(|value| !value.trim().is_empty());
                let unset =
                    || HeaderError::Unset { header: shown.clone(), variable: rest.to_owned() };
                value.ok_or_else(unset)?.trim().to_owned()
            }
            _ => expand(rest, &shown, env)?,
        };
        let text = match scheme {
            Some(scheme) => format!("{scheme} {text}"),
            None => text,
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| HeaderError::Value(shown))?;
        value.set_sensitive(true);
        secrets.push(Secret::new(text));
        headers.fixed.append(name, value);
    }
    for source in &headers.elsewhere {
        for value in headers.fixed.get_all(&source.header) {
            headers.besides.append(source.header.clone(), value.clone());
        }
        headers.fixed.remove(&source.header);
    }
    Ok(headers)
}

/// Whether a value stands there itself: it is no reference, and no variable is in it.
pub(super) fn is_literal(name: &str, value: &str) -> bool {
    let Ok(name) = HeaderName::try_from(name) else { return true };
    let (_, kind, rest) = reference(&name, value.trim());
    match kind {
        Some("literal") | None => !rest.contains("${"),
        Some(_) => false,
    }
}

/// The path of a value that is in a file, and what stands in front of `file:`.
pub(super) fn file_in<'a>(name: &str, value: &'a str) -> Option<(String, &'a str)> {
    let name = HeaderName::try_from(name).ok()?;
    let (scheme, kind, path) = reference(&name, value.trim());
    let before = scheme.map(|scheme| format!("{scheme} ")).unwrap_or_default();
    (kind == Some("file") && !path.is_empty()).then_some((before, path))
}

/// The scheme in front of a reference, its kind, and what is behind that; a value that is no reference
/// as a whole.
fn reference<'a>(name: &HeaderName, value: &'a str) -> (Option<&'a str>, Option<&'a str>, &'a str) {
    const KINDS: [&str; 4] = ["env", "file", "keyring", "literal"];
    let kind = |text: &'a str| {
        text.split_once(':')
            .filter(|(kind, _)| KINDS.contains(kind))
            .map(|(kind, rest)| (kind, rest.trim()))
    };
    if let Some((kind, rest)) = kind(value) {
        return (None, Some(kind), rest);
    }
    if name.as_str().ends_with("authorization")
        && let Some((scheme, rest)) = value.split_once(' ')
        && let Some((kind, rest)) = kind(rest.trim_start())
    {
        return (Some(scheme), Some(kind), rest);
    }
    (None, None, value)
}

/// Replaces every `${NAME}` in what is called `header`.
///
/// # Errors
/// If one is not set, or has no end.
pub(super) fn expand(
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
        all(text).map(|headers| headers.fixed)
    }

    fn all(text: &str) -> Result<Headers, HeaderError> {
        let env = |name: &str| match name {
            "TOKEN" => Some("fake-token\n".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("env:TOKEN".to_owned()),
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
        let headers = parse(&texts, &|_| None, &mut Vec::new()).unwrap().fixed;
        assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(headers["b"], "2");
        let texts = ["A: 1".to_owned(), "A: keyring:k".to_owned(), "A: 3".to_owned()];
        let headers = parse(&texts, &|_| None, &mut Vec::new()).unwrap();
        assert_eq!(headers.besides.get_all("a").iter().collect::<Vec<_>>(), ["1", "3"]);
        assert!(headers.fixed.is_empty() && headers.elsewhere.len() == 1);
    }

    #[test]
    fn values_are_taken_from_where_they_are() {
        for (text, value) in [
            ("X-Key: env:TOKEN", "fake-token"),
            ("X-Key:env:TOKEN", "fake-token"),
            ("Authorization: Bearer env:TOKEN", "Bearer fake-token"),
            ("Proxy-Authorization:  Basic   env:TOKEN ", "Basic fake-token"),
            // What is meant as it stands.
            ("X-Key: literal:env:TOKEN", "env:TOKEN"),
            ("X-Key: literal:literal:${TOKEN}", "literal:fake-token"),
            ("Authorization: Bearer literal:file:x", "Bearer file:x"),
            ("X-Key: ENV:TOKEN", "ENV:TOKEN"),
            ("X-Key: see env:TOKEN", "see env:TOKEN"),
            ("X-Key: environment:TOKEN", "environment:TOKEN"),
            ("X-Key: ${TRICK}", "env:TOKEN"),
            ("X-Key: env:TRICK", "env:TOKEN"),
            ("Authorization: Bearer ${TRICK}", "Bearer env:TOKEN"),
        ] {
            let headers = one(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(headers.values().next().unwrap(), value, "{text}");
        }
        let found = |text: &str| {
            let mut found = all(text).unwrap();
            assert!(found.fixed.is_empty(), "{text}");
            let source = found.elsewhere.remove(0);
            (source.scheme, source.place)
        };
        let (file, keyring) = (|t: &str| Place::File(t.into()), |t: &str| Place::Keyring(t.into()));
        assert_eq!(found("X: file:/run/a b:c"), (None, file("/run/a b:c")));
        assert_eq!(found("X: file:/${TOKEN}/x"), (None, file("/fake-token/x")));
        assert_eq!(found("X: keyring:my key"), (None, keyring("my key")));
        let bearer = Some("Bearer".to_owned());
        assert_eq!(found("Authorization: Bearer keyring:k"), (bearer, keyring("k")));
        for text in ["X: env:", "X: file:", "X: keyring: ", "X: env:EMPTY", "X: env:UNSET"] {
            assert!(all(text).is_err(), "{text}");
        }
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
