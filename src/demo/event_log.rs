//! The events of one stream, kept for replay, within bounds.
//!
//! Every event has an id `<stream>-<number>`, so that an id alone says which stream of the session
//! it belongs to and where in it (transports, "Resumability and Redelivery"). Numbers count from 1.
//! Events are kept in the form in which they go over the wire.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// A place in a stream: the event with this number was the last one seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// The number of the stream within its session.
    pub stream: u64,
    /// The number of the event within its stream; 0 is the place before the first one.
    pub event: u64,
}

impl EventId {
    /// Reads an id as the client repeats it in `Last-Event-ID`.
    pub fn parse(text: &str) -> Option<Self> {
        let (stream, event) = text.split_once('-')?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        Some(Self { stream: number(stream)?, event: number(event)? })
    }
}

/// What lies behind a place in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// This event, with its number.
    Event(u64, Bytes),
    /// Nothing yet.
    Nothing,
}

/// The bounded log of one stream.
#[derive(Debug)]
pub struct EventLog {
    stream: u64,
    events: VecDeque<Bytes>,
    /// The number of the oldest event kept, or of the next one if none is.
    first: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl EventLog {
    /// An empty log for the stream of that number, with bounds on events and bytes kept.
    pub fn new(stream: u64, max_events: usize, max_bytes: usize) -> Self {
        Self { stream, events: VecDeque::new(), first: 1, bytes: 0, max_events, max_bytes }
    }

    /// Appends an event. `data` must be free of line breaks; empty data makes a priming event,
    /// `retry` tells the client how long to wait before it reconnects.
    ///
    /// The oldest events go when the bounds are reached. The newest one always stays and its bytes
    /// do not count, so that one large answer does not drive out the events before it.
    pub fn push(&mut self, data: &str, retry: Option<Duration>) {
        let number = self.last() + 1;
        let retry =
            retry.map_or_else(String::new, |delay| format!("retry: {}\n", delay.as_millis()));
        let event = Bytes::from(format!("id: {}-{number}\n{retry}data: {data}\n\n", self.stream));
        let newest = event.len();
        self.bytes += newest;
        self.events.push_back(event);
        while self.events.len() > 1
            && (self.events.len() > self.max_events || self.bytes - newest > self.max_bytes)
        {
            if let Some(oldest) = self.events.pop_front() {
                self.bytes -= oldest.len();
                self.first += 1;
            }
        }
    }

    /// The first kept event after the one with the number `seen`.
    pub fn after(&self, seen: u64) -> Next {
        let wanted = (seen + 1).max(self.first);
        usize::try_from(wanted - self.first)
            .ok()
            .and_then(|index| self.events.get(index))
            .map_or(Next::Nothing, |event| Next::Event(wanted, event.clone()))
    }

    /// The number of the newest event, 0 before there is one.
    pub fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    /// Whether a client that has seen the event `seen` can go on without missing one.
    pub fn reaches_back_to(&self, seen: u64) -> bool {
        seen + 1 >= self.first && seen <= self.last()
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(next: Next) -> String {
        match next {
            Next::Event(_, bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Next::Nothing => String::new(),
        }
    }

    #[test]
    fn ids_name_stream_and_place() {
        let id = EventId::parse("7-12").unwrap();
        assert_eq!((id.stream, id.event), (7, 12));
        for bad in ["", "7", "7-", "-1", "7-+1", "7-1-1", "x-1", "99999999999999999999-1"] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn events_are_framed_numbered_and_found_again() {
        let mut log = EventLog::new(3, 10, 1000);
        assert_eq!(log.after(0), Next::Nothing);
        log.push("", Some(Duration::from_millis(500)));
        log.push("{}", None);
        assert_eq!(text(log.after(0)), "id: 3-1\nretry: 500\ndata: \n\n");
        assert_eq!(text(log.after(1)), "id: 3-2\ndata: {}\n\n");
        assert_eq!(log.after(2), Next::Nothing);
        assert_eq!(log.after(99), Next::Nothing);
        assert_eq!(log.last(), 2);
    }

    #[test]
    fn the_number_of_events_is_bounded() {
        let mut log = EventLog::new(1, 3, 1000);
        for number in 1..=10 {
            log.push(&number.to_string(), None);
        }
        assert_eq!(text(log.after(0)), "id: 1-8\ndata: 8\n\n");
        assert!(log.reaches_back_to(7) && log.reaches_back_to(10));
        assert!(!log.reaches_back_to(6) && !log.reaches_back_to(11));
    }

    #[test]
    fn the_bytes_are_bounded_but_the_newest_event_stays() {
        let mut log = EventLog::new(1, 100, 60);
        for _ in 0..10 {
            log.push("0123456789", None);
        }
        // Each event takes 26 or 27 bytes: two fit, and the newest one comes on top.
        assert_eq!(text(log.after(0)), "id: 1-8\ndata: 0123456789\n\n");
        let large = "x".repeat(500);
        log.push(&large, None);
        assert!(text(log.after(10)).contains(&large));
        log.push("y", None);
        assert_eq!(text(log.after(0)), "id: 1-12\ndata: y\n\n");
    }
}
