//! Reading a trace line by line: no clock, no files, nothing held but the line at hand.
//!
//! A trace may end in the middle of a line, because its writer died or is still at work, and a file may
//! hold what a newer version wrote. What cannot be read is passed over and counted.

use std::io::{self, BufRead};

use super::record::{Record, Unreadable};
use crate::limits::MAX_TRACE_LINE;

/// A line and what it says.
#[derive(Debug)]
pub struct Read {
    /// The line, without its end.
    pub line: String,
    /// What it says.
    pub record: Record,
}

/// Lines that were passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// No records: cut, or of something else.
    pub broken: u64,
    /// Records of an unknown type.
    pub unknown: u64,
    /// Longer than [`MAX_TRACE_LINE`].
    pub long: u64,
}

impl Passed {
    /// With those of another file.
    #[must_use]
    pub fn and(self, other: Passed) -> Passed {
        Passed {
            broken: self.broken + other.broken,
            unknown: self.unknown + other.unknown,
            long: self.long + other.long,
        }
    }
}

/// Takes lines out of what is read.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    /// Whether the line at hand is too long, and the rest of it is of no interest.
    skipping: bool,
    position: u64,
    passed: Passed,
}

impl<R: BufRead> Reader<R> {
    /// Begins at the beginning.
    pub fn new(input: R) -> Reader<R> {
        Reader { input, line: Vec::new(), skipping: false, position: 0, passed: Passed::default() }
    }

    /// The next record, or `None` where the input ends for now. A line without an end stays until the
    /// rest of it is there, or until [`finish`](Reader::finish).
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next_record(&mut self) -> io::Result<Option<Read>> {
        loop {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', chunk);
            let taken = end.unwrap_or(chunk.len());
            if !self.skipping && self.line.len() + taken > MAX_TRACE_LINE {
                self.skipping = true;
                self.line = Vec::new();
            }
            if !self.skipping {
                self.line.extend_from_slice(&chunk[..taken]);
            }
            let used = taken + usize::from(end.is_some());
            self.input.consume(used);
            self.position += used as u64;
            if end.is_some()
                && let Some(read) = self.whole_line()
            {
                return Ok(Some(read));
            }
        }
    }

    /// The last line, if it is whole but for its end.
    pub fn finish(&mut self) -> Option<Read> {
        self.whole_line()
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What was passed over so far.
    pub fn passed(&self) -> Passed {
        self.passed
    }

    /// What is read from.
    pub fn input(&self) -> &R {
        &self.input
    }

    fn whole_line(&mut self) -> Option<Read> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.skipping) {
            self.passed.long += 1;
            return None;
        }
        let Ok(mut line) = String::from_utf8(line) else {
            self.passed.broken += 1;
            return None;
        };
        line.truncate(line.trim_end().len());
        if line.is_empty() {
            return None;
        }
        match Record::parse(&line) {
            Ok(record) => Some(Read { line, record }),
            Err(Unreadable::Type(_)) => {
                self.passed.unknown += 1;
                None
            }
            Err(Unreadable::Json(_)) => {
                self.passed.broken += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"type":"sent","t":1.5,"n":1,"later":true}"#;

    fn all(text: &[u8]) -> (Vec<String>, Passed) {
        let mut reader = Reader::new(io::BufReader::with_capacity(7, text));
        let mut lines = Vec::new();
        while let Some(read) = reader.next_record().unwrap() {
            lines.push(read.line);
        }
        lines.extend(reader.finish().map(|read| read.line));
        assert_eq!(reader.position(), text.len() as u64);
        (lines, reader.passed())
    }

    #[test]
    fn what_is_no_record_is_passed_over_and_counted() {
        let text =
            format!("{SENT}\r\n\n{{\"type\":\"x\"}}\nnonsense\n{{\"type\":\"sent\"}}\n{SENT}\n");
        let (lines, passed) = all(text.as_bytes());
        assert_eq!(lines, [SENT, SENT]);
        assert_eq!(passed, Passed { broken: 2, unknown: 1, long: 0 });
        let mut text = SENT.as_bytes().to_vec();
        text.extend(b"\n\xff\xfe\n");
        assert_eq!(all(&text).1, Passed { broken: 1, ..Passed::default() });
    }

    #[test]
    fn a_last_line_without_an_end_counts_if_it_is_whole() {
        assert_eq!(all(SENT.as_bytes()), (vec![SENT.to_owned()], Passed::default()));
        let cut = &SENT[..20];
        assert_eq!(all(cut.as_bytes()), (vec![], Passed { broken: 1, ..Passed::default() }));
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                SENT, "\n", "\r\n", "{", "\"", "{\"type\":\"x\"}", "\u{2028}", " ", "}",
            ]), 0..30),
            piece in 1_usize..50,
        ) {
            let text = parts.concat();
            let read = |piece| {
                let mut reader = Reader::new(io::BufReader::with_capacity(piece, text.as_bytes()));
                let mut lines = Vec::new();
                while let Some(read) = reader.next_record().unwrap() {
                    lines.push(read.line);
                }
                lines.extend(reader.finish().map(|read| read.line));
                (lines, reader.passed())
            };
            let (lines, passed) = read(piece);
            let whole = text.split('\n').filter(|line| !line.trim_end().is_empty()).count();
            let all = lines.len() as u64 + passed.broken + passed.unknown;
            proptest::prop_assert_eq!(all, whole as u64);
            proptest::prop_assert_eq!((lines, passed), read(4096));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_held() {
        let mut text = vec![b'x'; MAX_TRACE_LINE + 1];
        text.extend(format!("\n{SENT}\n").bytes());
        let mut reader = Reader::new(io::BufReader::with_capacity(1 << 16, &text[..]));
        assert_eq!(reader.next_record().unwrap().unwrap().line, SENT);
        assert_eq!(reader.passed(), Passed { long: 1, ..Passed::default() });
        assert!(reader.line.capacity() < MAX_TRACE_LINE / 2);
    }
}
