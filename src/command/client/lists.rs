//! Lists of a server, with all their pages (server/utilities/pagination).

use std::collections::HashSet;

use serde_json::Value;

use super::{Client, Stop, describe};
use crate::cli::client::OutputArg;
use crate::cli::mistakes::nearest;
use crate::error::{Failure, FailureKind};
use crate::json;
use crate::jsonrpc::member::{lookup, lookup_string};
use crate::jsonrpc::splice::{Patch, elements};
use crate::limits::{MAX_LOGGED_TEXT, MAX_MESSAGE_SIZE, MAX_PAGES};

/// A kind of list.
#[derive(Clone, Copy)]
pub(in crate::command) struct Kind {
    method: &'static str,
    /// The member of the result that has the items.
    pub member: &'static str,
    /// The member of an item that names it.
    pub name: &'static str,
    /// The capability behind it.
    pub capability: &'static str,
    pub title: &'static str,
}

pub(in crate::command) const TOOLS: Kind = Kind {
    method: "tools/list",
    member: "tools",
    name: "name",
    capability: "tools",
    title: "Tools",
};
pub(in crate::command) const RESOURCES: Kind = Kind {
    method: "resources/list",
    member: "resources",
    name: "uri",
    capability: "resources",
    title: "Resources",
};
pub(in crate::command) const TEMPLATES: Kind = Kind {
    method: "resources/templates/list",
    member: "resourceTemplates",
    name: "uriTemplate",
    capability: "resources",
    title: "Resource templates",
};
pub(in crate::command) const PROMPTS: Kind = Kind {
    method: "prompts/list",
    member: "prompts",
    name: "name",
    capability: "prompts",
    title: "Prompts",
};

/// What a server listed.
pub(in crate::command) struct Listed {
    pub kind: Kind,
    /// The results of all pages as one, with the items as they came.
    pub result: String,
    /// The JSON texts of the items.
    pub items: Vec<String>,
}

impl Listed {
    /// Only the item of a name.
    pub fn find(&self, name: &str) -> Option<&str> {
        let is_it = |item: &&String| {
            [self.kind.name, "name"]
                .iter()
                .any(|member| lookup_string(item.as_bytes(), &[member]).as_deref() == Some(name))
        };
        self.items.iter().find(is_it).map(String::as_str)
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .filter_map(|item| lookup_string(item.as_bytes(), &[self.kind.name]))
            .collect()
    }
}

impl Client {
    /// All pages of a list. With `--output raw` each response is printed as it comes, if `print` says so.
    pub(in crate::command) async fn list(&self, kind: Kind, print: bool) -> Result<Listed, Stop> {
        let mut items = Vec::new();
        let mut first: Option<String> = None;
        let mut cursors = HashSet::new();
        let mut size = 0;
        let mut params = "{}".to_owned();
        for _ in 0..MAX_PAGES {
            let (answer, result) = self.ask_for(kind.method, &params, print).await?;
            if print && self.output.get() == OutputArg::Raw {
                self.print_json(answer.bytes())?;
            }
            let list = lookup(result.as_bytes(), &[kind.member]).and_then(elements);
            let Some(list) = list else {
                return Err(wrong(format!("the result of {} has no {}", kind.method, kind.member)));
            };
            size += result.len();
            items.extend(list.into_iter().map(str::to_owned));
            let cursor = lookup_string(result.as_bytes(), &["nextCursor"]);
            let only = first.is_none() && cursor.is_none();
            let whole = first.get_or_insert(result);
            let Some(cursor) = cursor else {
                let all = format!("[{}]", items.join(","));
                let patch = Patch::new().set(&[kind.member], all).remove(&["nextCursor"]);
                // One page is printed as it came.
                let joined = if only { None } else { patch.apply(whole.as_bytes()) };
                let result = match joined.map(|bytes| String::from_utf8(bytes.to_vec())) {
                    Some(Ok(joined)) => joined,
                    _ => whole.clone(),
                };
                return Ok(Listed { kind, result, items });
            };
            if size > MAX_MESSAGE_SIZE || !cursors.insert(cursor.clone()) {
                break;
            }
            params = json!({ "cursor": cursor }).to_string();
        }
        Err(wrong(format!("the list of {} does not come to an end", kind.member)))
    }

