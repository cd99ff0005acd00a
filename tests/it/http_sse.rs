//! The deprecated HTTP+SSE transport (2024-11-05): handshake, relaying, and what breaks.

use std::time::{Duration, Instant};

use crate::support::*;

#[test]
fn a_whole_conversation() {
    let sse = HttpSse::start();
    let bridge = sse.bridge().start();
    assert_eq!(bridge.handshake().result()["serverInfo"]["name"], "scripted");
    for id in 1..=20 {
        bridge.send(request(id, "tools/call"));
    }
    for id in (1..=20).rev() {
        bridge.answer(id).result();
    }
    // The server's own messages, both ways.
    sse.push(&notification("notifications/resources/list_changed"));
    bridge.incoming("notifications/resources/list_changed");
    sse.push(&request("\"q\"", "roots/list"));
    bridge.incoming("roots/list");
    bridge.send(result("\"q\"", r#"{"roots":[]}"#));
    bridge.send(notification("notifications/roots/list_changed"));
    sse.server().wait("notifications/roots/list_changed", 1);
    bridge.finish().clean();

    let kinds = sse.server().kinds();
    assert_eq!(kinds[..3], ["GET", "initialize", "notifications/initialized"]);
    assert_eq!(sse.server().seen("GET").len(), 1);
    assert_eq!(sse.posted("initialize")[0].body, INITIALIZE);
    assert_eq!(sse.posted("tools/call").len(), 20);
    assert_eq!(sse.posted("response").len(), 1);
    sse.stream().wait_closed();
}

#[test]
fn messages_pass_byte_for_byte() {
    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["tools/call"]);
    let bridge = sse.ready();
    let call = r#"{"id":12345678901234567890,"x":1.0, "jsonrpc":"2.0","method":"tools/call"}"#;
    bridge.send(call);
    sse.server().wait("tools/call", 1);
    let answer = r#"{ "result" : {"n":1.0,"m":12345678901234567890}, "id":12345678901234567890,"jsonrpc":"2.0","z":null}"#;
    sse.push(answer);
    assert_eq!(bridge.answer("12345678901234567890").text, answer);
    assert_eq!(sse.posted("tools/call")[0].text(), call);
    bridge.finish().clean();
}

#[test]
fn the_version_header_goes_to_servers_that_know_it() {
    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let sse = HttpSse::start();
        // The server's own checks compare the header with this.
        sse.set(|s| s.revision = revision);
        let bridge = sse.ready();
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
    }
}

#[test]
fn the_address_of_messages() {
    for address in
        ["messages?session_id=session-{}", "/messages?session_id=session-{}#x", "ABSOLUTE"]
    {
        let sse = HttpSse::start();
        let whole = sse.server().url_at("/messages?session_id=session-{}");
        sse.set(|s| s.endpoint = address.replace("ABSOLUTE", &whole));
        let bridge = sse.ready();
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
    }
}

#[test]
fn nothing_is_sent_to_another_origin() {
    let other = Server::start();
    for address in [other.url(), other.url().replace("127.0.0.1", "localhost")] {
        let sse = HttpSse::start();
        sse.set(|s| s.endpoint = format!("{address}?key=fake-key"));
        let bridge = sse.bridge().header("Authorization: Bearer fake-secret").start();
        bridge.send(INITIALIZE);
        let error = bridge.answer(0).failed("invalid_response");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("another origin") && message.contains("/mcp"), "{message}");
        assert!(!message.contains("fake-key"), "{message}");
        let exit = bridge.finish();
        assert!(!exit.stderr.contains("fake-"), "{}", exit.stderr);
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn streams_that_do_not_begin_with_an_address() {
    let long = format!("event: endpoint\ndata: /{}\n\n", "x".repeat(5000));
    let huge = format!("event: endpoint\ndata: /{}\n\n", "x".repeat(9000));
    let note = event(&notification("notifications/message"));
    for (first, text) in [
        (Reply::sse(["event: endpoint\ndata: http://[\n\n"]), "no URL"),
        (Reply::sse(["event: endpoint\ndata\n\n"]), "no URL"),
        (Reply::sse([long]), "4096 bytes"),
        (Reply::sse([huge]), "does not begin with"),
        (Reply::sse([note]), "does not begin with"),
        (Reply::sse([""]), "ended before"),
        (Reply::sse(["event: endpoint\ndata: /messages\n"]), "ended before"),
        (Reply::body(200, "text/html", "<title>Welcome</title>"), "Welcome"),
        (Reply::status(204), "no event stream"),
    ] {
        let sse = HttpSse::start();
        sse.server().once("GET", first);
        let bridge = sse.bridge().arg("--max-message-size=8KiB").start();
        bridge.send(INITIALIZE);
        let error = bridge.answer(0).failed("invalid_response");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(text), "{text}: {message}");
        // The client may try again.
        bridge.handshake().result();
        bridge.finish().clean();
    }
    let sse = HttpSse::start();
    sse.server().once("GET", Reply::body(405, "text/plain", "nothing here"));
    let bridge = sse.bridge().start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("http_status");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("HTTP 405") && message.contains("nothing here"), "{message}");
    bridge.finish();
    assert_eq!(sse.server().kinds(), ["GET"]);
}

