//! The filter of `subscriptions/listen`, and what the server granted of it.

use std::collections::BTreeMap;

use super::super::peers::quoted;
use crate::era::lists::LISTS;
use crate::jsonrpc::{Message, member, splice};
use crate::order;

/// What the client wants to hear of (2026-07-28, basic/patterns/subscriptions, "Notification
/// Filter").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// The lists, in the order of [`LISTS`].
    pub lists: [bool; LISTS.len()],
    /// Resources: the URI, and its JSON text as it was spelled.
    pub resources: BTreeMap<String, String>,
}

impl Filter {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.lists == [false; LISTS.len()] && self.resources.is_empty()
    }

    /// What the server's acknowledgement grants ("Acknowledgment").
    pub fn granted(acknowledgement: &Message) -> Filter {
        let bytes = acknowledgement.bytes();
        let path = |name| ["params", "notifications", name];
        let uris = member::lookup(bytes, &path("resourceSubscriptions")).and_then(splice::elements);
        let uri = |text: &str| serde_json::from_str::<String>(text).ok();
        Filter {
            lists: LISTS.map(|list| member::is_true(bytes, &path(list.filter))),
            resources: order::map(
                uris.unwrap_or_default()
                    .into_iter()
                    .filter_map(|text| Some((uri(text)?, text.to_owned()))),
            ),
        }
    }

    /// Its JSON text.
    pub fn json(&self) -> String {
        let wanted = LISTS.iter().zip(self.lists).filter(|(_, wanted)| *wanted);
        let mut members: Vec<String> =
            wanted.map(|(list, _)| format!("{}:true", quoted(list.filter))).collect();
        if !self.resources.is_empty() {
            let uris: Vec<&str> = self.resources.values().map(String::as_str).collect();
            members.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        format!("{{{}}}", members.join(","))
    }
}
