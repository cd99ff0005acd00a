//! Tokens that need nobody and are bound to a key (DPoP, RFC 9449), with servers that check every proof.

use rcgen::PublicKeyData as _;
use serde_json::{Value, json};

use crate::dpop::{BOTH, kept, keys, schemes};
use crate::grants::{SECRET, client};
use crate::grants_login::Company;
use crate::support::oauth::{Proofs, State, form, initialize};
use crate::support::*;

/// A realm that knows the client `me`, and whose servers are as `proofs` says.
fn realm(proofs: Proofs) -> Realm {
    Realm::with(|o| {
        o.clients = vec![("me", Some(SECRET))];
        o.proofs = proofs;
        o.metadata = json!({ "dpop_signing_alg_values_supported": ["ES256"] });
    })
}

#[test]
fn a_client_proves_its_key_to_both_servers() {
    let realm = realm(Proofs { token_nonce: Some("as-1"), resource_nonce: Some("rs-1"), ..BOTH });
    let bridge = client(realm.bridge()).ready(&realm.mcp);
    realm.asked(0, 2, 0);
    bridge.ask(1, "tools/call").result();
    realm.set(|o| {
        (o.proofs.token_nonce, o.proofs.resource_nonce) = (Some("as-2"), Some("rs-2"));
    });
    realm.state(State::expire);
    bridge.ask(2, "tools/call").result();
    bridge.finish().clean();
    realm.asked(0, 4, 0);
    assert_eq!(schemes(&realm), ["DPoP".to_owned()].into());
    assert_eq!(keys(&realm), 1, "the key is kept when a token is obtained anew");
    assert_eq!(realm.browser.opened(), [""; 0]);
    // Whoever comes later has the token and its key.
    assert_eq!(kept(&realm)["dpop"]["bound"], true);
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    realm.asked(0, 4, 0);
    assert_eq!(keys(&realm), 1);
}

#[test]
fn what_is_good_for_one_use_is_made_anew_for_a_nonce() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let realm = realm(Proofs { token_nonce: Some("as-1"), ..BOTH });
    realm.set(|o| o.keys = vec![("me", key.der_bytes().to_vec())]);
    let builder = realm.bridge().arg("--grant=client-credentials").arg("--client-id=me");
    let builder = builder.arg("--private-key=env:FAKE_KEY").env("FAKE_KEY", key.serialize_pem());
    builder.ready(&realm.mcp).finish().clean();
    let sent = realm.token_requests();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0]["client_assertion"], sent[1]["client_assertion"]);
}

#[test]
fn a_workload_and_an_employee() {
    let realm = realm(Proofs { token_nonce: Some("as-1"), ..BOTH });
    realm.set(|o| o.assertions = vec!["fake-assertion-1", "fake-assertion-2", "fake-id-jag"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0").unwrap();
    let count = format!("n=$(cat {0}); n=$((n+1)); echo $n > {0};", file.path().display());
    let program = format!("--assertion=command:sh -c '{count} echo fake-assertion-$n'");
    if cfg!(unix) {
        let builder = realm.bridge().arg("--grant=jwt-bearer").arg(program);
        builder.ready(&realm.mcp).finish().clean();
        let sent = realm.token_requests();
        assert_eq!(sent[0]["assertion"], "fake-assertion-1");
        assert_eq!(sent[1]["assertion"], "fake-assertion-2", "made anew for the nonce");
    }
    let company = Server::start();
    company.always("token", |_| {
        let kind = "urn:ietf:params:oauth:token-type:id-jag";
        let body = json!({ "access_token": "fake-id-jag", "issued_token_type": kind, "token_type": "N_A" });
        Reply::json(body.to_string())
    });
    let (url, endpoint) = (realm.mcp.url(), company.url_at("/token"));
    let endpoint = format!("--idp-token-endpoint={endpoint}");
    let employee = [
        "ping",
        &url,
        "--grant=enterprise",
        &endpoint,
        "--idp-client-id=at-idp",
        "--idp-id-token=env:FAKE_ID_TOKEN",
        "--client-id=me",
        "--client-secret=env:FAKE_SECRET",
    ];
    let secrets = [("FAKE_SECRET", SECRET), ("FAKE_ID_TOKEN", "fake-id-token-0123456789")];
    realm.spawn_with(&employee, &secrets).wait().code(0);
    let hello = realm.mcp.seen("initialize");
    let hello: Value = serde_json::from_str(hello.last().unwrap().text()).unwrap();
    let declared = &hello["params"]["capabilities"]["extensions"];
    assert_eq!(
        *declared,
        json!({ "io.modelcontextprotocol/enterprise-managed-authorization": {} })
    );
    assert!(company.seen("token").iter().all(|request| request.header("dpop").is_none()));
    assert_eq!(schemes(&realm), ["DPoP".to_owned()].into());
}

#[test]
fn a_person_at_their_company_proves_nothing_there() {
    let realm = realm(Proofs { token_nonce: Some("as-1"), ..BOTH });
    realm.set(|o| o.assertions = vec!["fake-id-jag"]);
    let company = Company::new();
    let builder = company.person(realm.bridge()).arg("--dpop=always");
    builder.ready(&realm.mcp).finish().clean();
    assert_eq!(realm.browser.opened().len(), 1);
    let asked = form(company.server.seen("authorize")[0].uri.query().unwrap());
    assert!(!asked.contains_key("dpop_jkt"), "{asked:?}");
    assert!(company.server.seen("token").iter().all(|request| request.header("dpop").is_none()));
    // Vouched for anew, because the assertion may be good for one use.
    assert_eq!(company.asked("token-exchange").len(), 2);
    realm.asked(0, 2, 0);
    assert_eq!(schemes(&realm), ["DPoP".to_owned()].into());
    // The next one needs neither the person nor another key.
    company.person(realm.bridge()).arg("--dpop=always").ready(&realm.mcp).finish().clean();
    assert_eq!((realm.browser.opened().len(), keys(&realm)), (1, 1));
}

#[test]
fn a_nonce_that_never_holds() {
    let realm = realm(BOTH);
    realm.issuer.always("token", |_| {
        let body = json!({ "error": "use_dpop_nonce", "error_description": "again" });
        Reply::body(400, "application/json", body.to_string()).header("dpop-nonce", "n")
    });
    let error = initialize(client(realm.bridge())).failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("use_dpop_nonce"), "{error}");
    realm.asked(0, 2, 0);
}

#[test]
fn auto_always_and_never() {
    // It binds tokens although it does not say so, and the MCP server does not ask for it.
    let plain = realm(Proofs { binds: true, ..Proofs::default() });
    plain.set(|o| o.metadata = json!({}));
    client(plain.bridge()).ready(&plain.mcp).finish().clean();
    assert!(plain.issuer.seen("token")[0].header("dpop").is_none());
    assert!(kept(&plain).get("dpop").is_none());
    // What is stored and not bound does not count.
    plain.set(|o| o.proofs = BOTH);
    client(plain.bridge()).arg("--dpop=always").ready(&plain.mcp).finish().clean();
    plain.asked(0, 2, 0);
    assert_eq!(kept(&plain)["dpop"]["bound"], true);
    // Nor what is bound, where nothing may be.
    plain.set(|o| o.proofs.demands = false);
    client(plain.bridge()).arg("--dpop=never").ready(&plain.mcp).finish().clean();
    plain.asked(0, 3, 0);
    assert!(plain.issuer.seen("token")[2].header("dpop").is_none());
    // An authorization server that binds nothing.
    let unbound = realm(Proofs::default());
    let error = initialize(client(unbound.bridge()).arg("--dpop=always")).failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("--dpop always"), "{error}");
    client(unbound.bridge()).ready(&unbound.mcp).finish().clean();
    assert_eq!(schemes(&unbound), ["Bearer".to_owned()].into());
}

