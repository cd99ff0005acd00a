//! Letting somebody see every exchange, for `--trace`. The observer gets everything as it is, secrets
//! included, and must not block.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use url::Url;

use crate::error::Failure;
use crate::secret::Redactor;

/// Sees exchanges.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The number of the next exchange.
    fn next_exchange(&self) -> u64;

    /// Something happened in an exchange. The first thing is [`Seen::Request`], the last one
    /// [`Seen::End`], [`Seen::Closed`], [`Seen::Broken`] or [`Seen::Failed`].
    /// Whether it could be taken down.
    fn see(&self, exchange: u64, seen: Seen<'_>) -> bool;
}

/// What happens in an exchange.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A request is about to be sent.
    Request {
        /// Whether it belongs to signing in.
        signs_in: bool,
        /// The method.
        method: &'a Method,
        /// Where to.
        url: &'a Url,
        /// What was set; the connection adds more.
        headers: &'a HeaderMap,
        /// The body.
        body: Option<&'a Bytes>,
        /// Knows the secrets that may be in it.
        redactor: &'a Arc<Redactor>,
    },
    /// The body was handed to a connection.
    Sent,
    /// The header section of the response is there.
    Response {
        /// The status.
        status: StatusCode,
        /// Of HTTP.
        version: Version,
        /// What it says.
        headers: &'a HeaderMap,
    },
    /// A piece of the body, decompressed.
    Piece {
        /// The piece.
        piece: &'a Bytes,
        /// Whether pieces before it could not be taken down.
        gap: bool,
    },
    /// The end of the body.
    End,
    /// Nobody wants to know the rest.
    Closed,
    /// The connection broke within the body.
    Broken(&'a Failure),
    /// There is no response.
    Failed(&'a Failure),
}

/// One exchange that somebody sees.
#[derive(Debug)]
pub(super) struct Watched {
    observer: Arc<dyn Observer>,
    exchange: u64,
    /// Bytes of the body so far.
    received: u64,
    /// What the header section promises.
    promised: Option<u64>,
    gap: bool,
    ended: bool,
}

impl Watched {
    pub(super) fn new(observer: &Arc<dyn Observer>) -> Watched {
        let exchange = observer.next_exchange();
        let observer = observer.clone();
        Watched { observer, exchange, received: 0, promised: None, gap: false, ended: false }
    }

    pub(super) fn see(&mut self, seen: Seen<'_>) {
        if self.ended {
            return;
        }
        self.ended = matches!(seen, Seen::End | Seen::Broken(_) | Seen::Failed(_));
        self.observer.see(self.exchange, seen);
    }

    pub(super) fn see_piece(&mut self, piece: &Bytes) {
        self.received += piece.len() as u64;
        self.gap = !self.observer.see(self.exchange, Seen::Piece { piece, gap: self.gap });
    }

    /// How long the body will be, if that is known.
    pub(super) fn promise(&mut self, length: Option<u64>) {
        self.promised = length;
    }

    /// To be called when the body is handed over.
    pub(super) fn on_sent(&self, then: Option<super::OnSent>) -> super::OnSent {
        let (observer, exchange) = (self.observer.clone(), self.exchange);
        super::OnSent::new(move || {
            observer.see(exchange, Seen::Sent);
            if let Some(then) = &then {
                then.call();
            }
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            // Who knows the length does not ask for the end.
            let whole = self.promised == Some(self.received);
            self.observer.see(self.exchange, if whole { Seen::End } else { Seen::Closed });
        }
    }
}
