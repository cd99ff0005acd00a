//! Looking at proofs of possession (RFC 9449) as a strict server does: what is wrong with one is a
//! breach, what it may lack yet is a refusal.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::Request;

/// How the servers of a realm deal with proofs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proofs {
    /// The authorization server binds tokens to keys.
    pub binds: bool,
    /// The MCP server knows of proofs, and refuses a bound token without one.
    pub demands: bool,
    /// The nonce that the authorization server wants to see.
    pub token_nonce: Option<&'static str>,
    /// The nonce that the MCP server wants to see.
    pub resource_nonce: Option<&'static str>,
}

/// What is known of keys.
#[derive(Default)]
pub struct Keys {
    /// The thumbprint that a token is bound to.
    pub of: HashMap<String, String>,
    /// What was seen in proofs, for the test.
    pub claims: Vec<Value>,
    used: HashSet<String>,
}

/// Why a proof is refused, without being wrong.
pub enum Lack {
    /// There is none.
    Proof,
    /// The nonce.
    Nonce,
}

impl Keys {
    /// The thumbprint of the key in a good proof for this request to `url` with `token`.
    ///
    /// # Panics
    /// If there is anything wrong with it.
    pub fn check(
        &mut self,
        request: &Request,
        url: &str,
        token: Option<&str>,
        nonce: Option<&str>,
    ) -> Result<String, Lack> {
        let mut fields = request.headers.get_all("dpop").iter();
        let Some(proof) = fields.next() else { return Err(Lack::Proof) };
        assert!(fields.next().is_none(), "two proofs");
        let (jkt, claims) = verify(proof.to_str().unwrap());
        assert_eq!(claims["htm"], request.http.as_str(), "{claims}");
        assert_eq!(claims["htu"], url, "{claims}");
        let hash = |token: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(token));
        assert_eq!(claims.get("ath").and_then(Value::as_str), token.map(hash).as_deref());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs().abs_diff(claims["iat"].as_u64().unwrap());
        assert!(age < 120, "{claims}");
        let jti = claims["jti"].as_str().unwrap().to_owned();
        assert!(jti.len() >= 16 && self.used.insert(jti), "used before: {claims}");
        let seen = claims.get("nonce").and_then(Value::as_str).map(str::to_owned);
        self.claims.push(claims);
        if nonce.is_some() && seen.as_deref() != nonce {
            return Err(Lack::Nonce);
        }
        Ok(jkt)
    }
}

/// The thumbprint of the key and the claims of a proof that is signed well.
fn verify(proof: &str) -> (String, Value) {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let (signed, signature) = proof.rsplit_once('.').expect("a signature");
    let (head, claims) = signed.split_once('.').expect("two parts");
    let head: Value = serde_json::from_slice(&decode(head)).unwrap();
    let jwk = &head["jwk"];
    let members = json!({ "crv": "P-256", "kty": "EC", "x": jwk["x"], "y": jwk["y"] });
    assert_eq!(head, json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": members }));
    let point =
        [vec![4], decode(jwk["x"].as_str().unwrap()), decode(jwk["y"].as_str().unwrap())].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &decode(signature))
        .expect("the signature is good");
    let jkt = URL_SAFE_NO_PAD.encode(Sha256::digest(members.to_string()));
    (jkt, serde_json::from_slice(&decode(claims)).unwrap())
}
