//! Tokens that need nobody: who the client is, when they are obtained anew, and that nothing else is
//! tried. `grants_idp` has those for which somebody else vouches.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::PublicKeyData as _;
use serde_json::{Value, json};

use crate::support::bridge::Builder;
use crate::support::oauth::{Shown, State, initialize};
use crate::support::*;

pub const SECRET: &str = "fake:secret/with+odd %chars";

/// A realm that knows the client `me`.
pub fn realm() -> Realm {
    Realm::with(|o| o.clients = vec![("me", Some(SECRET))])
}

/// A bridge that is this client.
pub fn client(builder: Builder) -> Builder {
    builder
        .arg("--grant=client-credentials")
        .arg("--client-id=me")
        .arg("--client-secret=env:FAKE_SECRET")
        .env("FAKE_SECRET", SECRET)
}

/// The same of a command.
fn command(realm: &Realm, args: &[&str]) -> Shown {
    let grant = ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE_SECRET"];
    realm.spawn_with(&[args, &grant].concat(), &[("FAKE_SECRET", SECRET)]).wait()
}

#[test]
fn a_client_is_let_in_by_its_secret() {
    for (methods, post) in [(json!(["client_secret_post"]), true), (json!(null), false)] {
        let realm = realm();
        realm.set(|o| {
            o.metadata = json!({
                "token_endpoint_auth_methods_supported": methods, "authorization_endpoint": null,
                "code_challenge_methods_supported": null,
            });
            o.challenge_scope = Some("a b");
        });
        client(realm.bridge()).ready(&realm.mcp).finish().clean();
        realm.asked(0, 1, 0);
        assert_eq!(realm.browser.opened(), [""; 0]);
        let request = &realm.token_requests()[0];
        assert_eq!(request["grant_type"], "client_credentials");
        assert_eq!(request["scope"], "a b");
        assert_eq!(request["resource"], realm.mcp.url());
        assert_eq!(request.get("client_secret").map(String::as_str), post.then_some(SECRET));
        // The token is kept, and what it was obtained with is not.
        client(realm.bridge()).ready(&realm.mcp).finish().clean();
        realm.asked(0, 1, 0);
        let kept = realm.kept();
        assert!(kept.iter().any(|(_, bytes)| contains(bytes, "fake-access-token")));
        assert!(!kept.iter().any(|(_, bytes)| contains(bytes, SECRET)), "{kept:?}");
    }
}

pub fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

#[test]
fn a_client_is_let_in_by_its_key() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = key.serialize_pem();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &pem).unwrap();
    let from_file = format!("--private-key=file:{}", file.path().display());
    for reference in [from_file.as_str(), "--private-key=env:FAKE_KEY"] {
        let realm = Realm::with(|o| {
            o.keys = vec![("me", key.der_bytes().to_vec())];
            o.path = "/tenant";
            o.metadata_at = Some("/.well-known/oauth-authorization-server/tenant");
        });
        let builder = realm.bridge().arg("--grant=client-credentials").arg("--client-id=me");
        let bridge = builder.arg(reference).env("FAKE_KEY", &pem).arg("-vv").start();
        bridge.handshake().result();
        realm.state(State::expire);
        bridge.ask(1, "tools/call").result();
        let exit = bridge.finish();
        realm.no_secret_in("stderr", &exit.stderr);
        realm.asked(0, 2, 0);
        for request in realm.token_requests() {
            assert!(!request.contains_key("client_id"), "{request:?}");
        }
    }
    // The wrong kind of key is told before anything is sent.
    let realm = Realm::new();
    let url = realm.mcp.url();
    let args = ["--grant=client-credentials", "--client-id=me", "--signing-alg=RS256"];
    let args = [&["login", url.as_str(), "--private-key=env:FAKE_KEY"], &args[..]].concat();
    let shown = realm.spawn_with(&args, &[("FAKE_KEY", &pem)]).wait();
    shown.code(1).says(&["--private-key", "RS256"]);
    realm.no_oauth();
}

