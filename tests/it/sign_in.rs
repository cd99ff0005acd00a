//! What starts a sign-in, what it comes to, and what never starts one.

use serde_json::json;

use crate::support::oauth::{State, form};
use crate::support::*;

/// Whether this request was sent with a token of the realm.
fn has_token(realm: &Realm, request: &Request) -> bool {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| realm.state(|state| state.scope_of(token)).is_some())
}

#[test]
fn a_server_that_answers_401_just_works() {
    let realm = Realm::new();
    let bridge = realm.bridge().start();
    assert_eq!(bridge.handshake().result()["serverInfo"]["name"], "scripted");
    bridge.ask(1, "tools/list").result();
    realm.asked(1, 1, 1);
    assert_eq!(realm.browser.opened().len(), 1);
    let page = &realm.browser.wait_pages(1)[0];
    assert_eq!(page.status, 200, "{page:?}");

    let asked = &realm.authorizations()[0];
    assert_eq!(asked["resource"], realm.mcp.url());
    assert_eq!(asked.get("scope"), None);
    let exchange = &realm.token_requests()[0];
    assert_eq!(exchange["resource"], realm.mcp.url());
    assert_eq!(exchange["client_id"], asked["client_id"]);
    // The refused request goes first; nothing is asked beforehand.
    assert_eq!(realm.mcp.kinds()[..2], ["initialize", "prm"]);
    realm.mcp.wait("GET", 1);
    let exit = bridge.finish();
    exit.clean();
    assert!(exit.stderr.contains("mcp-tether: to sign in to 127.0.0.1"), "{}", exit.stderr);
    for request in realm.mcp.seen("*").iter().skip(2) {
        assert!(has_token(&realm, request), "{}", request.kind);
    }
    // Nobody is asked again, and no request is refused first.
    let refused = realm.mcp.kinds().len();
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish().clean();
    realm.asked(1, 1, 1);
    assert!(has_token(&realm, &realm.mcp.seen("*")[refused]));
}

#[test]
fn nothing_is_asked_of_a_server_that_asks_nothing() {
    let realm = Realm::with(|o| o.guards = |_| false);
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    realm.no_oauth();
    assert!(realm.mcp.seen("*").iter().all(|r| r.header("authorization").is_none()));
    // Nothing but the era of the server.
    let kept = realm.kept();
    assert!(kept.iter().all(|(_, text)| text.starts_with(br#"{"era":"legacy""#)), "{kept:?}");
}

#[test]
fn a_challenge_in_mid_session() {
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    let bridge = realm.bridge().ready(&realm.mcp);
    realm.no_oauth();
    bridge.send(request("\"the-same\"", "tools/call"));
    bridge.answer("\"the-same\"").result();
    realm.asked(1, 1, 1);
    let calls = realm.mcp.seen("tools/call");
    assert_eq!(calls.len(), 2, "refused, then sent again");
    assert_eq!(calls[0].body, calls[1].body);
    assert_eq!(realm.mcp.seen("initialize").len(), 1, "the session goes on");
    bridge.ask(2, "tools/call").result();
    assert_eq!(realm.mcp.seen("tools/call").len(), 3);
    bridge.finish().clean();
}

#[test]
fn requests_that_are_refused_together_wait_for_one_sign_in() {
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    realm.browser.hold();
    let bridge = realm.bridge().ready(&realm.mcp);
    for id in 1..=20 {
        bridge.send(request(id, "tools/call"));
    }
    realm.mcp.wait("tools/call", 20);
    browser::follow(&realm.browser.wait_opened(1)[0]).unwrap();
    for id in 1..=20 {
        bridge.answer(id).result();
    }
    realm.asked(1, 1, 1);
    assert_eq!(realm.browser.opened().len(), 1);
    bridge.finish().clean();
}

#[test]
fn a_notification_and_the_standalone_stream_are_refused() {
    let realm = Realm::with(|o| o.guards = |r| r.kind == "GET" || r.kind.starts_with("notif"));
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    realm.mcp.mcp().push(event(&notification("notifications/message")));
    bridge.incoming("notifications/message");
    realm.asked(1, 1, 1);
    let initialized = realm.mcp.seen("notifications/initialized");
    assert!(has_token(&realm, initialized.last().unwrap()), "it was sent again");
    bridge.finish().clean();
}

#[test]
fn a_configured_header_that_is_refused() {
    let realm = Realm::new();
    let bridge = realm.bridge().header("Authorization: Bearer fake-configured-token").start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("the configured Authorization header was refused by 127.0.0.1"),
        "{message}"
    );
    bridge.finish();
    realm.no_oauth();
    // Neither does a stored token take its place.
    realm.login(&[]);
    let bridge = realm.bridge().header("Authorization: Bearer fake-configured-token").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("unauthorized");
    bridge.finish();
    let sent = realm.mcp.seen("initialize");
    assert_eq!(sent.last().unwrap().header("authorization"), Some("Bearer fake-configured-token"));
}

#[test]
fn a_configured_header_until_it_is_refused() {
    let realm = Realm::new();
    let bridge = realm.bridge().header("Authorization: Basic ZmFrZTpmYWtl").arg("--oauth").start();
    bridge.handshake().result();
    bridge.finish().clean();
    let sent = realm.mcp.seen("initialize");
    assert_eq!(sent[0].header("authorization"), Some("Basic ZmFrZTpmYWtl"));
    assert!(has_token(&realm, sent.last().unwrap()));
    realm.asked(1, 1, 1);
}

#[test]
fn oauth_that_is_switched_off() {
    let realm = Realm::new();
    let bridge = realm.bridge().arg("--auth=none").start();
    bridge.send(INITIALIZE);
    assert_eq!(bridge.answer(0).failed("unauthorized")["data"]["status"], 401);
    bridge.finish();
    realm.no_oauth();
}

#[test]
fn stored_only() {
    let realm = Realm::new();
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("mcp-tether login {}", realm.mcp.url())), "{message}");
    bridge.finish();
    realm.asked(0, 0, 0);
    assert_eq!(realm.browser.opened(), [""; 0]);
    realm.login_expired(&[]);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.finish().clean();
    realm.asked(1, 2, 1);
}

