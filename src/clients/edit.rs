//! Changing one entry of a configuration file, and not another byte of it.
//!
//! * [`set`]: puts a value at the end of a path. [`remove`]: takes one out.
//! * `json`, `toml`, `yaml`: where that is in the text, and how the value is written there.
//!
//! Every change is a few replacements in the text as it is. What comes out is read again and compared
//! with what was there before: it has to be the same but for the entry, or nothing is changed.

mod json;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

use std::collections::HashMap;
use std::ops::Range;

use super::document::{DocumentError, Format, Node, parse};

/// A step on the way to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of a table.
    Key(String),
    /// The item of a list whose `name` this is.
    Named(String),
}

impl Step {
    /// The name, either way.
    pub fn name(&self) -> &str {
        match self {
            Step::Key(name) | Step::Named(name) => name,
        }
    }
}

/// Why a file is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Something else is where servers should be.
    #[error("{0:?} in it is something else than the place for servers")]
    Occupied(String),
    /// It could not be done without touching something else.
    #[error("it is written in a way that cannot be changed safely")]
    Unsafe,
}

/// The file with `node` at the end of `path`, in place of what is there. Tables on the way are made.
///
/// # Errors
/// See [`EditError`].
pub fn set(text: &str, format: Format, path: &[Step], node: &Node) -> Result<String, EditError> {
    changed(text, format, path, Some(node), |body| match format {
        Format::Json => json::set(body, path, node),
        Format::Toml => toml::set(body, path, node),
        Format::Yaml => yaml::set(body, path, node),
    })
}

/// The file without what is at the end of `path`, which has to be there.
///
/// # Errors
/// See [`EditError`].
pub fn remove(text: &str, format: Format, path: &[Step]) -> Result<String, EditError> {
    changed(text, format, path, None, |body| match format {
        Format::Json => json::remove(body, path),
        Format::Toml => toml::remove(body, path),
        Format::Yaml => yaml::remove(body, path),
    })
}

/// What is at the end of a path.
pub fn find<'a>(tree: &'a Node, path: &[Step]) -> Option<&'a Node> {
    path.iter().try_fold(tree, |node, step| match step {
        Step::Key(name) => node.get(name),
        Step::Named(name) => named(node, name).map(|(_, node)| node),
    })
}

/// The item of a list whose name this is.
fn named<'a>(node: &'a Node, name: &str) -> Option<(usize, &'a Node)> {
    let Node::List(items) = node else { return None };
    let is_it = |item: &&Node| item.get("name").and_then(Node::text) == Some(name);
    items.iter().enumerate().find(|(_, item)| is_it(item))
}

fn changed(
    text: &str,
    format: Format,
    path: &[Step],
    wanted: Option<&Node>,
    change: impl FnOnce(&str) -> Result<Vec<Edit>, EditError>,
) -> Result<String, EditError> {
    let before = parse(text.as_bytes(), format)?;
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = &text[..text.len() - body.len()];
    let body = apply(body, change(body)?).ok_or(EditError::Unsafe)?;
    let after = parse(body.as_bytes(), format).map_err(|_| EditError::Unsafe)?;
    let there = find(&after, path);
    let as_wanted = match (there, wanted) {
        (None, None) => true,
        (Some(there), Some(wanted)) => same(there, wanted),
        _ => false,
    };
    if !as_wanted || !same(&without(&before, path), &without(&after, path)) {
        return Err(EditError::Unsafe);
    }
    Ok(format!("{mark}{body}"))
}

/// The tree without the entry, and without the tables on the way to it that have nothing else.
fn without(node: &Node, path: &[Step]) -> Node {
    let Some((step, rest)) = path.split_first() else { return node.clone() };
    let empty = |node: &Node| match node {
        Node::Table(members) => members.is_empty(),
        Node::List(items) => items.is_empty(),
        Node::Other => true,
        _ => false,
    };
    // None: nothing of it is left.
    let left = |node: &Node| {
        let node = (!rest.is_empty()).then(|| without(node, rest))?;
        (!empty(&node)).then_some(node)
    };
    match (step, node) {
        (Step::Key(name), Node::Table(_)) => Node::Table(
            node.members()
                .into_iter()
                .filter_map(|(member, node)| {
                    let node = if member == name { left(node)? } else { node.clone() };
                    Some((member.to_owned(), node))
                })
                .collect(),
        ),
        (Step::Named(name), Node::List(items)) => {
            let at = named(node, name).map(|(at, _)| at);
            let all = items.iter().enumerate();
            Node::List(
                all.filter_map(
                    |(n, item)| if Some(n) == at { left(item) } else { Some(item.clone()) },
                )
                .collect(),
            )
        }
        _ => node.clone(),
    }
}

/// Whether two values mean the same. The order of members does not count.
pub fn same(one: &Node, other: &Node) -> bool {
    match (one, other) {
        (Node::Table(_), Node::Table(_)) => {
            // A map rather than two sorted lists: each sort of a type of its own is ten kilobytes of program.
            let (one, other) = (one.members(), other.members());
            let known: HashMap<&str, &Node> = other.iter().copied().collect();
            one.len() == other.len()
                && one.iter().all(|(name, x)| known.get(name).is_some_and(|y| same(x, y)))
        }
        (Node::List(one), Node::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(x, y)| same(x, y))
        }
        _ => one == other,
    }
}

/// A part of a text that becomes another.
struct Edit {
    range: Range<usize>,
    text: String,
}

impl Edit {
    fn replace(range: Range<usize>, text: impl Into<String>) -> Edit {
        Edit { range, text: text.into() }
    }

    fn insert(at: usize, text: impl Into<String>) -> Edit {
        Edit::replace(at..at, text)
    }

    fn delete(range: Range<usize>) -> Edit {
        Edit::replace(range, "")
    }
}

/// `None` if two of them are about the same bytes.
fn apply(text: &str, edits: Vec<Edit>) -> Option<String> {
    let mut ordered: Vec<Edit> = Vec::new();
    for edit in edits {
        // Behind those that begin at the same place.
        let at = ordered.partition_point(|other| other.range.start <= edit.range.start);
        ordered.insert(at, edit);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for edit in ordered {
        out.push_str(text.get(done..edit.range.start)?);
        out.push_str(&edit.text);
        done = edit.range.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// How lines of a text end.
fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Where the line begins that has `at` in it.
fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where that line ends, in front of its line end.
fn end_of_line(text: &str, at: usize) -> usize {
    let line = text[at..].split('\n').next().unwrap_or_default();
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// Where the next line begins.
fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The white space that a line begins with.
fn indent_at(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Whether only white space is in front of `at` in its line.
fn begins_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].trim_matches([' ', '\t']).is_empty()
}

/// A value with the tables around it that a path has.
fn wrapped(path: &[Step], node: &Node) -> Node {
    path.iter().rev().fold(node.clone(), |node, step| match step {
        Step::Key(name) => Node::Table(vec![(name.clone(), node)]),
        Step::Named(_) => Node::List(vec![node]),
    })
}

/// A string in double quotes, as JSON, TOML and YAML understand it alike.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
