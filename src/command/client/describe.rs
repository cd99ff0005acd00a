//! What a server offers, for people: foreign text without what could harm a terminal, folded to its
//! width.

use serde_json::Value;

use super::lists::{Kind, Listed};
use super::{Client, WHOLE};
use crate::command::arguments;
use crate::command::peer::Introduction;
use crate::command::text::{Style, size};
use crate::era::Era;
use crate::jsonrpc::member::lookup;
use crate::jsonrpc::splice::members;

/// The era in a word.
pub(super) fn era(introduction: &Introduction) -> &'static str {
    match introduction.era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

/// What a server says of itself.
pub(super) fn server(client: &Client, introduction: &Introduction) -> String {
    let style = client.style;
    let clean = |text: Option<String>| client.redactor.clean(&text.unwrap_or_default(), WHOLE);
    let name = clean(introduction.info("name"));
    let mut out = format!("{} {}\n", style.strong(&name), clean(introduction.info("version")));
    let mut rows = Vec::new();
    let title = clean(introduction.info("title"));
    if !title.is_empty() && title != name {
        rows.push(["title".to_owned(), title]);
    }
    rows.push([
        "revision".to_owned(),
        format!("{} ({})", clean(Some(introduction.revision.clone())), era(introduction)),
    ]);
    rows.push(["transport".to_owned(), introduction.transport().to_owned()]);
    rows.push([
        "capabilities".to_owned(),
        client.redactor.clean(&capabilities(introduction.capabilities()), WHOLE),
    ]);
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    out.push_str(&Style { colour: false, ..style }.columns(2, &rows));
    if let Some(text) = introduction.instructions() {
        out.push_str(&format!("\n{}\n", style.strong("Instructions")));
        out.push_str(&style.folded(2, &client.redactor.clean_lines(&text)));
    }
    out
}

/// `resources (listChanged, subscribe), tools`.
fn capabilities(json: &str) -> String {
    let mut names = Vec::new();
    for member in members(json).unwrap_or_default() {
        let parts: Vec<_> = members(member.value)
            .unwrap_or_default()
            .into_iter()
            .filter(|part| !matches!(part.value, "false" | "null"))
            .map(|part| part.key.into_owned())
            .collect();
        names.push(match parts.as_slice() {
            [] => member.key.into_owned(),
            parts => format!("{} ({})", member.key, parts.join(", ")),
        });
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A whole list, with a heading.
pub(super) fn list(client: &Client, list: &Listed) -> String {
    let mut out = format!("{} ({})\n", client.style.strong(list.kind.title), list.items.len());
    for one in &list.items {
        out.push('\n');
        for line in item(client, list.kind, one).lines() {
            out.push_str(format!("  {line}").trim_end());
            out.push('\n');
        }
    }
    out
}

/// One tool, resource, template or prompt.
pub(super) fn item(client: &Client, kind: Kind, json: &str) -> String {
    // The list indents it.
    let style = Style { width: client.style.width.saturating_sub(2), ..client.style };
    let Ok(value) = serde_json::from_str::<Value>(json) else {
        return "(cannot be read)\n".to_owned();
    };
    let clean = |text: &str| client.redactor.clean(text, WHOLE);
    let text = |name: &str| clean(value[name].as_str().unwrap_or_default());
    let name = text(kind.name);
    let mut notes = Vec::new();
    for note in [text("title"), text("name"), text("mimeType")] {
        if !note.is_empty() && note != name && !notes.contains(&note) {
            notes.push(note);
        }
    }
    if let Some(bytes) = value["size"].as_u64() {
        notes.push(size(bytes));
    }
    for (hint, word) in [("readOnlyHint", "read-only"), ("destructiveHint", "destructive")] {
        if value["annotations"][hint] == true {
            notes.push(word.to_owned());
        }
    }
    let mut out = style.strong(&name);
    if !notes.is_empty() {
        out.push_str(&format!("  {}", style.faint(&notes.join(" · "))));
    }
    out.push('\n');
    let about = value["description"].as_str().unwrap_or_default();
    out.push_str(&style.folded(2, &client.redactor.clean_lines(about)));
    let plain = Style { colour: false, ..style };
    out.push_str(&plain.columns(4, &rows(json, &value, &clean)));
    out
}

/// The arguments: those of a tool's schema, or those that a prompt lists.
fn rows(json: &str, value: &Value, clean: &dyn Fn(&str) -> String) -> Vec<Vec<String>> {
    if let Some(schema) = lookup(json.as_bytes(), &["inputSchema"]) {
        let row = |argument: arguments::Listed| {
            let required = if argument.required { ", required" } else { "" };
            let kind = format!("{}{required}", clean(&argument.expected));
            vec![clean(&argument.name), kind, clean(&argument.about)]
        };
        return arguments::list(schema).into_iter().map(row).collect();
    }
    let row = |argument: &Value| {
        let text = |name: &str| clean(argument[name].as_str().unwrap_or_default());
        let required = if argument["required"] == true { "required" } else { "optional" };
        vec![text("name"), required.to_owned(), text("description")]
    };
    value["arguments"].as_array().into_iter().flatten().map(row).collect()
}
