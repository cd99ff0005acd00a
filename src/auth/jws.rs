//! Signing JSON Web Tokens (RFC 7515, RFC 7519), for `private_key_jwt` (RFC 7523) and DPoP (RFC 9449).
//!
//! Only signing: nothing here checks a token of somebody else's. The cryptography is that of `ring`,
//! which TLS uses anyway.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::json;
use crate::secret::Secret;

/// How a token is signed (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 padding and SHA-256.
    Rs256,
    /// RSA with PSS padding and SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] =
        [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa];

    /// The value of `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no private key in PEM.
    #[error("it holds no private key in PEM")]
    NoKey,
    /// The key is encrypted.
    #[error("the key is encrypted; decrypt it first, for example with `openssl pkey`")]
    Encrypted,
    /// A form that cannot be read.
    #[error("the key cannot be used ({0}); convert it with `openssl pkcs8 -topk8 -nocrypt`")]
    Unusable(String),
    /// RSA keys do not sign with ES256, and so on.
    #[error("{alg} needs {needs}, and this is {is}")]
    Mismatch {
        /// What was asked for.
        alg: &'static str,
        /// Which key it takes.
        needs: &'static str,
        /// What the key is.
        is: &'static str,
    },
    /// The system gives no randomness.
    #[error("the operating system gave no randomness")]
    NoRandomness,
}

enum Pair {
    Rsa(Box<rsa::KeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A private key and what it signs with.
pub struct SigningKey {
    pair: Pair,
    algorithm: Algorithm,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey {}", self.algorithm.name())
    }
}

impl SigningKey {
    /// The first private key in a PEM text: PKCS #8, or PKCS #1 for RSA. Without `wanted` it signs with
    /// what its kind is commonly used with (RS256 for RSA).
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_pem(pem: &Secret, wanted: Option<Algorithm>) -> Result<SigningKey, KeyError> {
        if pem.expose().contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let key =
            PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| KeyError::NoKey)?;
        let unusable = |error: ring::error::KeyRejected| KeyError::Unusable(error.to_string());
        let pair = match &key {
            PrivateKeyDer::Pkcs1(der) => Pair::Rsa(Box::new(
                rsa::KeyPair::from_der(der.secret_pkcs1_der()).map_err(unusable)?,
            )),
            PrivateKeyDer::Pkcs8(der) => SigningKey::pair(der.secret_pkcs8_der())?,
            _ => return Err(KeyError::Unusable("it is neither PKCS #8 nor PKCS #1".into())),
        };
        SigningKey::new(pair, wanted)
    }

