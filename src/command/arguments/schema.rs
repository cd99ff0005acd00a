//! What a JSON Schema says about a value, as far as it can be said before anything is sent.
//!
//! Of a schema only this is read: `type`, `enum`, `const`, `minimum`, `maximum`, `properties`,
//! `required`, `additionalProperties`, `items`, `anyOf`, `oneOf` and `$ref` into the same schema. What
//! else it demands is the server's to judge.

use serde_json::Value;

use crate::jsonrpc::splice::{elements, members};

/// How deep a schema or a value is followed.
const MAX_DEPTH: usize = 16;

/// The types of JSON Schema, in the order in which a word is tried against them: a text fits nearly
/// everything, and so comes last.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "array", "object", "string"];

/// One schema, within the whole that its references point into.
#[derive(Clone, Copy)]
pub(in crate::command) struct Schema<'a> {
    whole: &'a Value,
    part: &'a Value,
}

impl<'a> Schema<'a> {
    pub(in crate::command) fn new(whole: &'a Value) -> Schema<'a> {
        Schema { whole, part: whole }
    }

    fn at(self, part: &'a Value) -> Schema<'a> {
        let mut part = part;
        for _ in 0..MAX_DEPTH {
            let target = part["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
            match target.and_then(|place| self.whole.pointer(place)) {
                Some(found) => part = found,
                None => break,
            }
        }
        Schema { whole: self.whole, part }
    }

    /// The schema itself, and the alternatives that it offers.
    fn alternatives(self, depth: usize) -> Vec<Schema<'a>> {
        let mut all = Vec::new();
        let either = ["anyOf", "oneOf"].iter().filter_map(|name| self.part[*name].as_array());
        for part in either.flatten().filter(|_| depth > 0) {
            all.extend(self.at(part).alternatives(depth - 1));
        }
        if all.is_empty() {
            all.push(self);
        }
        all
    }

    /// The names of the types that a value may have; none if it says nothing.
    pub(in crate::command) fn types(self) -> Vec<&'a str> {
        let mut found: Vec<&str> = Vec::new();
        for schema in self.alternatives(MAX_DEPTH) {
            let own: Vec<&str> = match &schema.part["type"] {
                Value::String(name) => vec![name],
                Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                // Any of the values is allowed, so that no type is ruled out.
                _ if schema.values().is_empty() => return Vec::new(),
                _ => schema.values().into_iter().map(type_of_value).collect(),
            };
            for name in own {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// The only values that are allowed, if they are listed.
    fn values(self) -> Vec<&'a Value> {
        match (&self.part["enum"], self.part.get("const")) {
            (Value::Array(values), _) => values.iter().collect(),
            (_, Some(value)) => vec![value],
            _ => Vec::new(),
        }
    }

    /// The same of all alternatives; none if one of them lists none.
    pub(in crate::command) fn allowed(self) -> Vec<&'a Value> {
        let mut all = Vec::new();
        for schema in self.alternatives(MAX_DEPTH) {
            match schema.values() {
                values if values.is_empty() => return Vec::new(),
                values => all.extend(values),
            }
        }
        all
    }

    /// The schema of a property.
    pub(in crate::command) fn property(self, name: &str) -> Option<Schema<'a>> {
        self.part["properties"].as_object()?.get(name).map(|part| self.at(part))
    }

    /// The names of all properties.
    pub(in crate::command) fn names(self) -> Vec<&'a str> {
        let properties = self.part["properties"].as_object();
        properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// The names of the properties that must be there.
    pub(in crate::command) fn required(self) -> Vec<&'a str> {
        self.part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether properties that are not listed are expressly wanted.
    fn is_open(self) -> bool {
        let more = &self.part["additionalProperties"];
        more.is_object() || *more == true || self.part.get("patternProperties").is_some()
    }

    /// Whether the schema lists properties, and means no others.
    pub(in crate::command) fn is_closed(self) -> bool {
        let none_meant = self.part["additionalProperties"] == false;
        !self.is_open() && (none_meant || !self.names().is_empty())
    }

    /// What is expected, in a few words: `integer`, `string or null`, `one of "a", "b"`.
    pub(in crate::command) fn expected(self) -> String {
        let allowed = self.allowed();
        if !allowed.is_empty() {
            let shown: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            return format!("one of {}", shown.join(", "));
        }
        let mut text = match self.types().as_slice() {
            [] => "any value".to_owned(),
            names => names.join(" or "),
        };
        for (name, word) in [("minimum", "at least"), ("maximum", "at most")] {
            if let Some(limit) = self.part[name].as_number() {
                text.push_str(&format!(", {word} {limit}"));
            }
        }
        text
    }

    /// The JSON text that a word from the command line means; `None` if it fits nothing.
    pub(in crate::command) fn coerce(self, word: &str) -> Option<String> {
        let allowed = self.allowed();
        if allowed.iter().any(|value| value.as_str() == Some(word)) {
            return Some(Value::from(word).to_string());
        }
        let types = self.types();
        if types.is_empty() && allowed.is_empty() {
            return Some(Value::from(word).to_string());
        }
        for name in TYPES.iter().filter(|name| types.contains(name)) {
            if *name == "string" {
                let text = Value::from(word).to_string();
                return allowed.is_empty().then_some(text);
            }
            let word = word.trim();
            if is_json(word) && fits_type(word, name) && self.complaint(word, MAX_DEPTH).is_none() {
                return Some(word.to_owned());
            }
            // A word for a list is its only element.
            if *name == "array" && !word.starts_with('[') {
                let element = self.items().map_or_else(
                    || Some(Value::from(word).to_string()),
                    |items| items.coerce(word),
                );
                return element.map(|element| format!("[{element}]"));
            }
        }
        None
    }

    /// The schema of the elements of a list.
    pub(in crate::command) fn items(self) -> Option<Schema<'a>> {
        let mut found = self.alternatives(MAX_DEPTH).into_iter();
        found.find_map(|schema| schema.part.get("items").map(|part| schema.at(part)))
    }

