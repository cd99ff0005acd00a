//! A request body that tells when it has been handed to a connection.
//!
//! The order of messages needs it: a notification must not overtake a request that still waits for
//! a connection, and a request that was never handed over can be sent again without harm.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Called when a body has been handed over; may be called again if the request is sent again.
#[derive(Clone)]
pub struct OnSent(Arc<dyn Fn() + Send + Sync>);

impl OnSent {
    /// Wraps a callback, which must not block.
    pub fn new(callback: impl Fn() + Send + Sync + 'static) -> OnSent {
        OnSent(Arc::new(callback))
    }

    /// Calls it.
    pub(super) fn call(&self) {
        (self.0)();
    }
}

impl fmt::Debug for OnSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnSent")
    }
}

/// Whether a body has been handed over.
#[derive(Clone, Debug)]
pub struct HandedOver {
    flag: Arc<AtomicBool>,
    callback: Option<OnSent>,
}

impl HandedOver {
    /// Not yet.
    pub fn new(callback: Option<OnSent>) -> HandedOver {
        HandedOver { flag: Arc::default(), callback }
    }

    /// Whether it happened.
    pub fn happened(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    fn happens(&self) {
        self.flag.store(true, Ordering::Release);
        if let Some(callback) = &self.callback {
            callback.call();
        }
    }
}

/// A body of one piece with a known length.
pub fn once(bytes: Bytes, handed_over: HandedOver) -> reqwest::Body {
    reqwest::Body::wrap(Once { bytes: Some(bytes), handed_over })
}

struct Once {
    bytes: Option<Bytes>,
    handed_over: HandedOver,
}

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            self.handed_over.happens();
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
