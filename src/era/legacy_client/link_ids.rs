//! The ids of the requests on the link, and the numbers of everything that is ours.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::jsonrpc::{Id, IdKey};
use crate::limits::MAX_CANCELLED_IDS;

/// Whose request an id on the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A request of the client, by the value of the client's id.
    Call(IdKey),
    /// A `subscriptions/listen` of ours.
    Listen,
}

/// Which ids are in use on the link. A request keeps the client's own id where that is free.
#[derive(Debug, Default)]
pub(super) struct LinkIds {
    open: HashMap<IdKey, Owner>,
    /// Taken back, oldest first: an answer may still be under way, and must not be taken for the
    /// answer to a later request with the same id.
    cancelled: VecDeque<IdKey>,
    last: u64,
}

impl LinkIds {
    /// A number that no other id, token or question of this adapter has.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// An id of ours.
    pub fn own(&mut self) -> Id {
        loop {
            let text = format!(r#""mcp-tether/{}""#, self.number());
            let id = Id::from_raw(Bytes::from(text)).expect("a JSON string is an id");
            if self.is_free(&id.key()) {
                return id;
            }
        }
    }

    /// An id for a new request on the link: `wanted`, or one of ours.
    pub fn claim(&mut self, wanted: Option<&Id>, owner: Owner) -> Id {
        let id = wanted.filter(|id| self.is_free(&id.key())).cloned();
        let id = id.unwrap_or_else(|| self.own());
        self.open.insert(id.key(), owner);
        id
    }

    /// The request has its answer.
    pub fn answered(&mut self, key: &IdKey) -> Option<Owner> {
        let owner = self.open.remove(key);
        if owner.is_none() {
            self.cancelled.retain(|cancelled| cancelled != key);
        }
        owner
    }

    /// The request is taken back.
    pub fn cancelled(&mut self, id: &Id) {
        let key = id.key();
        if self.open.remove(&key).is_none() {
            return;
        }
        if self.cancelled.len() == MAX_CANCELLED_IDS {
            self.cancelled.pop_front();
        }
        self.cancelled.push_back(key);
    }

    /// Whether an open `subscriptions/listen` has this id.
    pub fn listens(&self, key: &IdKey) -> bool {
        self.open.get(key) == Some(&Owner::Listen)
    }

    fn is_free(&self, key: &IdKey) -> bool {
        !self.open.contains_key(key) && !self.cancelled.contains(key)
    }
}