/// Changes what is kept about the token.
pub fn rewrite(realm: &Realm, change: impl Fn(&mut Value)) {
    for (path, bytes) in realm.kept() {
        let Ok(mut record) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if record["expires_at"].is_u64() {
            change(&mut record);
            std::fs::write(&path, record.to_string()).unwrap();
        }
    }
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let realm = realm();
    command(&realm, &["login", &realm.mcp.url()]).code(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    rewrite(&realm, |record| {
        record["obtained_at"] = json!(now - 3600);
        // Within the last minute, and far enough for a slow machine.
        record["expires_at"] = json!(now + 55);
    });
    let before = realm.mcp.kinds().len();
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    realm.asked(0, 2, 0);
    let sent = realm.mcp.kinds().split_off(before);
    assert_eq!(sent.iter().filter(|kind| *kind == "initialize").count(), 1, "nothing was refused");
    assert_eq!(realm.token_requests()[1]["grant_type"], "client_credentials");
}

#[test]
fn a_token_is_obtained_anew_after_a_refusal() {
    let realm = realm();
    let bridge = client(realm.bridge()).ready(&realm.mcp);
    for id in 1..=3 {
        realm.state(State::expire);
        bridge.ask(id, "tools/call").result();
    }
    bridge.finish().clean();
    realm.asked(0, 4, 0);
    // Whatever the server gives besides: it is not refreshed.
    let kinds = realm.token_requests();
    assert!(kinds.iter().all(|request| request["grant_type"] == "client_credentials"));
}

#[test]
fn more_scope_is_asked_for() {
    let realm = realm();
    realm.set(|o| o.needs_scope = Some(("tools/call", "write")));
    let bridge = client(realm.bridge()).arg("--scope=read").ready(&realm.mcp);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    assert_eq!(realm.token_requests()[1]["scope"], "read write");
}

#[test]
fn a_refusal_is_the_answer() {
    let realm = realm();
    realm.set(|o| o.clients = vec![("me", Some("fake-other-secret"))]);
    let bridge = client(realm.bridge()).start();
    for id in 0..3 {
        bridge.send(INITIALIZE.replace("\"id\":0", &format!("\"id\":{id}")));
        let error = bridge.answer(id).value()["error"].take();
        assert_eq!(error["code"], -31011, "{error}");
        let text = error["message"].as_str().unwrap();
        for part in ["--grant client-credentials", "127.0.0.1", "invalid_client", "--client-id"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    bridge.finish();
    // It is not asked again and again, and nobody is bothered.
    realm.asked(0, 1, 0);
    assert_eq!(realm.browser.opened(), [""; 0]);
    let shown = command(&realm, &["login", &realm.mcp.url()]);
    shown.code(3).says(&["invalid_client", "--client-id"]);
}

#[test]
fn a_refused_renewal_is_the_answer_as_well() {
    let realm = realm();
    command(&realm, &["login", &realm.mcp.url()]).code(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    rewrite(&realm, |record| {
        record["obtained_at"] = json!(now - 3600);
        record["expires_at"] = json!(now + 55);
    });
    realm.state(State::expire);
    realm.set(|o| o.clients = vec![("me", Some("fake-other-secret"))]);
    let bridge = client(realm.bridge()).start();
    for id in 0..3 {
        bridge.send(INITIALIZE.replace("\"id\":0", &format!("\"id\":{id}")));
        bridge.answer(id).failed("unauthorized");
    }
    bridge.finish();
    // Once by the login, and in vain once before the server has said what it wants and once after.
    realm.asked(0, 3, 0);
}

#[test]
fn a_token_that_does_not_help_is_not_obtained_again() {
    let realm = realm();
    realm.set(|o| o.useful = false);
    let error = initialize(client(realm.bridge())).value()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("just obtained"), "{error}");
    realm.asked(0, 1, 0);
}

#[test]
fn an_unknown_grant_is_said_to_be_one() {
    let realm = realm();
    realm.set(|o| o.unattended = false);
    let shown = command(&realm, &["login", &realm.mcp.url()]);
    shown.code(3).says(&["unsupported_grant_type", "its operator has to allow this grant"]);
}

#[test]
fn a_passing_trouble_passes() {
    let realm = realm();
    let busy = r#"{"error":"temporarily_unavailable"}"#;
    realm.issuer.once("token", Reply::body(503, "application/json", busy));
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    realm.asked(0, 2, 0);
}

#[test]
fn a_server_that_refuses_the_resource() {
    let realm = realm();
    let at = crate::support::oauth::At::Token;
    realm.set(|o| o.refuses_resource = Some((at, "invalid_target", "no")));
    let bridge = client(realm.bridge()).ready(&realm.mcp);
    realm.state(State::expire);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    // It is remembered.
    let sent: Vec<_> = realm.token_requests().iter().map(|r| r.contains_key("resource")).collect();
    assert_eq!(sent, [true, false, false]);
}

#[test]
fn many_bridges_obtain_one_token() {
    let realm = realm();
    realm.many_clients();
    realm.set(|o| o.token_delay = Duration::from_millis(500));
    let bridges: Vec<_> = (0..5).map(|_| client(realm.bridge()).start()).collect();
    for bridge in &bridges {
        bridge.send(INITIALIZE);
    }
    for bridge in &bridges {
        bridge.answer(0).result();
    }
    realm.asked(0, 1, 0);
}

#[test]
fn a_person_and_a_client_are_kept_apart() {
    let realm = realm();
    realm.login(&[]);
    realm.asked(1, 1, 1);
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    realm.asked(1, 2, 1);
    // And the other way: the person's own is obtained again, not taken from the client.
    realm.bridge().ready(&realm.mcp).finish().clean();
    assert_eq!(realm.count("authorize"), 2);
}

#[test]
fn a_client_belongs_to_the_first_authorization_server() {
    let realm = realm();
    command(&realm, &["login", &realm.mcp.url()]).code(0);
    let other = Server::start();
    let issuer = other.url_at("");
    let metadata = json!({ "issuer": issuer, "token_endpoint": format!("{issuer}/token") });
    other.always("metadata", move |_| Reply::json(metadata.to_string()));
    realm.set(|o| o.issuers = Some(vec![issuer]));
    realm.state(State::expire);
    let shown = command(&realm, &["login", &realm.mcp.url()]);
    shown.code(3).says(&["--client-id belongs to", "--profile"]);
    assert_eq!(other.seen("token").len(), 0, "the secret is not sent there");
}

#[test]
fn a_server_without_metadata() {
    let realm = realm();
    realm.set(|o| (o.prm, o.metadata_at) = (None, None));
    let endpoint = format!("--token-endpoint={}/token", realm.issuer_url());
    client(realm.bridge()).arg(endpoint).ready(&realm.mcp).finish().clean();
    realm.asked(0, 1, 0);
    assert_eq!(realm.count("prm") + realm.count("metadata"), 0);
    assert_eq!(realm.token_requests()[0]["resource"], realm.mcp.url());
}

/// A command on a machine with nothing: no home, no display, no bus.
fn bare(args: &[&str], environment: &[(&str, &str)]) -> Shown {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command
        .args(args)
        .env_clear()
        .envs(crate::support::profile())
        .envs(environment.iter().copied());
    Shown::of(&mut command)
}

#[test]
fn without_a_home_everything_is_in_memory() {
    let realm = realm();
    let url = realm.mcp.url();
    let grant = ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE_SECRET"];
    let secret = ("FAKE_SECRET", SECRET);
    let args = [&["ping", url.as_str()], &grant[..]].concat();
    bare(&args, &[secret]).code(0);
    realm.asked(0, 1, 0);
    let args = [&["login", url.as_str()], &grant[..]].concat();
    let shown = bare(&args, &[secret]);
    assert!(shown.code(0).stdout.contains("HOME"), "{shown:?}");
    // Nor does a place help where nothing can be written.
    let file = tempfile::NamedTempFile::new().unwrap();
    let nowhere = file.path().join("home");
    let home = ("MCP_TETHER_HOME", nowhere.to_str().unwrap());
    let args = [&["ping", url.as_str(), "--store=file"], &grant[..]].concat();
    bare(&args, &[secret, home]).code(0);
    let args = [&["login", url.as_str(), "--store=file"], &grant[..]].concat();
    let shown = bare(&args, &[secret, home]);
    assert!(shown.code(0).stdout.contains("could not be stored"), "{shown:?}");
    // Without the grant the message says what to do.
    bare(&["ping", &url], &[]).code(3).says(&["--grant"]);
}

#[test]
fn commands() {
    let realm = realm();
    let url = realm.mcp.url();
    let shown = command(&realm, &["login", &url]);
    assert!(shown.code(0).stdout.contains("kept in"), "{shown:?}");
    command(&realm, &["login", &url, "--silent"]).code(0);
    let shown = realm.run(&["auth", "status"]);
    assert!(shown.stdout.contains("client-credentials"), "{shown:?}");
    assert!(shown.stdout.contains("then obtained anew"), "{shown:?}");
    let shown = realm.run(&["auth", "status", "--json"]);
    let status: Value = serde_json::from_str(&shown.stdout).unwrap();
    let status = &status["signIns"][0];
    assert_eq!(
        (&status["grant"], &status["clientId"]),
        (&json!("client-credentials"), &json!("me"))
    );
    realm.set(|o| o.clients = Vec::new());
    realm.state(State::expire);
    let shown = command(&realm, &["check", &url, "--json"]);
    let report: Value = serde_json::from_str(&shown.code(3).stdout).unwrap();
    assert_eq!(report["authorization"]["usable"], true, "{report}");
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "authorization").unwrap();
    assert!(step["cause"].as_str().unwrap().contains("invalid_client"), "{step}");
    assert!(step["next"].as_str().unwrap().contains("--client-id"), "{step}");
    realm.set(|o| o.clients = vec![("me", Some(SECRET))]);
    let shown = command(&realm, &["check", &url, "--json"]);
    let report: Value = serde_json::from_str(&shown.code(0).stdout).unwrap();
    assert_eq!(report["result"], "ok", "{report}");
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "authorization").unwrap();
    assert_eq!(step["state"], "signed-in", "{step}");
    let shown = realm.run(&["logout", &url]);
    assert!(shown.code(0).stdout.contains("signed out"), "{shown:?}");
    realm.run(&["auth", "status", &url]).code(3);
}

#[test]
fn the_extension_is_declared_by_whoever_is_the_client() {
    let realm = realm();
    command(&realm, &["ping", &realm.mcp.url()]).code(0);
    let declared = |at: usize| {
        let hello = &realm.mcp.seen("initialize")[at];
        let hello: Value = serde_json::from_str(hello.text()).unwrap();
        hello["params"]["capabilities"]["extensions"].clone()
    };
    let extension = json!({ "io.modelcontextprotocol/oauth-client-credentials": {} });
    assert_eq!(declared(0), extension);
    // No other name is there: none for bound tokens, none for a workload.
    realm.set(|o| {
        o.proofs = crate::dpop::BOTH;
        o.assertions = vec!["fake-assertion-1"];
    });
    command(&realm, &["ping", &realm.mcp.url(), "--dpop=always"]).code(0);
    let at = realm.mcp.seen("initialize").len();
    assert_eq!(declared(at - 1), extension);
    let workload = ["ping", &realm.mcp.url(), "--grant=jwt-bearer", "--assertion=env:FAKE"];
    realm.spawn_with(&workload, &[("FAKE", "fake-assertion-1")]).wait().code(0);
    let at = realm.mcp.seen("initialize").len();
    assert_eq!(declared(at - 1), Value::Null);
    // What a client behind the bridge declares is its own.
    let before = realm.mcp.seen("initialize").len();
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    assert_eq!(declared(before), Value::Null);
}

#[test]
fn the_extension_is_declared_in_every_request_to_a_modern_server() {
    let realm = Realm::modern();
    realm.set(|o| o.clients = vec![("me", Some(SECRET))]);
    command(&realm, &["tools", &realm.mcp.url()]).code(0);
    let sent = &realm.mcp.seen("tools/list");
    let sent: Value = serde_json::from_str(sent.last().unwrap().text()).unwrap();
    let meta = &sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    let extension = json!({ "io.modelcontextprotocol/oauth-client-credentials": {} });
    assert_eq!(meta["extensions"], extension, "{sent}");
}

#[test]
fn a_modern_server() {
    let realm = Realm::modern();
    realm.set(|o| o.clients = vec![("me", Some(SECRET))]);
    let bridge = client(realm.bridge()).start();
    bridge.handshake().result();
    realm.state(State::expire);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    realm.asked(0, 2, 0);
}
