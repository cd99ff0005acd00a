//! Tokens that are bound to a key (DPoP, RFC 9449). The servers check every proof: its signature,
//! method, URL, time, token hash, and that no two have the same identifier.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::browser::follow;
use crate::support::oauth::device::{Codes, printed_code};
use crate::support::oauth::{Proofs, State, printed_url, wait_for};
use crate::support::reply::Step;
use crate::support::*;

/// Both servers know DPoP.
pub const BOTH: Proofs =
    Proofs { binds: true, demands: true, token_nonce: None, resource_nonce: None };

/// A realm whose authorization server says that it takes proofs, and which is as `proofs` says.
fn realm(proofs: Proofs) -> Realm {
    Realm::with(|o| {
        o.proofs = proofs;
        o.metadata = json!({ "dpop_signing_alg_values_supported": ["RS256", "ES256"] });
    })
}

/// The schemes of `Authorization` at the MCP server.
pub fn schemes(realm: &Realm) -> HashSet<String> {
    let seen = realm.mcp.seen("*");
    let credentials = seen.iter().filter_map(|r| r.header("authorization"));
    credentials.map(|value| value.split(' ').next().unwrap().to_owned()).collect()
}

/// The one record of a sign-in that is kept.
pub fn kept(realm: &Realm) -> Value {
    let files = realm.kept();
    let records = files.iter().filter_map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
    let mut records: Vec<Value> = records.filter(|r| r["access_token"].is_string()).collect();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

const NO_HINT: &str = "the challenge names no resource_metadata (RFC 9728, section 5.1); the well-known places were tried";

/// How many keys tokens were bound to.
pub fn keys(realm: &Realm) -> usize {
    realm.state(|state| state.keys.of.values().collect::<HashSet<_>>().len())
}

#[test]
fn every_request_has_a_proof_of_its_own() {
    let realm = realm(BOTH);
    realm.mcp.mcp().set(|s| s.sessions = true);
    let bridge = realm.bridge().ready(&realm.mcp);
    for id in 1..=20 {
        bridge.send(request(id, "tools/call"));
    }
    for id in 1..=20 {
        bridge.answer(id).result();
    }
    realm.mcp.wait("GET", 1);
    bridge.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
    realm.asked(1, 1, 1);
    let methods: HashSet<String> = realm.state(|state| {
        state.keys.claims.iter().map(|c| c["htm"].as_str().unwrap().to_owned()).collect()
    });
    let wanted = ["POST", "GET", "DELETE"].map(str::to_owned);
    assert_eq!(methods, HashSet::from(wanted), "the end of the session as well");
    // Whoever comes later has the same key.
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.finish().clean();
    realm.asked(1, 1, 1);
    assert_eq!(keys(&realm), 1);
}

#[test]
fn a_stateless_server() {
    let realm = Realm::modern();
    realm.set(|o| o.proofs = Proofs { resource_nonce: Some("rs-1"), ..BOTH });
    let bridge = realm.bridge().start();
    bridge.handshake().result();
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
}

#[test]
fn a_broken_stream_is_resumed_with_a_proof() {
    let realm = realm(BOTH);
    let bridge = realm.bridge().ready(&realm.mcp);
    realm
        .mcp
        .once("tools/call", Reply::sse([Step::from("retry: 100\nid: a1\ndata:\n\n"), Step::Abort]));
    let answer = result(1, "{}");
    realm.mcp.maybe("GET", move |r| {
        assert!(r.header("dpop").is_some());
        r.header("last-event-id")?;
        Some(Reply::sse([event_id("a2", &answer)]))
    });
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
}

#[test]
fn servers_want_nonces_and_change_them() {
    let realm = realm(Proofs { token_nonce: Some("as-1"), resource_nonce: Some("rs-1"), ..BOTH });
    let bridge = realm.bridge().ready(&realm.mcp);
    // The code was exchanged once, with the second proof.
    realm.asked(1, 2, 1);
    let before = realm.mcp.seen("tools/call").len();
    bridge.ask(1, "tools/call").result();
    assert_eq!(realm.mcp.seen("tools/call").len(), before + 1, "the nonce was remembered");
    realm.set(|o| o.proofs.resource_nonce = Some("rs-2"));
    bridge.ask(2, "tools/call").result();
    assert_eq!(realm.mcp.seen("tools/call").len(), before + 3, "once more, with the new nonce");
    realm.set(|o| o.proofs.token_nonce = Some("as-2"));
    realm.state(State::expire);
    bridge.ask(3, "tools/call").result();
    realm.asked(1, 4, 1);
    bridge.finish().clean();
    assert_eq!(realm.browser.opened().len(), 1);
    assert_eq!(keys(&realm), 1);
}

#[test]
fn a_server_with_a_new_nonce_for_every_request() {
    let realm = realm(BOTH);
    let bridge = realm.bridge().ready(&realm.mcp);
    realm.mcp.always("tools/call", |r| {
        let field = "DPoP error=\"use_dpop_nonce\"";
        let nonce = format!("n{}", r.id.as_deref().unwrap_or_default());
        Reply::status(401).header("www-authenticate", field).header("dpop-nonce", &nonce)
    });
    let error = bridge.ask(1, "tools/call").failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("another DPoP nonce"), "{error}");
    assert_eq!(realm.mcp.seen("tools/call").len(), 2);
    // The same at the other door, where the code is not spent by it.
    bridge.finish().clean();
    realm.asked(1, 1, 1);
}

