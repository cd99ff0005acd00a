//! Streams of the HTTP+SSE transport that end, and the sessions that are made in their place.

use std::time::{Duration, Instant};

use crate::support::*;

/// What a server with everything declares.
const ALL: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;

#[test]
fn every_pending_request_is_answered_once_and_the_session_made_anew() {
    let sse = HttpSse::start();
    sse.set(|s| {
        s.silent = vec!["tools/call", "tools/list"];
        s.capabilities = ALL;
    });
    let bridge = sse.ready();
    let state = [
        r#"{"jsonrpc":"2.0","id":100,"method":"logging/setLevel","params":{"level":"info"}}"#,
        r#"{"jsonrpc":"2.0","id":101,"method":"resources/subscribe","params":{"uri":"a://1"}}"#,
        r#"{"jsonrpc":"2.0","id":102,"method":"resources/subscribe","params":{"uri":"a://2"}}"#,
        r#"{"jsonrpc":"2.0","id":103,"method":"resources/unsubscribe","params":{"uri":"a://1"}}"#,
    ];
    for (at, line) in state.iter().enumerate() {
        bridge.send(line);
        bridge.answer(100 + at).result();
    }
    sse.push(&request("\"q\"", "roots/list"));
    bridge.incoming("roots/list");
    for id in 1..=20 {
        bridge.send(request(id, if id <= 15 { "tools/call" } else { "tools/list" }));
    }
    sse.server().wait("tools/call", 15);
    sse.server().wait("tools/list", 5);
    sse.set(|s| s.silent.clear());
    let before = sse.server().kinds().len();
    sse.stream().end();
    for id in 1..=15 {
        let error = bridge.answer(id).failed("stream_lost");
        assert!(error["message"].as_str().unwrap().contains("may or may not"), "{error}");
    }
    for id in 16..=20 {
        bridge.answer(id).result();
    }
    for list in ["tools", "prompts", "resources"] {
        bridge.incoming(&format!("notifications/{list}/list_changed"));
    }
    let taken_back = bridge.incoming("notifications/cancelled");
    assert_eq!(taken_back.value()["params"]["requestId"], "q");
    // An answer to it reaches nobody.
    bridge.send(result("\"q\"", "{}"));
    sse.push(&notification("notifications/message"));
    bridge.incoming("notifications/message");
    bridge.ask(21, "tools/call").result();
    bridge.finish().clean();

    let all = sse.server().kinds();
    let made: Vec<_> = all[before..].iter().map(String::as_str).collect();
    assert_eq!(made[..3], ["GET", "initialize", "notifications/initialized"], "{made:?}");
    let mut restored = made[3..5].to_vec();
    restored.sort_unstable();
    assert_eq!(restored, ["logging/setLevel", "resources/subscribe"]);
    assert_eq!(
        made[5..],
        ["tools/list", "tools/list", "tools/list", "tools/list", "tools/list", "tools/call"]
    );
    assert_eq!(sse.posted("initialize")[1].body, INITIALIZE);
    assert_eq!(sse.posted("response").len(), 0);
    assert!(sse.posted("resources/subscribe")[2].text().contains("a://2"));
}

#[test]
fn a_stream_that_breaks_is_opened_again_without_being_asked() {
    let sse = HttpSse::start();
    let bridge = sse.ready();
    for round in 2..=3 {
        sse.stream().abort();
        sse.wait_streams(round);
        sse.server().wait("notifications/initialized", round);
        sse.push(&notification("notifications/message"));
        bridge.incoming("notifications/message");
        bridge.incoming("notifications/tools/list_changed");
    }
    let exit = bridge.finish();
    exit.clean();
    assert_eq!(exit.stderr.matches("a new session was made").count(), 1, "{}", exit.stderr);
}

#[test]
fn a_read_only_request_is_repeated_once() {
    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["tools/list"]);
    let bridge = sse.ready();
    bridge.send(request(1, "tools/list"));
    sse.server().wait("tools/list", 1);
    sse.stream().end();
    sse.server().wait("tools/list", 2);
    sse.stream().end();
    bridge.answer(1).failed("stream_lost");
    assert_eq!(sse.server().seen("tools/list").len(), 2);
    bridge.incoming("notifications/tools/list_changed");
    bridge.finish().code(0);
}

