//! The ledger under random faults: every request gets exactly one answer, whatever happens.

use std::collections::HashMap;
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::reply::Step;
use crate::support::*;

/// What the server does with the first attempt at a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Json,
    Stream,
    TwiceOnTheStream,
    OnTheStandaloneStream,
    ServerError,
    Busy,
    SessionLost,
    Empty,
    WrongId,
    Closed,
    Reset,
    CutBody,
    BrokenStream,
    ResumableStream,
    HopelessStream,
    Silent,
    Cancelled,
}

const FATES: [Fate; 17] = [
    Fate::Json,
    Fate::Stream,
    Fate::TwiceOnTheStream,
    Fate::OnTheStandaloneStream,
    Fate::ServerError,
    Fate::Busy,
    Fate::SessionLost,
    Fate::Empty,
    Fate::WrongId,
    Fate::Closed,
    Fate::Reset,
    Fate::CutBody,
    Fate::BrokenStream,
    Fate::ResumableStream,
    Fate::HopelessStream,
    Fate::Silent,
    Fate::Cancelled,
];

const METHODS: [&str; 3] = ["tools/call", "tools/list", "resources/read"];

/// The server's reply to the first attempt.
fn reply(fate: Fate, request: &Request) -> Option<Reply> {
    let answer = request.result("{}");
    let id = request.id.as_deref().unwrap_or_default();
    Some(match fate {
        Fate::Json => Reply::json(answer),
        Fate::Stream => Reply::sse([event(&notification("notifications/message")), event(&answer)]),
        Fate::TwiceOnTheStream => Reply::sse([event(&answer), event(&answer)]),
        Fate::OnTheStandaloneStream => Reply::status(202),
        Fate::ServerError => Reply::status(500),
        Fate::Busy => Reply::status(503).header("retry-after", "0"),
        Fate::SessionLost => Reply::status(404),
        Fate::Empty => Reply::json(""),
        Fate::WrongId => Reply::json(result("\"nobody\"", "{}")),
        Fate::Closed => Reply::raw(""),
        Fate::Reset => Reply::reset_after(""),
        Fate::CutBody => Reply::raw(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{answer}"
        )),
        Fate::BrokenStream => Reply::sse([Step::from(": x\n\n"), Step::Abort]),
        Fate::ResumableStream => {
            Reply::sse([Step::from(format!("retry: 100\nid: r{id}\ndata:\n\n")), Step::Abort])
        }
        Fate::HopelessStream => Reply::sse([format!("retry: 100\nid: h{id}\ndata:\n\n")]),
        Fate::Silent | Fate::Cancelled => Reply::never(),
    })
}

/// Sends the requests at once, with their fates, and counts the answers.
fn run(schedule: &[(Fate, usize)]) -> Result<(), TestCaseError> {
    let server = Server::start();
    // A session may be lost between a notification and its check here.
    server.mcp().set(|s| s.strict = false);
    let fates: HashMap<String, Fate> =
        schedule.iter().enumerate().map(|(n, (fate, _))| (format!("\"q{n}\""), *fate)).collect();
    for method in METHODS {
        let (fates, seen) = (fates.clone(), Mutex::new(Vec::new()));
        server.maybe(method, move |request| {
            let id = request.id.clone()?;
            let fate = *fates.get(&id)?;
            let mut seen = seen.lock().unwrap();
            let stays = matches!(fate, Fate::BrokenStream | Fate::Silent | Fate::HopelessStream);
            if seen.contains(&id) && !stays {
                return None;
            }
            seen.push(id);
            reply(fate, request)
        });
    }
    server.maybe("GET", |request| {
        let cursor = request.header("last-event-id")?;
        let answer = |id: &str| Reply::sse([event(&result(id, "{}"))]);
        match cursor.split_at(1) {
            ("r", id) => Some(answer(id)),
            ("h", _) => Some(Reply::status(405)),
            _ => None,
        }
    });
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=1s").ready(&server);
    let mut lines = String::new();
    for (n, (fate, method)) in schedule.iter().enumerate() {
        lines += &request(format!("\"q{n}\""), METHODS[*method]);
        lines.push('\n');
        if matches!(fate, Fate::Cancelled) {
            lines += &format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"q{n}"}}}}"#
            );
            lines.push('\n');
        }
    }
    bridge.send_bytes(lines);
    for (n, (fate, method)) in schedule.iter().enumerate() {
        if matches!(fate, Fate::OnTheStandaloneStream) {
            let id = format!("\"q{n}\"");
            let end = std::time::Instant::now() + DEADLINE;
            while !server.seen(METHODS[*method]).iter().any(|r| r.id.as_ref() == Some(&id)) {
                prop_assert!(std::time::Instant::now() < end, "{} was never sent", id);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            // The stream of a lost session may just have been closed: then nobody answers.
            server.mcp().stream().send(event(&result(&id, "{}")));
        }
    }
    let exit = bridge.finish();
    let mut silent = false;
    for (n, (fate, _)) in schedule.iter().enumerate() {
        let id = format!("\"q{n}\"");
        let answers = exit.rest.iter().filter(|line| line.answers(&id)).count();
        let expected = if matches!(fate, Fate::Cancelled) { 0..=1 } else { 1..=1 };
        prop_assert!(expected.contains(&answers), "{} {:?}: {} answers", id, fate, answers);
        silent |= matches!(fate, Fate::Silent);
    }
    let answers = exit.rest.iter().filter(|line| line.method.is_none());
    for line in answers.filter(|line| !line.is_error) {
        prop_assert!(fates.contains_key(line.id.as_deref().unwrap_or_default()), "{}", line);
    }
    prop_assert!(!silent || exit.code == Some(6), "{:?}", exit.code);
    prop_assert!([Some(0), Some(6)].contains(&exit.code), "{:?}: {}", exit.code, exit.stderr);
    Ok(())
}

#[test]
fn every_fate_alone() {
    for fate in FATES {
        run(&[(fate, 0), (fate, 1)]).unwrap_or_else(|e| panic!("{fate:?}: {e}"));
    }
}

#[test]
fn random_schedules() {
    let config =
        Config { cases: 12, failure_persistence: None, max_shrink_iters: 20, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let one = (proptest::sample::select(&FATES[..]), 0..METHODS.len());
    let schedule = proptest::collection::vec(one, 1..40);
    runner.run(&schedule, |schedule| run(&schedule)).unwrap();
}

#[test]
fn the_answer_to_a_cancelled_request_is_nobodys() {
    // Some servers answer what was cancelled, before they take the cancellation.
    let server = Server::start();
    let feed = Feed::roomy();
    let open = feed.clone();
    server.once("tools/call", Reply::feed(&open));
    let answers = feed.clone();
    server.maybe("notifications/cancelled", move |_| {
        answers.push(event(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":0,"message":"Request cancelled"}}"#,
        ));
        Some(Reply::status(202).late(std::time::Duration::from_millis(100)))
    });
    let bridge = Bridge::ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
}
