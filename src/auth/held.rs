//! The record in memory, so that a request costs no look into the store.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::challenge::Challenge;
use super::credential::Credential;
use super::dpop::Nonces;
use super::prover::Prover;
use crate::clock;
use crate::limits::{REFRESH_MARGIN, REFRESH_PAUSE};
use crate::secret::Secret;
use crate::store::{Stamp, TokenRecord};

/// What this process knows.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Whether the store has been asked.
    pub loaded: bool,
    /// The state of the store when it was last read.
    pub stamp: Option<Stamp>,
    /// Counts the records held; 0 before the first.
    pub generation: u64,
    /// `Authorization`.
    pub header: Option<HeaderValue>,
    /// What the MCP server wants to see in proofs.
    nonces: Arc<Nonces>,
    /// For a token that is sent with a proof.
    prover: Option<Arc<Prover>>,
    /// Interactive step-ups so far: what was asked for, and when.
    pub step_ups: Vec<(String, Instant)>,
    record: Option<TokenRecord>,
    /// There was another token before.
    renewed: bool,
    /// The way in which tokens that are bound to the key of the record are sent was changed here.
    switched: bool,
    refresh_failed: Option<Instant>,
}

impl Held {
    /// Uses a record from now on.
    pub fn hold(&mut self, mut record: TokenRecord, use_id_token: bool) {
        self.switched &= self.keep_switch(&mut record);
        let before = self.record.as_ref().map(|before| &before.access_token);
        self.renewed |= before.is_some_and(|before| *before != record.access_token);
        let token = match &record.id_token {
            Some(id_token) if use_id_token => id_token,
            _ => &record.access_token,
        };
        let binding = record.dpop.as_ref();
        let binding = binding.filter(|binding| binding.bound && !binding.bearer && !use_id_token);
        let prover = binding.map(|binding| Prover::new(&binding.key, &self.nonces, Some(token)));
        self.header = match &prover {
            None => header("Bearer", token),
            Some(Ok(_)) => header("DPoP", token),
            Some(Err(error)) => {
                log::warn!("the stored key of the access token cannot be used: {error}");
                None
            }
        };
        self.prover = prover.and_then(Result::ok).map(Arc::new);
        self.record = Some(record);
        self.refresh_failed = None;
        self.generation += 1;
        self.loaded = true;
    }

    /// What to send.
    pub fn credential(&self) -> Option<Credential> {
        let header = self.header.clone()?;
        let (generation, renewed) = (self.generation, self.renewed);
        Some(Credential { header, generation, renewed, prover: self.prover.clone() })
    }

    /// What makes proofs for the token that is held.
    pub fn prover(&self) -> Option<&Prover> {
        self.prover.as_deref()
    }

    /// Another record with the key of the one held is sent as that was, if it was not sent as the
    /// record says. `false` for one without that key.
    pub fn keep_switch(&self, other: &mut TokenRecord) -> bool {
        let (Some(mine), Some(theirs)) =
            (self.record.as_ref().and_then(|record| record.dpop.as_ref()), other.dpop.as_mut())
        else {
            return false;
        };
        let same = mine.key == theirs.key;
        if same && self.switched {
            theirs.bearer = mine.bearer;
        }
        same
    }

    /// Whether the server has accepted proofs.
    pub fn has_proven(&self) -> bool {
        self.prover.as_ref().is_some_and(|prover| prover.is_accepted())
    }

    /// Sends a token that is bound to a key in the other way from now on, if that is what `challenge`
    /// asks for: a server that knows only `Bearer` takes it so as well (RFC 9449, section 7.2).
    pub fn switch(&mut self, challenge: &Challenge) -> bool {
        let Some(mut record) = self.record.clone() else { return false };
        let Some(binding) = record.dpop.as_mut().filter(|binding| binding.bound) else {
            return false;
        };
        let bearer = match &self.prover {
            Some(prover) if challenge.bearer && !challenge.dpop => !prover.is_accepted(),
            None if challenge.dpop => false,
            _ => return false,
        };
        if binding.bearer == bearer {
            return false;
        }
        binding.bearer = bearer;
        // Otherwise what is held would decide.
        self.switched = false;
        self.hold(record, false);
        self.switched = true;
        true
    }

    /// There is nothing to be used any more.
    pub fn drop_record(&mut self) {
        if self.record.take().is_some() {
            self.generation += 1;
            self.renewed = true;
        }
        self.header = None;
        self.prover = None;
    }

    /// The record, to work with while it may be replaced.
    pub fn record(&self) -> Option<TokenRecord> {
        self.record.clone()
    }

    /// Whether the access token should be refreshed before it is used, and can be.
    pub fn refresh_is_due(&self) -> bool {
        self.record.as_ref().is_some_and(|record| {
            record.refresh_token.is_some() && is_due(record, now()) && !self.refresh_is_paused()
        })
    }

    /// Whether a token that needs nobody should be obtained anew before the one held is used.
    pub fn renewal_is_due(&self) -> bool {
        self.record
            .as_ref()
            .is_some_and(|record| is_due(record, now()) && !self.refresh_is_paused())
    }

    /// Whether the time of the record is nearly up.
    pub fn is_due(&self) -> bool {
        self.record.as_ref().is_some_and(|record| is_due(record, now()))
    }

    /// A refresh failed.
    pub fn refresh_failed(&mut self) {
        self.refresh_failed = Some(Instant::now());
    }

    /// Whether one failed just now.
    pub fn refresh_is_paused(&self) -> bool {
        self.refresh_failed.is_some_and(|at| at.elapsed() < REFRESH_PAUSE)
    }
}

/// `Authorization` with a token. One that cannot be a header value cannot have been meant for one.
fn header(scheme: &str, token: &Secret) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("{scheme} {}", token.expose())).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Unix time in seconds.
pub(super) fn now() -> u64 {
    clock::unix()
}

/// Whether a record's access token has expired.
pub(super) fn is_expired(record: &TokenRecord, now: u64) -> bool {
    record.expires_at.is_some_and(|expires_at| expires_at <= now)
}

/// Whether it is about to: [`REFRESH_MARGIN`] or a tenth of its life before, whichever is shorter.
fn is_due(record: &TokenRecord, now: u64) -> bool {
    record.expires_at.is_some_and(|expires_at| {
        let life = Duration::from_secs(expires_at.saturating_sub(record.obtained_at));
        let margin = REFRESH_MARGIN.min(life / 10);
        expires_at <= now.saturating_add(margin.as_secs())
    })
}
