//! The arguments of a tool or prompt, from the words of a command line.
//!
//! `name=value` is read as the tool's `inputSchema` wants it: a number where it wants a number, a text
//! where it wants a text. `name:=json` is JSON, and its bytes are kept. `name=@FILE` and `name:=@FILE`
//! take what is in a file, `@FILE` and `-` are all arguments as one JSON object, which the others are
//! put into. A backslash in front of `=` or `:=` makes it part of the name.
//!
//! The arguments are built as text: a number of any size or spelling reaches the server as it was
//! typed.

mod listing;
pub(super) mod schema;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

pub(super) use self::listing::{Listed, list};
use self::schema::{Schema, complaint, is_json};
use crate::cli::mistakes::nearest;
use crate::jsonrpc::splice::{Patch, elements, members};
use crate::secret::{harmless, truncate};

/// One word of the command line, with its text or with where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word<T> {
    /// `name=value`: a value to be read as the schema wants it.
    Text(String, T),
    /// `name:=json`.
    Json(String, T),
    /// `@FILE` or `-`: all arguments.
    Whole(T),
}

/// Where the text of a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the command line.
    Typed(String),
    /// From a file.
    File(String),
    /// From stdin.
    Stdin,
}

/// Something that is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A word without a name and a value.
    Word(String),
    /// What should be JSON is not.
    NotJson(String),
    /// `@FILE` and `-` must be one object.
    NotAnObject,
    /// An argument that the schema does not list, and the one that may be meant.
    Unknown(String, Option<String>),
    /// A value that does not fit: the argument, the value, what is expected.
    Wrong(String, String, String),
    /// An argument that must be there, and what it should be.
    Missing(String, String),
    /// Two values for what takes one.
    Twice(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Word(word) => {
                write!(f, "{word}: arguments look like name=value, name:=json, @FILE or -")
            }
            Problem::NotJson(name) => write!(f, "{name}: what is behind := must be JSON"),
            Problem::NotAnObject => f.write_str("@FILE and - must hold one JSON object"),
            Problem::Unknown(name, None) => write!(f, "{name}: there is no such argument"),
            Problem::Unknown(name, Some(near)) => {
                write!(f, "{name}: there is no such argument; is {near} meant?")
            }
            Problem::Wrong(name, value, expected) => {
                write!(f, "{name}: {value} is not what is expected: {expected}")
            }
            Problem::Missing(name, expected) => {
                write!(f, "{name}: this argument is required: {expected}")
            }
            Problem::Twice(name) => write!(f, "{name}: it is given twice and takes one value"),
        }
    }
}