    /// Prints lists, or one item of them.
    pub(super) async fn print_lists(&self, kinds: &[Kind], name: Option<&str>) -> Result<(), Stop> {
        let mut lists = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            // A server that has resources need not know of templates.
            match self.list(*kind, true).await {
                Err(Stop::Refused(refusal)) if number > 0 && refusal.said().is_some() => {}
                list => lists.push(list?),
            }
        }
        if self.output.get() == OutputArg::Raw {
            self.keep(&joined(&lists));
            return Ok(());
        }
        if let Some(name) = name {
            let found = lists.iter().find_map(|list| Some((list.kind, list.find(name)?)));
            let Some((kind, item)) = found else {
                let names: Vec<String> = lists.iter().flat_map(Listed::names).collect();
                return Err(Stop::Usage(vec![self.unknown(name, &names)]));
            };
            self.keep(item);
            if self.output.get() == OutputArg::Json {
                return self.print_json(item.as_bytes());
            }
            return super::write(&[describe::item(self, kind, item).as_bytes()]);
        }
        let result = joined(&lists);
        self.keep(&result);
        if self.output.get() == OutputArg::Json {
            return self.print_json(result.as_bytes());
        }
        let texts: Vec<String> = lists.iter().map(|list| describe::list(self, list)).collect();
        super::write(&[texts.join("\n").as_bytes()])
    }

    /// That there is no such thing, and what may be meant.
    pub(super) fn unknown(&self, name: &str, names: &[String]) -> String {
        let clean = |text: &str| self.redactor.clean(text, MAX_LOGGED_TEXT);
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!(
                "{}: the server has none of that name; is {} meant?",
                clean(name),
                clean(near)
            ),
            None if names.is_empty() => format!("{}: the server has none", clean(name)),
            None => format!("{}: the server has none of that name", clean(name)),
        }
    }

    /// Everything that a server says of itself.
    pub(super) async fn inspect(&self) -> Result<(), Stop> {
        let introduction = self.peer.introduction();
        let mut lists = Vec::new();
        for kind in [TOOLS, RESOURCES, TEMPLATES, PROMPTS] {
            if !introduction.declares(kind.capability) {
                continue;
            }
            match self.list(kind, false).await {
                Err(Stop::Refused(refusal))
                    if kind.member == TEMPLATES.member && refusal.said().is_some() => {}
                list => lists.push(list?),
            }
        }
        let mut out = format!(
            r#"{{"revision":{},"era":{},"transport":{},"server":{}"#,
            Value::from(introduction.revision.as_str()),
            Value::from(describe::era(introduction)),
            Value::from(introduction.transport()),
            introduction.result,
        );
        for list in &lists {
            out.push_str(&format!(r#","{}":[{}]"#, list.kind.member, list.items.join(",")));
        }
        out.push('}');
        self.keep(&out);
        if self.output.get() != OutputArg::Text {
            return self.print_json(out.as_bytes());
        }
        let mut text = describe::server(self, introduction);
        for list in &lists {
            text.push('\n');
            text.push_str(&describe::list(self, list));
        }
        super::write(&[text.as_bytes()])
    }
}

/// Several lists as one result.
fn joined(lists: &[Listed]) -> String {
    let Some((first, others)) = lists.split_first() else { return String::new() };
    let mut result = first.result.clone();
    for list in others {
        let all = format!("[{}]", list.items.join(","));
        let joined = Patch::new().set(&[list.kind.member], all).apply(result.as_bytes());
        result = joined.and_then(|b| String::from_utf8(b.to_vec()).ok()).unwrap_or(result);
    }
    result
}

fn wrong(text: String) -> Stop {
    Failure::new(FailureKind::InvalidResponse, text).into()
}
