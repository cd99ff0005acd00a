//! The end: what is in flight may finish, the rest is answered, the session is ended.

use std::sync::Arc;

use tokio::time::timeout;

use super::Bridge;
use super::router::Reason;
use crate::error::{ExitCode, Failure, FailureKind};
use crate::limits::{DELETE_TIMEOUT, FLUSH_TIMEOUT, MAX_NOTIFICATIONS_IN_FLIGHT};
use crate::platform::Signals;
use crate::stdio::lines::Line;
use crate::stdio::queue::Receiver;
use crate::transport::SessionHeaders;

/// Ends the bridge for `reason`. Takes at most the drain timeout and two seconds.
pub(super) async fn end(
    bridge: &Arc<Bridge>,
    mut lines: Receiver<Line>,
    mut signals: Signals,
    reason: Reason,
) -> ExitCode {
    tracing::debug!("ending: {reason:?}");
    lines.close();
    if reason == Reason::OutputClosed {
        bridge.end_current_session().await;
        return ExitCode::OutputClosed;
    }
    tokio::select! {
        code = finish(bridge, lines) => code,
        signal = signals.recv() => ExitCode::Signal(signal),
        () = bridge.outbox.closed() => {
            bridge.end_current_session().await;
            ExitCode::OutputClosed
        }
    }
}

async fn finish(bridge: &Arc<Bridge>, mut lines: Receiver<Line>) -> ExitCode {
    let failure =
        Failure::new(FailureKind::ShuttingDown, "the bridge ended before the server answered")
            .at(&bridge.endpoint.shown());
    let mut unanswered = 0;
    // Lines that were read before a signal came.
    while let Ok(line) = lines.try_recv() {
        unanswered += bridge.turn_away(line.value, &failure).await;
    }
    let in_flight = async {
        let all = u32::try_from(MAX_NOTIFICATIONS_IN_FLIGHT).unwrap_or(u32::MAX);
        let _delivered = bridge.deliveries.acquire_many(all).await;
        bridge.ledger.empty().await;
    };
    let drained = timeout(bridge.settings.drain_timeout, in_flight).await.is_ok();
    let open = bridge.ledger.count();
    if open > 0 {
        tracing::warn!("ending with {open} requests unanswered");
    } else if !drained {
        tracing::warn!("ending before the server took everything");
    }
    unanswered += open;
    let output = async {
        bridge.ledger.fail_all(&failure).await;
        let _ = bridge.outbox.flush().await;
    };
    tokio::join!(timeout(FLUSH_TIMEOUT, output), bridge.end_current_session()).0.ok();
    if unanswered > 0 { ExitCode::Unanswered } else { ExitCode::Success }
}

impl Bridge {
    async fn end_current_session(&self) {
        self.listener.stop();
        let headers = self.session.snapshot().headers;
        self.end_session(&headers).await;
    }

    /// Tells the server that a session is over, if it has one, within [`DELETE_TIMEOUT`]. Servers
    /// may refuse (405); there is nothing to be done about it.
    pub(super) async fn end_session(&self, headers: &SessionHeaders) {
        if headers.session.is_none() {
            return;
        }
        match timeout(DELETE_TIMEOUT, self.endpoint.delete(headers)).await {
            Ok(Ok(reply)) => tracing::debug!("session ended: HTTP {}", reply.status().as_u16()),
            Ok(Err(failure)) => tracing::debug!("session not ended: {failure}"),
            Err(_) => tracing::debug!("session not ended: no answer"),
        }
    }
}
