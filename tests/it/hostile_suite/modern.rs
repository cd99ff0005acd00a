//! Servers without sessions (2026-07-28): what they say of themselves, lists and rounds without end, and
//! subscriptions that talk too much. The client is of the earlier revisions, so that all of it is
//! translated.

use super::*;

/// A stateless server that may do what it likes.
fn lawless() -> Server {
    let server = Server::modern();
    server.stateless().set(|s| (s.strict, s.recorded) = (false, false));
    server.mcp().set(|s| s.strict = false);
    server
}

/// A server that answers the question for its era with this. The client gets one answer to each request.
#[track_caller]
fn discovered(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
    let case = Case::new();
    let server = lawless();
    server.always(DISCOVER, reply);
    let bridge = victim(&server.url()).start();
    bridge.send(INITIALIZE);
    bridge.answer(0);
    bridge.send(INITIALIZED);
    assert!(bridge.ask(1, "tools/list").id.is_some());
    case.end(bridge);
    assert!(server.seen(DISCOVER).len() <= 4, "{}", server.seen(DISCOVER).len());
}

macro_rules! discoveries {
    ($($name:ident: $result:expr;)*) => {$(
        #[test]
        fn $name() {
            let text: String = $result.into();
            discovered(move |r| Reply::json(r.result(&text)));
        }
    )*};
}

discoveries! {
    a_server_that_says_nothing_of_itself: "{}";
    a_server_that_is_null: "null";
    a_server_of_no_version: r#"{"supportedVersions":[],"capabilities":{},"resultType":"complete"}"#;
    a_server_of_a_version_that_is_no_list: r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#;
    a_server_of_versions_of_all_types:
        r#"{"supportedVersions":[1,null,{},["2026-07-28"],"\u001b[2J","2026-07-28"],"capabilities":{},"resultType":"complete"}"#;
    a_server_of_fifty_thousand_versions: format!(
        r#"{{"supportedVersions":[{}"2026-07-28"],"capabilities":{{}},"resultType":"complete"}}"#,
        "\"2099-01-01\",".repeat(50_000)
    );
    a_server_of_versions_to_come:
        r#"{"supportedVersions":["2099-01-01"],"capabilities":{},"resultType":"complete"}"#;
    a_server_whose_capabilities_are_a_list:
        r#"{"supportedVersions":["2026-07-28"],"capabilities":[1],"resultType":"complete"}"#;
    a_server_with_instructions_of_nearly_a_mebibyte: format!(
        r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{}},"resultType":"complete","instructions":"{}"}}"#,
        "i".repeat(1000 << 10)
    );
    a_server_that_needs_input_to_know_itself:
        r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create"}},"requestState":"s"}"#;
    a_server_that_is_nested: format!(
        r#"{{"supportedVersions":["2026-07-28"],"capabilities":{},"resultType":"complete"}}"#,
        "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000)
    );
    a_server_that_is_kept_for_all_time:
        r#"{"supportedVersions":["2026-07-28"],"capabilities":{},"resultType":"complete","ttlMs":1e308,"cacheScope":"$(touch x)"}"#;
}

#[test]
fn questions_instead_of_an_answer() {
    discovered(|r| {
        Reply::sse([event(&request("\"q\"", "sampling/createMessage")).repeat(1000)
            + &event(&r.result("{}"))])
    });
}

#[test]
fn refusals_of_every_version() {
    discovered(|r| {
        let id = r.id.clone().unwrap_or_default();
        let data =
            format!(r#"{{"supported":[{}"x"],"requested":1}}"#, "\"2026-07-28\",".repeat(10_000));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no","data":{data}}}}}"#
        );
        Reply::body(400, "application/json", body)
    });
}

