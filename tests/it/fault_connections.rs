//! Faults below HTTP: of TLS, of names, and of a machine that sleeps.

use crate::support::fault_tunnel::{Door, FaultTunnel, Wound};
use crate::support::journal::{Journal, STEPS, step};
use crate::support::tls::Tls;
use crate::support::*;

#[test]
fn an_alert_of_tls_in_the_handshake() {
    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    let tunnel = FaultTunnel::to(server.port(), Door::Open);
    tunnel.wound(0, Wound::Alert);
    let url = format!("https://{}/mcp", tunnel.address());
    let bridge = Bridge::with(&url).path("--ca-cert", &tls.file("ca.pem")).start();
    bridge.send(INITIALIZE);
    // The question of the era may have met it alone.
    let first = bridge.answer(0);
    if first.is_error {
        first.failed("tls");
        bridge.send(INITIALIZE);
        bridge.answer(0).result();
    }
    assert_eq!(tunnel.wounded(), 1);
    bridge.send(INITIALIZED);
    server.wait("GET", 1);
    for id in 1..=3 {
        tunnel.wound(0, Wound::Alert);
        tunnel.cut(Wound::Close);
        let answer = bridge.ask(id, "tools/call");
        if answer.is_error {
            // It may have been written to the connection that was just ending.
            let kind = answer.value()["error"]["data"]["kind"].take();
            answer.failed(if kind == "tls" { "tls" } else { "stream_lost" });
        }
        tunnel.heal();
        bridge.ask("\"after\"", "tools/list").result();
    }
    bridge.finish().clean();
}

#[test]
fn an_alert_of_tls_in_the_middle_of_a_stream() {
    for tls in [Tls::new(), Tls::http1()] {
        let server = Server::with_tls(&tls);
        let journal = Journal::keep(&server);
        let tunnel = FaultTunnel::to(server.port(), Door::Open);
        let url = format!("https://{}/mcp", tunnel.address());
        let bridge = Bridge::with(&url).path("--ca-cert", &tls.file("ca.pem")).ready(&server);
        let (feed, gate) = (Feed::roomy(), Gate::new());
        feed.push("id: 1.0\nretry: 100\ndata:\n\n");
        feed.push(event_id("1.1", &step("1", 1)));
        server.once("tools/call", Reply::feed(&feed));
        let resumed = gate.clone();
        server.maybe("GET", move |request| {
            let cursor = request.header("last-event-id")?;
            let rest = [event_id("1.2", &step("1", 2)), event_id("1.3", &result(1, "{}"))];
            (cursor == "1.1").then(|| Reply::sse(rest).after(&resumed))
        });
        bridge.send(request(1, "tools/call"));
        assert_eq!(bridge.line().text, step("1", 1));
        tunnel.cut(Wound::Alert);
        gate.open();
        assert_eq!(bridge.line().text, step("1", 2));
        bridge.answer(1).result();
        bridge.ask(2, "tools/call").result();
        for number in 1..=STEPS {
            assert_eq!(bridge.line().text, step("2", number));
        }
        assert_eq!((journal.executed("1"), journal.executed("2")), (0, 1));
        bridge.finish().clean();
    }
}

#[test]
fn an_alert_of_tls_where_the_stream_of_the_server_is_opened() {
    let tls = Tls::http1();
    let server = Server::with_tls(&tls);
    let journal = Journal::keep(&server);
    server.once("GET", Reply::reset_after(""));
    let tunnel = FaultTunnel::to(server.port(), Door::Open);
    let url = format!("https://{}/mcp", tunnel.address());
    let bridge = Bridge::with(&url).path("--ca-cert", &tls.file("ca.pem")).start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    // The connection that there is ends with the first GET; the next one is that of the second.
    tunnel.wound(0, Wound::Alert);
    bridge.send(INITIALIZED);
    server.wait("GET", 2);
    assert_eq!(tunnel.wounded(), 1);
    journal.say();
    bridge.incoming("notifications/message");
    bridge.finish().clean();
}

#[test]
fn names_that_cannot_be_resolved_for_a_while() {
    for door in [Door::Connect, Door::Socks] {
        let tls = Tls::new();
        let server = Server::with_tls(&tls);
        let journal = Journal::keep(&server);
        let tunnel = FaultTunnel::to(server.port(), door);
        let scheme = if door == Door::Socks { "socks5h" } else { "http" };
        let start = || {
            Bridge::with("https://mcp.invalid/mcp")
                .path("--ca-cert", &tls.file("ca.pem"))
                .env("ALL_PROXY", format!("{scheme}://{}", tunnel.address()))
                .start()
        };
        // From the beginning, and in the middle.
        tunnel.resolves(false);
        let bridge = start();
        bridge.send(INITIALIZE);
        bridge.answer(0).failed("connect");
        assert!(tunnel.refused() > 0);
        tunnel.resolves(true);
        bridge.handshake().result();
        server.wait("GET", 1);
        journal.say();
        bridge.incoming("notifications/message");
        tunnel.resolves(false);
        tunnel.cut(Wound::Reset);
        for id in 1..=5 {
            let answer = bridge.ask(id, "tools/call");
            assert!(answer.is_error, "{answer}");
            assert_eq!(journal.executed(&id.to_string()), 0);
        }
        tunnel.resolves(true);
        journal.say();
        bridge.ask(6, "tools/list").result();
        bridge.incoming("notifications/message");
        bridge.finish().clean();
    }
}

/// The machine goes to sleep in the middle of everything, its connections are forgotten meanwhile, and its
/// clock jumps.
#[cfg(unix)]
#[test]
fn a_machine_that_sleeps() {
    use crate::support::fault_proxy::FaultProxy;
    use crate::support::journal::said;

    let server = Server::start();
    let journal = Journal::keep(&server);
    let proxy = FaultProxy::to(server.port());
    let bridge = Bridge::with(&proxy.url()).ready(&server);
    journal.say();
    assert_eq!(bridge.line().text, said(1));
    let feed = Feed::roomy();
    feed.push("id: 1.0\nretry: 100\ndata:\n\n");
    feed.push(event_id("1.1", &step("1", 1)));
    server.once("tools/call", Reply::feed(&feed));
    bridge.send(request(1, "tools/call"));
    assert_eq!(bridge.line().text, step("1", 1));
    bridge.signal("STOP");
    // Asked for while it sleeps.
    bridge.send(request(2, "tools/call"));
    proxy.cut();
    journal.say();
    std::thread::sleep(std::time::Duration::from_secs(2));
    bridge.signal("CONT");
    bridge.answer(1).result();
    let steps: Vec<String> = (2..=STEPS).map(|number| step("1", number)).collect();
    for expected in steps {
        bridge.find("the rest of its steps", |line| line.text == expected);
    }
    bridge.answer(2);
    assert!(journal.executed("2") <= 1);
    bridge.find("what the server said meanwhile", |line| line.text == said(2));
    bridge.ask(3, "tools/list").result();
    let exit = bridge.finish();
    exit.code(0);
    assert!(exit.rest.iter().all(|line| line.method.is_some()), "a second answer: {:?}", exit.rest);
}
