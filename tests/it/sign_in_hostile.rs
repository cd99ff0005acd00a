//! What unlucky and hostile peers must not achieve while somebody signs in.

use serde_json::json;

use crate::support::browser::{files, follow};
use crate::support::oauth::{State, sign_in_url};
use crate::support::*;

const CANCEL: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;

#[test]
fn a_request_that_was_taken_back_is_not_sent_after_the_sign_in() {
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    realm.browser.hold();
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.send(request(1, "tools/call"));
    let opened = realm.browser.wait_opened(1);
    bridge.send(CANCEL);
    // It has been read when what follows it is answered.
    bridge.ask(2, "tools/list").result();
    assert_eq!(follow(&opened[0]).unwrap().status, 200);
    bridge.ask(3, "tools/call").result();
    let exit = bridge.finish();
    assert!(!exit.rest.iter().any(|line| line.answers("1")), "{:?}", exit.rest);
    let calls = realm.mcp.seen("tools/call");
    let first = calls.iter().filter(|call| call.id.as_deref() == Some("1")).count();
    assert_eq!(first, 1, "only the one that was refused");
    assert_eq!(realm.mcp.seen("notifications/cancelled").len(), 0);
}

#[test]
fn initialized_is_not_lost_with_a_sign_in_that_comes_late() {
    let realm = Realm::with(|o| o.guards = |r| r.kind != "initialize");
    let bridge = realm.bridge().arg("--no-browser").arg("--initialize-deadline=500ms").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.wait_stderr("notifications/initialized was not delivered");
    bridge.send(request(1, "tools/list"));
    let url = sign_in_url(&bridge.answer(1));
    assert_eq!(follow(&url).unwrap().status, 200);
    bridge.ask(2, "tools/list").result();
    let sent = realm.mcp.seen("notifications/initialized");
    assert!(sent.last().unwrap().header("authorization").is_some(), "the server has it now");
    bridge.finish();
}

#[test]
fn a_secret_of_the_client_is_for_one_authorization_server() {
    let (realm, other) = (Realm::new(), Realm::new());
    for realm in [&realm, &other] {
        realm.set(|o| o.clients = vec![("known", Some("fake-client-secret-0123456789"))]);
    }
    let bridge = || {
        let bridge = realm.bridge().arg("--client-id=known");
        bridge.env("MCP_TETHER_CLIENT_SECRET", "fake-client-secret-0123456789")
    };
    let first = bridge().start();
    first.handshake().result();
    first.finish().clean();
    let elsewhere = other.issuer_url();
    realm.set(|o| o.issuers = Some(vec![elsewhere]));
    realm.state(State::expire);
    let second = bridge().start();
    second.send(INITIALIZE);
    let error = second.answer(0).failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("--client-id"), "{error}");
    second.finish();
    assert_eq!(other.count("token") + other.count("authorize"), 0);
}

#[test]
fn a_refresh_that_is_refused_in_an_odd_way_ends_in_a_sign_in() {
    for (status, body) in [
        (400, r#"{"error":"invalid_request","error_description":"refresh token expired"}"#),
        (404, "<html>no such page</html>"),
    ] {
        let realm = Realm::new();
        realm.login_expired(&[]);
        realm.issuer.maybe("token", move |request| {
            let refreshes = request.text().contains("grant_type=refresh_token");
            refreshes.then(|| Reply::body(status, "application/json", body))
        });
        let bridge = realm.bridge().start();
        bridge.handshake().result();
        bridge.finish().clean();
        assert_eq!(realm.count("authorize"), 2, "{status}");
    }
}

#[test]
fn an_outage_of_one_authorization_server_does_not_lead_to_another() {
    let (realm, other) = (Realm::new(), Realm::new());
    let (own, elsewhere) = (realm.issuer_url(), other.issuer_url());
    realm.set(|o| o.issuers = Some(vec![own, elsewhere]));
    realm.login(&[]);
    realm.state(State::expire);
    realm.issuer.always("metadata", |_| Reply::status(503));
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish().clean();
    assert_eq!(other.count("authorize"), 0);
    // A refresh did: the tokens still belong where they came from.
    realm.asked(1, 2, 1);
}

#[test]
fn a_token_that_the_server_repeats_is_not_kept() {
    let realm = Realm::new();
    realm.login(&[]);
    realm.mcp.always("initialize", |request| {
        let token = request.header("authorization").unwrap_or_default();
        let result = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "serverInfo": { "name": "echo", "version": "1" },
            "instructions": token,
        });
        Reply::json(request.result(&result.to_string())).header("mcp-session-id", "s-1")
    });
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish();
    for (path, bytes) in files(&realm.home().join("cache")) {
        realm.no_secret_in(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_refresh_that_is_slow_is_not_lost_when_the_bridge_ends() {
    let realm = Realm::new();
    realm.login_expired(&[]);
    realm.set(|o| o.token_delay = std::time::Duration::from_secs(2));
    let bridge = realm.bridge().arg("--drain-timeout=100ms").start();
    bridge.send(INITIALIZE);
    realm.issuer.wait("token", 2);
    bridge.finish();
    realm.set(|o| o.token_delay = std::time::Duration::ZERO);
    // The new refresh token is known: nobody has to sign in, and nothing has to be refreshed.
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish().clean();
    realm.asked(1, 2, 1);
}

#[test]
fn requests_that_need_more_scope_wait_for_one_sign_in() {
    let realm = Realm::with(|o| o.needs_scope = Some(("tools/call", "more")));
    let bridge = realm.bridge().ready(&realm.mcp);
    for id in 1..=6 {
        bridge.send(request(id, "tools/call"));
    }
    for id in 1..=6 {
        bridge.answer(id).result();
    }
    bridge.finish().clean();
    assert_eq!(realm.count("authorize"), 2);
}

#[test]
fn login_with_a_pinned_callback_joins_a_bridge_that_waits() {
    let realm = Realm::new();
    realm.browser.hold();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let callback = format!("--callback-url=http://127.0.0.1:{port}/own");
    let bridge = realm.bridge().arg(&callback).start();
    bridge.send(INITIALIZE);
    let opened = realm.browser.wait_opened(1);
    let login = realm.spawn(&["login", &realm.mcp.url(), &callback]);
    // It shows the same page.
    assert_eq!(realm.browser.wait_opened(2)[1], opened[0]);
    assert_eq!(follow(&opened[0]).unwrap().status, 200);
    login.wait().code(0);
    bridge.answer(0).result();
    bridge.finish();
    realm.asked(1, 1, 1);
}
