//! Texts with placeholders, as clients fill them in before they use them.
//!
//! | form | who knows it |
//! | --- | --- |
//! | `${NAME}`, `${NAME:-default}` | Claude Code, Gemini CLI, bridges in their own arguments |
//! | `${env:NAME}` | VS Code, Cursor, Windsurf |
//! | `{env:NAME}`, `{file:PATH}` | opencode |
//! | `${input:ID}` | VS Code, which asks the person |
//! | `${user_config.KEY}` | extension bundles |

use std::fmt;

use crate::secret::Secret;

/// A text that may hold placeholders, and may be a secret or hold one.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Secret);

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What becomes of `${NAME}` without anything around the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// It is filled in.
    Fill,
    /// It stays: a bridge fills it in itself, from its own environment.
    Keep,
}

/// A placeholder that cannot be filled in here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// An environment variable that does not exist, or is empty.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// Something that only the client knows: `${input:…}`, `${workspaceFolder}` and the like.
    #[error("only the client can fill in {0}")]
    Client(String),
}

impl Missing {
    /// Whether the client has what we have not.
    pub fn is_the_clients(&self) -> bool {
        matches!(self, Missing::Client(_))
    }
}

enum Piece<'a> {
    Text(&'a str),
    /// `${NAME}`: the whole, the name, and what is used if there is no such variable.
    Plain(&'a str, &'a str, Option<&'a str>),
    Variable(&'a str),
    /// What only the client knows, as it is written.
    Client(&'a str),
}

impl Template {
    /// A text as it is in a file.
    pub fn new(text: impl Into<String>) -> Template {
        Template(Secret::new(text.into()))
    }

    /// The text as it is in the file.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The text with the values of its placeholders, for those who send it. `env` reads the environment
    /// that the client has.
    ///
    /// # Errors
    /// The first placeholder that has none.
    pub fn fill(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        plain: Plain,
    ) -> Result<Secret, Missing> {
        let mut out = String::new();
        let value = |name: &str| env(name).filter(|value| !value.is_empty());
        for piece in pieces(self.expose()) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Plain(whole, ..) if plain == Plain::Keep => out.push_str(whole),
                Piece::Plain(whole, name, default) => {
                    let found = value(name).or_else(|| default.map(ToOwned::to_owned));
                    out.push_str(&found.ok_or_else(|| missing(whole, name))?);
                }
                Piece::Variable(name) => {
                    let found = value(name);
                    out.push_str(&found.ok_or_else(|| Missing::Variable(name.to_owned()))?);
                }
                Piece::Client(whole) => return Err(Missing::Client(whole.to_owned())),
            }
        }
        Ok(Secret::new(out))
    }

    /// Whether there is a placeholder in it.
    pub fn has_placeholders(&self) -> bool {
        pieces(self.expose()).any(|piece| !matches!(piece, Piece::Text(_)))
    }
}

/// Variables of editors look the same as those of the environment, but nobody writes the latter so.
fn missing(whole: &str, name: &str) -> Missing {
    if name.chars().next().is_some_and(char::is_lowercase) && name.contains(char::is_uppercase) {
        return Missing::Client(whole.to_owned());
    }
    Missing::Variable(name.to_owned())
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((piece, behind)) = placeholder(rest) {
            rest = behind;
            return Some(piece);
        }
        // Up to where the next one could begin.
        let next = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '$' | '{'));
        let (text, behind) = rest.split_at(next.map_or(rest.len(), |(at, _)| at));
        rest = behind;
        Some(Piece::Text(text))
    })
}

