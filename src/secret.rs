//! What must never be seen: secrets, and the parts of URLs and foreign texts that may hold them.
//!
//! A [`Secret`] cannot be printed by accident. A [`Redactor`] knows every secret of this process
//! and takes them out of foreign text before it reaches a log line or an error of ours. Relayed
//! messages never pass through here.
//!
//! `file`: a secret in a file. `wiped`: bytes that are overwritten after use.

pub mod file;
pub mod wiped;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use url::Url;
use zeroize::Zeroize as _;

use crate::limits::MAX_LOGGED_TEXT;
use crate::order;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Secrets shorter than this are not searched for in foreign text: replacing `1` everywhere would
/// hide the text and tell the secret.
pub const SHORTEST_SEARCHED: usize = 6;

/// Secrets remembered for redaction, of each kind: tokens, values of headers that are obtained on the way,
/// and what the server makes up (session ids, cookies), so that a server cannot make us forget a token. The oldest give way; those from the command
/// line are kept for good.
const MAX_KNOWN: usize = 64;

/// A value that prints as `[redacted]`, and whose memory is overwritten when it is let go of.
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

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
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

impl Secret {
    /// The value, and what stands behind a scheme in it: of `Bearer abc` also `abc`.
    fn parts(self) -> impl Iterator<Item = Secret> {
        let rest = self.0.split_once(' ').map(|(_, rest)| Secret(rest.trim().to_owned()));
        rest.into_iter().chain([self])
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
    recent: VecDeque<Secret>,
    /// Values of headers.
    headers: VecDeque<Secret>,
    /// Made up by the server.
    foreign: VecDeque<Secret>,
    /// How JWTs begin that are others for every request.
    heads: VecDeque<Secret>,
}

impl Known {
    fn all(&self) -> impl Iterator<Item = &Secret> {
        let made = self.recent.iter().chain(&self.headers).chain(&self.foreign);
        self.kept.iter().chain(made).chain(&self.heads)
    }

    /// `text` without the JWTs that have one of these heads, each up to its end.
    fn without_jwts(&self, mut text: String) -> String {
        for head in self.heads.iter().map(Secret::expose) {
            let mut from = 0;
            while let Some(at) = text[from..].find(head).map(|at| from + at) {
                let rest = &text[at + head.len()..];
                let of_jwt = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                let end = text.len() - rest.trim_start_matches(of_jwt).len();
                text.replace_range(at..end, REDACTED);
                from = at + REDACTED.len();
            }
        }
        text
    }
}

fn remember(list: &mut VecDeque<Secret>, secret: Secret) {
    if secret.expose().len() < SHORTEST_SEARCHED || list.contains(&secret) {
        return;
    }
    if list.len() == MAX_KNOWN {
        list.pop_front();
    }
    list.push_back(secret);
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
        let mut kept: Vec<Secret> = secrets.into_iter().flat_map(Secret::parts).collect();
        kept.retain(|s| s.expose().len() >= SHORTEST_SEARCHED);
        order::sort_by_key(&mut kept, |s| std::cmp::Reverse(s.expose().len()));
        Redactor { known: Mutex::new(Known { kept, ..Known::default() }) }
    }

    /// Remembers one more secret, such as a token.
    pub fn learn(&self, secret: Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        remember(&mut known.recent, secret);
    }

    /// Remembers the value of one more header, such as `Bearer abc`, whole and in part.
    pub fn learn_header(&self, value: Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts: Vec<Secret> = value.parts().collect();
        order::sort_by_key(&mut parts, |part| std::cmp::Reverse(part.expose().len()));
        for part in parts {
            remember(&mut known.headers, part);
        }
    }

    /// Remembers the head of JWTs (RFC 7515, section 7.1) that are others for every request, such as
    /// proofs with one key. They are recognised by it, up to their end.
    pub fn learn_jwt_head(&self, head: Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        remember(&mut known.heads, head);
    }

    /// Remembers one more secret that the server has made up, such as a session id.
    pub fn learn_foreign(&self, secret: Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        remember(&mut known.foreign, secret);
    }

    /// Whether a known secret is in `text`.
    pub fn knows_part_of(&self, text: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.all().any(|secret| text.contains(secret.expose()))
    }

    /// `text` with every known secret replaced, control and direction-changing characters made
    /// visible, and cut to `limit` characters.
    pub fn clean(&self, text: &str, limit: usize) -> String {
        let visible = neutralise(&self.without_secrets(text));
        truncate(&visible, limit)
    }

    /// The same for a text of any length whose lines and spaces matter: for a terminal, not for a log.
    pub fn clean_lines(&self, text: &str) -> String {
        neutralise_lines(&self.without_secrets(text))
    }

    /// `text` with every known secret replaced, and nothing else changed.
    pub fn without_secrets(&self, text: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = known.without_jwts(text.to_owned());
        for secret in known.all() {
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

/// The same for a text of several lines whose spaces matter.
pub fn neutralise_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || changes_direction(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Text that somebody else wrote and that holds no secret, for a line of ours: visible, and no longer than
/// [`MAX_LOGGED_TEXT`].
pub fn harmless(text: &str) -> String {
    truncate(&neutralise(text), MAX_LOGGED_TEXT)
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
    fn jwts_are_known_by_their_head() {
        let redactor = Redactor::default();
        redactor.learn_jwt_head(Secret::new("fakehead".into()));
        let text = "a fakehead.c-l_a1.sig, \"fakehead.x.y\" fakehead";
        assert_eq!(redactor.clean(text, 200), "a [redacted], \"[redacted]\" [redacted]");
        assert!(redactor.knows_part_of("fakehead.z"));
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
        fn no_jwt_with_a_known_head_survives(
            before: String, head in "[a-zA-Z0-9_-]{6,40}", rest in "[a-zA-Z0-9_.-]{0,80}", after: String
        ) {
            let redactor = Redactor::default();
            redactor.learn_jwt_head(Secret::new(head.clone()));
            let text = redactor.without_secrets(&format!("{before}{head}.{rest}{after}"));
            assert!(REDACTED.contains(&head) || !text.replace(REDACTED, "\0").contains(&head), "{text}");
        }

        #[test]
        fn no_known_secret_survives(before: String, secret in "[a-zA-Z0-9._~-]{6,40}", after: String) {
            let redactor = Redactor::new([Secret::new(secret.clone())]);
            let text = redactor.clean(&format!("{before}{secret}{after}"), 10_000);
            assert!(REDACTED.contains(&secret) || !text.replace(REDACTED, "").contains(&secret), "{text}");
        }
    }
}
