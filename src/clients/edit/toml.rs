//! TOML. An entry is a table with a header of its own; what is there already may be written otherwise.

use std::ops::Range;

use toml_edit::{Document, Item, Table, TableLike, Value};

use super::{
    Edit, EditError, Step, begins_line, end_of_line, line_end, line_start, next_line, quoted,
};
use crate::clients::document::{DocumentError, Node};

pub(super) fn set(text: &str, path: &[Step], node: &Node) -> Result<Vec<Edit>, EditError> {
    let document = read(text)?;
    let names: Vec<&str> = path.iter().map(Step::name).collect();
    let (last, above) = names.split_last().ok_or(EditError::Unsafe)?;
    let newline = line_end(text);
    match (item(document.as_table(), &names), node) {
        (Some(Item::Value(value)), _) => {
            let range = value.span().ok_or(EditError::Unsafe)?;
            return Ok(vec![Edit::replace(range, inline(node))]);
        }
        (Some(Item::Table(table)), Node::Table(members)) if !table.is_dotted() => {
            let mut regions = Vec::new();
            tables(table, &mut regions)?;
            let new = section(&names, members, newline);
            let mut edits: Vec<_> = regions.into_iter().map(Edit::delete).collect();
            let first = edits.first_mut().ok_or(EditError::Unsafe)?;
            first.text = new;
            return Ok(edits);
        }
        (Some(_), _) => return Err(EditError::Unsafe),
        (None, _) => {}
    }
    match (item(document.as_table(), above), node) {
        (Some(Item::Value(Value::InlineTable(table))), _) => {
            let member = format!("{} = {}", key(last), inline(node));
            let ends = table.iter().filter_map(|(_, value)| value.span()).map(|span| span.end);
            let span = table.span().ok_or(EditError::Unsafe)?;
            Ok(vec![match ends.max() {
                Some(end) => Edit::insert(end, format!(", {member}")),
                None => Edit::replace(span, format!("{{ {member} }}")),
            }])
        }
        (Some(Item::Value(_) | Item::ArrayOfTables(_)), _) => {
            Err(EditError::Occupied(above.join(".")))
        }
        (_, Node::Table(members)) => {
            let gap = match text.is_empty() {
                true => "",
                false if text.ends_with('\n') => newline,
                false => &newline.repeat(2),
            };
            let new = section(&names, members, newline);
            Ok(vec![Edit::insert(text.len(), format!("{gap}{new}{newline}"))])
        }
        (Some(Item::Table(table)), _) if !table.is_implicit() && !table.is_dotted() => {
            let end = end_of_line(text, own_end(table).ok_or(EditError::Unsafe)?);
            Ok(vec![Edit::insert(end, format!("{newline}{} = {}", key(last), inline(node)))])
        }
        _ => Err(EditError::Unsafe),
    }
}

pub(super) fn remove(text: &str, path: &[Step]) -> Result<Vec<Edit>, EditError> {
    let document = read(text)?;
    let names: Vec<&str> = path.iter().map(Step::name).collect();
    let (last, above) = names.split_last().ok_or(EditError::Unsafe)?;
    let parent = match above {
        [] => Some(document.as_table() as &dyn TableLike),
        above => item(document.as_table(), above).and_then(Item::as_table_like),
    };
    let parent = parent.ok_or(EditError::Unsafe)?;
    let (own, entry) = parent.get_key_value(last).ok_or(EditError::Unsafe)?;
    let mut regions = Vec::new();
    match entry {
        Item::Table(table) if table.is_dotted() => lines(text, table, &mut regions)?,
        Item::Table(table) => tables(table, &mut regions)?,
        Item::Value(value) => {
            let (key, value) = (own.span(), value.span());
            let (Some(key), Some(value)) = (key, value) else { return Err(EditError::Unsafe) };
            if let Some(Value::InlineTable(table)) =
                item(document.as_table(), above).and_then(Item::as_value)
            {
                // Up to the next one, or back to the one before.
                let starts = table.iter().filter_map(|(name, _)| {
                    Some(table.get_key_value(name)?.0.span()?.start).filter(|at| *at > key.start)
                });
                let ends = table.iter().filter_map(|(_, value)| Some(value.span()?.end));
                let range = match (starts.min(), ends.filter(|at| *at < key.start).max()) {
                    (Some(next), _) => key.start..next,
                    (None, before) => before.unwrap_or(key.start)..value.end,
                };
                return Ok(vec![Edit::delete(range)]);
            }
            if !begins_line(text, key.start) {
                return Err(EditError::Unsafe);
            }
            regions.push(key.start..value.end);
        }
        _ => return Err(EditError::Unsafe),
    }
    Ok(regions.into_iter().map(|region| Edit::delete(whole_lines(text, region))).collect())
}