    /// A key in PKCS #8 (RFC 5208), as [`SigningKey::generate`] gives it.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_pkcs8(der: &[u8]) -> Result<SigningKey, KeyError> {
        SigningKey::new(SigningKey::pair(der)?, None)
    }

    /// A new key for ES256, in PKCS #8.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Vec<u8>, KeyError> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| KeyError::NoRandomness)
    }

    fn pair(der: &[u8]) -> Result<Pair, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Pair::Ed25519(Box::new(pair)));
        }
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random) {
            return Ok(Pair::P256(Box::new(pair)));
        }
        rsa::KeyPair::from_pkcs8(der)
            .map(|pair| Pair::Rsa(Box::new(pair)))
            .map_err(|error| KeyError::Unusable(error.to_string()))
    }

    fn new(pair: Pair, wanted: Option<Algorithm>) -> Result<SigningKey, KeyError> {
        let (usual, is) = match pair {
            Pair::Rsa(_) => (Algorithm::Rs256, "an RSA key"),
            Pair::P256(_) => (Algorithm::Es256, "a key on P-256"),
            Pair::Ed25519(_) => (Algorithm::EdDsa, "an Ed25519 key"),
        };
        let algorithm = wanted.unwrap_or(usual);
        let fits =
            algorithm == usual || (algorithm == Algorithm::Ps256 && usual == Algorithm::Rs256);
        if !fits {
            let needs = match algorithm {
                Algorithm::Rs256 | Algorithm::Ps256 => "an RSA key",
                Algorithm::Es256 => "a key on P-256",
                Algorithm::EdDsa => "an Ed25519 key",
            };
            return Err(KeyError::Mismatch { alg: algorithm.name(), needs, is });
        }
        Ok(SigningKey { pair, algorithm })
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// A signed token in compact form (RFC 7515, section 7.1). `alg` is added to `header`.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn sign(&self, header: Map<String, Value>, claims: &Value) -> Result<Secret, KeyError> {
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let mut token = format!("{}.{claims}", self.head(header));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(Secret::new(token))
    }

    /// The first part of such a token.
    pub fn head(&self, mut header: Map<String, Value>) -> String {
        header.insert("alg".into(), self.algorithm.name().into());
        URL_SAFE_NO_PAD.encode(Value::from(header).to_string())
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::NoRandomness),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding: &dyn ring::signature::RsaEncoding = match self.algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(padding, &random, message, &mut signature)
                    .map_err(|_| KeyError::NoRandomness)?;
                Ok(signature)
            }
        }
    }

    /// The public key as a JWK (RFC 7517) of the members that identify it, and only those.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Ed25519(pair) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref()) })
            }
            Pair::P256(pair) => {
                // An uncompressed point: 4, then both coordinates (SEC 1, section 2.3.3).
                let point = pair.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y })
            }
            Pair::Rsa(pair) => {
                let components: rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({ "e": encode(&components.e), "kty": "RSA", "n": encode(&components.n) })
            }
        }
    }

    /// The JWK thumbprint (RFC 7638).
    pub fn thumbprint(&self) -> String {
        // `serde_json` writes members in the order of their names, as the RFC demands.
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.jwk().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn decoded(part: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    #[test]
    fn a_generated_key_signs_what_its_public_half_verifies() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Es256);
        let mut header = Map::new();
        header.insert("typ".into(), "dpop+jwt".into());
        let token = key.sign(header, &json!({ "htm": "POST" })).unwrap();
        let parts: Vec<&str> = token.expose().split('.').collect();
        let [head, claims, signature] = parts[..] else { panic!("three parts") };
        assert_eq!(decoded(head), br#"{"alg":"ES256","typ":"dpop+jwt"}"#);
        assert_eq!(decoded(claims), br#"{"htm":"POST"}"#);
        let jwk = key.jwk();
        let mut point = vec![4];
        point.extend(decoded(jwk["x"].as_str().unwrap()));
        point.extend(decoded(jwk["y"].as_str().unwrap()));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(format!("{head}.{claims}").as_bytes(), &decoded(signature))
            .unwrap();
        // The order of RFC 7638, section 3.
        assert!(jwk.to_string().starts_with("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":"));
        assert_eq!(decoded(&key.thumbprint()).len(), 32);
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        let read = |pem: &str| SigningKey::from_pem(&Secret::new(pem.into()), None).unwrap_err();
        assert_eq!(read("fake-secret"), KeyError::NoKey);
        assert_eq!(read("-----BEGIN ENCRYPTED PRIVATE KEY-----"), KeyError::Encrypted);
        let broken = "-----BEGIN PRIVATE KEY-----\nZmFrZQ==\n-----END PRIVATE KEY-----\n";
        assert!(matches!(read(broken), KeyError::Unusable(_)));
    }

    #[test]
    fn every_kind_of_key_signs_with_its_algorithms_only() {
        for (algorithm, kind) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::Es256),
            (&rcgen::PKCS_ED25519, Algorithm::EdDsa),
        ] {
            let pem = Secret::new(rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_pem());
            assert_eq!(SigningKey::from_pem(&pem, None).unwrap().algorithm(), kind);
            for wanted in Algorithm::ALL {
                let key = SigningKey::from_pem(&pem, Some(wanted));
                assert_eq!(key.is_ok(), wanted == kind, "{wanted:?}");
            }
        }
    }
}
