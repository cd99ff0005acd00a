//! The HTTP side: headers, content types, answers under odd statuses, redirects, cookies,
//! compression, connections.

use std::io::Write;

use crate::support::tls::Tls;
use crate::support::*;

/// Whatever a resolver would make of them: most know none.
#[test]
fn names_below_localhost_are_this_machine() {
    let server = Server::start();
    let url = format!("http://some-server.localhost:{}/mcp", server.port());
    let bridge = Bridge::with(&url).start();
    bridge.handshake().result();
    bridge.finish().clean();
    assert_eq!(server.seen("initialize").len(), 1);
}

#[test]
fn custom_headers_go_with_post_get_and_delete() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url())
        .header("X-One: eins und zwei")
        .arg("-H")
        .arg("X-Two:zwei")
        .header("Authorization: Bearer ${FAKE_TOKEN}")
        .env("FAKE_TOKEN", "not-a-real-token")
        .header("X-Dollar: 5$ {x} $HOME")
        .ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.send(result("\"s\"", "{}"));
    bridge.finish().clean();
    server.wait("DELETE", 1);
    assert_eq!(server.kinds().len(), 6);
    for request in server.seen("*") {
        for (name, value) in [
            ("x-one", "eins und zwei"),
            ("x-two", "zwei"),
            ("authorization", "Bearer not-a-real-token"),
            ("x-dollar", "5$ {x} $HOME"),
        ] {
            assert_eq!(request.header(name), Some(value), "{} {name}", request.kind);
        }
    }
}

#[test]
fn an_accept_header_of_the_user_is_merged() {
    // The server checks on every request that what the protocol needs is still there.
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).header("Accept: application/x-own").ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    let all = |request: &Request| {
        let values = request.headers.get_all("accept").iter();
        values.map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join(",")
    };
    for request in server.seen("*") {
        assert!(all(&request).contains("application/x-own"), "{}", request.kind);
    }
}

#[test]
fn every_revision_is_named_after_the_handshake() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        // The server checks the header on every request.
        let server = Server::start();
        server.mcp().set(|s| s.revision = revision);
        let bridge = Bridge::ready(&server);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        assert_eq!(server.wait("DELETE", 1)[0].header("mcp-protocol-version"), Some(revision));
    }
}

#[test]
fn the_content_type_tells_json_from_a_stream() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let answer = result(1, r#"{"ok":true}"#);
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/Json;charset=UTF-8",
        "application/json ; q=1",
        "text/event-stream",
        "text/event-stream;charset=utf-8",
        "Text/Event-Stream; charset=utf-8",
        "TEXT/EVENT-STREAM ; x",
    ] {
        let stream = content_type.to_ascii_lowercase().contains("event-stream");
        let body = if stream { event(&answer) } else { answer.clone() };
        server.once("tools/call", Reply::body(200, content_type, body));
        assert_eq!(bridge.ask(1, "tools/call").text, answer, "{content_type}");
    }
    bridge.finish().clean();
}

#[test]
fn an_error_for_our_id_passes_unchanged_under_any_status() {
    let server = Server::start();
    server.mcp().set(|s| s.sessions = false);
    let bridge = Bridge::ready(&server);
    for status in [200, 202, 400, 401, 403, 404, 405, 406, 409, 422, 429, 500, 502, 503] {
        let error = format!(
            r#"{{ "error" :{{"message":"no \u0041 {status}","code":-32601.0,"data":{{"a":1,"a":2}}}},"id":"e{status}", "jsonrpc":"2.0"}}"#
        );
        server.once("tools/call", Reply::body(status, "application/json", error.clone()));
        let id = format!("\"e{status}\"");
        assert_eq!(bridge.ask(&id, "tools/call").text, error);
    }
    // So it does in answer to initialize.
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"Unsupported"}}"#;
    server.once("initialize", Reply::body(400, "application/json", error));
    bridge.send(INITIALIZE);
    assert_eq!(bridge.answer(0).text, error);
    bridge.finish().clean();
}

