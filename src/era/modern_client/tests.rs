//! The adapter by tables: what happens, and what it wants done.

mod interleavings;
mod logs;
mod parked;
mod questions;
mod requests;
mod sessions;
mod subscriptions;
mod transparency;

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::jsonrpc::Source;
use crate::limits::OWN_REQUEST_TIMEOUT;

/// The adapter, with its actions as text.
struct Rig {
    adapter: ModernClient,
    /// The last alarm that was asked for.
    alarm: u64,
    /// The last one for a request of our own, which is not among the actions.
    overdue: u64,
}

/// One of the actions, to be compared.
fn shown(action: &Action) -> String {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    match action {
        Action::Answer(bytes) => format!("answer {}", text(bytes)),
        Action::ToClient(bytes) => format!("client {}", text(bytes)),
        Action::ToServer(Link(link), bytes) => format!("server {link} {}", text(bytes)),
        Action::Close(Link(link)) => format!("close {link}"),
        Action::Wake(time, _) => format!("wake {time:?}"),
    }
}

impl Rig {
    fn new() -> Rig {
        Rig { adapter: ModernClient::new(7), alarm: 0, overdue: 0 }
    }

    fn done(&mut self, actions: &[Action]) -> Vec<String> {
        let mut rest = Vec::new();
        for action in actions {
            match action {
                Action::Wake(OWN_REQUEST_TIMEOUT, token) => self.overdue = *token,
                Action::Wake(_, token) => {
                    self.alarm = *token;
                    rest.push(shown(action));
                }
                _ => rest.push(shown(action)),
            }
        }
        rest
    }

    fn client(&mut self, text: &str) -> Vec<String> {
        let message = Message::parse(Bytes::from(text.to_owned()), Source::Client).unwrap();
        let mut actions = Vec::new();
        self.adapter.take_from_client(&message, &mut actions);
        self.done(&actions)
    }

    fn server_on(&mut self, link: u32, text: &str) -> Vec<String> {
        self.server_during(link, text, None)
    }

    /// What comes on the response stream of the request with the id `during`.
    fn server_during(&mut self, link: u32, text: &str, during: Option<&str>) -> Vec<String> {
        let during = during.map(|id| Id::from_raw(Bytes::from(id.to_owned())).unwrap());
        let message = Message::parse(Bytes::from(text.to_owned()), Source::Server).unwrap();
        let mut actions = Vec::new();
        self.adapter.take_from_server(Link(link), &message, during.as_ref(), &mut actions);
        self.done(&actions)
    }

    fn server(&mut self, text: &str) -> Vec<String> {
        self.server_on(0, text)
    }

    /// The result of the request with this id.
    fn result(&mut self, id: &str, result: &str) -> Vec<String> {
        self.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
    }

    fn wake(&mut self) -> Vec<String> {
        self.wake_for(self.alarm)
    }

    fn wake_for(&mut self, token: u64) -> Vec<String> {
        let mut actions = Vec::new();
        self.adapter.wake(token, &mut actions);
        self.done(&actions)
    }

    /// A session on link 0 with a server that has `capabilities`, for a client that declares
    /// `declared`.
    fn open(declared: &str, capabilities: &str) -> Rig {
        let mut rig = Rig::new();
        let actions = rig.client(&request_of(declared, "0", "server/discover", ""));
        let answered = rig.server(&initialized(&id_of(&actions, "initialize"), capabilities));
        assert_eq!(answered.len(), 2, "{answered:?}");
        rig
    }

    /// Gives a call of a tool to the server and returns the id that the server sees.
    fn call(&mut self, declared: &str, id: &str) -> String {
        let request = request_of(declared, id, "tools/call", r#","name":"t""#);
        id_of(&self.client(&request), "tools/call")
    }
}

const VERSION: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
const INFO: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"s","version":"1.0"}"#;

/// A modern request: declared capabilities, id, method, more members of `params`.
fn request_of(declared: &str, id: &str, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{{VERSION},"io.modelcontextprotocol/clientCapabilities":{declared}}}{params}}}}}"#
    )
}

fn request(id: &str, method: &str, params: &str) -> String {
    request_of("{}", id, method, params)
}

/// The answer to `initialize`.
fn initialized(id: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-06-18","capabilities":{capabilities},"serverInfo":{{"name":"s","version":"1.0"}}}}}}"#
    )
}

/// The messages for the server among some actions.
fn to_server(actions: &[String]) -> Vec<Value> {
    let messages = actions.iter().filter_map(|action| action.strip_prefix("server "));
    messages.map(|text| serde_json::from_str(text.split_once(' ').unwrap().1).unwrap()).collect()
}

/// The id, as JSON, of the request for `method` among some actions.
fn id_of(actions: &[String], method: &str) -> String {
    let sent = to_server(actions);
    let request =
        sent.iter().find(|message| message["method"] == method && !message["id"].is_null());
    request.unwrap_or_else(|| panic!("no {method} in {actions:?}"))["id"].to_string()
}

/// The one answer among some actions.
fn answer(actions: &[String]) -> Value {
    let answers: Vec<_> = actions.iter().filter_map(|one| one.strip_prefix("answer ")).collect();
    assert_eq!(answers.len(), 1, "{actions:?}");
    serde_json::from_str(answers[0]).unwrap()
}

/// The code of the error that is the one action.
fn refused(actions: &[String]) -> i64 {
    assert_eq!(actions.len(), 1, "{actions:?}");
    answer(actions)["error"]["code"].as_i64().unwrap()
}

/// What the client must show when it brings answers.
fn state_of(actions: &[String]) -> String {
    answer(actions)["result"]["requestState"].to_string()
}

/// The members of `params` of a retry of [`Rig::call`].
fn retry(state: &str, responses: &str) -> String {
    format!(r#","name":"t","requestState":{state},"inputResponses":{responses}"#)
}
