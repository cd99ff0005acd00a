//! Which blocks are shown.

use super::TraceError;
use super::context::Block;
use crate::cli::trace::{KindArg, ShowArgs};
use crate::config::values;
use crate::trace::record::Record;

/// What was asked for; a block has to fit all of it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    method: Option<String>,
    errors: bool,
    exchange: Option<u64>,
    id: Option<String>,
    only: Vec<KindArg>,
    /// Milliseconds.
    since: Option<f64>,
    until: Option<f64>,
    /// In lower case.
    grep: Option<String>,
}

impl Filter {
    pub fn new(args: &ShowArgs) -> Result<Filter, TraceError> {
        let time = |flag, text: Option<&str>| {
            let Some(text) = text else { return Ok(None) };
            // Zero is no duration, but a beginning.
            if text == "0" {
                return Ok(Some(0.0));
            }
            values::duration(text)
                .map(|duration| Some(duration.as_secs_f64() * 1000.0))
                .map_err(|error| TraceError::Filter { flag, reason: error.to_string() })
        };
        Ok(Filter {
            method: args.method.clone(),
            errors: args.errors,
            exchange: args.exchange,
            id: args.id.clone(),
            only: args.only.clone(),
            since: time("--since", args.since.as_deref())?,
            until: time("--until", args.until.as_deref())?,
            grep: args.grep.as_ref().map(|text| text.to_lowercase()),
        })
    }

    /// Whether a block is wanted.
    pub fn wants(&self, block: &Block) -> bool {
        let Some(first) = block.reads.first() else {
            return false;
        };
        let about = &block.about;
        if matches!(first.record, Record::Start(_)) {
            // Which run it is matters with any filter.
            return true;
        }
        let Some(t) = block.t() else {
            return false;
        };
        (!self.errors || block.is_error())
            && self.since.is_none_or(|since| t >= since)
            && self.until.is_none_or(|until| t <= until)
            && self.exchange.is_none_or(|n| about.n == Some(n))
            && self
                .id
                .as_ref()
                .is_none_or(|id| about.id.as_deref().is_some_and(|it| same_id(it, id)))
            && self
                .method
                .as_ref()
                .is_none_or(|wanted| about.method.as_ref().is_some_and(|it| fits(wanted, it)))
            && (self.only.is_empty() || self.only.iter().any(|kind| is_of(*kind, block)))
            && self.grep.as_ref().is_none_or(|text| {
                block.reads.iter().any(|read| read.line.to_lowercase().contains(text))
            })
    }
}

fn is_of(kind: KindArg, block: &Block) -> bool {
    let Some(first) = block.reads.first() else {
        return false;
    };
    match (&first.record, kind) {
        (Record::Message(_), kind) => kind == KindArg::Stdio,
        (Record::Note(note), KindArg::Auth) => note.module.starts_with("auth"),
        (Record::Note(_), kind) => kind == KindArg::Notes,
        // What is missing may have been of any kind.
        (Record::Missed(_) | Record::Start(_), _) => true,
        (_, KindArg::Http) => true,
        (_, KindArg::Auth) => block.about.auth,
        _ => false,
    }
}

/// Whether an id is the one that was typed; quotes may be left out.
fn same_id(id: &str, typed: &str) -> bool {
    id == typed || id.strip_prefix('"').and_then(|id| id.strip_suffix('"')) == Some(typed)
}

/// Whether a pattern fits a text: `*` stands for any characters, `?` for one.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star is, and what it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fit) in [
            ("tools/call", "tools/call", true),
            ("tools/*", "tools/call", true),
            ("*", "", true),
            ("*call", "tools/call", true),
            ("*l*l", "tools/call", true),
            ("t?ols/*", "tools/list", true),
            ("tools", "tools/list", false),
            ("tools/?", "tools/", false),
            ("*x*", "tools/list", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn ids_with_and_without_quotes() {
        assert!(same_id("\"a\"", "a") && same_id("\"a\"", "\"a\"") && same_id("1", "1"));
        assert!(!same_id("1.0", "1") && !same_id("\"1", "1"));
    }
}
