//! The life of one request of the client: sent, followed, resumed or repeated, until it is answered.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::Bridge;
use super::attempt::Outcome;
use super::detection::Asker;
use super::ledger::Ticket;
use super::order::Place;
use super::path::Path;
use super::session::Snapshot;
use super::shaping::Shaped;
use super::stateless::Stateless;
use super::translation::Seen;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::Message;
use crate::limits::{INITIALIZE_TIMEOUT, RETRY_AFTER_MAX};

/// Each way of sending a request again happens once.
#[derive(Default)]
struct Again {
    renewed: bool,
    waited: bool,
    repeated: bool,
    switched: bool,
}

impl Bridge {
    /// Sees a request through. Whatever happens in here, a panic included, the caller fails the
    /// request afterwards if it is still open.
    ///
    /// Here and further down, what most requests never come to is in a box: a request needs memory for all of what
    /// is not, and it is moved several times.
    pub(super) async fn exchange(self: &Arc<Self>, ticket: Ticket, message: Message, place: Place) {
        if self.answer_ping(&ticket, &message).await {
            return;
        }
        let mut place = place;
        if let Some(shape) = self.shape.as_ref().filter(|_| !ticket.is_own()) {
            match Box::pin(self.shaped(shape, &ticket, &message, place)).await {
                Shaped::Onward(same) => place = same,
                Shaped::Through => return,
            }
        }
        let opening = self.opens(&message);
        tokio::select! {
            // In order: mostly its turn is now, and then nothing else need be set up.
            biased;
            () = place.turn() => {}
            () = ticket.closed() => return,
            failure = self.unseen_sign_in(), if !opening => {
                self.ledger.fail(&ticket, &failure).await;
                return;
            }
        }
        let place = Arc::new(place);
        // Before it is sent: a session that is lost while it is on its way needs it as well.
        self.session.remember(&message);
        let work = async {
            if opening {
                Box::pin(self.initialize(&ticket, &message, &place)).await
            } else {
                self.pursue(&ticket, &message, &place).await
            }
        };
        let failure = tokio::select! {
            biased;
            failure = work => failure,
            // Later messages wait for the answer, not for the end of the stream that brought it.
            _ = async { ticket.closed().await; place.left(); std::future::pending::<()>().await } => None,
        };
        if opening && self.paths.is_tentative() {
            self.paths.forget();
        }
        if let Some(failure) = failure
            && self.ledger.fail(&ticket, &failure).await
        {
            log::warn!("{}: {failure}", self.redactor.clean(ticket.method(), 60));
        }
    }

    /// `initialize` goes out without a session, and is not pursued for ever: the client gives up
    /// after a minute, and then nobody tells the person why.
    async fn initialize(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
    ) -> Option<Failure> {
        self.http_sse.close("the client began anew");
        if let Some(left) = self.session.begin(message) {
            self.listener.stop();
            let bridge = self.clone();
            self.see_off(async move { bridge.end_session(&left).await });
        }
        let deadline = Instant::now() + self.settings.initialize_deadline;
        let failure = tokio::select! {
            biased;
            failure = self.pursue(ticket, message, place) => failure,
            () = self.signing_in_since(deadline), if ticket.is_open() => {
                self.answer_provisionally(ticket, message).await;
                None
            }
            () = self.unanswered() => {
                let text = format!(
                    "the server did not answer initialize within {} s; is this its MCP endpoint?",
                    INITIALIZE_TIMEOUT.as_secs()
                );
                ticket.is_open().then(|| {
                    Failure::new(FailureKind::Timeout, text).at(&self.endpoint.shown())
                })
            }
        };
        if failure.is_some() {
            self.http_sse.close("initialize failed");
        }
        failure
    }

