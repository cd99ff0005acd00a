//! Awkward and hostile peers around a stateless server, for clients of both eras.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::tls::Tls;
use crate::support::*;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn initialize(capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"it","version":"1"}}}}}}"#
    )
}

#[track_caller]
fn legacy(server: &Server, capabilities: &str) -> Bridge {
    let bridge = Bridge::with(&server.url()).start();
    bridge.send(initialize(capabilities));
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge
}

#[track_caller]
fn modern(server: &Server) -> Bridge {
    let bridge = Bridge::with(&server.url()).start();
    bridge.send(modern_request("\"d\"", DISCOVER, ""));
    bridge.answer("\"d\"").result();
    bridge
}

/// `more` is JSON text of members of `params` with a comma behind each.
fn modern_request(id: impl std::fmt::Display, method: &str, more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{more}{META}}}}}"#)
}

fn call(id: impl std::fmt::Display, name: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{}}}}}}"#
    )
}

fn cancel(id: impl std::fmt::Display) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

fn name_of(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["params"]["name"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn one_refusal_without_words_is_that_of_one_request() {
    let server = Server::modern();
    let slow = Feed::new();
    let held = slow.clone();
    server.maybe("tools/call", move |request| match name_of(request).as_str() {
        "slow" => Some(Reply::feed(&held)),
        "bad" => Some(Reply::body(404, "text/html", "<title>Not here</title>")),
        _ => None,
    });
    let bridge = legacy(&server, "{}");
    bridge
        .send(r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#);
    bridge.answer(1).result();
    server.stateless().stream(2);
    server.stateless().only_open(1);
    bridge.send(call(2, "slow"));
    let asked = server.wait("tools/call", 1);
    slow.send(": wait\n\n");
    bridge.send(call(3, "bad"));
    let error = bridge.answer(3).failed("http_status");
    assert_eq!(error["data"]["status"], 404);
    slow.send(event(&asked[0].result("{}")));
    slow.end();
    bridge.answer(2).result();
    // What was subscribed to still is.
    server.stateless().stream(2).notify("notifications/resources/updated", r#""uri":"a:/1","#);
    bridge.incoming("notifications/resources/updated");
    bridge.finish().clean();
    assert_eq!(server.seen("subscriptions/listen").len(), 2);
    assert_eq!(server.seen("initialize").len(), 0);
}

#[test]
fn the_same_for_a_modern_client() {
    let server = Server::modern();
    server.maybe("tools/call", move |request| match name_of(request).as_str() {
        "bad" => Some(Reply::body(400, "text/html", "<title>Too large a header</title>")),
        _ => None,
    });
    let bridge = modern(&server);
    for id in 1..3 {
        bridge.send(modern_request(id, "tools/call", r#""name":"bad","#));
        let error = bridge.answer(id).failed("http_status");
        assert_eq!(error["data"]["status"], 400);
    }
    bridge.finish().clean();
}

#[test]
fn a_client_that_falls_back_while_the_server_thinks() {
    let server = Server::modern();
    let gate = Gate::new();
    let body = |request: &Request| {
        request.result(
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}"#,
        )
    };
    let wait = gate.clone();
    server.maybe(DISCOVER, move |request| Some(Reply::json(body(request)).after(&wait)));
    let bridge = Bridge::start(&server);
    bridge.send(modern_request(1, DISCOVER, ""));
    server.wait(DISCOVER, 1);
    bridge.send(INITIALIZE);
    std::thread::sleep(Duration::from_millis(300));
    gate.open();
    let result = bridge.answer(0).result();
    assert_eq!(result["protocolVersion"], "2025-11-25");
    bridge.send(INITIALIZED);
    bridge.ask(2, "tools/list").result();
    bridge.finish();
    assert_eq!(server.seen("initialize").len(), 0);
    assert_eq!(server.seen("notifications/initialized").len(), 0);
}

#[test]
fn a_thousand_requests_and_a_subscription() {
    let server = Server::modern();
    let gate = Gate::new();
    let wait = gate.clone();
    server.maybe("tools/call", move |r| {
        Some(Reply::json(r.result(r#"{"content":[],"resultType":"complete"}"#)).after(&wait))
    });
    let bridge = legacy(&server, "{}");
    server.stateless().stream(1);
    let mut lines = String::new();
    for id in 1..=1024 {
        lines.push_str(&call(id, "x"));
        lines.push('\n');
    }
    bridge.send_bytes(lines);
    server.wait("tools/call", 1024);
    // All are taken back, and as many come again.
    let mut lines = String::new();
    for id in 1..=1000 {
        lines.push_str(&cancel(id));
        lines.push('\n');
    }
    for id in 2001..=3000 {
        lines.push_str(&call(id, "x"));
        lines.push('\n');
    }
    bridge.send_bytes(lines);
    server.wait("tools/call", 2024);
    gate.open();
    for id in (1001..=1024).chain(2001..=3000) {
        bridge.answer(id).result();
    }
    bridge.finish().clean();
}

#[test]
fn taking_back_does_not_wait_for_a_free_stream() {
    let tls = Tls::new();
    let server = Server::modern_with_tls(&tls);
    server.maybe("tools/call", |_| Some(Reply::never()));
    let bridge = Bridge::with(&server.url()).path("--ca-cert", &tls.file("ca.pem")).start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    server.stateless().stream(1);
    // More than the server has streams.
    for id in 1..=300 {
        bridge.send(call(id, "x"));
    }
    server.wait("tools/call", 150);
    let start = Instant::now();
    for id in 1..=300 {
        bridge.send(cancel(id));
    }
    bridge.ask(1000, "tools/list").result();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    bridge.finish();
}

#[test]
fn disagreement_without_an_id() {
    let server = Server::modern();
    server.maybe("tools/call", |_| {
        Some(Reply::body(400, "application/json", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"Header mismatch: Mcp-Name"}}"#))
    });
    let bridge = legacy(&server, "{}");
    bridge.send(call(1, "x"));
    let answer = bridge.answer(1);
    assert!(answer.is_error && answer.text.contains("Mcp-Name"), "{answer}");
    bridge.finish().clean();
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[test]
fn a_server_that_becomes_legacy_loses_no_later_request() {
    let server = Server::modern();
    let bridge = legacy(&server, "{}");
    let stream = server.stateless().stream(1);
    bridge.ask(1, "tools/list").result();
    // It is replaced between two requests; the subscription notices first.
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    server.stateless().set(|s| s.strict = false);
    server.maybe("*", move |request| {
        if request.http != http::Method::POST {
            return Some(Reply::status(405));
        }
        let legacy = request.header("mcp-session-id") == Some("s");
        Some(match request.kind.as_str() {
            "initialize" => Reply::json(request.result(r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"old","version":"1"}}"#)).header("mcp-session-id", "s"),
            _ if !legacy => Reply::body(400, "application/json", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no valid session ID"}}"#),
            "tools/call" => {
                counted.fetch_add(1, Ordering::SeqCst);
                Reply::json(request.result(r#"{"content":[]}"#))
            }
            _ if request.id.is_none() => Reply::status(202),
            _ => Reply::json(request.result("{}")),
        })
    });
    server.always(DISCOVER, |_| Reply::body(400, "application/json", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no valid session ID"}}"#));
    stream.abort();
    server.wait("subscriptions/listen", 2);
    std::thread::sleep(Duration::from_millis(300));
    bridge.send(call(2, "x"));
    bridge.answer(2).result();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    bridge.finish();
}

#[test]
fn questions_of_every_kind() {
    let server = Server::modern();
    server.maybe("tools/call", |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let form = r#"{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}"#;
        let result = match name_of(request).as_str() {
            "twice" => format!(r#"{{"resultType":"input_required","inputRequests":{{"a":{form},"\u0061":{form}}}}}"#),
            "many" => {
                let all: Vec<_> = (0..300).map(|n| format!(r#""q{n}":{form}"#)).collect();
                format!(r#"{{"resultType":"input_required","inputRequests":{{{}}}}}"#, all.join(","))
            }
            "for ever" => format!(r#"{{"resultType":"input_required","inputRequests":{{"a":{form}}},"requestState":"s"}}"#),
            "huge" if body["params"].get("requestState").is_none() => format!(
                r#"{{"resultType":"input_required","inputRequests":{{"a":{form}}},"requestState":"{}"}}"#,
                "s".repeat(5 << 20)
            ),
            "too huge" => format!(
                r#"{{"resultType":"input_required","inputRequests":{{"a":{form}}},"requestState":"{}"}}"#,
                "s".repeat(17 << 20)
            ),
            "list" => r#"{"resultType":"input_required","inputRequests":[1]}"#.to_owned(),
            "nothing" => r#"{"resultType":"input_required"}"#.to_owned(),
            "params" => r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":[1]}}}"#.to_owned(),
            "number" => r#"{"resultType":"input_required","inputRequests":{"a":5}}"#.to_owned(),
            "strange" => r#"{"resultType":"input_required","inputRequests":{"a":{"method":"x/\u001b[31m"}}}"#.to_owned(),
            "type" => r#"{"resultType":7}"#.to_owned(),
            _ => r#"{"resultType":"complete","content":[]}"#.to_owned(),
        };
        Some(Reply::json(request.result(&result)))
    });
    server.always("prompts/list", |request| {
        Reply::json(request.result(r#"{"resultType":"input_required","requestState":"x"}"#))
    });
    let bridge = legacy(&server, r#"{"elicitation":{}}"#);
    for (id, name) in ["twice", "many", "too huge", "list", "nothing", "number", "strange", "type"]
        .into_iter()
        .enumerate()
    {
        bridge.send(call(id, name));
        bridge.answer(id).failed(if name == "too huge" { "too_large" } else { "invalid_response" });
    }
    bridge.ask(20, "prompts/list").failed("invalid_response");
    bridge.send(call(21, "for ever"));
    for round in 0..32 {
        let id = bridge.incoming("elicitation/create").id.unwrap();
        // Twice, and then for an id that nobody has.
        bridge.send(result(&id, r#"{"action":"accept","content":{}}"#));
        bridge.send(result(&id, r#"{"action":"decline"}"#));
        bridge.send(result(format!("\"mcp-tether/{round}x\""), "{}"));
    }
    bridge.answer(21).failed("invalid_response");
    assert_eq!(server.seen("tools/call").len(), 8 + 33);
    bridge.send(call(22, "huge"));
    let id = bridge.incoming("elicitation/create").id.unwrap();
    bridge.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"no"}}}}"#));
    bridge.answer(22).result();
    bridge.send(call(23, "params"));
    let question = bridge.incoming("elicitation/create");
    bridge.send(cancel(23));
    assert_eq!(
        bridge.incoming("notifications/cancelled").value()["params"]["requestId"],
        question.value()["id"]
    );
    // Late.
    bridge.send(result(question.id.unwrap(), "{}"));
    bridge.ask(24, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn ids_of_all_kinds() {
    let server = Server::modern();
    let bridge = legacy(&server, "{}");
    let ids = [
        "1",
        r#""1""#,
        "2.0",
        "2e0",
        "-7",
        "12345678901234567890",
        r#""""#,
        r#""mcp-tether/1""#,
        r#""mcp-tether/2""#,
        r#""mcp-tether/tools""#,
        r#""mcp-tether/discover""#,
        r#""mcp-tether/restored/0""#,
        r#""\u0031é\ud83d\ude00""#,
        r#""  ""#,
    ];
    for id in ids {
        bridge.send(call(id, "x"));
        bridge.answer(id).result();
    }
    let gate = Gate::new();
    let wait = gate.clone();
    server.maybe("tools/call", move |r| {
        Some(Reply::json(r.result(r#"{"content":[],"resultType":"complete"}"#)).after(&wait))
    });
    for id in ids.iter().filter(|id| **id != "2e0") {
        bridge.send(call(id, "x"));
    }
    // The same as 2.0.
    bridge.send(call("2e0", "x"));
    assert!(bridge.answer("2e0").is_error);
    bridge.send(
        r#"{"jsonrpc":"2.0","id":99,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#,
    );
    bridge.answer(99).result();
    gate.open();
    for id in ids.iter().filter(|id| **id != "2e0") {
        bridge.answer(id).result();
    }
    bridge.finish().clean();
}

#[test]
fn bytes_of_every_direction() {
    let server = Server::modern();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    // The checks do not read as deep.
    server.stateless().set(|s| s.strict = false);
    let echoed = deep.clone();
    server.maybe("tools/call", move |request| {
        let note = format!(r#"{{"params" : {{"progressToken":1,"x":{echoed},"progress":1.0}},"method":"notifications/progress","jsonrpc":"2.0"}}"#);
        let answer = format!(r#"{{"result":{{"content":[],"x":{echoed}, "n" : 1.50e+1 }},"id":{},"jsonrpc":"2.0"}}"#, request.id.as_deref().unwrap());
        Some(Reply::sse([event(&note), event(&answer)]))
    });
    let bridge = legacy(&server, "{}");
    bridge.send(format!(r#"{{"params":{{ "arguments":{{"x":{deep},"n":1.0}} ,"name":"x"}},"id":1,"method":"tools/call","jsonrpc":"2.0"}}"#));
    assert!(bridge.incoming("notifications/progress").text.contains(&deep));
    let answer = bridge.answer(1);
    assert_eq!(
        answer.text,
        format!(
            r#"{{"result":{{"content":[],"x":{deep}, "n" : 1.50e+1 }},"id":1,"jsonrpc":"2.0"}}"#
        )
    );
    let sent = server.seen("tools/call");
    assert!(
        sent[0].text().starts_with(&format!(
            r#"{{"params":{{ "arguments":{{"x":{deep},"n":1.0}} ,"name":"x""#
        ))
    );
    bridge.finish().clean();
}

#[test]
fn a_list_of_ten_megabytes() {
    let server = Server::modern();
    let tools: Vec<_> = (0..10_000)
        .map(|n| format!(r#"{{"name":"t{n}","description":"{}","inputSchema":{{"type":"object","properties":{{"a":{{"type":"string","x-mcp-header":"A"}}}}}},"outputSchema":{{"type":"string"}}}}"#, "x".repeat(900)))
        .collect();
    let text = format!(
        r#"{{"tools":[{}],"resultType":"complete","ttlMs":1,"cacheScope":"public"}}"#,
        tools.join(",")
    );
    server.maybe("tools/list", move |request| Some(Reply::json(request.result(&text))));
    let bridge = legacy(&server, "{}");
    let start = Instant::now();
    let result = bridge.ask(1, "tools/list").result();
    assert_eq!(result["tools"].as_array().unwrap().len(), 10_000);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    bridge.finish().clean();
}

#[test]
fn a_server_that_looks_legacy_for_a_moment() {
    // Replicas of two versions behind one address.
    let server = Server::modern();
    let bridge = legacy(&server, "{}");
    bridge
        .send(r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}"#);
    bridge.answer(1).result();
    bridge
        .send(r#"{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#);
    bridge.answer(2).result();
    let refusal = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no valid session ID"}}"#;
    server.once("tools/call", Reply::body(400, "application/json", refusal));
    server.once(DISCOVER, Reply::body(400, "application/json", refusal));
    bridge.send(call(3, "x"));
    bridge.answer(3).failed("session_lost");
    // What the client had set up is set up again.
    bridge.ask(4, "tools/list").result();
    let listed = server.seen("tools/list");
    assert!(listed[0].text().contains(r#"/logLevel":"error""#), "{}", listed[0].text());
    let last = server.stateless().stream(4);
    assert_eq!(last.filter["resourceSubscriptions"], serde_json::json!(["a:/1"]));
    server.stateless().only_open(1);
    bridge.finish().clean();
}

#[test]
fn a_server_that_says_too_much_about_itself() {
    let server = Server::modern();
    let text = "x".repeat(200_000);
    for sse in [false, true] {
        let text = text.clone();
        server.maybe(DISCOVER, move |request| {
            let answer = request.result(&format!(
                r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{{}},"instructions":"{text}"}}"#
            ));
            Some(if sse { Reply::sse([event(&answer)]) } else { Reply::json(answer) })
        });
        let bridge = Bridge::with(&server.url()).arg("--max-message-size=100k").start();
        bridge.send(INITIALIZE);
        bridge.answer(0).failed("too_large");
        bridge.finish().clean();
    }
    assert_eq!(server.kinds(), [""; 0]);
}

#[test]
fn our_errors_quote_no_secret() {
    let secret = "s3cr3t-t0ken-0123456789";
    let server = Server::modern();
    server.maybe("tools/call", move |request| {
        let result = match name_of(request).as_str() {
            "type" => format!(r#"{{"resultType":"{secret}"}}"#),
            _ => format!(
                r#"{{"resultType":"input_required","inputRequests":{{"a":{{"method":"{secret}"}}}}}}"#
            ),
        };
        Some(Reply::json(request.result(&result)))
    });
    let bridge = Bridge::with(&server.url())
        .header(&format!("Authorization: Bearer {secret}"))
        .arg("-vv")
        .start();
    bridge.handshake().result();
    for (id, name) in [(1, "type"), (2, "method")] {
        bridge.send(call(id, name));
        let answer = bridge.answer(id);
        answer.failed("invalid_response");
        assert!(!answer.text.contains(secret), "{answer}");
    }
    assert!(!bridge.finish().clean().stderr.contains(secret));
}