#[test]
fn a_token_that_does_not_help_ends_it() {
    let realm = Realm::with(|o| o.useful = false);
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("127.0.0.1"), "{error}");
    bridge.finish();
    assert_eq!(realm.browser.opened().len(), 1);
    assert_eq!(realm.count("authorize"), 1);
    let sent = realm.mcp.seen("initialize").len();
    assert!((2..=4).contains(&sent), "{sent} attempts");
}

#[test]
fn a_token_that_was_refused_is_renewed_and_the_request_repeated() {
    let realm = Realm::new();
    let bridge = realm.bridge().ready(&realm.mcp);
    realm.state(State::expire);
    bridge.ask(1, "tools/call").result();
    realm.asked(1, 2, 1);
    assert_eq!(realm.token_requests()[1]["grant_type"], "refresh_token");
    assert_eq!(realm.browser.opened().len(), 1);
    bridge.finish().clean();
}

#[test]
fn more_scope() {
    let realm = Realm::with(|o| {
        o.challenge_scope = Some("read");
        o.needs_scope = Some(("tools/call", "write"));
    });
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    assert_eq!(realm.authorizations()[0]["scope"], "read");
    bridge.ask(1, "tools/call").result();
    realm.asked(2, 2, 1);
    assert_eq!(realm.authorizations()[1]["scope"], "read write");
    assert_eq!(realm.mcp.seen("tools/call").len(), 2);
    bridge.ask(2, "tools/call").result();
    bridge.finish().clean();
    // What was added stays.
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    realm.asked(2, 2, 1);
}

#[test]
fn a_server_that_always_wants_more_scope() {
    let realm = Realm::new();
    let bridge = realm.bridge().ready(&realm.mcp);
    let counter = std::sync::atomic::AtomicUsize::new(0);
    realm.mcp.always("tools/call", move |_| {
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"s{number}\"");
        Reply::status(403).header("www-authenticate", &challenge)
    });
    for id in 1..=5 {
        bridge.ask(id, "tools/call").failed("unauthorized");
    }
    bridge.finish().clean();
    assert!(realm.count("authorize") <= 3, "{} tabs", realm.count("authorize"));
}

#[test]
fn more_scope_where_nobody_may_be_asked() {
    let realm = Realm::with(|o| {
        o.challenge_scope = Some("read");
        o.needs_scope = Some(("tools/call", "extra-scope"));
    });
    realm.login(&[]);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    let error = bridge.ask(1, "tools/call").failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("extra-scope"), "{error}");
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
    realm.asked(1, 1, 1);
}

#[test]
fn other_refusals_are_final() {
    let realm = Realm::new();
    let bridge = realm.bridge().ready(&realm.mcp);
    for challenge in ["", "Bearer error=\"invalid_token\"", "Basic realm=\"x\""] {
        let reply = Reply::body(403, "text/plain", "not you");
        let reply =
            if challenge.is_empty() { reply } else { reply.header("www-authenticate", challenge) };
        realm.mcp.once("tools/call", reply);
        assert_eq!(bridge.ask(1, "tools/call").failed("unauthorized")["data"]["status"], 403);
    }
    bridge.finish().clean();
    realm.asked(1, 1, 1);
}

#[test]
fn the_tokens_of_two_servers_are_kept_apart() {
    let (one, two) = (Realm::new(), Realm::new());
    one.login(&[]);
    let bridge = one.at_home(Bridge::with(&two.mcp.url())).env("BROWSER", two.browser.command());
    let bridge = bridge.start();
    bridge.handshake().result();
    bridge.finish().clean();
    for request in two.mcp.seen("*").iter().chain(&two.issuer.seen("*")) {
        let header = request.header("authorization").unwrap_or_default();
        let sent = format!("{} {} {header}", request.uri, request.text());
        one.no_secret_in("a request to another server", &sent);
    }
}

#[test]
fn the_registration_and_the_request_say_what_they_should() {
    let realm = Realm::new();
    realm.login(&[]);
    let registration = &realm.registrations()[0];
    assert_eq!(registration["client_name"], "mcp-tether");
    assert_eq!(registration["application_type"], "native");
    assert_eq!(registration["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(registration["response_types"], json!(["code"]));
    assert_eq!(registration["token_endpoint_auth_method"], "none");
    let asked = &realm.authorizations()[0];
    assert_eq!(registration["redirect_uris"], json!([asked["redirect_uri"]]));
    let uri = url::Url::parse(&asked["redirect_uri"]).unwrap();
    assert_eq!(
        (uri.scheme(), uri.host_str(), uri.path()),
        ("http", Some("127.0.0.1"), "/callback")
    );
    // No part of the MCP server's own headers goes to the authorization server.
    let opened = realm.browser.opened();
    assert_eq!(form(opened[0].split_once('?').unwrap().1), *asked, "the URL arrives whole");
    for request in realm.issuer.seen("*") {
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("mcp-session-id"), None);
    }
}
