//! The tools that the server offers: names, descriptions and schemas. What they do is in
//! [`super::tool_calls`].

use serde_json::Value;

use super::revision::Revision;
use super::session::Contents;
use crate::json;

/// Items on one page of `tools/list`: all built-in tools fit on the first one.
pub const PAGE: usize = 10;

/// The highest number `count` counts to.
pub const MAX_COUNT: u64 = 1000;
/// The longest delay of `count` between two numbers, in milliseconds.
pub const MAX_DELAY_MS: u64 = 10_000;
/// The largest text `big` returns, in bytes.
pub const MAX_BIG: usize = 16 * 1024 * 1024;

/// A tool of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is described by its definition")]
pub enum Tool {
    Echo,
    Add,
    Count,
    AskName,
    AskModel,
    TouchResource,
    AddAnother,
    Big,
    /// One that `add_tool` has added.
    Added(String),
}

/// The tools that every session begins with, in the order of the list.
const BUILT_IN: [Tool; 8] = [
    Tool::Echo,
    Tool::Add,
    Tool::Count,
    Tool::AskName,
    Tool::AskModel,
    Tool::TouchResource,
    Tool::AddAnother,
    Tool::Big,
];

/// What a definition says of a tool besides its name.
struct Definition {
    title: &'static str,
    description: &'static str,
    /// Properties of the arguments, and which of them are required.
    properties: Value,
    required: &'static [&'static str],
    /// It changes nothing.
    read_only: bool,
}

impl Tool {
    /// The tool of that name in a session with these contents.
    pub fn find(name: &str, contents: &Contents) -> Option<Self> {
        if let Some(tool) = BUILT_IN.iter().find(|tool| tool.name() == name) {
            return Some(tool.clone());
        }
        contents.added_tools.iter().any(|added| added == name).then(|| Self::Added(name.to_owned()))
    }

    /// The name clients call it by.
    pub fn name(&self) -> &str {
        match self {
            Self::Echo => "echo",
            Self::Add => "add",
            Self::Count => "count",
            Self::AskName => "ask_name",
            Self::AskModel => "ask_model",
            Self::TouchResource => "touch_resource",
            Self::AddAnother => "add_tool",
            Self::Big => "big",
            Self::Added(name) => name,
        }
    }

    /// Whether the answer comes on a stream, because other messages may come before it.
    pub fn streams(&self) -> bool {
        matches!(self, Self::Count | Self::AskName | Self::AskModel)
    }

