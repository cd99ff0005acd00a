//! What the two sides have said about themselves.

use crate::era::lists::LISTS;
use crate::era::revisions::{self, Revision};
use crate::era::{CLIENT_CAPABILITIES, CLIENT_INFO, Era, PROTOCOL_VERSION};
use crate::jsonrpc::splice::{self, Patch};
use crate::jsonrpc::{Message, member};

/// The extension whose results may be task handles.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A legacy client, from its `initialize`.
#[derive(Debug)]
pub(super) struct Client {
    /// The revision that it gets.
    pub revision: &'static Revision,
    info: String,
    capabilities: String,
}

impl Client {
    /// A client that sent no `initialize` has declared nothing. Its requests carry our name, because
    /// a request should carry one (2026-07-28, basic, "`_meta`").
    pub fn new(initialize: Option<&Message>) -> Client {
        let bytes = initialize.map_or(&b"{}"[..], |message| message.bytes());
        let object = |path: &[&str]| {
            member::lookup(bytes, path).filter(|text| splice::members(text).is_some())
        };
        let requested = member::lookup_string(bytes, &["params", "protocolVersion"]);
        let capabilities = object(&["params", "capabilities"]).unwrap_or("{}");
        // Tasks of 2025-11-25 work otherwise than those of the extension; no modern server has them.
        let capabilities = Patch::new().remove(&["tasks"]).apply(capabilities.as_bytes());
        Client {
            revision: revisions::negotiated(requested.as_deref().unwrap_or_default()),
            info: object(&["params", "clientInfo"]).map_or_else(our_info, str::to_owned),
            capabilities: capabilities
                .map_or_else(|| "{}".into(), |text| String::from_utf8_lossy(&text).into_owned()),
        }
    }

    /// Adds to a request what every request carries. `version` is JSON text.
    pub fn describe<'a>(&'a self, patch: Patch<'a>, version: &'a str) -> Patch<'a> {
        patch
            .set(&["params", "_meta", PROTOCOL_VERSION], version)
            .set(&["params", "_meta", CLIENT_INFO], self.info.as_str())
            .set(&["params", "_meta", CLIENT_CAPABILITIES], self.capabilities.as_str())
    }

    /// Whether it declared the capability at this path.
    pub fn declares(&self, path: &[&str]) -> bool {
        member::lookup(self.capabilities.as_bytes(), path)
            .is_some_and(|value| !matches!(value, "null" | "false"))
    }

    /// Whether it shows forms. An elicitation capability without a mode means this one (2025-11-25,
    /// client/elicitation, "Capabilities").
    pub fn elicits_by_form(&self) -> bool {
        self.declares(&["elicitation"])
            && (self.declares(&["elicitation", "form"]) || !self.elicits_by_url())
    }

    /// Whether it leads people to a URL.
    pub fn elicits_by_url(&self) -> bool {
        self.declares(&["elicitation", "url"])
    }

    /// Whether it can handle tasks as a modern server has them.
    pub fn has_tasks(&self) -> bool {
        self.declares(&["extensions", TASKS])
    }
}

fn our_info() -> String {
    format!(r#"{{"name":"{}","version":"{}"}}"#, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// A modern server, from its answer to `server/discover`.
#[derive(Debug)]
pub(super) struct Server {
    /// The JSON text of its `DiscoverResult`.
    pub discovered: String,
    /// The revision that it is spoken to in, as JSON text.
    pub version: String,
    /// Whether it has log messages.
    pub logging: bool,
    /// Whether it announces changes of single resources.
    pub subscribe: bool,
    /// The lists, in the order of [`LISTS`], that it announces changes of.
    pub lists: [bool; 3],
}

impl Server {
    /// Reads the `result` of `server/discover`.
    pub fn new(discovered: &str) -> Server {
        let bytes = discovered.as_bytes();
        let supported = member::lookup(bytes, &["supportedVersions"])
            .and_then(splice::elements)
            .unwrap_or_default();
        let version = revisions::REVISIONS
            .iter()
            .filter(|revision| revision.era == Era::Modern)
            .find(|revision| {
                supported.iter().any(|text| {
                    serde_json::from_str::<String>(text).is_ok_and(|name| name == revision.name)
                })
            })
            .unwrap_or(revisions::newest(Era::Modern));
        let lists = LISTS
            .map(|list| member::is_true(bytes, &["capabilities", list.capability, "listChanged"]));
        Server {
            discovered: discovered.to_owned(),
            version: quoted(version.name),
            logging: member::lookup(bytes, &["capabilities", "logging"])
                .is_some_and(|value| !matches!(value, "null" | "false")),
            subscribe: member::is_true(bytes, &["capabilities", "resources", "subscribe"]),
            lists,
        }
    }
}

/// A string as JSON text.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
