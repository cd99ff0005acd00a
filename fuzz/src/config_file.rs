//! Our own file: that reading it ends, tells places that are in it, and that what it says of a server is understood.
use std::ffi::OsString;

use mcp_tether::cli::named;
use mcp_tether::config::file::merge;
use mcp_tether::config::file::read::{Around, read};
use mcp_tether::limits::{MAX_CONFIG_PROBLEMS, MAX_NAMED_SERVERS};

/// One input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let open = read(text, &Around { open_to_others: true, ..Around::default() });
    let contents = read(text, &Around::default());
    assert!(contents.problems.len() <= open.problems.len());
    assert!(open.problems.len() <= MAX_CONFIG_PROBLEMS);
    assert!(contents.servers.len() <= MAX_NAMED_SERVERS);
    let lines = text.lines().count().max(1) + 1;
    for problem in &open.problems {
        assert!((1..=lines).contains(&problem.line) && problem.column > 0);
        assert!(!problem.text.contains(|c: char| c.is_control()));
    }
    if !contents.problems.is_empty() {
        return;
    }
    let line = ["mcp-tether", "name"].map(OsString::from);
    let place = named::place(&line).unwrap();
    for server in &contents.servers {
        for word in merge::words(&contents.defaults, server, &place) {
            assert!(word.text.starts_with("--") && (1..=lines).contains(&word.line));
        }
    }
}
