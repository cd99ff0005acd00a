//! Pings that keep a session from being ended for being quiet (2025-11-25, basic/utilities/ping).
//!
//! Only where the client has asked for nothing during a whole interval, and only where there is a session: the
//! modern era has neither sessions nor `ping`. The client sees nothing of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Bridge;
use super::order;
use super::path::Path;
use crate::jsonrpc::{METHOD_NOT_FOUND, member};
use crate::limits::PING_TIMEOUT;

impl Bridge {
    /// Pings after every `interval` without a request, until the server says that it knows no pings.
    pub(super) async fn keep_alive(self: Arc<Self>, interval: Duration) {
        let mut before = self.ledger.entered();
        loop {
            sleep(interval).await;
            let now = self.ledger.entered();
            let quiet = std::mem::replace(&mut before, now) == now && self.ledger.count() == 0;
            if !quiet || self.is_waiting_for_sign_in() {
                continue;
            }
            let links = self.links();
            let Some(session) = std::iter::once(&self).chain(&links).find(|one| one.has_session())
            else {
                continue;
            };
            if session.ping().await == Some(METHOD_NOT_FOUND) {
                log::info!("the server knows no ping; --keep-alive has no effect");
                return;
            }
        }
    }

    fn has_session(&self) -> bool {
        matches!(self.paths.known(), Some(Path::Legacy))
            && self.session.initialize().is_some()
            && !self.session.is_provisional()
            && self.session.is_initialized(self.session.snapshot().generation)
    }

    /// The code of the error that the server answers with, if it does.
    async fn ping(self: &Arc<Self>) -> Option<i32> {
        let place = self.order.enter(order::Kind::Request);
        let asked =
            self.ask_ourselves("ping", |id| Some(self.request_of_ours(id, "ping", None)), place);
        match timeout(PING_TIMEOUT, asked).await {
            Ok(Some(answer)) => {
                let code = member::lookup(&answer, &["error", "code"])?.parse().ok();
                log::debug!("the answer to a ping is an error: {code:?}");
                code
            }
            Ok(None) => None,
            Err(_) => {
                log::debug!("no answer to a ping");
                None
            }
        }
    }
}
