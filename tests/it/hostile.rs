//! Peers that hang, stall, repeat themselves or say odd things: nothing waits for them for ever, and
//! nothing is lost, doubled or taken for something else.

use crate::support::reply::Step;
use crate::support::*;

#[test]
fn notifications_that_are_never_taken_do_not_keep_the_process() {
    let server = Server::start();
    server.always("notifications/progress", |_| Reply::never());
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=500ms").ready(&server);
    for _ in 0..100 {
        bridge.send(notification("notifications/progress"));
    }
    server.wait("notifications/progress", 1);
    bridge.finish().clean();
}

#[cfg(unix)]
#[test]
fn a_client_that_does_not_read_cannot_keep_it_from_ending() {
    for signals in [1, 2] {
        let server = Server::start();
        let drain = if signals == 1 { "--drain-timeout=500ms" } else { "--drain-timeout=1h" };
        let bridge = Bridge::with(&server.url()).arg(drain).unread().start();
        let lines = "no message\n".repeat(100_000);
        bridge.send_bytes(lines);
        bridge.send(request(1, "tools/list"));
        // The queues are full when the bridge has stopped reading; the rest waits in the pipe.
        bridge.wait_stderr("is not valid JSON");
        for _ in 0..signals {
            std::thread::sleep(std::time::Duration::from_millis(300));
            bridge.signal("TERM");
        }
        let code = bridge.wait_unread();
        // On a slow machine it has ended before the second signal comes.
        let fine = matches!((signals, code), (_, Some(0 | 6)) | (2, Some(143)));
        assert!(fine, "{signals} {code:?}");
    }
}

#[test]
fn an_error_for_the_request_is_no_lost_session() {
    for status in [400, 404] {
        let server = Server::start();
        let error = r#"{"jsonrpc":"2.0","id":1.0,"error":{"code":-32602,"message":"Unknown browser session 'abc'; open a session first"}}"#;
        server.always("tools/call", move |_| Reply::body(status, "application/json", error));
        let bridge = Bridge::ready(&server);
        bridge.send(request("1.0", "tools/call"));
        assert_eq!(bridge.answer("1.0").text, error);
        assert_eq!(server.seen("initialize").len(), 1);
        assert_eq!(server.seen("tools/call").len(), 1);
        bridge.finish().clean();
    }
}

#[test]
fn a_cut_event_is_relayed_once_it_comes_whole() {
    let server = Server::start();
    let asked = request("\"q\"", "sampling/createMessage");
    let whole = event_id("b", &asked) + &event_id("c", &result(1, "{}"));
    server.maybe("GET", move |r| r.header("last-event-id").map(|_| Reply::sse([whole.clone()])));
    let cut = format!("retry: 100\nid: a\ndata:\n\nid: b\ndata: {asked}\n");
    server.once("tools/call", Reply::sse([cut]));
    let bridge = Bridge::ready(&server);
    bridge.send(request(1, "tools/call"));
    bridge.incoming("sampling/createMessage");
    bridge.answer(1).result();
    // A second one would be a line that nobody asked for.
    bridge.finish().clean();
}

#[test]
fn a_body_that_stalls_is_not_waited_for() {
    let server = Server::start();
    let steps = || vec![Step::from("<title>Sign in</title>"), Step::Hold];
    server.once("tools/call", Reply::steps("text/html", steps()));
    let bridge = Bridge::ready(&server);
    let failure = bridge.ask(1, "tools/call");
    failure.failed("invalid_response");
    assert!(failure.text.contains("Sign in"), "{}", failure.text);
    bridge.finish().clean();
}

#[test]
fn accepted_with_something_in_the_body() {
    for (content_type, body) in [("application/json", "{}"), ("text/plain", "Accepted"), ("", "ok")]
    {
        let server = Server::start();
        server.once("tools/call", Reply::body(202, content_type, body));
        let bridge = Bridge::ready(&server);
        bridge.send(request(1, "tools/call"));
        server.wait("tools/call", 1);
        server.mcp().push(event(&result(1, "{}")));
        bridge.answer(1).result();
        bridge.finish().clean();
    }
}

#[test]
fn a_notification_that_has_to_wait_holds_up_nothing() {
    let server = Server::start();
    server.once("notifications/progress", Reply::status(503).header("retry-after", "3"));
    let bridge = Bridge::ready(&server);
    bridge.send(notification("notifications/progress"));
    bridge.ask(1, "tools/list").result();
    server.wait("notifications/progress", 2);
    let kinds = server.kinds();
    let place = |kind: &str| kinds.iter().rposition(|k| k == kind).unwrap();
    assert!(place("tools/list") < place("notifications/progress"), "{kinds:?}");
    bridge.finish().clean();
}

#[test]
fn a_cursor_that_the_server_forgot_does_not_end_the_standalone_stream() {
    let server = Server::start();
    server.maybe("GET", |r| r.header("last-event-id").map(|_| Reply::status(400)));
    let bridge = Bridge::ready(&server);
    server.mcp().push(event_id("old", &notification("notifications/first")));
    bridge.incoming("notifications/first");
    server.mcp().stream().end();
    // With the cursor, refused, and then without it.
    server.wait("GET", 3);
    server.mcp().push(event(&notification("notifications/second")));
    bridge.incoming("notifications/second");
    bridge.finish().clean();
}

#[test]
fn what_is_no_utf8_in_a_stream_is_replaced() {
    let server = Server::start();
    let mut body = b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"x".to_vec();
    body.extend_from_slice(b"\xff\"}}\n\n");
    server.once("tools/call", Reply::sse([body]));
    let bridge = Bridge::ready(&server);
    assert!(bridge.ask(1, "tools/call").text.contains("x\u{fffd}"));
    bridge.finish().clean();
}

#[test]
fn an_error_that_names_no_request_is_quoted() {
    let server = Server::start();
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"out of memory"}}"#;
    server.once("tools/call", Reply::sse([event(error)]));
    let bridge = Bridge::ready(&server);
    let failure = bridge.ask(1, "tools/call");
    failure.failed("invalid_response");
    assert!(failure.text.contains("out of memory"), "{}", failure.text);
    bridge.finish().clean();
}

#[test]
fn a_stream_with_an_error_status_may_carry_the_answer() {
    let server = Server::start();
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}"#;
    server.once("tools/call", Reply::body(400, "text/event-stream", event(error)));
    let bridge = Bridge::ready(&server);
    assert_eq!(bridge.ask(1, "tools/call").text, error);
    bridge.finish().clean();
}

#[test]
fn a_stream_that_never_stops_after_its_answer_is_left() {
    let server = Server::start();
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    let bridge = Bridge::ready(&server);
    bridge.send(request(1, "tools/call"));
    assert!(feed.send(event(&result(1, "{}"))));
    bridge.answer(1).result();
    let start = std::time::Instant::now();
    while feed.send(": still here\n\n".repeat(100)) {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "it is still being read");
    }
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
}