#[test]
fn a_stream_that_ends_before_the_answer_to_initialize() {
    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["initialize"]);
    let bridge = sse.bridge().start();
    bridge.send(INITIALIZE);
    sse.server().wait("initialize", 1);
    sse.stream().end();
    bridge.answer(0).failed("stream_lost");
    // It is the client's to try again.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(sse.server().kinds(), ["GET", "initialize"]);
    sse.set(|s| s.silent.clear());
    bridge.handshake().result();
    bridge.finish().clean();
}

#[test]
fn refused_posts_end_the_session_like_a_dropped_stream() {
    for (status, text) in [
        (404, "Could not find session"),
        (404, ""),
        (410, "gone"),
        (400, "No transport found for sessionId"),
        (400, r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Invalid session"},"id":null}"#),
    ] {
        let sse = HttpSse::start();
        let bridge = sse.ready();
        sse.set(|s| s.silent = vec!["prompts/get", "sampling/x"]);
        bridge.send(request(1, "prompts/get"));
        bridge.send(request(2, "sampling/x"));
        sse.server().wait("sampling/x", 1);
        sse.set(|s| s.silent.clear());
        let first = sse.stream();
        sse.server().once("tools/call", Reply::body(status, "text/plain", text));
        bridge.ask(3, "tools/call").result();
        bridge.answer(1).result();
        bridge.answer(2).failed("stream_lost");
        first.wait_closed();
        assert_eq!(sse.server().seen("GET").len(), 2, "{status} {text}");
        // A notification finds out as well.
        let refused = Reply::body(status, "text/plain", text);
        sse.server().once("notifications/roots/list_changed", refused);
        bridge.send(notification("notifications/roots/list_changed"));
        sse.server().wait("notifications/roots/list_changed", 2);
        assert_eq!(sse.server().seen("GET").len(), 3, "{status} {text}");
        for _ in 0..2 {
            bridge.incoming("notifications/tools/list_changed");
        }
        bridge.finish().clean();
    }
}

#[test]
fn a_session_that_is_refused_again_is_an_error() {
    let sse = HttpSse::start();
    let bridge = sse.ready();
    sse.server().always("tools/call", |_| Reply::body(404, "text/plain", "Could not find session"));
    bridge.ask(1, "tools/call").failed("session_lost");
    assert_eq!(sse.server().seen("tools/call").len(), 2);
    bridge.incoming("notifications/tools/list_changed");
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn while_the_server_is_down() {
    let sse = HttpSse::start();
    let bridge = sse.ready();
    sse.server().always("GET", |_| Reply::status(502));
    let start = Instant::now();
    sse.stream().end();
    bridge.wait_stderr("trying again");
    // A request does not wait for the next attempt, and says why it fails.
    let error = bridge.ask(1, "tools/call").failed("session_lost");
    assert!(error["message"].as_str().unwrap().contains("502"), "{error}");
    std::thread::sleep(Duration::from_secs(4).saturating_sub(start.elapsed()));
    let attempts = sse.server().seen("GET").len();
    assert!((3..=6).contains(&attempts), "{attempts} attempts in {:?}", start.elapsed());
    let exit = bridge.finish();
    assert_eq!(exit.stderr.matches("trying again").count(), 1, "{}", exit.stderr);
}

#[test]
fn a_server_that_ends_every_stream_is_not_run_over() {
    let sse = HttpSse::start();
    let bridge = sse.ready();
    // Every new stream ends when the handshake is through.
    let start = Instant::now();
    let mut seen = 1;
    while start.elapsed() < Duration::from_secs(5) {
        if sse.server().seen("notifications/initialized").len() == seen {
            sse.stream().end();
            seen += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let streams = sse.server().seen("GET").len();
    assert!((3..=7).contains(&streams), "{streams} streams");
    let exit = bridge.finish();
    assert!(exit.stderr.lines().count() < 8, "{}", exit.stderr);
}

#[test]
fn nobody_reconnects_for_a_bridge_that_ends() {
    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["tools/call"]);
    let mut bridge = sse.ready();
    bridge.send(request(1, "tools/call"));
    sse.server().wait("tools/call", 1);
    bridge.close_stdin();
    sse.stream().end();
    bridge.answer(1).failed("stream_lost");
    let exit = bridge.wait();
    exit.clean();
    assert!(exit.took < Duration::from_secs(3));
}