#[test]
fn accepted_now_and_answered_on_another_stream() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let bridge = Bridge::ready(&server);
    for id in 1..=3 {
        server.once("tools/call", Reply::status(202));
        bridge.send(request(id, "tools/call"));
        server.wait("tools/call", id);
    }
    for id in [2, 3, 1] {
        server.mcp().push(event(&result(id, "{}")));
        bridge.answer(id).result();
    }
    bridge.finish().clean();
}

#[test]
fn redirects_of_a_post() {
    let target = Server::start();
    let cases: [(u16, &str, bool); 7] = [
        (307, "/moved", true),
        (308, "/moved", true),
        (301, "/moved", false),
        (302, "/moved", false),
        (303, "/moved", false),
        (307, "elsewhere", false),
        (308, "elsewhere", false),
    ];
    for (status, to, followed) in cases {
        let server = Server::start();
        let location = if to == "elsewhere" { target.url() } else { server.url_at(to) };
        server.maybe("tools/call", move |r| {
            let moved = Reply::status(status).header("location", &location);
            (r.uri.path() == "/mcp").then_some(moved)
        });
        let bridge = Bridge::with(&server.url()).header("Authorization: fake").ready(&server);
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":1.0}}"#;
        bridge.send(line);
        let answer = bridge.answer(1);
        let sent = server.seen("tools/call");
        if followed {
            answer.result();
            assert_eq!(sent.len(), 2, "{status} {to}");
            assert_eq!(sent[1].text(), line);
            assert_eq!(sent[1].header("authorization"), Some("fake"));
        } else {
            assert_eq!(answer.failed("redirect")["data"]["status"], status);
            assert_eq!(sent.len(), 1, "{status} {to}");
        }
        bridge.finish().clean();
    }
    assert_eq!(target.connections(), 0, "nothing may be sent to another origin");
}

#[test]
fn redirects_of_a_get_and_in_a_loop() {
    let server = Server::start();
    server.maybe("GET", |r| {
        (r.uri.path() == "/mcp").then(|| Reply::status(302).header("location", "/listen"))
    });
    server.always("tools/call", |_| Reply::status(307).header("location", "/mcp"));
    server.maybe("prompts/get", |r| {
        let hops: usize = r.uri.path().trim_start_matches("/hop").parse().unwrap_or(0);
        (hops < 5).then(|| Reply::status(308).header("location", &format!("/hop{}", hops + 1)))
    });
    let bridge = Bridge::start(&server);
    bridge.handshake().result();
    server.mcp().push(event(&notification("notifications/message")));
    bridge.incoming("notifications/message");
    bridge.ask(1, "tools/call").failed("redirect");
    assert_eq!(server.seen("tools/call").len(), 6, "the request and five redirects");
    bridge.ask(2, "prompts/get").result();
    bridge.finish().clean();
}

#[test]
fn cookies_are_kept_unless_told_otherwise() {
    for keep in [true, false] {
        let server = Server::start();
        server.once(
            "notifications/initialized",
            Reply::status(202)
                .header("set-cookie", "lb=node-7; Path=/; HttpOnly")
                .header("set-cookie", "other=2"),
        );
        let mut builder = Bridge::with(&server.url());
        if !keep {
            builder = builder.arg("--no-cookies");
        }
        let bridge = builder.ready(&server);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        for kind in ["tools/list", "GET", "DELETE"] {
            let request = &server.wait(kind, 1)[0];
            let cookies = request.header("cookie").unwrap_or_default();
            assert_eq!(cookies.contains("lb=node-7"), keep, "{kind}: {cookies}");
            assert_eq!(cookies.contains("other=2"), keep, "{kind}: {cookies}");
        }
    }
}