#[test]
fn an_authorization_server_with_a_new_nonce_for_every_request() {
    let realm = realm(BOTH);
    realm.issuer.always("token", |_| {
        let body = json!({ "error": "use_dpop_nonce", "error_description": "again" });
        Reply::body(400, "application/json", body.to_string()).header("dpop-nonce", "n")
    });
    let shown = realm.run(&["login", &realm.mcp.url()]);
    assert_ne!(shown.code, Some(0));
    shown.says(&["use_dpop_nonce"]);
    realm.asked(1, 2, 1);
}

#[test]
fn a_refresh_keeps_the_key() {
    let realm = realm(BOTH);
    realm.many_clients();
    realm.login_expired(&[]);
    let key = kept(&realm)["dpop"]["key"].clone();
    assert!(key.as_str().unwrap().len() > 100);
    let bridges: Vec<_> = (0..4).map(|_| realm.bridge().start()).collect();
    bridges.iter().for_each(|bridge| bridge.send(INITIALIZE));
    for bridge in bridges {
        bridge.answer(0).result();
        bridge.finish().clean();
    }
    realm.asked(1, 2, 1);
    assert_eq!((keys(&realm), &kept(&realm)["dpop"]["key"]), (1, &key));
}

#[test]
fn the_next_process_goes_on_with_the_same_key() {
    let realm = realm(BOTH);
    realm.browser.hold();
    let first = realm.bridge().start();
    first.send(INITIALIZE);
    let opened = realm.browser.wait_opened(1);
    first.signal("KILL");
    assert_eq!(first.wait().code, None);
    // It is not asked again.
    realm.set(|o| o.metadata = json!({}));
    let next = realm.bridge().start();
    next.send(INITIALIZE);
    let page = wait_for("the next to listen", || follow(&opened[0]).ok());
    assert_eq!(page.status, 200, "{page:?}");
    next.answer(0).result();
    next.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
    assert_eq!((realm.count("register"), realm.count("token")), (1, 1));
}

