//! A request to the callback: pure. What is not the browser coming back from the sign-in that we
//! have begun is refused, and says nothing of why to whoever is guessing.

use std::borrow::Cow;
use std::fmt;

use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// Header fields of one request. Browsers send about twenty.
const MAX_FIELDS: usize = 100;

/// What a request has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The values of `Host` that mean us, in lower case.
    pub hosts: &'a [String],
    /// The path, exactly.
    pub path: &'a str,
    /// `state` of the sign-in under way.
    pub state: &'a Secret,
}

/// The authorization response (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207). Parameters without a
/// value count as omitted (RFC 6749, section 3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// `code`.
    pub code: Option<Secret>,
    /// `iss`, to be checked before anything else is looked at.
    pub iss: Option<String>,
    /// `error`. Foreign text, as the following.
    pub error: Option<String>,
    /// `error_description`.
    pub error_description: Option<String>,
    /// `error_uri`.
    pub error_uri: Option<String>,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The head of the request is not whole yet.
    More,
    /// A request that the wait goes on after.
    Refuse(Refusal),
    /// The browser, with the right state.
    Accept(AuthorizationResponse),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No HTTP/1 request, or one that contradicts itself.
    Malformed,
    /// More than is read of a head.
    TooLarge,
    /// `Host` is not ours, as after DNS rebinding.
    Host,
    /// Another path.
    Path,
    /// Not GET.
    Method,
    /// `state` is missing or wrong.
    State,
    /// A parameter of the response is there twice (RFC 6749, section 3.1).
    Twice,
}

impl Refusal {
    /// The status and its phrase.
    pub const fn status(self) -> &'static str {
        match self {
            Refusal::Malformed | Refusal::State | Refusal::Twice => "400 Bad Request",
            Refusal::Host => "403 Forbidden",
            Refusal::Path => "404 Not Found",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Malformed => "it is not an HTTP request",
            Refusal::TooLarge => "it is too large",
            Refusal::Host => "it is for another host",
            Refusal::Path => "there is nothing at this address",
            Refusal::Method => "its method is not GET",
            Refusal::State => "it does not belong to the sign-in under way",
            Refusal::Twice => "it has a parameter twice",
        })
    }
}

/// Looks at the beginning of a request.
pub fn parse(head: &[u8], expected: &Expected<'_>) -> Verdict {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Verdict::More,
        Err(httparse::Error::TooManyHeaders) => return Verdict::Refuse(Refusal::TooLarge),
        Err(_) => return Verdict::Refuse(Refusal::Malformed),
    }
    match judge(&request, expected) {
        Ok(response) => Verdict::Accept(response),
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

fn judge(
    request: &httparse::Request<'_, '_>,
    expected: &Expected<'_>,
) -> Result<AuthorizationResponse, Refusal> {
    let mut hosts = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().and_then(|field| std::str::from_utf8(field.value).ok());
    if hosts.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let host = host.unwrap_or_default();
    if !expected.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)) {
        return Err(Refusal::Host);
    }
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != expected.path {
        return Err(Refusal::Path);
    }
    if request.method != Some("GET") {
        return Err(Refusal::Method);
    }
    response(query, expected.state, true)
}

