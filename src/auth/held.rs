//! The record in memory, so that a request costs no look into the store.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::limits::{REFRESH_MARGIN, REFRESH_PAUSE};
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
    /// Interactive step-ups so far: what was asked for, and when.
    pub step_ups: Vec<(String, Instant)>,
    record: Option<TokenRecord>,
    refresh_failed: Option<Instant>,
}

impl Held {
    /// Uses a record from now on.
    pub fn hold(&mut self, record: TokenRecord, use_id_token: bool) {
        let token = match &record.id_token {
            Some(id_token) if use_id_token => id_token,
            _ => &record.access_token,
        };
        // A token that cannot be a header value cannot have been meant for one.
        let header = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok();
        self.header = header.map(|mut header| {
            header.set_sensitive(true);
            header
        });
        self.record = Some(record);
        self.refresh_failed = None;
        self.generation += 1;
        self.loaded = true;
    }

    /// There is nothing to be used any more.
    pub fn drop_record(&mut self) {
        if self.record.take().is_some() {
            self.generation += 1;
        }
        self.header = None;
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

    /// A refresh failed.
    pub fn refresh_failed(&mut self) {
        self.refresh_failed = Some(Instant::now());
    }

    /// Whether one failed just now.
    pub fn refresh_is_paused(&self) -> bool {
        self.refresh_failed.is_some_and(|at| at.elapsed() < REFRESH_PAUSE)
    }
}

/// Unix time in seconds.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
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
