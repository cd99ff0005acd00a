//! How the process ends: end of stdin, signals, a client that is gone, and the exit codes.

use std::time::Duration;

use crate::support::*;

#[test]
fn at_the_end_of_stdin_requests_in_flight_may_finish() {
    let server = Server::start();
    let gate = Gate::new();
    let held = gate.clone();
    server.always("tools/call", move |r| Reply::json(r.result("{}")).after(&held));
    let mut bridge = Bridge::with(&server.url()).arg("--drain-timeout=60s").ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.close_stdin();
    // Long enough that a bridge which does not wait is gone.
    std::thread::sleep(Duration::from_millis(300));
    gate.open();
    bridge.answer(1).result();
    bridge.wait().clean();
    assert_session_ended(&server);
}

#[test]
fn what_is_unanswered_after_the_drain_timeout_gets_an_error() {
    let server = Server::start();
    server.always("tools/call", |_| Reply::never());
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=200ms").ready(&server);
    for id in 1..=3 {
        bridge.send(request(id, "tools/call"));
    }
    server.wait("tools/call", 3);
    let exit = bridge.finish();
    let mut ids: Vec<_> = exit.rest.iter().map(|line| line.id.clone().unwrap()).collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "3"]);
    exit.rest.iter().for_each(|line| drop(line.failed("shutting_down")));
    exit.code(6);
    assert_session_ended(&server);
}

#[cfg(unix)]
#[test]
fn a_signal_after_the_end_of_stdin_ends_the_patience() {
    let server = Server::start();
    server.always("tools/call", |_| Reply::never());
    let mut bridge = Bridge::with(&server.url()).arg("--drain-timeout=1h").ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.close_stdin();
    std::thread::sleep(Duration::from_millis(100));
    bridge.signal("TERM");
    bridge.answer(1).failed("shutting_down");
    bridge.wait().code(6);
    assert_session_ended(&server);
}

#[test]
fn an_answer_that_is_already_streaming_is_drained_too() {
    let server = Server::start();
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    let mut bridge = Bridge::with(&server.url()).arg("--drain-timeout=60s").ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    feed.send(event(&notification("notifications/message")));
    bridge.incoming("notifications/message");
    bridge.close_stdin();
    std::thread::sleep(Duration::from_millis(100));
    feed.send(event(&result(1, "{}")));
    bridge.answer(1).result();
    feed.end();
    bridge.wait().clean();
}

#[test]
fn a_request_that_failed_at_once_leaves_nothing_unanswered() {
    let url = format!("http://127.0.0.1:{}/mcp", dead_port());
    let bridge = Bridge::with(&url).start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("connect");
    bridge.finish().clean();
}

#[test]
fn end_of_stdin_before_anything_was_said() {
    let server = Server::start();
    Bridge::start(&server).finish().clean();
    assert_eq!(server.kinds(), Vec::<String>::new());
}

#[test]
fn without_a_session_there_is_nothing_to_delete() {
    let server = Server::start();
    server.mcp().set(|s| s.sessions = false);
    Bridge::ready(&server).finish().clean();
    assert_eq!(server.seen("DELETE").len(), 0);
}

#[test]
fn a_server_that_never_answers_delete_does_not_hold_the_end_up() {
    let server = Server::start();
    server.always("DELETE", |_| Reply::never());
    let bridge = Bridge::ready(&server);
    let exit = bridge.finish();
    exit.clean();
    // One second is allowed; what is measured is that it is bounded at all.
    assert!(exit.took < Duration::from_secs(20), "took {:?}", exit.took);
    assert_session_ended(&server);
}

#[cfg(unix)]
#[test]
fn signals_end_it_like_the_end_of_stdin() {
    for signal in ["TERM", "INT"] {
        let server = Server::start();
        let gate = Gate::new();
        server.once("tools/call", Reply::json(result(1, "{}")).after(&gate));
        let bridge = Bridge::with(&server.url()).arg("--drain-timeout=60s").ready(&server);
        bridge.send(request(1, "tools/call"));
        server.wait("tools/call", 1);
        bridge.signal(signal);
        std::thread::sleep(Duration::from_millis(200));
        gate.open();
        bridge.answer(1).result();
        bridge.wait().clean();
        assert_session_ended(&server);
    }
}

#[cfg(unix)]
#[test]
fn after_a_signal_the_drain_timeout_holds_too() {
    let server = Server::start();
    server.always("tools/call", |_| Reply::never());
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=100ms").ready(&server);
    bridge.send(request("\"s\"", "tools/call"));
    server.wait("tools/call", 1);
    bridge.signal("TERM");
    bridge.answer("\"s\"").failed("shutting_down");
    bridge.wait().code(6);
    assert_session_ended(&server);
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let server = Server::start();
    server.always("tools/call", |_| Reply::never());
    server.always("DELETE", |_| Reply::never());
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=10m").ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    bridge.signal("INT");
    let code = bridge.wait().code;
    // Whichever of the two was handled second.
    assert!([Some(130), Some(143)].contains(&code), "{code:?}");
}

#[test]
fn a_client_that_closed_stdout_ends_it_promptly_and_silently() {
    let server = Server::start();
    let bridge =
        Bridge::with(&server.url()).arg("--drain-timeout=10m").close_stdout_after(1).ready(&server);
    server.always("tools/call", |r| match r.id.as_deref() {
        Some("1") => Reply::json(r.result("{}")),
        _ => Reply::never(),
    });
    bridge.send(request(2, "tools/call"));
    server.wait("tools/call", 1);
    bridge.send(request(1, "tools/call"));
    let exit = bridge.wait();
    exit.code(7);
    let noise: Vec<_> = exit.stderr.lines().filter(|l| !l.contains("connected to")).collect();
    assert_eq!(noise, Vec::<&str>::new());
    assert_session_ended(&server);
}

#[cfg(unix)]
#[test]
fn a_client_that_reads_nothing_does_not_hold_the_end_up() {
    let server = Server::start();
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=300ms").unread().start();
    bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n{}\n", request(1, "tools/call")));
    server.wait("tools/call", 1);
    // More than all the buffers in between hold.
    let note = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{}"}}"#,
        "x".repeat(64 << 10)
    );
    let writing = std::thread::spawn(move || {
        let chunk = bytes::Bytes::from(event(&note));
        (0..640).all(|_| feed.send(chunk.clone()))
    });
    std::thread::sleep(Duration::from_millis(500));
    bridge.signal("TERM");
    let code = bridge.wait_unread();
    assert_eq!(code, Some(6));
    assert!(!writing.join().unwrap(), "the server could write 40 MiB");
    assert_session_ended(&server);
}

/// That exactly one DELETE with the session's id has arrived.
#[track_caller]
fn assert_session_ended(server: &Server) {
    let deletes = server.wait("DELETE", 1);
    assert_eq!(deletes.len(), 1);
    assert_eq!(deletes[0].header("mcp-session-id"), server.mcp().session().as_deref());
}
