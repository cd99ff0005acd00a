//! A legacy client in front of a stateless server: the whole of the bridge. What each translation
//! does in detail is tested beside it.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::bridge::Builder;
use crate::support::reply::Step;
use crate::support::*;

fn recorded(server: &Server) -> Builder {
    Bridge::with(&server.url()).recorded("2025-11-25")
}

/// An `initialize` with these capabilities.
fn initialize(revision: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{{"name":"it","version":"1"}}}}}}"#
    )
}

#[track_caller]
fn connected(server: &Server, capabilities: &str) -> Bridge {
    let bridge = recorded(server).start();
    bridge.send(initialize("2025-11-25", capabilities));
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge
}

fn call(id: impl std::fmt::Display, name: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{}},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}

/// A tool that asks `questions` (JSON text of an `inputRequests` member) once, with a state.
fn asks(server: &Server, questions: &'static str) {
    server.maybe("tools/call", move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let params = &body["params"];
        if params.get("inputResponses").is_some() {
            let text = json!({ "answers": params["inputResponses"], "state": params["requestState"] });
            let text = serde_json::Value::from(text.to_string());
            return Some(Reply::json(request.result(&format!(
                r#"{{"resultType":"complete","content":[{{"type":"text","text":{text}}}]}}"#
            ))));
        }
        Some(Reply::json(request.result(&format!(
            r#"{{"resultType":"input_required","inputRequests":{questions},"requestState":"\u0073tate\/é=="}}"#
        ))))
    });
}

#[test]
fn the_handshake() {
    for (requested, negotiated) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let server = Server::modern();
        let bridge = Bridge::with(&server.url()).start();
        bridge.send(initialize(requested, "{}"));
        let result = bridge.answer(0).result();
        assert_eq!(result["protocolVersion"], negotiated);
        assert_eq!(result["serverInfo"], json!({"name": "scripted", "version": "1.2.3"}));
        assert_eq!(result["instructions"], "Be kind.");
        assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
        for name in ["supportedVersions", "resultType", "ttlMs", "cacheScope"] {
            assert!(result.get(name).is_none(), "{result}");
        }
        bridge.send(INITIALIZED);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        assert_eq!(server.seen("initialize").len(), 0);
    }
}

