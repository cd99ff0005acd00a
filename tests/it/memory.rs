//! Backpressure, large messages, and how much memory they take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::reply::Step;
use crate::support::tls::Tls;
use crate::support::*;

const MIB: usize = 1 << 20;

#[test]
fn a_client_that_does_not_read_stops_the_server_from_writing() {
    let server = Server::start();
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    let bridge = Bridge::with(&server.url()).unread().start();
    bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n{}\n", request(1, "tools/call")));
    server.wait("tools/call", 1);
    // 100 MiB in messages of 16 KiB.
    let total = 100 * 64;
    let note = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{}"}}}}"#,
        "x".repeat(16 << 10)
    );
    let chunk = bytes::Bytes::from(event(&note));
    let finished = Arc::new(AtomicBool::new(false));
    let (done, writer) = (finished.clone(), feed.clone());
    let writing = std::thread::spawn(move || {
        let sent = (0..total).take_while(|_| writer.send(chunk.clone())).count();
        writer.send(event(&result(1, "{}")));
        done.store(true, Ordering::SeqCst);
        sent
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!finished.load(Ordering::SeqCst), "100 MiB went somewhere");
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < 40 * MIB, "{} bytes", bridge.peak_memory());
    bridge.start_reading();
    bridge.answer(0).result();
    for _ in 0..total {
        assert!(bridge.line().text == note);
    }
    bridge.answer(1).result();
    assert_eq!(writing.join().unwrap(), total);
    feed.end();
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < 40 * MIB, "{} bytes", bridge.peak_memory());
    bridge.finish().clean();
}

#[test]
fn a_server_that_does_not_answer_stops_us_from_reading_stdin() {
    let server = Server::start();
    // The barrier is held: nothing may leave after it.
    let gate = Gate::new();
    server.once("notifications/progress", Reply::status(202).after(&gate));
    let bridge = Bridge::ready(&server);
    bridge.send(notification("notifications/progress"));
    server.wait("notifications/progress", 1);
    let line = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{}"}}}}"#,
        "x".repeat(64 << 10)
    ) + "\n";
    for _ in 0..64 * 16 {
        bridge.send_bytes(line.clone());
    }
    std::thread::sleep(Duration::from_millis(500));
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < 40 * MIB, "{} bytes", bridge.peak_memory());
    gate.open();
    bridge.ask(1, "tools/list").result();
    assert_eq!(server.seen("notifications/message").len(), 64 * 16);
    bridge.finish().clean();
}

#[test]
fn sixty_four_mebibytes_both_ways() {
    let limit = 64 * MIB;
    let frame = |id: usize, length: usize| {
        let frame = result(id, "\"\"");
        let at = frame.len() - 2;
        format!("{}{}{}", &frame[..at], "x".repeat(length - frame.len()), &frame[at..])
    };
    // As JSON, and as one event in pieces of 16 KiB.
    for stream in [false, true] {
        let server = Server::start();
        let answer = frame(1, limit);
        let reply = if stream {
            let text = event(&answer).into_bytes();
            let steps = text.chunks(16 << 10).map(|c| Step::from(c.to_vec())).collect();
            Reply::steps("text/event-stream", steps)
        } else {
            Reply::json(answer.clone())
        };
        server.once("tools/call", reply);
        let bridge = Bridge::ready(&server);
        #[cfg(target_os = "linux")]
        let idle = bridge.peak_memory();
        let head = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":""#;
        let line = format!("{head}{}\"}}}}", "y".repeat(limit - head.len() - 3));
        assert_eq!(line.len(), limit);
        bridge.send(&line);
        // Not assert_eq: nobody wants to see them.
        assert!(bridge.answer(1).text == answer, "the answer differs");
        let call = &server.seen("tools/call")[0];
        assert!(call.body == line.as_bytes(), "the request differs");
        // The request may be alive while the answer grows: two messages, and what the socket has.
        #[cfg(target_os = "linux")]
        {
            let grown = bridge.peak_memory() - idle;
            assert!(grown < 2 * limit + 10 * MIB, "{} MiB", grown / MIB);
        }
        bridge.ask(2, "tools/list").result();
        bridge.finish().clean();
    }
}

#[test]
fn more_requests_at_once_than_it_can_carry() {
    // By HTTP/2, because each request would need a socket of its own otherwise.
    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    let gate = Gate::new();
    let held = gate.clone();
    server.always("tools/call", move |r| Reply::json(r.result("{}")).after(&held));
    let bridge = Bridge::with(&server.url()).path("--ca-cert", &tls.file("ca.pem")).ready(&server);
    let (most, more) = (1024, 50);
    let lines: Vec<_> = (0..most + more).map(|id| request(id, "tools/call") + "\n").collect();
    bridge.send_bytes(lines.concat());
    for id in most..most + more {
        bridge.answer(id).failed("overloaded");
    }
    gate.open();
    for id in 0..most {
        bridge.answer(id).result();
    }
    bridge.ask("\"after\"", "tools/call").result();
    bridge.finish().clean();
}

#[test]
fn traffic_leaves_nothing_behind() {
    let server = Server::start();
    let note = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{}"}}"#,
        "x".repeat(1000)
    );
    let bridge = Bridge::ready(&server);
    server.always("tools/call", move |r| {
        Reply::sse([event(&note).repeat(20), event(&r.result("{}"))])
    });
    let round = |from: usize| {
        for id in from..from + 200 {
            bridge.ask(id, "tools/call").result();
            for _ in 0..20 {
                bridge.line();
            }
        }
    };
    round(0);
    #[cfg(target_os = "linux")]
    let before = bridge.peak_memory();
    (1..4).for_each(|n| round(n * 1000));
    // 12 MB of messages have passed.
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < before + 4 * MIB, "{before} -> {}", bridge.peak_memory());
    bridge.finish().clean();
}
