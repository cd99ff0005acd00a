//! The events of one connection.

use bytes::Bytes;
use http::HeaderValue;

use super::spare::Spare;
use super::sse::{Decoder, Item};
use crate::error::Failure;
use crate::http::Response;
use crate::limits::MAX_HEADER_TOKEN;

/// An open event stream.
#[derive(Debug)]
pub struct EventStream {
    response: Response,
    decoder: Decoder,
    spare: Spare,
}

impl EventStream {
    pub(super) fn new(
        response: Response,
        max_message: usize,
        last_event_id: Bytes,
        spare: Spare,
    ) -> EventStream {
        EventStream { response, decoder: Decoder::resuming(max_message, last_event_id), spare }
    }

    /// The next item that is already here, without waiting.
    pub fn buffered(&mut self) -> Option<Item> {
        let item = self.decoder.next_item();
        match &item {
            Some(Item::Event(event)) => self.spare.keep(&event.data),
            None if self.decoder.outgrows() => {
                if let Some(buffer) = self.spare.take() {
                    self.decoder.move_into(buffer);
                }
            }
            _ => {}
        }
        item
    }

    /// Waits for more of the body. `false` at its end. Safe to drop while it waits. Take every
    /// [`EventStream::buffered`] item before.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn wait(&mut self) -> Result<bool, Failure> {
        match self.response.piece().await? {
            Some(piece) => {
                self.decoder.feed(piece);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// A last event whose blank line never came.
    pub fn finish(&mut self) -> Option<Item> {
        self.decoder.finish()
    }

    /// The cursor: the last event id, empty if there is none or if it cannot be sent back.
    pub fn cursor(&self) -> Bytes {
        let id = self.decoder.last_event_id();
        let fits = id.len() <= MAX_HEADER_TOKEN && HeaderValue::from_bytes(id).is_ok();
        if fits { id.clone() } else { Bytes::new() }
    }

    /// The server's last `retry` field, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.decoder.retry()
    }

    /// Grows with every event that has data and every new id.
    pub fn progress(&self) -> u64 {
        self.decoder.progress()
    }

    /// The address that answered, as it may be shown.
    pub fn shown(&self) -> &str {
        self.response.shown()
    }
}
