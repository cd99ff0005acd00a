//! Sessions that are lost and found again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::reply::Step;
use crate::support::*;

/// What a server with everything declares.
const ALL: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},
"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;

fn subscription(id: usize, verb: &str, uri: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/{verb}","params":{{"uri":"{uri}"}}}}"#
    )
}

#[test]
fn twenty_concurrent_losers_share_one_recovery() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = ALL);
    let gate = Gate::new();
    let held = gate.clone();
    server.maybe("tools/call", move |request| {
        let lost = request.header("mcp-session-id") == Some("session-1");
        lost.then(|| Reply::body(404, "text/plain", "no such session").after(&held))
    });
    let bridge = Bridge::ready(&server);
    let level =
        r#"{"jsonrpc":"2.0","id":100,"method":"logging/setLevel","params":{"level":"info"}}"#;
    bridge.send(level.replace("info", "debug"));
    bridge.answer(100).result();
    bridge.send(level);
    bridge.answer(100).result();
    for (id, verb, uri) in [
        (101, "subscribe", "a://1"),
        (102, "subscribe", "a://2"),
        (103, "subscribe", "a://3"),
        (104, "unsubscribe", "a://2"),
    ] {
        bridge.send(subscription(id, verb, uri));
        bridge.answer(id).result();
    }
    for id in 1..=20 {
        bridge.send(request(id, "tools/call"));
    }
    server.wait("tools/call", 20);
    server.mcp().forget();
    let before = server.kinds().len();
    gate.open();
    for id in 1..=20 {
        bridge.answer(id).result();
    }
    for list in ["tools", "prompts", "resources"] {
        bridge.incoming(&format!("notifications/{list}/list_changed"));
    }
    // Later requests use the new session without further ado.
    bridge.ask(1, "tools/list").result();

    let all = server.seen("*");
    let replayed: Vec<_> = server.seen("initialize").iter().map(|r| r.body.clone()).collect();
    assert_eq!(replayed, [INITIALIZE; 2], "one recovery, with the client's own bytes");
    assert_eq!(server.seen("notifications/initialized").len(), 2);
    assert_eq!(server.seen("notifications/initialized")[1].text(), INITIALIZED);
    // The state, once, as it was last.
    let levels = server.seen("logging/setLevel");
    assert_eq!(levels.len(), 3);
    assert!(levels[2].text().contains("\"info\""));
    let uris: Vec<_> = server
        .seen("resources/subscribe")
        .iter()
        .skip(3)
        .map(|r| {
            serde_json::from_slice::<serde_json::Value>(&r.body).unwrap()["params"]["uri"].take()
        })
        .collect();
    assert_eq!(uris, ["a://1", "a://3"]);
    assert_eq!(server.seen("resources/unsubscribe").len(), 1);
    // Exactly the refused requests again, after the state.
    let calls = server.seen("tools/call");
    assert_eq!(calls.len(), 40);
    for id in 1..=20 {
        let same: Vec<_> = calls.iter().filter(|c| c.id == Some(id.to_string())).collect();
        assert_eq!(same.len(), 2);
        assert_eq!(same[0].body, same[1].body);
        assert_eq!(same[1].header("mcp-session-id"), Some("session-2"));
    }
    let after: Vec<_> = all[before..].iter().map(|r| r.kind.as_str()).collect();
    let at = |kind: &str| after.iter().position(|k| *k == kind).unwrap();
    assert!(at("initialize") < at("notifications/initialized"), "{after:?}");
    assert!(at("notifications/initialized") < at("logging/setLevel"), "{after:?}");
    assert!(at("logging/setLevel") < at("tools/call"), "{after:?}");
    assert!(at("resources/subscribe") < at("tools/call"), "{after:?}");
    // The client saw nothing else.
    bridge.finish().clean();
}

