//! YAML. Blocks get lines of their own, what is in brackets is written as JSON.

use super::json::{self, Style};
use super::{Edit, EditError, Step, end_of_line, line_end, line_start, next_line, quoted, wrapped};
use crate::clients::document::Node;
use crate::clients::layout::{self, Member, Placed, Shape};

/// Further spaces of what is inside.
const UNIT: usize = 2;

pub(super) fn set(text: &str, path: &[Step], node: &Node) -> Result<Vec<Edit>, EditError> {
    let newline = line_end(text);
    let root = match layout::yaml(text)? {
        Some(root) if root.shape != Shape::Null => root,
        _ => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
            let Node::Table(members) = wrapped(path, node) else { return Err(EditError::Unsafe) };
            let lines = table(&members, 0, newline);
            return Ok(vec![Edit::insert(text.len(), format!("{gap}{lines}{newline}"))]);
        }
    };
    let mut at = &root;
    let mut parent: Option<&Member> = None;
    for (n, step) in path.iter().enumerate() {
        let rest = wrapped(&path[n + 1..], node);
        let (there, member) = match (step, &at.shape) {
            (Step::Key(name), Shape::Table(members)) => {
                let member = members.iter().rev().find(|member| member.name == *name);
                (member.map(|member| &member.value), member)
            }
            (Step::Named(name), Shape::List(items)) => (named(items, name), None),
            _ => {
                let what = n.checked_sub(1).map_or("the file", |before| path[before].name());
                return Err(EditError::Occupied(what.to_owned()));
            }
        };
        match there {
            None => return insert(text, at, parent, step, rest, newline),
            Some(there) if n + 1 == path.len() || there.shape == Shape::Null => {
                return replace(text, there, member, &rest, newline);
            }
            Some(there) => at = there,
        }
        parent = member;
    }
    Err(EditError::Unsafe)
}

pub(super) fn remove(text: &str, path: &[Step]) -> Result<Vec<Edit>, EditError> {
    let root = layout::yaml(text)?.ok_or(EditError::Unsafe)?;
    let (last, above) = path.split_last().ok_or(EditError::Unsafe)?;
    let mut at = &root;
    let mut parent = None;
    for step in above {
        let Step::Key(name) = step else { return Err(EditError::Unsafe) };
        parent = at.members().iter().rev().find(|member| member.name == *name);
        at = parent.map(|member| &member.value).ok_or(EditError::Unsafe)?;
    }
    if !at.block {
        return match last {
            Step::Key(name) => Ok(json::taken_out(text, at, name)),
            Step::Named(_) => Err(EditError::Unsafe),
        };
    }
    let (start, value, others) = match (last, &at.shape) {
        (Step::Key(name), Shape::Table(members)) => {
            let member = members.iter().rev().find(|member| member.name == *name);
            let member = member.ok_or(EditError::Unsafe)?;
            if !super::begins_line(text, member.key.start) {
                return Err(EditError::Unsafe);
            }
            (member.key.start, &member.value, members.len() - 1)
        }
        (Step::Named(name), Shape::List(items)) => {
            let item = named(items, name).ok_or(EditError::Unsafe)?;
            (dash(text, item)?, item, items.len() - 1)
        }
        _ => return Err(EditError::Unsafe),
    };
    let lines = line_start(text, start)..next_line(text, value.range.end.max(start));
    let mut edits = vec![Edit::delete(lines)];
    if others == 0
        && let Some(parent) = parent
    {
        let empty = if matches!(at.shape, Shape::List(_)) { " []" } else { " {}" };
        edits.push(Edit::insert(colon(text, parent)? + 1, empty));
    }
    Ok(edits)
}

fn named<'a>(items: &'a [Placed], name: &str) -> Option<&'a Placed> {
    let is_it = |item: &&Placed| {
        item.get("name").is_some_and(|own| own.shape == Shape::Text(name.to_owned()))
    };
    items.iter().find(is_it)
}

/// The dash in front of an item, which has to begin its line.
fn dash(text: &str, item: &Placed) -> Result<usize, EditError> {
    let start = line_start(text, item.range.start);
    let line = &text[start..];
    let at = start + (line.len() - line.trim_start_matches(' ').len());
    let between = text.get(at..item.range.start.max(at)).unwrap_or_default();
    // The mark of a sequence may be at the dash, or at what is behind it.
    let fine = text[at..].starts_with('-') && between.trim_matches([' ', '-']).is_empty();
    if fine { Ok(at) } else { Err(EditError::Unsafe) }
}

/// The colon behind a name.
fn colon(text: &str, member: &Member) -> Result<usize, EditError> {
    let rest = &text[member.key.end..];
    let at = member.key.end + (rest.len() - rest.trim_start_matches(' ').len());
    if text[at..].starts_with(':') { Ok(at) } else { Err(EditError::Unsafe) }
}

/// Whether nothing but a comment is between here and the end of the line.
fn ends_line(text: &str, at: usize) -> bool {
    let rest = text[at..end_of_line(text, at)].trim();
    rest.is_empty() || rest.starts_with('#')
}

