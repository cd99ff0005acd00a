//! Carrying out what [`crate::shape`] decides: refusing calls, putting lists together; and the requests of ours
//! that this takes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Bridge;
use super::ledger::Ticket;
use super::order::{self, Place};
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::{INVALID_PARAMS, Id, Message, Source, member};
use crate::limits::{MAX_LIST_PAGES, RELIST_TIMEOUT};
use crate::shape::pages::{self, Next, Pages};
use crate::shape::{Shape, Verdict};

/// What becomes of a request.
pub enum Shaped {
    /// It goes its way, from this place.
    Onward(Place),
    /// It is seen to.
    Through,
}

/// Takes a request of ours back when nobody waits for it any more.
struct Asking<'a> {
    bridge: &'a Arc<Bridge>,
    ticket: Ticket,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.ticket.is_open() {
            return;
        }
        let id = self.ticket.id();
        self.bridge.ledger.cancel(id);
        if !self.ticket.is_sent() {
            return;
        }
        let notice = member::cancelled(id, "nobody waits for it any more");
        if let Ok(runtime) = Handle::try_current() {
            let bridge = self.bridge.clone();
            runtime.spawn(async move { bridge.take_message(notice.into()).await });
        }
    }
}

impl Bridge {
    /// Sees to a request that the shape has something to say about.
    pub(super) async fn shaped(
        self: &Arc<Self>,
        shape: &Shape,
        ticket: &Ticket,
        message: &Message,
        place: Place,
    ) -> Shaped {
        let mut place = place;
        let mut verdict = shape.admits(message);
        if verdict == Verdict::Unknown {
            // The list takes the place of the call, which goes out behind it.
            self.look_up(shape, ticket, place).await;
            place = self.order.enter(order::Kind::Request);
            verdict = shape.admits(message);
        }
        let refused = match verdict {
            Verdict::Admitted => None,
            Verdict::Refused(text) => Some(text),
            Verdict::Unknown => Some(
                "the server does not list this tool, so that it is not known to be read-only"
                    .into(),
            ),
        };
        if let Some(text) = refused {
            log::info!("tools/call is refused: {text}");
            let response = member::error_response(ticket.id(), INVALID_PARAMS, &text, None);
            self.answer_with(ticket, response).await;
            return Shaped::Through;
        }
        let Some(list) = shape.merges(message) else { return Shaped::Onward(place) };
        let merging = self.merge(list, message, place);
        tokio::select! {
            biased;
            answer = merging => match answer {
                Some(answer) => self.answer_with(ticket, answer).await,
                None => {
                    let text = "the list could not be asked for";
                    self.ledger.fail(ticket, &Failure::new(FailureKind::Internal, text)).await;
                }
            },
            () = ticket.closed() => {}
        }
        Shaped::Through
    }

    /// Answers a request with a response that may have another id.
    async fn answer_with(&self, ticket: &Ticket, response: Bytes) {
        if let Ok(response) = Message::parse(response, Source::Server)
            && let Ok(response) = Message::parse(response.with_id(ticket.id()), Source::Server)
        {
            self.ledger.answer(&response).await;
        }
    }

    /// A list in one piece, as the response to some request of ours.
    async fn merge(
        self: &Arc<Self>,
        list: &'static str,
        message: &Message,
        first: Place,
    ) -> Option<Bytes> {
        let mut gathered = Pages::new(list, self.settings.max_message);
        let mut place = Some(first);
        let mut cursor = None;
        loop {
            let at = place.take().unwrap_or_else(|| self.order.enter(order::Kind::Request));
            let method = message.method()?;
            let ask = |id: &Id| pages::request(message, id, cursor.as_deref());
            match gathered.take(self.ask_ourselves(method, ask, at).await?) {
                Next::Page(next) => cursor = Some(next),
                Next::Done(answer) => return Some(answer),
            }
        }
    }

    /// Lets the shape learn the server's tools; gives up after a while.
    async fn look_up(self: &Arc<Self>, shape: &Shape, ticket: &Ticket, first: Place) {
        let looking = async {
            let mut place = Some(first);
            let mut cursor: Option<String> = None;
            for _ in 0..MAX_LIST_PAGES {
                let at = place.take().unwrap_or_else(|| self.order.enter(order::Kind::Request));
                let ask = |id: &Id| {
                    let params = cursor.as_ref().map(|cursor| format!(r#"{{"cursor":{cursor}}}"#));
                    Some(self.request_of_ours(id, "tools/list", params.as_deref()))
                };
                let Some(answer) = self.ask_ourselves("tools/list", ask, at).await else { return };
                shape.learn(&answer);
                let next = member::lookup(&answer, &["result", "nextCursor"]);
                match next.filter(|next| next.starts_with('"')) {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => return,
                }
            }
        };
        tokio::select! {
            biased;
            _ = timeout(RELIST_TIMEOUT, looking) => {}
            () = ticket.closed() => {}
        }
    }

    /// Sends a request of ours as if the client had sent it, and waits for the answer, which may be an error of
    /// ours. None if there can be none. Boxed, because what it does may end up here again.
    pub(super) fn ask_ourselves<'a>(
        self: &'a Arc<Self>,
        method: &'a str,
        text: impl FnOnce(&Id) -> Option<Bytes> + Send + 'a,
        place: Place,
    ) -> BoxFuture<'a, Option<Bytes>> {
        async move {
            let (ticket, answer) = self.ledger.open_own(method).ok()?;
            let asking = Asking { bridge: self, ticket: ticket.clone() };
            let message = Message::parse(text(ticket.id())?, Source::Client).ok()?;
            self.exchange(ticket, message, place).await;
            let text = "the request was given up";
            self.ledger.fail(&asking.ticket, &Failure::new(FailureKind::Internal, text)).await;
            answer.await.ok()
        }
        .boxed()
    }

    /// A request without anything but what every request has.
    pub(super) fn request_of_ours(&self, id: &Id, method: &str, params: Option<&str>) -> Bytes {
        let id = String::from_utf8_lossy(id.raw());
        let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
        Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"{params}}}"#))
    }
}
