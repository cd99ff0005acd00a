//! A modern client in front of a modern server, when something goes wrong with one request.

use crate::support::modern::{ask, cancel, request};
use crate::support::*;

const CALL: &str = r#""name":"x","#;

fn busy(status: u16, after: &str) -> Reply {
    Reply::status(status).header("retry-after", after)
}

#[test]
fn a_busy_server_is_waited_for_once() {
    for status in [429, 503] {
        let server = Server::modern();
        let bridge = Bridge::start(&server);
        server.once("tools/call", busy(status, "1"));
        ask(&bridge, 1, "tools/call", CALL).result();
        let calls = server.seen("tools/call");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].body, calls[1].body);
        server.always("tools/call", move |_| busy(status, "1"));
        let error = ask(&bridge, 2, "tools/call", CALL).failed("rate_limited");
        assert_eq!(error["data"]["retryAfter"], 1);
        assert_eq!(server.seen("tools/call").len(), 4);
        // Too long for anybody who waits: it is said at once.
        server.always("tools/call", move |_| busy(status, "3600"));
        ask(&bridge, 3, "tools/call", CALL).failed("rate_limited");
        assert_eq!(server.seen("tools/call").len(), 5);
        bridge.finish().clean();
    }
}

#[test]
fn a_request_that_is_taken_back_while_the_server_is_busy() {
    let server = Server::modern();
    let bridge = Bridge::start(&server);
    server.once("tools/call", busy(503, "10"));
    bridge.send(request(1, "tools/call", CALL, "{}"));
    server.wait("tools/call", 1);
    cancel(&bridge, 1);
    ask(&bridge, 2, "tools/list", "").result();
    bridge.finish().clean();
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[test]
fn only_what_changes_nothing_is_sent_again_after_a_broken_connection() {
    let server = Server::modern();
    let bridge = Bridge::start(&server);
    ask(&bridge, 0, "tools/list", "").result();
    server.once("tools/list", Reply::reset_after(""));
    ask(&bridge, 1, "tools/list", "").result();
    assert_eq!(server.seen("tools/list").len(), 3);
    server.once("tools/call", Reply::reset_after(""));
    ask(&bridge, 2, "tools/call", CALL).failed("stream_lost");
    assert_eq!(server.seen("tools/call").len(), 1);
    // Not for ever.
    server.always("tools/list", |_| Reply::reset_after(""));
    ask(&bridge, 3, "tools/list", "").failed("stream_lost");
    assert_eq!(server.seen("tools/list").len(), 5);
    bridge.finish().clean();
}

#[test]
fn an_answer_that_breaks_off_and_one_that_is_none() {
    let server = Server::modern();
    let bridge = Bridge::start(&server);
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    bridge.send(request(1, "tools/call", CALL, "{}"));
    server.wait("tools/call", 1);
    feed.abort();
    bridge.answer(1).failed("stream_lost");
    server.once("tools/call", Reply::body(200, "text/html", "<p>Welcome</p>"));
    ask(&bridge, 2, "tools/call", CALL).failed("invalid_response");
    // A refusal on a stream: what is on it comes first, and an answer among it counts.
    let refused = event(r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"no"}}"#);
    server.once("tools/call", Reply::body(500, "text/event-stream", refused));
    let answer = ask(&bridge, 3, "tools/call", CALL).value();
    assert_eq!(answer["error"]["message"], "no");
    server.once("tools/call", Reply::body(500, "text/event-stream", ": nothing\n\n"));
    ask(&bridge, 4, "tools/call", CALL).failed("http_status");
    assert_eq!(server.seen("tools/call").len(), 4);
    bridge.finish().clean();
}
