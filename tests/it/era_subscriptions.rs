//! Subscriptions to a stateless server that goes wrong, for clients of both eras.

use std::time::{Duration, Instant};

use crate::support::*;

#[track_caller]
fn legacy(server: &Server) -> Bridge {
    let bridge = Bridge::start(server);
    bridge.handshake().result();
    bridge
}

/// A modern client's `subscriptions/listen`.
const LISTEN: &str = r#"{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn cancel(id: impl std::fmt::Display) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

#[test]
fn a_subscription_that_always_breaks_is_not_hurried() {
    let server = Server::modern();
    server.maybe("subscriptions/listen", |request| {
        let id = request.id.as_deref().unwrap();
        Some(Reply::sse([event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
        ))]))
    });
    let bridge = legacy(&server);
    std::thread::sleep(Duration::from_secs(4));
    let opened = server.seen("subscriptions/listen").len();
    assert!((2..=5).contains(&opened), "{opened} streams in 4 s");
    bridge.finish();
}

#[test]
fn a_subscription_that_the_server_takes_back() {
    let server = Server::modern();
    let bridge = legacy(&server);
    let first = server.stateless().stream(1);
    let id = first.id.clone();
    first.send(event(&cancel(&id)));
    // The connection ends without a response.
    first.abort();
    server.stateless().stream(2);
    bridge.ask(1, "tools/list").result();
    std::thread::sleep(Duration::from_millis(1500));
    let ids: Vec<_> = server.seen("subscriptions/listen").iter().map(|r| r.id.clone()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_ne!(ids[0], ids[1]);
    bridge.finish();
}

#[test]
fn a_subscription_of_a_modern_client_that_the_server_takes_back() {
    let server = Server::modern();
    let bridge = Bridge::start(&server);
    bridge.send(LISTEN);
    bridge.incoming("notifications/subscriptions/acknowledged");
    let first = server.stateless().stream(1);
    first.send(event(&cancel(5)));
    bridge.incoming("notifications/cancelled");
    first.abort();
    bridge.answer(5).result();
    // Its id is free.
    bridge.send(LISTEN);
    bridge.incoming("notifications/subscriptions/acknowledged");
    bridge.finish();
}

#[test]
fn the_end_comes_while_nobody_reads() {
    let server = Server::modern();
    let bridge = Bridge::with(&server.url()).unread().arg("--drain-timeout=300ms").start();
    bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n"));
    let stream = server.stateless().stream(1);
    let note = "x".repeat(64 << 10);
    for _ in 0..200 {
        stream.notify("notifications/tools/list_changed", &format!(r#""x":"{note}","#));
    }
    std::thread::sleep(Duration::from_millis(700));
    let start = Instant::now();
    let mut bridge = bridge;
    bridge.close_stdin();
    bridge.wait_unread();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}