/// A new member or item at the end of `at`, which is the value of `parent`.
fn insert(
    text: &str,
    at: &Placed,
    parent: Option<&Member>,
    step: &Step,
    node: Node,
    newline: &str,
) -> Result<Vec<Edit>, EditError> {
    let (first, last, count) = match &at.shape {
        Shape::Table(all) => (
            all.first().map(|member| member.key.start),
            all.last().map(|member| member.value.range.end),
            all.len(),
        ),
        Shape::List(all) => (
            all.first().map(|item| item.range.start),
            all.last().map(|item| item.range.end),
            all.len(),
        ),
        _ => return Err(EditError::Unsafe),
    };
    let new = match step {
        Step::Key(name) => Node::Table(vec![(name.clone(), node)]),
        Step::Named(_) => Node::List(vec![node]),
    };
    if !at.block {
        if count == 0
            && let Some(parent) = parent
            && ends_line(text, at.range.end)
        {
            return replace(text, at, Some(parent), &new, newline);
        }
        let (Step::Key(name), Node::Table(members)) = (step, &new) else {
            return Err(EditError::Unsafe);
        };
        let value = Style::compact().value(&members[0].1, "");
        let member = format!("{}: {value}", quoted(name));
        return Ok(vec![match last {
            Some(end) => Edit::insert(end, format!(", {member}")),
            None => Edit::insert(at.range.start + 1, member),
        }]);
    }
    let (Some(first), Some(last)) = (first, last) else { return Err(EditError::Unsafe) };
    let (column, lines) = match (&new, &at.shape) {
        (Node::Table(members), _) => {
            let column = text[line_start(text, first)..first].chars().count();
            (column, table(members, column, newline))
        }
        (Node::List(items), Shape::List(all)) => {
            let dash = dash(text, &all[0])?;
            let column = dash - line_start(text, dash);
            (column, list(items, column, newline))
        }
        _ => return Err(EditError::Unsafe),
    };
    debug_assert!(lines.starts_with(&" ".repeat(column)));
    Ok(vec![Edit::insert(end_of_line(text, last), format!("{newline}{lines}"))])
}

/// Another value in place of `there`, which is that of `member` or an item.
fn replace(
    text: &str,
    there: &Placed,
    member: Option<&Member>,
    node: &Node,
    newline: &str,
) -> Result<Vec<Edit>, EditError> {
    let nested = matches!(node, Node::Table(all) if !all.is_empty())
        || matches!(node, Node::List(all) if !all.is_empty());
    let empty =
        there.shape == Shape::Null || (there.members().is_empty() && there.items().is_empty());
    match (&there.shape, node, member) {
        // Nothing, or brackets with nothing in them: lines of its own, if it is in a block.
        (Shape::Null | Shape::Table(_) | Shape::List(_), _, Some(member))
            if nested
                && empty
                && ends_line(text, there.range.end.max(colon(text, member)? + 1)) =>
        {
            let key = line_start(text, member.key.start);
            let column = text[key..member.key.start].chars().count() + UNIT;
            let lines = match node {
                Node::Table(members) => table(members, column, newline),
                Node::List(items) => list(items, column, newline),
                _ => return Err(EditError::Unsafe),
            };
            let colon = colon(text, member)? + 1;
            let old = colon..there.range.end.max(colon);
            let end = end_of_line(text, old.end);
            Ok(vec![Edit::delete(old), Edit::insert(end, format!("{newline}{lines}"))])
        }
        (Shape::Table(_), Node::Table(members), _) if there.block => {
            let start = there.range.start;
            let column = text[line_start(text, start)..start].chars().count();
            let lines = table(members, column, newline);
            Ok(vec![Edit::replace(there.range.clone(), lines.trim_start_matches(' '))])
        }
        (Shape::List(all), Node::List(items), _) if there.block => {
            let start = dash(text, &all[0])?;
            let lines = list(items, start - line_start(text, start), newline);
            Ok(vec![Edit::replace(start..there.range.end, lines.trim_start_matches(' '))])
        }
        (Shape::Text(_) | Shape::Flag(_) | Shape::Other, _, _) | (_, _, _) if !there.block => {
            let mut value = match node {
                Node::Text(text) => scalar(text),
                node => Style::compact().value(node, ""),
            };
            if there.range.is_empty() {
                let member = member.ok_or(EditError::Unsafe)?;
                value.insert(0, ' ');
                return Ok(vec![Edit::insert(colon(text, member)? + 1, value)]);
            }
            Ok(vec![Edit::replace(there.range.clone(), value)])
        }
        _ => Err(EditError::Unsafe),
    }
}

/// Lines without the last line end.
fn table(members: &[(String, Node)], column: usize, newline: &str) -> String {
    let pad = " ".repeat(column);
    let lines: Vec<_> = members
        .iter()
        .map(|(name, node)| {
            let name = scalar(name);
            match node {
                Node::Table(inner) if !inner.is_empty() => {
                    format!("{pad}{name}:{newline}{}", table(inner, column + UNIT, newline))
                }
                Node::List(inner) if !inner.is_empty() => {
                    format!("{pad}{name}:{newline}{}", list(inner, column + UNIT, newline))
                }
                Node::Text(text) => format!("{pad}{name}: {}", scalar(text)),
                node => format!("{pad}{name}: {}", Style::compact().value(node, "")),
            }
        })
        .collect();
    lines.join(newline)
}

fn list(items: &[Node], column: usize, newline: &str) -> String {
    let pad = " ".repeat(column);
    let lines: Vec<_> = items
        .iter()
        .map(|node| match node {
            Node::Table(inner) if !inner.is_empty() => {
                let lines = table(inner, column + UNIT, newline);
                format!("{pad}- {}", lines.trim_start_matches(' '))
            }
            Node::Text(text) => format!("{pad}- {}", scalar(text)),
            node => format!("{pad}- {}", Style::compact().value(node, "")),
        })
        .collect();
    lines.join(newline)
}

/// Plain where nothing else can be meant, in quotes otherwise.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(safe)
        && !text.ends_with(':')
        && !WORDS.contains(&&*text.to_ascii_lowercase());
    if plain { text.to_owned() } else { quoted(text) }
}
