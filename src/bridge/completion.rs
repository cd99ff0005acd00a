//! What a session still lacks because the network, or something in front of the server, failed for a moment:
//! `notifications/initialized` (2025-11-25, basic/lifecycle), without which there is no standalone stream and many
//! servers answer nothing, the log level, and subscriptions. None of it does harm if the server hears it twice.

use std::sync::Arc;

use tokio::time::sleep;

use super::Bridge;
use super::access::Manner;
use super::session::Snapshot;
use crate::auth::Asking;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::Message;
use crate::limits::RECOVERY_STEP_TIMEOUT;
use crate::random;
use crate::tasks;
use crate::transport::backoff::Backoff;

/// Nobody waits for it, and nobody is asked to sign in for it.
const QUIET: Manner = Manner { limit: Some(RECOVERY_STEP_TIMEOUT), asking: Asking::Nobody };

/// What a session lacks.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// The client's `notifications/initialized`.
    pub initialized: bool,
    /// Requests of the client that set something up.
    pub requests: Vec<Message>,
}

impl Missing {
    fn is_empty(&self) -> bool {
        !self.initialized && self.requests.is_empty()
    }
}

impl Bridge {
    /// Sends what is missing until the server has it, refuses it, or the session is another.
    pub(super) fn complete_later(self: &Arc<Self>, snapshot: &Snapshot, missing: Missing) {
        if missing.is_empty() {
            return;
        }
        let (bridge, snapshot) = (self.clone(), snapshot.clone());
        tasks::spawn(async move { bridge.complete(&snapshot, missing).await });
    }

    async fn complete(self: &Arc<Self>, snapshot: &Snapshot, mut missing: Missing) {
        let mut backoff = Backoff::default();
        let mut wish = None;
        let goes_on = || self.session.is_current(snapshot.generation);
        while !missing.is_empty() {
            sleep(backoff.pause(wish.take(), random::dice())).await;
            backoff.fruitless();
            if !goes_on() {
                return;
            }
            if missing.initialized && !self.session.is_initialized(snapshot.generation) {
                let Some(initialized) = self.session.confirmation() else { return };
                match self.post(initialized, &snapshot.headers, None, QUIET).await {
                    Ok(reply) if reply.status().is_success() => {
                        self.session.initialized(snapshot.generation);
                        drop(self.listen(snapshot.clone()));
                    }
                    Ok(reply) if is_passing_status(reply.status().as_u16()) => {
                        let wait = reply.failure(b"").retry_after;
                        wish = wait.and_then(|wait| u64::try_from(wait.as_millis()).ok());
                        continue;
                    }
                    Err(failure) if is_passing(&failure) => continue,
                    Err(failure) if failure.kind == FailureKind::Unauthorized && goes_on() => {
                        // A session without it is of no use: a new one is made when there is a token.
                        self.session.failed(&failure);
                        self.end_session(&snapshot.headers).await;
                        return;
                    }
                    // Everything else needs it.
                    Ok(_) | Err(_) => return,
                }
            }
            missing.initialized = false;
            for request in std::mem::take(&mut missing.requests) {
                if !goes_on() {
                    return;
                }
                // The client may want it no longer, or otherwise.
                if !self.session.wants(&request) {
                    continue;
                }
                match self.repeat(&request, &snapshot.headers, QUIET).await {
                    Err(failure) if is_passing(&failure) => missing.requests.push(request),
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
}

/// Whether a failure says nothing about how the next attempt will end: the server has not heard of the message, or
/// nobody knows whether it has.
pub(super) fn is_passing(failure: &Failure) -> bool {
    match failure.status {
        Some(status) => is_passing_status(status),
        None => matches!(
            failure.kind,
            FailureKind::Dns
                | FailureKind::Connect
                | FailureKind::Timeout
                | FailureKind::StreamLost
        ),
    }
}

/// Statuses by which a server, or something in front of it, says that it has not looked at a message.
fn is_passing_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_nothing_about_the_next_attempt_passes() {
        let failure = |kind, status| Failure { status, ..Failure::new(kind, "x") };
        for status in [408, 425, 429, 502, 503, 504] {
            assert!(is_passing(&failure(FailureKind::HttpStatus, Some(status))), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 500, 501] {
            assert!(!is_passing(&failure(FailureKind::HttpStatus, Some(status))), "{status}");
        }
        assert!(is_passing(&failure(FailureKind::StreamLost, None)));
        assert!(!is_passing(&failure(FailureKind::Redirect, None)));
    }
}
