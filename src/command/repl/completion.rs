//! What a line can be continued with: commands, names, URIs, arguments and their values.

use serde_json::Value;

use super::catalogue::{Catalogue, Named};
use super::line::{COMMANDS, LEVELS};
use super::words::{quote, split};
use crate::command::arguments::schema::Schema;
use crate::json;
use crate::order;

/// Methods that servers have (2025-11-25, schema).
const METHODS: [&str; 12] = [
    "completion/complete",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "tools/call",
    "tools/list",
];

/// What the word at the cursor can become.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Completion {
    /// Where the word begins.
    pub start: usize,
    /// Whole words, with what shall be behind them.
    pub words: Vec<(String, &'static str)>,
    /// What the server has to be asked.
    pub question: Option<Question>,
}

/// A question for `completion/complete` (server/utilities/completion).
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    /// The parameters.
    pub params: String,
    /// What stands in the word before the value.
    pub before: String,
}

impl Completion {
    /// The words that begin as the one at the cursor does, as they have to be typed. `more` are values
    /// that the server gave.
    pub(super) fn candidates(&self, line: &str, more: Vec<String>) -> Vec<(String, String)> {
        let typed = split(&line[self.start..]).pop().unwrap_or_default().text;
        let before = self.question.as_ref().map(|question| question.before.as_str());
        let more =
            more.into_iter().map(|value| (format!("{}{value}", before.unwrap_or_default()), " "));
        let mut found: Vec<(String, String)> = Vec::new();
        for (word, end) in self.words.iter().cloned().chain(more) {
            let replacement = format!("{}{end}", quote(&word));
            if word.starts_with(&typed) && found.iter().all(|(_, other)| *other != replacement) {
                found.push((word, replacement));
            }
        }
        found
    }
}

/// Looks at the line up to the cursor.
pub(super) fn complete(line: &str, catalogue: &Catalogue) -> Completion {
    let mut words = split(line);
    let in_word = words
        .last()
        .is_some_and(|word| word.open.is_some() || !line.ends_with(char::is_whitespace));
    let last = if in_word { words.pop() } else { None };
    let start = last.as_ref().map_or(line.len(), |word| word.start);
    let typed = last.map(|word| word.text).unwrap_or_default();
    let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let found = |words: Vec<(String, &'static str)>| Completion { start, words, question: None };
    let names = |of: &[Named]| of.iter().map(|named| (named.name.clone(), " ")).collect::<Vec<_>>();
    let fixed = |of: &[&str]| of.iter().map(|word| ((*word).to_owned(), " ")).collect::<Vec<_>>();
    match words.as_slice() {
        [] => {
            let commands = COMMANDS.iter().filter(|command| !command.about.is_empty());
            let mut all: Vec<_> = commands
                .map(|command| {
                    (command.name.to_owned(), if command.takes.is_empty() { "" } else { " " })
                })
                .collect();
            // Those of the session only for who asks for them.
            all.retain(|(name, _)| typed.starts_with(':') || !name.starts_with(':'));
            all.extend(names(&catalogue.tools));
            found(all)
        }
        ["call" | "tools"] => found(names(&catalogue.tools)),
        ["prompt" | "prompts"] => found(names(&catalogue.prompts)),
        ["read" | "resources" | "subscribe" | "unsubscribe"] => {
            let mut all: Vec<_> =
                catalogue.resources.iter().map(|uri| (uri.clone(), " ")).collect();
            let question = catalogue.templates.iter().find_map(|uri| variable(uri, &typed));
            for uri in &catalogue.templates {
                // Up to its first variable.
                let end = uri.find('{').unwrap_or(uri.len());
                if end > typed.len() {
                    all.push((uri[..end].to_owned(), ""));
                }
            }
            Completion { start, words: all, question: question.filter(|_| catalogue.completes) }
        }
        ["raw"] => found(fixed(&METHODS)),
        ["level"] => found(fixed(&LEVELS)),
        [":output"] => found(fixed(&["text", "json", "raw"])),
        [":trace"] => found(fixed(&["on", "off"])),
        ["complete"] => found(fixed(&["--prompt", "--template"])),
        ["complete", "--prompt"] => found(names(&catalogue.prompts)),
        ["complete", "--template"] => {
            found(catalogue.templates.iter().map(|uri| (uri.clone(), " ")).collect())
        }
        ["complete", "--prompt", name, given @ ..] | ["prompt", name, given @ ..] => {
            let Some(prompt) = named(&catalogue.prompts, name) else { return found(Vec::new()) };
            let question = value_of_prompt(name, &typed, given).filter(|_| catalogue.completes);
            Completion { start, words: arguments(&prompt.schema, &typed, given), question }
        }
        ["call", name, given @ ..] | [name, given @ ..] => match named(&catalogue.tools, name) {
            Some(tool) => found(arguments(&tool.schema, &typed, given)),
            None => found(Vec::new()),
        },
    }
}

fn named<'c>(of: &'c [Named], name: &str) -> Option<&'c Named> {
    of.iter().find(|named| named.name == name)
}

