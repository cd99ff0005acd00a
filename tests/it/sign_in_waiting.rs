//! What the client gets while a person takes their time.

use std::time::{Duration, Instant};

use crate::support::browser::follow;
use crate::support::oauth::sign_in_url;
use crate::support::*;

/// A bridge whose `initialize` is answered before anybody has signed in, and that answer.
#[track_caller]
fn provisional(realm: &Realm) -> (Bridge, Line) {
    realm.browser.hold();
    let bridge = realm.bridge().arg("--initialize-deadline=500ms").start();
    bridge.send(INITIALIZE);
    realm.browser.wait_opened(1);
    let answer = bridge.answer(0);
    (bridge, answer)
}

#[test]
fn initialize_does_not_wait_for_ever() {
    let realm = Realm::new();
    let (bridge, answer) = provisional(&realm);
    let result = answer.result();
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert!(result["serverInfo"]["name"].is_string(), "{answer}");
    for name in ["tools", "prompts", "resources"] {
        assert_eq!(result["capabilities"][name]["listChanged"], true, "{answer}");
    }
    // Requests wait, and get their answers.
    bridge.send(INITIALIZED);
    bridge.send(request(1, "tools/list"));
    bridge.send(request("\"two\"", "tools/call"));
    assert_eq!(follow(&realm.browser.opened()[0]).unwrap().status, 200);
    assert_eq!(bridge.answer(1).result()["tools"][0]["name"], "echo");
    bridge.answer("\"two\"").result();
    bridge.incoming("notifications/tools/list_changed");
    bridge.ask(3, "tools/call").result();
    // The server sees one proper handshake.
    assert_eq!(realm.mcp.seen("notifications/initialized").len(), 1);
    let exit = bridge.finish();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let answered = exit.rest.iter().any(|line| line.method.is_none());
    assert!(!answered, "initialize was answered already: {:?}", exit.rest);
    realm.asked(1, 1, 1);
}

#[test]
fn the_last_known_answer() {
    let realm = Realm::new();
    realm.mcp.mcp().set(|s| s.capabilities = r#"{"tools":{"listChanged":true},"x":{"own":[1]}}"#);
    let bridge = realm.bridge().start();
    let known = bridge.handshake().result();
    bridge.finish().clean();
    // The sign-in is lost; what the server is like is not.
    realm.run(&["logout", &realm.mcp.url()]).code(0);
    let realm_tabs = realm.browser.opened().len();
    realm.browser.hold();
    let bridge = realm.bridge().arg("--initialize-deadline=500ms").start();
    bridge.send(INITIALIZE);
    assert_eq!(bridge.answer(0).result(), known);
    bridge.send(INITIALIZED);
    bridge.send(request(1, "tools/list"));
    let url = oauth::wait_for("the URL", || oauth::printed_url(&bridge.stderr()));
    assert!(realm.browser.opened().len() <= realm_tabs + 1);
    follow(&url).unwrap();
    bridge.answer(1).result();
    bridge.finish();
}

#[test]
fn nothing_secret_is_in_what_is_remembered() {
    let realm = Realm::new();
    realm.login(&[]);
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish().clean();
    let cache = browser::files(&realm.home().join("cache"));
    assert!(!cache.is_empty(), "the result of initialize is remembered");
    for (path, bytes) in cache {
        realm.no_secret_in(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_server_without_sign_in_is_never_answered_for() {
    let realm = Realm::with(|o| o.guards = |_| false);
    let gate = Gate::new();
    let slow = Reply::json(result(
        0,
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"slow","version":"1"}}"#,
    ));
    realm.mcp.once("initialize", slow.header("mcp-session-id", "s").after(&gate));
    let bridge = realm.bridge().arg("--initialize-deadline=1ms").start();
    bridge.send(INITIALIZE);
    realm.mcp.wait("initialize", 1);
    std::thread::sleep(Duration::from_millis(300));
    gate.open();
    assert_eq!(bridge.answer(0).result()["serverInfo"]["name"], "slow");
}

#[test]
fn where_no_browser_can_be_opened() {
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    let bridge =
        realm.bridge().arg("--no-browser").arg("--initialize-deadline=500ms").ready(&realm.mcp);
    let start = Instant::now();
    bridge.send(request(1, "tools/call"));
    let url = sign_in_url(&bridge.answer(1));
    assert!(start.elapsed() < Duration::from_secs(40));
    // The person goes there and tries again.
    assert_eq!(follow(&url).unwrap().status, 200);
    bridge.ask(2, "tools/call").result();
    bridge.finish();
    realm.asked(1, 1, 1);
}

#[test]
fn initialize_where_no_browser_can_be_opened() {
    let realm = Realm::new();
    let bridge = realm.bridge().arg("--no-browser").arg("--initialize-deadline=500ms").start();
    bridge.send(INITIALIZE);
    // A provisional answer, so that the client shows the URL in the error of a call.
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.send(request(1, "tools/list"));
    let url = sign_in_url(&bridge.answer(1));
    assert_eq!(follow(&url).unwrap().status, 200);
    bridge.incoming("notifications/tools/list_changed");
    bridge.ask(2, "tools/list").result();
    bridge.finish();
}

#[test]
fn a_sign_in_that_fails_after_the_provisional_answer() {
    let realm = Realm::with(|o| o.refuses = Some(("access_denied", "no")));
    let (bridge, answer) = provisional(&realm);
    answer.result();
    bridge.send(INITIALIZED);
    bridge.send(request(1, "tools/list"));
    assert_ne!(follow(&realm.browser.opened()[0]).unwrap().status, 200);
    bridge.answer(1).failed("unauthorized");
    let exit = bridge.finish();
    assert_eq!(exit.rest, []);
}

#[test]
fn a_cancelled_request_is_not_sent_later() {
    let realm = Realm::new();
    let (bridge, answer) = provisional(&realm);
    answer.result();
    bridge.send(INITIALIZED);
    bridge.send(request(1, "tools/call"));
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    bridge.send(request(2, "tools/list"));
    follow(&realm.browser.opened()[0]).unwrap();
    bridge.answer(2).result();
    assert!(realm.mcp.seen("tools/call").len() <= 1);
    bridge.finish();
}
