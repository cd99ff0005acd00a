//! Putting a changed configuration file in the place of the old one.
//!
//! What was there is kept beside it, as `FILE.bak-…`. After a crash at any moment there is the old file
//! or the new one. Who else has written meanwhile is noticed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::file::FileError;
use crate::limits::{CONFIG_LOCK_PATIENCE, LOCK_POLL, MAX_CLIENT_CONFIG, MAX_CONFIG_BACKUPS};
use crate::order;

/// Why a file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else has written it.
    #[error("somebody else has changed it at this moment; try again")]
    Changed,
    /// Its permissions say that it is not to be written.
    #[error("it is read-only; make it writable, or change it where it comes from")]
    ReadOnly,
    /// The folder.
    #[error("cannot write in {}: {source}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another mcp-tether holds the lock.
    #[error("another mcp-tether has been changing configurations for {} s", .0.as_secs())]
    Busy(Duration),
}

/// A file as it is read to be changed; `None` if there is none.
///
/// # Errors
/// If it cannot be read, is no regular file, or is too large.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    if !metadata.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(error.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_CLIENT_CONFIG as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_CLIENT_CONFIG {
        return Err(FileError::TooLarge);
    }
    Ok(Some(bytes))
}

/// Writes `after` in place of `before`, which is what [`read`] gave. A symbolic link stays one; mode and
/// folder stay. A new file is for its owner alone if `private`. Gives the place of what was there.
///
/// # Errors
/// See [`SaveError`]. Nothing has changed then.
pub fn write(
    path: &Path,
    before: Option<&[u8]>,
    after: &[u8],
    private: bool,
    now: OffsetDateTime,
) -> Result<Option<PathBuf>, SaveError> {
    let real = match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() => path.canonicalize().map_err(FileError::from)?,
        _ => path.to_owned(),
    };
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let refused = |source| SaveError::Folder { folder: folder.to_owned(), source };
    let permissions = match before {
        Some(_) => Some(fs::metadata(&real).map_err(FileError::from)?.permissions()),
        None => None,
    };
    if permissions.as_ref().is_some_and(fs::Permissions::readonly) {
        return Err(SaveError::ReadOnly);
    }
    if before.is_none() {
        fs::create_dir_all(folder).map_err(refused)?;
    }
    let unchanged = || -> Result<bool, FileError> { Ok(read(&real)?.as_deref() == before) };
    if !unchanged()? {
        return Err(SaveError::Changed);
    }
    let backup = match (before, &permissions) {
        (Some(before), Some(permissions)) => {
            Some(keep(&real, folder, before, permissions, now).map_err(refused)?)
        }
        _ => None,
    };
    let new = staged(folder, after, permissions, private).map_err(refused)?;
    // As late as can be: clients write their files whenever they like.
    let done = match unchanged() {
        Ok(true) => fs::rename(&new, &real).map_err(refused),
        Ok(false) => Err(SaveError::Changed),
        Err(error) => Err(error.into()),
    };
    if done.is_err() {
        let _ = fs::remove_file(&new);
        backup.iter().for_each(|backup| drop(fs::remove_file(backup)));
    }
    done?;
    // The name must survive a loss of power as well. Not all systems can do this.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    prune(&real, folder);
    Ok(backup)
}

/// Writes a file beside the one that it will replace.
fn staged(
    folder: &Path,
    bytes: &[u8],
    permissions: Option<fs::Permissions>,
    private: bool,
) -> io::Result<PathBuf> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".mcp-tether");
    // A file in a project has the rights that other new files get.
    let mut new = match (&permissions, private) {
        (None, false) => builder
            .make_in(folder, |path| OpenOptions::new().write(true).create_new(true).open(path))?,
        _ => builder.tempfile_in(folder)?,
    };
    new.write_all(bytes)?;
    if let Some(permissions) = permissions {
        new.as_file().set_permissions(permissions)?;
    }
    new.as_file().sync_all()?;
    let (_, path) = new.keep().map_err(|error| error.error)?;
    Ok(path)
}

