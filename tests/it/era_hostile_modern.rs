//! A modern client in front of a legacy server, where one of them is awkward or hostile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::modern::{ask, cancel, request};
use crate::support::*;

fn legacy_server() -> Server {
    let server = Server::start();
    server.mcp().set(|s| {
        s.strict = false;
        s.capabilities = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;
    });
    server
}

/// Sets of capabilities that have a session each.
const SETS: [&str; 5] = [
    "{}",
    r#"{"roots":{}}"#,
    r#"{"sampling":{}}"#,
    r#"{"elicitation":{}}"#,
    r#"{"roots":{},"sampling":{}}"#,
];

/// The result of `initialize`, in the session `session`.
fn opened(request: &Request, session: &str) -> Reply {
    let result = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"scripted","version":"1"}}"#;
    Reply::json(request.result(result)).header("mcp-session-id", session)
}

/// The sessions that were ended, in order.
fn deleted(server: &Server) -> Vec<String> {
    let requests = server.seen("DELETE");
    let mut ended: Vec<String> = requests
        .iter()
        .map(|request| request.header("mcp-session-id").unwrap_or("none").to_owned())
        .collect();
    ended.sort();
    ended
}

#[test]
fn a_client_that_falls_back_while_the_server_is_being_asked() {
    let server = legacy_server();
    let gate = Gate::new();
    server.once(DISCOVER, Reply::body(400, "text/plain", "Bad Request").after(&gate));
    let bridge = Bridge::start(&server);
    bridge.send(request("\"d\"", "server/discover", "", "{}"));
    bridge.send(request(1, "tools/call", r#""name":"x","#, "{}"));
    server.wait(DISCOVER, 1);
    cancel(&bridge, "\"d\"");
    cancel(&bridge, 1);
    bridge.send(INITIALIZE);
    std::thread::sleep(Duration::from_millis(100));
    gate.open();
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
    assert_eq!(server.seen("tools/call").len(), 0);
    assert_eq!(deleted(&server), ["session-1"]);
}

#[test]
fn a_client_that_falls_back_while_a_session_is_being_opened() {
    let server = legacy_server();
    let gate = Gate::new();
    let (held, count) = (gate.clone(), AtomicUsize::new(0));
    server.maybe("initialize", move |request| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| opened(request, "left").after(&held))
    });
    let bridge = Bridge::start(&server);
    bridge.send(request("\"d\"", "server/discover", "", "{}"));
    server.wait("initialize", 1);
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    gate.open();
    server.wait("DELETE", 1);
    bridge.find("an answer to the question", |line| line.answers("\"d\""));
    bridge.finish().clean();
    assert_eq!(deleted(&server), ["left", "session-1"]);
}

#[test]
fn every_session_of_a_client_that_falls_back_is_ended() {
    let server = legacy_server();
    server.maybe("DELETE", |_| Some(Reply::status(204).late(Duration::from_millis(700))));
    let bridge = Bridge::start(&server);
    for (id, capabilities) in (1..4).zip(SETS) {
        bridge.send(request(id, "tools/list", "", capabilities));
        bridge.answer(id).result();
    }
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.finish().clean();
    assert_eq!(deleted(&server), ["session-1", "session-2", "session-3", "session-4"]);
}

#[test]
fn a_session_that_was_ended_is_not_made_anew() {
    let server = legacy_server();
    let gate = Gate::new();
    let held = gate.clone();
    server.always("notifications/cancelled", move |_| {
        Reply::body(404, "text/plain", "no such session").after(&held)
    });
    server.once("tools/call", Reply::never());
    let bridge = Bridge::start(&server);
    bridge.send(request(1, "tools/call", r#""name":"x","#, SETS[0]));
    server.wait("tools/call", 1);
    cancel(&bridge, 1);
    server.wait("notifications/cancelled", 1);
    for (id, capabilities) in (2..6).zip(&SETS[1..]) {
        bridge.send(request(id, "tools/list", "", capabilities));
        bridge.answer(id).result();
    }
    server.wait("DELETE", 1);
    gate.open();
    std::thread::sleep(Duration::from_millis(500));
    ask(&bridge, 9, "tools/list", "").result();
    bridge.finish().clean();
    // The first one again for the last request.
    assert_eq!(server.seen("initialize").len(), 6);
    assert_eq!(deleted(&server).len(), 6);
}

#[test]
fn a_client_that_does_not_read_does_not_keep_the_bridge_from_ending() {
    let server = legacy_server();
    let mut bridge = Bridge::with(&server.url()).unread().start();
    bridge.send(request(
        1,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true},"#,
        "{}",
    ));
    let stream = {
        server.wait("GET", 1);
        server.mcp().stream()
    };
    let large = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"x":"{}"}}}}"#,
        "x".repeat(64 << 10)
    );
    let chunk = bytes::Bytes::from(event(&large));
    let writer = std::thread::spawn(move || while stream.send(chunk.clone()) {});
    std::thread::sleep(Duration::from_millis(1000));
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < 40 << 20, "{} bytes", bridge.peak_memory());
    let start = std::time::Instant::now();
    bridge.close_stdin();
    bridge.wait_unread();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    drop(server);
    writer.join().unwrap();
}

#[test]
fn a_server_that_never_answers_what_the_client_did_not_ask() {
    let server = legacy_server();
    for kind in ["logging/setLevel", "resources/subscribe"] {
        server.always(kind, |_| Reply::never());
    }
    let bridge = Bridge::start(&server);
    bridge.send(
        request(1, "tools/list", "", "{}")
            .replace("\"_meta\":{", "\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"debug\","),
    );
    bridge.send(request(
        2,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:/1"]},"#,
        "{}",
    ));
    bridge.answer(1).result();
    let acknowledged = bridge.incoming("notifications/subscriptions/acknowledged").value();
    assert_eq!(
        acknowledged["params"]["notifications"],
        serde_json::json!({"toolsListChanged": true})
    );
    server.mcp().push(event(&notification("notifications/tools/list_changed")));
    bridge.incoming("notifications/tools/list_changed");
}

