//! Connections that are taken and then led nowhere, at each stage.
//!
//! Nothing can be waited for in a shorter time than the limits of the product have, so most of these end
//! stdin instead: whatever a connection hangs in, every request is answered and the process ends.

use std::io::Write as _;

use super::raw::{Raw, head, hold, trickle};
use super::*;

/// `initialize` goes into the void at `url`. When stdin ends it is answered and so does the process.
#[track_caller]
fn abandoned(url: &str, reached: impl Fn() -> bool) {
    let case = Case::new();
    let bridge = victim(url).start();
    bridge.send(INITIALIZE);
    oauth::wait_for("the connection", || reached().then_some(()));
    case.end_amid(bridge, [0]);
}

#[test]
fn nothing_after_connecting() {
    let raw = Raw::start(|mut socket| hold(&mut socket));
    abandoned(&raw.url("http", "/mcp"), || raw.connections() > 0);
}

#[test]
fn nothing_instead_of_tls() {
    let raw = Raw::start(|mut socket| hold(&mut socket));
    abandoned(&raw.url("https", "/mcp"), || raw.connections() > 0);
}

/// Without stdin's end it is the limit for connecting that counts.
#[test]
fn tls_that_never_comes() {
    let case = Case::new();
    let raw = Raw::start(|mut socket| hold(&mut socket));
    let bridge = victim(&raw.url("https", "/mcp")).arg("--connect-timeout=1s").start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).is_error);
    case.end(bridge);
}

#[test]
fn rubbish_instead_of_tls() {
    let case = Case::new();
    let raw = Raw::start(|mut socket| {
        let _ = socket.write_all(&[0x16, 3, 3, 0xff, 0xff].repeat(100_000));
    });
    let bridge = victim(&raw.url("https", "/mcp")).start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("tls");
    case.end(bridge);
}

/// Records of TLS that never make a handshake.
#[test]
fn a_handshake_without_end() {
    let case = Case::new();
    let raw = Raw::start(|mut socket| {
        let record = [&[0x16u8, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat();
        while socket.write_all(&record).is_ok() {}
    });
    let bridge = victim(&raw.url("https", "/mcp")).arg("--connect-timeout=2s").start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).is_error);
    case.end(bridge);
}

#[test]
fn a_head_that_trickles() {
    let raw = Raw::start(|mut socket| {
        head(&mut socket);
        trickle(&mut socket, "HTTP/1.1 200 OK\r\nx: ".bytes().chain(std::iter::repeat(b'y')));
    });
    abandoned(&raw.url("http", "/mcp"), || raw.connections() > 0);
}

#[test]
fn a_body_that_trickles() {
    let raw = Raw::start(|mut socket| {
        head(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
        trickle(&mut socket, std::iter::repeat(b' '));
    });
    abandoned(&raw.url("http", "/mcp"), || raw.connections() > 0);
}

#[test]
fn comments_that_trickle() {
    let raw = Raw::start(|mut socket| {
        head(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        trickle(&mut socket, ":\n".bytes().cycle());
    });
    abandoned(&raw.url("http", "/mcp"), || raw.connections() > 0);
}

#[test]
fn a_server_that_closes_every_connection() {
    let case = Case::new();
    let raw = Raw::start(drop);
    let bridge = victim(&raw.url("http", "/mcp")).start();
    for id in 0..5 {
        bridge.send(INITIALIZE.replace("\"id\":0", &format!("\"id\":{id}")));
        assert!(bridge.answer(id).is_error);
    }
    // A dead connection may be tried again once or twice, not for ever.
    assert!(raw.connections() <= 40, "{} connections", raw.connections());
    case.end(bridge);
}

/// A request whose body nobody reads, and that is larger than what the system keeps for a connection.
#[test]
fn a_request_that_is_not_read() {
    let case = Case::within(Bounds::memory(160));
    let sockets = std::sync::Mutex::new(Vec::new());
    let raw = Raw::start(move |socket| sockets.lock().unwrap().push(socket));
    let bridge = Bridge::with(&raw.url("http", "/mcp")).arg("-vv").arg("--drain-timeout=500ms");
    let bridge = bridge.header(&format!("X-Key: {SECRET}")).start();
    bridge.send(INITIALIZE.replace("\"it\"", &format!("\"{}\"", "x".repeat(32 * MIB))));
    oauth::wait_for("the connection", || (raw.connections() > 0).then_some(()));
    case.end_amid(bridge, [0]);
}

/// Every response hangs after its head. Further requests get connections of their own.
#[test]
fn many_requests_that_hang_in_the_body() {
    let case = Case::new();
    let server = Server::start();
    server.always("tools/call", |_| {
        Reply::steps("application/json", vec!["{\"jsonrpc\"".into(), reply::Step::Hold])
    });
    let bridge = victim(&server.url()).ready(&server);
    for id in 1..=200 {
        bridge.send(request(id, "tools/call"));
    }
    server.wait("tools/call", 200);
    bridge.ask(1000, "tools/list").result();
    case.end_amid(bridge, 1..=200);
}

/// The whole of what `initialize` may take, for which there is no option.
#[test]
fn an_initialize_that_is_never_answered() {
    let case = Case::within(Bounds::after(Duration::from_secs(60)));
    let raw = Raw::start(|mut socket| hold(&mut socket));
    let bridge = victim(&raw.url("http", "/mcp")).start();
    bridge.send(INITIALIZE);
    let patience = Duration::from_secs(110);
    bridge.find_within(patience, "its answer", |line| line.answers("0")).failed("timeout");
    case.end(bridge);
}
