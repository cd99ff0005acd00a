//! Sessions that are no sessions, that change, or that are never there.

use super::*;

/// A result of `initialize`.
const OPENED: &str =
    r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}"#;

/// `initialize` is answered with this session id, as bytes on the wire.
fn opens_with(server: &Server, id: Vec<u8>) {
    server.always("initialize", move |r| {
        let body = r.result(OPENED);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nmcp-session-id: ", body.len());
        Reply::raw([head.as_bytes(), &id, b"\r\n\r\n", body.as_bytes()].concat())
    });
    server.mcp().set(|s| (s.sessions, s.strict) = (false, false));
}

/// What came back of a session id, beside nothing.
#[track_caller]
fn carried(id: &[u8]) -> Vec<Vec<u8>> {
    let case = Case::new();
    let server = Server::start();
    opens_with(&server, id.to_vec());
    let bridge = victim(&server.url()).start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    if !answer.is_error {
        bridge.send(INITIALIZED);
    }
    assert!(bridge.ask(1, "tools/list").id.is_some());
    case.end(bridge);
    let all = server.seen("*");
    all.iter().filter_map(|r| Some(r.headers.get("mcp-session-id")?.as_bytes().to_vec())).collect()
}

#[test]
fn an_id_of_a_hundred_kibibytes() {
    assert!(carried(&[b'a'; 100 << 10]).iter().all(|id| id.len() <= 4 << 10));
}

#[test]
fn an_id_of_no_language() {
    for id in [&b"\xff\xfe\x80"[..], "\u{e9}\u{202e}".as_bytes()] {
        // As it is, or not at all.
        assert!(carried(id).iter().all(|carried| carried == id), "{id:?}");
    }
}

#[test]
fn an_id_with_a_tab_and_spaces() {
    for id in [&b"a\tb"[..], b"a b", b" ", b""] {
        let carried = carried(id);
        assert!(
            carried.iter().all(|carried| carried.trim_ascii() == id.trim_ascii()),
            "{carried:?}"
        );
    }
}

#[test]
fn an_id_that_would_be_another_header() {
    let carried = carried(b"a\r\nx-injected: yes");
    assert!(carried.iter().all(|id| id == b"a"), "{carried:?}");
}

#[test]
fn an_id_with_a_nul() {
    assert_eq!(carried(b"a\0b"), [b""; 0]);
}

#[test]
fn an_id_that_changes_with_every_answer() {
    let case = Case::new();
    let server = Server::start();
    server.always("tools/call", |r| {
        let id = format!("other-{}", r.id.clone().unwrap_or_default());
        Reply::json(r.result("{}")).header("mcp-session-id", &id)
    });
    let bridge = victim(&server.url()).ready(&server);
    for id in 1..=50 {
        bridge.ask(id, "tools/call").result();
    }
    case.end(bridge);
    // The id of `initialize` is the session's.
    assert_eq!(server.seen("initialize").len(), 1);
    let all = server.seen("tools/call");
    assert!(all.iter().all(|r| r.header("mcp-session-id") == Some("session-1")));
}

/// Every new session is lost at once. Each request costs a bounded number of them, and gets an error.
#[test]
fn sessions_that_are_always_lost() {
    let case = Case::new();
    let server = Server::start();
    server.always("tools/call", |_| Reply::body(404, "text/plain", "no such session"));
    let bridge = victim(&server.url()).ready(&server);
    for id in 1..=5 {
        assert!(bridge.ask(id, "tools/call").is_error);
    }
    assert!(server.seen("initialize").len() <= 11, "{}", server.seen("initialize").len());
    assert!(server.seen("tools/call").len() <= 20, "{}", server.seen("tools/call").len());
    bridge.ask(6, "tools/list").result();
    case.end(bridge);
}

/// The same where nothing at all is ever accepted.
#[test]
fn nothing_is_ever_there() {
    let case = Case::new();
    let server = Server::start();
    let bridge = victim(&server.url()).ready(&server);
    server.always("*", |r| {
        if r.kind == "initialize" {
            let id = format!("s-{}", r.at.elapsed().as_nanos());
            let body = r.result(OPENED);
            return Reply::json(body).header("mcp-session-id", &id);
        }
        Reply::status(404)
    });
    server.mcp().set(|s| s.strict = false);
    for id in 1..=5 {
        assert!(bridge.ask(id, "tools/call").is_error);
    }
    let all = server.seen("*").len();
    assert!(all < 100, "{all} requests for five");
    case.end(bridge);
}

/// A burst of requests whose session is gone makes one new session, not one for each.
#[test]
fn five_hundred_lose_their_session_and_it_is_never_made() {
    let case = Case::new();
    let server = Server::start();
    let bridge = victim(&server.url()).ready(&server);
    server.mcp().set(|s| s.strict = false);
    server.always("initialize", |_| Reply::status(500));
    server.always("tools/call", |_| Reply::body(404, "text/plain", "no such session"));
    for id in 1..=500 {
        bridge.send(request(id, "tools/call"));
    }
    for id in 1..=500 {
        assert!(bridge.answer(id).is_error);
    }
    let tries = server.seen("initialize").len();
    assert!(tries < 100, "{tries}");
    case.end(bridge);
}

/// The end of a session is not waited for.
#[test]
fn a_farewell_that_is_never_answered() {
    let case = Case::new();
    let server = Server::start();
    server.always("DELETE", |_| Reply::never());
    let bridge = victim(&server.url()).ready(&server);
    case.end(bridge);
}

#[test]
fn a_farewell_with_an_answer_without_end() {
    let case = Case::new();
    let server = Server::start();
    let feed = Feed::new();
    let body = feed.clone();
    server.always("DELETE", move |_| Reply::feed(&body));
    let pouring = pour(&feed, vec![b'x'; 1 << 16], 1 << 40, Vec::new());
    let bridge = victim(&server.url()).ready(&server);
    case.end(bridge);
    assert!(pouring.join().unwrap() < 256 * MIB);
}

#[test]
fn initialize_results_of_every_kind() {
    for answer in [
        "null",
        "[]",
        "\"x\"",
        "{}",
        r#"{"protocolVersion":7}"#,
        r#"{"protocolVersion":"9999-99-99"}"#,
        r#"{"protocolVersion":"\r\nx-injected: yes"}"#,
        r#"{"protocolVersion":"2025-11-25","capabilities":[]}"#,
        r#"{"protocolVersion":"\u0000\ud800","capabilities":{"tools":{"listChanged":"yes"}}}"#,
    ] {
        let case = Case::new();
        let server = Server::start();
        server.mcp().set(|s| s.strict = false);
        server.once("initialize", {
            let body = result(0, answer);
            Reply::json(body).header("mcp-session-id", "session-1")
        });
        let bridge = victim(&server.url()).start();
        bridge.send(INITIALIZE);
        // It is the client's to judge.
        assert_eq!(bridge.answer(0).text, result(0, answer));
        bridge.send(INITIALIZED);
        assert!(bridge.ask(1, "tools/list").id.is_some());
        case.end(bridge);
        assert!(server.seen("*").iter().all(|r| !r.headers.contains_key("x-injected")), "{answer}");
    }
}
