//! Proving who we are with a key: `private_key_jwt` (RFC 7523, section 2.2).

use serde_json::Map;

use crate::auth::held::now;
use crate::auth::jws::{Algorithm, KeyError, SigningKey};
use crate::json;
use crate::limits::CLIENT_ASSERTION_LIFE;
use crate::secret::Secret;

/// An assertion for one request: of a client, for the authorization server with this issuer
/// identifier. `listed` are the algorithms that it names.
pub(super) fn sign(
    key: &Secret,
    wanted: Option<Algorithm>,
    listed: Option<&[String]>,
    client_id: &str,
    audience: &str,
) -> Result<Secret, KeyError> {
    let key = signing_key(key, wanted, listed)?;
    let now = now();
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": oauth2::CsrfToken::new_random_len(32).secret(),
        "iat": now,
        "exp": now.saturating_add(CLIENT_ASSERTION_LIFE.as_secs()),
    });
    let mut header = Map::new();
    header.insert("typ".into(), "JWT".into());
    key.sign(header, &claims)
}

/// The key, for the algorithm that it is commonly used with, unless the server names others only.
fn signing_key(
    pem: &Secret,
    wanted: Option<Algorithm>,
    listed: Option<&[String]>,
) -> Result<SigningKey, KeyError> {
    let key = SigningKey::from_pem(pem, wanted)?;
    let (None, Some(listed)) = (wanted, listed) else { return Ok(key) };
    if listed.iter().any(|name| name == key.algorithm().name()) {
        return Ok(key);
    }
    let others = listed.iter().filter_map(|name| Algorithm::named(name));
    let fitting = others.filter_map(|other| SigningKey::from_pem(pem, Some(other)).ok()).next();
    Ok(fitting.unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;

    use super::*;

    fn part(token: &Secret, at: usize) -> Value {
        let part = token.expose().split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn what_it_says() {
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let pem = Secret::new(pem.serialize_pem());
        // An issuer is not a URL to be tidied up.
        let issuer = "https://as.example:443/tenant/";
        let one = sign(&pem, None, None, "me", issuer).unwrap();
        let two = sign(&pem, None, Some(&["RS256".into()]), "me", issuer).unwrap();
        assert_eq!(part(&one, 0), json!({ "alg": "ES256", "typ": "JWT" }));
        let claims = part(&one, 1);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("me"), &json!("me")));
        assert_eq!(claims["aud"], issuer);
        let (issued, expires) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert_eq!(expires - issued, CLIENT_ASSERTION_LIFE.as_secs());
        assert!(claims["jti"].as_str().unwrap().len() >= 32);
        assert_ne!(claims["jti"], part(&two, 1)["jti"]);
        // It has no other key, and the server may know better than its metadata.
        assert_eq!(part(&two, 0)["alg"], "ES256");
        assert!(sign(&pem, Some(Algorithm::Ps256), None, "me", issuer).is_err());
    }
}
