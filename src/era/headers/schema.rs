//! The `x-mcp-header` annotations in one schema ("Schema Extension").
//!
//! Only parts that mention an annotation are read, and only as schemas where JSON Schema has
//! schemas: a default value may hold a member of that name without being an annotation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderName;
use memchr::memmem;

use super::value;
use crate::jsonrpc::splice::{Member, elements, members};
use crate::limits::{
    MAX_MIRRORED_ARGUMENTS, MAX_MIRRORED_NAMES, MAX_SCHEMA_DEPTH, MAX_SCHEMA_READ,
};
use crate::order;
use crate::secret::{neutralise, truncate};

/// The member of a schema that asks for a header.
pub(super) const ANNOTATION: &str = "x-mcp-header";

/// Characters of a place or name in a [`Fault`].
const SHOWN: usize = 60;

/// Why a tool must not be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not reached through `properties` alone: in a list, a combination, a condition, a definition.
    #[error("x-mcp-header at {0:?} is not on a plain property")]
    Misplaced(String),
    /// The name of the header is no string.
    #[error("x-mcp-header of {0:?} is not a string")]
    NotString(String),
    /// The name of the header is empty.
    #[error("x-mcp-header of {0:?} is empty")]
    Empty(String),
    /// The name of the header has characters that no header name can have.
    #[error("x-mcp-header of {0:?} is {1:?}, which no header can be named")]
    NotToken(String, String),
    /// Another property has the same header name, upper and lower case being the same.
    #[error("x-mcp-header of {0:?} is {1:?}, which another property has too")]
    Repeated(String, String),
    /// The property is not declared as an integer, a string or a boolean.
    #[error("x-mcp-header of {0:?} is not on an integer, a string or a boolean")]
    NotPrimitive(String),
    /// More than we keep, so that calls could not carry all that the server wants.
    #[error("it has more x-mcp-header annotations than are supported")]
    TooMany,
    /// Deeper than we look, so that nobody knows whether its annotations are valid.
    #[error("its schema is nested too deeply to find all x-mcp-header annotations")]
    TooDeep,
    /// Larger than we read, so that nobody knows whether its annotations are valid.
    #[error("its schema is too large to find all x-mcp-header annotations")]
    TooLarge,
}

/// One argument that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Param {
    /// The names that lead to it in `arguments`. Never empty.
    pub(super) path: Vec<String>,
    /// Its header.
    pub(super) header: HeaderName,
}

/// The annotated arguments in the JSON Schema `schema`, in the order of their paths.
pub(super) fn annotated(schema: &str) -> Result<Vec<Param>, Fault> {
    let mut walk = Walk {
        found: Vec::new(),
        unread: MAX_SCHEMA_READ,
        unnamed: MAX_MIRRORED_NAMES,
        place: Vec::new(),
        references: mentions(schema, "$ref") || mentions(schema, "$dynamicRef"),
    };
    walk.schema(schema, true, 0)?;
    order::sort_by(&mut walk.found, |a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

/// Whether a member named `name` may be in `json`: it stands there, or could be spelled with escapes
/// of letters, which nobody does without intent.
pub(super) fn mentions(json: &str, name: &str) -> bool {
    let json = json.as_bytes();
    memmem::find(json, name.as_bytes()).is_some()
        || memmem::find_iter(json, b"\\u00").any(|at| {
            let digits = json.get(at + 4..at + 6).and_then(|d| std::str::from_utf8(d).ok());
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            byte.is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'$'))
        })
}

/// What the value of a keyword is (JSON Schema 2020-12, and draft-07 where it differs).
enum Content {
    /// Named schemas that `properties` leads to.
    Properties,
    /// A schema, or a list of them.
    Schema,
    /// Schemas by names that are no keywords.
    Named,
    /// No schema, whatever it looks like.
    Data,
    /// A keyword that we do not know.
    Unknown,
}

impl Content {
    fn of(keyword: &str) -> Content {
        match keyword {
            "properties" => Content::Properties,
            "items"
            | "prefixItems"
            | "additionalItems"
            | "unevaluatedItems"
            | "contains"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "allOf"
            | "anyOf"
            | "oneOf"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contentSchema" => Content::Schema,
            "$defs" | "definitions" | "patternProperties" | "dependentSchemas" | "dependencies" => {
                Content::Named
            }
            ANNOTATION | "type" | "default" | "const" | "enum" | "examples" | "example"
            | "required" | "dependentRequired" | "title" | "description" | "$comment" | "$ref" => {
                Content::Data
            }
            _ => Content::Unknown,
        }
    }
}

