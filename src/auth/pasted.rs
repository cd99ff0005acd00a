//! What a person pastes in the place of a browser that cannot come back: the address that it ended
//! up at, its query, or the code alone (pure).

use percent_encoding::percent_decode_str;
use url::Url;

use super::callback::request::{AuthorizationResponse, Refusal, response};
use crate::limits::MAX_PASTE;
use crate::secret::Secret;

/// Bytes that a terminal takes of one line, on most systems.
const TERMINAL_LINE: usize = 4095;

/// Parameters of a response, by which a query is told from a code.
const KNOWN: [&str; 4] = ["code", "state", "iss", "error"];

/// What was pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    /// The response, as far as it was pasted.
    pub response: AuthorizationResponse,
    /// There was no `state` with it, so that nothing but the person's word and PKCE ties it to the
    /// sign-in under way.
    pub partial: bool,
}

/// Why it cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Nothing, or only spaces.
    #[error("that was empty")]
    Empty,
    /// Cut by the terminal, or longer than any response.
    #[error(
        "that is too long, or was cut; paste only what follows \u{201c}code=\u{201d}, up to the next \u{201c}&\u{201d}"
    )]
    TooLong,
    /// Another page, such as the one where the person signs in.
    #[error("that is not the page at the end of the sign-in, whose address begins with {0}")]
    OtherPage(String),
    /// From another sign-in.
    #[error(
        "that belongs to another sign-in (its state is not the one of this); use the URL above"
    )]
    State,
    /// It contradicts itself.
    #[error("that has a parameter twice")]
    Twice,
    /// There is nothing in it.
    #[error("there is no code in that; paste the whole address of the last page")]
    NoCode,
    /// It is several words, or has characters that no code has.
    #[error("that is neither an address nor a code")]
    Unreadable,
}

/// Reads what was pasted for the sign-in with this `state`.
///
/// # Errors
/// Why it cannot be used, for the person.
pub fn read(text: &str, redirect_uri: &str, state: &Secret) -> Result<Pasted, Wrong> {
    let text = text.trim().trim_matches(['"', '\'', '<', '>', '`']).trim();
    if text.is_empty() {
        return Err(Wrong::Empty);
    }
    if text.len() >= TERMINAL_LINE.min(MAX_PASTE) {
        return Err(Wrong::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::Unreadable);
    }
    let (query, whole) = match address(text, redirect_uri)? {
        Some(query) => (query, true),
        None => match query(text) {
            Some(query) => (query, false),
            None => return bare(text),
        },
    };
    let response = response(&query, state, whole).map_err(|refusal| match refusal {
        Refusal::Twice => Wrong::Twice,
        _ => Wrong::State,
    })?;
    if response.code.is_none() && response.error.is_none() {
        return Err(Wrong::NoCode);
    }
    let has_state = url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "state" && !value.is_empty());
    Ok(Pasted { response, partial: !has_state })
}

/// The query of an address, if it is one; browsers leave `http://` out of what they show.
fn address(text: &str, redirect_uri: &str) -> Result<Option<String>, Wrong> {
    let other = || Wrong::OtherPage(redirect_uri.to_owned());
    let ours = Url::parse(redirect_uri).map_err(|_| other())?;
    let bare = redirect_uri.split_once("://").map_or(redirect_uri, |(_, rest)| rest);
    let has_scheme = text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let url = if has_scheme {
        Url::parse(text).map_err(|_| other())?
    } else if text.starts_with(bare) {
        Url::parse(&format!("{}://{text}", ours.scheme())).map_err(|_| other())?
    } else {
        return Ok(None);
    };
    let place = |url: &Url| (url.origin(), url.path().to_owned());
    if place(&url) != place(&ours) {
        return Err(other());
    }
    Ok(Some(url.query().unwrap_or_default().to_owned()))
}

/// A query without an address, if it is one.
fn query(text: &str) -> Option<String> {
    let text = text.strip_prefix('?').unwrap_or(text);
    let text = text.split('#').next().unwrap_or(text);
    let known = text
        .split('&')
        .any(|pair| pair.split_once('=').is_some_and(|(name, _)| KNOWN.contains(&name)));
    known.then(|| text.to_owned())
}

