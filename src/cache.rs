//! What can be found out again, kept to be faster: nothing of it is secret, and nothing depends on
//! it.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::limits::MAX_STORED;
use crate::store::file;

/// Values by kind and name. Opening it touches nothing.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// A cache below `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    /// A value, if it is there and can be read. `kind` is a file name of ours.
    pub fn get(&self, kind: &str, name: &str) -> Option<Vec<u8>> {
        let path = self.path(kind, name);
        match file::read(&path) {
            Ok(bytes) => bytes.map(|bytes| bytes.to_vec()),
            Err(error) => {
                log::debug!("cannot read {}: {error}", path.display());
                None
            }
        }
    }

    /// Keeps a value of at most [`MAX_STORED`] bytes, if that is possible.
    pub fn put(&self, kind: &str, name: &str, value: &[u8]) {
        let path = self.path(kind, name);
        if value.len() > MAX_STORED {
            log::debug!("{} bytes are too many for the cache", value.len());
        } else if let Err(error) = file::write(&path, value) {
            log::debug!("cannot write {}: {error}", path.display());
        }
    }

    /// Forgets a value, if it is there.
    pub fn remove(&self, kind: &str, name: &str) {
        let path = self.path(kind, name);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            log::debug!("cannot remove {}: {error}", path.display());
        }
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.join(kind).join(format!("{:x}", Sha256::digest(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_by_kind_and_name() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("cache"));
        assert_eq!(cache.get("initialize", "https://a.example/../x"), None);
        cache.put("initialize", "https://a.example/../x", b"1");
        cache.put("initialize", "https://b.example/", b"2");
        cache.put("other", "https://a.example/../x", b"3");
        assert_eq!(cache.get("initialize", "https://a.example/../x").unwrap(), b"1");
        assert_eq!(cache.get("initialize", "https://b.example/").unwrap(), b"2");
        assert_eq!(cache.get("other", "https://a.example/../x").unwrap(), b"3");
        cache.remove("other", "https://a.example/../x");
        cache.remove("other", "https://a.example/../x");
        assert_eq!(cache.get("other", "https://a.example/../x"), None);
        assert_eq!(cache.get("initialize", "https://a.example/../x").unwrap(), b"1");
    }

    #[test]
    fn trouble_is_no_error() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("cache"));
        cache.put("kind", "large", &vec![0; MAX_STORED + 1]);
        assert_eq!(cache.get("kind", "large"), None);
        std::fs::write(home.path().join("file"), "").unwrap();
        let cache = Cache::new(home.path().join("file"));
        cache.put("kind", "name", b"1");
        assert_eq!(cache.get("kind", "name"), None);
    }
}
