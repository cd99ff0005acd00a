//! Parameters that people and providers add to requests (pure).

use url::Url;

/// Why a parameter is refused. The text does not show its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no `=` in it, or nothing before it.
    #[error("a parameter looks like name=value")]
    Shape,
    /// It is there twice (RFC 6749, section 3.1).
    #[error("{name} is given twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// It is the flow's own.
    #[error("{name} is set by the sign-in itself{}", instead(.name))]
    Owned {
        /// Its name.
        name: String,
    },
}

/// What the flow decides; a second value would at best be ignored.
const OWNED: [&str; 18] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "redirect_uri",
    "response_type",
    "response_mode",
    "state",
    "code_challenge",
    "code_challenge_method",
    "code",
    "code_verifier",
    "grant_type",
    "refresh_token",
    "scope",
    "resource",
    // They would stand for all of the above (RFC 9101).
    "request",
    "request_uri",
];

/// Where Entra, its customer tenants and its national clouds ask people to sign in.
const ENTRA: [&str; 5] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "b2clogin.com",
    "ciamlogin.com",
];

fn instead(name: &str) -> &'static str {
    match name {
        "client_id" => "; use --client-id",
        "client_secret" => "; use --client-secret",
        "redirect_uri" => "; use --callback-url",
        "scope" => "; use --scope",
        "resource" => "; use --resource",
        _ => "",
    }
}

/// Reads `name=value` pairs.
///
/// # Errors
/// The first that is none, or that the flow owns.
pub fn parse(texts: &[String]) -> Result<Vec<(String, String)>, ParameterError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for text in texts {
        let (name, value) = text.split_once('=').ok_or(ParameterError::Shape)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(ParameterError::Shape);
        }
        if OWNED.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(ParameterError::Owned { name: name.to_ascii_lowercase() });
        }
        if pairs.iter().any(|(other, _)| other == name) {
            return Err(ParameterError::Twice { name: name.to_owned() });
        }
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

/// What is added to an authorization request to `endpoint`: what the person gave, and what the
/// provider needs beyond the standard. Google issues a refresh token only if asked in its own way.
pub fn for_provider(endpoint: &Url, given: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = given.to_vec();
    if endpoint.host_str() == Some("accounts.google.com") {
        for (name, value) in [("access_type", "offline"), ("prompt", "consent")] {
            if !all.iter().any(|(given, _)| given == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    all
}

/// Whether a request for `offline_access` has to say `prompt=consent`, without which the scope must
/// be ignored (OpenID Connect Core 1.0, section 11). Entra grants it anyway, and takes the parameter
/// as a reason to ask an administrator.
pub fn needs_consent(endpoint: &Url, scope: Option<&str>, given: &[(String, String)]) -> bool {
    let offline =
        scope.is_some_and(|scope| scope.split_ascii_whitespace().any(|s| s == "offline_access"));
    let host = endpoint.host_str().unwrap_or_default();
    let entra = ENTRA.iter().any(|name| host == *name || host.ends_with(&format!(".{name}")));
    offline && !entra && !given.iter().any(|(name, _)| name == "prompt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let parse = |text: &str| parse(&[text.to_owned()]);
        assert_eq!(parse("audience=a=b"), Ok(vec![("audience".into(), "a=b".into())]));
        assert_eq!(parse("empty="), Ok(vec![("empty".into(), String::new())]));
        for wrong in ["audience", "=x", ""] {
            assert_eq!(parse(wrong), Err(ParameterError::Shape));
        }
        for owned in OWNED {
            let error = parse(&format!("{owned}=fake-value")).unwrap_err().to_string();
            assert!(error.contains(owned) && !error.contains("fake-value"), "{error}");
        }
        let twice = ["a=fake-1".to_owned(), "b=".to_owned(), "a=fake-2".to_owned()];
        let error = super::parse(&twice).unwrap_err();
        assert_eq!(error, ParameterError::Twice { name: "a".into() });
        assert!(parse("Scope=x").unwrap_err().to_string().contains("--scope"));
    }

    #[test]
    fn google_is_asked_for_a_refresh_token() {
        let google = Url::parse("https://accounts.google.com/o/oauth2/v2/auth").unwrap();
        let given = [("prompt".to_owned(), "select_account".to_owned())];
        let all = for_provider(&google, &given);
        let value = |name: &str| all.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(
            (value("access_type"), value("prompt")),
            ("offline".into(), "select_account".into())
        );
        let other = Url::parse("https://accounts.google.com.example/auth").unwrap();
        assert_eq!(for_provider(&other, &given), given);
    }
}
