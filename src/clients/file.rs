//! Reading a configuration file, never more of it than is sensible.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::document::{self, DocumentError, Format};
use super::places::Client;
use super::servers::{self, Server};
use crate::limits::MAX_CLIENT_CONFIG;

/// Why a file tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No configuration file is as large.
    #[error("it has more than {} MiB", MAX_CLIENT_CONFIG >> 20)]
    TooLarge,
    /// It cannot be understood.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// The servers in a file. `client` is whose it is, where that is known. `None` says that there is no
/// place for servers in it at all.
///
/// # Errors
/// If it cannot be read.
pub fn load(path: &Path, client: Option<&Client>) -> Result<Option<Vec<Server>>, FileError> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_CLIENT_CONFIG as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_CLIENT_CONFIG {
        return Err(FileError::TooLarge);
    }
    let tree = document::parse(&bytes, Format::of(path))?;
    Ok(servers::find(&tree, client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        assert!(matches!(load(&path, None), Err(FileError::Io(_))));
        assert!(matches!(load(folder.path(), None), Err(FileError::Io(_))));
        std::fs::write(&path, r#"{"mcpServers": {"a": {"url": "https://h.example/"}}}"#).unwrap();
        assert_eq!(load(&path, None).unwrap().unwrap().len(), 1);
        std::fs::write(&path, "{}").unwrap();
        assert!(load(&path, None).unwrap().is_none());
        File::create(&path).unwrap().set_len(MAX_CLIENT_CONFIG as u64 + 1).unwrap();
        assert!(matches!(load(&path, None), Err(FileError::TooLarge)));
    }
}
