//! Refreshing: before expiry, on 401, once for all processes, and never at the wrong door.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde_json::json;

use crate::support::browser::follow;
use crate::support::oauth::{State, printed_url, wait_for};
use crate::support::*;

const BUSY: &str = r#"{"error":"temporarily_unavailable"}"#;

#[test]
fn an_expired_token_is_refreshed_before_the_first_request() {
    let realm = Realm::new();
    realm.login_expired(&["--scope=a b"]);
    let before = realm.mcp.kinds().len();
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.finish().clean();
    realm.asked(1, 2, 1);
    assert_eq!(realm.browser.opened().len(), 1);
    let requests = realm.token_requests();
    assert_eq!(requests[1]["grant_type"], "refresh_token");
    for name in ["resource", "client_id"] {
        assert_eq!(requests[1][name], requests[0][name]);
    }
    assert_eq!(requests[1].get("scope").map_or("a b", String::as_str), "a b");
    let first = &realm.mcp.seen("*")[before];
    assert_eq!(first.kind, "initialize");
    assert!(first.header("authorization").is_some(), "nothing was refused");
    let later = realm.mcp.kinds().split_off(before);
    assert_eq!(later.iter().filter(|kind| *kind == "initialize").count(), 1);
}

#[test]
fn a_token_that_expires_in_mid_session() {
    let realm = Realm::with(|o| o.expires_in = json!(1));
    let bridge = realm.bridge().ready(&realm.mcp);
    for id in 1..=3 {
        std::thread::sleep(Duration::from_millis(2100));
        realm.state(State::expire);
        bridge.ask(id, "tools/call").result();
    }
    // Refreshed before they were sent: none of the calls was refused.
    assert_eq!(realm.mcp.seen("tools/call").len(), 3);
    assert_eq!(realm.count("authorize"), 1);
    bridge.finish().clean();
}

#[test]
fn twenty_processes_refresh_once() {
    let realm = Realm::new();
    realm.many_clients();
    realm.login_expired(&[]);
    // All of them want it meanwhile.
    realm.set(|o| o.token_delay = Duration::from_millis(500));
    let bridges: Vec<_> = (0..20).map(|_| realm.bridge().start()).collect();
    bridges.iter().for_each(|bridge| bridge.send(INITIALIZE));
    for bridge in &bridges {
        bridge.answer(0).result();
    }
    realm.asked(1, 2, 1);
    // And once more, when the server refuses what they have.
    realm.state(State::expire);
    bridges.iter().for_each(|bridge| bridge.send(INITIALIZED));
    bridges.iter().for_each(|bridge| bridge.send(request(1, "tools/call")));
    for bridge in &bridges {
        bridge.answer(1).result();
    }
    realm.asked(1, 3, 1);
    assert!(realm.state(|state| state.dead_families.is_empty()));
    assert_eq!(realm.browser.opened().len(), 1);
    for bridge in bridges {
        bridge.finish().clean();
    }
}

#[test]
fn requests_of_one_process_refresh_once() {
    let realm = Realm::new();
    let bridge = realm.bridge().ready(&realm.mcp);
    realm.state(State::expire);
    for id in 1..=30 {
        bridge.send(request(id, "tools/call"));
    }
    for id in 1..=30 {
        bridge.answer(id).result();
    }
    realm.asked(1, 2, 1);
    bridge.finish().clean();
}

#[test]
fn a_refresh_token_that_is_dead() {
    let realm = Realm::new();
    realm.login_expired(&[]);
    realm.state(State::forget_refresh_tokens);
    realm.browser.hold();
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    // A tab was opened a moment ago, so that there may be none for this.
    follow(&wait_for("the URL", || printed_url(&bridge.stderr()))).unwrap();
    bridge.answer(0).result();
    bridge.finish().clean();
    // One more sign-in, with the same registration, exchanged in the same run.
    realm.asked(2, 3, 1);
    assert_eq!(realm.token_requests()[2]["grant_type"], "authorization_code");
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish().clean();
    realm.asked(2, 3, 1);
}

#[test]
fn trouble_at_the_token_endpoint_passes() {
    for reply in [
        Reply::status(500),
        Reply::body(503, "text/html", "<title>Back soon</title>"),
        Reply::status(429).header("retry-after", "1"),
        Reply::body(400, "application/json", BUSY),
        Reply::reset_after(""),
    ] {
        let realm = Realm::new();
        realm.login_expired(&[]);
        realm.issuer.once("token", reply);
        let bridge = realm.bridge().start();
        bridge.handshake().result();
        bridge.finish().clean();
        assert_eq!(realm.browser.opened().len(), 1);
        assert_eq!(realm.token_requests().last().unwrap()["grant_type"], "refresh_token");
    }
}

