//! The file of a trace: private, bounded, one process at a time.
//!
//! `FILE` is begun anew by every run; what was in it, from this run or the one before, is in `FILE.1`.
//! Together they have at most the size that was asked for.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::record::{Record, Start};

/// Where lines go.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    file: BufWriter<File>,
    written: u64,
    /// Of one file; `None` where it cannot be rotated (a pipe, a device).
    limit: Option<u64>,
    start: Start,
}

impl Sink {
    /// Begins a file at `path` with `start`. Both files together have at most `max` bytes. If another
    /// process writes to `path`, the number of this one is added to the name.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path, max: u64, start: Start) -> io::Result<Sink> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let file = OpenOptions::new().append(true).open(path)?;
            return Sink::begin(path.to_owned(), file, None, start);
        }
        let mut path = path.to_owned();
        let file = match fresh(&path)? {
            Some(file) => file,
            None => {
                path = with_number(&path);
                fresh(&path)?.ok_or(io::ErrorKind::ResourceBusy)?
            }
        };
        Sink::begin(path, file, Some(max / 2), start)
    }

    fn begin(path: PathBuf, file: File, limit: Option<u64>, start: Start) -> io::Result<Sink> {
        let file = BufWriter::new(file);
        let mut sink = Sink { path, file, written: 0, limit, start };
        sink.put_start()?;
        Ok(sink)
    }

    /// Where it goes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The operating system's.
    pub fn put(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if self.limit.is_some_and(|limit| self.written + line.len() as u64 > limit) {
            self.rotate()?;
        }
        self.write(&line)
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// The operating system's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.flush()?;
        fs::rename(&self.path, rotated(&self.path))?;
        let file = match locked(&self.path)? {
            Some(file) => file,
            // Another process was faster with the name.
            None => {
                self.path = with_number(&self.path);
                locked(&self.path)?.ok_or(io::ErrorKind::ResourceBusy)?
            }
        };
        self.file = BufWriter::new(file);
        self.written = 0;
        self.start.continues = true;
        self.put_start()
    }

    fn put_start(&mut self) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Record::Start(self.start.clone()))?;
        line.push(b'\n');
        self.write(&line)?;
        self.file.flush()
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.written += line.len() as u64;
        self.file.write_all(line)
    }
}

/// The file that `path` is rotated to.
pub fn rotated(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    path.as_mut_os_string().push(".1");
    path
}

fn with_number(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    path.as_mut_os_string().push(format!("-{}", std::process::id()));
    path
}

/// An empty file at `path`, locked; what was there is rotated away. `None` if another process has it.
fn fresh(path: &Path) -> io::Result<Option<File>> {
    match locked(path)? {
        Some(file) if file.metadata()?.len() > 0 => {
            fs::rename(path, rotated(path))?;
            locked(path)
        }
        other => Ok(other),
    }
}

/// The file at `path`, for its owner alone, and locked; `None` if another process has it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Sent;
    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn two_files_of_half_the_size_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        fs::write(&path, "before").unwrap();
        let mut sink = Sink::open(&path, 2000, Start::default()).unwrap();
        assert_eq!(fs::read_to_string(rotated(&path)).unwrap(), "before");
        for n in 0..100 {
            sink.put(&Record::Sent(Sent { t: 0.0, n })).unwrap();
        }
        sink.flush().unwrap();
        let (last, before) = (lines(&path), lines(&rotated(&path)));
        assert!(last[0].contains("\"continues\":true") && before[0].contains("\"continues\":true"));
        assert!(last.last().unwrap().contains("\"n\":99"), "{last:?}");
        let number = |line: &str| {
            Record::parse(line).map(|record| match record {
                Record::Sent(Sent { n, .. }) => n,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(number(before.last().unwrap()).unwrap() + 1, number(&last[1]).unwrap());
        for path in [&path, &rotated(&path)] {
            assert!(fs::metadata(path).unwrap().len() <= 1000);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let first = Sink::open(&path, 2000, Start::default()).unwrap();
        let second = Sink::open(&path, 2000, Start::default()).unwrap();
        assert_eq!(first.path(), path);
        assert_eq!(second.path(), with_number(&path));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let sink = Sink::open(&folder.path().join("t"), 2000, Start::default()).unwrap();
        assert_eq!(fs::metadata(sink.path()).unwrap().permissions().mode() & 0o077, 0);
    }
}
