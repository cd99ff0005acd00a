//! Notes on where a record is, without a secret: a record without one never costs a call to the
//! keyring.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::StoreError;
use super::record::VERSION;
use super::{file, format};

/// Where a record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// In the keyring of the system.
    Keyring,
    /// In a file.
    #[default]
    File,
}

/// The note on one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The version of the record.
    pub version: u32,
    pub vault: Kept,
    /// Another one after every write: the time in nanoseconds, or one more where clocks go back.
    #[serde(default)]
    pub revision: u64,
    /// The record is in a file, and a former one may still be in the keyring.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub also_keyring: bool,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where all notes are.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("records")
}

fn path(state: &Path, name: &str) -> PathBuf {
    folder(state).join(format!("{name}.json"))
}

impl Marker {
    /// The note on a record that is about to be written for the first time.
    pub fn new(vault: Kept) -> Marker {
        let other = Map::new();
        Marker { version: VERSION, vault, revision: 0, also_keyring: false, other }
    }

    /// The note on `name`, if there is such a record.
    pub fn load(state: &Path, name: &str) -> Result<Option<Marker>, StoreError> {
        let path = path(state, name);
        match file::read(&path).map_err(StoreError::io("read", &path))? {
            Some(bytes) => format::decode(name, &bytes),
            None => Ok(None),
        }
    }

    /// Notes that the record has been written. `old` is the former note.
    pub fn save(
        state: &Path,
        name: &str,
        old: Option<Marker>,
        vault: Kept,
        also_keyring: bool,
    ) -> Result<(), StoreError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or_default();
        let revision = old.as_ref().map_or(now, |old| now.max(old.revision.saturating_add(1)));
        let other = old.map(|old| old.other).unwrap_or_default();
        let marker = Marker { version: VERSION, vault, revision, also_keyring, other };
        let path = path(state, name);
        file::write(&path, &format::encode(&marker)?).map_err(StoreError::io("write", &path))
    }

    /// Notes that there is no such record any more.
    pub fn remove(state: &Path, name: &str) -> Result<(), StoreError> {
        let path = path(state, name);
        file::remove(&path).map_err(StoreError::io("remove", &path))
    }
}