    /// Where a JSON text does not fit, and what was expected there; `None` if nothing is wrong that
    /// can be told here.
    pub(in crate::command) fn complaint(
        self,
        json: &str,
        depth: usize,
    ) -> Option<(String, String)> {
        let here = || Some((String::new(), self.expected()));
        let types = self.types();
        if !types.is_empty() && !types.iter().any(|name| fits_type(json, name)) {
            return here();
        }
        let allowed = self.allowed();
        if !allowed.is_empty() {
            let value: Value = serde_json::from_str(json).ok()?;
            return (!allowed.contains(&&value)).then(here).flatten();
        }
        if let Some(number) = json.parse::<f64>().ok().filter(|_| !json.starts_with('"')) {
            let limit = |name: &str| self.part[name].as_f64();
            if limit("minimum").is_some_and(|least| number < least)
                || limit("maximum").is_some_and(|most| number > most)
            {
                return here();
            }
        }
        if depth == 0 {
            return None;
        }
        if json.starts_with('[') {
            let items = self.items()?;
            return elements(json)?.iter().enumerate().find_map(|(at, element)| {
                let (place, expected) = items.complaint(element, depth - 1)?;
                Some((format!("[{at}]{place}"), expected))
            });
        }
        let inner = members(json)?;
        let missing = self.required().into_iter().find(|name| inner.iter().all(|m| m.key != *name));
        if let Some(name) = missing {
            return Some((format!(".{name}"), "a value".to_owned()));
        }
        inner.iter().find_map(|member| {
            let (place, expected) =
                self.property(&member.key)?.complaint(member.value, depth - 1)?;
            Some((format!(".{}{place}", member.key), expected))
        })
    }
}

/// As [`Schema::complaint`], with the usual depth.
pub(in crate::command) fn complaint(schema: Schema<'_>, json: &str) -> Option<(String, String)> {
    schema.complaint(json, MAX_DEPTH)
}

/// Whether a text is one JSON value.
pub(in crate::command) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

fn type_of_value(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether a JSON text is of a type. A name that is no type rules nothing out.
fn fits_type(json: &str, name: &str) -> bool {
    let number = || json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match name {
        "null" => json == "null",
        "boolean" => matches!(json, "true" | "false"),
        "number" => number(),
        "integer" => number() && is_whole(json),
        "string" => json.starts_with('"'),
        "array" => json.starts_with('['),
        "object" => json.starts_with('{'),
        _ => true,
    }
}

/// Whether a number has no fraction, however it is written: `1.0` and `1e3` are whole.
fn is_whole(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return true;
    }
    number.parse::<f64>().is_ok_and(|value| value.fract() == 0.0 && value.is_finite())
}
