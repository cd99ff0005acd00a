//! What a trace may show (pure). Everything that is not known to be harmless is replaced:
//!
//! * headers: by a list of those that are shown;
//! * URLs: the values of a query;
//! * what signing in sends and gets: by a list of the parameters and members that are shown;
//! * messages: members that are named like a secret, and every secret that this process knows.
//!
//! What is replaced becomes `[redacted 3f9c1a]`. The digits are the same for the same value within one
//! run, so that one can see which requests carry the same token, and tell nothing else: they are cut
//! from a hash with a key that is thrown away.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::secret::{REDACTED, Redactor};

/// Headers whose value is shown, after known secrets are taken out.
const SHOWN_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "cf-ray",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expires",
    "host",
    "keep-alive",
    "last-event-id",
    "last-modified",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "origin",
    "pragma",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-accel-buffering",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
];

/// Schemes of `Authorization` that are shown before the credentials.
const SCHEMES: &[&str] = &["basic", "bearer", "dpop"];

/// Members and form parameters of OAuth whose value is shown (RFC 6749, 7591, 8414, 8707, 9728).
const SHOWN_IN_OAUTH: &[&str] = &[
    "application_type",
    "audience",
    "authorization_details_types_supported",
    "authorization_endpoint",
    "authorization_response_iss_parameter_supported",
    "authorization_servers",
    "bearer_methods_supported",
    "client_assertion_type",
    "client_id",
    "client_id_issued_at",
    "client_id_metadata_document_supported",
    "client_name",
    "client_secret_expires_at",
    "client_uri",
    "code_challenge_methods_supported",
    "device_authorization_endpoint",
    "dpop_signing_alg_values_supported",
    "end_session_endpoint",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "grant_type",
    "grant_types",
    "grant_types_supported",
    "introspection_endpoint",
    "issued_token_type",
    "issuer",
    "jwks_uri",
    "logo_uri",
    "pushed_authorization_request_endpoint",
    "redirect_uri",
    "redirect_uris",
    "registration_endpoint",
    "requested_token_type",
    "require_pushed_authorization_requests",
    "resource",
    "resource_documentation",
    "resource_name",
    "response_modes_supported",
    "response_types",
    "response_types_supported",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "scope",
    "scopes_supported",
    "service_documentation",
    "software_id",
    "software_version",
    "subject_token_type",
    "token_endpoint",
    "token_endpoint_auth_method",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "token_type",
    "token_type_hint",
    "ui_locales_supported",
    "userinfo_endpoint",
];

/// Members of messages whose value is not shown, in lower case and without `_` and `-`.
const SECRET_MEMBERS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "authorization",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "codeverifier",
    "cookie",
    "credential",
    "credentials",
    "idtoken",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "secretkey",
    "sessionid",
    "sessiontoken",
    "setcookie",
    "signingkey",
    "token",
    "xapikey",
];

/// What decides about the values in a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A message: everything is shown but members that are named like a secret.
    Message,
    /// An OAuth document: nothing is shown but the members that are listed.
    OAuth,
}

/// Replaces what must not be seen. One for each run.
pub struct Redaction {
    key: [u8; 16],
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction")
    }
}

impl Redaction {
    /// With a key that nobody else knows.
    pub fn new(key: [u8; 16]) -> Redaction {
        Redaction { key }
    }

    /// What stands in the place of `value`.
    pub fn instead_of(&self, value: &[u8]) -> String {
        let digest = Sha256::new().chain_update(self.key).chain_update(value).finalize();
        format!("[redacted {:02x}{:02x}{:02x}]", digest[0], digest[1], digest[2])
    }

