//! Messages without end, where nobody asked or nobody reads.

use super::*;

/// 8 MiB of `chunk` come on the standalone stream of a client that reads, which is served meanwhile.
/// Gives what the client was told.
#[track_caller]
fn flooded(chunk: String) -> Vec<Line> {
    let case = Case::new();
    let server = Server::start();
    let bridge = victim(&server.url()).ready(&server);
    let stream = server.mcp().stream();
    let times = (8 * MIB).div_ceil(chunk.len());
    let chunk = chunk.into_bytes();
    let end = event(&notification("notifications/end"));
    let pouring = pour(&stream, chunk.clone(), times * chunk.len(), end.into_bytes());
    bridge.ask(1, "tools/list").result();
    let mut told = Vec::new();
    while told.last().is_none_or(|line: &Line| line.method.as_deref() != Some("notifications/end"))
    {
        told.push(bridge.line());
    }
    assert_eq!(pouring.join().unwrap(), times * chunk.len());
    bridge.ask(2, "tools/list").result();
    case.end(bridge);
    told
}

#[test]
fn progress_for_nobody() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":99,"progress":1}}"#;
    flooded(event(note).repeat(500));
}

#[test]
fn lists_that_change_all_the_time() {
    flooded(event(&notification("notifications/tools/list_changed")).repeat(500));
}

#[test]
fn answers_to_requests_that_nobody_made() {
    let told = flooded((0..500).map(|id| event(&result(format!("\"n{id}\""), "{}"))).collect());
    assert!(
        told.iter().all(|line| line.method.is_some()),
        "an answer to nobody reached the client"
    );
}

#[test]
fn cancellations_of_everything() {
    let cancel = |id: usize| {
        event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ))
    };
    flooded((0..500).map(cancel).collect());
}

#[test]
fn what_is_no_message() {
    flooded(event("no message").repeat(500) + &event(&notification("notifications/x")));
}

#[test]
fn events_of_other_names() {
    flooded("event: x\ndata: {}\n\n".repeat(500) + &event(&notification("notifications/x")));
}

/// The client answers none of the questions that it is asked.
#[test]
fn questions_without_end() {
    let case = Case::new();
    let server = Server::start();
    let bridge = victim(&server.url()).ready(&server);
    let stream = server.mcp().stream();
    let count = 20_000;
    let asking = std::thread::spawn(move || {
        for round in 0..count / 100 {
            let ask = |n: usize| event(&request(format!("\"q{round}-{n}\""), "roots/list"));
            stream.send((0..100).map(ask).collect::<String>());
        }
    });
    for _ in 0..count {
        bridge.incoming("roots/list");
    }
    asking.join().unwrap();
    bridge.ask(1, "tools/list").result();
    // The last of them may still be answered.
    bridge.send(result(format!("\"q{}-99\"", count / 100 - 1), "{\"roots\":[]}"));
    server.wait("response", 1);
    case.end(bridge);
}

/// All kinds at once for a client that has stopped reading: the server has to stop as well.
#[test]
fn everything_for_a_client_that_does_not_read() {
    let case = Case::new();
    let server = Server::start();
    let mut bridge = victim(&server.url()).unread().start();
    bridge.send(INITIALIZE);
    bridge.send(INITIALIZED);
    let stream = server.mcp().stream();
    let text = event(&notification("notifications/tools/list_changed"))
        + &event(&request("\"q\"", "sampling/createMessage"))
        + &event(&result(77, "{}"))
        + &event("no message");
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (count, chunk) = (sent.clone(), bytes::Bytes::from(text.repeat(200)));
    std::thread::spawn(move || {
        while stream.send(chunk.clone()) {
            count.fetch_add(chunk.len(), std::sync::atomic::Ordering::SeqCst);
        }
    });
    // It has come to a stop when nothing was taken for a while.
    let mut before = usize::MAX;
    oauth::wait_for("the stop", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = sent.load(std::sync::atomic::Ordering::SeqCst);
        let stopped = now > 0 && now == before;
        before = now;
        stopped.then_some(())
    });
    assert!(before < 64 * MIB, "{before} bytes went somewhere");
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < Bounds::USUAL.memory);
    bridge.close_stdin();
    // The end does not depend on the client.
    let code = bridge.wait_unread();
    assert!(code.is_some(), "it ended by itself");
    assert!(case.began.elapsed() < case.bounds.time);
}

/// Each of these is a line in a log that nobody reads.
#[test]
fn a_log_that_nobody_reads() {
    let case = Case::new();
    let server = Server::start();
    let bridge = victim(&server.url()).stderr_unread().start();
    bridge.handshake().result();
    let stream = server.mcp().stream();
    let chunk = event("no message").repeat(500).into_bytes();
    let end = event(&notification("notifications/end")).into_bytes();
    let pouring = pour(&stream, chunk, 4 * MIB, end);
    bridge.incoming("notifications/end");
    pouring.join().unwrap();
    bridge.ask(1, "tools/list").result();
    case.end(bridge);
}

/// Hundreds of streams that all talk at once.
#[test]
fn three_hundred_streams_that_talk() {
    let case = Case::within(Bounds::memory(96));
    let server = Server::start();
    let note = event(&notification("notifications/message")).repeat(50);
    server.always("tools/call", move |r| {
        Reply::sse(vec![note.clone(), note.clone(), event(&r.result("{}")), note.clone()])
    });
    let bridge = victim(&server.url()).ready(&server);
    for id in 1..=300 {
        bridge.send(request(id, "tools/call"));
    }
    for id in 1..=300 {
        bridge.answer(id).result();
    }
    case.end(bridge);
}
