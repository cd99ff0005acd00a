//! Lines of a client and of a server, and moments, through both adapters. `c`, `s` and `t` at the
//! beginning of a line say which it is. Whatever comes, the adapters hand out messages, each for the
//! side that understands it.
use bytes::Bytes;
use mcp_tether::era::legacy_client::LegacyClient;
use mcp_tether::era::modern_client::ModernClient;
use mcp_tether::era::{Action, Adapter, Link};
use mcp_tether::jsonrpc::{Kind, Message, Source};

const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}}"#;

fn drive(mut adapter: Box<dyn Adapter>, mut actions: Vec<Action>, input: &[u8]) {
    let mut wakes = Vec::new();
    for line in input.split(|byte| *byte == b'\n').take(64) {
        let Some((&from, text)) = line.split_first() else { continue };
        let text = Bytes::copy_from_slice(text);
        match from {
            b'c' => {
                if let Ok(message) = Message::parse(text, Source::Client) {
                    adapter.take_from_client(&message, &mut actions);
                }
            }
            b's' => {
                if let Ok(message) = Message::parse(text, Source::Server) {
                    adapter.take_from_server(Link(0), &message, None, &mut actions);
                }
            }
            _ => {
                if let Some(token) = wakes.pop() {
                    adapter.wake(token, &mut actions);
                    assert!(!adapter.awaits(token), "a time comes once");
                }
            }
        }
        for action in actions.drain(..) {
            match action {
                Action::ToClient(bytes) => {
                    // As lenient as with any server: it may have left `jsonrpc` out.
                    let message = Message::parse(bytes, Source::Server).expect("a message");
                    assert!(!matches!(message.kind(), Kind::Response { .. }));
                }
                Action::Answer(bytes) => {
                    let message = Message::parse(bytes, Source::Server).expect("a message");
                    assert!(matches!(message.kind(), Kind::Response { .. }));
                }
                Action::ToServer(_, bytes) => {
                    Message::parse(bytes, Source::Client).expect("a message");
                }
                Action::Wake(_, token) => wakes.push(token),
                Action::Close(_) => {}
            }
        }
    }
    adapter.end(&mut actions);
}

/// One input.
pub fn run(input: &[u8]) {
    let mut actions = Vec::new();
    let legacy = LegacyClient::open(None, DISCOVERED, true, &mut actions);
    drive(Box::new(legacy), actions, input);
    drive(Box::new(ModernClient::new(7)), Vec::new(), input);
}
