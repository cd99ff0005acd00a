//! Tables of what comes in and what is done about it.

mod handshake;
mod input;
mod interleavings;
mod requests;
mod results;
mod streams;

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::era::{CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION};
use crate::jsonrpc::Source;
use crate::jsonrpc::splice::Patch;

/// A server that offers everything.
const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"logging":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"S","version":"1"}},"ttlMs":0,"cacheScope":"private"}"#;

/// A server that offers tools and nothing else.
const PLAIN: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"S","version":"1"}},"ttlMs":0,"cacheScope":"private"}"#;

const INFO: &str = r#"{"name":"C","version":"1.0"}"#;

fn message(text: &str, source: Source) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), source)
        .unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// An `initialize` with id 0.
fn initialize(revision: &str, capabilities: &str) -> Message {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{INFO}}}}}"#
    );
    message(&text, Source::Client)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An adapter, and what it wants done, as lines.
struct Bench {
    adapter: LegacyClient,
    wakes: Vec<(Duration, u64)>,
}

impl Bench {
    /// A client of this revision with these capabilities, which is initialized; the stream for the
    /// lists, if the server has any, is not acknowledged.
    fn open(revision: &str, capabilities: &str, discovered: &str) -> Bench {
        let mut bench = Bench::fresh(revision, capabilities, discovered);
        bench.client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        bench
    }

    /// The same before `notifications/initialized`.
    fn fresh(revision: &str, capabilities: &str, discovered: &str) -> Bench {
        let initialize = initialize(revision, capabilities);
        let adapter = LegacyClient::open(Some(&initialize), discovered, true, &mut Vec::new());
        Bench { adapter, wakes: Vec::new() }
    }

    fn client(&mut self, text: &str) -> Vec<String> {
        let mut actions = Vec::new();
        self.adapter.take_from_client(&message(text, Source::Client), &mut actions);
        self.lines(actions)
    }

    fn server(&mut self, text: &str) -> Vec<String> {
        let mut actions = Vec::new();
        self.adapter.take_from_server(LINK, &message(text, Source::Server), None, &mut actions);
        self.lines(actions)
    }

    /// Lets the last wake that was asked for with this time come.
    fn wake(&mut self, time: Duration) -> Vec<String> {
        let at = self.wakes.iter().rposition(|(asked, _)| *asked == time).expect("nobody asked");
        let (_, token) = self.wakes.remove(at);
        let mut actions = Vec::new();
        self.adapter.wake(token, &mut actions);
        self.lines(actions)
    }

    fn end(&mut self) -> Vec<String> {
        let mut actions = Vec::new();
        self.adapter.end(&mut actions);
        self.lines(actions)
    }

    /// What is done, one line each. Requests to the server are checked for their `_meta` and shown
    /// without it; wakes are kept.
    fn lines(&mut self, actions: Vec<Action>) -> Vec<String> {
        let line = |action| match action {
            Action::Answer(bytes) => {
                message(&text(&bytes), Source::Server);
                Some(format!("answer {}", text(&bytes)))
            }
            Action::ToClient(bytes) => {
                message(&text(&bytes), Source::Server);
                Some(format!("client {}", text(&bytes)))
            }
            Action::ToServer(link, bytes) => {
                assert_eq!(link, LINK);
                let id = message(&text(&bytes), Source::Client).id().is_some();
                Some(format!("server {}", if id { self.bare(&bytes) } else { text(&bytes) }))
            }
            Action::Wake(time, token) => {
                self.wakes.push((time, token));
                None
            }
            Action::Close(_) => panic!("the link lives as long as the adapter"),
        };
        actions.into_iter().filter_map(line).collect()
    }

    fn bare(&self, bytes: &Bytes) -> String {
        let meta = |key| member::lookup(bytes, &["params", "_meta", key]);
        assert_eq!(meta(PROTOCOL_VERSION), Some(r#""2026-07-28""#));
        assert_eq!(meta(CLIENT_INFO), Some(INFO));
        assert!(meta(CLIENT_CAPABILITIES).unwrap().starts_with('{'));
        let patch = Patch::new()
            .remove(&["params", "_meta", PROTOCOL_VERSION])
            .remove(&["params", "_meta", CLIENT_INFO])
            .remove(&["params", "_meta", CLIENT_CAPABILITIES])
            .prune(&["params", "_meta"])
            .prune(&["params"]);
        text(&patch.apply(bytes).unwrap())
    }
}

/// The answer with this error, whatever its words.
fn assert_error(line: &str, id: &str, code: i64) {
    let value: Value = serde_json::from_str(line.strip_prefix("answer ").expect(line)).unwrap();
    assert_eq!(value["id"].to_string(), id, "{line}");
    assert_eq!(value["error"]["code"], code, "{line}");
}