    /// A header section in its order.
    pub fn headers(&self, headers: &HeaderMap, known: &Redactor) -> Vec<(String, String)> {
        let shown = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), self.header(name.as_str(), value.as_bytes(), known))
        };
        headers.iter().map(shown).collect()
    }

    fn header(&self, name: &str, value: &[u8], known: &Redactor) -> String {
        let text = String::from_utf8_lossy(value);
        if name == "location" || name == "content-location" {
            return match Url::parse(&text) {
                Ok(url) => self.url(&url, known),
                // Relative: what is before the query.
                Err(_) => known.without_secrets(text.split(['?', '#']).next().unwrap_or_default()),
            };
        }
        let argument = name.strip_prefix("mcp-param-");
        if SHOWN_HEADERS.contains(&name) || argument.is_some_and(|name| !is_secret(name)) {
            return known.without_secrets(&text);
        }
        if matches!(name, "authorization" | "proxy-authorization")
            && let Some((scheme, credentials)) = text.split_once(' ')
            && SCHEMES.contains(&&*scheme.to_ascii_lowercase())
        {
            return format!("{scheme} {}", self.instead_of(credentials.trim().as_bytes()));
        }
        self.instead_of(value)
    }

    /// A URL without user, password, fragment and the values of its query.
    pub fn url(&self, url: &Url, known: &Redactor) -> String {
        let mut out = known.without_secrets(&crate::secret::shown(url));
        for (at, (name, value)) in url.query_pairs().enumerate() {
            out.push(if at == 0 { '?' } else { '&' });
            out.push_str(&known.without_secrets(&name));
            out.push('=');
            out.push_str(&self.instead_of(value.as_bytes()));
        }
        out
    }

    /// A form (`application/x-www-form-urlencoded`) of OAuth.
    pub fn form(&self, form: &[u8], known: &Redactor) -> String {
        let mut out = String::new();
        for (name, value) in url::form_urlencoded::parse(form) {
            if !out.is_empty() {
                out.push('&');
            }
            // A name that nobody knows may be anything.
            if !SHOWN_IN_OAUTH.contains(&&*name) {
                let known_name = NAMES_IN_FORMS.contains(&&*name);
                out.push_str(if known_name { &name } else { REDACTED });
                out.push('=');
                out.push_str(&self.instead_of(value.as_bytes()));
                continue;
            }
            let value = known.without_secrets(&value);
            let mut pair = url::form_urlencoded::Serializer::new(String::new());
            out.push_str(&pair.append_pair(&name, &value).finish());
        }
        out
    }

    /// A JSON text, or the beginning of one: it need not be well-formed. One pass, without recursion.
    pub fn json(&self, json: &str, policy: Policy, known: &Redactor) -> String {
        Scan { redaction: self, policy, known, out: String::with_capacity(json.len()) }.run(json)
    }
}

/// Parameters of token requests whose name may be shown although their value may not.
const NAMES_IN_FORMS: &[&str] = &[
    "access_token",
    "actor_token",
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "client_secret",
    "code",
    "code_verifier",
    "refresh_token",
    "subject_token",
    "token",
];

fn is_secret(member: &str) -> bool {
    let plain: String =
        member.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    SECRET_MEMBERS.contains(&&*plain)
}

/// What of a value is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    Nothing,
    /// A text that can be a `code` of a sign-in: that of an error is a number, that of a program has
    /// spaces.
    Words,
    All,
}

struct Scan<'a> {
    redaction: &'a Redaction,
    policy: Policy,
    known: &'a Redactor,
    out: String,
}

