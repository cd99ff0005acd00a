//! `WWW-Authenticate` (RFC 9110, section 11.6.1), pure.
//!
//! Read leniently, because servers and the proxies before them write it in many ways: a value that
//! should be quoted and is not ends at white space or a comma, and what fits nowhere is passed over.

use crate::limits::MAX_CHALLENGE;

/// What a server asks for: its `Bearer` challenge (RFC 6750, section 3, and RFC 9728, section 5.1),
/// or its `DPoP` one (RFC 9449) if there is no other. A parameter that is blank counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Whether there is a `Bearer` challenge.
    pub bearer: bool,
    /// Whether there is a `DPoP` challenge.
    pub dpop: bool,
    /// The error code of the `DPoP` challenge, where it has one.
    pub dpop_error: Option<String>,
    /// Where the protected resource metadata is; not checked.
    pub resource_metadata: Option<String>,
    /// The scopes that the request needs, separated by spaces.
    pub scope: Option<String>,
    /// An error code, such as `insufficient_scope`.
    pub error: Option<String>,
    /// The error in words.
    pub error_description: Option<String>,
}

impl Challenge {
    /// The first of parameters with the same name counts.
    fn set(&mut self, name: &[u8], value: String) {
        let slot = match name.to_ascii_lowercase().as_slice() {
            b"resource_metadata" => &mut self.resource_metadata,
            b"scope" => &mut self.scope,
            b"error" => &mut self.error,
            b"error_description" => &mut self.error_description,
            _ => return,
        };
        if !value.trim().is_empty() {
            slot.get_or_insert(value);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    DPoP,
    Other,
}

impl Scheme {
    fn of(name: &[u8]) -> Scheme {
        if name.eq_ignore_ascii_case(b"bearer") {
            Scheme::Bearer
        } else if name.eq_ignore_ascii_case(b"dpop") {
            Scheme::DPoP
        } else {
            Scheme::Other
        }
    }
}

/// Reads the `WWW-Authenticate` fields of one response, each as its bytes.
///
/// Of several `Bearer` challenges the first that has `resource_metadata` counts. Where it has none,
/// that of another scheme does. A field that exceeds what is left of [`MAX_CHALLENGE`] is not read.
pub fn parse<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Challenge {
    let mut found = Vec::new();
    let mut left = MAX_CHALLENGE;
    for field in fields {
        if let Some(rest) = left.checked_sub(field.len()) {
            left = rest;
            read(field, &mut found);
        }
    }
    let of = |scheme| found.iter().filter(move |(found, _)| *found == scheme).map(|(_, c)| c);
    let first_of = |scheme| {
        of(scheme).find(|c| c.resource_metadata.is_some()).or_else(|| of(scheme).next()).cloned()
    };
    let bearer = first_of(Scheme::Bearer).map(|c| Challenge { bearer: true, ..c });
    let mut chosen = bearer.or_else(|| first_of(Scheme::DPoP)).unwrap_or_default();
    chosen.dpop = of(Scheme::DPoP).next().is_some();
    if let Some(theirs) = of(Scheme::DPoP).find(|c| c.error.is_some()) {
        chosen.dpop_error.clone_from(&theirs.error);
        if chosen.error.is_none() {
            chosen.error.clone_from(&theirs.error);
            chosen.error_description.clone_from(&theirs.error_description);
            chosen.scope = chosen.scope.or_else(|| theirs.scope.clone());
        }
    }
    if chosen.resource_metadata.is_none() {
        chosen.resource_metadata = found.into_iter().find_map(|(_, c)| c.resource_metadata);
    }
    chosen
}

/// Appends the challenges of one field. Parameters before the first scheme belong to the challenge
/// before them, because fields mean what they mean joined by commas (RFC 9110, section 5.3).
fn read(field: &[u8], found: &mut Vec<(Scheme, Challenge)>) {
    let mut reader = Reader { rest: field };
    // A scheme stands at the beginning or after a comma.
    let mut scheme_may_follow = true;
    loop {
        reader.take_while(is_space);
        let Some(next) = reader.rest.first() else { return };
        if *next == b',' {
            reader.skip_byte();
            scheme_may_follow = true;
            continue;
        }
        let name = reader.take_while(is_token);
        if name.is_empty() {
            reader.skip_junk();
        } else if let Some(value) = reader.value() {
            if let Some((_, challenge)) = found.last_mut() {
                challenge.set(name, value);
            }
        } else if scheme_may_follow {
            found.push((Scheme::of(name), Challenge::default()));
            reader.skip_token68();
        }
        scheme_may_follow = false;
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_byte(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// `"="` and a value, with white space around it.
    fn value(&mut self) -> Option<String> {
        let before = self.rest;
        self.take_while(is_space);
        if self.rest.first() != Some(&b'=') {
            self.rest = before;
            return None;
        }
        self.skip_byte();
        self.take_while(is_space);
        let bytes = if self.rest.first() == Some(&b'"') {
            self.quoted()
        } else {
            self.take_while(|byte| !is_space(byte) && byte != b',').to_vec()
        };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The content of a quoted string; one that does not end takes the rest.
    fn quoted(&mut self) -> Vec<u8> {
        self.skip_byte();
        let mut content = Vec::new();
        while let [byte, rest @ ..] = self.rest {
            self.rest = rest;
            match (*byte, rest) {
                (b'"', _) => break,
                (b'\\', [escaped, rest @ ..]) => {
                    content.push(*escaped);
                    self.rest = rest;
                }
                (byte, _) => content.push(byte),
            }
        }
        content
    }

    /// After a scheme: base64 and the like, if that is all that follows it.
    fn skip_token68(&mut self) {
        let before = self.rest;
        self.take_while(is_space);
        self.take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        self.take_while(|byte| byte == b'=');
        self.take_while(is_space);
        if self.rest.first().is_some_and(|byte| *byte != b',') {
            self.rest = before;
        }
    }

    fn skip_junk(&mut self) {
        if self.rest.first() == Some(&b'"') {
            self.quoted();
        } else {
            self.skip_byte();
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(fields: &[&str]) -> Challenge {
        parse(fields.iter().map(|field| field.as_bytes()))
    }

    fn bearer(metadata: &str, scope: &str, error: &str) -> Challenge {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Challenge {
            bearer: true,
            resource_metadata: some(metadata),
            scope: some(scope),
            error: some(error),
            error_description: None,
            ..Challenge::default()
        }
    }

    #[test]
    fn one_bearer_challenge_in_many_spellings() {
        let wanted = bearer("https://h.example/m", "a b", "invalid_token");
        for field in [
            r#"Bearer resource_metadata="https://h.example/m", scope="a b", error="invalid_token""#,
            r#"BEARER Scope="a b",ERROR=invalid_token,Resource_Metadata=https://h.example/m"#,
            r#"bearer  scope = "a b" ,, error	=	invalid_token , resource_metadata="https://h.example/m""#,
            r#", Bearer , scope="a b", error="invalid_token", resource_metadata="https://h.example/m","#,
            r#"Bearer realm="a, \"b\", scope=c", scope="a\ b", error="invalid_token", resource_metadata="https://h.example/m"#,
            r#"Bearer scope="a b" error="invalid_token" resource_metadata="https://h.example/m""#,
            r#"Basic realm="x, y", Bearer scope="a b", scope="c", error="invalid_token", resource_metadata="https://h.example/m", Digest scope="d""#,
            r#"Negotiate abc+/.~==, NTLM, Bearer resource_metadata="https://h.example/m", scope="a b", error="invalid_token""#,
            r#"@;"Bearer" ==, Bearer resource_metadata="https://h.example/m", scope="a b", error="invalid_token""#,
        ] {
            assert_eq!(of(&[field]), wanted, "{field}");
        }
    }

    #[test]
    fn several_challenges() {
        let table: &[(&[&str], Challenge)] = &[
            (&[], Challenge::default()),
            (&["Basic realm=\"x\""], Challenge::default()),
            (&["Bearer"], bearer("", "", "")),
            (&["Bearer abc=="], bearer("", "", "")),
            (&["Basic x", "Bearer scope=a"], bearer("", "a", "")),
            (&["Bearer scope=a, Bearer scope=b"], bearer("", "a", "")),
            (
                &["Bearer scope=a", "Bearer scope=b, resource_metadata=\"https://h/\""],
                bearer("https://h/", "b", ""),
            ),
            (&["DPoP scope=a", "Bearer scope=b"], Challenge { dpop: true, ..bearer("", "b", "") }),
            (
                &["Bearer", "DPoP resource_metadata=\"https://h/\""],
                Challenge { dpop: true, ..bearer("https://h/", "", "") },
            ),
            (
                &["Bearer scope=a, DPoP error=use_dpop_nonce, scope=b"],
                Challenge {
                    dpop: true,
                    dpop_error: Some("use_dpop_nonce".into()),
                    ..bearer("", "a", "use_dpop_nonce")
                },
            ),
            (
                &["Bearer error=invalid_token", "DPoP error=invalid_dpop_proof"],
                Challenge {
                    dpop: true,
                    dpop_error: Some("invalid_dpop_proof".into()),
                    ..bearer("", "", "invalid_token")
                },
            ),
            (&["Bearer scope=a", "error=\"b\""], bearer("", "a", "b")),
            (&["Bearer scope=\"\", error="], bearer("", "", "")),
            (
                &["DPoP algs=\"ES256\", scope=a"],
                Challenge { dpop: true, scope: Some("a".into()), ..Challenge::default() },
            ),
            (&["scope=a, error=b"], Challenge::default()),
            (&["BearerX scope=a", "X Bearer scope=a"], Challenge::default()),
        ];
        for (fields, wanted) in table {
            assert_eq!(of(fields), *wanted, "{fields:?}");
        }
    }

    #[test]
    fn bytes_beyond_the_limit_are_not_read() {
        let long = format!("Bearer realm=\"{}\"", "x".repeat(MAX_CHALLENGE));
        assert_eq!(of(&[&long, "Bearer scope=a"]), bearer("", "a", ""));
        let half = &long[..MAX_CHALLENGE / 2 + 1];
        assert_eq!(of(&[half, half, "scope=a"]), bearer("", "a", ""));
    }

    #[test]
    fn bytes_that_are_no_text() {
        let found = parse([&b"Bearer scope=\"a\xff\", error=\xfe"[..]]);
        assert_eq!(found, bearer("", "a\u{fffd}", "\u{fffd}"));
    }

    /// A value as a token, where it is one, or as a quoted string.
    fn written(value: &str, quote: bool, escape: bool) -> String {
        if !quote && !value.is_empty() && value.bytes().all(is_token) {
            return value.to_owned();
        }
        let mut out = String::from("\"");
        for c in value.chars() {
            if escape && c.is_ascii() || matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out + "\""
    }

    prop_compose! {
        fn parameter()(
            name in prop_oneof![Just("scope"), Just("ERROR"), Just("realm"), Just("resource_metadata")],
            value in "[!-~é][ -~é]{0,11}",
            (quote, escape) in any::<(bool, bool)>(),
            equals in prop_oneof![Just("="), Just(" ="), Just("= "), Just("\t = ")],
        ) -> (String, String, String) {
            let text = format!("{name}{equals}{}", written(&value, quote, escape));
            (name.to_ascii_lowercase(), value, text)
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            before in prop::sample::select(vec!["", "Basic a==, ", "Digest qop=\"auth,int\", realm=\"Bearer\", "]),
            parameters in prop::collection::vec(parameter(), 1..5),
            comma in prop_oneof![Just(","), Just(" , "), Just(", ,")],
        ) {
            let texts: Vec<&str> = parameters.iter().map(|(_, _, text)| text.as_str()).collect();
            let field = format!("{before}Bearer {}", texts.join(comma));
            let value = |name: &str| {
                parameters.iter().find(|(other, _, _)| other == name).map(|(_, value, _)| value.clone())
            };
            let wanted = Challenge {
                bearer: true,
                resource_metadata: value("resource_metadata"),
                scope: value("scope"),
                error: value("error"),
                error_description: None,
                ..Challenge::default()
            };
            prop_assert_eq!(of(&[&field]), wanted, "{}", field);
        }

        #[test]
        fn anything_is_read_without_panic(
            fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4),
            text in "([Bb]earer|[ ,=\"\\\\]|scope|error|a){0,30}",
        ) {
            let whole: usize = fields.iter().map(Vec::len).sum();
            let found = parse(fields.iter().map(Vec::as_slice));
            // A byte that is no text becomes three.
            prop_assert!(found.scope.map_or(0, |scope| scope.len()) <= 3 * whole);
            let found = of(&[&text]);
            prop_assert!(!found.bearer || text.to_ascii_lowercase().contains("bearer"));
        }
    }
}