#[test]
fn trouble_that_lasts_deletes_nothing() {
    let realm = Realm::new();
    realm.login_expired(&[]);
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    realm.issuer.maybe("token", move |_| {
        (!is_well.load(SeqCst)).then(|| Reply::body(503, "text/plain", "later"))
    });
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    assert!(answer.is_error, "{answer}");
    let kind = answer.value()["error"]["data"]["kind"].as_str().unwrap().to_owned();
    assert_ne!(kind, "unauthorized", "{answer}");
    bridge.finish();
    assert_eq!(realm.browser.opened().len(), 1, "no tab");
    well.store(true, SeqCst);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.finish().clean();
    assert_eq!(realm.count("authorize"), 1);
}

#[test]
fn a_refresh_without_a_new_refresh_token_keeps_the_old_one() {
    let realm = Realm::with(|o| (o.rotates, o.repeats_refresh_token) = (false, false));
    realm.login_expired(&[]);
    let bridge = realm.bridge().ready(&realm.mcp);
    for id in 1..=2 {
        realm.state(State::expire);
        bridge.ask(id, "tools/call").result();
    }
    bridge.finish().clean();
    realm.asked(1, 4, 1);
    let requests = realm.token_requests();
    assert_eq!(requests[1]["refresh_token"], requests[3]["refresh_token"]);
}

#[test]
fn without_a_refresh_token_a_person_is_asked() {
    let realm = Realm::with(|o| o.refreshes = false);
    realm.login(&[]);
    realm.state(State::expire);
    realm.run(&["login", &realm.mcp.url(), "--silent"]).code(3);
    realm.login(&[]);
    realm.asked(2, 2, 1);
}

#[test]
fn a_loser_takes_over_what_the_winner_has() {
    let realm = Realm::new();
    realm.many_clients();
    let (one, two) = (realm.bridge().ready(&realm.mcp), realm.bridge().start());
    two.handshake().result();
    for id in 1..=3 {
        realm.state(State::expire);
        one.ask(id, "tools/call").result();
        two.ask(id, "tools/call").result();
    }
    // One refresh for each time that the tokens died.
    realm.asked(1, 4, 1);
    assert!(realm.state(|state| state.dead_families.is_empty()));
    one.finish().clean();
    two.finish().clean();
}

#[test]
fn a_process_that_is_killed_while_it_refreshes() {
    let realm = Realm::new();
    realm.login_expired(&[]);
    realm.issuer.once("token", Reply::never());
    let first = realm.bridge().start();
    first.send(INITIALIZE);
    realm.issuer.wait("token", 2);
    let second = realm.bridge().start();
    second.send(INITIALIZE);
    first.signal("KILL");
    // The lock goes with the process; its request was never served.
    second.answer(0).result();
    second.finish().clean();
    realm.asked(1, 3, 1);
    drop(first);
}

#[test]
fn another_issuer_gets_nothing() {
    let realm = Realm::new();
    realm.login_expired(&[]);
    let other = Realm::new();
    // The MCP server, or somebody in its place, names another authorization server.
    let elsewhere = other.issuer_url();
    realm.set(|o| o.issuers = Some(vec![elsewhere]));
    realm.mcp.always("initialize", |_| {
        Reply::status(401).header("www-authenticate", "Bearer error=\"invalid_token\"")
    });
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("unauthorized");
    let exit = bridge.finish();
    assert_eq!(other.count("token"), 0);
    for request in other.issuer.seen("*") {
        realm.no_secret_in("a request to another issuer", request.text());
        assert_eq!(request.header("authorization"), None);
    }
    // Before expiry the tokens went where they came from, and only there.
    assert!(exit.stderr.contains("another authorization server"), "{}", exit.stderr);
}

#[test]
fn nothing_goes_to_a_token_endpoint_that_is_new() {
    // The endpoints of a record are those of its issuer at that time.
    let realm = Realm::new();
    realm.login_expired(&[]);
    let thief = Server::start();
    let endpoint = thief.url_at("/token");
    realm.set(|o| o.issuers = Some(vec!["https://thief.invalid".into()]));
    realm.set(|o| o.metadata = json!({ "token_endpoint": endpoint }));
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.finish().clean();
    assert_eq!(thief.connections(), 0);
    realm.asked(1, 2, 1);
}