/// With the blank line above, which an entry at the end of a file has been given.
fn whole_lines(text: &str, region: Range<usize>) -> Range<usize> {
    let (start, end) = (line_start(text, region.start), next_line(text, region.end));
    let above = &text[..start];
    if end == text.len() && (above.ends_with("\n\n") || above.ends_with("\r\n\r\n")) {
        let blank = if above.ends_with("\r\n") { 2 } else { 1 };
        return start - blank..end;
    }
    start..end
}

fn read(text: &str) -> Result<Document<&str>, EditError> {
    Document::parse(text).map_err(|_| DocumentError::Toml { line: 1 }.into())
}

fn item<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Item> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(first)?, |item, name| item.as_table_like()?.get(name))
}

/// The end of a table's own members, or of its header.
fn own_end(table: &Table) -> Option<usize> {
    let ends = table.iter().filter_map(|(_, item)| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(dotted) if dotted.is_dotted() => own_end(dotted),
        _ => None,
    });
    let header = table.span().map(|span| span.end);
    ends.chain(header).max()
}

/// A table with a header, and those below it.
fn tables(table: &Table, out: &mut Vec<Range<usize>>) -> Result<(), EditError> {
    if !table.is_implicit() {
        let header = table.span().ok_or(EditError::Unsafe)?;
        out.push(header.start..own_end(table).ok_or(EditError::Unsafe)?);
    }
    for (_, item) in table.iter() {
        match item {
            Item::Table(below) if !below.is_dotted() => tables(below, out)?,
            Item::ArrayOfTables(_) => return Err(EditError::Unsafe),
            _ => {}
        }
    }
    Ok(())
}

/// The lines of dotted keys.
fn lines(text: &str, table: &Table, out: &mut Vec<Range<usize>>) -> Result<(), EditError> {
    for (name, item) in table.iter() {
        match item {
            Item::Table(below) if below.is_dotted() => lines(text, below, out)?,
            Item::Value(value) => {
                let key = table.get_key_value(name).and_then(|(key, _)| key.span());
                let (Some(key), Some(value)) = (key, value.span()) else {
                    return Err(EditError::Unsafe);
                };
                out.push(line_start(text, key.start)..value.end);
            }
            _ => return Err(EditError::Unsafe),
        }
    }
    Ok(())
}

/// A table with its header, without the last line end.
fn section(names: &[&str], members: &[(String, Node)], newline: &str) -> String {
    let names: Vec<_> = names.iter().map(|name| key(name)).collect();
    let mut out = format!("[{}]", names.join("."));
    for (name, node) in members {
        out.push_str(&format!("{newline}{} = {}", key(name), inline(node)));
    }
    out
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

fn inline(node: &Node) -> String {
    match node {
        Node::Text(text) => quoted(text),
        Node::Flag(flag) => flag.to_string(),
        // TOML has no null, and nothing of ours is one.
        Node::Other => "\"\"".to_owned(),
        Node::List(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Node::Table(members) if members.is_empty() => "{}".to_owned(),
        Node::Table(members) => {
            let member =
                |(name, node): &(String, Node)| format!("{} = {}", key(name), inline(node));
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}