#[test]
fn the_server_may_be_the_only_one_that_asks() {
    let realm = realm(BOTH);
    realm.set(|o| o.metadata = json!({}));
    client(realm.bridge()).ready(&realm.mcp).finish().clean();
    assert_eq!(schemes(&realm), ["DPoP".to_owned()].into());
    // Without any metadata, by its challenge.
    realm.set(|o| (o.prm, o.metadata_at) = (None, None));
    let endpoint = format!("--token-endpoint={}/token", realm.issuer_url());
    realm.state(State::expire);
    client(realm.bridge()).arg(endpoint).arg("--profile=other").ready(&realm.mcp).finish().clean();
    assert_eq!(schemes(&realm), ["DPoP".to_owned()].into());
}

#[test]
fn a_server_that_knows_only_bearer() {
    let realm = realm(Proofs { demands: false, ..BOTH });
    let bridge = client(realm.bridge()).ready(&realm.mcp);
    realm.state(State::expire);
    bridge.ask(1, "tools/call").result();
    // One day it wants proofs, and says so: the token that it has is sent with one.
    realm.set(|o| o.proofs.demands = true);
    bridge.ask(2, "tools/call").result();
    bridge.finish().clean();
    realm.asked(0, 2, 0);
    let sent = realm.mcp.seen("tools/call");
    let last = sent.last().unwrap();
    assert!(last.header("authorization").unwrap().starts_with("DPoP "));
    assert_eq!(keys(&realm), 1);
}

#[test]
fn nothing_is_needed_to_keep_the_key() {
    let realm = realm(BOTH);
    let url = realm.mcp.url();
    let grant = ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE_SECRET"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command
        .args(["ping", &url])
        .args(grant)
        .env_clear()
        .envs(crate::support::profile())
        .env("FAKE_SECRET", SECRET);
    crate::support::oauth::Shown::of(&mut command).code(0);
    assert_eq!((keys(&realm), realm.count("token")), (1, 1));
    assert_eq!(schemes(&realm), ["DPoP".to_owned()].into());
}

#[test]
fn what_is_said_of_it() {
    let realm = realm(BOTH);
    let url = realm.mcp.url();
    let grant = ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE_SECRET"];
    let run = |args: &[&str]| {
        realm.spawn_with(&[args, &grant].concat(), &[("FAKE_SECRET", SECRET)]).wait()
    };
    let found: Value = serde_json::from_str(&run(&["check", &url, "--json"]).stdout).unwrap();
    let steps = found["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "authorization").unwrap();
    assert_eq!((&step["state"], &step["bound"]), (&json!("signed-in"), &json!(true)), "{step}");
    assert!(step["detail"].as_str().unwrap().contains("bound to a key (DPoP)"), "{step}");
    let status: Value =
        serde_json::from_str(&realm.run(&["auth", "status", "--json"]).stdout).unwrap();
    let status = &status["signIns"][0];
    assert_eq!((&status["bound"], &status["sentAs"]), (&json!(true), &json!("DPoP")), "{status}");
    assert!(realm.run(&["auth", "status"]).stdout.contains("bound to one (DPoP)"));
}
