//! Making proofs (RFC 9449) with the key of a record: [`super::dpop`] with the clock of this machine,
//! randomness, and what servers have said.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ring::rand::{SecureRandom as _, SystemRandom};
use url::Url;

use super::answer::Refused;
use super::authorizer::Authorizer;
use super::challenge::{self, Challenge};
use super::credential::Credential;
use super::dpop::{self, Claims, Nonces};
use super::error::AuthError;
use super::held::now;
use super::jws::{KeyError, SigningKey};
use super::metadata::{ResourceProofs, ServerMetadata};
use super::settings::Dpop;
use super::token::Proof;
use crate::error::{Failure, FailureKind};
use crate::http::Sign;
use crate::secret::Secret;
use crate::store::Binding;

/// Makes proofs with the key of one record.
pub struct Prover {
    key: SigningKey,
    nonces: Arc<Nonces>,
    /// Of the access token that the proofs go with; none at a token endpoint.
    ath: Option<String>,
    /// The server has let a request pass.
    accepted: AtomicBool,
    /// Seconds by which this machine's clock was ahead when a proof was refused.
    ahead: AtomicI64,
    /// A token endpoint has named a nonce.
    renonced: AtomicBool,
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prover with {:?}", self.key)
    }
}

impl Prover {
    /// With a key as [`new_key`] gives it, for a token endpoint or for `token`.
    ///
    /// # Errors
    /// If the key is damaged.
    pub fn new(
        key: &Secret,
        nonces: &Arc<Nonces>,
        token: Option<&Secret>,
    ) -> Result<Prover, KeyError> {
        let der = URL_SAFE_NO_PAD.decode(key.expose()).map_err(|_| KeyError::NoKey)?;
        let key = SigningKey::from_pkcs8(&der)?;
        Ok(Prover {
            key,
            nonces: nonces.clone(),
            ath: token.map(dpop::token_hash),
            accepted: AtomicBool::new(false),
            ahead: AtomicI64::new(0),
            renonced: AtomicBool::new(false),
        })
    }

    /// The JWK thumbprint of the key (`dpop_jkt`, RFC 9449, section 10).
    pub fn thumbprint(&self) -> String {
        self.key.thumbprint()
    }

    /// Whether a token endpoint has named a nonce since this was last asked.
    pub fn takes_nonce(&self) -> bool {
        self.renonced.swap(false, Relaxed)
    }

    /// Whether a request with such a proof was let pass.
    pub fn is_accepted(&self) -> bool {
        self.accepted.load(Relaxed)
    }

    /// What is wrong with the clock of this machine, if a proof was refused and that may be why.
    pub fn clock(&self) -> Option<String> {
        dpop::clock_trouble(self.ahead.load(Relaxed))
    }

    /// How every proof begins.
    pub fn head(&self) -> Secret {
        dpop::head(&self.key)
    }

    fn field(&self, method: &Method, url: &Url) -> Result<HeaderValue, KeyError> {
        let mut jti = [0; 16];
        SystemRandom::new().fill(&mut jti).map_err(|_| KeyError::NoRandomness)?;
        let nonce = self.nonces.of(url);
        let proof = dpop::proof(
            &self.key,
            &Claims {
                method,
                url,
                jti: &URL_SAFE_NO_PAD.encode(jti),
                iat: now(),
                nonce: nonce.as_deref(),
                ath: self.ath.as_deref(),
            },
        )?;
        // Base64 and dots are always a header value.
        let mut field =
            HeaderValue::try_from(proof.expose()).unwrap_or(HeaderValue::from_static(""));
        field.set_sensitive(true);
        Ok(field)
    }
}

impl Sign for Prover {
    fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        _: &[u8],
    ) -> Result<(), Failure> {
        let field = self.field(method, url);
        let field =
            field.map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
        headers.insert(dpop::PROOF, field);
        Ok(())
    }

    /// At a token endpoint the body has to be read before it is known what a refusal means: then
    /// only the nonce is taken down here.
    fn heard(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
        let learnt = self.nonces.learn(url, headers);
        if self.ath.is_none() {
            self.renonced.store(learnt, Relaxed);
            return false;
        }
        if status.is_success() {
            self.accepted.store(true, Relaxed);
        }
        if status != StatusCode::UNAUTHORIZED {
            return false;
        }
        let fields = headers.get_all(header::WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        match challenge::parse(fields).dpop_error.as_deref() {
            Some(dpop::USE_NONCE) => learnt,
            Some(dpop::INVALID_PROOF) => {
                self.ahead.store(dpop::clock_ahead(headers, now()), Relaxed);
                false
            }
            _ => false,
        }
    }
}

/// A new key, as it is kept.
///
/// # Errors
/// [`KeyError::NoRandomness`].
pub fn new_key() -> Result<Secret, KeyError> {
    SigningKey::generate().map(|der| Secret::new(URL_SAFE_NO_PAD.encode(der)))
}

/// What decides whether tokens are bound to a key.
#[derive(Clone, Copy, Debug)]
pub struct Reasons<'a> {
    /// `--dpop`.
    pub setting: Dpop,
    /// What the MCP server has last asked for.
    pub challenge: &'a Challenge,
    /// The authorization server; none without metadata.
    pub metadata: Option<&'a ServerMetadata>,
    /// What the metadata of the MCP server says.
    pub resource: ResourceProofs,
    /// The MCP server has accepted proofs already, whatever its challenge says.
    pub proven: bool,
}

/// The key for a sign-in, if it is to be bound to one.
///
/// # Errors
/// [`KeyError::NoRandomness`].
pub fn binding(reasons: &Reasons<'_>) -> Result<Option<Binding>, KeyError> {
    let Reasons { setting, challenge, metadata, resource, proven } = *reasons;
    let offered = metadata.is_some_and(ServerMetadata::takes_proofs);
    let demanded = challenge.dpop || resource != ResourceProofs::Unknown || proven;
    let wanted = match setting {
        Dpop::Never => false,
        Dpop::Always => true,
        Dpop::Auto => demanded || offered,
    };
    if !wanted {
        return Ok(None);
    }
    // Who asks for a Bearer token alone may know no other (section 7.2).
    let bearer = setting == Dpop::Auto && challenge.bearer && !demanded;
    Ok(Some(Binding { key: new_key()?, bound: false, bearer }))
}

impl Authorizer {
    /// What proves to a token endpoint that we have the key of a record, if it has one.
    ///
    /// # Errors
    /// If the key is damaged.
    pub(super) fn prover(&self, binding: Option<&Binding>) -> Result<Option<Prover>, KeyError> {
        let Some(binding) = binding else { return Ok(None) };
        self.redactor.learn(binding.key.clone());
        let prover = Prover::new(&binding.key, &self.token_nonces, None)?;
        self.redactor.learn_jwt_head(prover.head());
        Ok(Some(prover))
    }

    /// What is asked of a token endpoint with that.
    pub(super) fn proof<'a>(&self, prover: &'a Prover) -> Proof<'a> {
        Proof { prover, insists: self.settings.dpop == Dpop::Always }
    }

    /// Refusals of a proof that no other token would mend.
    pub(super) fn check_proof(
        &self,
        refused: &Refused,
        used: &Credential,
    ) -> Result<(), AuthError> {
        match refused.challenge.dpop_error.as_deref() {
            Some(dpop::USE_NONCE) if used.proves() => {
                Err(AuthError::NonceAgain { host: self.host() })
            }
            Some(dpop::INVALID_PROOF) => match used.clock() {
                Some(trouble) => Err(AuthError::Clock { host: self.host(), trouble }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
