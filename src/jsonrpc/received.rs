//! A payload of the network or a line of stdin, with what was found out while it arrived.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use super::skeleton::{Sieve, Skeleton};

/// Text that should be JSON. It is used like the [`Bytes`] that it is; cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Received {
    bytes: Bytes,
    skeleton: Option<Arc<Skeleton>>,
}

impl Received {
    /// All of a text, which `sieve` has followed.
    pub fn new(bytes: Bytes, sieve: Sieve) -> Received {
        let skeleton = sieve.finish(bytes.len()).map(Arc::new);
        Received { bytes, skeleton }
    }

    /// A text with what is left of it to check.
    pub fn with(bytes: Bytes, skeleton: Skeleton) -> Received {
        Received { bytes, skeleton: Some(Arc::new(skeleton)) }
    }

    /// The text alone.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The text, and what is left to check of it if that is less than all.
    pub(super) fn into_parts(self) -> (Bytes, Option<Arc<Skeleton>>) {
        (self.bytes, self.skeleton)
    }
}

impl From<Bytes> for Received {
    fn from(bytes: Bytes) -> Received {
        Received { bytes, skeleton: None }
    }
}

impl Deref for Received {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl PartialEq for Received {
    fn eq(&self, other: &Received) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Received {}
