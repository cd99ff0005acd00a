//! Credentials, kept in the keyring of the operating system, or where there is none in a file that
//! only its owner can read.
//!
//! * [`places`]: where files go on this system.
//! * [`record`]: what is kept: tokens, client registrations, a sign-in under way. Versioned.
//! * [`key`]: what records are called. `format`: JSON with a version.
//! * [`index`]: which servers have a record, and `marker`: where each record is; without a secret,
//!   so that a server without one never costs a call to the keyring.
//! * `secrets`: what a person has put there under a name (`mcp-tether secret`).
//! * [`tab`]: what other processes may know of a sign-in under way.
//! * [`leftovers`]: files that nobody needs any more.
//! * [`lock`]: one writer at a time on this machine. Writing takes the lock by value, so that an
//!   unlocked write does not compile.
//! * [`vault`]: keyring or file. `keyring` is the system's, `parts` splits records for it, `calls`
//!   gives up on one that does not answer; [`mod@file`] replaces files as a whole.
//!
//! Knows no network and no OAuth.

mod calls;
pub mod error;
pub mod file;
mod format;
pub mod index;
mod items;
pub mod key;
mod keyring;
pub mod leftovers;
pub mod lock;
mod marker;
#[cfg(test)]
mod memory;
mod parts;
pub mod places;
pub mod record;
mod secrets;
pub mod tab;
#[cfg(test)]
mod tests;
pub mod vault;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::LOCK_TIMEOUT;
use crate::tasks;

pub use error::StoreError;
pub use index::{Entry, Stamp};
pub use items::KeyringError;
pub use key::{ClientKey, RecordKey};
pub use leftovers::Leftovers;
pub use lock::{Lock, LoginLock};
pub use marker::Kept;
pub use places::Places;
pub use record::{Binding, ClientAuth, ClientRecord, LoginRecord, TokenRecord};
pub use secrets::SecretName;
pub use tab::{StagedTab, Tab};
pub use vault::{Choice, Vault};

use calls::Calls;
use key::ServerKey;
use vault::Vaults;

/// All that is kept. Opening it touches nothing; clones share one connection to the keyring.
///
/// Reading fails with [`StoreError::Locked`] where the record is in a keyring that does not give it
/// now, with [`StoreError::Newer`] where a later release wrote it, and with [`StoreError::Io`].
/// A damaged record counts as absent. Writing fails with the same, and with
/// [`StoreError::NoKeyring`] where the keyring is demanded. A begun write or removal of tokens or a
/// registration goes on to its end when its future is dropped.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    vaults: Vaults,
}

impl Store {
    /// A store at `places`. One call to the keyring takes at most `patience`
    /// ([`KEYRING_TIMEOUT`](crate::limits::KEYRING_TIMEOUT), or
    /// [`KEYRING_PATIENCE`](crate::limits::KEYRING_PATIENCE) where a person is there).
    pub fn new(places: Places, choice: Choice, patience: Duration) -> Store {
        Store::with(places, choice, Calls::new(keyring::open, patience))
    }

    fn with(places: Places, choice: Choice, keyring: Calls) -> Store {
        let vaults = Vaults::new(places.clone(), choice, keyring);
        Store(Arc::new(Inner { places, vaults }))
    }

    /// What is known of a server without asking the keyring.
    ///
    /// # Errors
    /// If it cannot be read, or a newer release wrote it.
    pub fn entry(&self, server: &str, profile: &str) -> Result<Option<Entry>, StoreError> {
        index::entry(&self.0.places.state, &ServerKey::new(server, profile))
    }

