//! Tokens that need nobody: where what they are asked for with may be sent, and how long a failure is
//! the answer.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::grants::{SECRET, client, realm, rewrite};
use crate::support::bridge::Builder;
use crate::support::oauth::State;
use crate::support::*;

const ASSERTION: [&str; 2] = ["--grant=jwt-bearer", "--assertion=env:FAKE_ASSERTION"];
const FAKE: (&str, &str) = ("FAKE_ASSERTION", "fake-assertion-1");

/// From now on the MCP server names another authorization server, which would take anything.
fn moved(realm: &Realm) -> Server {
    let other = Server::start();
    let issuer = other.url_at("");
    let metadata = json!({ "issuer": issuer, "token_endpoint": format!("{issuer}/token") });
    other.always("metadata", move |_| Reply::json(metadata.to_string()));
    other
        .always("token", |_| Reply::json(r#"{"access_token":"fake-other","token_type":"Bearer"}"#));
    realm.set(|o| o.issuers = Some(vec![issuer]));
    realm.state(State::expire);
    other
}

#[test]
fn an_assertion_belongs_to_the_first_authorization_server() {
    let realm = Realm::with(|o| o.assertions = vec![FAKE.1]);
    let url = realm.mcp.url();
    let args = [&["login", url.as_str()], &ASSERTION[..]].concat();
    realm.spawn_with(&args, &[FAKE]).wait().code(0);
    let other = moved(&realm);
    let shown = realm.spawn_with(&args, &[FAKE]).wait();
    shown.code(3).says(&["--assertion belongs to", "--profile"]);
    assert_eq!(other.seen("token").len(), 0, "the assertion is not sent there");
    // Another profile is another choice.
    realm.spawn_with(&[&args[..], &["--profile=new"]].concat(), &[FAKE]).wait();
    assert_eq!(other.seen("token").len(), 1);
}

#[test]
fn without_a_home_what_is_in_memory_says_where_it_belongs() {
    let secret =
        ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE_SECRET"];
    for (args, option) in [(&secret[..], "--client-id"), (&ASSERTION[..], "--assertion")] {
        let realm = realm();
        realm.set(|o| o.assertions = vec![FAKE.1]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        command.arg(realm.mcp.url()).args(args).env_clear().envs(crate::support::profile());
        command.envs([FAKE, ("FAKE_SECRET", SECRET)]);
        let bridge = Builder::of(command).start();
        bridge.handshake().result();
        let other = moved(&realm);
        let error = bridge.ask(1, "tools/call").value()["error"].take();
        let text = error["message"].as_str().unwrap();
        assert!(text.contains(&format!("{option} belongs to")), "{text}");
        bridge.finish();
        assert_eq!(other.seen("token").len(), 0, "nothing is sent there");
    }
}

#[test]
fn where_a_client_belongs_has_to_be_known() {
    let realm = realm();
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    let mut notes = 0;
    for (path, bytes) in realm.kept() {
        let Ok(mut note) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if note["client_id"].is_string() && note["redirect_uri"].is_string() {
            // A later release has written it.
            note["version"] = json!(99);
            std::fs::write(&path, note.to_string()).unwrap();
            notes += 1;
        }
    }
    assert_eq!(notes, 1, "one note on the client");
    let other = moved(&realm);
    let url = realm.mcp.url();
    let args = ["login", url.as_str(), "--grant=client-credentials", "--client-id=me"];
    let args = [&args[..], &["--client-secret=env:FAKE_SECRET"]].concat();
    realm.spawn_with(&args, &[("FAKE_SECRET", SECRET)]).wait().code(3).says(&["of format 99"]);
    assert_eq!(other.seen("token").len(), 0, "the secret is not sent there");
}

#[test]
fn a_renewal_that_knew_too_little_stands_in_no_way() {
    // Only the refusal tells where the metadata are.
    let realm = realm();
    realm.set(|o| o.prm = Some("/elsewhere/oauth-protected-resource"));
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    rewrite(&realm, |record| {
        record["obtained_at"] = json!(now - 3600);
        record["expires_at"] = json!(now + 55);
    });
    realm.state(State::expire);
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    realm.asked(0, 2, 0);
}

#[test]
fn a_resource_that_was_left_out_on_demand_was_not_refused() {
    let realm = realm();
    client(realm.bridge()).arg("--resource=none").ready(&realm.mcp).finish().clean();
    realm.state(State::expire);
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    let sent: Vec<_> = realm.token_requests().iter().map(|r| r.contains_key("resource")).collect();
    assert_eq!(sent, [false, true]);
}

/// An authorization server that can be out of order.
fn fragile(realm: &Realm) -> Arc<AtomicBool> {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = down.clone();
    realm.issuer.maybe("token", move |_| {
        let busy = r#"{"error":"temporarily_unavailable"}"#;
        is_down.load(Ordering::SeqCst).then(|| Reply::body(503, "application/json", busy))
    });
    down
}

#[test]
fn more_scope_may_be_asked_for_after_an_outage() {
    let realm = realm();
    realm.set(|o| o.needs_scope = Some(("tools/call", "write")));
    let down = fragile(&realm);
    let bridge = client(realm.bridge()).arg("--scope=read").ready(&realm.mcp);
    down.store(true, Ordering::SeqCst);
    let error = bridge.ask(1, "tools/call").value()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("503"), "{error}");
    down.store(false, Ordering::SeqCst);
    bridge.ask(2, "tools/call").result();
    bridge.finish();
}

#[test]
fn an_outage_is_found_out_once_for_all_who_wait() {
    const CALLS: usize = 5;
    let realm = realm();
    let down = fragile(&realm);
    let bridge = client(realm.bridge()).ready(&realm.mcp);
    realm.state(State::expire);
    down.store(true, Ordering::SeqCst);
    let before = realm.count("token");
    for id in 1..=CALLS {
        bridge.send(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x"}}}}"#
        ));
    }
    for id in 1..=CALLS {
        assert!(bridge.answer(id).value()["error"].is_object());
    }
    bridge.finish();
    // Three attempts each, if nobody shared anything.
    let asked = realm.count("token") - before;
    assert!(asked < 3 * CALLS, "{asked} token requests");
}
