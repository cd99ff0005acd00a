//! JSON with comments and trailing commas.

use super::{
    Edit, EditError, Step, begins_line, indent_at, line_end, line_start, next_line, quoted, wrapped,
};
use crate::clients::document::Node;
use crate::clients::layout::{self, Placed, Shape};

pub(super) fn set(text: &str, path: &[Step], node: &Node) -> Result<Vec<Edit>, EditError> {
    let style = Style::of(text);
    let Some(root) = layout::json(text)? else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { style.newline };
        let value = style.value(&wrapped(path, node), "");
        return Ok(vec![Edit::insert(text.len(), format!("{gap}{value}{}", style.newline))]);
    };
    let style = style.with_unit(text, &root);
    let mut at = &root;
    for (n, step) in path.iter().enumerate() {
        let Step::Key(name) = step else { return Err(EditError::Unsafe) };
        if !matches!(at.shape, Shape::Table(_)) {
            let what = n.checked_sub(1).map_or("the file", |before| path[before].name());
            return Err(EditError::Occupied(what.to_owned()));
        }
        let rest = wrapped(&path[n + 1..], node);
        match at.get(name) {
            None => return Ok(insert(text, at, name, &rest, &style)),
            Some(there) if n + 1 == path.len() || there.shape == Shape::Null => {
                let value = style.value(&rest, indent_at(text, there.range.start));
                return Ok(vec![Edit::replace(there.range.clone(), value)]);
            }
            Some(there) => at = there,
        }
    }
    Err(EditError::Unsafe)
}

pub(super) fn remove(text: &str, path: &[Step]) -> Result<Vec<Edit>, EditError> {
    let root = layout::json(text)?.ok_or(EditError::Unsafe)?;
    let (last, above) = path.split_last().ok_or(EditError::Unsafe)?;
    let names: Vec<_> = above.iter().map(Step::name).collect();
    let object = root.at(&names).ok_or(EditError::Unsafe)?;
    Ok(taken_out(text, object, last.name()))
}

/// How a file is written.
pub(super) struct Style {
    newline: &'static str,
    unit: String,
    /// All in one line.
    compact: bool,
}

impl Style {
    pub(super) fn of(text: &str) -> Style {
        Style { newline: line_end(text), unit: "  ".into(), compact: false }
    }

    /// All in one line.
    pub(super) fn compact() -> Style {
        Style { newline: "\n", unit: String::new(), compact: true }
    }

    /// How the first member is indented, all are.
    fn with_unit(mut self, text: &str, root: &Placed) -> Style {
        let Some(first) = root.members().first() else { return self };
        self.compact = !text.trim().contains('\n');
        let outer = indent_at(text, root.range.start);
        if begins_line(text, first.key.start)
            && let Some(unit) = indent_at(text, first.key.start).strip_prefix(outer)
            && !unit.is_empty()
        {
            unit.clone_into(&mut self.unit);
        }
        self
    }

    /// A value whose first line is already indented by `indent`.
    pub(super) fn value(&self, node: &Node, indent: &str) -> String {
        let inner = format!("{indent}{}", self.unit);
        let all =
            |open: char, parts: Vec<String>, close: char| match (parts.is_empty(), self.compact) {
                (true, _) => format!("{open}{close}"),
                (_, true) => format!("{open}{}{close}", parts.join(", ")),
                _ => {
                    let between = format!(",{}{inner}", self.newline);
                    let parts = parts.join(&between);
                    let newline = self.newline;
                    format!("{open}{newline}{inner}{parts}{newline}{indent}{close}")
                }
            };
        match node {
            Node::Text(text) => quoted(text),
            Node::Flag(flag) => flag.to_string(),
            Node::Other => "null".to_owned(),
            Node::List(items) => {
                all('[', items.iter().map(|item| self.value(item, &inner)).collect(), ']')
            }
            Node::Table(members) => {
                let member = |(name, node): &(String, Node)| {
                    format!("{}: {}", quoted(name), self.value(node, &inner))
                };
                all('{', members.iter().map(member).collect(), '}')
            }
        }
    }
}

