//! What a tool takes, for people.

use serde_json::Value;

use super::schema::Schema;
use crate::jsonrpc::member::lookup;
use crate::jsonrpc::splice::members;

/// One argument of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::command) struct Listed {
    pub name: String,
    /// `integer`, `string or null`, …
    pub expected: String,
    pub required: bool,
    /// What it is for, with its values and its default.
    pub about: String,
}

/// The arguments that an `inputSchema` lists, in its order. `schema` is JSON text.
pub(in crate::command) fn list(schema: &str) -> Vec<Listed> {
    let Ok(whole) = serde_json::from_str::<Value>(schema) else { return Vec::new() };
    let read = Schema::new(&whole);
    let required = read.required();
    let properties = lookup(schema.as_bytes(), &["properties"]).and_then(members);
    let mut found = Vec::new();
    for member in properties.unwrap_or_default() {
        let Some(property) = read.property(&member.key) else { continue };
        let types = property.types();
        let mut about = lookup(member.value.as_bytes(), &["description"])
            .and_then(|text| serde_json::from_str::<String>(text).ok())
            .unwrap_or_default();
        let mut note = |text: String| {
            if !about.is_empty() {
                about.push(' ');
            }
            about.push_str(&text);
        };
        let allowed = property.allowed();
        if !allowed.is_empty() {
            let shown: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            note(format!("({})", shown.join(", ")));
        }
        if let Some(default) = lookup(member.value.as_bytes(), &["default"]) {
            note(format!("[{default}]"));
        }
        let expected = match (types.as_slice(), property.items()) {
            ([], _) => "any".to_owned(),
            (["array"], Some(items)) if items.types().len() == 1 => {
                format!("array of {}", items.types()[0])
            }
            (names, _) => names.join(" or "),
        };
        let required = required.contains(&&*member.key);
        found.push(Listed { name: member.key.into_owned(), expected, required, about });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_listed_in_the_order_of_the_server() {
        let listed = list(
            r#"{"properties":{
                "z":{"type":"integer","description":"The last.","default":1.0},
                "a":{"anyOf":[{"type":"string"},{"type":"null"}]},
                "m":{"enum":["x","y"]},
                "l":{"type":"array","items":{"type":"number"}},
                "q":{}
            },"required":["a"]}"#,
        );
        let shown: Vec<_> = listed
            .iter()
            .map(|l| format!("{} {} {} {}", l.name, l.expected, l.required, l.about))
            .collect();
        assert_eq!(
            shown,
            [
                "z integer false The last. [1.0]",
                "a string or null true ",
                "m string false (\"x\", \"y\")",
                "l array of number false ",
                "q any false ",
            ]
        );
        assert_eq!(list("[]"), []);
    }
}
