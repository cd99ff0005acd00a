//! 429 and 503 with `Retry-After`.

use std::time::Duration;

use crate::support::*;

fn busy(status: u16, after: &str) -> Reply {
    Reply::status(status).header("retry-after", after)
}

#[test]
fn a_short_one_is_waited_out_once_and_blocks_nothing_else() {
    for status in [429, 503] {
        let server = Server::start();
        server.once("tools/call", busy(status, "2"));
        let bridge = Bridge::ready(&server);
        bridge.send(request(1, "tools/call"));
        server.wait("tools/call", 1);
        for id in 2..10 {
            bridge.ask(id, "tools/list").result();
        }
        bridge.answer(1).result();
        let calls = server.seen("tools/call");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].body, calls[1].body);
        assert!(calls[1].at - calls[0].at >= Duration::from_secs(2));
        bridge.finish().clean();
    }
}

#[test]
fn a_cancelled_request_is_not_sent_again() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    server.once("tools/call", busy(503, "1"));
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    server.wait("notifications/cancelled", 1);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(server.seen("tools/call").len(), 1);
    bridge.finish().clean();
}

#[test]
fn not_a_second_time() {
    let server = Server::start();
    server.always("tools/call", |_| busy(503, "1"));
    let bridge = Bridge::ready(&server);
    let error = bridge.ask(1, "tools/call").failed("rate_limited");
    assert_eq!(error["data"]["retryAfter"], 1);
    assert_eq!(error["data"]["status"], 503);
    assert_eq!(server.seen("tools/call").len(), 2);
    bridge.finish().clean();
}

#[test]
fn a_long_one_is_reported_at_once() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for (status, after) in [(429, 11), (503, 3600)] {
        server.once("tools/call", busy(status, &after.to_string()));
        let error = bridge.ask(1, "tools/call").failed("rate_limited");
        assert_eq!(error["data"]["retryAfter"], after);
        assert!(error["message"].as_str().unwrap().contains(&after.to_string()));
    }
    assert_eq!(server.seen("tools/call").len(), 2);
    bridge.finish().clean();
}

#[test]
fn other_spellings() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    // A date in the past means now; what cannot be read is as if it were not there.
    server.once("tools/call", busy(503, "Wed, 21 Oct 2015 07:28:00 GMT"));
    bridge.ask(1, "tools/call").result();
    for after in ["soon", "-1", "99999999999999999999", "Wed, 21 Oct 2915 07:28:00 GMT"] {
        server.once("tools/call", busy(503, after));
        bridge.ask(1, "tools/call").failed("rate_limited");
    }
    bridge.finish().clean();
}

#[test]
fn zero_is_now() {
    let server = Server::start();
    server.once("tools/call", busy(429, "0"));
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
}

#[test]
fn notifications_and_initialize_wait_as_well() {
    let server = Server::start();
    server.once("initialize", busy(503, "1"));
    let bridge = Bridge::ready(&server);
    server.once("notifications/roots/list_changed", busy(429, "1"));
    bridge.send(notification("notifications/roots/list_changed"));
    server.wait("notifications/roots/list_changed", 2);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}