#[test]
fn a_stream_that_never_names_an_address() {
    let sse = HttpSse::start();
    let silence = Feed::new();
    sse.server().once("GET", Reply::feed(&silence));
    let bridge = sse.bridge().start();
    let start = Instant::now();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("timeout");
    assert!(start.elapsed() >= Duration::from_secs(9), "{:?}", start.elapsed());
    let exit = bridge.finish();
    exit.clean();
    silence.wait_closed();
    assert_eq!(sse.server().kinds(), ["GET"]);
}

#[test]
fn an_address_that_comes_late_and_behind_other_things() {
    let sse = HttpSse::start();
    let stream = Feed::roomy();
    sse.server().once("GET", Reply::feed(&stream).late(Duration::from_millis(300)));
    sse.server().once("initialize", Reply::status(202));
    let bridge = sse.bridge().start();
    bridge.send(INITIALIZE);
    sse.server().wait("GET", 1);
    stream.push(": hello\n\nid: 1\ndata:\n\nevent: ping\ndata: 1\n\n");
    std::thread::sleep(Duration::from_millis(300));
    stream.push("event: endpoint\ndata: /messages\n\n");
    sse.server().wait("initialize", 1);
    stream.push(event(&result(0, r#"{"protocolVersion":"2024-11-05","capabilities":{}}"#)));
    bridge.answer(0).result();
    bridge.finish().clean();
}

#[test]
fn what_servers_say_to_a_post() {
    let sse = HttpSse::start();
    let bridge = sse.ready();
    let answer = r#"{"jsonrpc":"2.0","id":3,"result":{"from":"the body"}}"#;
    for (id, reply, from) in [
        (1, Reply::body(200, "text/plain", "Accepted"), "the stream"),
        (2, Reply::status(204), "the stream"),
        (3, Reply::json(answer), "the body"),
        (4, Reply::json("{\"ok\":true}"), "the stream"),
        (
            5,
            Reply::sse([event(r#"{"jsonrpc":"2.0","id":5,"result":{"from":"the body"}}"#)]),
            "the body",
        ),
        (6, Reply::never(), "the stream"),
        (7, Reply::body(200, "text/plain", vec![b'x'; 100_000]), "the stream"),
    ] {
        sse.server().once("tools/call", reply);
        bridge.send(request(id, "tools/call"));
        sse.server().wait("tools/call", id);
        if from == "the stream" {
            sse.push(&result(id, r#"{"from":"the stream"}"#));
        }
        assert_eq!(bridge.answer(id).result()["from"], from);
    }
    // Twice is once too often.
    sse.server().once("tools/call", Reply::json(result(8, "{}")));
    bridge.send(request(8, "tools/call"));
    bridge.answer(8).result();
    sse.push(&result(8, "{}"));
    bridge.ask(9, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn posts_that_fail() {
    let sse = HttpSse::start();
    let bridge = sse.ready();
    sse.server().once("tools/call", Reply::body(500, "text/plain", "out of cheese"));
    let error = bridge.ask(1, "tools/call").failed("http_status");
    assert!(error["message"].as_str().unwrap().contains("out of cheese"));
    sse.server().once("tools/call", Reply::body(400, "text/plain", "Could not parse message"));
    bridge.ask(2, "tools/call").failed("http_status");
    let own =
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"unknown session tool"}}"#;
    sse.server().once("tools/call", Reply::body(400, "application/json", own));
    assert_eq!(bridge.ask(3, "tools/call").value()["error"]["code"], -32602);
    sse.server().once("tools/call", Reply::status(503).header("retry-after", "0"));
    bridge.ask(4, "tools/call").result();
    sse.server().once("tools/call", Reply::reset_after(""));
    bridge.ask(5, "tools/call").failed("stream_lost");
    // None of this is about the session.
    assert_eq!(sse.server().seen("GET").len(), 1);
    bridge.finish().clean();
}

#[test]
fn the_handshake_is_refused() {
    let sse = HttpSse::start();
    sse.server().once("initialize", Reply::body(404, "text/plain", "no such session"));
    let bridge = sse.bridge().start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("http_status");
    let first = sse.stream();
    bridge.handshake().result();
    first.wait_closed();
    // By the server itself, on the stream.
    sse.set(|s| s.silent = vec!["initialize"]);
    bridge.send(INITIALIZE.replace("\"id\":0", "\"id\":1"));
    sse.server().wait("initialize", 3);
    sse.push(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#);
    assert_eq!(bridge.answer(1).value()["error"]["code"], -32602);
    bridge.finish().clean();
    assert_eq!(sse.server().seen("GET").len(), 3);
}

#[test]
fn redirects_within_the_origin() {
    let sse = HttpSse::start();
    sse.set(|s| s.endpoint = "messages?session_id=session-{}".into());
    let moved = |request: &Request, from: &str, to: &str| {
        (request.uri.path() == from).then(|| Reply::status(307).header("location", to))
    };
    sse.server().maybe("GET", move |request| moved(request, "/old", "/sse"));
    let bridge = Bridge::with(&sse.server().url_at("/old")).arg("--transport=sse").start();
    bridge.handshake().result();
    bridge.finish().clean();
}

#[test]
fn large_messages_and_the_limit() {
    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["tools/call", "tools/list"]);
    let bridge = sse.bridge().arg("--max-message-size=1MiB").start();
    bridge.handshake().result();
    for id in 1..=3 {
        bridge.send(request(id, if id == 3 { "tools/list" } else { "tools/call" }));
    }
    sse.server().wait("tools/call", 2);
    sse.server().wait("tools/list", 1);
    sse.push(&result(1, &format!("\"{}\"", "x".repeat(1 << 20))));
    bridge.answer(1).failed("too_large");
    sse.push(&result(2, &format!("\"{}\"", "x".repeat(1 << 19))));
    assert_eq!(bridge.answer(2).result().as_str().unwrap().len(), 1 << 19);
    // An answer that is none is not waited for.
    sse.push(r#"{"jsonrpc":"2.0","id":3,"result":{"#);
    bridge.answer(3).failed("invalid_response");
    bridge.finish().clean();
}

#[test]
fn the_end_of_stdin() {
    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["tools/call"]);
    let mut bridge = sse.ready();
    bridge.send(request(1, "tools/call"));
    bridge.close_stdin();
    sse.server().wait("tools/call", 1);
    sse.push(&result(1, "{}"));
    bridge.answer(1).result();
    bridge.wait().clean();

    let sse = HttpSse::start();
    sse.set(|s| s.silent = vec!["tools/call"]);
    let bridge = sse.bridge().arg("--drain-timeout=300ms").start();
    bridge.handshake().result();
    bridge.send(request(1, "tools/call"));
    sse.server().wait("tools/call", 1);
    let exit = bridge.finish();
    exit.code(6);
    exit.rest[0].failed("shutting_down");
    sse.stream().wait_closed();
    assert_eq!(sse.server().seen("GET").len(), 1);
}

#[test]
fn the_session_id_in_the_address_is_not_shown() {
    let sse = HttpSse::start();
    sse.server().always("tools/call", |request| {
        Reply::body(500, "text/plain", format!("cannot handle {}", request.uri))
    });
    let bridge = sse.bridge().arg("-vv").start();
    bridge.handshake().result();
    let error = bridge.ask(1, "tools/call");
    error.failed("http_status");
    assert!(!error.text.contains("session-1"), "{error}");
    let exit = bridge.finish();
    assert!(!exit.stderr.contains("session-1"), "{}", exit.stderr);
}