    fn definition(&self) -> Definition {
        let (title, description, properties, required): (_, _, _, &'static [&'static str]) =
            match self {
                Self::Echo => (
                    "Echo",
                    "Returns the given text unchanged.",
                    json!({"text": {"type": "string", "description": "The text to return"}}),
                    &["text"],
                ),
                Self::Add => (
                    "Add",
                    "Adds two numbers.",
                    json!({
                        "a": {"type": "number", "description": "The first number"},
                        "b": {"type": "number", "description": "The second number"},
                    }),
                    &["a", "b"],
                ),
                Self::Count => (
                    "Count slowly",
                    "Counts from 1 upwards with a pause before each number. Reports every number as \
                 progress if the request has a progressToken, and can be cancelled. The answer \
                 comes on a stream.",
                    json!({
                        "to": {"type": "integer", "minimum": 1, "maximum": MAX_COUNT,
                               "description": "Where to stop"},
                        "delay_ms": {"type": "integer", "minimum": 0, "maximum": MAX_DELAY_MS,
                                     "default": 200, "description": "The pause, in milliseconds"},
                    }),
                    &["to"],
                ),
                Self::AskName => (
                    "Ask for a name",
                    "Asks the user for a name by elicitation (elicitation/create, form mode) while the \
                 call runs, and greets with it.",
                    json!({}),
                    &[],
                ),
                Self::AskModel => (
                    "Ask the model",
                    "Asks the client's language model by sampling (sampling/createMessage) while the \
                 call runs, and returns what it said.",
                    json!({"question": {"type": "string", "default": "Say hello in five words.",
                                    "description": "What to ask"}}),
                    &[],
                ),
                Self::TouchResource => (
                    "Touch a resource",
                    "Increases the number in the resource demo://counter. Subscribers are told with \
                 notifications/resources/updated on the standalone stream.",
                    json!({}),
                    &[],
                ),
                Self::AddAnother => (
                    "Add a tool",
                    "Adds one more tool to this session and announces it with \
                 notifications/tools/list_changed on the standalone stream.",
                    json!({"name": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$",
                                "description": "Its name; by default extra_1, extra_2, ..."}}),
                    &[],
                ),
                Self::Big => (
                    "Big answer",
                    "Returns a text of the given size.",
                    json!({
                        "bytes": {"type": "integer", "minimum": 0, "maximum": MAX_BIG,
                                  "description": "The size, in bytes"},
                        "stream": {"type": "boolean", "default": false,
                                   "description": "Answer on a stream instead of as one JSON document"},
                    }),
                    &["bytes"],
                ),
                Self::Added(_) => (
                    "An added tool",
                    "A tool that add_tool has added. It says its own name.",
                    json!({}),
                    &[],
                ),
            };
        Definition {
            title,
            description,
            properties,
            required,
            read_only: !matches!(self, Self::TouchResource | Self::AddAnother),
        }
    }

    /// The entry in `tools/list` for a session of that revision.
    pub fn describe(&self, revision: Revision) -> Value {
        let definition = self.definition();
        let mut tool = json!({
            "name": self.name(),
            "description": definition.description,
            "inputSchema": {
                "type": "object",
                "properties": definition.properties,
                "required": definition.required,
                "additionalProperties": false,
            },
            "annotations": {
                "title": definition.title,
                "readOnlyHint": definition.read_only,
                "openWorldHint": matches!(self, Self::AskName | Self::AskModel),
            },
        });
        if !definition.read_only {
            tool["annotations"]["destructiveHint"] = false.into();
            tool["annotations"]["idempotentHint"] = false.into();
        }
        if revision.has_titles_and_structured_results() {
            tool["title"] = definition.title.into();
            if *self == Self::Add {
                tool["outputSchema"] = json!({
                    "type": "object",
                    "properties": {"sum": {"type": "number"}},
                    "required": ["sum"],
                });
            }
        }
        tool
    }
}

/// The entries of `tools/list`.
pub fn list(revision: Revision, contents: &Contents) -> Vec<Value> {
    let added = contents.added_tools.iter().cloned().map(Tool::Added);
    BUILT_IN.into_iter().chain(added).map(|tool| tool.describe(revision)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_tool_is_found_and_described() {
        let contents = Contents { added_tools: vec!["extra_1".into()], ..Contents::default() };
        let tools = list(Revision::LATEST, &contents);
        assert_eq!(tools.len(), 9);
        for tool in tools {
            let name = tool["name"].as_str().unwrap();
            assert_eq!(Tool::find(name, &contents).unwrap().name(), name);
            assert_eq!(tool["inputSchema"]["type"], "object");
            for required in tool["inputSchema"]["required"].as_array().unwrap() {
                let property = &tool["inputSchema"]["properties"][required.as_str().unwrap()];
                assert!(property.is_object(), "{name}: {required}");
            }
            assert!(tool["title"].is_string() && tool["description"].is_string());
        }
        assert_eq!(Tool::find("extra_2", &contents), None);
    }

    #[test]
    fn the_first_revision_knows_neither_titles_nor_output_schemas() {
        let tool = Tool::Add.describe(Revision::V2025_03_26);
        assert!(tool.get("title").is_none() && tool.get("outputSchema").is_none());
        let tool = Tool::Add.describe(Revision::V2025_06_18);
        assert!(tool["title"].is_string() && tool["outputSchema"].is_object());
    }
}
