//! Bytes into lines (2025-11-25, basic/transports, "stdio").

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::jsonrpc::Received;
use crate::jsonrpc::skeleton::Sieve;
use crate::limits::SALVAGE_PREFIX;

/// A buffer that grew beyond this for one line is given back after it.
const KEPT_CAPACITY: usize = 256 << 10;

/// Bytes that a line may have beside its text: a byte order mark and a CR.
const END_AND_MARK: usize = 4;

/// One line of input, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line within the limit. Never blank.
    Text(Received),
    /// A line over the limit, of which only the first [`SALVAGE_PREFIX`] bytes were kept.
    TooLong {
        /// Its beginning.
        prefix: Bytes,
    },
}

/// Cuts a byte stream into lines. Every byte is copied once and searched once; what belongs to a long line is looked at
/// once more, for [`Received`].
///
/// Tolerates CRLF, blank lines, a byte order mark at the start, and a last line without an end.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// Bytes of `buffer` in which there is no line end.
    searched: usize,
    /// Follows the line in `buffer`.
    sieve: Sieve,
    limit: usize,
    /// The beginning of an over-long line whose rest is being discarded.
    discarding: Option<Bytes>,
    at_start: bool,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Lines {
        Lines {
            buffer: BytesMut::new(),
            searched: 0,
            sieve: Sieve::default(),
            limit,
            discarding: None,
            at_start: true,
        }
    }

    /// Takes more input. Call [`Lines::next_line`] until it returns `None` before the next piece, so
    /// that never more than a line and a piece are held.
    pub fn feed(&mut self, mut piece: &[u8]) {
        if self.discarding.is_some() {
            match memchr(b'\n', piece) {
                Some(end) => piece = &piece[end..],
                None => return,
            }
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next complete line.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            match memchr(b'\n', &self.buffer[self.searched..]) {
                Some(found) => {
                    let end = self.searched + found;
                    if self.searched > 0 {
                        self.sieve.follow(&self.buffer[..end]);
                    }
                    let line = self.take(end + 1);
                    self.searched = 0;
                    if let Some(line) = self.complete(line.slice(..end)) {
                        return Some(line);
                    }
                }
                None => {
                    self.searched = self.buffer.len();
                    if self.searched > self.limit + END_AND_MARK && self.discarding.is_none() {
                        self.discarding = Some(prefix(&self.buffer));
                        self.buffer = BytesMut::new();
                        self.searched = 0;
                        self.sieve = Sieve::default();
                    }
                    self.sieve.follow(&self.buffer);
                    return None;
                }
            }
        }
    }

    /// What stands behind the last line end when the input has ended.
    pub fn finish(&mut self) -> Option<Line> {
        let rest = self.buffer.split().freeze();
        self.searched = 0;
        self.complete(rest)
    }

    fn take(&mut self, length: usize) -> Bytes {
        let line = self.buffer.split_to(length).freeze();
        if line.len() > KEPT_CAPACITY {
            // The remainder would keep the whole allocation alive.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        line
    }

    fn complete(&mut self, mut line: Bytes) -> Option<Line> {
        let at_start = std::mem::take(&mut self.at_start);
        let sieve = std::mem::take(&mut self.sieve);
        if let Some(prefix) = self.discarding.take() {
            return Some(Line::TooLong { prefix });
        }
        if at_start && line.starts_with(b"\xef\xbb\xbf") {
            line = line.slice(3..);
        }
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.limit {
            return Some(Line::TooLong { prefix: prefix(&line) });
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then(|| Line::Text(Received::new(line, sieve)))
    }
}

fn prefix(line: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&line[..line.len().min(SALVAGE_PREFIX)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(limit: usize, pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::new(limit);
        let mut out = Vec::new();
        for piece in pieces {
            lines.feed(piece);
            while let Some(line) = lines.next_line() {
                out.push(line);
            }
        }
        out.extend(lines.finish());
        out
    }

    fn text(line: &str) -> Line {
        Line::Text(Bytes::copy_from_slice(line.as_bytes()).into())
    }

    #[test]
    fn tolerated_forms() {
        assert_eq!(
            all(100, &[b"\xef\xbb\xbfa\r\n\r\n \t\nb\n\nc"]),
            [text("a"), text("b"), text("c")]
        );
        assert_eq!(all(100, &[b"\xef\xbb\xbf"]), []);
        assert_eq!(all(100, &[b""]), []);
        assert_eq!(all(100, &[b"a\n\xef\xbb\xbfb"]), [text("a"), text("\u{feff}b")]);
    }

    #[test]
    fn the_limit_is_exact_and_the_next_line_lives() {
        assert_eq!(
            all(3, &[b"abc\nabcd\nx\n"]),
            [text("abc"), Line::TooLong { prefix: Bytes::from_static(b"abcd") }, text("x")]
        );
        assert_eq!(all(3, &[b"abc\r\n"]), [text("abc")]);
    }

    #[test]
    fn an_over_long_line_is_not_kept() {
        let mut lines = Lines::new(10_000);
        let piece = vec![b'x'; 4096];
        for _ in 0..1000 {
            lines.feed(&piece);
            assert_eq!(lines.next_line(), None);
            assert!(lines.buffer.len() <= 10_000 + piece.len());
        }
        lines.feed(b"\ny\n");
        assert_eq!(
            lines.next_line(),
            Some(Line::TooLong { prefix: Bytes::from(vec![b'x'; SALVAGE_PREFIX]) })
        );
        assert_eq!(lines.next_line(), Some(text("y")));
    }

    #[test]
    fn a_huge_line_gives_its_memory_back() {
        let mut lines = Lines::new(8 << 20);
        lines.feed(&vec![b'x'; 4 << 20]);
        lines.feed(b"\nrest");
        assert!(lines.next_line().is_some());
        assert!(lines.buffer.capacity() < KEPT_CAPACITY);
    }

    proptest::proptest! {
        #[test]
        fn cutting_the_input_changes_nothing(
            input in "[a\\r\\n \u{feff}é]{0,60}",
            cuts in proptest::collection::vec(0usize..80, 0..6),
            limit in 1usize..20,
        ) {
            let bytes = input.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for cut in cuts {
                pieces.push(&bytes[start..cut]);
                start = cut;
            }
            pieces.push(&bytes[start..]);
            // How much of an over-long line is kept depends on how it came.
            let without_prefix = |lines: Vec<Line>| -> Vec<Option<Received>> {
                lines.into_iter().map(|line| match line {
                    Line::Text(text) => Some(text),
                    Line::TooLong { .. } => None,
                }).collect()
            };
            assert_eq!(without_prefix(all(limit, &pieces)), without_prefix(all(limit, &[bytes])));
        }
    }
}