/// Names of arguments that are not given yet, or the values of the one that is begun.
fn arguments(schema: &Value, typed: &str, given: &[&str]) -> Vec<(String, &'static str)> {
    let whole = Schema::new(schema);
    if let Some((name, _)) = typed.split_once('=') {
        let (name, json) = match name.strip_suffix(':') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Some(property) = whole.property(name) else { return Vec::new() };
        let mut values: Vec<Value> = property.allowed().into_iter().cloned().collect();
        if values.is_empty() && property.types() == ["boolean"] {
            values = vec![true.into(), false.into()];
        }
        return values
            .into_iter()
            .filter_map(|value| match value {
                _ if json => Some(format!("{name}:={value}")),
                Value::String(text) => Some(format!("{name}={text}")),
                Value::Bool(_) | Value::Number(_) | Value::Null => Some(format!("{name}={value}")),
                _ => None,
            })
            .filter(|word| super::catalogue::can_be_typed(word))
            .map(|word| (word, " "))
            .collect();
    }
    let required = whole.required();
    let mut names = whole.names();
    // What has to be there comes first.
    order::sort_by_key(&mut names, |name| !required.contains(name));
    names
        .into_iter()
        .filter(|name| super::catalogue::can_be_typed(name) && !name.contains(['=', '\\']))
        .filter(|name| {
            let has = |word: &&str| {
                word.strip_prefix(name).is_some_and(|rest| rest.starts_with(['=', ':']))
            };
            !given.iter().any(has)
        })
        .map(|name| {
            let json = whole.property(name).is_some_and(|property| {
                let types = property.types();
                !types.is_empty() && types.iter().all(|name| matches!(*name, "object" | "array"))
            });
            (format!("{name}{}", if json { ":=" } else { "=" }), "")
        })
        .collect()
}

/// The value of a prompt's argument that is begun.
fn value_of_prompt(prompt: &str, typed: &str, given: &[&str]) -> Option<Question> {
    let (name, value) = typed.split_once('=')?;
    let words = given.iter().filter_map(|word| word.split_once('='));
    let known: serde_json::Map<String, Value> =
        order::map(words.map(|(name, value)| (name.to_owned(), value.into())));
    let mut params = json!({
        "ref": { "type": "ref/prompt", "name": prompt },
        "argument": { "name": name, "value": value },
    });
    if !known.is_empty() {
        params["context"] = json!({ "arguments": known });
    }
    Some(Question { params: params.to_string(), before: format!("{name}=") })
}

