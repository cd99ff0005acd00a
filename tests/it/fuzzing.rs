//! The fuzz targets without a fuzzer: with the inputs that one has found (`fuzz/corpus`), and with changed ones.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use targets::{TARGETS, Target};

/// More than this, and reading them takes longer than the rest.
const MAX_CORPUS_BYTES: u64 = 1_500_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target, by name of file.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(fuzz().join("corpus").join(target));
    let entries = entries.unwrap_or_else(|error| panic!("the corpus of {target}: {error}"));
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// Names of targets as the files below a folder have them.
fn stems(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_target_is_run_and_has_a_corpus() {
    let all: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), all);
    assert_eq!(stems("corpus"), all);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &all {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    let bytes: usize = all.iter().flat_map(|name| corpus(name)).map(|(_, input)| input.len()).sum();
    assert!((bytes as u64) < MAX_CORPUS_BYTES, "{bytes} bytes");
}

#[test]
fn every_input_of_the_corpora() {
    for (target, run) in TARGETS {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{target}");
        for (name, input) in inputs {
            let told = std::panic::catch_unwind(|| run(&input));
            assert!(told.is_ok(), "fuzz/corpus/{target}/{name} breaks a promise, see above");
        }
    }
}

/// What happens to an input, in the order given: positions and lengths are parts of 65,536 of what is there.
#[derive(Clone, Debug)]
enum Change {
    Remove(u16, u16),
    Insert(u16, Vec<u8>),
    Replace(u16, u8),
    Double(u16, u16),
    /// A part of another input.
    Take(u16, prop::sample::Index, u16, u16),
}

fn change() -> impl Strategy<Value = Change> {
    // What parsers look for.
    let words = [
        "\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "\r\n", "\0", "\\u0000", "\\ud800", "null",
        "-1", "1e999", "data:", "id:", "\u{feff}", "\u{2028}", "=", "&", "%00", "..", "//", "@",
        "#", "$", "${a}", "\u{7f}", "\u{1}",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 1..8);
    prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<u16>(), prop_oneof![word, bytes]).prop_map(|(at, new)| Change::Insert(at, new)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<u16>(), any::<u16>()).prop_map(|(at, length)| Change::Double(at, length)),
        (any::<u16>(), any::<prop::sample::Index>(), any::<u16>(), any::<u16>())
            .prop_map(|(at, other, from, length)| Change::Take(at, other, from, length)),
    ]
}

/// A place in so many bytes.
fn part(of: usize, share: u16) -> usize {
    of * usize::from(share) / 65_536
}

/// A range in so many bytes, seldom long.
fn range(of: usize, at: u16, length: u16) -> std::ops::Range<usize> {
    let begin = part(of, at);
    let length = part(of - begin + 1, length).min(1 + usize::from(length) % 32);
    begin..begin + length
}

fn apply(input: &mut Vec<u8>, change: &Change, all: &[Vec<u8>]) {
    match change {
        Change::Remove(at, length) => drop(input.drain(range(input.len(), *at, *length))),
        Change::Insert(at, new) => {
            let at = part(input.len() + 1, *at);
            input.splice(at..at, new.iter().copied());
        }
        Change::Replace(at, byte) => {
            let at = part(input.len(), *at);
            if let Some(place) = input.get_mut(at) {
                *place = *byte;
            }
        }
        Change::Double(at, length) => {
            let range = range(input.len(), *at, *length);
            let again = input[range.clone()].to_vec();
            input.splice(range.end..range.end, again);
        }
        Change::Take(at, other, from, length) => {
            let other = other.get(all);
            let new = other[range(other.len(), *from, *length)].to_vec();
            let at = part(input.len() + 1, *at);
            input.splice(at..at, new);
        }
    }
}

fn changed_inputs((target, run): Target) {
    let all: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, input)| input).collect();
    let inputs = prop_oneof![
        8 => (any::<prop::sample::Index>(), prop::collection::vec(change(), 1..6)).prop_map({
            let all = all.clone();
            move |(which, changes)| {
                let mut input = which.get(&all).clone();
                for change in &changes {
                    apply(&mut input, change, &all);
                }
                input
            }
        }),
        1 => prop::collection::vec(any::<u8>(), 0..256),
    ];
    // 256 of them, or as many as PROPTEST_CASES says.
    let config = Config { failure_persistence: None, ..Config::default() };
    let found = TestRunner::new(config).run(&inputs, |input| {
        std::panic::catch_unwind(|| run(&input))
            .map_err(|_| TestCaseError::fail(format!("{:?}", String::from_utf8_lossy(&input))))
    });
    if let Err(found) = found {
        panic!("{target}: {found}");
    }
}

/// A test for each target, so that they run side by side and a failure has its name.
macro_rules! changed {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            changed_inputs((stringify!($target), targets::$target::run));
        })*

        #[test]
        fn every_target_gets_changed_inputs() {
            assert_eq!([$(stringify!($target)),*], TARGETS.map(|(name, _)| name));
        }
    };
}

changed! {
    adapters
    addresses
    callback_request
    challenge
    client_config
    client_edit
    config_file
    discover_answer
    enterprise_file
    foreign_store
    id_token
    jsonrpc_message
    line_framing
    metadata
    pasted
    printed_headers
    skeleton
    splice
    sse_decoder
    token_answer
    tool_headers
    trace_reader
    trace_redact
}
