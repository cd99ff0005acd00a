//! Each fault of the network by itself: exactly one answer, nothing carried out twice, and the bridge works
//! as soon as the fault is gone.

use std::time::Duration;

use crate::support::fault_plan::Fault;
use crate::support::fault_proxy::FaultProxy;
use crate::support::journal::{Journal, STEPS, said, step};
use crate::support::*;

/// A server that can resume, a bridge, and what is between them.
struct Net {
    bridge: Bridge,
    proxy: FaultProxy,
    journal: Journal,
    server: Server,
}

/// Waits for something that only looking tells.
#[track_caller]
fn wait_for(what: &str, happened: impl Fn() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !happened() {
        assert!(std::time::Instant::now() < end, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Net {
    fn new() -> Net {
        let server = Server::start();
        let journal = Journal::keep(&server);
        let proxy = FaultProxy::to(server.port());
        let bridge = Bridge::with(&proxy.url()).ready(&server);
        Net { bridge, proxy, journal, server }
    }

    /// The next message is the next one of the stream of this call.
    #[track_caller]
    fn steps(&self, id: usize) {
        for number in 1..=STEPS {
            assert_eq!(self.bridge.line().text, step(&id.to_string(), number));
        }
    }

    /// Nothing is wrong any more, and nothing was left behind.
    #[track_caller]
    fn finish(self) {
        self.bridge.ask(900, "tools/call").result();
        self.bridge.ask("\"last\"", "tools/list").result();
        for number in 1..=STEPS {
            self.bridge.find("its steps", |line| line.text == step("900", number));
        }
        self.bridge.finish().clean();
        drop(self.server);
    }
}

#[test]
fn requests_that_never_arrive() {
    let net = Net::new();
    net.proxy.once("tools/call", &[Fault::Drop]);
    net.bridge.ask(1, "tools/call").failed("stream_lost");
    assert_eq!(net.journal.executed("1"), 0);
    // What changes nothing is sent again.
    net.proxy.once("tools/list", &[Fault::Drop]);
    net.bridge.ask(2, "tools/list").result();
    net.finish();
}

#[test]
fn responses_that_never_arrive() {
    let net = Net::new();
    net.proxy.once("tools/call", &[Fault::DropResponse]);
    net.bridge.ask(1, "tools/call").failed("stream_lost");
    assert_eq!(net.journal.executed("1"), 1);
    net.proxy.once("tools/list", &[Fault::DropResponse]);
    net.bridge.ask(2, "tools/list").result();
    assert_eq!(net.server.seen("tools/list").len(), 2);
    net.finish();
}

#[test]
fn responses_that_come_late_or_byte_by_byte() {
    let net = Net::new();
    for (id, fault) in [Fault::Delay(Duration::from_millis(700)), Fault::Trickle].iter().enumerate()
    {
        net.proxy.once("tools/call", &[*fault]);
        // Others do not wait for it.
        net.bridge.send(request(id, "tools/call"));
        net.bridge.ask("\"other\"", "tools/list").result();
        net.bridge.answer(id).result();
        net.steps(id);
    }
    net.finish();
}

#[test]
fn a_response_that_comes_twice_is_nobody_elses() {
    for _ in 0..5 {
        let net = Net::new();
        net.proxy.once("tools/call", &[Fault::Duplicate]);
        net.bridge.ask("\"a\"", "tools/call").result();
        // The next request may find the rest on its connection, and must not take it for its own.
        let answer = net.bridge.ask("\"b\"", "tools/list");
        if answer.is_error {
            answer.failed("invalid_response");
        }
        // One more, because that connection is about to end.
        net.bridge.ask("\"c\"", "tools/list").result();
        assert_eq!(net.journal.executed("\"a\""), 1);
        net.finish();
    }
}

#[test]
fn events_that_come_twice_are_relayed_twice_and_answered_once() {
    let net = Net::new();
    net.proxy.once("tools/call", &[Fault::Duplicate]);
    net.bridge.ask(1, "tools/call").result();
    for number in 1..=STEPS {
        for _ in 0..2 {
            assert_eq!(net.bridge.line().text, step("1", number));
        }
    }
    net.finish();
}

#[test]
fn events_that_change_places() {
    let net = Net::new();
    net.proxy.once("tools/call", &[Fault::Reorder]);
    net.bridge.ask(1, "tools/call").result();
    // Of four events after the first, each pair is swapped: prime and 1, 2 and 3, then the answer.
    for number in [1, 3, 2] {
        assert_eq!(net.bridge.line().text, step("1", number));
    }
    net.finish();
}

/// Calls whose streams end after each number of bytes of the response, many at once.
fn cut_after(fault: fn(usize) -> Fault) {
    let net = Net::new();
    let mut resumed = 0;
    for batch in (1..=900).collect::<Vec<usize>>().chunks(100) {
        batch.iter().for_each(|cut| net.proxy.once("tools/call", &[fault(*cut)]));
        batch.iter().for_each(|id| net.bridge.send(request(id, "tools/call")));
        for id in batch {
            let answer = net.bridge.answer(id);
            assert_eq!(net.journal.executed(&id.to_string()), 1, "{answer}");
            if answer.is_error {
                // Before the event with the first id nothing can be resumed.
                answer.failed("stream_lost");
                continue;
            }
            resumed += 1;
            let token = format!("\"progressToken\":{id},");
            let next = || net.bridge.find("a step", |line| line.text.contains(&token)).text;
            let came: Vec<_> = (0..STEPS).map(|_| next()).collect();
            let sent: Vec<_> = (1..=STEPS).map(|number| step(&id.to_string(), number)).collect();
            assert_eq!(came, sent, "each once, and in order");
        }
    }
    assert!(resumed > 500, "{resumed} of 900");
    net.bridge.ask("\"last\"", "tools/list").result();
    net.bridge.finish().clean();
}

#[test]
fn streams_that_end_anywhere_are_resumed_without_loss_or_repetition() {
    cut_after(Fault::Truncate);
}

#[test]
fn streams_that_are_reset_anywhere_are_resumed_without_loss_or_repetition() {
    cut_after(Fault::Reset);
}

#[test]
fn answers_in_one_piece_that_are_cut_off() {
    let net = Net::new();
    // In the head, and in the body behind it.
    let faults = [Fault::Truncate(40), Fault::Reset(40), Fault::Truncate(130), Fault::Reset(130)];
    for (id, fault) in faults.iter().enumerate() {
        let call = format!("\"{id}\"");
        net.proxy.once("tools/call", &[*fault]);
        assert!(net.bridge.ask(&call, "tools/call").is_error);
        assert_eq!(net.journal.executed(&call), 1);
        net.proxy.once("tools/list", &[*fault]);
        net.bridge.ask(id, "tools/list").result();
    }
    net.finish();
}

#[test]
fn a_connection_that_is_dead_and_does_not_say_so() {
    let net = Net::new();
    // Behind the head and the first events, of which the first has an id.
    net.proxy.once("tools/call", &[Fault::HalfOpen(250, Duration::from_millis(800))]);
    net.bridge.send(request(1, "tools/call"));
    net.server.wait("tools/call", 1);
    // It keeps nobody else waiting.
    net.bridge.ask("\"other\"", "tools/list").result();
    net.bridge.answer(1).result();
    net.steps(1);
    assert_eq!(net.journal.executed("1"), 1);
    net.finish();
}

#[test]
fn a_storm_of_server_errors() {
    let net = Net::new();
    let storm = [500, 502, 503, 504];
    for status in storm {
        net.proxy.once("tools/call", &[Fault::Status(status)]);
        net.proxy.once("tools/list", &[Fault::Status(status)]);
    }
    for (id, status) in storm.iter().enumerate() {
        let kind = if *status == 503 { "rate_limited" } else { "http_status" };
        for (id, method) in
            [(format!("\"c{id}\""), "tools/call"), (format!("\"l{id}\""), "tools/list")]
        {
            let error = net.bridge.ask(&id, method).failed(kind);
            assert_eq!(error["data"]["status"], *status);
        }
    }
    assert_eq!(net.server.seen("tools/call").len() + net.server.seen("tools/list").len(), 0);
    net.finish();
}

#[test]
fn the_stream_of_the_server_through_every_fault() {
    let faults = [
        Fault::Drop,
        Fault::DropResponse,
        Fault::Delay(Duration::from_millis(300)),
        Fault::Trickle,
        Fault::Truncate(300),
        Fault::Reset(300),
        Fault::HalfOpen(300, Duration::from_millis(300)),
        Fault::Status(502),
        Fault::Status(503),
    ];
    let net = Net::new();
    let mut number = 0;
    for fault in faults {
        let before = net.server.seen("GET").len();
        net.proxy.once("GET", &[fault]);
        net.proxy.cut();
        for _ in 0..5 {
            number += 1;
            net.journal.say();
            assert_eq!(net.bridge.line().text, said(number), "{fault:?}");
        }
        assert!(net.server.seen("GET").len() > before, "{fault:?}");
    }
    net.finish();
}

#[test]
fn a_handshake_whose_end_is_lost_is_completed() {
    let lost: [&[Fault]; 4] =
        [&[Fault::Drop], &[Fault::DropResponse], &[Fault::Reset(4)], &[Fault::Status(502)]];
    for fault in lost {
        let server = Server::start();
        let journal = Journal::keep(&server);
        let proxy = FaultProxy::to(server.port());
        // More often than it is sent again at once.
        (0..3).for_each(|_| proxy.once("notifications/initialized", fault));
        let bridge = Bridge::with(&proxy.url()).start();
        bridge.handshake().result();
        server.wait("GET", 1);
        journal.say();
        assert_eq!(bridge.line().text, said(1), "{fault:?}");
        bridge.ask("\"after\"", "tools/list").result();
        bridge.finish().clean();
    }
}

#[test]
fn a_new_session_that_meets_faults_is_completed() {
    for fault in [Fault::Drop, Fault::DropResponse, Fault::Status(503)] {
        let net = Net::new();
        let subscribe = |uri: &str| {
            let method = "resources/subscribe";
            net.bridge.send(format!(
                r#"{{"jsonrpc":"2.0","id":"{uri}","method":"{method}","params":{{"uri":"{uri}"}}}}"#
            ));
            net.bridge.answer(format!("\"{uri}\"")).result();
        };
        subscribe("a:/1");
        subscribe("a:/2");
        for _ in 0..3 {
            net.proxy.once("notifications/initialized", &[fault]);
            net.proxy.once("resources/subscribe", &[fault]);
        }
        // A request may come before the end of the handshake then, as it always could.
        net.server.mcp().set(|s| s.strict = false);
        net.server.mcp().forget();
        let (opened, session) = (net.server.seen("GET").len(), net.server.mcp().session());
        net.bridge.ask("\"lost\"", "tools/list").result();
        net.server.wait("GET", opened + 1);
        net.journal.say();
        net.bridge.find("what the server says in it", |line| line.text == said(1));
        for uri in ["a:/1", "a:/2"] {
            wait_for(&format!("the subscription to {uri}"), || {
                let seen = net.server.seen("resources/subscribe");
                seen.iter().any(|request| {
                    let own = request.header("mcp-session-id").map(str::to_owned);
                    own != session && request.text().contains(uri)
                })
            });
        }
        let exit = net.bridge.finish();
        exit.code(0);
        assert!(exit.rest.iter().all(|line| line.method.is_some()), "{:?}", exit.rest);
    }
}

#[test]
fn all_connections_at_once() {
    let net = Net::new();
    for round in 0..5 {
        let first = round * 100;
        (first..first + 30).for_each(|id| net.bridge.send(request(id, "tools/call")));
        net.server.wait("tools/call", 30 * round + 10);
        net.proxy.cut();
        for id in first..first + 30 {
            net.bridge.answer(id);
            assert!(net.journal.executed(&id.to_string()) <= 1);
        }
    }
    let exit = net.bridge.finish();
    exit.code(0);
    assert!(exit.rest.iter().all(|line| line.method.is_some()), "a second answer: {:?}", exit.rest);
}
