//! Following the event stream of one request, and resuming it when it ends before the answer
//! (2025-11-25, basic/transports, "Resumability and Redelivery").

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::Bridge;
use super::access::Manner;
use super::attempt::{Outcome, lingered};
use super::inbound::Context;
use super::ledger::Ticket;
use crate::error::{Failure, FailureKind};
use crate::limits::{LAST_CHANCE, STREAM_ALIVE};
use crate::random;
use crate::transport::backoff::Backoff;
use crate::transport::{Content, EventStream, Reply, SessionHeaders};

/// What is kept of a stream between its connections.
#[derive(Default)]
struct Resumption {
    cursor: Bytes,
    retry: Option<u64>,
    backoff: Backoff,
    /// Since when nothing has come, while nothing comes.
    fruitless_since: Option<Instant>,
    /// Attempts to open it again in that time.
    attempts: u32,
}

/// What came of trying to open the stream again.
enum Reopened {
    Stream(Box<EventStream>),
    Answered,
    GivenUp(Failure),
}

impl Bridge {
    /// Relays the stream of `ticket` until it is answered.
    pub(super) async fn follow(
        &self,
        ticket: &Ticket,
        headers: &SessionHeaders,
        reply: Reply,
        context: &mut Context<'_>,
    ) -> Outcome {
        let mut state = Resumption::default();
        let mut stream = reply.into_events(Bytes::new());
        loop {
            let opened = Instant::now();
            let ended = self.relay(ticket, &mut stream, context).await;
            if ticket.is_open()
                && let Some(item) = stream.finish()
            {
                let resumable = !stream.cursor().is_empty();
                self.receive_last(item, resumable, context).await;
            }
            if !ticket.is_open() {
                return Outcome::Done;
            }
            state.connection_ended(&stream, opened);
            if state.cursor.is_empty() {
                return Outcome::Broken(lost(&stream, ended, context));
            }
            match Box::pin(self.reopen(ticket, headers, &mut state)).await {
                Reopened::Stream(next) => stream = *next,
                Reopened::Answered => return Outcome::Done,
                Reopened::GivenUp(failure) => return Outcome::Broken(failure),
            }
        }
    }

    /// Relays one connection's events until it ends, or a while after the request was answered.
    pub(super) async fn relay(
        &self,
        ticket: &Ticket,
        stream: &mut EventStream,
        context: &mut Context<'_>,
    ) -> Option<Failure> {
        let mut lingered: Pin<&mut _> = pin!(lingered(ticket));
        loop {
            while let Some(item) = stream.buffered() {
                self.receive_item(item, context).await;
            }
            tokio::select! {
                // The wait first: a server that never stops must not keep it from ending.
                biased;
                () = &mut lingered => return None,
                more = stream.wait() => match more {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(failure) => return Some(failure),
                },
            }
        }
    }

    /// Opens the stream again behind its cursor, as often as it takes and as long as there is hope.
    async fn reopen(
        &self,
        ticket: &Ticket,
        headers: &SessionHeaders,
        state: &mut Resumption,
    ) -> Reopened {
        let since = *state.fruitless_since.get_or_insert_with(Instant::now);
        loop {
            let pause = state.backoff.pause(state.retry, random::dice());
            let left = self.settings.resume_timeout.saturating_sub(since.elapsed());
            if pause > left && state.attempts > 0 {
                let text = format!(
                    "the response stream broke and made no progress for {} s of resuming it; the request may or may not have been carried out",
                    self.settings.resume_timeout.as_secs()
                );
                return Reopened::GivenUp(
                    Failure::new(FailureKind::ResumeFailed, text).at(&self.endpoint.shown()),
                );
            }
            state.attempts += 1;
            let patience = left.saturating_sub(pause).max(LAST_CHANCE);
            let manner = Manner { limit: Some(patience), ..self.manner(false) };
            tokio::select! {
                biased;
                () = sleep(pause) => {}
                () = ticket.closed() => return Reopened::Answered,
            }
            let reply = tokio::select! {
                biased;
                reply = self.get(headers, &state.cursor, manner) => reply,
                () = ticket.closed() => return Reopened::Answered,
            };
            match reply {
                Ok(reply) if reply.status().is_success() && reply.content() == Content::Events => {
                    return Reopened::Stream(Box::new(reply.into_events(state.cursor.clone())));
                }
                Ok(reply) if is_passing(reply.status().as_u16()) => {
                    state.retry_after(reply.retry_after());
                    log::debug!("resuming: HTTP {}", reply.status().as_u16());
                }
                Ok(reply) => {
                    let status = reply.status().as_u16();
                    let mut failure = reply.into_failure().await;
                    failure.kind = FailureKind::ResumeFailed;
                    failure.message = format!(
                        "the response stream broke and the server refuses to resume it (HTTP {status}); the request may or may not have been carried out"
                    );
                    return Reopened::GivenUp(failure);
                }
                Err(failure) if failure.kind == FailureKind::Unauthorized => {
                    return Reopened::GivenUp(failure);
                }
                Err(failure) => log::debug!("resuming: {failure}"),
            }
            state.backoff.fruitless();
        }
    }
}

impl Resumption {
    /// Takes what the connection that has just ended brought. The cursor survives empty ones.
    fn connection_ended(&mut self, stream: &EventStream, opened: Instant) {
        let cursor = stream.cursor();
        let polled = cursor != self.cursor;
        self.cursor = cursor;
        self.retry = stream.retry().or(self.retry);
        if stream.progress() > 0 || opened.elapsed() >= STREAM_ALIVE {
            self.fruitless_since = None;
            self.attempts = 0;
            if stream.progress() > u64::from(polled) {
                self.backoff.fruitful();
            } else {
                self.backoff.polled();
            }
        } else {
            self.backoff.fruitless();
        }
    }

    fn retry_after(&mut self, wait: Option<Duration>) {
        if let Some(wait) = wait {
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.retry = Some(self.retry.map_or(wait, |retry| retry.max(wait)));
        }
    }
}

/// Statuses that say nothing about whether a stream can be opened later. 409 is what servers say
/// that have not noticed yet that the connection before is dead.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429) || (status >= 500 && status != 501)
}

/// The failure of a stream that ended and has no cursor.
pub(super) fn lost(stream: &EventStream, ended: Option<Failure>, context: &Context<'_>) -> Failure {
    if let Some(invalid) = &context.invalid {
        return invalid.clone();
    }
    let text = match ended {
        Some(cause) => format!(
            "{}; the stream cannot be resumed, and the request may or may not have been carried out",
            cause.message
        ),
        None => "the server ended the response stream without an answer, and the stream cannot be resumed".into(),
    };
    Failure::new(FailureKind::StreamLost, text).at(stream.shown())
}
