//! What the server offers, for completion.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::command::client::{Client, Stop, lists, schema_of_prompt};
use crate::jsonrpc::member::lookup;
use crate::limits::MAX_COMPLETIONS;
use crate::secret::changes_direction;

/// A tool or a prompt.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub name: String,
    /// The schema of a tool's arguments; for a prompt, one with their names.
    pub schema: Value,
}

/// What can be typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalogue {
    pub tools: Vec<Named>,
    pub prompts: Vec<Named>,
    pub resources: Vec<String>,
    pub templates: Vec<String>,
    /// Whether the server completes arguments.
    pub completes: bool,
}

impl Catalogue {
    /// Asks for all lists. What cannot be had stays as it was.
    pub(super) async fn fetch(client: &Client, into: &Shared) {
        let introduction = client.peer.introduction();
        into.lock().completes = introduction.declares("completions");
        for kind in [lists::TOOLS, lists::PROMPTS, lists::RESOURCES, lists::TEMPLATES] {
            if !introduction.declares(kind.capability) {
                continue;
            }
            let listed: Result<_, Stop> = client.list(kind, false).await;
            // Whoever wants to know what is wrong can ask for the list.
            let Ok(listed) = listed else { continue };
            let names = listed.names();
            let items = names.into_iter().zip(&listed.items).filter(|(name, _)| can_be_typed(name));
            let items = items.take(MAX_COMPLETIONS);
            let mut into = into.lock();
            match kind.member {
                "tools" => {
                    let schema = |item: &str| {
                        let schema = lookup(item.as_bytes(), &["inputSchema"])?;
                        serde_json::from_str(schema).ok()
                    };
                    into.tools = items
                        .map(|(name, item)| Named {
                            name,
                            schema: schema(item).unwrap_or_default(),
                        })
                        .collect();
                }
                "prompts" => {
                    let schema = |item: &str| {
                        let prompt: Value = serde_json::from_str(item).unwrap_or_default();
                        schema_of_prompt(&prompt)
                    };
                    into.prompts =
                        items.map(|(name, item)| Named { name, schema: schema(item) }).collect();
                }
                "resources" => into.resources = items.map(|(uri, _)| uri).collect(),
                _ => into.templates = items.map(|(uri, _)| uri).collect(),
            }
        }
    }
}

/// Whether a text of the server may be put into a line on the terminal.
pub(super) fn can_be_typed(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_control() || changes_direction(c))
}

/// A catalogue that the editor looks into while it is fetched.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Catalogue>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Catalogue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
