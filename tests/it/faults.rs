//! Every failure becomes exactly one error for the pending id, and the bridge lives on.

use crate::support::reply::Step;
use crate::support::tls::Tls;
use crate::support::*;

/// A way for the server to fail, and the kinds of error that may come of it.
struct Fault {
    name: &'static str,
    reply: Reply,
    kind: &'static str,
    status: Option<u16>,
}

fn fault(name: &'static str, reply: Reply, kind: &'static str, status: Option<u16>) -> Fault {
    Fault { name, reply, kind, status }
}

/// Sends one `tools/call` into each fault, through one bridge, with a working request in between.
fn run(faults: Vec<Fault>) {
    let server = Server::start();
    server.mcp().set(|s| s.sessions = false);
    let bridge = Bridge::with(&server.url_at("/mcp?key=hidden"))
        .arg("--max-message-size=64KiB")
        .ready(&server);
    let count = faults.len();
    for (id, fault) in faults.into_iter().enumerate() {
        let (bad, good) = (format!("\"bad {id}\""), format!("\"good {id}\""));
        server.once("tools/call", fault.reply);
        let answer = bridge.ask(&bad, "tools/call");
        eprintln!("{}: {answer}", fault.name);
        let error = answer.failed(fault.kind);
        assert_eq!(error["data"]["url"], server.url(), "{}", fault.name);
        match fault.status {
            Some(status) => assert_eq!(error["data"]["status"], status, "{}", fault.name),
            None => assert!(error["data"].get("status").is_none_or(|s| s == 200), "{answer}"),
        }
        bridge.ask(&good, "tools/list").result();
    }
    // None was sent twice, and none answered twice.
    assert_eq!(server.seen("tools/call").len(), count);
    bridge.finish().clean();
}

#[test]
fn http_statuses() {
    let kind = |status| match status {
        401 | 403 => "unauthorized",
        429 | 503 => "rate_limited",
        300..=303 | 307 | 308 => "redirect",
        _ => "http_status",
    };
    let statuses = [
        300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413,
        415, 422, 429, 451, 500, 501, 502, 503, 504, 599,
    ];
    run(statuses
        .into_iter()
        .map(|status| {
            // Odd statuses with an empty body, even ones with a page.
            let reply = if status % 2 == 1 || status == 304 {
                Reply::status(status)
            } else {
                let page = "<html><head><title>Sorry, an upstream failed</title></head></html>";
                Reply::body(status, "text/html; charset=utf-8", page)
            };
            fault("status", reply, kind(status), Some(status))
        })
        .collect());
}

#[test]
fn an_error_page_is_named_by_its_title() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let page =
        "<!doctype html><html><head><title>Captive portal of the hotel</title></head></html>";
    for status in [200, 502] {
        server.once("tools/call", Reply::body(status, "text/html", page));
        let answer = bridge.ask(status, "tools/call");
        assert!(answer.text.contains("Captive portal of the hotel"), "{answer}");
    }
    bridge.finish().clean();
}

