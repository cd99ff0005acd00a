//! The files of a trace, one after the other, and what is written meanwhile.
//!
//! A trace that has grown too large goes on in a new file of the same name, whose first line says so;
//! what was before is beside it, with `.1` behind its name.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::platform::{FileId, file_id};
use crate::trace::read::{Passed, Read, Reader};
use crate::trace::record::{Record, Start};

/// Where records come from.
pub(super) struct Source {
    /// The file, to look for a new one of the same name. Not for stdin and other pipes.
    path: Option<PathBuf>,
    id: Option<FileId>,
    earlier: Option<Reader<Box<dyn BufRead>>>,
    /// Already read to see what it is.
    first: Option<Read>,
    reader: Reader<Box<dyn BufRead>>,
    run: Option<String>,
    passed: Passed,
}

impl Source {
    /// Opens a trace, with its earlier part where there is one.
    pub fn open(path: &Path) -> io::Result<Source> {
        if path.as_os_str() == "-" {
            let input: Box<dyn BufRead> = Box::new(BufReader::new(io::stdin()));
            return Ok(Source::of(None, None, Reader::new(input)));
        }
        let (file, id) = open(path)?;
        // A pipe ends once; opened again it would wait for another writer.
        let regular = file.metadata()?.is_file();
        let mut source = Source::of(regular.then(|| path.to_owned()), id, reader(file));
        source.first = source.reader.next_record()?;
        if let Some(Read { record: Record::Start(start), .. }) = &mut source.first {
            source.run = Some(start.run.clone());
            if start.continues
                && let Some(earlier) = earlier_part(path, start)
            {
                // The first line of the earlier part says the same.
                source.first = None;
                source.earlier = Some(earlier);
            }
        }
        Ok(source)
    }

    fn of(path: Option<PathBuf>, id: Option<FileId>, reader: Reader<Box<dyn BufRead>>) -> Source {
        let (earlier, first, run) = (None, None, None);
        Source { path, id, earlier, first, reader, run, passed: Passed::default() }
    }

    /// The next record; `None` where there is none for now.
    pub fn next_record(&mut self) -> io::Result<Option<Read>> {
        if let Some(earlier) = &mut self.earlier {
            if let Some(read) = earlier.next_record()? {
                return Ok(Some(read));
            }
            let last = earlier.finish();
            self.passed = self.passed.and(earlier.passed());
            self.earlier = None;
            if last.is_some() {
                return Ok(last);
            }
        }
        match self.first.take() {
            Some(read) => Ok(Some(read)),
            None => self.reader.next_record(),
        }
    }

    /// The last line, if only its end is missing.
    pub fn finish(&mut self) -> Option<Read> {
        self.reader.finish()
    }

    /// Whether the file has been replaced; if so, reading goes on at the beginning of the new one.
    pub fn renew(&mut self) -> io::Result<bool> {
        let Some(path) = &self.path else {
            return Ok(false);
        };
        let (file, id) = match open(path) {
            // Between the two steps of a rotation there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let shorter = file.metadata()?.len() < self.reader.position();
        if !shorter && id == self.id {
            return Ok(false);
        }
        self.passed = self.passed.and(self.reader.passed());
        self.reader = reader(file);
        self.id = id;
        self.first = self.reader.next_record()?;
        if let Some(Read { record: Record::Start(start), .. }) = &self.first {
            if start.continues && self.run.as_ref() == Some(&start.run) {
                self.first = None;
            } else {
                self.run = Some(start.run.clone());
            }
        }
        Ok(true)
    }

    /// Whether there can be more at the end: not where a pipe has ended.
    pub fn may_grow(&self) -> bool {
        self.path.is_some()
    }

    /// What was passed over.
    pub fn passed(&self) -> Passed {
        self.passed.and(self.reader.passed())
    }
}

fn open(path: &Path) -> io::Result<(File, Option<FileId>)> {
    let file = File::open(path)?;
    let id = file_id(&file.metadata()?);
    Ok((file, id))
}

fn reader(file: File) -> Reader<Box<dyn BufRead>> {
    Reader::new(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// The part before, if it is there and of the same run.
fn earlier_part(path: &Path, start: &mut Start) -> Option<Reader<Box<dyn BufRead>>> {
    let mut name = OsString::from(path);
    name.push(".1");
    let name = PathBuf::from(name);
    let first = reader(File::open(&name).ok()?).next_record().ok()??;
    match first.record {
        Record::Start(earlier) if earlier.run == start.run => Some(reader(File::open(&name).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(run: &str, continues: bool) -> String {
        let start = Record::Start(Start { run: run.into(), continues, ..Start::default() });
        serde_json::to_string(&start).unwrap() + "\n"
    }

    fn sent(n: u64) -> String {
        format!("{{\"type\":\"sent\",\"t\":0,\"n\":{n}}}\n")
    }

    /// What is there now: the numbers of exchanges, 0 for a start.
    fn rest(source: &mut Source) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some(read) = source.next_record().unwrap() {
            found.push(match read.record {
                Record::Sent(sent) => sent.n,
                _ => 0,
            });
        }
        found
    }

    #[test]
    fn the_part_before_comes_first_if_it_is_of_the_same_run() {
        let folder = tempfile::tempdir().unwrap();
        let (file, before) = (folder.path().join("t"), folder.path().join("t.1"));
        std::fs::write(&before, start("a", false) + &sent(1) + sent(2).trim()).unwrap();
        std::fs::write(&file, start("a", true) + &sent(3)).unwrap();
        assert_eq!(rest(&mut Source::open(&file).unwrap()), [0, 1, 2, 3]);
        std::fs::write(&before, start("b", false) + &sent(1)).unwrap();
        assert_eq!(rest(&mut Source::open(&file).unwrap()), [0, 3]);
        std::fs::remove_file(&before).unwrap();
        assert_eq!(rest(&mut Source::open(&file).unwrap()), [0, 3]);
    }

    #[test]
    fn reading_goes_on_in_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, before) = (folder.path().join("t"), folder.path().join("t.1"));
        std::fs::write(&file, start("a", false) + &sent(1) + &sent(2)).unwrap();
        let mut source = Source::open(&file).unwrap();
        assert_eq!(rest(&mut source), [0, 1, 2]);
        assert!(!source.renew().unwrap());
        let text = start("a", false) + &sent(1) + &sent(2) + &sent(3);
        std::fs::write(&file, text).unwrap();
        assert!(!source.renew().unwrap());
        assert_eq!(rest(&mut source), [3]);
        // A rename, because what is open has to stay readable.
        std::fs::rename(&file, &before).unwrap();
        assert!(!source.renew().unwrap());
        std::fs::write(&file, start("a", true) + &sent(4)).unwrap();
        assert!(source.renew().unwrap());
        assert_eq!(rest(&mut source), [4]);
        std::fs::write(&file, start("b", false)).unwrap();
        assert!(source.renew().unwrap());
        assert_eq!(rest(&mut source), [0]);
    }
}