/// Keeps what was there.
fn keep(
    real: &Path,
    folder: &Path,
    bytes: &[u8],
    permissions: &fs::Permissions,
    now: OffsetDateTime,
) -> io::Result<PathBuf> {
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stamp = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second()
    );
    // Behind those of the same second, so that the order of names is that of time.
    let kept = kept(&name, folder);
    let same = kept.iter().rev().find_map(|kept| kept.split_once(&stamp));
    let first = same.map_or(0, |(_, number)| {
        number.trim_start_matches('-').parse::<u32>().unwrap_or(0).saturating_add(1)
    });
    for number in first.. {
        let more = if number == 0 { String::new() } else { format!("-{number:03}") };
        let path = folder.join(format!("{name}.bak-{stamp}{more}"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| {
                    file.set_permissions(permissions.clone())?;
                    file.sync_all()
                });
                return written.map(|()| path.clone()).inspect_err(|_| {
                    let _ = fs::remove_file(&path);
                });
            }
        }
    }
    Err(io::Error::other("there are too many backups"))
}

/// Removes the oldest of what was kept.
fn prune(real: &Path, folder: &Path) {
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kept = kept(&name, folder);
    let many = kept.len().saturating_sub(MAX_CONFIG_BACKUPS);
    for old in &kept[..many] {
        let _ = fs::remove_file(folder.join(old));
    }
}

/// What was kept of a file, oldest first.
fn kept(name: &str, folder: &Path) -> Vec<String> {
    let prefix = format!("{name}.bak-");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut kept: Vec<_> =
        names.filter(|name| name.strip_prefix(&prefix).is_some_and(is_stamp)).collect();
    order::sort(&mut kept);
    kept
}

/// Whether it is what [`keep`] puts behind a name: `20261201T013812Z`, `20261201T013812Z-001`.
fn is_stamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "00000000T000000Z" || shape == "00000000T000000Z-000"
}

/// The right to change configurations; freed when dropped.
#[derive(Debug)]
pub struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for those of this program that are at it.
    ///
    /// # Errors
    /// If one is for longer than is sensible, or `path` cannot be opened.
    pub fn take(path: &Path) -> Result<Turn, SaveError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let refused = |source| SaveError::Folder { folder: folder.to_owned(), source };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(refused)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(refused)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn { _file: file }),
                Err(TryLockError::Error(error)) => return Err(refused(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= CONFIG_LOCK_PATIENCE => {
                    return Err(SaveError::Busy(CONFIG_LOCK_PATIENCE));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_796_088_000).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_there_is_kept_and_old_copies_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/mcp.json");
        assert_eq!(read(&path).unwrap(), None);
        assert_eq!(write(&path, None, b"0", true, now()).unwrap(), None);
        fs::write(folder.path().join("deep/mcp.json.bak-mine"), "").unwrap();
        for n in 1..MAX_CONFIG_BACKUPS + 3 {
            let (before, after) = ((n - 1).to_string(), n.to_string());
            let kept =
                write(&path, Some(before.as_bytes()), after.as_bytes(), true, now()).unwrap();
            assert_eq!(fs::read_to_string(kept.unwrap()).unwrap(), before);
        }
        let all = names(path.parent().unwrap());
        assert_eq!(all.len(), MAX_CONFIG_BACKUPS + 2, "{all:?}");
        assert!(all.contains(&"mcp.json.bak-mine".to_owned()));
        assert!(all.last().unwrap().starts_with("mcp.json.bak-"));
    }

    #[test]
    fn who_comes_second_notices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        fs::write(&path, "theirs").unwrap();
        for before in [None, Some(&b"ours"[..])] {
            let error = write(&path, before, b"new", true, now()).unwrap_err();
            assert!(matches!(error, SaveError::Changed), "{error}");
        }
        assert_eq!(names(folder.path()), ["mcp.json"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_rights_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("dotfiles/real.json"), folder.path().join("link"));
        fs::create_dir(real.parent().unwrap()).unwrap();
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("dotfiles/real.json", &link).unwrap();
        let kept = write(&link, Some(b"old"), b"new", true, now()).unwrap().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!((mode(&real), mode(&kept)), (0o640, 0o640));
        let fresh = folder.path().join("fresh");
        write(&fresh, None, b"x", true, now()).unwrap();
        assert_eq!(mode(&fresh), 0o600);
        fs::set_permissions(&real, fs::Permissions::from_mode(0o444)).unwrap();
        let error = write(&link, Some(b"new"), b"newer", true, now()).unwrap_err();
        assert!(matches!(error, SaveError::ReadOnly), "{error}");
    }

    #[test]
    fn one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/clients.lock");
        let first = Turn::take(&path).unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Turn::take(&path).map(drop)
        });
        drop(first);
        waiting.join().unwrap().unwrap();
    }
}
