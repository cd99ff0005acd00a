//! The handshake: what of the answer to `initialize` goes into later requests.

use crate::support::*;

#[test]
fn a_revision_that_is_no_header_value() {
    for revision in ["2025-11-25\\r\\nx-evil: 1", "\\u0000", "\\u00e4", ""] {
        let server = Server::start();
        server.mcp().set(|s| (s.strict, s.sessions) = (false, false));
        let text = format!(
            r#"{{"protocolVersion":"{revision}","capabilities":{{}},"serverInfo":{{"name":"x","version":"1"}}}}"#
        );
        server.always("initialize", move |r| Reply::json(r.result(&text)));
        let bridge = Bridge::start(&server);
        bridge.handshake().result();
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        assert!(server.seen("*").iter().all(|r| !r.headers.contains_key("x-evil")));
    }
}

#[test]
fn a_client_may_initialize_again() {
    // The server checks that the second handshake carries no session.
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    assert_eq!(server.seen("tools/list")[0].header("mcp-session-id"), Some("session-2"));
    bridge.finish().clean();
}

#[test]
fn a_session_id_that_is_no_visible_ascii_is_not_sent_back() {
    for id in ["with space", "tab\there", "caf\u{e9}", ""] {
        let server = Server::start();
        server.mcp().set(|s| (s.sessions, s.strict) = (false, false));
        let given = id.to_owned();
        server.always("initialize", move |r| {
            let body = r.result(r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}"#);
            Reply::json(body).header("mcp-session-id", &given)
        });
        let bridge = Bridge::start(&server);
        bridge.send(INITIALIZE);
        let answer = bridge.answer(0);
        if answer.is_error {
            answer.failed("invalid_response");
        } else {
            bridge.send(INITIALIZED);
            bridge.ask(1, "tools/list").result();
        }
        bridge.finish().clean();
        assert!(server.seen("*").iter().all(|r| !r.headers.contains_key("mcp-session-id")), "{id}");
    }
}

#[test]
fn a_session_id_is_only_taken_from_the_answer_to_initialize() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let odd = Reply::json(result(1, "{}")).header("mcp-session-id", "another");
    server.once("tools/call", odd);
    bridge.ask(1, "tools/call").result();
    bridge.ask(2, "tools/list").result();
    assert_eq!(server.seen("tools/list")[0].header("mcp-session-id"), Some("session-1"));
    bridge.finish().clean();
}

#[test]
fn the_answer_to_initialize_may_come_as_a_stream() {
    let server = Server::start();
    server.always("initialize", |r| {
        let body = r.result(r#"{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"x","version":"1"}}"#);
        Reply::sse([format!("id: 1\ndata:\n\n{}", event(&body))]).header("mcp-session-id", "~!visible#")
    });
    server.always("tools/list", |r| Reply::json(r.result("{}")));
    server.mcp().set(|s| s.strict = false);
    let bridge = Bridge::start(&server);
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    let list = &server.seen("tools/list")[0];
    assert_eq!(list.header("mcp-session-id"), Some("~!visible#"));
    assert_eq!(list.header("mcp-protocol-version"), Some("2025-06-18"));
    bridge.finish().clean();
}