#[test]
fn a_sign_in_with_a_damaged_key_is_begun_anew() {
    let realm = realm(BOTH);
    realm.browser.hold();
    let first = realm.bridge().arg("--dpop=always").start();
    first.send(INITIALIZE);
    realm.browser.wait_opened(1);
    first.signal("KILL");
    assert_eq!(first.wait().code, None);
    let mut damaged = 0;
    for (path, bytes) in realm.kept() {
        let Ok(mut record) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if record["verifier"].is_string() {
            record["dpop"]["key"] = json!("bm90IGEga2V5");
            std::fs::write(&path, record.to_string()).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let next = realm.bridge().arg("--dpop=always").start();
    next.send(INITIALIZE);
    let printed = wait_for("a new URL", || printed_url(&next.stderr()));
    assert_eq!(follow(&printed).unwrap().status, 200);
    next.answer(0).result();
    next.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
}

#[test]
fn codes_and_clients_are_bound_as_well() {
    let always = realm(BOTH);
    always.login(&["--dpop=always"]);
    assert_eq!(always.registrations()[0]["dpop_bound_access_tokens"], true);
    assert_eq!(always.authorizations()[0]["dpop_jkt"].len(), 43);
    // Such a client is no good for other tokens.
    always.set(|o| o.proofs.demands = false);
    always.login(&["--dpop=never"]);
    assert_eq!(always.registrations().len(), 2);
    assert!(always.registrations()[1].get("dpop_bound_access_tokens").is_none());
    assert!(!always.authorizations()[1].contains_key("dpop_jkt"));
    // One that gets both is good for both.
    always.set(|o| o.proofs.demands = true);
    always.login(&["--dpop=always"]);
    assert_eq!(always.registrations().len(), 2);
    // Where it is only offered the client is not bound to it, and the code is.
    let offered = realm(Proofs { demands: false, ..BOTH });
    offered.login(&[]);
    assert!(offered.registrations()[0].get("dpop_bound_access_tokens").is_none());
    assert_eq!(offered.authorizations()[0]["dpop_jkt"].len(), 43);
    // An authorization server that does not take such a registration.
    let strict = realm(BOTH);
    strict.issuer.maybe("register", |r| {
        let text = r#"{"error":"invalid_client_metadata"}"#;
        let bound = r.text().contains("dpop_bound_access_tokens");
        bound.then(|| Reply::body(400, "application/json", text))
    });
    strict.login(&["--dpop=always"]);
    assert_eq!(strict.registrations().len(), 2);
}

#[test]
fn a_code_for_another_device() {
    let realm = realm(Proofs { token_nonce: Some("as-1"), ..BOTH });
    realm.set(|o| o.device = Some(Codes::default()));
    realm.many_clients();
    let begin = |dpop: &str| {
        let bridge = realm.bridge().arg("--device-code").arg(dpop).start();
        bridge.send(INITIALIZE);
        let code = wait_for("the code", || printed_code(&bridge.stderr()));
        (bridge, code)
    };
    let (first, code) = begin("--dpop=auto");
    wait_for("a question", || (realm.polls() >= 1).then_some(()));
    drop(first);
    // Whoever wants no key does not go on with it, and the other way round.
    let (unbound, other) = begin("--dpop=never");
    assert_ne!(other, code);
    drop(unbound);
    let (bound, code) = begin("--dpop=always");
    assert_ne!(code, other);
    drop(bound);
    let (next, again) = begin("--dpop=auto");
    assert_eq!(again, code);
    realm.enter(&code, true);
    next.answer(0).result();
    next.finish().clean();
    assert_eq!((keys(&realm), realm.count("device")), (1, 3));
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
    // It is refreshed with the same key.
    realm.state(State::expire);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.finish().clean();
    assert_eq!(keys(&realm), 1);
}

#[test]
fn more_scope() {
    let realm = realm(BOTH);
    realm.set(|o| o.needs_scope = Some(("tools/call", "write")));
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    realm.asked(2, 2, 1);
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
}

#[test]
fn a_redirect_gets_a_proof_for_where_it_leads() {
    let realm = realm(BOTH);
    let bridge = realm.bridge().ready(&realm.mcp);
    let location = realm.mcp.url_at("/moved?key=1");
    realm.mcp.maybe("tools/call", move |r| {
        let moved = Reply::status(308).header("location", &location);
        (r.uri.path() == "/mcp").then_some(moved)
    });
    bridge.ask(1, "tools/call").result();
    bridge.ask(2, "tools/call").result();
    bridge.finish().clean();
    let moved = realm.mcp.url_at("/moved");
    let proofs = realm.state(|state| {
        let there = |claims: &&Value| claims["htu"] == *moved && claims["htm"] == "POST";
        state.keys.claims.iter().filter(there).count()
    });
    assert_eq!(proofs, 2);
    let proofs: HashSet<_> =
        realm.mcp.seen("tools/call").iter().map(|r| r.header("dpop").unwrap().to_owned()).collect();
    assert_eq!(proofs.len(), 3, "none was sent twice");
}

#[test]
fn a_server_that_knows_nothing_of_it_gets_a_bearer_token() {
    // The tokens are bound all the same: at the token endpoint nobody else can refresh them.
    let realm = realm(Proofs { demands: false, ..BOTH });
    let bridge = realm.bridge().ready(&realm.mcp);
    realm.state(State::expire);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["Bearer".to_owned()]));
    realm.asked(1, 2, 1);
    assert_eq!(keys(&realm), 1);
    // Once it does, it says so.
    realm.set(|o| o.proofs.demands = true);
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    assert!(schemes(&realm).contains("DPoP"));
    realm.asked(1, 2, 1);
}

#[test]
fn a_token_that_comes_as_bearer_is_used_as_one() {
    // It advertises what it does not do.
    let realm = realm(Proofs::default());
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["Bearer".to_owned()]));
    let sent = realm.mcp.seen("*");
    assert!(sent.iter().all(|r| r.header("dpop").is_none()));
    assert!(realm.issuer.seen("token")[0].header("dpop").is_some());
}