    /// Sends a request, again where that is allowed, until it is answered or nothing is left.
    async fn pursue(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
    ) -> Option<Failure> {
        let initialize = self.opens(message);
        let mut again = Again::default();
        loop {
            if !ticket.is_open() {
                return None;
            }
            let path = match self.way(ticket, message).await {
                Ok(path) => path,
                Err(failure) => return Some(failure),
            };
            if !matches!(path, Path::Legacy) {
                let elsewhere = self.elsewhere(path, ticket, message, place, again.switched);
                match Box::pin(elsewhere).await {
                    ControlFlow::Break(end) => return end,
                    ControlFlow::Continue(()) if again.switched => return Some(self.undecided()),
                    ControlFlow::Continue(()) => again.switched = true,
                }
                continue;
            }
            let snapshot = match self.session_for(initialize.then_some(ticket)).await {
                Ok(snapshot) => snapshot,
                Err(failure) => return Some(failure),
            };
            let outcome = self.attempt(ticket, message, &snapshot, place, again.renewed).await;
            match outcome {
                Outcome::Done => return None,
                Outcome::SessionLost => {
                    again.renewed = true;
                    place.again();
                    let recovered = tokio::select! {
                        biased;
                        recovered = Box::pin(self.recover(&snapshot)) => recovered,
                        failure = self.unseen_sign_in() => Err(failure),
                    };
                    if let Err(failure) = recovered {
                        return Some(failure);
                    }
                }
                Outcome::Later(wait, failure) if !again.waited && wait <= RETRY_AFTER_MAX => {
                    again.waited = true;
                    log::debug!("{failure}; waiting {wait:?}");
                    tokio::select! {
                        biased;
                        () = sleep(wait) => {}
                        () = ticket.closed() => return None,
                    }
                }
                Outcome::Broken(failure)
                    if !again.repeated && (failure.unsent || is_read_only(ticket.method())) =>
                {
                    again.repeated = true;
                    place.again();
                    log::debug!("{failure}; sent again");
                }
                Outcome::OtherEra(_) if !again.switched && self.alarm.is_none() => {
                    again.switched = true;
                    place.again();
                    self.switch();
                }
                Outcome::Failed(failure) if initialize && self.may_speak_http_sse(&failure) => {
                    place.again();
                    let asking = self.manner(true).asking;
                    let fallen = Box::pin(self.fall_back(failure, Some(ticket), asking)).await;
                    if let Err(failure) = fallen {
                        return Some(failure);
                    }
                }
                Outcome::Later(_, failure)
                | Outcome::Broken(failure)
                | Outcome::OtherEra(failure)
                | Outcome::Failed(failure) => {
                    return Some(failure);
                }
            }
        }
    }

    /// Sends a request another way than to a legacy server as it is. Goes on where that turned out to
    /// be the wrong one.
    async fn elsewhere(
        self: &Arc<Self>,
        path: Path,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
        switched: bool,
    ) -> ControlFlow<Option<Failure>> {
        match path {
            Path::Legacy => {}
            Path::Modern => match self.stateless(ticket, message, place).await {
                Stateless::Done => return ControlFlow::Break(None),
                Stateless::Failed(failure) => return ControlFlow::Break(Some(failure)),
                // Of a link, whoever gave it the request sends it another way.
                Stateless::OtherEra(failure) if switched || self.alarm.is_some() => {
                    return ControlFlow::Break(Some(failure));
                }
                Stateless::OtherEra(_) => self.switch(),
            },
            Path::Translated(translation) => {
                // The one before may have been wrong: this one has to know what the client set up.
                if !self.opens(message)
                    && let Err(failure) = self.session_for(None).await
                {
                    return ControlFlow::Break(Some(failure));
                }
                match translation.request(ticket, message, place).await {
                    Seen::Through => {
                        self.judge(&translation);
                        return ControlFlow::Break(None);
                    }
                    Seen::Again => self.leave(&translation),
                    Seen::Lost(failure) => {
                        self.leave(&translation);
                        return ControlFlow::Break(Some(failure.at(&self.endpoint.shown())));
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The way to the server; where finding it out takes a sign-in that nobody can see, not for ever.
    async fn way(self: &Arc<Self>, ticket: &Ticket, message: &Message) -> Result<Path, Failure> {
        if let Some(path) = self.paths.known() {
            return Ok(path);
        }
        let opening = self.opens(message);
        let asker = Asker { message, ticket: Some(ticket) };
        tokio::select! {
            biased;
            path = self.path(asker) => path,
            failure = self.unseen_sign_in(), if !opening => Err(failure),
        }
    }

    /// The session to send a request in, made anew if it is lost; but not for ever, where that
    /// takes a sign-in which nobody can see. `initialize` begins one.
    async fn session_for(
        self: &Arc<Self>,
        initialize: Option<&Ticket>,
    ) -> Result<Snapshot, Failure> {
        if let Some(ticket) = initialize {
            let mut snapshot = self.session.current().await;
            let asking = self.manner(true).asking;
            snapshot.headers = Box::pin(self.opening_headers(Some(ticket), asking)).await?;
            return Ok(snapshot);
        }
        let ready = async {
            loop {
                let snapshot = self.session.current().await;
                if !snapshot.lost {
                    return Ok(snapshot);
                }
                Box::pin(self.recover(&snapshot)).await?;
            }
        };
        tokio::select! {
            biased;
            snapshot = ready => snapshot,
            failure = self.unseen_sign_in() => Err(failure),
        }
    }
}

/// Requests that change nothing by specification, and may therefore be sent again when it is not
/// known whether the server has seen them (2025-11-25, server/* and basic/utilities/ping).
pub fn is_read_only(method: &str) -> bool {
    matches!(
        method,
        "ping"
            | "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
            | "completion/complete"
    )
}
