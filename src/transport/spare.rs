//! A large buffer, kept for a moment to be used again.
//!
//! Fresh memory for a message of many megabytes costs more than reading the message: the system
//! hands it out page by page. A client that asks for one large result often asks for the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::time::sleep;

use crate::limits::{SPARE_BUFFER_KEPT, SPARE_BUFFER_MIN};
use crate::tasks;

/// One slot. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Spare(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    /// The last large message. Its memory is free when nobody else holds it any more.
    last: Option<Bytes>,
    /// Counts what was put in, so that only the newest is taken out by time.
    serial: u64,
}

impl Spare {
    /// The memory of an earlier large message, if it is free.
    pub fn take(&self) -> Option<BytesMut> {
        let mut buffer = self.slot().last.take()?.try_into_mut().ok()?;
        buffer.clear();
        Some(buffer)
    }

    /// An empty buffer with room for `size` bytes.
    pub fn with_capacity(&self, size: usize) -> BytesMut {
        if size >= SPARE_BUFFER_MIN
            && let Some(mut buffer) = self.take()
        {
            buffer.reserve(size);
            return buffer;
        }
        BytesMut::with_capacity(size)
    }

    /// Keeps the memory of a large message for [`SPARE_BUFFER_KEPT`].
    pub fn keep(&self, message: &Bytes) {
        if message.len() < SPARE_BUFFER_MIN {
            return;
        }
        let serial = {
            let mut slot = self.slot();
            slot.last = Some(message.clone());
            slot.serial += 1;
            slot.serial
        };
        let spare = self.clone();
        tasks::spawn(async move {
            sleep(SPARE_BUFFER_KEPT).await;
            let mut slot = spare.slot();
            if slot.serial == serial {
                slot.last = None;
            }
        });
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_used_again_once_it_is_free() {
        let spare = Spare::default();
        let message = Bytes::from(vec![1; SPARE_BUFFER_MIN]);
        let address = message.as_ptr();
        spare.keep(&message);
        // Somebody still writes it.
        assert!(spare.take().is_none());
        spare.keep(&message);
        drop(message);
        let buffer = spare.with_capacity(SPARE_BUFFER_MIN);
        assert!(buffer.is_empty() && buffer.as_ptr() == address);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_given_back_after_a_while() {
        let spare = Spare::default();
        spare.keep(&Bytes::from(vec![1; SPARE_BUFFER_MIN]));
        sleep(SPARE_BUFFER_KEPT * 2).await;
        assert!(spare.take().is_none());
        spare.keep(&Bytes::from_static(b"small"));
        assert!(spare.take().is_none());
    }
}
