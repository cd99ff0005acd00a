//! `login`, `logout`, `auth status`, and profiles.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::browser::follow;
use crate::support::oauth::State;
use crate::support::*;

fn status(realm: &Realm) -> Value {
    let shown = realm.run(&["auth", "status", "--json"]);
    serde_json::from_str(&shown.code(0).stdout).unwrap_or_else(|e| panic!("{e}: {shown:?}"))
}

#[test]
fn login_by_hand() {
    let realm = Realm::new();
    let shown = realm.run(&["login", &realm.mcp.url()]);
    shown.code(0).says(&["mcp-tether: to sign in to 127.0.0.1"]);
    assert!(shown.stdout.contains("127.0.0.1"), "the result is on stdout: {shown:?}");
    realm.no_secret_in("stdout", &shown.stdout);
    realm.no_secret_in("stderr", &shown.stderr);
    realm.asked(1, 1, 1);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.finish().clean();
    realm.asked(1, 1, 1);
}

#[test]
fn login_without_a_browser() {
    let realm = Realm::new();
    let run = realm.spawn(&["login", &realm.mcp.url(), "--no-browser"]);
    follow(&run.sign_in_url()).unwrap();
    run.wait().code(0);
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn login_serves_a_bridge_that_waits() {
    let realm = Realm::new();
    realm.browser.hold();
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    realm.browser.wait_opened(1);
    let run = realm.spawn(&["login", &realm.mcp.url()]);
    let url = run.sign_in_url();
    follow(&url).unwrap();
    run.wait().code(0);
    bridge.answer(0).result();
    bridge.finish().clean();
    assert_eq!(realm.count("token"), 1);
}

#[test]
fn login_where_only_calls_are_challenged() {
    // `initialize` is not challenged; there is metadata, though.
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    realm.run(&["login", &realm.mcp.url()]).code(0);
    realm.asked(1, 1, 1);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.ask(1, "tools/call").result();
    assert_eq!(realm.mcp.seen("tools/call").len(), 1);
    bridge.finish().clean();
}

#[test]
fn login_to_a_server_that_offers_nothing() {
    let realm = Realm::with(|o| {
        o.guards = |_| false;
        (o.prm, o.metadata_at) = (None, None);
    });
    let shown = realm.run(&["login", &realm.mcp.url()]);
    assert_ne!(shown.code, None, "{shown:?}");
    assert!(shown.stdout.len() + shown.stderr.len() > 10, "it says so: {shown:?}");
    realm.asked(0, 0, 0);
}

#[test]
fn login_that_fails() {
    let realm = Realm::with(|o| o.refuses = Some(("access_denied", "The user said no")));
    let shown = realm.run(&["login", &realm.mcp.url()]);
    shown.code(3).says(&["access_denied"]);
    assert_eq!(shown.stdout, "");
    let url = format!("http://127.0.0.1:{}/mcp", dead_port());
    realm.run(&["login", &url]).code(4);
    let realm = Realm::new();
    realm.issuer.always("metadata", |_| Reply::status(503));
    realm.run(&["login", &realm.mcp.url()]).code(4);
    realm.run(&["login"]).code(1);
    realm.run(&["login", "not a url"]).code(1);
}

#[test]
fn login_in_silence() {
    let realm = Realm::new();
    let url = realm.mcp.url();
    realm.run(&["login", &url, "--silent"]).code(3);
    realm.asked(0, 0, 0);
    realm.login(&[]);
    realm.run(&["login", &url, "--silent"]).code(0);
    realm.asked(1, 1, 1);
    // It renews what has expired.
    let realm = Realm::new();
    realm.login_expired(&[]);
    realm.run(&["login", &realm.mcp.url(), "--silent"]).code(0);
    realm.asked(1, 2, 1);
    realm.state(State::forget_refresh_tokens);
    realm.state(State::expire);
    realm.run(&["login", &realm.mcp.url(), "--silent"]).code(3);
    assert_eq!(realm.browser.opened().len(), 1);
}

#[test]
fn login_with_a_new_account_replaces_the_old() {
    let realm = Realm::new();
    realm.login(&[]);
    realm.login(&[]);
    realm.asked(2, 2, 1);
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.finish().clean();
    let used = realm.mcp.seen("DELETE").last().unwrap().header("authorization").unwrap().to_owned();
    let tokens = realm.state(|state| state.secrets.clone());
    let newest = tokens.iter().rfind(|secret| secret.contains("access-token")).unwrap();
    assert_eq!(used, format!("Bearer {newest}"));
}

#[test]
fn logout_revokes_and_deletes() {
    let realm = Realm::new();
    let endpoint = realm.issuer.url_at("/revoke");
    realm.set(|o| o.metadata = serde_json::json!({ "revocation_endpoint": endpoint }));
    realm.login(&[]);
    realm.run(&["logout", &realm.mcp.url()]).code(0);
    let revoked = realm.state(|state| state.revoked.clone());
    assert!(revoked.iter().any(|token| token.contains("refresh-token")), "{revoked:?}");
    let tokens = realm.state(|state| state.secrets.clone());
    for (path, bytes) in realm.kept() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!tokens.iter().any(|token| text.contains(token)), "{}", path.display());
    }
    realm.run(&["login", &realm.mcp.url(), "--silent"]).code(3);
    // Once more is no error.
    realm.run(&["logout", &realm.mcp.url()]).code(0);
}

