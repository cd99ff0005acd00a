//! JSON and YAML as a tree that knows where everything stands in the text.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::document::{DocumentError, Node};
use crate::limits::MAX_CONFIG_DEPTH;

/// A value and its place.
#[derive(Clone, PartialEq)]
pub struct Placed {
    /// Its bytes in the text. Of a block in YAML: from its first key or item to the end of its last value.
    pub range: Range<usize>,
    /// What it is.
    pub shape: Shape,
    /// Whether it is a mapping or sequence of YAML without brackets.
    pub block: bool,
}

/// What a value is.
#[derive(Clone, PartialEq)]
pub enum Shape {
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// Nothing.
    Null,
    /// A number, an alias, something with a tag.
    Other,
    /// An array.
    List(Vec<Placed>),
    /// An object.
    Table(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where the name stands, with its quotes.
    pub key: Range<usize>,
    /// Its value.
    pub value: Placed,
}

impl Placed {
    /// A member. Of several with one name the last one counts.
    pub fn get(&self, name: &str) -> Option<&Placed> {
        self.members().iter().rev().find(|member| member.name == name).map(|member| &member.value)
    }

    /// A member at the end of a path.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Placed> {
        path.iter().try_fold(self, |placed, name| placed.get(name.as_ref()))
    }

    /// All members.
    pub fn members(&self) -> &[Member] {
        if let Shape::Table(members) = &self.shape { members } else { &[] }
    }

    /// All items.
    pub fn items(&self) -> &[Placed] {
        if let Shape::List(items) = &self.shape { items } else { &[] }
    }

    /// Without the places.
    pub fn node(self) -> Node {
        match self.shape {
            Shape::Text(text) => Node::Text(text),
            Shape::Flag(flag) => Node::Flag(flag),
            Shape::Null | Shape::Other => Node::Other,
            Shape::List(items) => Node::List(items.into_iter().map(Placed::node).collect()),
            Shape::Table(members) => Node::Table(
                members.into_iter().map(|member| (member.name, member.value.node())).collect(),
            ),
        }
    }
}

/// Reads JSON with comments and trailing commas; `None` if there is no value at all.
///
/// # Errors
/// If it is none.
pub fn json(text: &str) -> Result<Option<Placed>, DocumentError> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options);
    let parsed = parsed.map_err(|error| {
        let (line, column) = (error.line_display(), error.column_display());
        DocumentError::Json { line, column }
    })?;
    Ok(parsed.value.map(from_json))
}

fn from_json(value: ast::Value<'_>) -> Placed {
    let range = value.start()..value.end();
    let shape = match value {
        ast::Value::StringLit(text) => Shape::Text(text.value.into_owned()),
        ast::Value::BooleanLit(flag) => Shape::Flag(flag.value),
        ast::Value::NumberLit(_) => Shape::Other,
        ast::Value::NullKeyword(_) => Shape::Null,
        ast::Value::Array(list) => Shape::List(list.elements.into_iter().map(from_json).collect()),
        ast::Value::Object(object) => {
            let member = |property: ast::ObjectProp<'_>| {
                let key = property.name.start()..property.name.end();
                let name = property.name.into_string();
                Member { name, key, value: from_json(property.value) }
            };
            Shape::Table(object.properties.into_iter().map(member).collect())
        }
    };
    Placed { range, shape, block: false }
}

/// Reads the first document of a YAML stream; `None` if there is none.
///
/// # Errors
/// If it is none.
pub fn yaml(text: &str) -> Result<Option<Placed>, DocumentError> {
    let mut builder = Builder { text, bytes: offsets(text), open: Vec::new(), root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| DocumentError::Yaml { line: error.marker().line() })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
        }
        if documents <= 1 {
            let line = span.start.line();
            builder.take(event, span).ok_or(DocumentError::Yaml { line })?;
        }
    }
    Ok(builder.root)
}