#[test]
fn a_thousand_calls_at_once() {
    let server = legacy_server();
    let gate = Gate::new();
    let held = gate.clone();
    server.maybe("tools/call", move |request| {
        Some(Reply::json(request.result(r#"{"content":[]}"#)).after(&held))
    });
    let bridge = Bridge::start(&server);
    ask(&bridge, "\"first\"", "tools/list", "").result();
    for id in 0..1024 {
        bridge.send(request(id, "tools/call", r#""name":"x","#, "{}"));
    }
    bridge.send(request(2000, "tools/call", r#""name":"x","#, "{}"));
    bridge.answer(2000).failed("overloaded");
    gate.open();
    for id in 0..1024 {
        bridge.answer(id).result();
    }
    ask(&bridge, "\"last\"", "tools/list", "").result();
    bridge.finish().clean();
}

#[test]
fn a_subscription_that_comes_just_before_the_end() {
    let server = legacy_server();
    let gate = Gate::new();
    server.once(DISCOVER, Reply::status(404).after(&gate));
    let mut bridge = Bridge::start(&server);
    bridge.send(request(
        1,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true},"#,
        "{}",
    ));
    server.wait(DISCOVER, 1);
    bridge.close_stdin();
    assert_eq!(bridge.answer(1).result()["resultType"], "complete");
    gate.open();
    bridge.wait().clean();
}

#[test]
fn a_server_that_asks_before_it_answers_initialize() {
    let server = legacy_server();
    server.mcp().set(|s| s.sessions = false);
    let feed = Feed::new();
    server.once("initialize", Reply::feed(&feed).header("mcp-session-id", "early"));
    let bridge = Bridge::start(&server);
    bridge.send(request(1, "tools/list", "", r#"{"roots":{}}"#));
    let initialize = server.wait("initialize", 1)[0].clone();
    feed.send(event(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#));
    feed.send(event(r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#));
    for response in server.wait("response", 2) {
        assert_eq!(response.header("mcp-session-id"), Some("early"));
        assert_eq!(response.text().contains("-32601"), response.id.as_deref() == Some("8"));
    }
    let result = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"scripted","version":"1"}}"#;
    feed.send(event(&initialize.result(result)));
    feed.end();
    bridge.answer(1).result();
    bridge.finish().clean();
    assert_eq!(deleted(&server), ["early"]);
}

#[test]
fn a_session_that_is_refused_is_ended() {
    for answer in [
        r#""result":{"protocolVersion":"2031-01-01","capabilities":{}}"#,
        r#""error":{"code":-31999,"message":"closed today"}"#,
    ] {
        let server = legacy_server();
        server.always("initialize", move |request| {
            let id = request.id.as_deref().unwrap();
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},{answer}}}"#);
            Reply::json(body).header("mcp-session-id", "refused")
        });
        let bridge = Bridge::start(&server);
        assert!(ask(&bridge, 1, "tools/list", "").is_error);
        server.wait("DELETE", 1);
        bridge.finish().clean();
        assert_eq!(deleted(&server), ["refused"]);
    }
}

#[cfg(unix)]
#[test]
fn a_sign_in_while_a_session_is_being_opened() {
    let realm = Realm::with(|o| o.guards = |r| r.kind != DISCOVER);
    realm.mcp.mcp().set(|s| s.strict = false);
    realm.browser.hold();
    let bridge = realm.bridge().arg("--initialize-deadline=500ms").start();
    bridge.send(request("\"d\"", "server/discover", "", "{}"));
    realm.browser.wait_opened(1);
    let provisional = bridge.answer("\"d\"").result();
    assert_eq!(provisional["capabilities"]["tools"]["listChanged"], true, "{provisional}");
    bridge.send(request(1, "tools/list", "", "{}"));
    bridge.send(request(2, "tools/call", r#""name":"x","#, "{}"));
    bridge.send(request(3, "tools/call", r#""name":"y","#, "{}"));
    cancel(&bridge, 3);
    bridge.send(request(
        4,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true},"#,
        "{}",
    ));
    bridge.incoming("notifications/subscriptions/acknowledged");
    assert_eq!(browser::follow(&realm.browser.opened()[0]).unwrap().status, 200);
    assert_eq!(bridge.answer(1).result()["tools"][0]["name"], "echo");
    bridge.answer(2).result();
    bridge.incoming("notifications/tools/list_changed");
    cancel(&bridge, 4);
    ask(&bridge, 5, "tools/list", "").result();
    bridge.finish().clean();
    assert!(realm.mcp.seen("tools/call").iter().all(|call| !call.text().contains("\"y\"")));
    assert_eq!(deleted(&realm.mcp), ["session-1"]);
}

#[cfg(unix)]
#[test]
fn a_sign_in_before_the_era_of_the_server_is_known() {
    let realm = Realm::new();
    realm.browser.hold();
    let bridge = realm.bridge().arg("--initialize-deadline=500ms").start();
    bridge.send(request(1, "server/discover", "", "{}"));
    bridge.send(request(2, "tools/list", "", "{}"));
    realm.browser.wait_opened(1);
    cancel(&bridge, 1);
    assert_eq!(browser::follow(&realm.browser.opened()[0]).unwrap().status, 200);
    bridge.answer(2).result();
    bridge.finish().clean();
    assert_eq!(deleted(&realm.mcp), ["session-1"]);
}
