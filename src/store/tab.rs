//! What other processes may know of a sign-in under way: no secret.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::key::ServerKey;
use super::{file, format};

/// A sign-in that a person has been asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// When, in Unix seconds.
    pub opened_at: u64,
    /// Whether a browser was started, or only the URL shown.
    pub opened: bool,
    /// The URL to sign in at.
    pub url: String,
    /// How many were opened, each soon after the one before.
    #[serde(default)]
    pub count: u32,
}

fn path(state: &Path, server: &ServerKey) -> PathBuf {
    state.join("tabs").join(server.file())
}

pub(super) fn load(state: &Path, server: &ServerKey) -> Option<Tab> {
    let bytes = file::read(&path(state, server)).ok()??;
    serde_json::from_slice(&bytes).ok()
}

pub(super) fn save(state: &Path, server: &ServerKey, tab: &Tab) -> Result<(), StoreError> {
    let path = path(state, server);
    file::write(&path, &format::encode(tab)?).map_err(StoreError::io("write", &path))
}

pub(super) fn remove(state: &Path, server: &ServerKey) -> Result<(), StoreError> {
    let path = path(state, server);
    file::remove(&path).map_err(StoreError::io("remove", &path))
}
