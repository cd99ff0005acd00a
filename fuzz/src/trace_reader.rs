//! A trace, read in pieces of any size: the same records come out as line by line, and what is joined
//! adds up.
//!
//! Input: a byte for the length of the pieces, then the bytes of the file.
use std::io::{BufReader, Read as _};

use mcp_tether::trace::join::Joined;
use mcp_tether::trace::moment;
use mcp_tether::trace::read::{Passed, Reader};
use mcp_tether::trace::record::{Record, Unreadable};

/// One input.
pub fn run(input: &[u8]) {
    let Some((piece, file)) = input.split_first() else { return };
    let mut reader =
        Reader::new(BufReader::with_capacity(usize::from(*piece) + 1, file.take(u64::MAX)));
    let mut found = Vec::new();
    while let Some(read) = reader.next_record().expect("bytes can be read") {
        found.push(read);
    }
    found.extend(reader.finish());
    assert_eq!(reader.position(), file.len() as u64);

    let (mut expected, mut passed) = (Vec::new(), Passed::default());
    for line in file.split(|byte| *byte == b'\n') {
        match std::str::from_utf8(line).map(str::trim_end) {
            Err(_) => passed.broken += 1,
            Ok("") => {}
            Ok(line) => match Record::parse(line) {
                Ok(_) => expected.push(line),
                Err(Unreadable::Type(_)) => passed.unknown += 1,
                Err(Unreadable::Json(_)) => passed.broken += 1,
            },
        }
    }
    assert!(found.iter().map(|read| &*read.line).eq(expected));
    assert_eq!(reader.passed(), passed);

    let records = found.len();
    let mut joined = Joined::default();
    for read in found {
        joined.take(read);
    }
    let parts = joined.runs.len()
        + joined.notes.len()
        + joined.missed.len()
        + joined.calls.len()
        + joined.exchanges.len();
    assert!(parts <= records);
    assert!(joined.lasted() >= 0.0);
    for exchange in &joined.exchanges {
        assert!(exchange.began() <= exchange.ended());
        let _ = (exchange.is_error(), exchange.method());
    }
    for run in &joined.runs {
        if let Some(time) = moment::parse(&run.time) {
            assert_eq!(moment::parse(&moment::format(time)), Some(time));
        }
    }
}
