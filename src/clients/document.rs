//! One configuration file as a tree: JSON with comments and trailing commas, TOML, or YAML.

use std::collections::HashSet;
use std::path::Path;

use toml_edit::{Document, Item, TableLike};

use super::layout;

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, JSON with comments.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl Format {
    /// By the file's name.
    pub fn of(path: &Path) -> Format {
        let ends = |end: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(end));
        match () {
            () if ends("toml") => Format::Toml,
            () if ends("yaml") || ends("yml") => Format::Yaml,
            () => Format::Json,
        }
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Toml => "TOML",
            Format::Yaml => "YAML",
        }
    }
}

/// A value. It may hold secrets, and therefore does not print.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// Anything that no setting of a server is: null, a number, a date.
    Other,
    /// An array.
    List(Vec<Node>),
    /// An object or table, in the order of the file.
    Table(Vec<(String, Node)>),
}

/// Why a file is none. Nothing of what is in it is in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Bytes that are no text.
    #[error("it is not UTF-8")]
    Encoding,
    /// No JSON, even with comments and trailing commas.
    #[error("it is not JSON: line {line}, column {column}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// See `line`.
        column: usize,
    },
    /// No TOML.
    #[error("it is not TOML: line {line}")]
    Toml {
        /// Where, from 1.
        line: usize,
    },
    /// No YAML.
    #[error("it is not YAML: line {line}")]
    Yaml {
        /// Where, from 1.
        line: usize,
    },
}

impl Node {
    /// A member of a table. Of several with one name the last one counts, as for all readers of JSON.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let Node::Table(members) = self else { return None };
        members.iter().rev().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    /// A member at the end of a path.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The string.
    pub fn text(&self) -> Option<&str> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }

    /// The members, each name once.
    pub fn members(&self) -> Vec<(&str, &Node)> {
        let Node::Table(all) = self else { return Vec::new() };
        let mut seen = HashSet::new();
        let all = all.iter().rev().map(|(name, node)| (name.as_str(), node));
        let mut found: Vec<_> = all.filter(|(name, _)| seen.insert(*name)).collect();
        found.reverse();
        found
    }

    /// The strings of a list, or the one string.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Node::List(nodes) => nodes.iter().filter_map(Node::text).collect(),
            node => node.text().into_iter().collect(),
        }
    }
}

/// Reads a file's bytes. An empty file is an empty table: clients make such.
///
/// # Errors
/// If it is neither.
pub fn parse(bytes: &[u8], format: Format) -> Result<Node, DocumentError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::Encoding)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let placed = match format {
        Format::Toml => return toml(text),
        Format::Json => layout::json(text)?,
        Format::Yaml => layout::yaml(text)?,
    };
    Ok(placed.map_or(Node::Table(Vec::new()), layout::Placed::node))
}

fn toml(text: &str) -> Result<Node, DocumentError> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        DocumentError::Toml { line }
    })?;
    Ok(from_table(document.as_table()))
}

fn from_table(table: &dyn TableLike) -> Node {
    Node::Table(table.iter().map(|(name, item)| (name.to_owned(), from_item(item))).collect())
}

fn from_item(item: &Item) -> Node {
    match item {
        Item::None => Node::Other,
        Item::Value(value) => from_value(value),
        Item::Table(table) => from_table(table),
        Item::ArrayOfTables(tables) => {
            Node::List(tables.iter().map(|table| from_table(table)).collect())
        }
    }
}

fn from_value(value: &toml_edit::Value) -> Node {
    match value {
        toml_edit::Value::String(text) => Node::Text(text.value().clone()),
        toml_edit::Value::Boolean(flag) => Node::Flag(*flag.value()),
        toml_edit::Value::Array(list) => Node::List(list.iter().map(from_value).collect()),
        toml_edit::Value::InlineTable(table) => from_table(table),
        _ => Node::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_what_people_write_into_it() {
        let text =
            "\u{feff}// top\n{\n  \"b\": [\"x\", 1, null,], /* in */ \"a\": {\"c\": true,},\n}\n";
        let tree = parse(text.as_bytes(), Format::Json).unwrap();
        let names: Vec<_> = tree.members().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(tree.get("b").unwrap().texts(), ["x"]);
        assert!(tree.at(&["a", "c"]) == Some(&Node::Flag(true)));
        for empty in ["", " \n", "// nothing\n", "{}"] {
            assert!(parse(empty.as_bytes(), Format::Json).unwrap() == Node::Table(Vec::new()));
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        let tree = parse(br#"{"a": "1", "b": "2", "a": "3"}"#, Format::Json).unwrap();
        let members: Vec<_> =
            tree.members().into_iter().filter_map(|(n, m)| Some((n, m.text()?))).collect();
        assert_eq!(members, [("b", "2"), ("a", "3")]);
        assert_eq!(tree.get("a").unwrap().text(), Some("3"));
    }

    #[test]
    fn toml_tables_of_all_kinds() {
        let text =
            "x = 1\n[a.b]\nc = 'd'\ne = { f = \"g\", h = [true, 'i'] }\n[[k]]\nl = 1979-05-27\n";
        let tree = parse(text.as_bytes(), Format::Toml).unwrap();
        assert_eq!(tree.at(&["a", "b", "c"]).unwrap().text(), Some("d"));
        assert_eq!(tree.at(&["a", "b", "e", "f"]).unwrap().text(), Some("g"));
        assert_eq!(tree.at(&["a", "b", "e", "h"]).unwrap().texts(), ["i"]);
        assert!(matches!(tree.get("k"), Some(Node::List(_))));
    }

    #[test]
    fn errors_say_where_and_show_nothing() {
        for (text, format, message) in [
            ("{\n \"a\": fake-secret }", Format::Json, "line 2, column 7"),
            ("{\"fake-secret\"", Format::Json, "not JSON"),
            ("[1, 2] 3", Format::Json, "not JSON"),
            ("{'a': 1}", Format::Json, "not JSON"),
            ("a = 1\nfake-secret\n", Format::Toml, "line 2"),
        ] {
            let error = parse(text.as_bytes(), format).err().unwrap().to_string();
            assert!(error.contains(message) && !error.contains("fake"), "{error}");
        }
        assert_eq!(parse(b"\xff\xfe{", Format::Json).err(), Some(DocumentError::Encoding));
        for deep in ["[".repeat(100_000), format!("a = {}", "[".repeat(100_000))] {
            let format = if deep.starts_with('a') { Format::Toml } else { Format::Json };
            assert!(parse(deep.as_bytes(), format).is_err());
        }
    }

    #[test]
    fn names_tell_the_format() {
        assert_eq!(Format::of(Path::new("/x/config.TOML")), Format::Toml);
        assert_eq!(Format::of(Path::new("/x/mcp.json")), Format::Json);
        assert_eq!(Format::of(Path::new("/dev/stdin")), Format::Json);
    }
}