#[test]
fn logout_where_revoking_fails() {
    for reply in [Reply::status(500), Reply::status(404), Reply::reset_after("")] {
        let realm = Realm::new();
        let endpoint = realm.issuer.url_at("/revoke");
        realm.set(|o| o.metadata = serde_json::json!({ "revocation_endpoint": endpoint }));
        realm.issuer.always("revoke", move |_| reply.clone());
        realm.login(&[]);
        let shown = realm.run(&["logout", &realm.mcp.url()]);
        assert!(shown.code(0).stdout.contains("could not be revoked"), "{shown:?}");
        realm.run(&["login", &realm.mcp.url(), "--silent"]).code(3);
    }
    // Where nothing is offered, there is nothing to say.
    let realm = Realm::new();
    realm.login(&[]);
    realm.run(&["logout", &realm.mcp.url()]).code(0);
    assert_eq!(realm.count("revoke"), 0);
}

#[test]
fn profiles() {
    let realm = Realm::new();
    realm.login(&["--profile=work"]);
    realm.login(&["--profile=home"]);
    let used = |profile: &str| {
        let bridge = realm.bridge().arg("--profile").arg(profile).arg("--auth=stored").start();
        bridge.handshake().result();
        bridge.finish().clean();
        let last = realm.mcp.seen("DELETE").last().unwrap().clone();
        last.header("authorization").unwrap().to_owned()
    };
    assert_ne!(used("work"), used("home"));
    realm.run(&["login", &realm.mcp.url(), "--silent"]).code(3);
    realm.run(&["logout", &realm.mcp.url(), "--profile=work"]).code(0);
    realm.run(&["login", &realm.mcp.url(), "--silent", "--profile=work"]).code(3);
    used("home");
}

#[test]
fn logout_of_everything() {
    let (one, two) = (Realm::new(), Realm::new());
    one.login(&[]);
    one.login(&["--profile=second"]);
    one.run(&["login", &two.mcp.url()]).code(0);
    let shown = one.run(&["auth", "status"]);
    for url in [one.mcp.url(), two.mcp.url()] {
        assert!(shown.code(0).stdout.contains(&url), "{shown:?}");
    }
    one.run(&["logout", "--all"]).code(0);
    for url in [one.mcp.url(), two.mcp.url()] {
        one.run(&["login", &url, "--silent"]).code(3);
    }
    let shown = one.run(&["auth", "status"]);
    assert!(!shown.stdout.contains(&two.mcp.url()), "{shown:?}");
    one.run(&["logout"]).code(1);
    one.run(&["logout", &two.mcp.url(), "--all"]).code(1);
}

#[test]
fn what_status_says() {
    let realm = Realm::with(|o| o.challenge_scope = Some("read write"));
    let nothing = realm.run(&["auth", "status"]);
    nothing.code(0);
    realm.login(&[]);
    let client = realm.state(|state| state.clients()).remove(0);
    let shown = realm.run(&["auth", "status"]);
    let json = realm.run(&["auth", "status", &realm.mcp.url(), "--json"]);
    for shown in [&shown, &json] {
        shown.code(0);
        for text in [&realm.mcp.url(), &realm.issuer_url(), &client, "read", "write", "file"] {
            assert!(shown.stdout.contains(text), "{text:?}: {shown:?}");
        }
        realm.no_secret_in("stdout", &shown.stdout);
        realm.no_secret_in("stderr", &shown.stderr);
    }
    let value: Value = serde_json::from_str(&json.stdout).expect("one JSON document");
    assert!(value.is_object(), "{value}");
    assert!(!status(&realm).to_string().contains("fake-"), "{json:?}");
    // Asking costs no request.
    realm.asked(1, 1, 1);
    let elsewhere = realm.run(&["auth", "status", "http://127.0.0.1:1/other", "--json"]);
    assert!(!elsewhere.stdout.contains(&realm.mcp.url()), "{elsewhere:?}");
}

#[test]
fn files_are_for_their_owner_alone() {
    let realm = Realm::new();
    realm.login(&[]);
    let tokens = realm.state(|state| state.secrets.clone());
    let mut found = 0;
    for (path, bytes) in realm.kept() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if !tokens.iter().any(|token| text.contains(token)) {
            continue;
        }
        found += 1;
        assert!(path.starts_with(realm.home().join("credentials")), "{}", path.display());
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap()), 0o700, "{}", path.display());
    }
    assert!(found > 0, "the tokens are kept somewhere");
}

#[test]
fn a_damaged_store_is_reported_and_not_fatal() {
    let realm = Realm::new();
    realm.login(&[]);
    for (path, _) in realm.kept() {
        std::fs::write(path, "{ damaged").unwrap();
    }
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    if answer.is_error {
        answer.failed("unauthorized");
    }
    bridge.finish();
    realm.run(&["auth", "status"]).code(0);
}
