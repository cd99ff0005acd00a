//! Signing in to a stateless server: at the question, at a request, at a subscription.

use std::time::{Duration, Instant};

use crate::support::browser::follow;
use crate::support::oauth::{State, sign_in_url};
use crate::support::*;

/// A modern client's `server/discover`.
const QUESTION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn cancel(id: u32) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

#[test]
fn initialize_is_answered_before_anybody_knows_the_era() {
    let realm = Realm::modern();
    realm.browser.hold();
    let bridge = realm.bridge().arg("--initialize-deadline=500ms").start();
    bridge.send(INITIALIZE);
    realm.browser.wait_opened(1);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge
        .send(r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#);
    bridge.send(request(2, "tools/list"));
    bridge.send(request(3, "tools/call"));
    bridge.send(cancel(3));
    assert_eq!(follow(&realm.browser.opened()[0]).unwrap().status, 200);
    bridge.answer(1).result();
    bridge.answer(2).result();
    bridge.ask(4, "tools/list").result();
    assert_eq!(realm.mcp.seen("tools/call").len(), 0);
    assert_eq!(realm.mcp.seen("initialize").len(), 0);
    realm.mcp.stateless().only_open(1);
    assert_eq!(bridge.finish().code, Some(0));
    realm.mcp.stateless().only_open(0);
    realm.asked(1, 1, 1);
}

#[test]
fn a_modern_client_where_no_browser_can_be_opened() {
    let realm = Realm::modern();
    let bridge = realm.bridge().arg("--no-browser").arg("--initialize-deadline=500ms").start();
    bridge.send(QUESTION);
    let url = sign_in_url(&bridge.answer(1));
    assert_eq!(follow(&url).unwrap().status, 200);
    bridge.send(QUESTION);
    bridge.answer(1).result();
    bridge.finish().clean();
}

#[test]
fn a_call_is_taken_back_while_somebody_signs_in_for_another() {
    let realm = Realm::modern();
    realm.set(|o| o.guards = |r| r.kind == "prompts/get");
    let slow = Feed::new();
    let held = slow.clone();
    realm.mcp.maybe("tools/call", move |_| Some(Reply::feed(&held)));
    realm.browser.hold();
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.send(request(1, "tools/call"));
    realm.mcp.wait("tools/call", 1);
    bridge.send(request(2, "prompts/get"));
    realm.browser.wait_opened(1);
    bridge.send(cancel(1));
    let end = Instant::now() + DEADLINE;
    while slow.is_open() {
        assert!(Instant::now() < end, "the stream stays open");
        slow.push(": still here\n\n");
        std::thread::sleep(Duration::from_millis(5));
    }
    bridge.send(cancel(2));
    bridge.ask(3, "tools/list").result();
    bridge.finish().clean();
    assert_eq!(realm.mcp.seen("prompts/get").len(), 1);
}

#[test]
fn nobody_is_asked_for_our_own_subscription() {
    let realm = Realm::modern();
    realm.set(|o| o.guards = |r| r.kind == "subscriptions/listen");
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.wait_stderr("no messages from the server outside of requests");
    bridge.ask(1, "tools/list").result();
    assert_eq!(realm.browser.opened(), [""; 0]);
    // Somebody who wants to hear of a resource is.
    bridge
        .send(r#"{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:/1"}}"#);
    bridge.answer(2).result();
    realm.asked(1, 1, 1);
    bridge.finish();
}

#[test]
fn a_subscription_comes_back_after_the_next_sign_in() {
    let realm = Realm::modern();
    realm.set(|o| o.refreshes = false);
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    let first = realm.mcp.stateless().stream(1);
    realm.state(State::expire);
    first.abort();
    bridge.wait_stderr("no messages from the server outside of requests");
    assert_eq!(realm.browser.opened().len(), 1, "a tab out of the blue");
    bridge.ask(1, "tools/call").result();
    realm.mcp.stateless().stream(2);
    bridge.incoming("notifications/tools/list_changed");
    bridge.finish();
}
