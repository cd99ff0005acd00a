//! What a request is sent with.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::prover::Prover;
use crate::error::Failure;
use crate::http::Sign;

/// What a request is sent with: the same for every one, or with a proof of its own (DPoP).
#[derive(Clone)]
pub struct Credential {
    pub(super) header: HeaderValue,
    pub(super) generation: u64,
    pub(super) renewed: bool,
    pub(super) prover: Option<Arc<Prover>>,
}

impl Credential {
    /// What gives requests their header fields.
    pub fn signer(&self) -> &dyn Sign {
        self
    }

    /// Whether this process has another token than the one it began with.
    pub fn is_renewed(&self) -> bool {
        self.renewed
    }

    /// Whether requests carry a proof.
    pub(super) fn proves(&self) -> bool {
        self.prover.is_some()
    }

    /// What is wrong with the clock of this machine, if a proof was refused and that may be why.
    pub(super) fn clock(&self) -> Option<String> {
        self.prover.as_ref()?.clock()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential {}", self.generation)
    }
}

impl Sign for Credential {
    fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), Failure> {
        headers.insert(AUTHORIZATION, self.header.clone());
        match &self.prover {
            Some(prover) => prover.sign(method, url, headers, body),
            None => Ok(()),
        }
    }

    fn heard(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
        self.prover.as_ref().is_some_and(|prover| prover.heard(url, status, headers))
    }
}
