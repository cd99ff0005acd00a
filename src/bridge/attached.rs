//! A bridge whose client is in this process: what commands reach a server with. It is the bridge that
//! a client on stdio gets, so that what works here works there.

use std::sync::Arc;

use bytes::Bytes;

use super::access::Access;
use super::listener::Answered;
use super::path::Path;
use super::subscription::Listening;
use super::verdict::Verdict;
use super::{Bridge, Settings};
use crate::era::Era;
use crate::secret::Redactor;
use crate::stdio::tap::{OptionalTap, Side};
use crate::stdio::writer::{Inbox, Outbox};
use crate::transport::Endpoint;

/// One bridge. Clones are the same one.
#[derive(Clone)]
pub struct Attached {
    bridge: Arc<Bridge>,
    tap: OptionalTap,
}

impl Attached {
    /// A bridge to `endpoint`, and what it says to its client, which has to be read all the time:
    /// while it is not, nothing is taken from the server. `tap` sees both sides. Opens no connection.
    pub fn new(
        endpoint: Endpoint,
        access: Access,
        verdict: Verdict,
        settings: Settings,
        redactor: Arc<Redactor>,
        tap: OptionalTap,
    ) -> (Attached, Inbox) {
        let (outbox, inbox) = Outbox::channel(tap.clone());
        let bridge = Bridge::new(endpoint, access, verdict, settings, None, redactor, outbox);
        (Attached { bridge, tap }, inbox)
    }

    /// Takes a message, as from a line on stdin: every request is answered once, if need be with an
    /// error of ours. Waits while too many notifications and responses are on their way.
    pub async fn send(&self, message: Bytes) {
        if let Some(tap) = &self.tap {
            tap.message(Side::Client, &message);
        }
        self.bridge.take_message(message.into()).await;
    }

    /// The era of the server, once that is known.
    pub fn era(&self) -> Option<Era> {
        match self.bridge.paths.known()? {
            Path::Legacy => Some(Era::Legacy),
            Path::Modern => Some(Era::Modern),
            Path::Translated(translation) => Some(translation.server()),
        }
    }

    /// Whether the server is spoken to by HTTP+SSE. Settled once `initialize` is answered.
    pub fn is_http_sse(&self) -> bool {
        self.bridge.is_http_sse() || self.bridge.links().iter().any(|link| link.is_http_sse())
    }

    /// Whether the server has given a session an id.
    pub fn has_session(&self) -> bool {
        let named = |bridge: &Bridge| bridge.session.snapshot().headers.session.is_some();
        named(&self.bridge) || self.bridge.links().iter().any(|link| named(link))
    }

    /// How a legacy server answered the GET for its standalone stream, once it has. Never returns
    /// where none is asked for.
    pub async fn standalone(&self) -> Option<Answered> {
        let links = self.bridge.links();
        match links.first() {
            Some(link) => link.listener.answered().await,
            None => self.bridge.listener.answered().await,
        }
    }

    /// How a modern server took a subscription, once it has. Never returns where there is none.
    pub async fn listening(&self) -> Option<Listening> {
        let links = self.bridge.links();
        match links.first() {
            Some(link) => link.heard.next().await,
            None => self.bridge.heard.next().await,
        }
    }

    /// Ends everything: what is unanswered is dropped, subscriptions are closed, sessions are ended
    /// with DELETE. Takes a few seconds at most, or as long as a token is just being refreshed.
    pub async fn end(&self) {
        self.bridge.end_quietly().await;
    }
}
