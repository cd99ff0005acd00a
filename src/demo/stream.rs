//! One SSE stream of a session: what is written to it, and the connection that carries it.
//!
//! A stream outlives its connections: it is written to whether or not a client is connected, and a
//! client that comes back goes on where it was. At most one connection carries a stream at a time;
//! a client that resumes it takes it over from a connection that has not noticed its end yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::event_log::{EventLog, Next};
use super::limits::Limits;

/// The number of the standalone stream of every session; streams of POSTs count from 1.
pub const STANDALONE: u64 = 0;

/// A stream. See the module.
#[derive(Debug)]
pub struct Stream {
    state: Mutex<State>,
    /// Wakes the connection whenever the state has changed.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    log: EventLog,
    /// Nothing more will be written.
    finished: bool,
    /// Which connection carries the stream: the latest one.
    carrier: u64,
    /// Whether that connection is still there.
    connected: bool,
    /// The newest event handed to any connection.
    delivered: u64,
}

impl Stream {
    /// An empty stream with its number in the session.
    pub fn new(number: u64, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                log: EventLog::new(number, limits.stream_events, limits.stream_bytes),
                finished: false,
                carrier: 0,
                connected: false,
                delivered: 0,
            }),
            changed: watch::Sender::new(()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a message; ignored once the stream is finished.
    pub fn send(&self, message: &str) {
        self.push(message, None);
    }

    /// Writes a priming event: an id to resume from before there is any message.
    pub fn prime(&self, retry: Option<Duration>) {
        self.push("", retry);
    }

    fn push(&self, data: &str, retry: Option<Duration>) {
        let mut state = self.state();
        if !state.finished {
            state.log.push(data, retry);
            drop(state);
            self.changed.send_replace(());
        }
    }

    /// Ends the stream: its connection closes once it has delivered everything.
    pub fn finish(&self) {
        self.state().finished = true;
        self.changed.send_replace(());
    }

    /// Whether everything has been written.
    pub fn is_finished(&self) -> bool {
        self.state().finished
    }

    /// Bytes kept for replay.
    pub fn bytes(&self) -> usize {
        self.state().log.bytes()
    }

    /// Whether a client listens.
    pub fn is_connected(&self) -> bool {
        self.state().connected
    }

    /// Carries on after everything that some connection was already given; `None` while another
    /// connection carries the stream.
    pub fn connect(self: &Arc<Self>) -> Option<Connection> {
        let state = self.state();
        let seen = state.delivered;
        (!state.connected).then(|| self.carry(state, seen))
    }

    /// Carries on after the event `seen`, taking the stream over from any other connection;
    /// `None` if the events after it are no longer kept or the event was never sent.
    ///
    /// The standalone stream carries notifications only; there the oldest kept one will do.
    pub fn resume(self: &Arc<Self>, seen: u64, gaps_allowed: bool) -> Option<Connection> {
        let state = self.state();
        let possible =
            state.log.reaches_back_to(seen) || (gaps_allowed && seen <= state.log.last());
        possible.then(|| self.carry(state, seen))
    }

    fn carry(self: &Arc<Self>, mut state: MutexGuard<'_, State>, seen: u64) -> Connection {
        state.carrier += 1;
        state.connected = true;
        let carrier = state.carrier;
        drop(state);
        // Whoever carried the stream so far finds out that it no longer does.
        self.changed.send_replace(());
        Connection { stream: Arc::clone(self), changed: self.changed.subscribe(), carrier, seen }
    }
}

/// A connection's hold on a stream; released when dropped.
#[derive(Debug)]
pub struct Connection {
    stream: Arc<Stream>,
    changed: watch::Receiver<()>,
    carrier: u64,
    seen: u64,
}

impl Connection {
    /// Waits for the next event; `None` when the stream is complete or another connection has
    /// taken it over. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Marked as seen before looking, so that no change between the two is missed.
            self.changed.borrow_and_update();
            {
                let mut state = self.stream.state();
                if state.carrier != self.carrier {
                    return None;
                }
                match state.log.after(self.seen) {
                    Next::Event(number, event) => {
                        self.seen = number;
                        state.delivered = state.delivered.max(number);
                        return Some(event);
                    }
                    Next::Nothing if state.finished => return None,
                    Next::Nothing => {}
                }
            }
            self.changed.changed().await.ok()?;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.stream.state();
        if state.carrier == self.carrier {
            state.connected = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Arc<Stream> {
        Stream::new(1, &Limits::default())
    }

    async fn rest(mut connection: Connection) -> String {
        let mut text = String::new();
        while let Some(event) = connection.next().await {
            text.push_str(std::str::from_utf8(&event).unwrap());
        }
        text
    }

    #[tokio::test]
    async fn a_connection_gets_what_was_written_before_and_after_it_came() {
        let stream = stream();
        stream.send("1");
        let connection = stream.connect().unwrap();
        let reader = tokio::spawn(rest(connection));
        stream.send("2");
        stream.finish();
        stream.send("ignored");
        assert_eq!(reader.await.unwrap(), "id: 1-1\ndata: 1\n\nid: 1-2\ndata: 2\n\n");
    }

    #[tokio::test]
    async fn a_second_connection_is_refused_until_the_first_is_gone() {
        let stream = stream();
        stream.send("1");
        let mut first = stream.connect().unwrap();
        assert!(stream.connect().is_none());
        first.next().await.unwrap();
        drop(first);
        stream.send("2");
        stream.finish();
        let second = stream.connect().unwrap();
        assert_eq!(rest(second).await, "id: 1-2\ndata: 2\n\n");
    }

    #[tokio::test]
    async fn resuming_takes_over_and_replays() {
        let stream = stream();
        stream.send("1");
        stream.send("2");
        let mut first = stream.connect().unwrap();
        first.next().await.unwrap();
        first.next().await.unwrap();
        let second = stream.resume(1, false).unwrap();
        assert_eq!(first.next().await, None);
        drop(first);
        assert!(stream.connect().is_none(), "the second connection holds on");
        stream.finish();
        assert_eq!(rest(second).await, "id: 1-2\ndata: 2\n\n");
        assert!(stream.resume(3, true).is_none(), "never sent");
    }

    #[tokio::test]
    async fn a_gap_is_tolerated_only_where_allowed() {
        let limits = Limits { stream_events: 2, ..Limits::default() };
        let stream = Stream::new(1, &limits);
        for text in ["1", "2", "3", "4"] {
            stream.send(text);
        }
        stream.finish();
        assert!(stream.resume(1, false).is_none());
        let connection = stream.resume(1, true).unwrap();
        assert_eq!(rest(connection).await, "id: 1-3\ndata: 3\n\nid: 1-4\ndata: 4\n\n");
    }
}
