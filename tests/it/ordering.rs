//! What may overtake what on the way to the server.

use std::time::Duration;

use crate::support::tls::Tls;
use crate::support::*;

#[test]
fn nothing_overtakes_notifications_initialized() {
    let server = Server::start();
    // The status of the notification is late: what follows waits for it.
    server.once("notifications/initialized", Reply::status(202).late(Duration::from_millis(400)));
    let bridge = Bridge::start(&server);
    bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n{}\n", request(1, "tools/list")));
    bridge.answer(0).result();
    bridge.answer(1).result();
    let (initialized, list) = (server.seen("notifications/initialized"), server.seen("tools/list"));
    let pause = list[0].at - initialized[0].at;
    assert!(pause >= Duration::from_millis(400), "sent after {pause:?}");
    bridge.finish().clean();
}

#[test]
fn everything_waits_for_the_answer_to_initialize() {
    let server = Server::start();
    let gate = Gate::new();
    let held = gate.clone();
    server.maybe("initialize", move |r| {
        let body = r.result(r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}"#);
        Some(Reply::json(body).after(&held))
    });
    server.mcp().set(|s| s.sessions = false);
    let bridge = Bridge::start(&server);
    bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n{}\n", request(1, "tools/list")));
    server.wait("initialize", 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.kinds(), ["initialize"]);
    gate.open();
    bridge.answer(0).result();
    bridge.answer(1).result();
    bridge.finish().clean();
}

#[test]
fn requests_run_in_parallel() {
    let server = Server::start();
    let gate = Gate::new();
    let held = gate.clone();
    server.always("tools/call", move |r| Reply::json(r.result("{}")).after(&held));
    let bridge = Bridge::ready(&server);
    for id in 1..=20 {
        bridge.send(request(id, "tools/call"));
    }
    // All twenty are with the server before it answers one.
    server.wait("tools/call", 20);
    gate.open();
    for id in 1..=20 {
        bridge.answer(id).result();
    }
    bridge.finish().clean();
}

/// A server of each protocol, and a bridge that is ready to talk to it.
fn http1_and_http2() -> [(Server, Bridge); 2] {
    let plain = Server::start();
    let bridge = Bridge::ready(&plain);
    let tls = Tls::new();
    let multiplexed = Server::with_tls(&tls);
    let with = Bridge::with(&multiplexed.url()).path("--ca-cert", &tls.file("ca.pem"));
    let second = with.ready(&multiplexed);
    [(plain, bridge), (multiplexed, second)]
}

#[test]
fn notifications_and_responses_keep_their_place() {
    for (server, bridge) in http1_and_http2() {
        keep_their_place(&server, bridge);
    }
}

fn keep_their_place(server: &Server, bridge: Bridge) {
    server.always("notifications/progress", |_| Reply::status(202).late(Duration::from_millis(20)));
    server.always("response", |_| Reply::status(202).late(Duration::from_millis(20)));
    let mut expected = Vec::new();
    for n in 0..10 {
        for (line, kind) in [
            (notification("notifications/progress"), "notifications/progress"),
            (request(n, "tools/call"), "tools/call"),
            (result(format!("\"s{n}\""), "{}"), "response"),
            (request(format!("\"l{n}\""), "tools/list"), "tools/list"),
        ] {
            bridge.send(line);
            expected.push(kind);
        }
    }
    for n in 0..10 {
        bridge.answer(n).result();
        bridge.answer(format!("\"l{n}\"")).result();
    }
    let all = server.kinds();
    let kinds: Vec<_> = all.iter().map(String::as_str).skip(3).collect();
    assert_eq!(kinds, expected);
    bridge.finish().clean();
}

#[test]
fn a_cancellation_never_precedes_its_request() {
    for (server, bridge) in http1_and_http2() {
        cancel_at_once(&server, bridge);
    }
}

fn cancel_at_once(server: &Server, bridge: Bridge) {
    server.always("tools/call", |_| Reply::never());
    let mut lines = String::new();
    for id in 0..20 {
        lines += &request(id, "tools/call");
        lines += "\n";
        lines += &format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        lines += "\n";
    }
    bridge.send_bytes(lines);
    server.wait("notifications/cancelled", 20);
    let kinds = server.kinds();
    for (at, kind) in kinds[3..].iter().enumerate() {
        let expected = if at % 2 == 0 { "tools/call" } else { "notifications/cancelled" };
        assert_eq!(kind, expected, "at {at} of {kinds:?}");
    }
    bridge.finish().clean();
}

#[test]
fn a_notification_without_an_answer_does_not_stop_everything() {
    let server = Server::start();
    server.once("notifications/progress", Reply::never());
    let bridge = Bridge::ready(&server);
    bridge.send(notification("notifications/progress"));
    // The bridge stops waiting after ten seconds.
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}
