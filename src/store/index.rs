//! Which servers have a record, without a secret.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::limits::MAX_STORED_SERVERS;
use crate::secret::shown;

use super::error::StoreError;
use super::key::{RecordKey, ServerKey};
use super::marker::{Kept, Marker};
use super::record::{TokenRecord, VERSION};
use super::{file, format};

/// What is known of one (server URL, profile) without asking the keyring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// See [`VERSION`].
    pub version: u32,
    /// The MCP endpoint, without what may be a secret: user, password, query. For display; the
    /// record has all of it.
    pub server: String,
    /// `--profile`.
    pub profile: String,
    /// The record.
    pub key: RecordKey,
    /// Its resource, without what may be a secret.
    pub resource: String,
    /// The authorization server.
    pub issuer: String,
    /// The client.
    pub client_id: String,
    /// Where the record is.
    #[serde(default)]
    pub vault: Kept,
    /// Members of later releases.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a write or removal of a record changes. Two equal ones: nobody has written in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Option<(RecordKey, u64)>);

fn folder(state: &Path) -> PathBuf {
    state.join("servers")
}

fn path(state: &Path, server: &ServerKey) -> PathBuf {
    folder(state).join(server.file())
}

/// The entry in a file as it was written, if there is one.
fn load(path: &Path) -> Result<Option<Entry>, StoreError> {
    match file::read(path).map_err(StoreError::io("read", path))? {
        Some(bytes) => format::decode(&path.to_string_lossy(), &bytes),
        None => Ok(None),
    }
}

/// An entry counts as long as its record does.
fn live(state: &Path, entry: Option<Entry>) -> Result<Option<(Entry, Marker)>, StoreError> {
    let Some(entry) = entry else { return Ok(None) };
    let marker = Marker::load(state, &entry.key.name())?;
    Ok(marker.map(|marker| (Entry { vault: marker.vault, ..entry }, marker)))
}

/// The entry of a server.
pub(super) fn entry(state: &Path, server: &ServerKey) -> Result<Option<Entry>, StoreError> {
    Ok(live(state, load(&path(state, server))?)?.map(|(entry, _)| entry))
}

/// All entries whose record exists.
pub(super) fn entries(state: &Path) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for (path, entry) in written(state)? {
        match live(state, Some(entry)) {
            Ok(found) => entries.extend(found.map(|(entry, _)| entry)),
            Err(error) => log::warn!("{} is skipped: {error}", path.display()),
        }
    }
    Ok(entries)
}

/// All files with their entries. Those that cannot be read are skipped with a word in the log.
fn written(state: &Path) -> Result<Vec<(PathBuf, Entry)>, StoreError> {
    let folder = folder(state);
    let files = file::list(&folder, MAX_STORED_SERVERS).map_err(StoreError::io("read", &folder))?;
    let mut found = Vec::new();
    for path in files {
        match load(&path) {
            Ok(entry) => found.extend(entry.map(|entry| (path, entry))),
            Err(error) => log::warn!("{} is skipped: {error}", path.display()),
        }
    }
    Ok(found)
}

/// See [`Stamp`]. What cannot be read is as good as absent.
pub(super) fn stamp(state: &Path, server: &ServerKey) -> Stamp {
    let found = load(&path(state, server)).and_then(|entry| live(state, entry)).ok().flatten();
    Stamp(found.map(|(entry, marker)| (entry.key, marker.revision)))
}

/// Notes that the record `key` is the one of its server now. Returns the key that it replaces.
pub(super) fn save(
    state: &Path,
    key: &RecordKey,
    record: &TokenRecord,
) -> Result<Option<RecordKey>, StoreError> {
    let path = path(state, &ServerKey::new(&record.server, &record.profile));
    let old = load(&path)?;
    let entry = Entry {
        version: VERSION,
        server: without_secrets(&record.server),
        profile: record.profile.clone(),
        key: key.clone(),
        resource: without_secrets(&record.resource),
        issuer: record.issuer.clone(),
        client_id: record.client.client_id.clone(),
        vault: Marker::load(state, &key.name())?.map(|marker| marker.vault).unwrap_or_default(),
        other: old.as_ref().map(|old| old.other.clone()).unwrap_or_default(),
    };
    if old.as_ref() != Some(&entry) {
        file::write(&path, &format::encode(&entry)?).map_err(StoreError::io("write", &path))?;
    }
    Ok(old.map(|old| old.key).filter(|old| old != key))
}

/// Removes the entries of a record.
pub(super) fn forget(state: &Path, key: &RecordKey) -> Result<(), StoreError> {
    for (path, entry) in written(state)? {
        if entry.key == *key {
            file::remove(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// A URL as it may lie on disk. Others stay byte for byte.
fn without_secrets(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if text.contains(['?', '#', '@']) => shown(&url),
        _ => text.to_owned(),
    }
}
