//! A `subscriptions/listen` request to a modern server (2026-07-28, basic/patterns/subscriptions):
//! it stays open, and is sent again when its stream breaks. What changed in between is lost, so that
//! everything that was subscribed to counts as changed.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::Bridge;
use super::access::Manner;
use super::attempt::soon;
use super::follow::is_passing;
use super::inbound::Context;
use super::ledger::Ticket;
use super::order::Place;
use super::stateless::Stateless;
use crate::auth::Asking;
use crate::era::SUBSCRIPTION_ID;
use crate::era::lists::LISTS;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::splice::elements;
use crate::jsonrpc::{Kind, Message, Source, member};
use crate::limits::{MAX_SUBSCRIPTIONS, STREAM_WORTHWHILE};
use crate::random;
use crate::transport::backoff::Backoff;
use crate::transport::sse::Item;
use crate::transport::{Content, EventStream};

/// The method of the request.
pub(super) const LISTEN: &str = "subscriptions/listen";

/// The first message on the stream.
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// One subscription.
#[derive(Default)]
struct Subscription {
    /// The headers that mirror the request.
    mirrored: HeaderMap,
    /// The server's acknowledgement, once there.
    acknowledged: Option<Message>,
    backoff: Backoff,
    complained: bool,
}

/// How a server took the last `subscriptions/listen`, for who wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// It acknowledged it. Carries the JSON text of what it granted.
    Acknowledged(String),
    /// It refused with this status.
    Refused(u16),
    /// It did not answer.
    Failed(Failure),
}

/// The same, once it is known.
#[derive(Debug)]
pub struct Heard(watch::Sender<Option<Listening>>);

impl Default for Heard {
    fn default() -> Self {
        Heard(watch::channel(None).0)
    }
}

impl Heard {
    fn tell(&self, how: Listening) {
        self.0.send_replace(Some(how));
    }

    /// Waits until it is known.
    pub async fn next(&self) -> Option<Listening> {
        let mut heard = self.0.subscribe();
        // The sender lives as long as `self`.
        let heard = heard.wait_for(Option::is_some).await.ok()?;
        heard.clone()
    }
}

/// What came of one connection.
enum Connection {
    /// The request is answered or taken back.
    Done,
    /// It takes a sign-in that nobody is asked for.
    Locked(Failure),
    /// It broke, or could not be made.
    Broken(Failure),
    /// The server refuses, for good.
    Refused(Failure),
    /// See [`Stateless::OtherEra`].
    OtherEra(Failure),
}