#[test]
fn always_and_never() {
    let url = |realm: &Realm| realm.mcp.url();
    let always = realm(Proofs::default());
    let shown = always.run(&["login", &url(&always), "--dpop=always"]);
    shown.code(3).says(&["does not bind tokens to a key"]);
    // Without any sign of it: no proof.
    let plain = Realm::new();
    plain.login(&[]);
    assert!(plain.issuer.seen("token")[0].header("dpop").is_none());
    assert!(kept(&plain).get("dpop").is_none());
    // What is stored and not bound does not count.
    plain.set(|o| o.proofs = BOTH);
    let bridge = plain.bridge().arg("--dpop=always").ready(&plain.mcp);
    bridge.finish().clean();
    plain.asked(2, 2, 1);
    assert!(kept(&plain)["dpop"]["bound"].as_bool().unwrap());
    let never = realm(Proofs { demands: false, ..BOTH });
    let bridge = never.bridge().arg("--dpop=never").ready(&never.mcp);
    bridge.finish().clean();
    assert!(never.issuer.seen("token")[0].header("dpop").is_none());
    assert_eq!(schemes(&never), HashSet::from(["Bearer".to_owned()]));
    let wrong = never.run(&["login", &url(&never), "--dpop=always", "--use-id-token"]);
    wrong.code(1).says(&["--dpop always", "id token"]);
}

#[test]
fn the_resource_may_demand_it_in_its_metadata() {
    let realm = Realm::with(|o| {
        o.proofs = BOTH;
        o.challenge = Some(vec!["Bearer realm=\"x\"".into()]);
    });
    let prm = json!({
        "resource": realm.mcp.url(), "authorization_servers": [realm.issuer_url()],
        "dpop_bound_access_tokens_required": true,
    });
    realm.mcp.maybe("prm", move |_| Some(Reply::json(prm.to_string())));
    let found = checked(&realm);
    let seen = &found["authorization"];
    assert_eq!(seen["deviations"][0].as_str().unwrap_or_default(), NO_HINT, "{seen}");
    let wanted = json!({
        "algorithms": [], "usable": false, "required": true, "taken": true,
        "challenged": false,
    });
    assert_eq!(seen["dpop"], wanted);
    let bridge = realm.bridge().ready(&realm.mcp);
    bridge.finish().clean();
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned()]));
    assert_eq!(realm.registrations()[0]["dpop_bound_access_tokens"], true);
}

/// What a check of the MCP server says.
fn checked(realm: &Realm) -> Value {
    let shown = realm.run(&["check", &realm.mcp.url(), "--json"]);
    let found: Value = serde_json::from_str(&shown.stdout).unwrap();
    crate::support::schema::fits(&found, include_str!("../../docs/check.schema.json"));
    found
}

/// What it says of the right to send requests.
fn authorization(found: &Value) -> &Value {
    let steps = found["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == "authorization").unwrap()
}

#[test]
fn what_a_check_says() {
    let realm = realm(BOTH);
    realm.set(|o| o.metadata = json!({ "dpop_signing_alg_values_supported": ["EdDSA"] }));
    let shown = realm.run(&["check", &realm.mcp.url()]);
    let said = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains(
            "offers EdDSA, not with ES256, which is used here; the server's challenge asks for it"
        ),
        "{said}"
    );
    realm.login(&[]);
    let found = checked(&realm);
    assert_eq!(authorization(&found)["bound"], true, "{found}");
}

#[test]
fn how_a_token_is_sent_outlives_its_refresh() {
    // The challenge tells nothing of schemes, so that the token is first sent with a proof.
    let realm = realm(Proofs { demands: false, ..BOTH });
    realm.set(|o| o.challenge = Some(vec!["Basic realm=\"x\"".into()]));
    realm.run(&["login", &realm.mcp.url()]);
    assert_eq!(kept(&realm)["dpop"]["bearer"], false);
    realm.set(|o| o.challenge = None);
    let bridge = realm.bridge().ready(&realm.mcp);
    assert_eq!(schemes(&realm), HashSet::from(["DPoP".to_owned(), "Bearer".to_owned()]));
    let with_proof = || realm.mcp.seen("*").iter().filter(|r| r.header("dpop").is_some()).count();
    let before = with_proof();
    for id in 1..=2 {
        realm.state(State::expire);
        bridge.ask(id, "tools/call").result();
    }
    bridge.finish().clean();
    assert_eq!(with_proof(), before, "that it is not to be sent so is not forgotten");
    assert_eq!(kept(&realm)["dpop"]["bearer"], true);
    // Whoever insists on proofs does not send it so.
    realm.set(|o| o.proofs.demands = true);
    let sent = realm.mcp.seen("*").len();
    let bridge = realm.bridge().arg("--dpop=always").ready(&realm.mcp);
    bridge.finish().clean();
    let later = realm.mcp.seen("*").split_off(sent);
    let proven =
        |r: &std::sync::Arc<Request>| r.header("authorization").map(|a| &a[..5]) == Some("DPoP ");
    assert!(later.iter().all(proven));
}

