//! The lists that a server may announce changes of, as data.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// The capability that has `listChanged`.
    pub capability: &'static str,
    /// The member of the filter of a `subscriptions/listen` (2026-07-28, basic/patterns/subscriptions).
    pub filter: &'static str,
    /// The notification.
    pub notification: &'static str,
}

/// All of them.
pub const LISTS: [List; 3] = [
    List {
        capability: "tools",
        filter: "toolsListChanged",
        notification: "notifications/tools/list_changed",
    },
    List {
        capability: "prompts",
        filter: "promptsListChanged",
        notification: "notifications/prompts/list_changed",
    },
    List {
        capability: "resources",
        filter: "resourcesListChanged",
        notification: "notifications/resources/list_changed",
    },
];