#[test]
fn what_a_modern_server_does_not_know_is_answered_here() {
    let server = Server::modern();
    let bridge = connected(&server, "{}");
    assert_eq!(bridge.ask(1, "ping").result(), json!({}));
    bridge
        .send(r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}"#);
    assert_eq!(bridge.answer(2).result(), json!({}));
    bridge.send(notification("notifications/roots/list_changed"));
    bridge.ask(3, "tools/list").result();
    let listed = server.seen("tools/list");
    assert!(listed[0].text().contains(r#""io.modelcontextprotocol/logLevel":"info""#));
    bridge.finish().clean();
    let kinds = server.kinds();
    assert_eq!(kinds.iter().filter(|kind| *kind != "subscriptions/listen").count(), 1, "{kinds:?}");
}

#[test]
fn results_lose_what_old_clients_do_not_know() {
    let server = Server::modern();
    let bridge = connected(&server, "{}");
    let result = bridge.ask(1, "tools/list").result();
    for name in ["resultType", "ttlMs", "cacheScope"] {
        assert!(result.get(name).is_none(), "{result}");
    }
    server.once(
        "tools/call",
        Reply::json(
            r#"{"jsonrpc":"2.0","id":2, "result" : {"n":12345678901234567890, "f":1.0,"resultType":"complete" ,"content":[]} }"#,
        ),
    );
    bridge.send(call(2, "x"));
    assert_eq!(
        bridge.answer(2).text,
        r#"{"jsonrpc":"2.0","id":2, "result" : {"n":12345678901234567890, "f":1.0 ,"content":[]} }"#
    );
    bridge.finish().clean();
}

#[test]
fn errors_of_the_server_arrive() {
    let server = Server::modern();
    let bridge = connected(&server, "{}");
    assert_eq!(bridge.ask(1, "x/unknown").value()["error"]["code"], -32601);
    server.once("tools/list", Reply::body(502, "text/html", "<title>Bad gateway</title>"));
    bridge.ask(2, "tools/list").failed("http_status");
    server.once("tools/call", Reply::reset_after(""));
    bridge.send(call(3, "x"));
    bridge.answer(3).failed("stream_lost");
    // What changes nothing is sent again.
    server.once("tools/list", Reply::reset_after(""));
    bridge.ask(4, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn progress_and_log_messages_pass() {
    let server = Server::modern();
    server.maybe("tools/call", |request| {
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1.0,"total":2}}"#;
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"é"}}"#;
        Some(Reply::sse([
            event(progress),
            event(log),
            event(&request.result(r#"{"content":[],"resultType":"complete"}"#)),
        ]))
    });
    let bridge = connected(&server, "{}");
    bridge.send(call(1, "x"));
    assert!(bridge.incoming("notifications/progress").text.contains(r#""progress":1.0"#));
    bridge.incoming("notifications/message");
    bridge.answer(1).result();
    bridge.finish().clean();
}

#[test]
fn a_cancelled_request_closes_its_stream() {
    let server = Server::modern();
    let feed = Feed::new();
    let open = feed.clone();
    server.maybe("tools/call", move |_| Some(Reply::feed(&open)));
    let bridge = connected(&server, "{}");
    bridge.send(call(1, "slow"));
    server.wait("tools/call", 1);
    feed.send(": still here\n\n");
    bridge.send(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}"#,
    );
    let end = std::time::Instant::now() + DEADLINE;
    while feed.is_open() {
        assert!(std::time::Instant::now() < end, "the stream stays open");
        feed.send(": still here\n\n");
    }
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
    assert!(server.seen("notifications/cancelled").is_empty());
}

#[test]
fn a_form_is_filled_in() {
    let server = Server::modern();
    asks(
        &server,
        r#"{"who":{"method":"elicitation/create","params":{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}}"#,
    );
    let bridge = connected(&server, r#"{"elicitation":{}}"#);
    bridge.send(call(7, "ask"));
    let question = bridge.incoming("elicitation/create");
    assert_eq!(question.value()["params"]["message"], "Who?");
    // Everything else goes on meanwhile.
    bridge.ask(8, "tools/list").result();
    let id = question.id.unwrap();
    bridge.send(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept","content":{{"name":"Ada","n":1.0}}}}}}"#
    ));
    let result = bridge.answer(7).result();
    let said: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(said["state"], "state/é==");
    assert_eq!(said["answers"]["who"]["content"]["name"], "Ada");
    bridge.finish().clean();
    let calls = server.seen("tools/call");
    assert!(calls[1].text().contains(r#""requestState":"\u0073tate\/é==""#), "{}", calls[1].text());
    assert!(calls[1].text().contains(r#""n":1.0"#));
    assert_ne!(calls[0].id, calls[1].id);
}

#[test]
fn several_questions_of_one_round() {
    let server = Server::modern();
    asks(
        &server,
        r#"{"a":{"method":"roots/list"},"b":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}},"c":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}}"#,
    );
    let bridge = connected(&server, r#"{"roots":{},"sampling":{},"elicitation":{"form":{}}}"#);
    bridge.send(call(1, "ask"));
    let asked = ["elicitation/create", "roots/list", "sampling/createMessage"];
    let results = [
        r#"{"action":"decline"}"#,
        r#"{"roots":[{"uri":"file:///a"}]}"#,
        r#"{"role":"assistant","content":{"type":"text","text":"hi"},"model":"m"}"#,
    ];
    for (method, result) in asked.into_iter().zip(results) {
        let id = bridge.incoming(method).id.unwrap();
        bridge.send(super::support::result(id, result));
    }
    let result = bridge.answer(1).result();
    let said: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(said["answers"]["a"]["roots"][0]["uri"], "file:///a");
    assert_eq!(said["answers"]["b"]["model"], "m");
    assert_eq!(said["answers"]["c"]["action"], "decline");
    bridge.finish().clean();
}

#[test]
fn a_question_that_the_client_cannot_answer() {
    let server = Server::modern();
    asks(
        &server,
        r#"{"b":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}"#,
    );
    let bridge = connected(&server, "{}");
    bridge.send(call(1, "ask"));
    let answer = bridge.answer(1);
    assert!(answer.is_error && answer.text.contains("sampling"), "{answer}");
    bridge.finish().clean();
}

#[test]
fn list_changes_and_resource_updates() {
    let server = Server::modern();
    let bridge = connected(&server, "{}");
    let first = server.stateless().stream(1);
    assert_eq!(first.filter, json!({"toolsListChanged": true, "resourcesListChanged": true}));
    first.notify("notifications/tools/list_changed", "");
    let line = bridge.incoming("notifications/tools/list_changed");
    assert!(!line.text.contains("subscriptionId"), "{line}");
    bridge
        .send(r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#);
    bridge.answer(1).result();
    let second = server.stateless().stream(2);
    assert_eq!(second.filter["resourceSubscriptions"], json!(["a:/1"]));
    second.notify("notifications/resources/updated", r#""uri":"a:/1","#);
    assert_eq!(
        bridge.incoming("notifications/resources/updated").value()["params"],
        json!({"uri": "a:/1"})
    );
    server.stateless().only_open(1);
    bridge.send(
        r#"{"jsonrpc":"2.0","id":2,"method":"resources/unsubscribe","params":{"uri":"a:/1"}}"#,
    );
    bridge.answer(2).result();
    // Whatever the old stream still brings is nobody's any more.
    second.notify("notifications/resources/updated", r#""uri":"a:/1","#);
    assert!(server.stateless().stream(3).filter.get("resourceSubscriptions").is_none());
    bridge.finish().clean();
    server.stateless().only_open(0);
}

#[test]
fn after_a_gap_everything_counts_as_changed() {
    let server = Server::modern();
    let bridge = connected(&server, "{}");
    server.stateless().stream(1).abort();
    server.stateless().stream(2);
    bridge.incoming("notifications/tools/list_changed");
    bridge.incoming("notifications/resources/list_changed");
    bridge.finish().clean();
}

#[test]
fn headers_mirror_the_call_and_are_corrected() {
    let server = Server::modern();
    let old = r#"{"tools":[{"name":"q","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Region"}}}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
    let new = r#"{"tools":[{"name":"q","inputSchema":{"type":"object","properties":{"o":{"type":"object","properties":{"b":{"type":"integer","x-mcp-header":"Depth"}}}}}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#;
    server.maybe("tools/list", move |request| Some(Reply::json(request.result(new))));
    server.once("tools/list", Reply::json(result(1, old)));
    server.maybe("tools/call", |request| {
        let wrong = request.header("mcp-param-depth") != Some("42");
        wrong.then(|| {
            let id = request.id.as_deref().unwrap();
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32020,"message":"Header mismatch"}}}}"#
            );
            Reply::body(400, "application/json", body)
        })
    });
    let bridge = connected(&server, "{}");
    bridge.ask(1, "tools/list").result();
    bridge.send(
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"q","arguments":{"a":"é","o":{"b":4.2e1}}}}"#,
    );
    bridge.answer(2).result();
    let calls = server.seen("tools/call");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].header("mcp-param-region"), Some("=?base64?w6k=?="));
    assert_eq!(calls[1].header("mcp-param-region"), None);
    // The same error a second time is the client's.
    bridge.send(
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"q","arguments":{}}}"#,
    );
    assert_eq!(bridge.answer(3).value()["error"]["code"], -32020);
    bridge.finish().clean();
    assert!(server.seen("tools/call").len() <= 4);
}

