//! Finding out of which era a server is: what is asked, what is remembered, and what it costs.

use std::path::Path;

use crate::support::bridge::Builder;
use crate::support::reply::Step;
use crate::support::*;

/// The client's `initialize`, with more in it than is needed.
const ODD_INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{"listChanged":true},"x":12345678901234567890},"clientInfo":{"version":"1","name":"odd","title":"é"}}}"#;

/// A modern client's question.
const QUESTION: &str = r#"{"jsonrpc":"2.0","id":"d","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"it","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// A modern request.
fn modern(id: u32, method: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

fn at(server: &Server, home: &Path) -> Builder {
    Bridge::with(&server.url()).home(home)
}

/// Everything that has arrived, the question included.
fn everything(server: &Server) -> Vec<String> {
    let mut all: Vec<_> = server.seen("*");
    all.extend(server.seen(DISCOVER));
    all.sort_by_key(|request| request.at);
    all.iter().map(|request| request.kind.clone()).collect()
}

#[test]
fn the_question_is_in_full_modern_form_and_comes_first() {
    let server = Server::start();
    let bridge = Bridge::start(&server);
    bridge.send(ODD_INITIALIZE);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.ask(1, "tools/list").result();
    server.wait("GET", 1);
    bridge.finish().clean();
    assert_eq!(everything(&server)[..2], [DISCOVER, "initialize"]);
    let question = &server.seen(DISCOVER)[0];
    assert_eq!(question.header("mcp-protocol-version"), Some(MODERN));
    assert_eq!(question.header("mcp-method"), Some(DISCOVER));
    assert_eq!(question.header("mcp-session-id"), None);
    let text = question.text();
    for part in [
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
        r#""io.modelcontextprotocol/clientInfo":{"version":"1","name":"odd","title":"é"}"#,
        r#""roots":{"listChanged":true},"x":12345678901234567890"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
    // The client's own words, as they were.
    assert_eq!(server.seen("initialize")[0].text(), ODD_INITIALIZE);
}

#[test]
fn requests_before_the_first_answer() {
    for (modern_client, server, cold, warm) in [
        (false, Server::start(), &[DISCOVER, "initialize"][..], &["initialize"][..]),
        (false, Server::modern(), &[DISCOVER], &[DISCOVER]),
        (true, Server::start(), &[DISCOVER, "initialize"], &["initialize"]),
        (true, Server::modern(), &[DISCOVER], &[DISCOVER]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut before = 0;
        for expected in [cold, warm] {
            let bridge = at(&server, home.path()).start();
            let (line, id) = if modern_client { (QUESTION, "\"d\"") } else { (INITIALIZE, "0") };
            bridge.send(line);
            bridge.answer(id).result();
            bridge.finish().clean();
            let all = everything(&server);
            // A session that was made for a modern client is used and ended after that.
            let after = ["notifications/initialized", "GET", "DELETE"];
            let asked: Vec<_> =
                all[before..].iter().filter(|kind| !after.contains(&kind.as_str())).collect();
            assert_eq!(asked, expected, "modern client: {modern_client}");
            before = all.len();
        }
    }
}

#[test]
fn a_warm_start_asks_nothing() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start();
    for start in 0..3 {
        let bridge = at(&server, home.path()).ready(&server);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        assert_eq!(server.seen(DISCOVER).len(), 1, "start {start}");
    }
    let server = Server::modern();
    for start in 1..4 {
        let bridge = at(&server, home.path()).start();
        bridge.send(modern(1, "tools/list"));
        bridge.answer(1).result();
        bridge.finish().clean();
        // A request that is not the question itself costs one more on a cold start only.
        assert_eq!(server.seen(DISCOVER).len(), 1, "start {start}");
        assert_eq!(server.seen("tools/list").len(), start);
    }
}

#[test]
fn nothing_is_left_behind() {
    // A server that makes a session for whatever comes.
    let server = Server::start();
    server.mcp().set(|s| s.strict = false);
    server.once(
        DISCOVER,
        Reply::body(400, "application/json", "{}").header("mcp-session-id", "stray"),
    );
    let bridge = Bridge::ready(&server);
    bridge.finish().clean();
    let ended: Vec<_> = server
        .seen("DELETE")
        .iter()
        .map(|request| request.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(ended, ["stray", "session-1"]);

    let server = Server::modern();
    let bridge = Bridge::start(&server);
    bridge.handshake().result();
    server.stateless().stream(1);
    bridge.finish().clean();
    server.stateless().only_open(0);
}

#[test]
fn answers_that_mean_legacy() {
    for reply in [
        Reply::status(400),
        Reply::status(404),
        Reply::status(405),
        Reply::status(202),
        Reply::status(204),
        Reply::body(200, "text/html", "<title>Hello</title>"),
        Reply::json(r#"{"jsonrpc":"2.0","id":"mcp-tether/discover","result":{}}"#),
        Reply::json("null"),
        Reply::body(
            404,
            "application/json",
            r#"{"jsonrpc":"2.0","id":"mcp-tether/discover","error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        Reply::json(
            r#"{"jsonrpc":"2.0","id":"mcp-tether/discover","error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        Reply::json(
            r#"{"jsonrpc":"2.0","id":"mcp-tether/discover","error":{"code":-32602,"message":"Invalid request parameters","data":""}}"#,
        ),
        Reply::sse([event(
            r#"{"jsonrpc":"2.0","id":"mcp-tether/discover","error":{"code":-32600,"message":"not initialized"}}"#,
        )]),
    ] {
        let server = Server::start();
        server.once(DISCOVER, reply);
        let home = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let bridge = at(&server, home.path()).ready(&server);
            bridge.ask(1, "tools/list").result();
            bridge.finish().clean();
        }
        assert_eq!(server.seen(DISCOVER).len(), 1);
    }
}

#[test]
fn answers_that_say_nothing_are_not_remembered() {
    for reply in [
        Reply::status(500),
        Reply::status(502),
        Reply::status(503),
        Reply::status(429),
        Reply::status(408),
        Reply::reset_after(""),
        Reply::raw(""),
    ] {
        let server = Server::start();
        server.once(DISCOVER, reply.clone());
        let home = tempfile::tempdir().unwrap();
        for start in 1..3 {
            let bridge = at(&server, home.path()).ready(&server);
            bridge.ask(1, "tools/list").result();
            bridge.finish().clean();
            assert_eq!(server.seen(DISCOVER).len(), start);
        }
        // A modern server in the same moment of weakness is a modern one the next time.
        let server = Server::modern();
        server.stateless().set(|s| s.strict = false);
        server.once(DISCOVER, reply);
        let bridge = at(&server, home.path()).start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error);
        bridge.send(INITIALIZE.replace("\"id\":0", "\"id\":1"));
        bridge.answer(1).result();
        bridge.finish().clean();
    }
}

#[test]
fn a_server_that_never_answers_the_question() {
    let server = Server::start();
    server.once(DISCOVER, Reply::never());
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();

    let server = Server::start();
    server.once(DISCOVER, Reply::sse([Step::Hold]));
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn nobody_is_asked_twice_at_a_dead_port() {
    let bridge = Bridge::with(&format!("http://127.0.0.1:{}/mcp", dead_port())).start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("connect");
    bridge.finish().clean();
}

#[test]
fn a_listed_version_is_asked_for_once_more() {
    let refusal = r#"{"jsonrpc":"2.0","id":"mcp-tether/discover","error":{"code":-32022,"message":"Unsupported","data":{"supported":["2026-07-28"],"requested":"2026-07-28"}}}"#;
    let server = Server::modern();
    server.once(DISCOVER, Reply::body(400, "application/json", refusal));
    let bridge = Bridge::start(&server);
    bridge.handshake().result();
    bridge.finish().clean();
    assert_eq!(server.seen(DISCOVER).len(), 2);
    assert!(server.seen("initialize").is_empty());

    // Not for ever.
    let server = Server::modern();
    server.always(DISCOVER, move |_| Reply::body(400, "application/json", refusal));
    let bridge = Bridge::start(&server);
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("invalid_response");
    bridge.finish().clean();
    assert_eq!(everything(&server), [DISCOVER, DISCOVER]);
}

#[test]
fn no_revision_in_common() {
    let server = Server::modern();
    server.always(DISCOVER, |r| {
        let id = r.id.as_deref().unwrap();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"Unsupported","data":{{"supported":["2031-01-01"],"requested":"2026-07-28"}}}}}}"#
        );
        Reply::body(400, "application/json", text)
    });
    let bridge = Bridge::start(&server);
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("invalid_response");
    assert!(error["message"].as_str().unwrap().contains("2031-01-01"), "{error}");
    bridge.finish().clean();

    // A modern client hears it from the server itself.
    let bridge = Bridge::start(&server);
    bridge.send(QUESTION);
    assert_eq!(bridge.answer("\"d\"").value()["error"]["code"], -32022);
    bridge.finish().clean();
}

