//! A difference without secrets.
//!
//! A file may have thousands of values that may be secrets, and may be one line of megabytes: the time that this
//! takes grows with the text and with the secrets, but not with one times the other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use crate::clients::document::Format;
use crate::secret::{REDACTED, SHORTEST_SEARCHED, Secret};

/// The unified difference of files of this format, with secrets of these files replaced.
pub(super) fn without(difference: &str, secrets: Vec<Secret>, format: Format) -> String {
    let mut searched = Searched::default();
    let secrets: HashSet<&str> = secrets.iter().map(Secret::expose).collect();
    secrets.iter().for_each(|secret| searched.add(secret));
    let seen: HashSet<&str> = searched.matches(difference).map(|at| &difference[at]).collect();
    // Too short to be searched for, but known to be a whole line.
    let mut lines = HashSet::new();
    for secret in secrets {
        // `Bearer abc`
        if let Some((_, rest)) = secret.split_once(' ') {
            searched.add(rest.trim());
        }
        // In JSON each text is in one line.
        if format == Format::Json {
            continue;
        }
        if secret.contains('\n') {
            for line in secret.lines().map(str::trim) {
                searched.add(line);
                if line.len() < SHORTEST_SEARCHED && line.contains(char::is_alphanumeric) {
                    lines.insert(line);
                }
            }
        }
        // Long texts may be broken at any space.
        if secret.contains(' ') && !seen.contains(secret) {
            secret.split_whitespace().for_each(|word| searched.add(word));
        }
    }
    let mut out = String::with_capacity(difference.len());
    for line in difference.split_inclusive('\n') {
        let body = line.get(1..).unwrap_or_default().trim();
        if lines.contains(body) {
            out.push_str(&line.replace(body, REDACTED));
            continue;
        }
        let mut at = 0;
        for range in searched.places(line) {
            out.push_str(&line[at..range.start]);
            out.push_str(REDACTED);
            at = range.end;
        }
        out.push_str(&line[at..]);
    }
    out
}

/// What to look for, by how it begins.
#[derive(Default)]
struct Searched<'a> {
    all: HashSet<&'a [u8]>,
    /// The lengths of those with one beginning.
    lengths: HashMap<&'a [u8], BTreeSet<usize>>,
}

impl<'a> Searched<'a> {
    /// What is shorter than [`SHORTEST_SEARCHED`] is not looked for.
    fn add(&mut self, text: &'a str) {
        let text = text.as_bytes();
        if let Some(begin) = text.get(..SHORTEST_SEARCHED)
            && self.all.insert(text)
        {
            self.lengths.entry(begin).or_default().insert(text.len());
        }
    }

    /// The longest one at each place.
    fn matches(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let text = text.as_bytes();
        text.windows(SHORTEST_SEARCHED).enumerate().filter_map(move |(at, begin)| {
            let is_one =
                |len: &&usize| text.get(at..at + **len).is_some_and(|part| self.all.contains(part));
            let len = self.lengths.get(begin)?.iter().rev().find(is_one)?;
            Some(at..at + len)
        })
    }

    /// Where they are, in order; those that overlap are one.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for range in self.matches(text) {
            match found.last_mut().filter(|last| range.start < last.end) {
                Some(last) => last.end = last.end.max(range.end),
                None => found.push(range),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, secrets: &[&str], format: Format) -> String {
        let secrets = secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect();
        without(text, secrets, format)
    }

    #[test]
    fn the_longest_goes_and_all_that_overlap() {
        let secrets = ["fake-abc", "fake-abcdef", "abcdef-fake", "Bearer fakefake", "short"];
        for (text, expected) in [
            (" x fake-abcdef y\n", " x [redacted] y\n"),
            ("+fake-abcdef-fake\n", "+[redacted]\n"),
            ("-fake-abcfake-abc", "-[redacted][redacted]"),
            ("+A: Bearer fakefake, fakefake, short", "+A: [redacted], [redacted], short"),
            ("@@ -1 +1 @@\n \u{fc}fake-ab\n", "@@ -1 +1 @@\n \u{fc}fake-ab\n"),
        ] {
            assert_eq!(shown(text, &secrets, Format::Json), expected);
        }
    }

    #[test]
    fn secrets_of_several_lines() {
        let secret = "-----BEGIN FAKE\nfakefakefake\nfk==\n}\n";
        let text = "+k: |\n+  -----BEGIN FAKE\n+  fakefakefake\n+  fk==\n+  }\n+  a: fk==1\n";
        let expected = "+k: |\n+  [redacted]\n+  [redacted]\n+  [redacted]\n+  }\n+  a: fk==1\n";
        assert_eq!(shown(text, &[secret], Format::Yaml), expected);
        assert_eq!(shown(text, &[secret], Format::Toml), expected);
        // Folded.
        let text = "+k: fake-one\n+  fake-two\n";
        let expected = "+k: [redacted]\n+  [redacted]\n";
        assert_eq!(shown(text, &["fake-one fake-two"], Format::Yaml), expected);
    }

    proptest! {
        #[test]
        fn no_secret_survives(
            secrets in proptest::collection::vec("[a-c\u{e9}]{6,9}", 1..6), text in "[a-c\u{e9}\n]{0,80}"
        ) {
            let all: Vec<&str> = secrets.iter().map(|secret| &**secret).collect();
            let shown = shown(&text, &all, Format::Json);
            for part in shown.split(REDACTED) {
                prop_assert!(!all.iter().any(|secret| part.contains(secret)), "{shown}");
            }
        }
    }
}