/// A code alone, copied from a page or out of an address, where it is encoded.
fn bare(text: &str) -> Result<Pasted, Wrong> {
    let code = percent_decode_str(text).decode_utf8().map_err(|_| Wrong::Unreadable)?;
    if !code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(Wrong::Unreadable);
    }
    let response = AuthorizationResponse {
        code: Some(Secret::new(code.into_owned())),
        ..AuthorizationResponse::default()
    };
    Ok(Pasted { response, partial: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "fake-state-0123456789";
    const REDIRECT: &str = "http://127.0.0.1:20123/callback";

    fn paste(text: &str) -> Result<Pasted, Wrong> {
        read(text, REDIRECT, &Secret::new(STATE.into()))
    }

    fn code(text: &str, code: &str, partial: bool) {
        let pasted = paste(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        assert_eq!(pasted.response.code, Some(Secret::new(code.into())), "{text}");
        assert_eq!(pasted.partial, partial, "{text}");
    }

    #[test]
    fn an_address_a_query_or_a_code() {
        code(&format!("{REDIRECT}?code=fake-c&state={STATE}"), "fake-c", false);
        code(&format!("  <{REDIRECT}?state={STATE}&code=a%2Fb#x> \n"), "a/b", false);
        code(&format!("127.0.0.1:20123/callback?code=fake-c&state={STATE}"), "fake-c", false);
        code(&format!("?code=fake-c&state={STATE}"), "fake-c", false);
        code(&format!("code=fake-c&state={STATE}&iss=https://as.example"), "fake-c", false);
        code("?code=fake-c", "fake-c", true);
        code("code=fake-c&iss=x", "fake-c", true);
        code("fake-c", "fake-c", true);
        code("4%2F0AXfake", "4/0AXfake", true);
        code("4/0AXfake_-~.==", "4/0AXfake_-~.==", true);
        let refused = paste(&format!("{REDIRECT}?error=access_denied&state={STATE}")).unwrap();
        assert_eq!(refused.response.error.as_deref(), Some("access_denied"));
        let iss = paste(&format!("{REDIRECT}?code=c&state={STATE}&iss=https%3A%2F%2Fas")).unwrap();
        assert_eq!(iss.response.iss.as_deref(), Some("https://as"));
    }

    #[test]
    fn what_is_wrong_is_explained() {
        let other = Wrong::OtherPage(REDIRECT.into());
        for (text, wrong) in [
            ("  \n".to_owned(), Wrong::Empty),
            ("\"\"".to_owned(), Wrong::Empty),
            (format!("{REDIRECT}?code=c&state=wrong"), Wrong::State),
            (format!("{REDIRECT}?code=c"), Wrong::State),
            ("code=c&state=wrong".to_owned(), Wrong::State),
            (format!("{REDIRECT}?code=c&code=d&state={STATE}"), Wrong::Twice),
            (format!("{REDIRECT}?state={STATE}"), Wrong::NoCode),
            ("iss=x".to_owned(), Wrong::NoCode),
            (format!("https://as.example/authorize?state={STATE}&client_id=x"), other.clone()),
            (format!("http://127.0.0.1:20124/callback?code=c&state={STATE}"), other.clone()),
            (format!("http://127.0.0.1:20123/other?code=c&state={STATE}"), other.clone()),
            (format!("https://127.0.0.1:20123/callback?code=c&state={STATE}"), other),
            ("two words".to_owned(), Wrong::Unreadable),
            ("c\u{e4}".to_owned(), Wrong::Unreadable),
            ("%ff".to_owned(), Wrong::Unreadable),
            ("c".repeat(TERMINAL_LINE), Wrong::TooLong),
        ] {
            assert_eq!(paste(&text), Err(wrong), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_never_takes_a_wrong_state(text in "[ -~]{0,60}", state in "[a-z]{1,9}") {
            let _ = paste(&text);
            let wrong = paste(&format!("{text}&state={state}&code=c"));
            assert!(wrong.is_err() || wrong.is_ok_and(|pasted| pasted.partial));
        }
    }
}
