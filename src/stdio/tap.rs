//! Letting somebody see every message between the client and the bridge, for `--trace`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The bridge.
    Bridge,
}

/// Sees messages as they are, and must not block. A line over the size limit is seen by its beginning.
pub trait Tap: fmt::Debug + Send + Sync {
    /// `message` came from, or went away from, `side`.
    fn message(&self, side: Side, message: &Bytes);
}

/// A tap, if there is one.
pub type OptionalTap = Option<Arc<dyn Tap>>;