struct Walk {
    found: Vec<Param>,
    /// Bytes that may still be read.
    unread: usize,
    /// Bytes of names that may still be kept.
    unnamed: usize,
    /// Where we are: the names of the properties, and of keywords where there are others.
    place: Vec<String>,
    /// Whether the schema refers to parts of itself, so that these may be under any keyword.
    references: bool,
}

impl Walk {
    /// Whether `text` has to be looked into.
    fn enter(&mut self, text: &str, depth: usize) -> Result<bool, Fault> {
        self.unread = self.unread.checked_sub(text.len()).ok_or(Fault::TooLarge)?;
        let enter = mentions(text, ANNOTATION);
        if enter && depth > MAX_SCHEMA_DEPTH {
            return Err(Fault::TooDeep);
        }
        Ok(enter)
    }

    /// A schema, or a list of them. `plain`: only `properties` led here.
    fn schema(&mut self, text: &str, plain: bool, depth: usize) -> Result<(), Fault> {
        if !self.enter(text, depth)? {
            return Ok(());
        }
        for schema in elements(text).unwrap_or_default() {
            self.schema(schema, false, depth + 1)?;
        }
        let keywords = last_ones(members(text).unwrap_or_default());
        if let Some(name) = keywords.get(ANNOTATION) {
            self.annotation(name, keywords.get("type").copied(), plain)?;
        }
        for (keyword, value) in &keywords {
            match Content::of(keyword) {
                Content::Properties => self.named(value, plain, depth + 1)?,
                Content::Named => {
                    self.place.push(keyword.to_string());
                    self.named(value, false, depth + 1)?;
                    self.place.pop();
                }
                Content::Schema => {
                    self.place.push(keyword.to_string());
                    self.schema(value, false, depth + 1)?;
                    self.place.pop();
                }
                Content::Unknown if self.references => {
                    self.place.push(keyword.to_string());
                    self.anything(value, depth + 1)?;
                    self.place.pop();
                }
                Content::Data | Content::Unknown => {}
            }
        }
        Ok(())
    }

    /// An object whose members are schemas.
    fn named(&mut self, text: &str, plain: bool, depth: usize) -> Result<(), Fault> {
        if !self.enter(text, depth)? {
            return Ok(());
        }
        for (name, schema) in last_ones(members(text).unwrap_or_default()) {
            self.place.push(name.into_owned());
            self.schema(schema, plain, depth + 1)?;
            self.place.pop();
        }
        Ok(())
    }

    /// What may be a schema or not: no annotation may be in it at all.
    fn anything(&mut self, text: &str, depth: usize) -> Result<(), Fault> {
        if !self.enter(text, depth)? {
            return Ok(());
        }
        for value in elements(text).unwrap_or_default() {
            self.anything(value, depth + 1)?;
        }
        for (name, value) in last_ones(members(text).unwrap_or_default()) {
            if name == ANNOTATION {
                return Err(Fault::Misplaced(self.shown_place()));
            }
            self.anything(value, depth + 1)?;
        }
        Ok(())
    }

    fn annotation(&mut self, name: &str, kind: Option<&str>, plain: bool) -> Result<(), Fault> {
        let place = self.shown_place();
        if !plain || self.place.is_empty() {
            return Err(Fault::Misplaced(place));
        }
        let Some(name) = value::string(name) else { return Err(Fault::NotString(place)) };
        if name.is_empty() {
            return Err(Fault::Empty(place));
        }
        let kind = kind.and_then(value::string);
        if !matches!(kind.as_deref(), Some("integer" | "string" | "boolean")) {
            return Err(Fault::NotPrimitive(place));
        }
        if !name.bytes().all(is_token) {
            return Err(Fault::NotToken(place, shown(&name)));
        }
        let length = name.len() + self.place.iter().map(String::len).sum::<usize>();
        self.unnamed = self.unnamed.checked_sub(length).ok_or(Fault::TooMany)?;
        let Ok(header) = HeaderName::try_from(format!("mcp-param-{name}")) else {
            return Err(Fault::NotToken(place, shown(&name)));
        };
        if self.found.iter().any(|other| other.header == header) {
            return Err(Fault::Repeated(place, shown(&name)));
        }
        if self.found.len() == MAX_MIRRORED_ARGUMENTS {
            return Err(Fault::TooMany);
        }
        self.found.push(Param { path: self.place.clone(), header });
        Ok(())
    }

    fn shown_place(&self) -> String {
        shown(&self.place.join("."))
    }
}

fn shown(text: &str) -> String {
    truncate(&neutralise(text), SHOWN)
}

/// A character of a header name (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The members of an object, of repeated ones the last.
fn last_ones<'a>(members: Vec<Member<'a>>) -> BTreeMap<Cow<'a, str>, &'a str> {
    order::map(members.into_iter().map(|member| (member.key, member.value)))
}
