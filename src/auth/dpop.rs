//! Proofs that whoever sends a token has its key (RFC 9449, DPoP), pure: the key, the time and
//! everything else is given. `prover` gives it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, Method, header};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::jws::{KeyError, SigningKey};
use crate::json;
use crate::limits::{DPOP_CLOCK_SKEW, MAX_DPOP_NONCE, MAX_DPOP_ORIGINS};
use crate::secret::Secret;

/// Carries a proof.
pub const PROOF: HeaderName = HeaderName::from_static("dpop");
/// Carries what the next proof must contain.
pub const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A proof lacks the nonce that the server wants.
pub const USE_NONCE: &str = "use_dpop_nonce";
/// A proof is not accepted.
pub const INVALID_PROOF: &str = "invalid_dpop_proof";

/// What a proof says (section 4.2).
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// Where it goes; query and fragment do not count.
    pub url: &'a Url,
    /// Never used before.
    pub jti: &'a str,
    /// Now, in Unix seconds.
    pub iat: u64,
    /// What the server wants to see.
    pub nonce: Option<&'a str>,
    /// The hash of the access token that goes with it, as [`token_hash`] gives it.
    pub ath: Option<&'a str>,
}

/// A signed proof.
///
/// # Errors
/// [`KeyError::NoRandomness`].
pub fn proof(key: &SigningKey, claims: &Claims<'_>) -> Result<Secret, KeyError> {
    // Without user and password, which are nobody else's business.
    let htu = format!("{}{}", claims.url.origin().ascii_serialization(), claims.url.path());
    let mut said = json!({
        "jti": claims.jti, "htm": claims.method.as_str(), "htu": htu, "iat": claims.iat,
    });
    for (name, value) in [("nonce", claims.nonce), ("ath", claims.ath)] {
        if let Some(value) = value {
            said[name] = value.into();
        }
    }
    key.sign(members(key), &said)
}

/// How every proof with this key begins: its first part.
pub fn head(key: &SigningKey) -> Secret {
    Secret::new(key.head(members(key)))
}

/// What the header says (section 4.2), but for `alg`.
fn members(key: &SigningKey) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("typ".into(), "dpop+jwt".into());
    head.insert("jwk".into(), key.jwk());
    head
}

/// The value of `ath` for an access token.
pub fn token_hash(token: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.expose()))
}

/// The nonces that servers want to see, the last of each origin.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<VecDeque<(String, String)>>);

impl Nonces {
    /// What the server at `url` wants to see.
    pub fn of(&self, url: &Url) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(known, _)| *known == origin).map(|(_, nonce)| nonce.clone())
    }

    /// Takes down the nonce in a response from `url`. Whether there was one that can be used: it has
    /// the characters of section 8.1, and at most [`MAX_DPOP_NONCE`] of them.
    pub fn learn(&self, url: &Url, headers: &HeaderMap) -> bool {
        let nonce = headers.get(NONCE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if nonce.is_empty() || nonce.len() > MAX_DPOP_NONCE || !nonce.bytes().all(fits) {
            return false;
        }
        let origin = url.origin().ascii_serialization();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, last)) if last == nonce => {}
            Some((_, last)) => nonce.clone_into(last),
            None => {
                if known.len() == MAX_DPOP_ORIGINS {
                    known.pop_front();
                }
                known.push_back((origin, nonce.to_owned()));
            }
        }
        true
    }
}

/// Seconds by which this machine's clock is ahead of a response's `Date`; 0 without one.
pub fn clock_ahead(headers: &HeaderMap, now: u64) -> i64 {
    let date = headers.get(header::DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(theirs) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else { return 0 };
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    seconds(now).saturating_sub(seconds(theirs.as_secs()))
}

/// In words, if it is more than [`DPOP_CLOCK_SKEW`].
pub fn clock_trouble(ahead: i64) -> Option<String> {
    let off = ahead.unsigned_abs();
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    (off > DPOP_CLOCK_SKEW.as_secs())
        .then(|| format!("the clock of this machine is {off} s {way} the server's; set it right"))
}

#[cfg(test)]
mod tests;
