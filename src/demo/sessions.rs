//! All sessions of the server: made, found, expired, displaced, forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::limits::Limits;
use super::revision::Revision;
use super::session::{ClientCapabilities, Session};

/// Random bytes in a session id: 192 bits, of which the log lines show 48.
const ID_BYTES: usize = 24;

/// The sessions by id.
#[derive(Debug)]
pub struct Sessions {
    by_id: Mutex<HashMap<String, Arc<Session>>>,
    limits: Arc<Limits>,
}

/// Why there is no new session.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// As many as allowed exist and all are in use.
    #[error("all sessions are in use")]
    Full,
    /// The operating system gave no random bytes.
    #[error("no random bytes for a session id: {0}")]
    Random(getrandom::Error),
}

impl Sessions {
    /// No session yet.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { by_id: Mutex::default(), limits }
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a session. If there is no room, expired ones go first, then the one that has not been
    /// used for the longest time.
    ///
    /// # Errors
    /// [`NoSession`] when every session is in use, or without a source of randomness.
    pub fn create(
        &self,
        revision: Revision,
        client: ClientCapabilities,
    ) -> Result<Arc<Session>, NoSession> {
        let mut random = [0; ID_BYTES];
        getrandom::fill(&mut random).map_err(NoSession::Random)?;
        let id = URL_SAFE_NO_PAD.encode(random);
        self.expire();
        let mut by_id = self.by_id();
        if by_id.len() >= self.limits.sessions {
            let unused = by_id
                .values()
                .filter_map(|session| Some((session.idle()?, session.id.clone())))
                .max()
                .ok_or(NoSession::Full)?;
            if let Some(session) = by_id.remove(&unused.1) {
                session.end();
            }
        }
        let session =
            Arc::new(Session::new(id.clone(), revision, client, Arc::clone(&self.limits)));
        by_id.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// The session of that id, unless it is unknown or has expired.
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.expire();
        self.by_id().get(id).cloned()
    }

    /// Ends the session of that id; false if there is none.
    pub fn end(&self, id: &str) -> bool {
        let session = self.by_id().remove(id);
        session.is_some_and(|session| {
            session.end();
            true
        })
    }

    /// Ends the sessions that have not been used for too long.
    pub fn expire(&self) {
        let limit = self.limits.session_idle;
        self.by_id().retain(|_, session| {
            let expired = session.idle().is_some_and(|idle| idle >= limit);
            if expired {
                session.end();
            }
            !expired
        });
    }

    /// Forgets all sessions as a restart would, see [`Session::forget`].
    pub fn forget_all(&self) {
        for (_, session) in self.by_id().drain() {
            session.forget();
        }
    }

    /// Ends all sessions.
    pub fn end_all(&self) {
        for (_, session) in self.by_id().drain() {
            session.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::time::Duration;

    fn sessions(limits: Limits) -> Sessions {
        Sessions::new(Arc::new(limits))
    }

    fn create(sessions: &Sessions) -> Result<Arc<Session>, NoSession> {
        sessions.create(Revision::LATEST, ClientCapabilities::default())
    }

    #[test]
    fn ids_are_long_visible_and_different() {
        let sessions = sessions(Limits::default());
        let ids: HashSet<String> = (0..50).map(|_| create(&sessions).unwrap().id.clone()).collect();
        assert_eq!(ids.len(), 50);
        for id in ids {
            assert_eq!(id.len(), 32);
            assert!(id.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(sessions.get(&id).is_some());
            assert!(sessions.end(&id) && !sessions.end(&id));
            assert!(sessions.get(&id).is_none());
        }
    }

    #[test]
    fn the_longest_unused_session_makes_room() {
        let sessions = sessions(Limits { sessions: 2, ..Limits::default() });
        let first = create(&sessions).unwrap();
        let second = create(&sessions).unwrap();
        let in_use = first.busy();
        let third = create(&sessions).unwrap();
        assert!(sessions.get(&first.id).is_some(), "in use");
        assert!(sessions.get(&second.id).is_none(), "displaced");
        let _also_in_use = third.busy();
        assert!(matches!(create(&sessions), Err(NoSession::Full)));
        drop(in_use);
        assert!(create(&sessions).is_ok());
    }

    #[test]
    fn an_unused_session_expires() {
        let sessions =
            sessions(Limits { session_idle: Duration::from_millis(1), ..Limits::default() });
        let session = create(&sessions).unwrap();
        let in_use = session.busy();
        std::thread::sleep(Duration::from_millis(5));
        assert!(sessions.get(&session.id).is_some(), "in use");
        drop(in_use);
        std::thread::sleep(Duration::from_millis(5));
        assert!(sessions.get(&session.id).is_none());
    }
}