/// The placeholder at the beginning of `text`, and what is behind it.
fn placeholder(text: &str) -> Option<(Piece<'_>, &str)> {
    let dollar = text.starts_with("${");
    let inner = text.strip_prefix("${").or_else(|| text.strip_prefix('{'))?;
    let end = inner.find('}')?;
    let (inner, behind) = (&inner[..end], &inner[end + 1..]);
    let whole = &text[..text.len() - behind.len()];
    let piece = match inner.split_once(':') {
        Some(("env", name)) if is_name(name) => Piece::Variable(name),
        Some(("file", _)) if !dollar => Piece::Client(whole),
        _ if !dollar => return None,
        Some((name, rest)) if is_name(name) && rest.starts_with('-') => {
            Piece::Plain(whole, name, Some(&rest[1..]))
        }
        None if is_name(inner) => Piece::Plain(whole, inner, None),
        // `${input:…}`, `${config:…}`, `${user_config.…}`.
        _ if !inner.is_empty() && !inner.contains(['{', '"', '\n']) => Piece::Client(whole),
        _ => return None,
    };
    Some((piece, behind))
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Gemini CLI's `$NAME` in the form that the others know.
pub fn with_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        out.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &after[..end.unwrap_or(after.len())];
        if is_name(name) {
            out.push_str(&format!("${{{name}}}"));
            rest = &after[name.len()..];
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, plain: Plain) -> Result<String, Missing> {
        let env = |name: &str| match name {
            "TOKEN" => Some("fake-token".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        Template::new(text).fill(&env, plain).map(|filled| filled.expose().to_owned())
    }

    #[test]
    fn what_the_environment_has_is_filled_in() {
        for (text, filled) in [
            ("", ""),
            ("plain $ {text} {} ${} $TOKEN", "plain $ {text} {} ${} $TOKEN"),
            ("Bearer ${TOKEN}", "Bearer fake-token"),
            ("${TOKEN}${TOKEN}", "fake-tokenfake-token"),
            ("a${env:TOKEN}b{env:TOKEN}", "afake-tokenbfake-token"),
            ("${OTHER:-https://h.example}/x", "https://h.example/x"),
            ("${EMPTY:-}x", "x"),
            ("${TOKEN", "${TOKEN"),
            ("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"),
        ] {
            assert_eq!(fill(text, Plain::Fill), Ok(filled.to_owned()), "{text}");
        }
        assert_eq!(fill("${OTHER} ${env:TOKEN}", Plain::Keep), Ok("${OTHER} fake-token".into()));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, missing) in [
            ("${OTHER}", Missing::Variable("OTHER".into())),
            ("x${env:EMPTY}", Missing::Variable("EMPTY".into())),
            ("${input:api-key}", Missing::Client("${input:api-key}".into())),
            ("${workspaceFolder}/x", Missing::Client("${workspaceFolder}".into())),
            ("${user_config.key}", Missing::Client("${user_config.key}".into())),
            ("{file:~/.key}", Missing::Client("{file:~/.key}".into())),
        ] {
            assert_eq!(fill(text, Plain::Fill), Err(missing), "{text}");
            assert!(Template::new(text).has_placeholders());
        }
        assert!(!Template::new("{\"a\": 1} $x").has_placeholders());
    }

    #[test]
    fn a_template_does_not_print() {
        assert!(!format!("{:?}", Template::new("fake-secret")).contains("fake"));
    }

    #[test]
    fn bare_dollars() {
        assert_eq!(with_braces("Bearer $A-$b_1 ${C} $ $1"), "Bearer ${A}-${b_1} ${C} $ $1");
    }

    proptest::proptest! {
        #[test]
        fn texts_without_placeholders_stay(text in "[^${}]*") {
            proptest::prop_assert_eq!(fill(&text, Plain::Fill), Ok(text.clone()));
        }

        #[test]
        fn nothing_is_lost_where_nothing_is_filled_in(text: String) {
            let whole: String = pieces(&text).map(|piece| match piece {
                Piece::Text(text) | Piece::Plain(text, ..) | Piece::Client(text) => text.to_owned(),
                Piece::Variable(name) => format!("{{env:{name}}}"),
            }).collect();
            proptest::prop_assert_eq!(whole.replace("${env:", "{env:"), text.replace("${env:", "{env:"));
        }
    }
}