#[test]
fn what_was_known_is_thrown_away_when_the_server_changes() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start();
    let port = server.port();
    at(&server, home.path()).ready(&server).finish().clean();
    drop(server);

    // It is modern now: the first request shows it, and no one has to start again.
    let server = Server::on_port(port, true);
    server.stateless().set(|s| s.strict = false);
    let bridge = at(&server, home.path()).start();
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    assert_eq!(everything(&server)[..2], ["initialize", DISCOVER]);
    drop(server);

    // And legacy again.
    let server = Server::on_port(port, false);
    let bridge = at(&server, home.path()).ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    assert_eq!(everything(&server)[..2], [DISCOVER, "initialize"]);
}

#[test]
fn the_same_for_a_modern_client() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::modern();
    let port = server.port();
    let bridge = at(&server, home.path()).start();
    bridge.send(modern(1, "tools/list"));
    bridge.answer(1).result();
    bridge.finish().clean();
    drop(server);

    let server = Server::on_port(port, false);
    server.mcp().set(|s| s.strict = false);
    let bridge = at(&server, home.path()).start();
    bridge.send(modern(1, "tools/list"));
    assert_eq!(bridge.answer(1).result()["resultType"], "complete");
    bridge.finish().clean();
    drop(server);

    let server = Server::on_port(port, true);
    server.stateless().set(|s| s.strict = false);
    let bridge = at(&server, home.path()).start();
    bridge.send(modern(1, "tools/list"));
    assert_eq!(bridge.answer(1).result()["ttlMs"], 1000);
    bridge.finish().clean();
}