#[test]
fn a_token_that_is_sent_otherwise_is_not_a_new_one() {
    let realm = realm(Proofs { demands: false, ..BOTH });
    realm.set(|o| o.challenge = Some(vec!["Basic realm=\"x\"".into()]));
    realm.run(&["login", &realm.mcp.url()]);
    realm.set(|o| o.challenge = None);
    let found = checked(&realm);
    let step = authorization(&found);
    assert_eq!(step["state"], "stored", "{step}");
    assert!(step["detail"].as_str().unwrap().contains("sent as Bearer"), "{step}");
}

#[test]
fn a_clock_that_is_wrong_is_said() {
    let past = "Sun, 09 Sep 2001 01:46:40 GMT";
    let at_token = realm(BOTH);
    at_token.issuer.always("token", move |_| {
        let body = json!({ "error": "invalid_dpop_proof", "error_description": "iat" });
        Reply::body(400, "application/json", body.to_string()).header("date", past)
    });
    let shown = at_token.run(&["login", &at_token.mcp.url()]);
    shown.says(&["the clock of this machine is", "s ahead of"]);
    let at_server = realm(BOTH);
    let bridge = at_server.bridge().ready(&at_server.mcp);
    at_server.mcp.always("tools/call", move |_| {
        let field = "DPoP error=\"invalid_dpop_proof\"";
        Reply::status(401).header("www-authenticate", field).header("date", past)
    });
    let error = bridge.ask(1, "tools/call").failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("the clock of this machine"), "{error}");
    bridge.finish().clean();
    at_server.asked(1, 1, 1);
}

#[test]
fn a_key_that_is_damaged_means_a_new_sign_in() {
    let realm = realm(BOTH);
    realm.login(&[]);
    for (path, bytes) in realm.kept() {
        let Ok(mut record) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if record["access_token"].is_string() {
            record["dpop"]["key"] = json!("bm90IGEga2V5");
            std::fs::write(&path, record.to_string()).unwrap();
        }
    }
    let shown = realm.run(&["login", &realm.mcp.url(), "--silent"]);
    shown.says(&["mcp-tether login"]);
    realm.login(&[]);
    realm.bridge().ready(&realm.mcp).finish().clean();
    realm.asked(2, 2, 1);
}

#[test]
fn keys_are_seen_nowhere() {
    let realm = realm(Proofs { token_nonce: Some("as-1"), resource_nonce: Some("rs-1"), ..BOTH });
    let folder = tempfile::tempdir().unwrap();
    let (log, trace) = (folder.path().join("log"), folder.path().join("trace"));
    let bridge = realm.bridge().arg("-vv").path("--log-file", &log).path("--trace", &trace).start();
    bridge.handshake().result();
    let key = kept(&realm)["dpop"]["key"].as_str().unwrap().to_owned();
    // A server that would say it if it could.
    let said = key.clone();
    realm.mcp.always("tools/call", move |_| Reply::body(500, "text/plain", said.clone()));
    let answer = bridge.ask(1, "tools/call").text;
    // And one that quotes what it got.
    realm.mcp.always("tools/list", |r| {
        Reply::body(400, "text/plain", format!("bad: {}", r.header("dpop").unwrap()))
    });
    let quoted = bridge.ask(2, "tools/list").text;
    assert!(quoted.contains("bad: [redacted]"), "{quoted}");
    let exit = bridge.finish();
    let read = |path| std::fs::read_to_string(path).unwrap();
    let trace = read(&trace);
    for text in [&read(&log), &trace, &exit.stderr, &answer] {
        assert!(!text.contains(&key));
        realm.no_secret_in("a place", text);
    }
    // That there are proofs may be seen, and not what is in them.
    let seen = realm.mcp.seen("*");
    let proofs: Vec<&str> = seen.iter().filter_map(|r| r.header("dpop")).collect();
    assert!(trace.contains("\"dpop\"") && proofs.len() > 2);
    for text in [&read(&log), &trace, &exit.stderr, &quoted] {
        assert!(proofs.iter().all(|proof| !text.contains(proof)));
    }
    let shown = realm.run(&["auth", "status", "--json"]);
    assert!(!shown.stdout.contains(&key));
}