impl Scan<'_> {
    fn run(mut self, json: &str) -> String {
        let bytes = json.as_bytes();
        let outermost = match self.policy {
            Policy::Message => Hidden::Nothing,
            Policy::OAuth => Hidden::All,
        };
        // What is hidden in the container at each depth unless a member says otherwise.
        let mut containers = vec![outermost];
        // What the member before says about its value.
        let mut member: Option<Hidden> = None;
        let mut at = 0;
        while at < bytes.len() {
            let inherited = *containers.last().unwrap_or(&outermost);
            match bytes[at] {
                b'"' => {
                    let end = string_end(bytes, at);
                    let token = &json[at..end];
                    let space = bytes[end..].iter().take_while(|b| b.is_ascii_whitespace()).count();
                    if bytes.get(end + space) == Some(&b':') {
                        let name = unescaped(token);
                        member = Some(self.hides(&name, inherited));
                        self.name(token, &name);
                        self.out.push_str(&json[end..=end + space]);
                        at = end + space + 1;
                        continue;
                    }
                    self.text(token, member.take().unwrap_or(inherited));
                    at = end;
                }
                b'{' | b'[' => {
                    containers.push(member.take().unwrap_or(inherited));
                    self.out.push(char::from(bytes[at]));
                    at += 1;
                }
                mark @ (b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n') => {
                    if matches!(mark, b'}' | b']') && containers.len() > 1 {
                        containers.pop();
                    }
                    self.out.push(char::from(mark));
                    at += 1;
                }
                _ => {
                    let ends = |b: &u8| b"\"{}[],: \t\r\n".contains(b);
                    let end = bytes[at..].iter().position(ends).map_or(bytes.len(), |n| at + n);
                    self.bare(&json[at..end], member.take().unwrap_or(inherited));
                    at = end;
                }
            }
        }
        self.out
    }

    fn hides(&self, name: &str, inherited: Hidden) -> Hidden {
        match self.policy {
            Policy::Message if inherited == Hidden::All => Hidden::All,
            Policy::Message if name == "code" => Hidden::Words,
            Policy::Message if is_secret(name) => Hidden::All,
            Policy::Message => inherited,
            Policy::OAuth if SHOWN_IN_OAUTH.contains(&name) => Hidden::Nothing,
            Policy::OAuth => Hidden::All,
        }
    }

    fn name(&mut self, token: &str, name: &str) {
        if self.known.knows_part_of(name) {
            self.quoted(REDACTED);
        } else {
            self.out.push_str(token);
        }
    }

    fn text(&mut self, token: &str, hidden: Hidden) {
        let text = unescaped(token);
        let word = !text.contains(char::is_whitespace);
        if hidden == Hidden::All || (hidden == Hidden::Words && word) {
            self.quoted(&self.redaction.instead_of(text.as_bytes()));
        } else if self.known.knows_part_of(&text) {
            let quoted = serde_json::Value::from(self.known.without_secrets(&text)).to_string();
            self.out.push_str(&quoted);
        } else {
            self.out.push_str(token);
        }
    }

    /// A number, a truth value, `null`, or what is no JSON at all.
    fn bare(&mut self, token: &str, hidden: Hidden) {
        let literal = matches!(token, "null" | "true" | "false");
        if !literal && (hidden == Hidden::All || self.known.knows_part_of(token)) {
            self.quoted(&self.redaction.instead_of(token.as_bytes()));
        } else {
            self.out.push_str(token);
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }
}

/// Behind the end of the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What a string token means; one that is cut off as far as it goes.
fn unescaped(token: &str) -> Cow<'_, str> {
    let inner = token.strip_prefix('"').unwrap_or(token);
    let closed = inner.strip_suffix('"');
    if !inner.contains('\\') {
        return Cow::Borrowed(closed.unwrap_or(inner));
    }
    let whole = if closed.is_some() { Cow::Borrowed(token) } else { format!("{token}\"").into() };
    // Half a surrogate pair is in no text, and hides nothing of what stands beside it.
    let text = serde_json::from_str::<String>(&whole)
        .or_else(|_| serde_json::from_str(&without_surrogates(&whole)));
    text.map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// A string token with U+FFFD in the place of each escape of a surrogate.