#[test]
fn a_server_that_changes_under_a_running_bridge() {
    let server = Server::start();
    let port = server.port();
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/list").result();
    drop(server);
    let server = Server::on_port(port, true);
    server.stateless().set(|s| s.strict = false);
    bridge.ask(2, "tools/list").result();
    bridge.ask(3, "resources/read").result();
    drop(server);
    let server = Server::on_port(port, false);
    server.mcp().set(|s| s.strict = false);
    bridge.ask(4, "tools/list").result();
    bridge.ask(5, "tools/call").result();
    bridge.finish();
}

#[test]
fn the_flag_decides() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).arg("--protocol").arg("legacy").ready(&server);
    bridge.finish().clean();
    assert!(server.seen(DISCOVER).is_empty());
    let bridge = Bridge::with(&server.url()).arg("--protocol=modern").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("invalid_response");
    bridge.finish().clean();
    assert_eq!(server.seen("initialize").len(), 1);

    let server = Server::modern();
    let bridge = Bridge::with(&server.url()).arg("--protocol=modern").start();
    bridge.handshake().result();
    bridge.finish().clean();
    server.stateless().set(|s| s.strict = false);
    let bridge = Bridge::with(&server.url()).arg("--protocol=legacy").start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).is_error);
    bridge.finish().clean();
}

#[test]
fn a_client_that_falls_back_to_initialize() {
    for server in [Server::start(), Server::modern()] {
        // Two sessions for a moment, which the scripted server does not tell apart.
        server.mcp().set(|s| s.strict = false);
        let bridge = Bridge::start(&server);
        bridge.send(QUESTION);
        bridge.answer("\"d\"").result();
        bridge.handshake().result();
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
    }
}

#[test]
fn the_cache_holds_nothing_but_the_era() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::modern();
    let bridge = at(&server, home.path()).header("X-Key: fake-secret-value").start();
    bridge.handshake().result();
    bridge.finish().clean();
    let mut found = 0;
    let mut folders = vec![home.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            found += 1;
            assert!(text.starts_with(r#"{"era":"modern","until":"#) && text.len() < 60, "{text}");
        }
    }
    assert_eq!(found, 1);
}

#[test]
fn requests_that_come_at_once_ask_once() {
    for server in [Server::start(), Server::modern()] {
        let bridge = Bridge::start(&server);
        for id in 1..20 {
            bridge.send(modern(id, "tools/list"));
        }
        for id in 1..20 {
            bridge.answer(id).result();
        }
        bridge.finish().clean();
        assert_eq!(server.seen(DISCOVER).len(), 1);
        assert!(server.seen("initialize").len() <= 1);
    }
}
