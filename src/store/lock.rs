//! One writer at a time on this machine.
//!
//! Locks lie on files of their own, which are never removed: a data file is replaced when it is
//! written, and the lock with it. The operating system frees the lock of a process that dies.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limits::LOCK_POLL;

use super::error::StoreError;
use super::file;
use super::key::{RecordKey, ServerKey};

/// The right to write the tokens of one key; freed when dropped.
#[derive(Debug)]
pub struct Lock {
    pub(super) key: RecordKey,
    pub(super) _file: File,
}

/// The right to sign in to one server; freed when dropped.
#[derive(Debug)]
pub struct LoginLock {
    pub(super) server: ServerKey,
    pub(super) _file: File,
}

/// The file that is locked for `name`.
pub(super) fn path(state: &Path, name: &str) -> PathBuf {
    state.join("locks").join(format!("{name}.lock"))
}

/// Takes a lock if nobody has it.
pub(super) fn attempt(path: &Path) -> Result<Option<File>, StoreError> {
    let file = file::open_lock(path).map_err(StoreError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
    }
}

/// Waits for a lock, at most `limit`.
pub(super) async fn acquire(path: &Path, limit: Duration) -> Result<File, StoreError> {
    let start = Instant::now();
    loop {
        if let Some(file) = attempt(path)? {
            return Ok(file);
        }
        if start.elapsed() >= limit {
            return Err(StoreError::Busy { path: path.to_owned(), waited: limit });
        }
        sleep(LOCK_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_not_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let path = path(home.path(), "x");
        let first = attempt(&path).unwrap().unwrap();
        assert!(attempt(&path).unwrap().is_none());
        let error = acquire(&path, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        let (_, second) = tokio::join!(
            async {
                sleep(Duration::from_secs(2)).await;
                drop(first);
            },
            acquire(&path, Duration::from_secs(5))
        );
        second.unwrap();
    }
}
