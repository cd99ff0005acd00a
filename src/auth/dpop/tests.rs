use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn nonce(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NONCE, http::HeaderValue::from_str(value).unwrap());
    headers
}

/// Header and claims of a proof whose signature was verified with the key that it names.
fn verified(proof: &Secret) -> (Value, Value) {
    let (signed, signature) = proof.expose().rsplit_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let parts: Vec<Value> =
        signed.split('.').map(|part| serde_json::from_slice(&decode(part)).unwrap()).collect();
    let jwk = &parts[0]["jwk"];
    let point = [vec![4], decode(jwk["x"].as_str().unwrap()), decode(jwk["y"].as_str().unwrap())];
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.concat())
        .verify(signed.as_bytes(), &decode(signature))
        .unwrap();
    (parts[0].clone(), parts[1].clone())
}

#[test]
fn what_a_proof_says() {
    let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    let server = url("https://u:p@H.example:443/a%20b/mcp?key=1#f");
    let claims =
        Claims { method: &Method::GET, url: &server, jti: "j", iat: 7, nonce: None, ath: None };
    let (head, said) = verified(&proof(&key, &claims).unwrap());
    let wanted = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": key.jwk() });
    assert_eq!(head, wanted, "and nothing of the private key");
    assert!(proof(&key, &claims).unwrap().expose().starts_with(super::head(&key).expose()));
    let htu = "https://h.example/a%20b/mcp";
    assert_eq!(said, json!({ "jti": "j", "htm": "GET", "htu": htu, "iat": 7 }));
    let claims = Claims { nonce: Some("n"), ath: Some("h"), ..claims };
    let (_, said) = verified(&proof(&key, &claims).unwrap());
    assert_eq!((&said["nonce"], &said["ath"]), (&json!("n"), &json!("h")));
}

#[test]
fn the_hash_of_a_token_is_that_of_the_specification() {
    // RFC 9449, section 7.1.
    let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".into());
    assert_eq!(token_hash(&token), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

#[test]
fn nonces_are_of_origins_and_bounded() {
    let nonces = Nonces::default();
    let (one, other) = (url("https://a.example/x"), url("https://a.example:444/x"));
    assert!(nonces.learn(&one, &nonce("first")) && nonces.learn(&one, &nonce("second")));
    assert_eq!(nonces.of(&url("https://a.example/y?z")).as_deref(), Some("second"));
    assert_eq!(nonces.of(&other), None);
    let long = "x".repeat(MAX_DPOP_NONCE + 1);
    for bad in ["", "a b", "a\"b", "a\\b", "\u{e4}", &long] {
        assert!(!nonces.learn(&one, &nonce(bad)), "{bad}");
    }
    assert!(!nonces.learn(&one, &HeaderMap::new()));
    assert_eq!(nonces.of(&one).as_deref(), Some("second"));
    for port in 1..=MAX_DPOP_ORIGINS {
        assert!(nonces.learn(&url(&format!("http://localhost:{port}/")), &nonce("n")));
    }
    assert_eq!(nonces.of(&one), None, "the oldest gave way");
    assert_eq!(nonces.0.lock().unwrap().len(), MAX_DPOP_ORIGINS);
}

#[test]
fn clocks_that_differ() {
    let mut headers = HeaderMap::new();
    assert_eq!(clock_ahead(&headers, 1_000_000_000), 0);
    let date = http::HeaderValue::from_static("Sun, 09 Sep 2001 01:46:40 GMT");
    headers.insert(header::DATE, date);
    for (now, said) in [
        (1_000_000_000, None),
        (1_000_000_010, None),
        (1_000_000_400, Some("400 s ahead of")),
        (999_999_600, Some("400 s behind")),
    ] {
        let told = clock_trouble(clock_ahead(&headers, now));
        assert_eq!(told.is_some(), said.is_some(), "{told:?}");
        assert!(told.unwrap_or_default().contains(said.unwrap_or_default()));
    }
    headers.insert(header::DATE, http::HeaderValue::from_static("yesterday"));
    assert_eq!(clock_ahead(&headers, 1), 0);
}