/// A new member, behind all others.
pub(super) fn insert(
    text: &str,
    object: &Placed,
    name: &str,
    node: &Node,
    style: &Style,
) -> Vec<Edit> {
    let outer = indent_at(text, object.range.start);
    let usual = format!("{outer}{}", style.unit);
    let member = |indent: &str| format!("{}: {}", quoted(name), style.value(node, indent));
    let newline = style.newline;
    let (Some(first), Some(last)) = (object.members().first(), object.members().last()) else {
        let inside = object.range.start + 1..object.range.end - 1;
        let kept = text[inside.clone()].trim_end().len();
        let range = inside.start + kept..inside.end;
        let text = if style.compact && kept == 0 {
            member("")
        } else {
            format!("{newline}{usual}{}{newline}{outer}", member(&usual))
        };
        return vec![Edit::replace(range, text)];
    };
    let tail = Tail::read(text, last.value.range.end, object.range.end - 1);
    let lines = text[object.range.start..first.key.start].contains('\n');
    // In one line, in front of comments: behind `//` it would be a part of them.
    let end = if lines { tail.end } else { tail.comma.map_or(last.value.range.end, |at| at + 1) };
    let new = if lines {
        let own = begins_line(text, last.key.start);
        let indent = if own { indent_at(text, last.key.start) } else { &usual };
        format!("{newline}{indent}{}", member(indent))
    } else {
        format!(" {}: {}", quoted(name), Style::compact().value(node, ""))
    };
    match tail.comma {
        Some(_) => vec![Edit::insert(end, format!("{new},"))],
        None => vec![Edit::insert(last.value.range.end, ","), Edit::insert(end, new)],
    }
}

/// Without a member; the comments above it stay.
pub(super) fn taken_out(text: &str, object: &Placed, name: &str) -> Vec<Edit> {
    let members = object.members();
    let mut edits = Vec::new();
    // All of that name: removing only the last one would bring an earlier one to light.
    let mut next = 0;
    while let Some(first) = members[next..].iter().position(|member| member.name == name) {
        let first = next + first;
        next = first + 1;
        // Those that follow in the same line go with it.
        let beside = |n: usize| {
            let between = members[n - 1].value.range.end..members[n].key.start;
            members[n].name == name && text[between].chars().all(|c| matches!(c, ' ' | '\t' | ','))
        };
        while next < members.len() && beside(next) {
            next += 1;
        }
        let start = members[first].key.start;
        let end = members[next - 1].value.range.end;
        let tail = Tail::read(text, end, object.range.end - 1);
        let behind = text[tail.end..].trim_start_matches([' ', '\t']);
        let range = if begins_line(text, start) && behind.starts_with(['\n', '\r']) {
            line_start(text, start)..next_line(text, tail.end)
        } else if let Some(comma) = tail.comma {
            let spaces = &text[comma + 1..];
            start..text.len() - spaces.trim_start_matches([' ', '\t']).len()
        } else {
            text[..start].trim_end_matches([' ', '\t']).len()..end
        };
        // The last one of those that stay has no comma behind it any more.
        if let (None, Some(stays)) =
            (tail.comma, members[..first].iter().rposition(|member| member.name != name))
            && let (before, behind) = (&members[stays], &members[stays + 1])
            && let Some(comma) = Tail::read(text, before.value.range.end, behind.key.start).comma
        {
            edits.push(Edit::delete(comma..comma + 1));
        }
        edits.push(Edit::delete(range));
    }
    edits
}

/// What is behind a member.
struct Tail {
    /// Its comma.
    comma: Option<usize>,
    /// The end of it, of its comma, and of a comment in the same line.
    end: usize,
}

impl Tail {
    fn read(text: &str, from: usize, to: usize) -> Tail {
        let mut found = Tail { comma: None, end: from };
        let (mut at, mut same_line) = (from, true);
        while let Some(rest) = text.get(at..to).filter(|rest| !rest.is_empty()) {
            let comment = if rest.starts_with("//") {
                rest.find('\n').map_or(rest.len(), |end| rest[..end].trim_end_matches('\r').len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                0
            };
            match rest.as_bytes()[0] {
                b',' if found.comma.is_none() => {
                    found.comma = Some(at);
                    at += 1;
                    (found.end, same_line) = (at, true);
                }
                b'\n' => {
                    same_line = false;
                    at += 1;
                }
                b' ' | b'\t' | b'\r' => at += 1,
                _ if comment > 0 => {
                    at += comment;
                    same_line &= !rest[..comment].contains('\n');
                    if same_line {
                        found.end = at;
                    }
                }
                _ => break,
            }
        }
        found
    }
}
