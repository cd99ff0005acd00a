//! `initialize` and `server/discover`.

use super::*;

fn answered(initialize: &Message, discovered: &str) -> String {
    let mut actions = Vec::new();
    LegacyClient::open(Some(initialize), discovered, false, &mut actions);
    match actions.as_slice() {
        [Action::Answer(bytes)] => text(bytes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn initialize_is_answered_from_what_the_server_said() {
    let discovered = r#"{ "resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true,"x":1.0},"extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}}},"instructions":"Do \u0061.","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"S","version":"1","icons":[]},"k":1},"ttlMs":12345678901234567890,"cacheScope":"public","other":[1.0] }"#;
    assert_eq!(
        answered(&initialize("2025-06-18", "{}"), discovered),
        r#"{"jsonrpc":"2.0","id":0,"result":{ "capabilities":{"tools":{"listChanged":true,"x":1.0},"extensions":{"a/b":{}}},"instructions":"Do \u0061.","_meta":{"k":1},"other":[1.0],"protocolVersion":"2025-06-18","serverInfo":{"name":"S","version":"1","icons":[]} }}"#
    );
    // Who knows the extension is told of it.
    let capabilities = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    let told = answered(&initialize("2025-11-25", capabilities), discovered);
    assert!(told.contains(r#""extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}}"#));
}

#[test]
fn the_revision_is_negotiated() {
    for (requested, got) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-10-07", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let answer: Value =
            serde_json::from_str(&answered(&initialize(requested, "{}"), PLAIN)).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], got);
    }
}

#[test]
fn what_a_strict_client_needs_is_there() {
    for (discovered, expected) in [
        // An early server: its name in the body.
        (
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{},"serverInfo":{"name":"E","version":"2"}}"#,
            r#"{"capabilities":{},"serverInfo":{"name":"E","version":"2"},"protocolVersion":"2025-11-25"}"#,
        ),
        // Both places: the one of the specification counts.
        (
            r#"{"capabilities":{},"serverInfo":{"name":"E"},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"M","version":"2"}}}"#,
            r#"{"capabilities":{},"serverInfo":{"name":"M","version":"2"},"protocolVersion":"2025-11-25"}"#,
        ),
        (
            r#"{"supportedVersions":["2026-07-28"],"instructions":null}"#,
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"unknown","version":"unknown"}}"#,
        ),
        (
            r#"{"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}},"serverInfo":{"name":"E"}}"#,
            r#"{"capabilities":{},"serverInfo":{"name":"E","version":"unknown"},"protocolVersion":"2025-11-25"}"#,
        ),
        // Not even an object: the handshake does not depend on it.
        (
            "null",
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"unknown","version":"unknown"}}"#,
        ),
    ] {
        assert_eq!(
            answered(&initialize("2025-11-25", "{}"), discovered),
            format!(r#"{{"jsonrpc":"2.0","id":0,"result":{expected}}}"#)
        );
    }
}

#[test]
fn the_probe_is_a_modern_request_of_the_client() {
    let capabilities =
        r#"{"roots":{"listChanged":true},"tasks":{"list":{}},"x":12345678901234567890}"#;
    assert_eq!(
        text(&discover_request(
            "\"p\"",
            Some(&initialize("2025-11-25", capabilities)),
            "2026-07-28"
        )),
        r#"{"jsonrpc":"2.0","id":"p","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"C","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{"roots":{"listChanged":true},"x":12345678901234567890}}}}"#
    );
    let ours = format!(r#"{{"name":"mcp-tether","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let odd = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":7}}"#;
    for initialize in [None, Some(&message(odd, Source::Client))] {
        let probe = discover_request("1", initialize, "2026-07-28");
        let meta = |key| member::lookup(&probe, &["params", "_meta", key]);
        assert_eq!(meta(CLIENT_INFO), Some(ours.as_str()));
        assert_eq!(meta(CLIENT_CAPABILITIES), Some("{}"));
    }
}

#[test]
fn an_answered_client_gets_no_second_answer() {
    let mut actions = Vec::new();
    LegacyClient::open(Some(&initialize("2025-11-25", "{}")), DISCOVERED, true, &mut actions);
    assert_eq!(actions, []);
}

#[test]
fn a_client_without_a_handshake_is_served() {
    let mut actions = Vec::new();
    let mut adapter = LegacyClient::open(None, DISCOVERED, false, &mut actions);
    // Nothing is waited for before its subscriptions.
    assert!(matches!(&actions[..], [Action::ToServer(LINK, listen), Action::Wake(..)]
        if text(listen).contains("subscriptions/listen")));
    actions.clear();
    let list = message(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, Source::Client);
    adapter.take_from_client(&list, &mut actions);
    let [Action::ToServer(LINK, request)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(member::lookup(request, &["params", "_meta", CLIENT_CAPABILITIES]), Some("{}"));
}

#[test]
fn a_second_initialize_starts_over() {
    let mut bench = Bench::open("2025-11-25", r#"{"elicitation":{}}"#, DISCOVERED);
    bench.server(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"mcp-tether/1"},"notifications":{"toolsListChanged":true}}}"#);
    bench.client(
        r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}"#,
    );
    bench.client(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    bench.client(r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t"}}"#);
    let asked = bench.server(r#"{"jsonrpc":"2.0","id":3,"result":{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}}}}"#);
    assert!(asked[0].starts_with("client "), "{asked:?}");
    bench.client(
        r#"{"jsonrpc":"2.0","id":4,"method":"resources/subscribe","params":{"uri":"a:b"}}"#,
    );

    let again = text(initialize("2025-06-18", "{}").bytes());
    let done = bench.client(&again);
    assert!(done[0].starts_with(r#"client {"jsonrpc":"2.0","method":"notifications/cancelled""#));
    assert_error(&done[1], "3", -31023);
    assert!(done[2].starts_with(r#"server {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mcp-tether/1""#));
    assert!(done[3].starts_with(r#"server {"jsonrpc":"2.0","method":"notifications/cancelled""#));
    assert_error(&done[4], "4", -31023);
    assert!(done[5].contains(r#""protocolVersion":"2025-06-18""#));
    assert_eq!(done.len(), 6);

    // What the server has goes on; the level is forgotten; the streams wait for `initialized`.
    let listed = bench.server(r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[]}}"#);
    assert_eq!(listed, [r#"answer {"jsonrpc":"2.0","id":2,"result":{"tools":[]}}"#]);
    let sent = bench.client(r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#);
    assert_eq!(sent, [r#"server {"jsonrpc":"2.0","id":5,"method":"tools/list"}"#]);
    let started = bench.client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert!(started[0].contains("subscriptions/listen"));
}