/// The variable of a template (RFC 6570, simple expansion) in which a URI ends.
fn variable(template: &str, uri: &str) -> Option<Question> {
    let mut known = serde_json::Map::new();
    let (mut template_left, mut left) = (template, uri);
    loop {
        let (literal, rest) = template_left.split_once('{')?;
        let (name, rest) = rest.split_once('}')?;
        left = left.strip_prefix(literal)?;
        template_left = rest;
        let next = &rest[..rest.find('{').unwrap_or(rest.len())];
        if let Some(end) = left.find(next).filter(|_| !next.is_empty()) {
            known.insert(name.to_owned(), left[..end].into());
            left = &left[end..];
            continue;
        }
        let mut params = json!({
            "ref": { "type": "ref/resource", "uri": template },
            "argument": { "name": name, "value": left },
        });
        if !known.is_empty() {
            params["context"] = json!({ "arguments": known });
        }
        let before = uri[..uri.len() - left.len()].to_owned();
        return Some(Question { params: params.to_string(), before });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let named = |name: &str, schema: Value| Named { name: name.to_owned(), schema };
        Catalogue {
            tools: vec![
                named(
                    "search",
                    json!({ "properties": {
                        "limit": { "type": "integer" },
                        "order": { "enum": ["price", "the age", 3] },
                        "query": { "type": "string" },
                        "filter": { "type": "object" },
                        "exact": { "type": "boolean" },
                    }, "required": ["query"] }),
                ),
                named("two words", json!({})),
            ],
            prompts: vec![named(
                "review",
                json!({ "properties": { "language": {}, "style": {} } }),
            )],
            resources: vec!["file:///a".to_owned()],
            templates: vec!["repo://{owner}/{name}".to_owned()],
            completes: true,
        }
    }

    /// What Tab offers, as it would be typed.
    fn offered(line: &str) -> Vec<String> {
        let completion = complete(line, &catalogue());
        completion.candidates(line, Vec::new()).into_iter().map(|(_, typed)| typed).collect()
    }

    #[test]
    fn names() {
        assert_eq!(offered("se"), ["search "]);
        assert_eq!(offered("re"), ["resources ", "read "]);
        assert_eq!(offered(":o"), [":output "]);
        assert_eq!(offered("call "), ["search ", "'two words' "]);
        assert_eq!(offered("call 'two"), ["'two words' "]);
        assert_eq!(offered("read f"), ["file:///a "]);
        assert_eq!(offered("read r"), ["repo://"]);
        assert_eq!(offered("prompt "), ["review "]);
        assert_eq!(offered("level e"), ["error ", "emergency "]);
        assert_eq!(offered("nothing "), [""; 0]);
    }

    #[test]
    fn arguments_and_their_values() {
        assert_eq!(offered("search "), ["query=", "exact=", "filter:=", "limit=", "order="]);
        assert_eq!(offered("call search query=x l"), ["limit="]);
        assert_eq!(offered("search query=x fi"), ["filter:="]);
        assert_eq!(offered("search order="), ["order=price ", "'order=the age' ", "order=3 "]);
        assert_eq!(offered("search order:=\"p"), ["order:=\"price\" "; 0]);
        assert_eq!(offered("search exact=t"), ["exact=true "]);
        assert_eq!(offered("search query=x query="), [""; 0]);
    }

    #[test]
    fn the_server_is_asked_for_values() {
        let asked = |line: &str| complete(line, &catalogue()).question.unwrap();
        let question = asked("prompt review style=terse language=ru");
        assert_eq!(
            serde_json::from_str::<Value>(&question.params).unwrap(),
            json!({
                "ref": { "type": "ref/prompt", "name": "review" },
                "argument": { "name": "language", "value": "ru" },
                "context": { "arguments": { "style": "terse" } },
            })
        );
        let line = "prompt review language=ru";
        let completion = complete(line, &catalogue());
        let values = vec!["rust".to_owned(), "ruby on rails".to_owned(), "c".to_owned()];
        let typed: Vec<String> =
            completion.candidates(line, values).into_iter().map(|(_, typed)| typed).collect();
        assert_eq!(typed, ["language=rust ", "'language=ruby on rails' "]);
        let question = asked("read repo://me/te");
        let params: Value = serde_json::from_str(&question.params).unwrap();
        assert_eq!(params["argument"], json!({ "name": "name", "value": "te" }));
        assert_eq!(params["context"]["arguments"], json!({ "owner": "me" }));
        assert_eq!(question.before, "repo://me/");
        assert_eq!(asked("read repo://m").before, "repo://");
    }

    proptest::proptest! {
        #[test]
        fn any_line_can_be_completed(line: String) {
            let completion = complete(&line, &catalogue());
            assert!(line.is_char_boundary(completion.start));
            completion.candidates(&line, vec![line.clone()]);
        }
    }
}