/// The byte at which each character begins, where that is not the same.
fn offsets(text: &str) -> Option<Vec<usize>> {
    (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
}

struct Builder<'a> {
    text: &'a str,
    bytes: Option<Vec<usize>>,
    open: Vec<Open>,
    root: Option<Placed>,
}

/// A mapping or sequence that has not ended.
struct Open {
    placed: Placed,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
    tagged: bool,
}

impl Builder<'_> {
    fn byte(&self, index: usize) -> usize {
        let known = self
            .bytes
            .as_ref()
            .map_or(index, |bytes| bytes.get(index).copied().unwrap_or(self.text.len()));
        known.min(self.text.len())
    }

    /// `None` if it is nested too deeply.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        match event {
            Event::MappingStart(_, tag) => {
                self.open(Shape::Table(Vec::new()), start, end, tag.is_some())
            }
            Event::SequenceStart(_, tag) => {
                self.open(Shape::List(Vec::new()), start, end, tag.is_some())
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.close(start);
                Some(())
            }
            Event::Scalar(value, style, _, tag) => {
                let range = start..self.end_of(style, start, end);
                let plain = style == ScalarStyle::Plain;
                let shape = match &*value {
                    _ if tag.is_some() => Shape::Other,
                    "" | "~" | "null" | "Null" | "NULL" if plain => Shape::Null,
                    "true" | "True" | "TRUE" if plain => Shape::Flag(true),
                    "false" | "False" | "FALSE" if plain => Shape::Flag(false),
                    text if plain && text.parse::<f64>().is_ok() => Shape::Other,
                    text => Shape::Text(text.to_owned()),
                };
                let spelled = plain.then(|| value.into_owned());
                self.add(Placed { range, shape, block: false }, spelled);
                Some(())
            }
            Event::Alias(_) => {
                self.add(Placed { range: start..end, shape: Shape::Other, block: false }, None);
                Some(())
            }
            _ => Some(()),
        }
    }

    /// Scalars of several lines are said to end where the next thing begins.
    fn end_of(&self, style: ScalarStyle, start: usize, end: usize) -> usize {
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                start + self.text[start..end.max(start)].trim_end().len()
            }
            _ => end.max(start),
        }
    }

    fn open(&mut self, shape: Shape, start: usize, end: usize, tagged: bool) -> Option<()> {
        if self.open.len() >= MAX_CONFIG_DEPTH {
            return None;
        }
        let flow = end > start && matches!(self.text.as_bytes().get(end - 1), Some(b'{' | b'['));
        let start = if flow { end - 1 } else { start };
        let placed = Placed { range: start..start, shape, block: !flow };
        self.open.push(Open { placed, key: None, tagged });
        Some(())
    }

    fn close(&mut self, end: usize) {
        let Some(Open { mut placed, tagged, .. }) = self.open.pop() else { return };
        if placed.block {
            let last = match &placed.shape {
                Shape::Table(members) => members.last().map(|member| &member.value),
                Shape::List(items) => items.last(),
                _ => None,
            };
            placed.range.end = last.map_or(placed.range.start, |last| last.range.end);
        } else {
            placed.range.end = (end + 1).min(self.text.len());
        }
        if tagged {
            placed.shape = Shape::Other;
        }
        self.add(placed, None);
    }

    /// `spelled` is the text of a plain scalar: as a key it is one whatever it looks like.
    fn add(&mut self, placed: Placed, spelled: Option<String>) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(placed);
            return;
        };
        match &mut open.placed.shape {
            Shape::List(items) => items.push(placed),
            Shape::Table(members) => match open.key.take() {
                Some((name, key)) => members.push(Member { name, key, value: placed }),
                None => {
                    let name = match (&placed.shape, spelled) {
                        (_, Some(text)) => text,
                        (Shape::Text(text), None) => text.clone(),
                        _ => String::new(),
                    };
                    open.key = Some((name, placed.range));
                }
            },
            _ => {}
        }
    }
}
