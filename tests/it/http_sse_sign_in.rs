//! Signing in to a server of the HTTP+SSE transport.

use crate::support::*;

/// A realm whose server speaks HTTP+SSE.
fn realm(guards: fn(&Request) -> bool) -> (Realm, HttpSse) {
    let realm = Realm::with(|o| o.guards = guards);
    let sse = HttpSse::at(&realm.mcp, "/mcp");
    (realm, sse)
}

#[test]
fn where_everything_is_protected() {
    for transport in ["auto", "sse"] {
        let (realm, _sse) = realm(|_| true);
        let bridge = realm.bridge().arg("--transport").arg(transport).start();
        bridge.handshake().result();
        bridge.ask(1, "tools/list").result();
        realm.asked(1, 1, 1);
        bridge.finish().clean();
    }
}

#[test]
fn where_only_the_stream_is_protected() {
    let (realm, _sse) = realm(|r| r.http == "GET");
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    realm.asked(1, 1, 1);
    bridge.finish().clean();
}

#[test]
fn where_only_messages_are_protected() {
    let (realm, sse) = realm(|r| r.uri.path() == "/messages");
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.ask(1, "tools/list").result();
    realm.asked(1, 1, 1);
    // The stream that was open is used.
    assert_eq!(realm.mcp.seen("GET").len(), 1);
    // A token that is refused in mid-session is refreshed.
    realm.state(|state| state.expire());
    sse.push(&notification("notifications/message"));
    bridge.incoming("notifications/message");
    bridge.ask(2, "tools/call").result();
    realm.asked(1, 2, 1);
    assert_eq!(realm.mcp.seen("GET").len(), 1);
    bridge.finish().clean();
}

#[test]
fn a_sign_in_that_takes_long_is_made_up_for() {
    let (realm, _sse) = realm(|_| true);
    realm.browser.hold();
    let bridge = realm.bridge().arg("--initialize-deadline=300ms").start();
    bridge.handshake().result();
    bridge.send(request(1, "tools/list"));
    browser::follow(&realm.browser.wait_opened(1)[0]).unwrap();
    bridge.answer(1).result();
    realm.asked(1, 1, 1);
    assert_eq!(realm.mcp.seen("notifications/initialized").len(), 1);
    bridge.finish();
}

#[test]
fn a_dropped_stream_opens_no_browser_on_its_own() {
    let (realm, sse) = realm(|_| true);
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    realm.asked(1, 1, 1);
    realm.mcp.wait("notifications/initialized", 1);
    // Neither token is good any more.
    realm.state(|state| {
        state.expire();
        state.forget_refresh_tokens();
    });
    sse.stream().end();
    bridge.wait_stderr("no messages from the server");
    assert_eq!(realm.browser.opened().len(), 1);
    // A message of the client is another matter.
    bridge.ask(1, "tools/list").result();
    assert_eq!(realm.browser.opened().len(), 2);
    bridge.finish();
}

#[test]
fn login() {
    for (transport, guards) in [
        ("auto", (|_| true) as fn(&Request) -> bool),
        ("sse", |_| true),
        ("auto", |r: &Request| r.http == "GET"),
    ] {
        let (realm, _sse) = realm(guards);
        realm.login(&["--transport", transport]);
        realm.asked(1, 1, 1);
        let bridge = realm.bridge().start();
        bridge.handshake().result();
        bridge.finish().clean();
        realm.asked(1, 1, 1);
    }
}
