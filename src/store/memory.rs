//! A keyring in memory, for tests: with a limit for items, and with failures on demand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::items::{Items, KeyringError};

/// Clones share their items.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    items: Mutex<BTreeMap<String, Vec<u8>>>,
    limit: usize,
    left: AtomicUsize,
    calls: AtomicUsize,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::limited(usize::MAX)
    }
}

impl Memory {
    /// A keyring that takes at most `limit` bytes in an item.
    pub fn limited(limit: usize) -> Memory {
        Memory(Arc::new(Inner {
            items: Mutex::default(),
            limit,
            left: AtomicUsize::new(usize::MAX),
            calls: AtomicUsize::new(0),
        }))
    }

    /// Everything fails from the call after `calls` further ones on.
    pub fn fail_after(&self, calls: usize) {
        self.0.left.store(calls, Ordering::SeqCst);
    }

    /// How many calls there have been.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// What it holds. Who keeps this makes every call wait.
    pub fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.items.lock().unwrap()
    }

    fn call(&self) -> Result<MutexGuard<'_, BTreeMap<String, Vec<u8>>>, KeyringError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let left = self.0.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(KeyringError::Failed("it is out of order".into()));
        }
        if left != usize::MAX {
            self.0.left.store(left - 1, Ordering::SeqCst);
        }
        Ok(self.all())
    }
}

impl Items for Memory {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, KeyringError> {
        Ok(self.call()?.get(name).cloned())
    }

    fn set(&self, name: &str, bytes: &[u8]) -> Result<(), KeyringError> {
        let mut items = self.call()?;
        assert!(bytes.len() <= self.0.limit, "{name} has {} bytes", bytes.len());
        items.insert(name.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), KeyringError> {
        self.call()?.remove(name);
        Ok(())
    }

    fn text(&self, name: &str) -> Result<Option<String>, KeyringError> {
        Ok(self.get(name)?.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    fn set_text(&self, name: &str, text: &str) -> Result<(), KeyringError> {
        self.set(name, text.as_bytes())
    }
}
