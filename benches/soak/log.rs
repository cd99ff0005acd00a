//! What a server keeps of an event stream so that it can be resumed: every event, numbered.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::watch;

/// Events of one stream. The first is the one that primes it: an id, and no message.
pub struct Log {
    name: String,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    events: Vec<Bytes>,
    ended: bool,
}

/// What comes after some events.
pub enum Next {
    /// One more.
    Event(Bytes),
    /// Nothing any more.
    End,
}

impl Log {
    /// A stream whose event ids begin with `name`.
    pub fn new(name: String) -> Log {
        let prime = Bytes::from(format!("id: {name}.0\nretry: 100\ndata:\n\n"));
        let state = State { events: vec![prime], ended: false };
        Log { name, state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    /// Appends a message, unless the stream has ended.
    pub fn push(&self, message: &str) {
        let mut state = self.state.lock().unwrap();
        if state.ended {
            return;
        }
        let number = state.events.len();
        state.events.push(Bytes::from(format!("id: {}.{number}\ndata: {message}\n\n", self.name)));
        drop(state);
        self.changed.send_replace(());
    }

    /// Nothing more will come.
    pub fn end(&self) {
        self.state.lock().unwrap().ended = true;
        self.changed.send_replace(());
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.state.lock().unwrap().events.len() as u64 - 1
    }

    /// What comes after the first `seen` events; waits for it.
    pub async fn after(&self, seen: usize) -> Next {
        let mut changed = self.changed.subscribe();
        loop {
            {
                let state = self.state.lock().unwrap();
                if let Some(event) = state.events.get(seen) {
                    return Next::Event(event.clone());
                }
                if state.ended {
                    return Next::End;
                }
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }
}