#[test]
fn bodies_that_hold_no_answer() {
    let ok = Some(200);
    let invalid = "invalid_response";
    let json = |body: &str| Reply::json(body.to_owned());
    run(vec![
        fault("empty body", json(""), invalid, ok),
        fault("empty body without type", Reply::status(200), invalid, ok),
        fault("no content", Reply::status(204), invalid, Some(204)),
        fault("empty object", json("{}"), invalid, ok),
        fault("null", json("null"), invalid, ok),
        fault("a number", json("17"), invalid, ok),
        fault("not JSON", json("Service is warming up"), invalid, ok),
        fault("cut JSON", json(r#"{"jsonrpc":"2.0","id":"bad 6","result":{"#), invalid, ok),
        fault("HTML", Reply::body(200, "text/html", "<h1>Sign in</h1>"), invalid, ok),
        fault("text", Reply::body(200, "text/plain", "fine"), invalid, ok),
        fault("wrong id", json(&result("\"other\"", "{}")), invalid, ok),
        fault("id of another type", json(&result("0", "{}")), invalid, ok),
        fault("empty batch", json("[]"), invalid, ok),
        fault("batch of others", json(&format!("[{}]", result("77", "{}"))), invalid, ok),
        fault("not UTF-8", Reply::json(b"\xff\xfe\x00{}".to_vec()), invalid, ok),
        fault("not gzip", json("plain").header("content-encoding", "gzip"), invalid, ok),
    ]);
}

#[test]
fn connections_that_break() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let begun = r#"{"jsonrpc":"2.0","id":"#;
    let (invalid, lost) = ("invalid_response", "stream_lost");
    run(vec![
        fault("closed before headers", Reply::raw(""), lost, None),
        fault("reset before headers", Reply::reset_after(""), lost, None),
        fault("no HTTP", Reply::raw("220 mail.invalid ESMTP\r\n"), invalid, None),
        fault("cut in the headers", Reply::raw(head), lost, None),
        fault(
            "body shorter than announced",
            Reply::raw(format!("{head}content-length: 100\r\n\r\n{begun}")),
            invalid,
            None,
        ),
        fault(
            "reset in the body",
            Reply::reset_after(format!("{head}content-length: 100\r\n\r\n{begun}")),
            invalid,
            None,
        ),
        fault(
            "broken chunk",
            Reply::raw(format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{begun}\r\n")),
            invalid,
            None,
        ),
        fault(
            "chunks without end",
            Reply::raw(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"jso\r\n")),
            invalid,
            None,
        ),
    ]);
}

#[test]
fn streams_without_an_answer() {
    let (invalid, lost) = ("invalid_response", "stream_lost");
    let sse = |text: &str| Reply::sse([text.to_owned()]);
    run(vec![
        fault("nothing", sse(""), lost, None),
        fault("comments", sse(": hello\n\n: still here\n\n"), lost, None),
        fault("answer to another request", sse(&event(&result("\"y\"", "{}"))), lost, None),
        fault("no JSON", sse(&event("not json")), invalid, None),
        fault(
            "garbage",
            Reply::sse([b"\xff\x00\x01data\n\ndata: \xff\n\n".to_vec()]),
            invalid,
            None,
        ),
        fault("another event", sse("event: ping\ndata: {}\n\n"), lost, None),
        fault("broken", Reply::sse([Step::from(": x\n\n"), Step::Abort]), lost, None),
        fault(
            "broken in the answer",
            Reply::sse([Step::from(r#"data: {"jsonrpc":"2.0","id""#), Step::Abort]),
            lost,
            None,
        ),
    ]);
}

#[test]
fn answers_over_the_limit() {
    let limit = 64 << 10;
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).arg("--max-message-size=64KiB").ready(&server);
    let sized = |length: usize| {
        let frame = result(1, "\"\"");
        let at = frame.len() - 2;
        format!("{}{}{}", &frame[..at], "x".repeat(length - frame.len()), &frame[at..])
    };
    for make in [
        |text: &str| Reply::json(text.to_owned()),
        |text: &str| Reply::sse([event(&notification("notifications/message")), event(text)]),
    ] {
        server.once("tools/call", make(&sized(limit)));
        bridge.ask(1, "tools/call").result();
        for length in [limit + 1, 30 * limit] {
            server.once("tools/call", make(&sized(length)));
            bridge.ask(1, "tools/call").failed("too_large");
        }
        bridge.ask(2, "tools/list").result();
    }
    // What is not an answer is left out, and its stream goes on.
    let note = format!(r#"{{"jsonrpc":"2.0","method":"x","params":"{}"}}"#, "x".repeat(limit));
    server.once("tools/call", Reply::sse([event(&note), event(&result(3, "{}"))]));
    bridge.ask(3, "tools/call").result();
    // An answer whose id comes too late to be seen is one for the request of its stream.
    let late = format!(r#"{{"jsonrpc":"2.0","result":"{}","id":4}}"#, "x".repeat(limit));
    for reply in [Reply::json(late.clone()), Reply::sse([event(&late)])] {
        server.once("tools/call", reply);
        let error = bridge.ask(4, "tools/call").value()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("--max-message-size"), "{error}");
    }
    let exit = bridge.finish();
    assert!(exit.rest.iter().all(|line| line.method.is_some()), "{:?}", exit.rest);
    exit.code(0);
}

#[test]
fn a_server_that_cannot_be_reached() {
    let server = Server::with_tls(&Tls::new());
    let plain = Server::start();
    let cases = [
        ("connect", format!("http://127.0.0.1:{}/mcp", dead_port())),
        ("dns", "https://no-such-host.invalid/mcp".to_owned()),
        ("tls", server.url()),
        ("tls", plain.url().replace("http", "https")),
    ];
    for (kind, url) in cases {
        let bridge = Bridge::with(&url).start();
        bridge.send(INITIALIZE);
        assert_eq!(bridge.answer(0).failed(kind)["data"]["url"], url, "{kind}");
        bridge.send(INITIALIZED);
        bridge.ask("\"again\"", "tools/list").failed(kind);
        bridge.finish().clean();
    }
}

#[test]
fn notifications_and_responses_that_fail_are_not_answered() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for reply in [
        Reply::status(400),
        Reply::status(500),
        Reply::raw(""),
        Reply::reset_after(""),
        Reply::body(200, "text/html", "<title>Sign in</title>"),
        Reply::json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#),
    ] {
        server.once("notifications/roots/list_changed", reply.clone());
        bridge.send(notification("notifications/roots/list_changed"));
        server.once("response", reply);
        bridge.send(result("\"s1\"", "{}"));
        bridge.ask(1, "tools/list").result();
    }
    let exit = bridge.finish();
    // A JSON-RPC error without an id may be shown to the client: it is no answer of ours.
    let answers: Vec<_> = exit.rest.iter().filter(|l| l.id.as_deref() != Some("null")).collect();
    assert_eq!(answers, Vec::<&Line>::new());
    exit.code(0);
}

#[test]
fn a_failed_initialize_may_be_repeated() {
    let server = Server::start();
    let bridge = Bridge::start(&server);
    for reply in [Reply::status(503), Reply::raw(""), Reply::json("{}")] {
        server.once("initialize", reply);
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error);
    }
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn a_batch_body_with_our_answer_is_taken_apart() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let note = notification("notifications/message");
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"a": 1.0}}"#;
    for as_stream in [false, true] {
        let batch = format!("[{note}, {answer}]");
        let reply = if as_stream { Reply::sse([event(&batch)]) } else { Reply::json(batch) };
        server.once("tools/call", reply);
        bridge.send(request(1, "tools/call"));
        assert_eq!(bridge.line().text, note);
        assert_eq!(bridge.line().text, answer);
    }
    bridge.finish().clean();
}
