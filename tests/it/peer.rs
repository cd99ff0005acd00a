//! [`Peer`], the small client that commands ask a server with, in front of a whole bridge in this process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use clap::Parser as _;
use mcp_tether::auth::Authorizer;
use mcp_tether::bridge::Attached;
use mcp_tether::bridge::access::Access;
use mcp_tether::bridge::verdict::Verdict;
use mcp_tether::cli::Cli;
use mcp_tether::command::peer::{Handler, Notifications, Peer, Refusal, no_handler, result_of};
use mcp_tether::config::Config;
use mcp_tether::era::Era;
use mcp_tether::error::{ExitCode, FailureKind};
use mcp_tether::http::Http;
use mcp_tether::jsonrpc::Message;
use mcp_tether::limits::{MAX_QUESTIONS, NOTIFICATION_QUEUE_BYTES};
use mcp_tether::stdio::writer::Inbox;
use mcp_tether::supply::Supplier;
use mcp_tether::transport::Endpoint;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::*;

/// The bridge of a command to this address.
fn bridge_to(url: &str) -> (Attached, Inbox) {
    static HOME: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let cli = Cli::parse_from(["mcp-tether", url, "--auth", "none"]);
    let home = HOME.path().to_str().unwrap().to_owned();
    let env = move |name: &str| (name == "MCP_TETHER_HOME").then(|| home.clone());
    let args = &cli.bridge;
    let Config { target, bridge, .. } =
        Config::of_command(&args.connection, &args.sign_in, &env).unwrap();
    let redactor = target.redactor.clone();
    let http = Http::new(&target.connection, &target.url, redactor.clone()).unwrap();
    let (url, most) = (target.url, bridge.max_message);
    let endpoint = Endpoint::new(http, url, target.headers, most, redactor.clone());
    let settings = target.sign_in.settings;
    let authorizer = Authorizer::new(settings, &target.connection, None, redactor.clone());
    let server = authorizer.name().0.to_owned();
    let access = Access::new(
        Arc::new(authorizer),
        Supplier::new(target.supply, None, redactor.clone()),
        None,
    );
    let verdict = Verdict::new(bridge.protocol, None, server);
    Attached::new(endpoint, access, verdict, bridge, redactor, None)
}

async fn connect(server: &Server, handler: Handler) -> (Peer, Notifications) {
    let link = bridge_to(&server.url());
    Peer::connect(link, "{}", handler, DEADLINE)
        .await
        .map_err(|refusal| format!("{refusal:?}"))
        .unwrap()
}

/// The kind of a failure that is ours.
#[track_caller]
fn kind<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> FailureKind {
    match outcome {
        Err(Refusal::Failed(failure)) => failure.kind,
        other => panic!("{other:?}"),
    }
}

/// Waits without holding the other futures of the task up.
async fn arrived(server: &Server, kind: &str, count: usize) {
    while server.seen(kind).len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn question(id: impl std::fmt::Display, method: &str) -> String {
    event(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{}}}}"#))
}

