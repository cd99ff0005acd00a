//! Lines of stdin, cut anywhere, against a plain reading of the whole input.
//!
//! Input: a byte for the limit, a byte for the length of the pieces, then the bytes of stdin.
use mcp_tether::limits::SALVAGE_PREFIX;
use mcp_tether::stdio::lines::{Line, Lines};

/// One input.
pub fn run(input: &[u8]) {
    let [limit, piece, text @ ..] = input else {
        return;
    };
    // Up to 16 KiB, so that over-long lines exceed the prefix that is kept of them.
    let limit = usize::from(*limit) * 64 + 1;
    let piece = usize::from(*piece) + 1;

    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for piece in text.chunks(piece) {
        lines.feed(piece);
        while let Some(line) = lines.next_line() {
            found.push(line);
        }
    }
    found.extend(lines.finish());

    let mut expected = expected(text, limit).into_iter();
    for line in &found {
        let wanted = expected.next().expect("no more lines than in the input");
        match line {
            Line::Text(line) => assert_eq!((&line[..], true), wanted),
            Line::TooLong { prefix } => {
                assert!(!wanted.1, "only over-long lines are discarded");
                assert!(prefix.len() <= SALVAGE_PREFIX);
            }
        }
    }
    assert_eq!(expected.next(), None, "no line is lost");
}

/// The lines that are not blank, each with whether it is within the limit.
fn expected(text: &[u8], limit: usize) -> Vec<(&[u8], bool)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .map(|line| (line, line.len() <= limit))
        .filter(|(line, fits)| !fits || !line.iter().all(u8::is_ascii_whitespace))
        .collect()
}
