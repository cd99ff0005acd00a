//! What an id token says, and whether it is meant for us (OpenID Connect Core 1.0, section 3.1.3.7;
//! pure).
//!
//! Its signature is not checked: it comes from the token endpoint itself, over TLS, which item 6 of that
//! section lets take the place of the signature. Whoever gets it from us checks it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::limits::ID_TOKEN_LEEWAY;
use crate::secret::Secret;

/// What has to be in it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The identity provider, byte for byte as it names itself.
    pub issuer: &'a str,
    /// The client that it was issued to.
    pub client_id: &'a str,
    /// What the authorization request had; none where there was no such request.
    pub nonce: Option<&'a str>,
    /// After a refresh: the person that the former one was about.
    pub subject: Option<&'a str>,
    /// Unix time in seconds.
    pub now: u64,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `sub`: the person.
    pub subject: String,
    /// How long it is good for from now on, in seconds. Where it says when it was issued, by the clock of
    /// the identity provider.
    pub life: u64,
}

/// Why an id token is of no use. The text has nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// There is none.
    #[error("there is no id token in its answer; the scope has to have openid")]
    Missing,
    /// It is none.
    #[error("its id token cannot be read")]
    Unreadable,
    /// `iss`.
    #[error("its id token names another issuer (iss) than --idp-issuer")]
    Issuer,
    /// `aud`, `azp`.
    #[error("its id token is for another client (aud, azp) than --idp-client-id")]
    Audience,
    /// `nonce`.
    #[error("its id token is of another sign-in (nonce)")]
    Nonce,
    /// `sub`, after a refresh.
    #[error("its id token is about another person (sub) than the former one")]
    Subject,
    /// `exp`.
    #[error("its id token has expired (exp) by this machine's clock, which may be wrong")]
    Expired,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: serde_json::Number,
    iat: Option<serde_json::Number>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Reads an id token and makes sure that it is what is expected.
///
/// # Errors
/// The first thing that is not.
pub fn check(token: Option<&Secret>, expected: &Expected<'_>) -> Result<Identity, IdTokenError> {
    let claims = read(token.ok_or(IdTokenError::Missing)?)?;
    if claims.iss != expected.issuer {
        return Err(IdTokenError::Issuer);
    }
    let (several, listed) = match &claims.aud {
        Audience::One(one) => (false, one == expected.client_id),
        Audience::Several(all) => (all.len() > 1, all.iter().any(|one| one == expected.client_id)),
    };
    // With other audiences beside us, it has to say that it was issued to us.
    let party = claims.azp.as_deref().map_or(!several, |party| party == expected.client_id);
    if !listed || !party {
        return Err(IdTokenError::Audience);
    }
    let again = expected.subject.is_some();
    match (expected.nonce, &claims.nonce) {
        // After a refresh it may have none (section 12.2).
        (Some(_), None) if again => {}
        (Some(sent), found) if found.as_deref() != Some(sent) => return Err(IdTokenError::Nonce),
        _ => {}
    }
    if expected.subject.is_some_and(|subject| subject != claims.sub) {
        return Err(IdTokenError::Subject);
    }
    let expires_at = seconds(&claims.exp).ok_or(IdTokenError::Unreadable)?;
    if expires_at.saturating_add(ID_TOKEN_LEEWAY.as_secs()) <= expected.now {
        return Err(IdTokenError::Expired);
    }
    let issued_at = claims.iat.as_ref().and_then(seconds).unwrap_or(expected.now);
    Ok(Identity { subject: claims.sub, life: expires_at.saturating_sub(issued_at) })
}

/// `sub`, of an id token that was checked when it came.
pub fn subject(token: &Secret) -> Option<String> {
    read(token).ok().map(|claims| claims.sub)
}

/// `iss`, of an id token that nobody has checked.
pub fn issuer(token: &Secret) -> Option<String> {
    read(token).ok().map(|claims| claims.iss)
}

fn read(token: &Secret) -> Result<Claims, IdTokenError> {
    let mut parts = token.expose().split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(IdTokenError::Unreadable);
    };
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
    let claims = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    claims.ok_or(IdTokenError::Unreadable)
}

/// A NumericDate may have a fraction (RFC 7519, section 2).
fn seconds(number: &serde_json::Number) -> Option<u64> {
    let whole = || number.as_f64().filter(|value| *value >= 0.0).map(|value| value as u64);
    number.as_u64().or_else(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn token(claims: &Value) -> Secret {
        Secret::new(format!("e30.{}.fake", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    fn claims() -> Value {
        json!({ "iss": "https://idp.example", "sub": "me", "aud": "at-idp", "exp": NOW + 300, "iat": NOW,
            "nonce": "fake-nonce" })
    }

    fn checked(change: &Value) -> Result<Identity, IdTokenError> {
        again(change, None)
    }

    fn again(change: &Value, subject: Option<&str>) -> Result<Identity, IdTokenError> {
        let mut claims = claims();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        if let Some(members) = claims.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        let nonce = Some("fake-nonce");
        let issuer = "https://idp.example";
        let expected = Expected { issuer, client_id: "at-idp", nonce, subject, now: NOW };
        check(Some(&token(&claims)), &expected)
    }

    #[test]
    fn one_that_is_meant_for_us() {
        for change in [
            json!({}),
            json!({ "aud": ["at-idp"] }),
            json!({ "aud": ["other", "at-idp"], "azp": "at-idp" }),
            // A clock that is a little ahead.
            json!({ "exp": NOW - 10, "iat": NOW - 310 }),
            json!({ "exp": NOW as f64 + 300.5 }),
        ] {
            let identity = checked(&change).unwrap();
            assert_eq!((identity.subject.as_str(), identity.life), ("me", 300), "{change}");
        }
        assert_eq!(again(&json!({ "nonce": null }), Some("me")).unwrap().subject, "me");
    }

    #[test]
    fn others_are_refused() {
        for (change, error) in [
            (json!({ "iss": "https://idp.example/" }), IdTokenError::Issuer),
            (json!({ "aud": "other" }), IdTokenError::Audience),
            (json!({ "aud": [] }), IdTokenError::Audience),
            (json!({ "aud": ["at-idp", "other"] }), IdTokenError::Audience),
            (json!({ "azp": "other" }), IdTokenError::Audience),
            (json!({ "nonce": "another" }), IdTokenError::Nonce),
            (json!({ "nonce": null }), IdTokenError::Nonce),
            (json!({ "exp": NOW - 3600 }), IdTokenError::Expired),
            (json!({ "exp": -1 }), IdTokenError::Unreadable),
            (json!({ "exp": null }), IdTokenError::Unreadable),
            (json!({ "sub": 1 }), IdTokenError::Unreadable),
        ] {
            assert_eq!(checked(&change), Err(error), "{change}");
        }
        assert_eq!(again(&json!({}), Some("you")), Err(IdTokenError::Subject));
        assert_eq!(again(&json!({ "nonce": "another" }), Some("me")), Err(IdTokenError::Nonce));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "[a-zA-Z0-9_.=-]{0,80}", claims in "[ -~]{0,60}") {
            let expected = Expected { issuer: "", client_id: "", nonce: None, subject: None, now: NOW };
            let _ = check(Some(&Secret::new(text)), &expected);
            let made = format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
            let _ = check(Some(&Secret::new(made)), &expected);
        }
    }
}