fn without_surrogates(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    let mut rest = token;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let digits = escape.get(2..6).filter(|_| escape.starts_with("\\u"));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let surrogate = unit.is_some_and(|unit| (0xd800..0xe000).contains(&unit));
        let length =
            if surrogate { 6 } else { 1 + escape[1..].chars().next().map_or(0, char::len_utf8) };
        out.push_str(if surrogate { "\\ufffd" } else { &escape[..length] });
        rest = &escape[length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const TOKEN: &str = "fake-token-0123456789";

    fn redaction() -> Redaction {
        Redaction::new([7; 16])
    }

    fn known() -> Redactor {
        Redactor::new([Secret::new(TOKEN.into())])
    }

    fn message(json: &str) -> String {
        redaction().json(json, Policy::Message, &known())
    }

    #[test]
    fn the_same_value_is_replaced_by_the_same_text_within_a_run() {
        let (one, other) = (redaction(), Redaction::new([8; 16]));
        assert_eq!(one.instead_of(b"a"), one.instead_of(b"a"));
        assert_ne!(one.instead_of(b"a"), one.instead_of(b"b"));
        assert_ne!(one.instead_of(b"a"), other.instead_of(b"a"));
    }

    #[test]
    fn messages_keep_every_byte_that_is_no_secret() {
        let json = r#" {"b":1.0, "a" :[12345678901234567890,"\u0041"],"progressToken":"p", "code":-32601,
            "nextCursor":"x","x":{"token_count":7,"data":null}} "#;
        assert_eq!(message(json), json);
    }

    #[test]
    fn members_that_are_named_like_a_secret_are_not_shown() {
        let json = r#"{"a":{"Api-Key":"fake","pin":1234,"credentials":{"user":"u","list":["v",true]}},"code":"fake","b":{"code":"let it = 1;"}}"#;
        let out = message(json);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        for pointer in
            ["/a/Api-Key", "/a/pin", "/a/credentials/user", "/a/credentials/list/0", "/code"]
        {
            let text = value.pointer(pointer).unwrap().as_str().unwrap();
            assert!(text.starts_with("[redacted "), "{pointer}: {text}");
        }
        assert_eq!(value["a"]["credentials"]["list"][1], true);
        assert_eq!(value["b"]["code"], "let it = 1;");
    }

    #[test]
    fn known_secrets_are_found_in_any_spelling() {
        for json in [
            r#"{"text":"it is fake-token-0123456789!"}"#,
            r#"{"text":"it is \u0066ake-token-0123456789!"}"#,
            r#"{"text":"\ud800 it is \u0066ake-token-0123456789\udfff"}"#,
            r#"{"\uDBFF\u0066ake-token-0123456789":"\\ud800"}"#,
            r#"{"fake-token-0123456789":1}"#,
            r#"["fake-token-0123456789"#,
            r#"["\u0066ake-token-0123456789"#,
            "fake-token-0123456789",
        ] {
            let out = message(json);
            assert!(!out.contains("0123456789") && out.contains("redacted"), "{json}: {out}");
        }
        let valid = message(r#"{"text":"it is \u0066ake-token-0123456789!"}"#);
        assert_eq!(valid, r#"{"text":"it is [redacted]!"}"#);
    }

    #[test]
    fn of_oauth_only_what_is_listed_is_shown() {
        let json = r#"{"access_token":"fake","token_type":"Bearer","expires_in":60,"x":{"scope":"a","y":[1,"fake"]}}"#;
        let out = redaction().json(json, Policy::OAuth, &known());
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&value["token_type"], &value["expires_in"]), (&"Bearer".into(), &60.into()));
        assert_eq!(value["x"]["scope"], "a");
        assert!(!out.contains("fake"), "{out}");
        let form = b"grant_type=authorization_code&code=fake&redirect_uri=http%3A%2F%2Fa%2F&fake=1";
        let out = redaction().form(form, &known());
        assert!(
            out.starts_with("grant_type=authorization_code&code=[redacted ")
                && out.contains("&redirect_uri=http%3A%2F%2Fa%2F&[redacted]=[redacted ")
                && !out.contains("fake"),
            "{out}"
        );
    }

    #[test]
    fn headers_are_shown_by_a_list() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/fake-token-0123456789"),
            ("authorization", "Bearer fake-other"),
            ("proxy-authorization", "fake-other"),
            ("x-api-key", "fake-other"),
            ("mcp-session-id", "fake-other"),
            ("mcp-param-region", "eu"),
            ("mcp-param-api-key", "fake-other"),
            ("location", "https://u:fake-other@h.example/a?b=fake-other#fake-other"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let out = redaction().headers(&headers, &known());
        let value = |name: &str| &out.iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!(value("content-type"), "text/[redacted]");
        assert!(value("authorization").starts_with("Bearer [redacted "));
        assert_eq!(value("x-api-key"), value("mcp-session-id"));
        assert_eq!(value("mcp-param-region"), "eu");
        assert!(value("location").starts_with("https://h.example/a?b=[redacted "));
        assert!(out.iter().all(|(_, value)| !value.contains("fake")), "{out:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned_to_its_end(text: String) {
            // Without members named like secrets nothing is lost, whatever it is.
            assert_eq!(Redaction::new([0; 16]).json(&text, Policy::Message, &Redactor::default()), text);
        }

        #[test]
        fn no_known_secret_survives_at_any_cut(before: String, after: String, cut in 0..60_usize) {
            let json = serde_json::json!({ before: format!("{after}{TOKEN}{after}"), "x": [TOKEN] }).to_string();
            let end = (0..=json.len().min(json.len().saturating_sub(cut)))
                .rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0);
            let out = message(&json[..end]);
            assert!(!out.contains(TOKEN), "{out}");
        }
    }
}
