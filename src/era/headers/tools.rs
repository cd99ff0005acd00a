//! What is known of the server's tools, and which of them must not be shown.

use std::collections::HashMap;

use bytes::Bytes;

use super::schema::{ANNOTATION, Fault, Param, annotated, mentions};
use super::{last, value};
use crate::jsonrpc::splice::{Patch, elements, members};
use crate::jsonrpc::{Kind, Message, member};
use crate::limits::{MAX_LOGGED_TEXT, MAX_MIRRORED_NAMES, MAX_MIRRORED_TOOLS};
use crate::secret::{neutralise, truncate};

/// The arguments of tools that are mirrored into headers (2026-07-28, server/tools, "x-mcp-header"),
/// learnt from the answers to `tools/list`.
///
/// A listing has as many pages as the server likes. Until its last page has come, what the listing
/// before said of tools that have not come again still counts.
#[derive(Debug, Default)]
pub struct ToolHeaders {
    tools: HashMap<String, Known>,
    listing: u64,
}

#[derive(Debug)]
struct Known {
    params: Vec<Param>,
    listing: u64,
}

/// What an answer to `tools/list` changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The answer without the tools that must not be shown; `None` if all may be shown as they are.
    pub filtered: Option<Bytes>,
    /// The tools that must not be shown. Each is worth a warning.
    pub rejected: Vec<Rejected>,
    /// Tools that are shown but not remembered, because there are too many: calls of them lack their
    /// headers.
    pub unremembered: usize,
}

/// A tool whose annotations are invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its name, as it can be shown.
    pub tool: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl ToolHeaders {
    /// Reads the answer to a `tools/list`; `first_page` if that had no cursor. Errors change nothing.
    ///
    /// An answer that mentions no annotation is only searched.
    pub fn learn(&mut self, response: &Message, first_page: bool) -> Learned {
        let mut learned = Learned::default();
        if !matches!(response.kind(), Kind::Response { error: false, .. }) {
            return learned;
        }
        let Ok(text) = std::str::from_utf8(response.bytes()) else { return learned };
        self.listing += u64::from(first_page);
        if mentions(text, ANNOTATION) {
            self.read(text, &mut learned);
        }
        let more = mentions(text, "nextCursor")
            && member::lookup(text.as_bytes(), &["result", "nextCursor"])
                .is_some_and(|cursor| cursor != "null");
        if !more {
            self.forget_earlier();
        }
        learned
    }

    /// Forgets all tools, as when the server turns out to be another one.
    pub fn forget(&mut self) {
        self.tools.clear();
    }

    /// The mirrored arguments of a tool.
    pub(super) fn of(&self, tool: &str) -> Option<&[Param]> {
        self.tools.get(tool).map(|known| &*known.params)
    }

    fn read(&mut self, text: &str, learned: &mut Learned) {
        let Some(list) = member::lookup(text.as_bytes(), &["result", "tools"]) else { return };
        let Some(tools) = elements(list) else { return };
        let mut kept = vec![true; tools.len()];
        for (tool, kept) in tools.iter().zip(&mut kept) {
            let mentioned = mentions(tool, ANNOTATION);
            if !mentioned && self.tools.is_empty() {
                continue;
            }
            let Some(members) = members(tool) else { continue };
            let name = last(&members, "name").and_then(value::string).unwrap_or_default();
            let params = match last(&members, "inputSchema").filter(|_| mentioned) {
                Some(schema) => annotated(schema),
                None => Ok(Vec::new()),
            };
            match params {
                Ok(params) => self.remember(name, params, learned),
                Err(fault) => {
                    *kept = false;
                    let tool = truncate(&neutralise(&name), MAX_LOGGED_TEXT);
                    learned.rejected.push(Rejected { tool, fault });
                }
            }
        }
        if !learned.rejected.is_empty() {
            let list = only(list, &tools, &kept);
            learned.filtered = Patch::new().set(&["result", "tools"], list).apply(text.as_bytes());
        }
    }

    fn remember(&mut self, name: String, params: Vec<Param>, learned: &mut Learned) {
        if params.is_empty() {
            self.tools.remove(&name);
            return;
        }
        if self.tools.len() >= MAX_MIRRORED_TOOLS && !self.tools.contains_key(&name) {
            self.forget_earlier();
        }
        let room = self.tools.len() < MAX_MIRRORED_TOOLS || self.tools.contains_key(&name);
        if room && name.len() <= MAX_MIRRORED_NAMES {
            self.tools.insert(name, Known { params, listing: self.listing });
        } else {
            learned.unremembered += 1;
        }
    }

    fn forget_earlier(&mut self) {
        self.tools.retain(|_, known| known.listing == self.listing);
    }
}

/// The array `list` with those of its `elements` that are `kept`, and the bytes between them.
fn only(list: &str, elements: &[&str], kept: &[bool]) -> String {
    let place = |element: &str| element.as_ptr() as usize - list.as_ptr() as usize;
    let mut out = String::with_capacity(list.len());
    let mut end = elements.first().map_or(list.len(), |first| place(first));
    out.push_str(&list[..end]);
    let mut empty = true;
    for (element, kept) in elements.iter().zip(kept) {
        let between = &list[end..place(element)];
        end = place(element) + element.len();
        if *kept {
            // The first one that is kept has nothing before it.
            if !empty {
                out.push_str(between);
            }
            empty = false;
            out.push_str(element);
        }
    }
    out.push_str(&list[end..]);
    out
}
