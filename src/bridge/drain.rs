//! The end: what is in flight may finish, the rest is answered, the session is ended.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::Bridge;
use super::path::Path;
use super::router::{Reason, Stop, requests_in};
use crate::auth::Credential;
use crate::error::{ExitCode, Failure, FailureKind};
use crate::limits::{DELETE_TIMEOUT, FLUSH_TIMEOUT, HEAD_START, OAUTH_REQUEST_TIMEOUT};
use crate::platform::Signals;
use crate::stdio::lines::Line;
use crate::stdio::queue::Receiver;
use crate::tasks;
use crate::transport::SessionHeaders;

/// Ends the bridge. Takes at most until the deadline of `stop`, and two seconds.
pub(super) async fn end(
    bridge: &Arc<Bridge>,
    mut lines: Receiver<Line>,
    mut signals: Signals,
    stop: Stop,
) -> ExitCode {
    log::debug!("ending: {:?}", stop.reason);
    lines.close();
    bridge.access.give_up();
    match stop.reason {
        Reason::SecondSignal(signal) => return ExitCode::Signal(signal),
        Reason::OutputClosed => {
            bridge.end_current_session().await;
            return ExitCode::OutputClosed;
        }
        Reason::EndOfInput | Reason::Signal => {}
    }
    let hurry = Notify::new();
    let finishing = finish(bridge, lines, stop.deadline, &hurry);
    tokio::pin!(finishing);
    // Clients close stdin and send a signal when they lose patience: then what is in flight is
    // answered at once. Only one more signal ends without that.
    let mut asked = stop.reason == Reason::Signal;
    loop {
        tokio::select! {
            biased;
            code = &mut finishing => return code,
            signal = signals.recv() => {
                if std::mem::replace(&mut asked, true) {
                    return ExitCode::Signal(signal);
                }
                hurry.notify_one();
            }
            () = bridge.outbox.closed() => {
                bridge.end_current_session().await;
                return ExitCode::OutputClosed;
            }
        }
    }
}

async fn finish(
    bridge: &Arc<Bridge>,
    mut lines: Receiver<Line>,
    deadline: Instant,
    hurry: &Notify,
) -> ExitCode {
    // Lines that were read and will not be sent.
    let mut turned_away = Vec::new();
    while let Ok(line) = lines.try_recv() {
        turned_away.extend(requests_in(line.value));
    }
    let in_flight = async {
        // In here: a client that does not read can stop it. What it took back at the end is not
        // answered.
        bridge.delivered().await;
        bridge.end_subscriptions().await;
        bridge.ledger.empty().await;
        for link in bridge.links() {
            link.delivered().await;
        }
    };
    let drained = tokio::select! {
        biased;
        drained = timeout_at(deadline, in_flight) => drained.is_ok(),
        () = hurry.notified() => false,
    };
    let unanswered = bridge.ledger.count() + turned_away.len();
    if unanswered > 0 {
        log::warn!("ending with {unanswered} requests unanswered");
    } else if !drained {
        log::warn!("ending before the server took everything");
    }
    let text = "the bridge ended before the server answered";
    let failure = Failure::new(FailureKind::ShuttingDown, text).at(&bridge.endpoint.shown());
    let output = async {
        for id in &turned_away {
            bridge.to_client(failure.response(id)).await;
        }
        bridge.ledger.fail_all(&failure).await;
        let _ = bridge.outbox.flush().await;
    };
    // A client that does not read gets no more time than this.
    tokio::join!(timeout(FLUSH_TIMEOUT, output), bridge.end_current_session()).0.ok();
    // Nobody waits for the answer any more, but for the new refresh token.
    let _ = timeout(OAUTH_REQUEST_TIMEOUT, bridge.access.settled_down()).await;
    if unanswered > 0 { ExitCode::Unanswered } else { ExitCode::Success }
}

impl Bridge {
    /// The end of a bridge whose client is in this process and waits for nothing any more. Takes at
    /// most a few seconds; sessions are ended, whatever else does not work.
    pub(super) async fn end_quietly(&self) {
        self.access.give_up();
        let _ = timeout(DELETE_TIMEOUT, async {
            self.delivered().await;
            self.end_subscriptions().await;
        })
        .await;
        self.ledger.cancel_all();
        self.end_current_session().await;
        let _ = timeout(OAUTH_REQUEST_TIMEOUT, self.access.settled_down()).await;
    }

    async fn end_current_session(&self) {
        let links = self.links();
        let ends = links.iter().map(|link| link.end_own_session());
        let goodbyes = timeout(DELETE_TIMEOUT, self.goodbyes.write());
        tokio::join!(self.end_own_session(), join_all(ends), goodbyes).2.ok();
    }

    /// As [`Bridge::end_current_session`], for a bridge without links.
    async fn end_own_session(&self) {
        let last = self.session.end();
        // One that is just being made is ended as well.
        let offered = self.session.withdraw();
        self.listener.stop();
        self.http_sse.end();
        join_all(offered.iter().chain([&last]).map(|session| self.end_session(session))).await;
        // The response to an `initialize` may have come meanwhile.
        join_all(self.session.withdraw().iter().map(|session| self.end_session(session))).await;
    }

    /// Ends something that is no longer wanted, in the background. The end of the bridge waits for it
    /// a moment.
    pub(super) fn see_off(&self, goodbye: impl Future<Output = ()> + Send + 'static) {
        // There is none when the bridge is just ending.
        let present = self.goodbyes.clone().try_read_owned().ok();
        tasks::spawn(async move {
            goodbye.await;
            drop(present);
        });
    }

    /// A link comes to its end: nobody wants anything of it any more.
    pub(super) async fn close(&self) {
        self.ledger.cancel_all();
        // What was taken before goes first.
        let _ = timeout(HEAD_START, self.delivered()).await;
        self.end_own_session().await;
    }

    pub(super) fn links(&self) -> Vec<Arc<Bridge>> {
        match self.paths.known() {
            Some(Path::Translated(translation)) => translation.links(),
            _ => Vec::new(),
        }
    }

    /// Returns when the server has every notification and response that was taken.
    async fn delivered(&self) {
        let all = u32::try_from(self.permits).unwrap_or(u32::MAX);
        let _delivered = self.deliveries.acquire_many(all).await;
    }

    /// What is open on purpose is ended in good order: it would never finish by itself.
    async fn end_subscriptions(&self) {
        match self.paths.known() {
            Some(Path::Legacy) => return,
            Some(Path::Translated(translation)) => translation.end().await,
            Some(Path::Modern) | None => {}
        }
        // Also what has not got any further yet than into the ledger.
        self.end_listening().await;
    }

    /// Tells the server that a session is over, if it has one, within [`DELETE_TIMEOUT`]. Servers
    /// may refuse (405); there is nothing to be done about it.
    pub(super) async fn end_session(&self, headers: &SessionHeaders) {
        if headers.session.is_none() {
            return;
        }
        let credential = self.access.credential();
        let delete = self.endpoint.delete(headers, credential.as_ref().map(Credential::signer));
        match timeout(DELETE_TIMEOUT, delete).await {
            Ok(Ok(reply)) => log::debug!("session ended: HTTP {}", reply.status().as_u16()),
            Ok(Err(failure)) => log::debug!("session not ended: {failure}"),
            Err(_) => log::debug!("session not ended: no answer"),
        }
    }
}