#[test]
fn sends_wait_while_a_session_is_made() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let bridge = Bridge::ready(&server);
    server.mcp().forget();
    let gate = Gate::new();
    server.once("notifications/initialized", Reply::status(202).after(&gate));
    bridge.send(request(1, "tools/call"));
    server.wait("notifications/initialized", 2);
    for id in 2..=5 {
        bridge.send(request(id, "tools/list"));
    }
    bridge.send(notification("notifications/roots/list_changed"));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(server.kinds().last().map(String::as_str), Some("notifications/initialized"));
    gate.open();
    for id in 1..=5 {
        bridge.answer(id).result();
    }
    let sent = server.wait("notifications/roots/list_changed", 1);
    assert_eq!((sent.len(), server.seen("tools/list").len()), (1, 4));
    assert_eq!(server.seen("initialize").len(), 2);
    bridge.finish().clean();
}

#[test]
fn only_what_was_declared_is_said_to_have_changed() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = r#"{"tools":{},"prompts":{"listChanged":true}}"#);
    let bridge = Bridge::ready(&server);
    server.mcp().forget();
    bridge.ask(1, "tools/call").result();
    bridge.incoming("notifications/prompts/list_changed");
    bridge.finish().clean();
}

#[test]
fn the_ways_in_which_servers_refuse_a_lost_session() {
    let json = |id: &str, code: i32, message: &str| {
        format!(r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"{message}"}},"id":{id}}}"#)
    };
    let bodies = [
        (404, "application/json", json("null", -32001, "Session not found")),
        (404, "application/json", json("\"server-error\"", -32600, "Session has been terminated")),
        (404, "text/plain", "Not Found".to_owned()),
        (404, "", String::new()),
        (
            400,
            "application/json",
            json("null", -32000, "Bad Request: No valid session ID provided"),
        ),
        (400, "application/json", json("null", -32000, "Bad Request: Server not initialized")),
        (
            400,
            "application/json",
            json("\"server-error\"", -32600, "Bad Request: Missing session ID"),
        ),
        (400, "application/json", json("null", -32000, "Invalid session ID")),
        (400, "text/plain", "Invalid or missing session ID".to_owned()),
    ];
    for (status, content_type, body) in bodies {
        let server = Server::start();
        server.mcp().set(|s| s.capabilities = "{}");
        let bridge = Bridge::ready(&server);
        server.mcp().forget();
        server.once("tools/call", Reply::body(status, content_type, body.clone()));
        bridge.send(request(1, "tools/call"));
        let answer = bridge.answer(1);
        assert!(!answer.is_error, "{status} {body}: {answer}");
        let calls = server.seen("tools/call");
        assert_eq!(calls[1].header("mcp-session-id"), Some("session-2"), "{status} {body}");
        bridge.finish().clean();
    }
}

#[test]
fn other_refusals_start_no_recovery() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for (status, body) in [
        (400, "Bad Request: Unsupported protocol version"),
        (400, ""),
        (410, "Session not found"),
        (500, "Session not found"),
    ] {
        server.once("tools/call", Reply::body(status, "text/plain", body));
        bridge.ask(1, "tools/call").failed("http_status");
    }
    // An error for our id is the server's answer, though it says so with 404.
    let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"Unknown method"}}"#;
    server.once("x/unknown", Reply::body(404, "application/json", error));
    assert_eq!(bridge.ask(2, "x/unknown").text, error);
    assert_eq!(server.seen("initialize").len(), 1);
    bridge.finish().clean();
}

#[test]
fn without_a_session_404_is_an_error_like_others() {
    let server = Server::start();
    server.mcp().set(|s| s.sessions = false);
    let bridge = Bridge::ready(&server);
    server.once("tools/call", Reply::status(404));
    assert_eq!(bridge.ask(1, "tools/call").failed("http_status")["data"]["status"], 404);
    assert_eq!(server.seen("initialize").len(), 1);
    bridge.finish().clean();
}

