//! The file of a log: private, bounded, and shared by the processes that write to it.
//!
//! Where it gets too long, one of them gives it the name `FILE.1`, in the place of the one before, and begins anew;
//! the others notice and follow.

use std::fs::{self, File as Open, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::platform::{FileId, file_id};

/// Bytes between two looks at how long the file is, which others write to as well.
const LOOK: u64 = 16 << 10;

/// Where lines go.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    file: Open,
    /// Which file that is, where the system tells.
    id: Option<FileId>,
    /// Of each of the two files; `None` where it cannot be renamed (a pipe, a device).
    limit: Option<u64>,
    since: u64,
}

impl File {
    /// Goes on with the file at `path`, or begins it. Together with the one before it has at most `max` bytes, and
    /// what others write meanwhile.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path, max: u64) -> io::Result<File> {
        let file = open(path)?;
        let about = file.metadata()?;
        let limit = about.is_file().then_some(max / 2);
        // A link stays where it is, and what it leads to gets the other name.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut file = File { path, file, id: file_id(&about), limit, since: 0 };
        file.look()?;
        Ok(file)
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The operating system's.
    pub fn put(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64;
        self.since += length;
        if self.has_moved() {
            self.reopen()?;
        } else if self.since > LOOK.min(self.limit.unwrap_or(LOOK) / 2) {
            self.since = length;
            self.look()?;
        }
        self.file.write_all(line.as_bytes())
    }

    /// Whether somebody else has begun anew: what is written here would soon be gone.
    fn has_moved(&self) -> bool {
        self.limit.is_some()
            && self.id.is_some()
            && fs::metadata(&self.path).map_or(true, |there| file_id(&there) != self.id)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.id = file_id(&self.file.metadata()?);
        Ok(())
    }

    /// Begins anew where it has got too long, by whomever.
    fn look(&mut self) -> io::Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let is_long = |length: u64| length + LOOK.min(limit / 2) > limit;
        // Whoever else sees the same, and has the lock, is doing it.
        if !is_long(self.file.metadata()?.len()) || self.file.try_lock().is_err() {
            return Ok(());
        }
        // Somebody may have done it a moment ago: then the one that is there now is short.
        if fs::metadata(&self.path).is_ok_and(|there| is_long(there.len())) {
            let mut before = self.path.clone();
            before.as_mut_os_string().push(".1");
            if fs::rename(&self.path, before).is_err() {
                // A mounted file, a folder of somebody else: it has no name to move to.
                self.file.set_len(0)?;
                return self.file.unlock();
            }
        }
        // The lock ends with the file that it is on.
        self.reopen()
    }
}

/// The file at `path`. A new one is for its owner alone: it has no secrets, but addresses, and what a server says.
fn open(path: &Path) -> io::Result<Open> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_are_within_the_limit_whoever_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let max = 200_000;
        let mut files = [File::open(&path, max).unwrap(), File::open(&path, max).unwrap()];
        let line = format!("{}\n", "x".repeat(999));
        for n in 0..1000 {
            files[n % 2].put(&line).unwrap();
            let length =
                |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
            let all = length("log") + length("log.1");
            // Each may not have looked for a while.
            assert!(all <= max + 2 * 2 * LOOK, "{all} after {n} lines");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let kept = fs::read_to_string(folder.path().join("log.1")).unwrap();
        assert!(kept.len() > 50_000 && kept.lines().all(|kept| kept.len() == 999));
        // The next process begins anew at once where it has to.
        fs::write(&path, "y".repeat(150_000)).unwrap();
        let mut next = File::open(&path, max).unwrap();
        next.put("z\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "z\n");
    }

    #[test]
    fn a_quiet_process_follows_a_loud_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut quiet = File::open(&path, 200_000).unwrap();
        let mut loud = File::open(&path, 200_000).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        for n in 0..500 {
            loud.put(&line).unwrap();
            if cfg!(unix) && n % 100 == 0 {
                quiet.put("quiet\n").unwrap();
                assert!(fs::read_to_string(&path).unwrap().contains("quiet"), "after {n} lines");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (link, real) = (folder.path().join("link"), folder.path().join("real"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut file = File::open(&link, 20_000).unwrap();
        for _ in 0..100 {
            file.put(&"x".repeat(999)).unwrap();
        }
        assert!(link.is_symlink());
        assert!(folder.path().join("real.1").exists());
    }

    #[test]
    fn what_cannot_be_renamed_begins_anew_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // A folder with something in it cannot be replaced by a file.
        fs::create_dir_all(folder.path().join("log.1").join("x")).unwrap();
        fs::write(&path, "y".repeat(150_000)).unwrap();
        let mut file = File::open(&path, 200_000).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        for n in 0..300 {
            file.put(&line).unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= 100_000, "after {n} lines");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_renamed() {
        let mut null = File::open(Path::new("/dev/null"), 1000).unwrap();
        for _ in 0..100 {
            null.put(&"x".repeat(1000)).unwrap();
        }
        assert!(!Path::new("/dev/null.1").exists());
    }
}
