//! The keyring or a file: where the secrets are.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::limits::{KEYRING_READS, MAX_STORED};
use crate::secret::wiped::Wiped;

use super::calls::Calls;
use super::error::StoreError;
use super::items::{Items, KeyringError};
use super::marker::{Kept, Marker};
use super::places::Places;
use super::{file, keyring, parts};

/// `--store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The keyring where there is one, else a file.
    #[default]
    Auto,
    /// The keyring or nothing.
    Keyring,
    /// A file. The keyring is never asked.
    File,
}

/// Where secrets go in this process, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vault {
    /// The keyring of the system.
    Keyring,
    /// Files.
    File {
        /// Their folder.
        folder: PathBuf,
        /// Why not the keyring.
        why: String,
    },
    /// Nowhere: the keyring is demanded and does not work.
    Nowhere {
        /// What it says.
        why: String,
    },
}

impl fmt::Display for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Vault::Keyring => f.write_str("the system's keyring"),
            Vault::File { folder, why } => write!(f, "files in {} ({why})", folder.display()),
            Vault::Nowhere { why } => write!(f, "nowhere: the keyring cannot be used ({why})"),
        }
    }
}

/// The words for [`Choice::File`].
pub(super) const BY_CHOICE: &str = "because of --store file";

/// Named records of bytes, each in the keyring or in a file, and a note on which.
#[derive(Debug)]
pub(super) struct Vaults {
    pub(super) places: Places,
    pub(super) choice: Choice,
    pub(super) keyring: Calls,
    /// Why the last record that was written is in a file.
    trouble: Mutex<Option<String>>,
    announced: AtomicBool,
}

impl Vaults {
    pub fn new(places: Places, choice: Choice, keyring: Calls) -> Vaults {
        let (trouble, announced) = (Mutex::default(), AtomicBool::new(false));
        Vaults { places, choice, keyring, trouble, announced }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.places.credentials.join(format!("{name}.json"))
    }

    /// A record. Without a note on it nothing is asked.
    pub async fn read(&self, name: &str) -> Result<Option<Wiped>, StoreError> {
        let mut marker = Marker::load(&self.places.state, name)?;
        for _ in 0..KEYRING_READS {
            let found = match &marker {
                Some(marker) if marker.vault == Kept::File => {
                    let path = self.file(name);
                    file::read(&path).map_err(StoreError::io("read", &path))?
                }
                Some(_) if self.choice != Choice::File => self.keyring_record(name).await?,
                _ => return Ok(None),
            };
            if found.is_some() {
                return Ok(found);
            }
            // It may have moved from one to the other since the note was read.
            let now = Marker::load(&self.places.state, name)?;
            if now == marker {
                return Ok(None);
            }
            marker = now;
        }
        Ok(None)
    }

    /// Writes an item of its own into the keyring, reads it and removes it, whatever was chosen.
    pub async fn probe(&self, name: &str) -> Result<(), KeyringError> {
        let item = name.to_owned();
        let job = move |items: &dyn Items| {
            items.set(&item, item.as_bytes())?;
            let read = items.get(&item);
            items.delete(&item)?;
            match read? {
                Some(bytes) if bytes == item.as_bytes() => Ok(()),
                Some(_) => Err(KeyringError::Damaged),
                None => Err(KeyringError::Failed("what was written is not there".into())),
            }
        };
        self.keyring.run(job).await
    }

    async fn keyring_record(&self, name: &str) -> Result<Option<Wiped>, StoreError> {
        let item = name.to_owned();
        match self.keyring.run(move |items| parts::read(items, &item)).await {
            Ok(found) => Ok(found),
            Err(KeyringError::Damaged) => {
                log::warn!("the stored record {name} is damaged and is ignored");
                Ok(None)
            }
            Err(error) => Err(StoreError::Locked { why: error.to_string() }),
        }
    }

    /// Writes a record. The caller holds its lock.
    pub async fn write(&self, name: &str, bytes: Wiped) -> Result<(), StoreError> {
        let state = &self.places.state;
        if bytes.len() > MAX_STORED {
            return Err(StoreError::TooLarge { size: bytes.len() });
        }
        // Fails if the record is of a newer release.
        let old = Marker::load(state, name)?;
        let path = self.file(name);
        let refused = match self.choice {
            Choice::File => None,
            _ => match self.to_keyring(name, bytes.clone()).await {
                Ok(()) => {
                    self.set_trouble(None);
                    Marker::save(state, name, old, Kept::Keyring, false)?;
                    file::sweep(&path);
                    return file::remove(&path).map_err(StoreError::io("remove", &path));
                }
                Err(error) if self.choice == Choice::Keyring => {
                    return Err(StoreError::NoKeyring { why: error.to_string() });
                }
                Err(error) => Some(error),
            },
        };
        // An unanswered call may still write.
        let left_there = matches!(refused, Some(KeyringError::Silent(_)))
            || old.as_ref().is_some_and(|old| old.vault == Kept::Keyring || old.also_keyring);
        if let Some(error) = refused {
            self.fall_back(&error);
        }
        file::sweep(&path);
        file::write(&path, &bytes).map_err(StoreError::io("write", &path))?;
        Marker::save(state, name, old, Kept::File, left_there)
    }

    async fn to_keyring(&self, name: &str, bytes: Wiped) -> Result<(), KeyringError> {
        let item = name.to_owned();
        self.keyring.run(move |items| parts::write(items, &item, &bytes, keyring::ITEM_BYTES)).await
    }

    pub(super) fn fall_back(&self, error: &KeyringError) {
        self.set_trouble(Some(error.to_string()));
        if !self.announced.swap(true, Ordering::Relaxed) {
            log::warn!(
                "the system's keyring cannot be used ({error}): credentials are kept in files in {}, \
                 which only you can read",
                self.places.credentials.display()
            );
        }
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Removes a record and the note on it. The caller holds its lock.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.file(name);
        file::sweep(&path);
        file::remove(&path).map_err(StoreError::io("remove", &path))?;
        // A newer release's record may be removed as well: its note is where ours is.
        let (kept, also) = match Marker::load(&self.places.state, name) {
            Ok(Some(marker)) => (marker.vault == Kept::Keyring, marker.also_keyring),
            Ok(None) => (false, false),
            Err(StoreError::Newer { .. }) => (true, false),
            Err(error) => return Err(error),
        };
        if kept || also {
            let gone = match self.choice {
                Choice::File => Err(BY_CHOICE.to_owned()),
                _ => {
                    let item = name.to_owned();
                    let removal = self.keyring.run(move |items| parts::remove(items, &item)).await;
                    removal.map_err(|error| error.to_string())
                }
            };
            match gone {
                Err(why) if kept => return Err(StoreError::Locked { why }),
                Err(why) => log::warn!("the keyring may keep a former sign-in ({why})"),
                Ok(()) => {}
            }
        }
        Marker::remove(&self.places.state, name)
    }

    /// Where the next record goes, as far as can be told.
    pub async fn in_use(&self) -> Vault {
        let folder = self.places.credentials.clone();
        if self.choice == Choice::File {
            return Vault::File { folder, why: BY_CHOICE.to_owned() };
        }
        let opened = self.keyring.run(|_| Ok(())).await;
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (opened.err().map(|error| error.to_string()).or(trouble), self.choice) {
            (None, _) => Vault::Keyring,
            (Some(why), Choice::Keyring) => Vault::Nowhere { why },
            (Some(why), _) => {
                Vault::File { folder, why: format!("the keyring cannot be used: {why}") }
            }
        }
    }
}