impl Bridge {
    /// Keeps a subscription until it is taken back, or the server ends it.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        ticket: &Ticket,
        message: &Message,
        mirrored: HeaderMap,
        place: &Arc<Place>,
    ) -> Stateless {
        let mut subscription = Subscription { mirrored, ..Subscription::default() };
        let mut repeated = false;
        loop {
            let opened = Instant::now();
            let connection = tokio::select! {
                biased;
                connection = self.connect_subscription(ticket, message, place, &mut subscription) => connection,
                // Dropping the stream closes it, which is how a subscription is cancelled.
                () = ticket.closed() => return Stateless::Done,
            };
            let broken = match connection {
                Connection::Done => return Stateless::Done,
                Connection::OtherEra(failure) => return Stateless::OtherEra(failure),
                Connection::Refused(failure) => return self.unheard(failure),
                Connection::Locked(failure) => {
                    self.heard.tell(Listening::Failed(failure.clone()));
                    log::warn!("no messages from the server outside of requests: {failure}");
                    tokio::select! {
                        biased;
                        () = self.signed_in() => continue,
                        () = ticket.closed() => return Stateless::Done,
                    }
                }
                Connection::Broken(failure) => failure,
            };
            if subscription.acknowledged.is_none() && (repeated || !broken.unsent) {
                return self.unheard(broken);
            }
            repeated = true;
            if !std::mem::replace(&mut subscription.complained, true) {
                log::warn!("a subscription is interrupted ({broken}); trying again");
            }
            if opened.elapsed() >= STREAM_WORTHWHILE {
                subscription.backoff.fruitful();
                subscription.complained = false;
            }
            let wish =
                broken.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            let pause = subscription.backoff.pause(wish, random::dice());
            subscription.backoff.fruitless();
            tokio::select! {
                biased;
                () = sleep(pause) => {}
                () = ticket.closed() => return Stateless::Done,
            }
        }
    }

    fn unheard(&self, failure: Failure) -> Stateless {
        self.heard.tell(Listening::Failed(failure.clone()));
        Stateless::Failed(failure)
    }

    async fn connect_subscription(
        &self,
        ticket: &Ticket,
        message: &Message,
        place: &Arc<Place>,
        subscription: &mut Subscription,
    ) -> Connection {
        let manner = Manner { limit: None, asking: self.asking_for(message, subscription) };
        let sent = self.post_mirrored(ticket, message, &subscription.mirrored, place, manner).await;
        let mut reply = match sent {
            Ok(reply) => reply,
            Err(failure)
                if failure.kind == FailureKind::Unauthorized && manner.asking == Asking::Nobody =>
            {
                return Connection::Locked(failure);
            }
            Err(failure) if failure.kind == FailureKind::Unauthorized || failure.is_lasting() => {
                return Connection::Refused(failure);
            }
            Err(failure) => return Connection::Broken(failure),
        };
        let status = reply.status();
        if status.is_success() && reply.content() == Content::Events {
            let mut stream = reply.into_events(Bytes::new());
            return self.relay_subscription(ticket, &mut stream, subscription).await;
        }
        if status.is_success() && reply.content() == Content::Other {
            return Connection::Refused(self.no_answer(reply).await);
        }
        let body = self.refusal(&mut reply).await;
        let failure = reply.failure(&body);
        if !status.is_success() && self.is_legacy_now(status, &body, message).await {
            return Connection::OtherEra(failure);
        }
        if self.receive(body.into(), &mut Context::default()).await.is_ok() && !ticket.is_open() {
            self.heard.tell(Listening::Refused(status.as_u16()));
            return Connection::Done;
        }
        if is_passing(status.as_u16()) && subscription.acknowledged.is_some() {
            Connection::Broken(failure)
        } else {
            Connection::Refused(failure)
        }
    }

    /// Whether a person may be asked to sign in: not for what only we want, nor out of the blue when a
    /// stream is opened again.
    fn asking_for(&self, message: &Message, subscription: &Subscription) -> Asking {
        let wanted = ["params", "notifications", "resourceSubscriptions"];
        let ours = self.is_link() && member::lookup(message.bytes(), &wanted).is_none();
        if ours || subscription.acknowledged.is_some() {
            return Asking::Nobody;
        }
        self.manner(false).asking
    }

    async fn relay_subscription(
        &self,
        ticket: &Ticket,
        stream: &mut EventStream,
        subscription: &mut Subscription,
    ) -> Connection {
        let mut context = Context::default();
        // Until when the answer of a server may come that has taken the subscription back.
        let mut over = None;
        let ended = loop {
            while let Some(item) = stream.buffered() {
                match acknowledgement(&item) {
                    // Not yet a reason to come back quickly: the stream may break again at once.
                    Some(again) if subscription.acknowledged.is_some() => {
                        self.all_changed(ticket, &again).await;
                    }
                    first => {
                        if let Some(first) = first {
                            self.heard.tell(Listening::Acknowledged(granted(&first)));
                            subscription.acknowledged = Some(first);
                        }
                        if takes_back(&item, ticket) {
                            over.get_or_insert_with(soon);
                        }
                        self.receive_item(item, &mut context).await;
                    }
                }
                if !ticket.is_open() {
                    return Connection::Done;
                }
            }
            let more = match over {
                None => stream.wait().await,
                Some(end) => timeout_at(end, stream.wait()).await.unwrap_or(Ok(false)),
            };
            match more {
                Ok(true) => {}
                Ok(false) => break None,
                Err(failure) => break Some(failure),
            }
        };
        if let Some(item) = stream.finish() {
            self.receive_last(item, false, &mut context).await;
        }
        if over.is_some() {
            self.end_subscription(ticket).await;
        }
        if !ticket.is_open() {
            return Connection::Done;
        }
        Connection::Broken(super::follow::lost(stream, ended, &context))
    }

    /// Tells the client to look at everything that the subscription is about.
    async fn all_changed(&self, ticket: &Ticket, acknowledged: &Message) {
        let granted =
            |name: &str| member::lookup(acknowledged.bytes(), &["params", "notifications", name]);
        let id = String::from_utf8_lossy(ticket.id().raw()).into_owned();
        let meta = format!(r#""_meta":{{"{SUBSCRIPTION_ID}":{id}}}"#);
        for list in LISTS {
            if granted(list.filter) == Some("true") {
                let method = list.notification;
                let text =
                    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{meta}}}}}"#);
                self.to_client(text.into()).await;
            }
        }
        let uris = granted("resourceSubscriptions").and_then(elements).unwrap_or_default();
        for uri in uris.into_iter().take(MAX_SUBSCRIPTIONS).filter(|uri| uri.starts_with('"')) {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{{meta},"uri":{uri}}}}}"#
            );
            self.to_client(text.into()).await;
        }
    }

    /// Answers every open subscription as a server does that ends it (basic/patterns/subscriptions,
    /// "Graceful Closure").
    pub(super) async fn end_listening(&self) {
        for ticket in self.ledger.open_with(LISTEN) {
            self.end_subscription(&ticket).await;
        }
    }

    async fn end_subscription(&self, ticket: &Ticket) {
        let id = String::from_utf8_lossy(ticket.id().raw()).into_owned();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}}}"#
        );
        if let Ok(answer) = Message::parse(text.into(), Source::Server) {
            self.ledger.answer(&answer).await;
        }
    }
}

/// Whether the server takes the subscription back (2026-07-28, basic/patterns/cancellation). Its
/// answer may follow, or not.
fn takes_back(item: &Item, ticket: &Ticket) -> bool {
    let Item::Event(event) = item else { return false };
    let Ok(message) = Message::of(event.data.clone(), Source::Server) else { return false };
    message.takes_back().is_some_and(|id| ticket.is_for(&id))
}

/// What an acknowledgement grants, as JSON text.
fn granted(acknowledged: &Message) -> String {
    let granted = member::lookup(acknowledged.bytes(), &["params", "notifications"]);
    granted.unwrap_or("{}").to_owned()
}

/// The acknowledgement that an item is.
fn acknowledgement(item: &Item) -> Option<Message> {
    let Item::Event(event) = item else { return None };
    let message = Message::of(event.data.clone(), Source::Server).ok()?;
    let Kind::Notification { method } = message.kind() else { return None };
    (&**method == ACKNOWLEDGED).then_some(message)
}
