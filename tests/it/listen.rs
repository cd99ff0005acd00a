//! The standalone GET stream: when it is opened, reopened, and given up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::*;

#[test]
fn opened_after_any_success_of_initialized_and_before_later_requests() {
    let replies = [
        Reply::status(202),
        Reply::status(204),
        Reply::status(200),
        Reply::json(""),
        Reply::json("null"),
        Reply::json("{}"),
        Reply::sse([""]),
    ];
    for reply in replies {
        let server = Server::start();
        server.once("notifications/initialized", reply);
        let bridge = Bridge::start(&server);
        bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n{}\n", request(1, "tools/list")));
        bridge.answer(0).result();
        bridge.answer(1).result();
        bridge.finish().clean();
        let kinds = server.kinds();
        assert_eq!(kinds[..4], ["initialize", "notifications/initialized", "GET", "tools/list"]);
    }
}

#[test]
fn not_opened_when_initialized_was_refused() {
    let server = Server::start();
    server.once("notifications/initialized", Reply::status(500));
    let bridge = Bridge::start(&server);
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    assert_eq!(server.seen("GET").len(), 0);
}

#[test]
fn a_slow_stream_does_not_hold_requests_up_for_long() {
    let server = Server::start();
    server.always("GET", |_| Reply::never());
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn reopened_at_its_end_with_the_last_event_id() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for round in 0..3 {
        let note =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{round}}}"#);
        server.mcp().push(format!("retry: 400\n{}", event_id(&format!("e{round}"), &note)));
        assert_eq!(bridge.line().text, note);
        let stream = server.mcp().stream();
        let ended = Instant::now();
        if round == 1 {
            stream.abort()
        } else {
            stream.end()
        }
        let gets = server.wait("GET", round + 2);
        let expected = format!("e{round}");
        assert_eq!(gets[round + 1].header("last-event-id"), Some(expected.as_str()));
        assert_eq!(gets[0].header("last-event-id"), None);
        let pause = gets[round + 1].at - ended;
        assert!(pause >= Duration::from_millis(400), "the server's retry is a floor: {pause:?}");
    }
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn reopened_after_a_passing_failure() {
    for reply in
        [Reply::status(500), Reply::status(503), Reply::status(429), Reply::reset_after("")]
    {
        let server = Server::start();
        server.once("GET", reply);
        let bridge = Bridge::ready(&server);
        server.wait("GET", 2);
        server.mcp().push(event(&notification("notifications/message")));
        bridge.incoming("notifications/message");
        bridge.finish().clean();
    }
}

#[test]
fn a_server_without_such_a_stream_is_not_asked_again() {
    let not_a_stream = || Reply::body(200, "text/html", "<title>It works!</title>");
    for (reply, sessions) in [
        (Reply::status(405), true),
        (Reply::status(405), false),
        (Reply::status(501), true),
        (Reply::status(404), false),
        (not_a_stream(), true),
    ] {
        let server = Server::start();
        server.mcp().set(|s| s.sessions = sessions);
        server.always("GET", move |_| reply.clone());
        let bridge = Bridge::ready(&server);
        // Longer than the first pause before a reconnection.
        std::thread::sleep(Duration::from_millis(1500));
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        assert_eq!(server.seen("GET").len(), 1);
        assert_eq!(server.seen("initialize").len(), 1);
    }
}

#[test]
fn never_open_twice_at_once() {
    let server = Server::start();
    let streams: Arc<Mutex<Vec<Feed>>> = Arc::default();
    let conflicts = Arc::new(AtomicUsize::new(0));
    let (opened, refused) = (streams.clone(), conflicts.clone());
    // Real servers refuse a second stream like this.
    server.always("GET", move |_| {
        let mut opened = opened.lock().unwrap();
        if opened.iter().any(Feed::is_open) {
            refused.fetch_add(1, Ordering::SeqCst);
            return Reply::status(409);
        }
        let feed = Feed::new();
        opened.push(feed.clone());
        Reply::feed(&feed)
    });
    let bridge = Bridge::ready(&server);
    // A client that repeats itself.
    for id in 1..=3 {
        bridge.send(INITIALIZED);
        bridge.ask(id, "tools/list").result();
    }
    let stream = streams.lock().unwrap().last().cloned().unwrap();
    assert!(stream.send(event(&notification("notifications/message"))), "no stream is left");
    bridge.incoming("notifications/message");
    assert_eq!(conflicts.load(Ordering::SeqCst), 0);
    bridge.finish().clean();
}

#[test]
fn requests_of_the_server_are_answered_by_the_client() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for id in ["1", "\"1\"", "\"a/b\""] {
        let question = request(id, "roots/list");
        server.mcp().push(event(&question));
        assert_eq!(bridge.line().text, question);
        bridge.send(result(id, r#"{"roots":[]}"#));
    }
    let ids: Vec<_> = server.wait("response", 3).iter().map(|r| r.id.clone().unwrap()).collect();
    assert_eq!(ids, ["1", "\"1\"", "\"a/b\""]);
    bridge.finish().clean();
}

#[test]
fn priming_events_and_events_of_other_types_are_no_messages() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    server.mcp().push("id: 1\ndata:\n\n: alive\n\nevent: heartbeat\ndata: {}\n\nid: 2\n\n");
    server.mcp().push(event(&notification("notifications/message")));
    assert_eq!(bridge.line().method.as_deref(), Some("notifications/message"));
    server.mcp().stream().end();
    assert_eq!(server.wait("GET", 2)[1].header("last-event-id"), Some("2"));
    bridge.finish().clean();
}

#[test]
fn an_answer_is_not_waited_for_on_a_stream_that_was_refused() {
    let server = Server::start();
    server.always("GET", |_| Reply::status(401));
    server.once("tools/call", Reply::status(202));
    let bridge = Bridge::with(&server.url()).header("Authorization: Bearer fake-token");
    let bridge = bridge.ready(&server);
    bridge.wait_stderr("no messages from the server outside of requests");
    bridge.send(request(1, "tools/call"));
    bridge.answer(1).failed("stream_lost");
    bridge.finish().clean();
}
