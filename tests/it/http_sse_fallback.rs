//! From Streamable HTTP to HTTP+SSE (2025-11-25, basic/transports, "Backwards Compatibility").

use std::time::Duration;

use crate::support::*;

#[test]
fn a_refused_initialize_leads_to_the_stream() {
    for status in [400, 404, 405] {
        for body in [
            "",
            "Not here",
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no"},"id":null}"#,
        ] {
            let sse = HttpSse::start();
            sse.set(|s| s.post = Reply::body(status, "application/json", body));
            let bridge = Bridge::with(&sse.url()).start();
            bridge.handshake().result();
            bridge.ask(1, "tools/list").result();
            bridge.finish().clean();
            let kinds = sse.server().kinds();
            let expected =
                ["initialize", "GET", "initialize", "notifications/initialized", "tools/list"];
            assert_eq!(kinds, expected, "HTTP {status}");
        }
    }
}

#[test]
fn not_after_an_answer_or_another_status() {
    for reply in [
        Reply::body(
            400,
            "application/json",
            r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"no"},"id":0}"#,
        ),
        Reply::status(403),
        Reply::status(406),
        Reply::status(500),
        Reply::status(503),
        Reply::json("{}"),
    ] {
        let sse = HttpSse::start();
        sse.set(|s| s.post = reply);
        let bridge = Bridge::with(&sse.url()).start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error);
        bridge.finish();
        assert_eq!(sse.server().kinds(), ["initialize"]);
    }
}

#[test]
fn not_where_streamable_http_is_demanded() {
    let sse = HttpSse::start();
    let bridge = Bridge::with(&sse.url()).arg("--transport=http").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("http_status");
    bridge.finish();
    assert_eq!(sse.server().kinds(), ["initialize"]);
}

#[test]
fn the_first_error_is_the_one_that_is_reported() {
    for get in [
        Reply::body(404, "text/plain", "second error"),
        Reply::body(401, "text/plain", "second error"),
        Reply::body(200, "text/html", "<title>second error</title>"),
        Reply::sse([event(&notification("notifications/second"))]),
        Reply::sse(["event: endpoint\ndata: http://127.0.0.2:1/second\n\n"]),
        Reply::reset_after(""),
    ] {
        let server = Server::start();
        server.always("initialize", |_| Reply::body(404, "text/plain", "first error"));
        server.always("GET", move |_| get.clone());
        let bridge = Bridge::start(&server);
        bridge.send(INITIALIZE);
        let error = bridge.answer(0).failed("http_status");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("first error") && message.contains("404"), "{message}");
        assert!(!message.contains("second"), "{message}");
        bridge.finish().clean();
        assert_eq!(server.kinds()[..2], ["initialize", "GET"]);
        assert_eq!(server.seen("initialize").len() + server.seen("GET").len(), 2);
    }
}

#[test]
fn a_get_that_never_answers_does_not_cost_the_first_error() {
    let server = Server::start();
    server.always("initialize", |_| Reply::body(405, "text/plain", "first error"));
    server.always("GET", |_| Reply::never());
    let bridge = Bridge::start(&server);
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("http_status");
    assert!(error["message"].as_str().unwrap().contains("first error"));
    bridge.finish().clean();
}

#[test]
fn not_once_a_session_was_made() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    server.always("initialize", |_| Reply::status(404));
    server.mcp().forget();
    bridge.ask(1, "tools/call").failed("session_lost");
    std::thread::sleep(Duration::from_millis(100));
    bridge.finish();
    // The standalone stream may be opened again; its answer is that there is no session.
    assert!(server.seen("initialize").len() >= 2);
    assert!(server.seen("GET").iter().all(|get| get.headers.contains_key("mcp-session-id")));
}