/// Reads the query of a redirect back to us. Unless it is `whole`, `state` may be missing; one that
/// is there has to be right.
///
/// # Errors
/// [`Refusal::State`] or [`Refusal::Twice`].
pub fn response(
    query: &str,
    state: &Secret,
    whole: bool,
) -> Result<AuthorizationResponse, Refusal> {
    let [mut given, mut code, mut iss, mut error, mut error_description, mut error_uri] =
        [const { None::<Cow<'_, str>> }; 6];
    let mut twice = false;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let slot = match &*name {
            "state" => &mut given,
            "code" => &mut code,
            "iss" => &mut iss,
            "error" => &mut error,
            "error_description" => &mut error_description,
            "error_uri" => &mut error_uri,
            // Unknown ones are ignored (RFC 6749, section 4.1.2).
            _ => continue,
        };
        twice |= slot.replace(value).is_some();
    }
    // The state first: nobody else learns anything.
    let given = given.unwrap_or_default();
    let right = bool::from(given.as_bytes().ct_eq(state.expose().as_bytes()));
    if given.is_empty() && whole || !given.is_empty() && !right {
        return Err(Refusal::State);
    }
    if twice {
        return Err(Refusal::Twice);
    }
    let text = |slot: Option<Cow<'_, str>>| slot.map(Cow::into_owned).filter(|s| !s.is_empty());
    Ok(AuthorizationResponse {
        code: text(code).map(Secret::new),
        iss: text(iss),
        error: text(error),
        error_description: text(error_description),
        error_uri: text(error_uri),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "fake-state-0123456789";

    fn look(head: &str) -> Verdict {
        let hosts = ["127.0.0.1:20123".to_owned(), "localhost:20123".to_owned()];
        let state = Secret::new(STATE.into());
        parse(head.as_bytes(), &Expected { hosts: &hosts, path: "/callback", state: &state })
    }

    fn get(target: &str) -> Verdict {
        look(&format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:20123\r\n\r\n"))
    }

    #[test]
    fn the_browser_comes_back() {
        let code = |code: &str| Some(Secret::new(code.into()));
        assert_eq!(
            get(&format!("/callback?code=a%2Bb+c&state={STATE}&iss=https%3A%2F%2Fas.example&x=1")),
            Verdict::Accept(AuthorizationResponse {
                code: code("a+b c"),
                iss: Some("https://as.example".into()),
                ..Default::default()
            })
        );
        assert_eq!(
            get(&format!(
                "/callback?error=access_denied&error_description=No%0A%3Cb%3E&error_uri=u&state={STATE}"
            )),
            Verdict::Accept(AuthorizationResponse {
                error: Some("access_denied".into()),
                error_description: Some("No\n<b>".into()),
                error_uri: Some("u".into()),
                ..Default::default()
            })
        );
        // Parameters without a value are omitted ones; unknown ones may be there twice.
        assert_eq!(
            get(&format!("/callback?code=&iss&error=&x=1&x=2&state={STATE}")),
            Verdict::Accept(AuthorizationResponse::default())
        );
        assert_eq!(
            look(&format!(
                "GET /callback?state={STATE} HTTP/1.0\r\nhOsT:  LocalHost:20123 \r\nCookie: a\r\n\r\n"
            )),
            Verdict::Accept(AuthorizationResponse::default())
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for (target, refusal) in [
            ("/callback?code=a".to_owned(), Refusal::State),
            ("/callback?code=a&state=".to_owned(), Refusal::State),
            ("/callback?code=a&state=wrong".to_owned(), Refusal::State),
            (format!("/callback?code=a&state={STATE}x"), Refusal::State),
            (format!("/callback?code=a&state={}", &STATE[1..]), Refusal::State),
            (format!("/callback?state={STATE}&state=other"), Refusal::State),
            (format!("/callback?state=other&state={STATE}"), Refusal::Twice),
            (format!("/callback?code=a&code=b&state={STATE}"), Refusal::Twice),
            (format!("/callback?iss=a&iss=a&state={STATE}"), Refusal::Twice),
            (format!("/callback#state={STATE}"), Refusal::Path),
            (format!("/?code=a&state={STATE}"), Refusal::Path),
            (format!("/callback/?code=a&state={STATE}"), Refusal::Path),
            (format!("/Callback?code=a&state={STATE}"), Refusal::Path),
            (format!("/%63allback?code=a&state={STATE}"), Refusal::Path),
            (format!("http://127.0.0.1:20123/callback?code=a&state={STATE}"), Refusal::Path),
            ("/favicon.ico".to_owned(), Refusal::Path),
        ] {
            assert_eq!(get(&target), Verdict::Refuse(refusal), "{target}");
        }
        let good = format!("/callback?code=a&state={STATE}");
        for method in ["HEAD", "OPTIONS", "POST", "PUT", "get"] {
            let head = format!("{method} {good} HTTP/1.1\r\nHost: 127.0.0.1:20123\r\n\r\n");
            assert_eq!(look(&head), Verdict::Refuse(Refusal::Method), "{method}");
        }
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:20124",
            "evil.example:20123",
            "127.0.0.1:20123.evil.example",
            "localhost:20123@evil.example",
        ] {
            let head = format!("GET {good} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(look(&head), Verdict::Refuse(Refusal::Host), "{host}");
        }
        let without = format!("GET {good} HTTP/1.1\r\n\r\n");
        assert_eq!(look(&without), Verdict::Refuse(Refusal::Host));
        let two = format!("GET {good} HTTP/1.1\r\nHost: 127.0.0.1:20123\r\nHost: x\r\n\r\n");
        assert_eq!(look(&two), Verdict::Refuse(Refusal::Malformed));
        assert_eq!(look("\x16\x03\x01\x02\x00\x01\x00\x01"), Verdict::Refuse(Refusal::Malformed));
        let many = "a: b\r\n".repeat(MAX_FIELDS + 1);
        assert_eq!(
            look(&format!("GET / HTTP/1.1\r\n{many}\r\n")),
            Verdict::Refuse(Refusal::TooLarge)
        );
    }

    #[test]
    fn every_beginning_of_a_request_waits_for_more() {
        let head =
            format!("GET /callback?code=a&state={STATE} HTTP/1.1\r\nHost: localhost:20123\r\n\r\n");
        for end in 0..head.len() {
            assert_eq!(look(&head[..end]), Verdict::More, "{end}");
        }
        assert!(matches!(look(&head), Verdict::Accept(_)));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(head: Vec<u8>) {
            let state = Secret::new(STATE.into());
            let hosts = ["localhost:1".to_owned()];
            let expected = Expected { hosts: &hosts, path: "/callback", state: &state };
            assert!(!matches!(parse(&head, &expected), Verdict::Accept(_)));
        }

        #[test]
        fn a_verdict_stands_whatever_follows(
            start in "(GET|POST|GE) (/callback)?(\\?state=fake-state-0123456789)?[ -~]{0,9} HTTP/1.1\r\n",
            fields in "(Host: localhost:20123\r\n)?([a-z:\r\n ]{0,9})?(\r\n)?",
            rest in ".{0,20}",
        ) {
            let head = format!("{start}{fields}{rest}");
            let verdict = look(&head);
            for end in (0..head.len()).filter(|end| head.is_char_boundary(*end)) {
                let early = look(&head[..end]);
                assert!(early == Verdict::More || early == verdict, "{head:?} {end}");
            }
        }

        #[test]
        fn only_the_right_state_is_accepted(given in "(fake-state-012345678)?.{0,12}") {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("state", &given)
                .finish();
            let accepted = response(&query, &Secret::new(STATE.into()), true).is_ok();
            assert_eq!(accepted, given == STATE);
        }

        #[test]
        fn values_survive(code in ".{1,40}", iss in ".{1,40}", description in ".{1,40}") {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("code", &code)
                .append_pair("error_description", &description)
                .append_pair("state", STATE)
                .append_pair("iss", &iss)
                .finish();
            let expected = AuthorizationResponse {
                code: Some(Secret::new(code)),
                iss: Some(iss),
                error_description: Some(description),
                ..Default::default()
            };
            assert_eq!(get(&format!("/callback?{query}")), Verdict::Accept(expected));
        }
    }
}