#[test]
fn a_recovery_that_fails_gives_each_loser_one_error() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let gate = Gate::new();
    let held = gate.clone();
    server.maybe("tools/call", move |request| {
        let lost = request.header("mcp-session-id") == Some("session-1");
        lost.then(|| Reply::status(404).after(&held))
    });
    let bridge = Bridge::ready(&server);
    for id in 1..=5 {
        bridge.send(request(id, "tools/call"));
    }
    server.wait("tools/call", 5);
    server.mcp().forget();
    // All five have been refused when the recovery fails.
    let (down, well) = (Gate::new(), Arc::new(AtomicBool::new(false)));
    let (is_down, is_well) = (down.clone(), well.clone());
    server.maybe("initialize", move |_| {
        (!is_well.load(Ordering::SeqCst)).then(|| Reply::status(500).after(&is_down))
    });
    gate.open();
    server.wait("initialize", 2);
    std::thread::sleep(std::time::Duration::from_millis(300));
    down.open();
    for id in 1..=5 {
        bridge.answer(id).failed("session_lost");
    }
    // When the server is well again, so is the bridge.
    well.store(true, Ordering::SeqCst);
    bridge.ask(6, "tools/call").result();
    bridge.finish().clean();
}

#[test]
fn the_standalone_stream_notices_a_lost_session_too() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    server.mcp().push("retry: 100\n\n");
    // Ends the stream; its reopening is refused with 404.
    server.mcp().forget();
    bridge.incoming("notifications/tools/list_changed");
    assert_eq!(server.seen("initialize").len(), 2);
    bridge.ask(1, "tools/list").result();
    assert_eq!(server.seen("tools/list").len(), 1);
    let gets = server.wait("GET", 3);
    assert_eq!(gets[2].header("mcp-session-id"), Some("session-2"));
    bridge.finish().clean();
}

#[test]
fn a_server_that_restarts() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/list").result();
    let address = format!("127.0.0.1:{}", server.port());
    drop(server);
    let end = std::time::Instant::now() + DEADLINE;
    // Which error depends on how far the server's end has got; its connections may outlive it a little.
    let mut id = 2;
    while !bridge.ask(id, "tools/call").is_error {
        assert!(std::time::Instant::now() < end, "it still answers");
        id += 1;
    }
    let server = loop {
        match Server::on_address(&address) {
            Ok(server) => break server,
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    server.mcp().number_from(7);
    bridge.ask(id + 1, "tools/call").result();
    bridge.incoming("notifications/tools/list_changed");
    assert_eq!(server.seen("initialize").len(), 1);
    server.wait("GET", 1);
    bridge.finish().clean();
}

#[test]
fn a_session_that_is_lost_while_a_stream_is_resumed() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let bridge = Bridge::ready(&server);
    for (method, again) in [("tools/call", false), ("tools/list", true)] {
        let gate = Gate::new();
        let steps = [Step::from("retry: 100\nid: a\ndata:\n\n"), Step::from(&gate)];
        server.once(method, Reply::sse(steps));
        bridge.send(request(1, method));
        server.wait(method, 1);
        let lost = server.mcp().session();
        server.mcp().forget();
        gate.open();
        let answer = bridge.answer(1);
        // What may have been executed is not sent twice.
        assert_eq!(answer.is_error, !again, "{answer}");
        let sent = server.seen(method);
        let in_new = sent.iter().filter(|r| r.header("mcp-session-id") != lost.as_deref());
        assert_eq!(in_new.count(), usize::from(again), "{method}");
        bridge.ask(2, "prompts/list").result();
    }
    bridge.finish().clean();
}

#[test]
fn a_notification_that_lost_its_session_is_sent_again() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let bridge = Bridge::ready(&server);
    server.mcp().forget();
    bridge.send(notification("notifications/roots/list_changed"));
    let sent = server.wait("notifications/roots/list_changed", 2);
    assert_eq!(sent[1].header("mcp-session-id"), Some("session-2"));
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn an_answer_for_the_old_session_never_reaches_the_new_one() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let bridge = Bridge::ready(&server);
    server.mcp().push(event(&request(1, "roots/list")));
    bridge.incoming("roots/list");
    server.mcp().forget();
    bridge.ask(1, "tools/call").result();
    // The client is told that nobody waits for it any more, but may have answered before.
    bridge.incoming("notifications/cancelled");
    bridge.send(result(1, r#"{"roots":[]}"#));
    bridge.ask(2, "tools/list").result();
    for answer in server.seen("response") {
        assert_ne!(answer.header("mcp-session-id"), Some("session-2"));
    }
    bridge.finish().clean();
}
