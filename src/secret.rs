//! What must never be seen: secrets, and the parts of URLs and foreign texts that may hold them.
//!
//! A [`Secret`] cannot be printed by accident. A [`Redactor`] knows every secret of this process
//! and takes them out of foreign text before it reaches a log line or an error of ours. Relayed
//! messages never pass through here.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use url::Url;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Secrets shorter than this are not searched for in foreign text: replacing `1` everywhere would
/// hide the text and tell the secret.
const SHORTEST_SEARCHED: usize = 6;

/// Secrets remembered for redaction. Session ids are secrets too and change with every session, so
/// that the oldest give way; the first ones, from the command line, are kept for good.
const MAX_KNOWN: usize = 64;

/// A value that prints as `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Written out in full: only the credential store serializes secrets.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Takes known secrets out of text.
#[derive(Default)]
pub struct Redactor {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    kept: Vec<Secret>,
    recent: std::collections::VecDeque<Secret>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Remembers secrets that hold for the life of the process.
    ///
    /// Of `Bearer abc` both the whole and `abc` are remembered.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Redactor {
        let mut kept = Vec::new();
        for secret in secrets {
            if let Some((_, rest)) = secret.expose().split_once(' ') {
                kept.push(Secret::new(rest.trim().to_owned()));
            }
            kept.push(secret);
        }
        kept.retain(|s| s.expose().len() >= SHORTEST_SEARCHED);
        kept.sort_by_key(|s| std::cmp::Reverse(s.expose().len()));
        Redactor { known: Mutex::new(Known { kept, recent: Default::default() }) }
    }

    /// Remembers one more secret, such as a session id.
    pub fn learn(&self, secret: Secret) {
        if secret.expose().len() < SHORTEST_SEARCHED {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.recent.contains(&secret) {
            return;
        }
        if known.recent.len() == MAX_KNOWN {
            known.recent.pop_front();
        }
        known.recent.push_back(secret);
    }

    /// Whether a known secret is in `text`.
    pub fn knows_part_of(&self, text: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.kept.iter().chain(&known.recent).any(|secret| text.contains(secret.expose()))
    }

    /// `text` with every known secret replaced, control and direction-changing characters made
    /// visible, and cut to `limit` characters.
    pub fn clean(&self, text: &str, limit: usize) -> String {
        let visible = neutralise(&self.without_secrets(text));
        truncate(&visible, limit)
    }

    /// The same for a text of any length whose lines and spaces matter: for a terminal, not for a log.
    pub fn clean_lines(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in self.without_secrets(text).replace("\r\n", "\n").chars() {
            match c {
                '\n' | '\t' => out.push(c),
                c if c.is_control() || changes_direction(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        out
    }

    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in known.kept.iter().chain(&known.recent) {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), REDACTED);
            }
        }
        text
    }
}

/// Control characters as escapes and white space as single spaces, so that foreign text can
/// neither move the cursor of a terminal nor forge a log line.
pub fn neutralise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            ' ' | '\n' | '\r' | '\t' => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c if c.is_control() || changes_direction(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder or break the text around them (Unicode TR9 and TR14).
pub fn changes_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{061c}')
}

/// At most `limit` characters, the last one an ellipsis where something was cut.
pub fn truncate(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A URL as it may be shown: origin and path, without user, query and fragment.
pub fn shown(url: &Url) -> String {
    let mut out = url.clone();
    // Setting these fails only for URLs that cannot have them.
    let _ = out.set_username("");
    let _ = out.set_password(None);
    out.set_query(None);
    out.set_fragment(None);
    out.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secret = Secret::new("hunter2hunter2".into());
        assert_eq!(format!("{secret:?}"), REDACTED);
    }

    #[test]
    fn known_secrets_are_replaced_whole_or_in_part() {
        let redactor =
            Redactor::new([Secret::new("Bearer fake-token-123".into()), Secret::new("ab".into())]);
        redactor.learn(Secret::new("session-77".into()));
        let text =
            redactor.clean("got fake-token-123 and Bearer fake-token-123, session-77 ab", 200);
        assert_eq!(text, "got [redacted] and [redacted], [redacted] ab");
    }

    #[test]
    fn recent_secrets_are_bounded() {
        let redactor = Redactor::default();
        for n in 0..MAX_KNOWN * 2 {
            redactor.learn(Secret::new(format!("session-{n:04}")));
        }
        let newest = format!("session-{:04}", MAX_KNOWN * 2 - 1);
        assert_eq!(redactor.clean(&newest, 200), REDACTED);
        assert_eq!(redactor.known.lock().unwrap().recent.len(), MAX_KNOWN);
    }

    #[test]
    fn foreign_text_is_harmless_and_short() {
        let redactor = Redactor::default();
        assert_eq!(redactor.clean("a\x1b[31m\r\n\u{202e}b", 200), "a\\u{1b}[31m \\u{202e}b");
        assert_eq!(redactor.clean(&"x".repeat(50), 10), format!("{}…", "x".repeat(9)));
    }

    #[test]
    fn lines_may_stay_where_they_do_no_harm() {
        let redactor = Redactor::new([Secret::new("fake-token-123".into())]);
        let text = redactor.clean_lines("  a\r\n\tb\x1b]0;x\x07\u{9b}31m\r fake-token-123\n");
        assert_eq!(text, "  a\n\tb\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{d} [redacted]\n");
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
        let url = Url::parse("https://me:pw@example.com:8443/mcp?key=1#x").unwrap();
        assert_eq!(shown(&url), "https://example.com:8443/mcp");
    }

    proptest::proptest! {
        #[test]
        fn no_known_secret_survives(before: String, secret in "[a-zA-Z0-9._~-]{6,40}", after: String) {
            let redactor = Redactor::new([Secret::new(secret.clone())]);
            let text = redactor.clean(&format!("{before}{secret}{after}"), 10_000);
            assert!(REDACTED.contains(&secret) || !text.replace(REDACTED, "").contains(&secret), "{text}");
        }
    }
}
