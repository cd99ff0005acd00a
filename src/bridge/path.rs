//! How the client's messages get to the server: as they are, or translated.
//!
//! The era of the client shows in its first message; that of the server is found out by `detection`.
//! Both are kept here once they are known.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::translation::Translation;
use crate::era::Era;
use crate::jsonrpc::Message;

/// A way to the server.
#[derive(Clone)]
pub enum Path {
    /// Messages go as they are, to a server that keeps sessions.
    Legacy,
    /// Messages go as they are, to a server that is stateless.
    Modern,
    /// The client and the server are of different eras.
    Translated(Arc<Translation>),
}

/// Whether a message is what a legacy client begins with. A modern client may send a request of that
/// name too; its server refuses it.
fn opens_session(message: &Message) -> bool {
    message.method() == Some("initialize") && Era::of_client(message) == Era::Legacy
}

/// The way of one bridge.
#[derive(Default)]
pub struct Paths {
    /// Held while the way is found out, so that it happens once.
    pub finding: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<Era>,
    path: Option<Path>,
    /// The server has not said of which era it is.
    tentative: bool,
    fixed: bool,
}

impl Paths {
    /// A way that nothing changes: that of a link.
    pub fn fixed(era: Era) -> Paths {
        let path = match era {
            Era::Legacy => Path::Legacy,
            Era::Modern => Path::Modern,
        };
        let state = State { client: Some(era), path: Some(path), tentative: false, fixed: true };
        Paths { finding: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    /// The way, if it is known.
    pub fn known(&self) -> Option<Path> {
        self.state().path.clone()
    }

    /// Whether messages go to a modern server as they are.
    pub fn is_modern(&self) -> bool {
        matches!(self.state().path, Some(Path::Modern))
    }

    /// The era of the client; legacy as long as it has not shown.
    pub fn client(&self) -> Era {
        self.state().client.unwrap_or(Era::Legacy)
    }

    /// Takes note of the era that the first message of the client shows. A client that falls back
    /// to `initialize` is a legacy one from then on, and its way another one; gives the one that it
    /// leaves.
    pub fn see_client(&self, message: &Message) -> Option<Path> {
        let mut state = self.state();
        match state.client {
            None => state.client = Some(Era::of_client(message)),
            Some(Era::Modern) if !state.fixed && opens_session(message) => {
                state.client = Some(Era::Legacy);
                return state.path.take();
            }
            Some(_) => {}
        }
        None
    }

    /// The way is this one, unless the client has turned out to be of another era than it was found
    /// for; tells which. Whoever calls holds `finding`.
    pub fn found(&self, client: Era, path: Path, tentative: bool) -> bool {
        let mut state = self.state();
        let fits = state.client.unwrap_or(Era::Legacy) == client;
        if fits {
            state.path = Some(path);
            state.tentative = tentative;
        }
        fits
    }

    /// Whether the server has not said of which era it is.
    pub fn is_tentative(&self) -> bool {
        self.state().tentative
    }

    /// The server has shown by what it does that the way is right.
    pub fn settle(&self) {
        self.state().tentative = false;
    }

    /// The way has to be found out anew, unless somebody has done so. Tells whether this was news.
    pub fn forget_translation(&self, wrong: &Arc<Translation>) -> bool {
        let mut state = self.state();
        let known = matches!(&state.path, Some(Path::Translated(path)) if Arc::ptr_eq(path, wrong));
        if known {
            state.path = None;
        }
        known
    }

    /// The way has to be found out anew. That of a link stays.
    pub fn forget(&self) {
        let mut state = self.state();
        if state.fixed {
            return;
        }
        state.path = None;
        state.tentative = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