impl Word<Source> {
    /// Takes one word apart.
    pub(super) fn parse(word: &str) -> Result<Word<Source>, Problem> {
        if word == "-" {
            return Ok(Word::Whole(Source::Stdin));
        }
        if let Some(path) = word.strip_prefix('@') {
            return Ok(Word::Whole(Source::File(path.to_owned())));
        }
        let mut name = String::new();
        let mut rest = word;
        loop {
            let wrong = || Problem::Word(shown(word));
            let next = rest.chars().next().ok_or_else(wrong)?;
            if let Some(escaped) = rest.strip_prefix('\\').and_then(|r| r.chars().next()) {
                if !matches!(escaped, '=' | ':' | '\\') {
                    name.push('\\');
                }
                name.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
                continue;
            }
            let json = rest.strip_prefix(":=");
            if let Some(value) = json.or_else(|| rest.strip_prefix('=')) {
                if name.is_empty() {
                    return Err(wrong());
                }
                let source = match value.strip_prefix('@') {
                    Some(path) => Source::File(path.to_owned()),
                    None => Source::Typed(value.to_owned()),
                };
                let kind = if json.is_some() { Word::Json } else { Word::Text };
                return Ok(kind(name, source));
            }
            name.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }

    /// The same with the text that `read` finds there.
    pub(super) fn load<E>(
        self,
        read: &mut dyn FnMut(Source) -> Result<String, E>,
    ) -> Result<Word<String>, E> {
        Ok(match self {
            Word::Text(name, source) => Word::Text(name, read(source)?),
            Word::Json(name, source) => Word::Json(name, read(source)?),
            Word::Whole(source) => Word::Whole(read(source)?),
        })
    }
}

/// The arguments as the JSON text of one object.
///
/// Without a schema every `name=value` is a text, and nothing is checked.
pub(super) fn build(
    words: &[Word<String>],
    schema: Option<&Value>,
    check: bool,
) -> Result<String, Vec<Problem>> {
    let schema = schema.map(Schema::new);
    let mut problems = Vec::new();
    let mut whole = None;
    let mut named: Vec<(&str, String)> = Vec::new();
    for word in words {
        match word {
            Word::Whole(text) => {
                let text = text.trim().to_owned();
                let object = is_json(&text) && members(&text).is_some();
                if !object || whole.replace(text).is_some() {
                    problems.push(Problem::NotAnObject);
                }
            }
            Word::Json(name, text) => {
                let text = text.trim().to_owned();
                if is_json(&text) {
                    add(&mut named, name, text, None, &mut problems);
                } else {
                    problems.push(Problem::NotJson(shown(name)));
                }
            }
            Word::Text(name, text) => {
                let property = schema.and_then(|schema| schema.property(name));
                let value = match property {
                    Some(property) => property.coerce(text),
                    None => Some(Value::from(text.as_str()).to_string()),
                };
                match (value, property) {
                    (Some(value), _) => add(&mut named, name, value, property, &mut problems),
                    (None, Some(property)) if check => {
                        let text = Value::from(text.as_str()).to_string();
                        let expected = harmless(&property.expected());
                        problems.push(Problem::Wrong(shown(name), shown(&text), expected));
                    }
                    (None, _) => {
                        let value = Value::from(text.as_str()).to_string();
                        add(&mut named, name, value, None, &mut problems);
                    }
                }
            }
        }
    }
    let base = whole.unwrap_or_else(|| "{}".to_owned());
    let mut patch = Patch::new();
    for (name, value) in &named {
        patch = patch.set(&[name], value.as_str());
    }
    let built = patch.apply(base.as_bytes());
    let text = built.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or(base);
    if let Some(schema) = schema.filter(|_| check) {
        // What could not be read has been complained about, and is not missing.
        let seen: Vec<String> = words
            .iter()
            .filter_map(|word| match word {
                Word::Text(name, _) | Word::Json(name, _) => Some(name.clone()),
                Word::Whole(_) => None,
            })
            .collect();
        check_all(schema, &text, &seen, &mut problems);
    }
    if problems.is_empty() { Ok(text) } else { Err(problems) }
}

/// One more value. A second one for a list is its next element.
fn add<'w>(
    named: &mut Vec<(&'w str, String)>,
    name: &'w str,
    value: String,
    property: Option<Schema<'_>>,
    problems: &mut Vec<Problem>,
) {
    let list = property.is_some_and(|property| property.types().contains(&"array"));
    match named.iter_mut().find(|(known, _)| *known == name) {
        None => named.push((name, value)),
        Some((_, first)) if list && elements(first).is_some() && elements(&value).is_some() => {
            let both = [elements(first), elements(&value)].into_iter().flatten().flatten();
            *first = format!("[{}]", both.collect::<Vec<_>>().join(","));
        }
        Some(_) => problems.push(Problem::Twice(shown(name))),
    }
}

/// Holds the whole against the schema.
fn check_all(schema: Schema<'_>, text: &str, seen: &[String], problems: &mut Vec<Problem>) {
    let given = members(text).unwrap_or_default();
    for member in &given {
        let Some(property) = schema.property(&member.key) else {
            if schema.is_closed() {
                let free =
                    schema.names().into_iter().filter(|name| given.iter().all(|m| m.key != *name));
                let near = nearest(&member.key, free).map(harmless);
                problems.push(Problem::Unknown(shown(&member.key), near));
            }
            continue;
        };
        if let Some((place, expected)) = complaint(property, member.value) {
            let name = format!("{}{place}", member.key);
            problems.push(Problem::Wrong(shown(&name), shown(member.value), harmless(&expected)));
        }
    }
    for name in schema.required() {
        let there = given.iter().any(|member| member.key == name) || seen.iter().any(|s| s == name);
        if !there {
            let expected = schema.property(name).map_or("any value".to_owned(), Schema::expected);
            problems.push(Problem::Missing(harmless(name), harmless(&expected)));
        }
    }
}

/// What was typed, cut to what helps to find it.
fn shown(text: &str) -> String {
    truncate(&harmless(text), 60)
}
