//! What can go wrong with stored credentials, in words for the reader.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits::MAX_STORED;

use super::record::VERSION;

/// A stored credential could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The record is in the keyring, and the keyring does not give it now. It is not lost.
    #[error(
        "the sign-in is kept in the system's keyring, which cannot be read now ({why}); unlock it \
         and try again, or sign in anew with --store file"
    )]
    Locked {
        /// What the keyring says.
        why: String,
    },
    /// `--store keyring`, and there is none that works.
    #[error(
        "the system's keyring cannot be used ({why}); --store file would keep sign-ins in a file"
    )]
    NoKeyring {
        /// What the keyring says.
        why: String,
    },
    /// Written by a release that knows more than this one: neither read nor overwritten.
    #[error(
        "a stored sign-in is of format {found} and this release of mcp-tether knows {VERSION}: \
         update it, or use another --profile"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Another process works on the same record, for longer than that ever takes.
    #[error("another process has held the lock {} for {} s", path.display(), waited.as_secs())]
    Busy {
        /// The lock.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// More than can be kept.
    #[error("a record of {size} bytes is too large to be stored (at most {MAX_STORED})")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// A mistake of ours.
    #[error("a stored sign-in cannot be written: {0}")]
    Internal(&'static str),
}

impl StoreError {
    /// For `map_err` of an operation on `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { doing, path, source }
    }
}
