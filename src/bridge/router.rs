//! What happens to a line from stdin.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until};

use super::Bridge;
use super::ledger::Refused;
use super::order;
use super::path::Path;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{
    INVALID_REQUEST, Id, Invalid, Kind, Message, PARSE_ERROR, Received, Source, batch, member,
    salvage,
};
use crate::limits::{MAX_LOGGED_TEXT, MAX_REQUESTS_IN_FLIGHT};
use crate::platform::Signals;
use crate::stdio::lines::Line;
use crate::stdio::reader::Input;
use crate::tasks;

/// Why the bridge stops reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client closed our stdin.
    EndOfInput,
    /// The process was asked to end.
    Signal,
    /// The process was asked a second time.
    SecondSignal(i32),
    /// The client closed our stdout.
    OutputClosed,
}

/// That the bridge stops reading, and until when what is in flight may finish.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Why.
    pub reason: Reason,
    /// Until when.
    pub deadline: Instant,
}

/// Takes lines until there is a reason to stop. A line that was begun is taken to its end, because
/// there may be requests in it, but not beyond the drain timeout.
pub(super) async fn route(bridge: &Arc<Bridge>, input: &mut Input, signals: &mut Signals) -> Stop {
    let drained = || Instant::now() + bridge.settings.drain_timeout;
    let closed = bridge.outbox.closed();
    tokio::pin!(closed);
    let mut ending: Option<Stop> = None;
    loop {
        let line = tokio::select! {
            biased;
            _ = signals.recv() => return Stop { reason: Reason::Signal, deadline: drained() },
            () = &mut closed => return Stop { reason: Reason::OutputClosed, deadline: drained() },
            line = input.lines.recv() => line,
        };
        let Some(line) = line else {
            return ending.unwrap_or(Stop { reason: Reason::EndOfInput, deadline: drained() });
        };
        let taking = bridge.take(line.value);
        tokio::pin!(taking);
        loop {
            let end = ending.map_or_else(drained, |stop| stop.deadline);
            tokio::select! {
                biased;
                () = &mut taking => break,
                () = &mut closed => return Stop { reason: Reason::OutputClosed, deadline: end },
                signal = signals.recv() => match ending {
                    Some(Stop { reason: Reason::Signal, .. }) => {
                        return Stop { reason: Reason::SecondSignal(signal), deadline: end };
                    }
                    _ => ending = Some(Stop { reason: Reason::Signal, deadline: end }),
                },
                () = input.ended(), if ending.is_none() => {
                    ending = Some(Stop { reason: Reason::EndOfInput, deadline: end });
                }
                () = sleep_until(end), if ending.is_some() => break,
            }
        }
        if let Some(stop) = ending
            && (stop.reason == Reason::Signal || stop.deadline <= Instant::now())
        {
            return stop;
        }
    }
}

impl Bridge {
    async fn take(self: &Arc<Self>, line: Line) {
        match line {
            Line::TooLong { prefix } => {
                let limit = self.settings.max_message;
                let text = format!(
                    "a message of the client is over {limit} bytes; raise --max-message-size"
                );
                log::warn!("{text}");
                let failure = Failure::new(FailureKind::TooLarge, text);
                let id = salvage::salvage_id(&prefix).unwrap_or(Id::NULL);
                self.to_client(failure.response(&id)).await;
            }
            Line::Text(text) if batch::is_batch(&text) => match batch::split(&text) {
                Ok(members) => {
                    for member in members {
                        self.take_message(member.into()).await;
                    }
                }
                Err(invalid) => self.reject(&text, invalid).await,
            },
            Line::Text(text) => self.take_message(text).await,
        }
    }

    /// Takes a message. Of a link it returns without waiting.
    pub(super) async fn take_message(self: &Arc<Self>, text: Received) {
        let message = match Message::of(text.clone(), Source::Client) {
            Ok(message) => message,
            Err(invalid) => return self.reject(&text, invalid).await,
        };
        log::trace!("from the client: {}", self.described(&message));
        if let Some(Path::Translated(left)) = self.paths.see_client(&message) {
            left.alarm().raise();
            self.see_off(async move { left.close().await });
        }
        match message.kind() {
            Kind::Request { .. } => self.take_request(message).await,
            _ if self.paths.is_modern() => self.take_unsent(&message),
            Kind::Notification { .. } => {
                if self.taken_back_in_time(&message) {
                    return;
                }
                if self.shape.as_ref().is_some_and(|shape| !shape.lets_pass(&message)) {
                    log::warn!("{} is kept from the server", self.described(&message));
                    return;
                }
                self.take_delivery(message, order::Kind::Notification).await
            }
            Kind::Response { .. } => self.take_delivery(message, order::Kind::Response).await,
        }
    }

