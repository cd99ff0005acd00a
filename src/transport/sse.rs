//! Server-sent events to the letter of the WHATWG HTML standard, section 9.2.6.
//!
//! Pure. Linear: every byte is looked at once, and copied at most once however large the event and
//! however small the pieces it comes in.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use crate::jsonrpc::Received;
use crate::jsonrpc::skeleton::Sieve;
use crate::limits::{SALVAGE_PREFIX, SPARE_BUFFER_MIN};

/// What a stream dispatches.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// An event with data (which may be empty, as in the priming event of 2025-11-25).
    Event(Event),
    /// An event over the size limit, of which only the beginning of its data was kept.
    TooLarge {
        /// The first [`SALVAGE_PREFIX`] bytes of its data.
        prefix: Bytes,
    },
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// The event type; empty stands for `message`.
    pub name: Bytes,
    /// The data, its lines joined with LF. Not checked for UTF-8.
    pub data: Received,
}

impl Event {
    /// Whether the event type is `message`, the only one that carries JSON-RPC.
    pub fn is_message(&self) -> bool {
        self.name.is_empty() || &self.name[..] == b"message"
    }
}

/// Decodes one connection's body. Make a new one for each connection and give it the cursor of the
/// one before with [`Decoder::resuming`].
#[derive(Debug)]
pub struct Decoder {
    input: Bytes,
    /// A line whose end has not come yet.
    partial: BytesMut,
    /// Follows the value of that line, if it is data.
    sieve: Sieve,
    data: Data,
    name: Bytes,
    /// `id` field of the current block, not yet valid.
    block_id: Option<Bytes>,
    last_event_id: Bytes,
    retry: Option<u64>,
    progress: u64,
    limit: usize,
    /// The prefix of an over-long event whose rest is being discarded.
    discarding: Option<Bytes>,
    at_start: bool,
    skip_lf: bool,
}

#[derive(Debug)]
enum Data {
    None,
    One(Received),
    Many(BytesMut),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Data::None => 0,
            Data::One(line) => line.len(),
            Data::Many(lines) => lines.len(),
        }
    }

    fn take(&mut self) -> Option<Received> {
        match std::mem::replace(self, Data::None) {
            Data::None => None,
            Data::One(line) => Some(line),
            Data::Many(lines) => Some(lines.freeze().into()),
        }
    }

    fn push(&mut self, line: Received) {
        *self = match std::mem::replace(self, Data::None) {
            Data::None => Data::One(line),
            Data::One(first) => {
                let mut lines = BytesMut::from(first.into_bytes());
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&line);
                Data::Many(lines)
            }
            Data::Many(mut lines) => {
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&line);
                Data::Many(lines)
            }
        };
    }
}

impl Decoder {
    /// A decoder for events of at most `limit` bytes.
    pub fn new(limit: usize) -> Decoder {
        Decoder::resuming(limit, Bytes::new())
    }

    /// As [`Decoder::new`], for a stream of which `last_event_id` was the last id seen.
    pub fn resuming(limit: usize, last_event_id: Bytes) -> Decoder {
        Decoder {
            input: Bytes::new(),
            partial: BytesMut::new(),
            sieve: Sieve::default(),
            data: Data::None,
            name: Bytes::new(),
            block_id: None,
            last_event_id,
            retry: None,
            progress: 0,
            limit,
            discarding: None,
            at_start: true,
            skip_lf: false,
        }
    }

    /// Takes the next piece of the body. Call [`Decoder::next_item`] until it returns `None` before.
    pub fn feed(&mut self, piece: Bytes) {
        debug_assert!(self.input.is_empty(), "the piece before has not been used up");
        self.input = piece;
    }

    /// The next item of what was fed.
    pub fn next_item(&mut self) -> Option<Item> {
        while !self.input.is_empty() {
            if std::mem::take(&mut self.skip_lf) && self.input[0] == b'\n' {
                self.input.advance(1);
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', &self.input) else {
                let rest = std::mem::take(&mut self.input);
                self.keep_partial(&rest);
                return None;
            };
            let carriage_return = self.input[end] == b'\r';
            let (line, sieve) = if self.partial.is_empty() {
                (self.input.split_to(end), Sieve::default())
            } else {
                let rest = self.input.split_to(end);
                self.keep_partial(&rest);
                self.take_partial()
            };
            self.input.advance(1);
            self.skip_lf = carriage_return;
            if let Some(item) = self.line(line, sieve) {
                return Some(item);
            }
        }
        None
    }

