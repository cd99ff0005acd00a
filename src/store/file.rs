//! Files that only their owner can read, replaced as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::limits::MAX_STORED;
use crate::order;
use crate::secret::wiped::Wiped;

/// Reads a file of at most [`MAX_STORED`] bytes; `None` if there is none.
///
/// # Errors
/// If it is larger, no regular file (a symbolic link is never followed), or cannot be read.
pub fn read(path: &Path) -> io::Result<Option<Wiped>> {
    match read_existing(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Nor is there anything below what is no folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read_existing(path: &Path) -> io::Result<Wiped> {
    regular(path)?;
    let file = File::open(path)?;
    tighten(&file, path);
    // At once as large as it is, because a vector that grows leaves its bytes behind.
    let length = file.metadata()?.len().min(MAX_STORED as u64) as usize;
    let mut bytes = Wiped::new(Vec::with_capacity(length + 64));
    file.take(MAX_STORED as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_STORED {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(bytes)
}

fn regular(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// Puts `bytes` where `path` says, readable by the owner alone, with its folder where needed. After
/// a crash at any moment there is the old file or the new one. A symbolic link is replaced.
///
/// # Errors
/// If the operating system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Staged::new(path, bytes)?.publish()?;
    // The name must survive a loss of power as well. Not all systems can do this.
    let _ = path.parent().map(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
    Ok(())
}

/// What is about to be in a file: written, and not yet under its name.
#[derive(Debug)]
pub struct Staged {
    new: Option<PathBuf>,
    path: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `path`.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn new(path: &Path, bytes: &[u8]) -> io::Result<Staged> {
        let (folder, prefix) = around(path)?;
        private_folder(folder)?;
        let mut new = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        // Not `persist`: the standard library's rename replaces files that others have open on
        // Windows.
        let (_, new) = new.keep().map_err(|error| error.error)?;
        Ok(Staged { new: Some(new), path: path.to_owned() })
    }

    /// Puts it where it belongs, at once.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn publish(mut self) -> io::Result<()> {
        match self.new.take() {
            Some(new) => fs::rename(&new, &self.path).inspect_err(|_| {
                let _ = fs::remove_file(&new);
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(new) = self.new.take() {
            let _ = fs::remove_file(new);
        }
    }
}

/// Removes a file, if there is one.
///
/// # Errors
/// If it is still there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what writers of `path` that were killed have left. Only for who holds its lock.
pub fn sweep(path: &Path) {
    let Ok((folder, prefix)) = around(path) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Opens, and creates where needed, a file that exists to be locked.
///
/// # Errors
/// If the operating system refuses.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let (folder, _) = around(path)?;
    private_folder(folder)?;
    match regular(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The regular files with the extension `json` in a folder that may be missing, at most `limit`.
///
/// # Errors
/// If the folder cannot be read.
pub fn list(folder: &Path, limit: usize) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "json")).take(limit).collect();
    order::sort(&mut paths);
    Ok(paths)
}

/// Takes away what others may do with a file of ours.
#[cfg(unix)]
fn tighten(file: &File, path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if !file.metadata().is_ok_and(|about| about.permissions().mode() & 0o077 != 0) {
        return;
    }
    let path = path.display();
    // It may be on a disk that cannot be written to.
    match file.set_permissions(fs::Permissions::from_mode(0o600)) {
        Ok(()) if file.metadata().is_ok_and(|about| about.permissions().mode() & 0o077 == 0) => {
            log::warn!("{path} was open to other users of this machine, and no longer is")
        }
        Ok(()) => log::debug!("{path} is on a disk that keeps no modes"),
        Err(error) => log::warn!("{path} is open to other users of this machine: {error}"),
    }
}

/// Nothing: files have the rights of their folder here.
#[cfg(not(unix))]
fn tighten(_: &File, _: &Path) {}

/// The folder of a file, and what the names of its unfinished successors begin with.
fn around(path: &Path) -> io::Result<(&Path, String)> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok((folder, format!(".{}.", name.to_string_lossy()))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no name")),
    }
}

/// A folder that only its owner can enter; a looser one is tightened.
#[cfg(unix)]
fn private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A folder. Those below the local application data are their owner's alone.
#[cfg(not(unix))]
fn private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b.json");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(*read(&path).unwrap().unwrap(), b"two");
        assert_eq!(list(&home.path().join("a"), 10).unwrap(), std::slice::from_ref(&path));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(home.path().join("a")).unwrap().count(), 0);
        assert!(list(&home.path().join("none"), 10).unwrap().is_empty());
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.json");
        fs::write(&path, vec![b'x'; MAX_STORED + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::write(&path, vec![b'x'; MAX_STORED]).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().len(), MAX_STORED);
    }

    #[test]
    fn unfinished_files_of_this_name_are_swept() {
        let home = tempfile::tempdir().unwrap();
        for name in [".a.json.x1", ".b.json.x2", "a.json"] {
            fs::write(home.path().join(name), "").unwrap();
        }
        sweep(&home.path().join("a.json"));
        assert!(!home.path().join(".a.json.x1").exists());
        assert!(home.path().join(".b.json.x2").exists() && home.path().join("a.json").exists());
    }

    #[cfg(unix)]
    #[test]
    fn files_are_private_and_links_are_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("loose");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let (path, victim) = (folder.join("a.json"), home.path().join("victim"));
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, &path).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(open_lock(&path).is_err());
        write(&path, b"new").unwrap();
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"newer").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        assert_eq!(*read(&path).unwrap().unwrap(), b"newer");
        assert_eq!(mode(&path), 0o600, "reading tightens it as well");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        open_lock(&folder.join("x.lock")).unwrap();
        assert_eq!(mode(&folder.join("x.lock")), 0o600);
    }
}
