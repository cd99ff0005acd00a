//! Notifications of changes that two streams may bring: held for a moment, so that each comes once.

use bytes::Bytes;

use crate::jsonrpc::{Message, member};
use crate::limits::{MAX_HELD_BYTES, MAX_HELD_CHANGES};

use crate::era::lists::LISTS;

/// What the client should look at again. Two notifications of the same change say no more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A list, by its place in [`LISTS`].
    List(usize),
    /// A resource.
    Resource(String),
}

impl Change {
    /// The change that a notification is about, if it is about one.
    pub fn of(method: &str, message: &Message) -> Option<Change> {
        if method == "notifications/resources/updated" {
            let uri = member::lookup_string(message.bytes(), &["params", "uri"])?;
            return Some(Change::Resource(uri));
        }
        LISTS.iter().position(|list| list.notification == method).map(Change::List)
    }
}

/// The notifications that are held. Each waits for the end of the overlap of one generation of
/// streams.
#[derive(Debug, Default)]
pub(super) struct Held {
    changes: Vec<(u64, Change, Bytes)>,
    bytes: usize,
}

impl Held {
    /// Holds a notification until the overlap of `generation` is over. One of the same change is
    /// replaced, in its place. Returns everything, to be passed on, once it is too much.
    pub fn hold(&mut self, generation: u64, change: Change, notification: Bytes) -> Vec<Bytes> {
        self.bytes += notification.len();
        match self.changes.iter_mut().find(|(_, held, _)| *held == change) {
            Some((_, _, held)) => {
                self.bytes -= held.len();
                *held = notification;
            }
            None => self.changes.push((generation, change, notification)),
        }
        if self.changes.len() > MAX_HELD_CHANGES || self.bytes > MAX_HELD_BYTES {
            return self.release(u64::MAX);
        }
        Vec::new()
    }

    /// Drops the changes that are not `wanted` any more.
    pub fn retain(&mut self, wanted: impl Fn(&Change) -> bool) {
        self.changes.retain(|(_, change, _)| wanted(change));
        self.bytes = self.changes.iter().map(|(.., notification)| notification.len()).sum();
    }

    /// Takes out what waited for this generation or an earlier one, in its order.
    pub fn release(&mut self, generation: u64) -> Vec<Bytes> {
        let mut released = Vec::new();
        self.changes.retain(|(waits_for, _, notification)| {
            let over = *waits_for <= generation;
            if over {
                released.push(notification.clone());
            }
            !over
        });
        self.bytes -= released.iter().map(Bytes::len).sum::<usize>();
        released
    }

    /// What would have waited for `from` waits for `to`.
    pub fn move_back(&mut self, from: u64, to: u64) {
        for (generation, ..) in &mut self.changes {
            if *generation == from {
                *generation = to;
            }
        }
    }
}