    /// Ends the stream. An event whose blank line never came, if there is one with data: the standard
    /// drops it, but servers exist that forget the line, and whoever can tell that the data is whole
    /// may use it.
    pub fn finish(&mut self) -> Option<Item> {
        if !self.partial.is_empty() {
            let (line, sieve) = self.take_partial();
            self.line(line, sieve);
        }
        if let Some(prefix) = self.discarding.take() {
            return Some(Item::TooLarge { prefix });
        }
        let name = std::mem::take(&mut self.name);
        self.data.take().map(|data| Item::Event(Event { name, data }))
    }

    /// Whether a line is being gathered that is large and will need more memory soon.
    pub fn outgrows(&self) -> bool {
        self.partial.len() >= SPARE_BUFFER_MIN && self.partial.capacity() < 4 * SPARE_BUFFER_MIN
    }

    /// Goes on gathering that line in `buffer`, which is empty.
    pub fn move_into(&mut self, mut buffer: BytesMut) {
        buffer.extend_from_slice(&self.partial);
        self.partial = buffer;
    }

    /// The last event id: the cursor of this stream. Empty if there is none.
    pub fn last_event_id(&self) -> &Bytes {
        &self.last_event_id
    }

    /// The last `retry` field, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Grows with every event that has data and with every new id: a stream on which it stands still
    /// makes none.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    fn keep_partial(&mut self, rest: &[u8]) {
        if self.discarding.is_some() && self.partial.len() > SALVAGE_PREFIX {
            // Enough to tell an empty line from one that is not.
            return;
        }
        self.partial.extend_from_slice(rest);
        if self.discarding.is_none()
            && self.partial.len() + self.data.len() > self.limit + "data: ".len()
        {
            let kept = match &self.data {
                Data::None => self.partial.strip_prefix(b"data:").unwrap_or(b""),
                Data::One(line) => line,
                Data::Many(lines) => lines,
            };
            self.discarding = Some(prefix(kept));
            self.data = Data::None;
            (self.partial, self.sieve) = (BytesMut::from(&b":"[..]), Sieve::default());
        }
        if self.partial.starts_with(b"data:") {
            let value = "data:".len() + usize::from(self.partial.get(5) == Some(&b' '));
            self.sieve.follow(&self.partial[value..]);
        }
    }

    fn take_partial(&mut self) -> (Bytes, Sieve) {
        (std::mem::take(&mut self.partial).freeze(), std::mem::take(&mut self.sieve))
    }

    fn line(&mut self, mut line: Bytes, sieve: Sieve) -> Option<Item> {
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line.advance(3);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = memchr::memchr(b':', &line);
        let field = colon.unwrap_or(line.len());
        let value = match colon {
            Some(at) if line.get(at + 1) == Some(&b' ') => at + 2,
            Some(at) => at + 1,
            None => line.len(),
        };
        match &line[..field] {
            b"data" if self.discarding.is_some() => {}
            b"data" => {
                // Not a slice: that would count one more reference to the piece.
                line.advance(value);
                let data = Received::new(line, sieve);
                // A line end comes between two lines, of which the first may be empty.
                let joined = match &self.data {
                    Data::None => 0,
                    data => data.len() + 1,
                };
                if joined + data.len() > self.limit {
                    let kept = self.data.take().unwrap_or(data);
                    self.discarding = Some(prefix(&kept));
                } else {
                    self.data.push(data);
                }
            }
            b"event" => self.name = line.slice(value..),
            b"id" if !line[value..].contains(&0) => {
                self.block_id = Some(Bytes::copy_from_slice(&line[value..]));
            }
            b"retry" => {
                let digits = &line[value..];
                if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
                    let text = std::str::from_utf8(digits).unwrap_or_default();
                    self.retry = Some(text.parse().unwrap_or(u64::MAX));
                }
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Item> {
        if let Some(id) = self.block_id.take()
            && id != self.last_event_id
        {
            self.last_event_id = id;
            self.progress += 1;
        }
        let name = std::mem::take(&mut self.name);
        let item = match (self.discarding.take(), self.data.take()) {
            (Some(prefix), _) => Item::TooLarge { prefix },
            (None, Some(data)) => Item::Event(Event { name, data }),
            (None, None) => return None,
        };
        let primes = matches!(&item, Item::Event(event) if event.data.is_empty());
        self.progress += u64::from(!primes);
        Some(item)
    }
}

fn prefix(data: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&data[..data.len().min(SALVAGE_PREFIX)])
}

#[cfg(test)]
mod tests;