    /// All servers with a record, in no particular order. What cannot be read is skipped, with a
    /// word in the log.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        index::entries(&self.0.places.state)
    }

    /// Differs after every write and removal of the server's record by any process. Never asks the
    /// keyring.
    pub fn stamp(&self, server: &str, profile: &str) -> Stamp {
        index::stamp(&self.0.places.state, &ServerKey::new(server, profile))
    }

    /// Waits for the right to write the tokens of `key`, at most [`LOCK_TIMEOUT`].
    ///
    /// # Errors
    /// [`StoreError::Busy`], or if the lock's file cannot be opened.
    pub async fn lock(&self, key: &RecordKey) -> Result<Lock, StoreError> {
        let path = lock::path(&self.0.places.state, &key.name());
        let file = lock::acquire(&path, LOCK_TIMEOUT).await?;
        Ok(Lock { key: key.clone(), _file: file })
    }

    /// Takes the right to sign in to a server, if nobody has it.
    ///
    /// # Errors
    /// If the lock's file cannot be opened.
    pub fn try_lock_login(
        &self,
        server: &str,
        profile: &str,
    ) -> Result<Option<LoginLock>, StoreError> {
        let server = ServerKey::new(server, profile);
        let file = lock::attempt(&lock::path(&self.0.places.state, &server.login()))?;
        Ok(file.map(|file| LoginLock { server, _file: file }))
    }

    /// The tokens of `key`.
    ///
    /// # Errors
    /// See [`Store`].
    pub async fn token(&self, key: &RecordKey) -> Result<Option<TokenRecord>, StoreError> {
        self.read(&key.name()).await
    }

    /// Writes tokens, and makes them those of their server and profile.
    ///
    /// # Errors
    /// See [`Store`], and if the lock is for another key.
    pub async fn write_token(&self, lock: Lock, record: &TokenRecord) -> Result<(), StoreError> {
        let client = &record.client.client_id;
        let key = RecordKey::new(&record.resource, &record.issuer, client, &record.profile);
        if key != lock.key {
            return Err(StoreError::Internal("the lock is for another record"));
        }
        let (store, record) = (self.clone(), record.clone());
        to_the_end(async move {
            // Captures are by field: this one must have the file as well as the key.
            let lock = lock;
            store.write(&lock.key.name(), &record).await?;
            let replaced = index::save(&store.0.places.state, &lock.key, &record)?;
            if let Some(key) = replaced {
                store.remove_unused(&key).await;
            }
            Ok(())
        })
        .await
    }

    /// Removes tokens, and the entries of their servers.
    ///
    /// # Errors
    /// See [`Store`]. In a locked keyring they stay, and so do the entries.
    pub async fn remove_token(&self, lock: Lock) -> Result<(), StoreError> {
        let store = self.clone();
        to_the_end(async move { store.remove_locked(&lock).await }).await
    }

    async fn remove_locked(&self, lock: &Lock) -> Result<(), StoreError> {
        self.0.vaults.remove(&lock.key.name()).await?;
        index::forget(&self.0.places.state, &lock.key)
    }

    /// Removes tokens that no server has any more, unless somebody works on them.
    async fn remove_unused(&self, key: &RecordKey) {
        let state = &self.0.places.state;
        match index::entries(state) {
            Ok(entries) if !entries.iter().any(|entry| entry.key == *key) => {}
            _ => return,
        }
        let Ok(Some(file)) = lock::attempt(&lock::path(state, &key.name())) else { return };
        let lock = Lock { key: key.clone(), _file: file };
        if let Err(error) = self.remove_locked(&lock).await {
            log::warn!("a former sign-in could not be removed: {error}");
        }
    }

    /// The registration of `key`.
    ///
    /// # Errors
    /// See [`Store`].
    pub async fn client(&self, key: &ClientKey) -> Result<Option<ClientRecord>, StoreError> {
        self.read(&key.name()).await
    }

    /// Writes a registration.
    ///
    /// # Errors
    /// See [`Store`], and [`StoreError::Busy`].
    pub async fn write_client(
        &self,
        key: &ClientKey,
        record: &ClientRecord,
    ) -> Result<(), StoreError> {
        let (store, name, record) = (self.clone(), key.name(), record.clone());
        to_the_end(async move {
            let path = lock::path(&store.0.places.state, &name);
            let _lock = lock::acquire(&path, LOCK_TIMEOUT).await?;
            store.write(&name, &record).await
        })
        .await
    }

    /// Removes a registration.
    ///
    /// # Errors
    /// See [`Store`], and [`StoreError::Busy`].
    pub async fn remove_client(&self, key: &ClientKey) -> Result<(), StoreError> {
        let (store, name) = (self.clone(), key.name());
        to_the_end(async move {
            let path = lock::path(&store.0.places.state, &name);
            let _lock = lock::acquire(&path, LOCK_TIMEOUT).await?;
            store.0.vaults.remove(&name).await
        })
        .await
    }

    /// The sign-in under way that a process has left. Where there is none the keyring is not asked.
    ///
    /// # Errors
    /// See [`Store`].
    pub async fn login(&self, lock: &LoginLock) -> Result<Option<LoginRecord>, StoreError> {
        self.read(&lock.server.login()).await
    }

    /// Notes a sign-in under way.
    ///
    /// # Errors
    /// See [`Store`].
    pub async fn write_login(
        &self,
        lock: &LoginLock,
        record: &LoginRecord,
    ) -> Result<(), StoreError> {
        self.write(&lock.server.login(), record).await
    }

    /// Forgets a sign-in under way.
    ///
    /// # Errors
    /// See [`Store`].
    pub async fn remove_login(&self, lock: &LoginLock) -> Result<(), StoreError> {
        self.0.vaults.remove(&lock.server.login()).await
    }

    /// The tab that was opened last for a server. What cannot be read is as good as absent.
    pub fn tab(&self, server: &str, profile: &str) -> Option<Tab> {
        tab::load(&self.0.places.state, &ServerKey::new(server, profile))
    }

    /// Tells everybody of a tab.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn write_tab(&self, lock: &LoginLock, tab: &Tab) -> Result<(), StoreError> {
        tab::save(&self.0.places.state, &lock.server, tab)
    }

    /// Prepares the note on a tab, for the moment when it is open.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn stage_tab(&self, lock: &LoginLock, tab: &Tab) -> Result<StagedTab, StoreError> {
        tab::stage(&self.0.places.state, &lock.server, tab)
    }

    /// Forgets a tab.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn remove_tab(&self, lock: &LoginLock) -> Result<(), StoreError> {
        tab::remove(&self.0.places.state, &lock.server)
    }

    /// Whether the keyring does what is needed: an item of its own, which is called `name`, is written,
    /// read and removed. Takes no longer than two calls may.
    ///
    /// # Errors
    /// What it says.
    pub async fn probe_keyring(&self, name: &str) -> Result<(), KeyringError> {
        self.0.vaults.probe(name).await
    }

    /// What earlier processes have left behind in files.
    pub fn leftovers(&self) -> Leftovers {
        leftovers::find(&self.0.places)
    }

    /// Where the next record goes, for messages. Asks the keyring.
    pub async fn vault_in_use(&self) -> Vault {
        self.0.vaults.in_use().await
    }

    async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self.0.vaults.read(name).await? {
            Some(bytes) => format::decode(name, &bytes),
            None => Ok(None),
        }
    }

    async fn write<T: Serialize>(&self, name: &str, record: &T) -> Result<(), StoreError> {
        self.0.vaults.write(name, format::encode(record)?).await
    }
}

/// Runs a change as a task, so that it keeps its lock to its end when the caller goes away.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tasks::spawn(change).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Internal("the process is ending")),
    }
}