/// The answers that the server has got, by the JSON text of their ids.
fn answers(server: &Server, count: usize) -> Vec<Value> {
    let seen = server.wait("response", count);
    seen.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introduces_itself_and_hears_who_the_server_is() {
    for (server, era, revision) in
        [(Server::start(), Era::Legacy, "2025-11-25"), (Server::modern(), Era::Modern, MODERN)]
    {
        let (peer, _notifications) = connect(&server, no_handler()).await;
        let introduction = peer.introduction();
        assert_eq!((introduction.era, &*introduction.revision), (era, revision));
        assert_eq!(introduction.info("name").as_deref(), Some("scripted"));
        assert!(introduction.declares("tools") && !introduction.declares("completions"));
        assert_eq!(introduction.transport(), "streamable-http");
        peer.end().await;
        if era == Era::Legacy {
            let hello: Value = serde_json::from_slice(&server.seen("initialize")[0].body).unwrap();
            assert_eq!(hello["params"]["clientInfo"]["name"], "mcp-tether");
            assert_eq!(server.seen("notifications/initialized").len(), 1);
            assert_eq!(server.seen("DELETE").len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_matched_whatever_their_order() {
    let server = Server::start();
    let gates: Vec<Gate> = (0..8).map(|_| Gate::new()).collect();
    let held = gates.clone();
    server.always("tools/call", move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let number = body["params"]["number"].as_u64().unwrap();
        Reply::json(request.result(&format!(r#"{{"number" : {number}}}"#)))
            .after(&held[number as usize])
    });
    let (peer, _notifications) = connect(&server, no_handler()).await;
    let asked = (0..8).map(|number| {
        let peer = &peer;
        async move {
            let params = format!(r#"{{"number":{number}}}"#);
            peer.request("tools/call", Some(&params), DEADLINE).await
        }
    });
    let all = futures_util::future::join_all(asked);
    let opened = async {
        arrived(&server, "tools/call", 8).await;
        gates.iter().rev().for_each(Gate::open);
    };
    let (results, ()) = tokio::join!(all, opened);
    for (number, result) in results.into_iter().enumerate() {
        // As it was spelled.
        assert_eq!(result.unwrap(), format!(r#"{{"number" : {number}}}"#));
    }
    peer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_is_the_servers_or_ours() {
    let server = Server::start();
    let error = r#"{"code" : -32602,"message":"no \u0041","data":1.0}"#;
    server.always("tools/call", move |request| {
        let id = request.id.clone().unwrap();
        Reply::json(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
    });
    server.always("prompts/get", |_| Reply::status(403));
    let (peer, _notifications) = connect(&server, no_handler()).await;
    let refusal = peer.request("tools/call", None, DEADLINE).await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Server(text) if text == error), "{refusal:?}");
    assert_eq!(refusal.said(), Some((-32602, "no A".to_owned())));
    assert_eq!(ExitCode::from(&refusal), ExitCode::Refused);
    // The exchange shows the whole answer, which is no failure.
    let answer = peer.exchange("tools/call", None, DEADLINE).await.unwrap();
    assert!(answer.bytes().ends_with(format!(r#""error":{error}}}"#).as_bytes()));
    assert!(matches!(result_of(&answer), Err(Refusal::Server(_))));

    let refusal = peer.request("prompts/get", None, DEADLINE).await.unwrap_err();
    assert_eq!((refusal.said(), ExitCode::from(&refusal)), (None, ExitCode::Unauthorized));
    assert_eq!(kind::<()>(Err(refusal)), FailureKind::Unauthorized);
    peer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_is_taken_back() {
    let server = Server::start();
    server.always("tools/call", |_| Reply::never());
    let (peer, _notifications) = connect(&server, no_handler()).await;
    let limit = Duration::from_millis(200);
    assert_eq!(kind(peer.request("tools/call", None, limit).await), FailureKind::Timeout);
    tokio::select! {
        answer = peer.request("tools/call", None, DEADLINE) => panic!("{answer:?}"),
        () = arrived(&server, "tools/call", 2) => {}
    }
    let calls = server.wait("tools/call", 2);
    let cancelled = server.wait("notifications/cancelled", 2);
    let mut named: Vec<Value> = Vec::new();
    for notification in cancelled {
        let body: Value = serde_json::from_slice(&notification.body).unwrap();
        named.push(body["params"]["requestId"].clone());
    }
    let ids: Vec<String> = calls.iter().map(|call| call.id.clone().unwrap()).collect();
    assert_eq!(named.iter().map(Value::to_string).collect::<Vec<_>>(), ids);
    // One that was answered is not.
    peer.request("tools/list", None, DEADLINE).await.unwrap();
    peer.end().await;
    assert_eq!(server.seen("notifications/cancelled").len(), 2);
}

/// A notification that takes a share of the queue.
fn note(number: usize) -> String {
    let params =
        json!({ "level": "info", "data": { "number": number, "text": "x".repeat(32 << 10) } });
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string()
}

/// More than all that is between the server and who reads could hold.
const NOTES: usize = 32 * (NOTIFICATION_QUEUE_BYTES / (32 << 10));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_come_in_order_and_wait_for_whoever_reads_them() {
    let server = Server::start();
    let (peer, mut notifications) = connect(&server, no_handler()).await;
    let stream = tokio::task::block_in_place(|| server.mcp().stream());
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let pushing = std::thread::spawn(move || {
        (0..NOTES).all(|number| {
            let sent = stream.send(event(&note(number)));
            counter.store(number + 1, Ordering::Relaxed);
            sent
        })
    });
    // Until it is all held up, answers still come; then none does.
    let brief = Duration::from_millis(300);
    while peer.request("tools/list", None, brief).await.is_ok() {
        assert!(!pushing.is_finished(), "everything was taken in, and nobody reads");
    }
    for number in 0..NOTES {
        let notification = notifications.next().await.unwrap();
        let body: Value = serde_json::from_slice(notification.bytes()).unwrap();
        assert_eq!(body["params"]["data"]["number"], number);
        let ahead = taken.load(Ordering::Relaxed).saturating_sub(number);
        assert!(ahead < NOTES, "{ahead} were taken in");
    }
    assert!(pushing.join().unwrap());
    peer.request("tools/list", None, DEADLINE).await.unwrap();
    peer.end().await;
    assert!(notifications.next().await.is_none(), "they end with the peer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_that_nobody_wants_hold_nothing_up() {
    let server = Server::start();
    let (peer, notifications) = connect(&server, no_handler()).await;
    drop(notifications);
    let stream = tokio::task::block_in_place(|| server.mcp().stream());
    let sent =
        tokio::task::block_in_place(|| (0..NOTES).all(|number| stream.send(event(&note(number)))));
    assert!(sent);
    peer.request("tools/list", None, DEADLINE).await.unwrap();
    peer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_the_server_are_answered() {
    let server = Server::start();
    let handler: Handler = Arc::new(|question: Message| {
        Box::pin(async move {
            match question.method() {
                Some("roots/list") => Some(Ok(r#"{"roots" : []}"#.to_owned())),
                Some("sampling/createMessage") => Some(Err((-1, "not \"today\"".to_owned()))),
                _ => None,
            }
        })
    });
    let (peer, _notifications) = connect(&server, handler).await;
    tokio::task::block_in_place(|| {
        for (number, (id, method, answer)) in [
            ("\"r\\u0031\"", "roots/list", json!({ "result": { "roots": [] } })),
            (
                "2.0",
                "sampling/createMessage",
                json!({ "error": { "code": -1, "message": "not \"today\"" } }),
            ),
            ("3", "ping", json!({ "result": {} })),
            ("4", "interop/other", json!({ "error": { "code": -32601 } })),
        ]
        .into_iter()
        .enumerate()
        {
            server.mcp().push(question(id, method));
            answers(&server, number + 1);
            let text = server.seen("response")[number].text().to_owned();
            assert!(
                text.contains(&format!(r#""id":{id},"#)),
                "an id is spelled as it came: {text}"
            );
            let got: Value = serde_json::from_str(&text).unwrap();
            for (name, member) in answer.as_object().unwrap() {
                match &member["code"] {
                    Value::Null => assert_eq!(&got[name], member),
                    code => assert_eq!(&got[name]["code"], code),
                }
            }
        }
    });
    peer.end().await;
}

/// Waits for what has to happen.
async fn heard(what: &Notify) {
    tokio::time::timeout(DEADLINE, what.notified()).await.expect("it happens");
}

/// Says when it is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Begins to answer and never ends; says when it begins and when it is given up.
fn endless() -> (Handler, Arc<Notify>, Arc<Notify>) {
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, drops) = (begun.clone(), dropped.clone());
    let handler: Handler = Arc::new(move |_| {
        let (begins, guard) = (begins.clone(), Dropped(drops.clone()));
        Box::pin(async move {
            let _guard = guard;
            begins.notify_one();
            std::future::pending().await
        })
    });
    (handler, begun, dropped)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_server_takes_back_is_given_up() {
    let server = Server::start();
    let (handler, begun, dropped) = endless();
    let (peer, _notifications) = connect(&server, handler).await;
    tokio::task::block_in_place(|| server.mcp().push(question("\"q\"", "elicitation/create")));
    heard(&begun).await;
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\u0071"}}"#;
    tokio::task::block_in_place(|| server.mcp().push(event(cancel)));
    heard(&dropped).await;
    // Nothing is answered to it: the next answer is the first.
    tokio::task::block_in_place(|| {
        server.mcp().push(question(7, "ping"));
        assert_eq!(answers(&server, 1)[0]["id"], 7);
    });
    // What is being answered at the end is given up as well.
    tokio::task::block_in_place(|| server.mcp().push(question("\"q2\"", "elicitation/create")));
    heard(&begun).await;
    peer.end().await;
    heard(&dropped).await;
    assert_eq!(answers(&server, 1).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_requests_of_the_server_are_answered_at_once() {
    let server = Server::start();
    let (handler, begun, _dropped) = endless();
    let (peer, _notifications) = connect(&server, handler).await;
    for number in 0..MAX_QUESTIONS {
        tokio::task::block_in_place(|| server.mcp().push(question(number, "elicitation/create")));
        heard(&begun).await;
    }
    tokio::task::block_in_place(|| {
        server.mcp().push(question(100, "elicitation/create"));
        server.mcp().push(question(101, "ping"));
        let mut got = answers(&server, 2);
        got.sort_by_key(|answer| answer["id"].as_u64());
        assert_eq!(got[0]["error"]["code"], FailureKind::Overloaded.code());
        assert_eq!((&got[1]["id"], &got[1]["result"]), (&json!(101), &json!({})));
    });
    peer.request("tools/list", None, DEADLINE).await.unwrap();
    peer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_fails() {
    let server = Server::start();
    server.always("initialize", |_| Reply::status(403));
    let link = bridge_to(&server.url());
    let outcome = Peer::connect(link, "{}", no_handler(), DEADLINE).await;
    assert_eq!(kind(outcome.map(|_| ())), FailureKind::Unauthorized);

    let silent = Server::start();
    silent.always("initialize", |_| Reply::never());
    let link = bridge_to(&silent.url());
    let limit = Duration::from_millis(500);
    let outcome = Peer::connect(link, "{}", no_handler(), limit).await;
    assert_eq!(kind(outcome.map(|_| ())), FailureKind::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_the_end_of_the_session() {
    let server = Server::start();
    let (peer, mut notifications) = connect(&server, no_handler()).await;
    peer.notify("notifications/roots/list_changed", None).await;
    peer.end().await;
    assert!(notifications.next().await.is_none());
    assert_eq!(server.seen("notifications/roots/list_changed").len(), 1);
    assert_eq!(server.seen("DELETE").len(), 1);
    // Without an end nothing is left of it in this process either.
    let (peer, mut notifications) = connect(&server, no_handler()).await;
    drop(peer);
    assert!(notifications.next().await.is_none());
}