#[test]
fn tools_that_nobody_could_call_are_left_out() {
    let server = Server::modern();
    server.once("tools/list", Reply::json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good","n":1.0,"inputSchema":{"type":"object"}},{"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}}],"nextCursor":"x"}}"#));
    let bridge = connected(&server, "{}");
    let answer = bridge.ask(1, "tools/list");
    assert!(
        answer.text.contains(
            r#"[{"name":"good","n":1.0,"inputSchema":{"type":"object"}}],"nextCursor":"x""#
        ),
        "{answer}"
    );
    bridge.wait_stderr("bad");
    bridge.finish().clean();
}

#[test]
fn requests_of_a_stateless_server_are_no_requests() {
    let server = Server::modern();
    server.maybe("tools/call", |request| {
        Some(Reply::sse([
            event(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#),
            event(&request.result(r#"{"content":[]}"#)),
        ]))
    });
    let bridge = connected(&server, r#"{"roots":{}}"#);
    bridge.send(call(1, "x"));
    bridge.answer(1).result();
    bridge.finish().clean();
}

#[test]
fn the_end_comes_while_a_question_is_open() {
    let server = Server::modern();
    asks(&server, r#"{"a":{"method":"roots/list"}}"#);
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=200ms").start();
    bridge.send(initialize("2025-11-25", r#"{"roots":{}}"#));
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.send(call(1, "ask"));
    bridge.incoming("roots/list");
    let exit = bridge.finish();
    // Nobody can answer the question any more.
    assert!(exit.rest.iter().any(|line| line.answers("1") && line.is_error), "{:?}", exit.rest);
    exit.code(0);
}

#[test]
fn a_server_that_stops_answering_in_the_middle() {
    let server = Server::modern();
    server.maybe("tools/call", |_| {
        Some(Reply::sse([Step::from(event(
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
        )), Step::Abort]))
    });
    let bridge = connected(&server, "{}");
    bridge.send(call(1, "x"));
    bridge.incoming("notifications/progress");
    bridge.answer(1).failed("stream_lost");
    bridge.finish().clean();
    // A modern server resumes nothing, and a call may have been carried out.
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[test]
fn no_home_no_cache() {
    let server = Server::modern();
    for _ in 0..2 {
        let bridge = Bridge::with(&server.url()).home(Path::new("/nonexistent")).start();
        bridge.handshake().result();
        bridge.finish().clean();
    }
}