    /// A modern server knows no messages of a client but requests; a request is taken back by
    /// closing its stream (2026-07-28, basic/transports/streamable-http). Nothing waits for that, and
    /// it waits for nothing: the streams that others wait for may be those that it closes.
    fn take_unsent(&self, message: &Message) {
        match message.takes_back() {
            Some(id) => self.ledger.cancel(&id),
            None => log::debug!("{} is kept from the server", self.described(message)),
        }
    }

    /// Answers what is no message; it is never forwarded.
    async fn reject(&self, text: &[u8], invalid: Invalid) {
        let (code, id) = match &invalid {
            Invalid::Json(_) => (PARSE_ERROR, salvage::salvage_id(text)),
            Invalid::Shape { id, .. } => (INVALID_REQUEST, id.clone()),
        };
        let explanation = self.redactor.clean(&invalid.to_string(), MAX_LOGGED_TEXT);
        log::warn!("a line from the client is {explanation}");
        let message = crate::secret::truncate(&explanation, crate::limits::MAX_ERROR_MESSAGE);
        self.to_client(member::error_response(&id.unwrap_or(Id::NULL), code, &message, None)).await;
    }

    async fn take_request(self: &Arc<Self>, message: Message) {
        let Kind::Request { id, method } = message.kind() else {
            return;
        };
        let ticket = match self.ledger.open(id, method) {
            Ok(ticket) => ticket,
            Err(Refused::Duplicate) => {
                let text = "a request with this id has not been answered yet";
                log::warn!("{text}: {}", self.redactor.clean(&id.to_string(), 60));
                return self.refuse(member::error_response(id, INVALID_REQUEST, text, None)).await;
            }
            Err(Refused::Full) => {
                let text = format!(
                    "{MAX_REQUESTS_IN_FLIGHT} requests are unanswered already; wait for answers before sending more"
                );
                return self.refuse(Failure::new(FailureKind::Overloaded, text).response(id)).await;
            }
        };
        let initialize = self.opens(&message);
        let place = self.order.enter(if initialize {
            order::Kind::Initialize
        } else {
            order::Kind::Request
        });
        let bridge = self.clone();
        let work = {
            let (bridge, ticket) = (self.clone(), ticket.clone());
            async move { bridge.exchange(ticket, message, place).await }
        };
        let mut work = self.workspaces.begin(work);
        tasks::spawn(async move {
            let panicked = AssertUnwindSafe(work.get_pin()).catch_unwind().await.is_err();
            if !panicked {
                bridge.workspaces.end(work);
            }
            // Nothing is left open by a defect.
            if ticket.is_open() {
                let text = if panicked {
                    "the bridge failed; please report this with -vv"
                } else {
                    "the request was given up"
                };
                bridge.ledger.fail(&ticket, &Failure::new(FailureKind::Internal, text)).await;
            }
        });
    }

    /// Answers a request that is not in the ledger.
    async fn refuse(self: &Arc<Self>, response: Bytes) {
        if self.is_link() {
            // Whoever reads the answer may be who waits here.
            let bridge = self.clone();
            tasks::spawn(async move { bridge.to_client(response).await });
        } else {
            self.to_client(response).await;
        }
    }

    /// A request that the server does not have yet, because it waits for a sign-in or for the way to
    /// the server, is taken back before it is sent; the server need not hear of it.
    fn taken_back_in_time(&self, message: &Message) -> bool {
        let Some(id) = message.takes_back() else { return false };
        if !self.is_waiting_for_sign_in() && self.paths.known().is_some() {
            return false;
        }
        let waiting = self.ledger.find(&id).filter(|ticket| !ticket.is_sent());
        let Some(ticket) = waiting.filter(|ticket| ticket.method() != "initialize") else {
            return false;
        };
        self.ledger.cancel(ticket.id());
        true
    }

    /// Takes a notification or response; waits while too many are on their way.
    async fn take_delivery(self: &Arc<Self>, message: Message, kind: order::Kind) {
        let deliveries = self.deliveries.clone();
        let permit = if self.is_link() {
            deliveries.try_acquire_owned().ok()
        } else {
            deliveries.acquire_owned().await.ok()
        };
        let Some(permit) = permit else {
            log::warn!("too many notifications and responses at once; one is dropped");
            return;
        };
        let place = self.order.enter(kind);
        let bridge = self.clone();
        tasks::spawn(async move {
            let _permit = permit;
            bridge.deliver(message, place).await;
        });
    }
}

/// The ids of the requests in a line that was read but will not be sent any more.
pub(super) fn requests_in(line: Line) -> Vec<Id> {
    let Line::Text(text) = line else { return Vec::new() };
    let members = if batch::is_batch(&text) {
        batch::split(&text).unwrap_or_default()
    } else {
        vec![text.into_bytes()]
    };
    let messages = members.into_iter().filter_map(|text| Message::parse(text, Source::Client).ok());
    messages
        .filter_map(|message| match message.kind() {
            Kind::Request { id, .. } => Some(id.clone()),
            _ => None,
        })
        .collect()
}