#[test]
fn compressed_bodies() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).arg("--max-message-size=1MiB").ready(&server);
    let answer = result(1, &format!("\"{}\"", "abc ".repeat(2000)));
    let reply = Reply::json(gzip(answer.as_bytes())).header("content-encoding", "gzip");
    server.once("tools/call", reply);
    assert_eq!(bridge.ask(1, "tools/call").text, answer);
    assert_eq!(server.seen("tools/call")[0].header("accept-encoding"), Some("gzip"));
    let stream = gzip(event(&answer).as_bytes());
    let reply = Reply::body(200, "text/event-stream", stream).header("content-encoding", "gzip");
    server.once("tools/call", reply);
    assert_eq!(bridge.ask(1, "tools/call").text, answer);
    // What counts is the size of the message, not of its compressed form.
    let large = result(1, &format!("\"{}\"", "x".repeat(64 << 20)));
    for (kind, text) in [("application/json", large.clone()), ("text/event-stream", event(&large))]
    {
        let bomb = gzip(text.as_bytes());
        assert!(bomb.len() < 1 << 20);
        server.once("tools/call", Reply::body(200, kind, bomb).header("content-encoding", "gzip"));
        bridge.ask(1, "tools/call").failed("too_large");
    }
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < 48 << 20, "{} bytes", bridge.peak_memory());
    bridge.finish().clean();
}

/// Heads of a response that no server has: one request fails, the next one is answered.
#[test]
fn heads_over_the_limit() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let head = |fields: String, body: &str| {
        let length = body.len();
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
        ))
    };
    let fields = |count: usize| (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    server.once("tools/call", head(fields(98), &result(1, "{}")));
    bridge.ask(1, "tools/call").result();
    for wrong in [fields(99), fields(5000), format!("x: {}\r\n", "y".repeat(500 << 10))] {
        server.once("tools/call", head(wrong, &result(2, "{}")));
        let answer = bridge.ask(2, "tools/call");
        assert!(answer.is_error, "{answer}");
        bridge.ask(3, "tools/list").result();
    }
    bridge.finish().clean();
}

/// By HTTP/2 it is the size that counts.
#[test]
fn heads_over_the_limit_of_http2() {
    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    let bridge = Bridge::with(&server.url()).path("--ca-cert", &tls.file("ca.pem")).ready(&server);
    let padded = |size: usize| {
        move |request: &Request| {
            let reply = Reply::json(request.result("{}"));
            (0..size / 1000)
                .fold(reply, |reply, n| reply.header(&format!("x-{n}"), &"y".repeat(960)))
        }
    };
    server.always("tools/call", padded(12_000));
    bridge.ask(1, "tools/call").result();
    server.always("tools/call", padded(40_000));
    let answer = bridge.ask(2, "tools/call");
    assert!(answer.is_error, "{answer}");
    bridge.ask(3, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn connections_are_used_again() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for id in 1..=30 {
        bridge.ask(id, "tools/list").result();
    }
    bridge.finish().clean();
    assert!(server.connections() <= 4, "{} connections for 30 requests", server.connections());
}

#[test]
fn a_connection_that_the_server_closed_while_idle_costs_nothing() {
    let server = Server::start();
    server.always("tools/call", |r| Reply::json(r.result("{}")).header("connection", "close"));
    let bridge = Bridge::ready(&server);
    for id in 1..=10 {
        bridge.ask(id, "tools/call").result();
        bridge.send(notification("notifications/roots/list_changed"));
    }
    assert_eq!(server.seen("tools/call").len(), 10);
    // Without a word: the next request finds a dead connection.
    server.always("tools/list", |r| {
        let body = r.result("{}");
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    });
    for id in 1..=10 {
        bridge.ask(id, "tools/list").result();
    }
    bridge.finish().clean();
}

#[test]
fn names_of_the_loopback() {
    let server = Server::start();
    for (url, arg) in [
        (format!("http://localhost:{}/mcp", server.port()), "-v"),
        (format!("http://localhost:{}/mcp", server.port()), "--ipv4"),
        (format!("http://LOCALHOST:{}/mcp", server.port()), "-v"),
    ] {
        let bridge = Bridge::with(&url).arg(arg).start();
        bridge.handshake().result();
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
    }
    // Not every machine has IPv6.
    if let Ok(server) = Server::on_address("[::1]:0") {
        Bridge::ready(&server).finish().clean();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
