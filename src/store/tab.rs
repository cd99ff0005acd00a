//! What other processes may know of a sign-in under way: no secret.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::key::ServerKey;
use super::{file, format};

/// A sign-in that a person has been asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// When a browser was started last, in Unix seconds.
    pub opened_at: u64,
    /// Whether a browser shows the URL, or it was only printed.
    pub opened: bool,
    /// The URL to sign in at.
    pub url: String,
    /// The code to enter there, which is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether it has brought an answer: it is not waited for any more.
    #[serde(default)]
    pub answered: bool,
    /// Whether nobody listens for it any more, though a process that dies cannot say so.
    #[serde(default)]
    pub over: bool,
    /// How many were really opened, each soon after the one before.
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

/// A note on a tab that is about to be opened.
#[derive(Debug)]
pub struct StagedTab(file::Staged);

impl StagedTab {
    /// It was opened. Takes next to no time, because a death between the two costs a second tab.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn publish(self) -> std::io::Result<()> {
        self.0.publish()
    }
}

pub(super) fn stage(state: &Path, server: &ServerKey, tab: &Tab) -> Result<StagedTab, StoreError> {
    let path = path(state, server);
    let staged = file::Staged::new(&path, &format::encode(tab)?);
    staged.map(StagedTab).map_err(StoreError::io("write", &path))
}

pub(super) fn remove(state: &Path, server: &ServerKey) -> Result<(), StoreError> {
    let path = path(state, server);
    file::remove(&path).map_err(StoreError::io("remove", &path))
}