#[test]
fn an_answer_to_another_question() {
    discovered(|_| Reply::json(result("\"other\"", r#"{"supportedVersions":["2026-07-28"]}"#)));
}

/// Each page names another one. A list that is looked at as a whole has an end all the same.
#[test]
fn pages_without_end() {
    for legacy in [true, false] {
        let case = Case::new();
        let server = if legacy { Server::start() } else { lawless() };
        server.always("tools/list", |r| {
            let more = r#""resultType":"complete","ttlMs":0,"cacheScope":"public""#;
            Reply::json(r.result(&format!(r#"{{"tools":[],"nextCursor":"again",{more}}}"#)))
        });
        let bridge = victim(&server.url()).arg("--allow-tool=echo").start();
        bridge.handshake().result();
        bridge.ask(1, "tools/list");
        case.end(bridge);
        assert!(server.seen("tools/list").len() <= 1002, "{}", server.seen("tools/list").len());
    }
}

/// The same while a call is looked up that the filter does not know.
#[test]
fn pages_without_end_for_a_call() {
    let case = Case::new();
    let server = Server::start();
    let count = std::sync::atomic::AtomicUsize::new(0);
    server.always("tools/list", move |r| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let tool = format!(
            r#"{{"name":"t{n}","inputSchema":{{}},"annotations":{{"readOnlyHint":true}}}}"#
        );
        Reply::json(r.result(&format!(r#"{{"tools":[{tool}],"nextCursor":"{n}"}}"#)))
    });
    let bridge = victim(&server.url()).arg("--read-only").start();
    bridge.handshake().result();
    bridge.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"unknown"}}"#);
    assert!(bridge.answer(1).is_error);
    case.end(bridge);
    assert_eq!(server.seen("tools/call").len(), 0);
    assert!(server.seen("tools/list").len() <= 1002);
}

/// A round that asks more than anybody would answer.
#[test]
fn a_thousand_questions_at_once() {
    let case = Case::new();
    let server = lawless();
    let all: Vec<String> =
        (0..1000).map(|n| format!(r#""q{n}":{{"method":"roots/list"}}"#)).collect();
    let all = all.join(",");
    server.always("tools/call", move |r| {
        Reply::json(r.result(&format!(
            r#"{{"resultType":"input_required","inputRequests":{{{all}}},"requestState":"s"}}"#
        )))
    });
    let bridge = victim(&server.url()).start();
    bridge.send(INITIALIZE.replace("\"capabilities\":{}", "\"capabilities\":{\"roots\":{}}"));
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.send(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}"#,
    );
    assert!(bridge.answer(1).is_error);
    case.end(bridge);
    assert!(server.seen("tools/call").len() <= 33);
}

/// 16 MiB on a subscription, which the bridge has made for a client that knows none.
#[track_caller]
fn subscribed(chunk: impl Fn(&str) -> String) {
    let case = Case::new();
    let server = lawless();
    let (feed, ids) = (Feed::roomy(), std::sync::mpsc::channel());
    let (answer, sender) = (feed.clone(), std::sync::Mutex::new(ids.0));
    let first = std::sync::atomic::AtomicBool::new(true);
    server.maybe("subscriptions/listen", move |r| {
        if !first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return None;
        }
        let _ = sender.lock().unwrap().send(r.id.clone().unwrap_or_default());
        Some(Reply::feed(&answer))
    });
    let bridge = victim(&server.url()).start();
    bridge.handshake().result();
    let id = ids.1.recv_timeout(DEADLINE).expect("a subscription");
    let pouring = pour(&feed, chunk(&id).into_bytes(), 16 * MIB, Vec::new());
    bridge.ask(1, "tools/list").result();
    pouring.join().unwrap();
    bridge.ask(2, "tools/list").result();
    case.end(bridge);
}

fn tagged(id: &str, method: &str) -> String {
    event(&format!(
        r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    ))
}

#[test]
fn changes_without_end() {
    subscribed(|id| {
        tagged(id, "notifications/subscriptions/acknowledged")
            + &tagged(id, "notifications/tools/list_changed").repeat(500)
    });
}

#[test]
fn changes_before_they_were_acknowledged() {
    subscribed(|id| tagged(id, "notifications/tools/list_changed").repeat(500));
}

#[test]
fn changes_of_somebody_elses_subscription() {
    subscribed(|id| {
        tagged(id, "notifications/subscriptions/acknowledged")
            + &tagged("\"other\"", "notifications/tools/list_changed").repeat(500)
    });
}

#[test]
fn acknowledgements_without_end() {
    subscribed(|id| tagged(id, "notifications/subscriptions/acknowledged").repeat(500));
}

#[test]
fn questions_on_a_subscription() {
    subscribed(|id| {
        tagged(id, "notifications/subscriptions/acknowledged")
            + &event(&request("\"q\"", "sampling/createMessage")).repeat(500)
    });
}

/// Every subscription ends as soon as it is there.
#[test]
fn subscriptions_that_always_end() {
    let case = Case::new();
    let server = lawless();
    server
        .always("subscriptions/listen", |r| Reply::json(r.result(r#"{"resultType":"complete"}"#)));
    let start = Instant::now();
    let bridge = victim(&server.url()).start();
    bridge.handshake().result();
    server.wait("subscriptions/listen", 1);
    for id in 1..=20 {
        bridge.ask(id, "tools/list").result();
    }
    let most = start.elapsed().as_millis() as usize / 100 + 2;
    assert!(server.seen("subscriptions/listen").len() <= most);
    case.end(bridge);
}
