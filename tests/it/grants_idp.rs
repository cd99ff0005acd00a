//! Tokens for which somebody else vouches: workloads, and people whom a company's identity provider
//! knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::grants::{SECRET, client, realm};
use crate::support::bridge::Builder;
use crate::support::oauth::{State, form, initialize};
use crate::support::*;

fn workload(realm: &Realm, assertion: &str) -> Builder {
    realm.bridge().arg("--grant=jwt-bearer").arg(format!("--assertion={assertion}"))
}

#[test]
fn an_assertion_is_read_for_every_token() {
    let realm = Realm::with(|o| o.assertions = vec!["fake-assertion-1"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "fake-assertion-1\n").unwrap();
    let reference = format!("file:{}", file.path().display());
    let bridge = workload(&realm, &reference).arg("--scope=a").ready(&realm.mcp);
    realm.set(|o| o.assertions = vec!["fake-assertion-2"]);
    realm.state(State::expire);
    std::fs::write(file.path(), "fake-assertion-2\n").unwrap();
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    realm.asked(0, 2, 0);
    let requests = realm.token_requests();
    assert_eq!(requests[0]["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(requests[0]["scope"], "a");
    assert_eq!(requests[0]["resource"], realm.mcp.url());
    assert!(!requests[0].contains_key("client_id"), "the assertion says who it is");
    assert_eq!(requests[1]["assertion"], "fake-assertion-2");
}

#[test]
fn an_assertion_from_a_program_or_a_variable() {
    let realm = Realm::with(|o| {
        o.assertions = vec!["fake-assertion-1"];
        o.clients = vec![("me", None)];
    });
    let builder = workload(&realm, "command:printf '%s-1' fake-assertion").arg("--client-id=me");
    builder.ready(&realm.mcp).finish().clean();
    assert_eq!(realm.token_requests()[0]["client_id"], "me");
    let realm = Realm::with(|o| o.assertions = vec!["fake-assertion-1"]);
    let builder = workload(&realm, "env:FAKE_ASSERTION").env("FAKE_ASSERTION", "fake-assertion-1");
    builder.ready(&realm.mcp).finish().clean();
}

#[test]
fn an_assertion_that_cannot_be_had() {
    for (reference, said) in [
        ("file:/nonexistent/fake", "/nonexistent/fake"),
        ("command:/nonexistent/fake", "fake could not be started"),
        ("command:sh -c 'echo fake-out; echo fake-out because >&2; exit 7'", "exit status: 7"),
        ("command:printf '<html>an error page</html>'", "no token"),
        ("command:true", "there is nothing"),
    ] {
        let realm = Realm::new();
        let bridge = workload(&realm, reference).start();
        bridge.send(INITIALIZE);
        let error = bridge.answer(0).value()["error"].take();
        let stderr = bridge.finish().stderr;
        if said.contains("status") {
            assert!(stderr.contains("sh says: [redacted] because"), "{stderr}");
        }
        let text = error["message"].as_str().unwrap();
        assert!(text.starts_with("--assertion: ") && text.contains(said), "{reference}: {text}");
        assert!(!text.contains("fake-out") && !text.contains("error page"), "{text}");
        realm.asked(0, 0, 0);
    }
}

#[test]
fn an_assertion_that_is_refused_is_sent_once() {
    for code in ["invalid_grant", "invalid_scope", "unauthorized_client", "invalid_target"] {
        let realm = Realm::new();
        let no = json!({ "error": code }).to_string();
        realm.issuer.always("token", move |_| Reply::body(400, "application/json", no.clone()));
        let builder =
            workload(&realm, "env:FAKE_ASSERTION").env("FAKE_ASSERTION", "fake-assertion");
        let bridge = builder.start();
        for id in 0..2 {
            bridge.send(INITIALIZE.replace("\"id\":0", &format!("\"id\":{id}")));
            let error = bridge.answer(id).value()["error"].take();
            assert!(error["message"].as_str().unwrap().contains(code), "{error}");
        }
        bridge.finish();
        realm.asked(0, 1, 0);
    }
}

const ID_TOKEN: &str = "fake-id-token-0123456789";

/// The identity provider of a company.
struct Company {
    server: Server,
    expired: Arc<AtomicBool>,
}

impl Company {
    fn new() -> Company {
        let (server, expired) = (Server::start(), Arc::new(AtomicBool::new(false)));
        let knows = expired.clone();
        server.always("token", move |request| {
            let sent = form(request.text());
            let good = sent["subject_token"] == ID_TOKEN && !knows.load(Ordering::SeqCst);
            let (status, body) = if good {
                let id_jag = "urn:ietf:params:oauth:token-type:id-jag";
                (200, json!({ "access_token": "fake-id-jag", "issued_token_type": id_jag, "token_type": "N_A", "expires_in": 300 }))
            } else {
                (400, json!({ "error": "invalid_grant", "error_description": "expired" }))
            };
            Reply::body(status, "application/json", body.to_string())
        });
        Company { server, expired }
    }

    fn person(&self, builder: Builder) -> Builder {
        builder
            .arg("--grant=enterprise")
            .arg(format!("--idp-token-endpoint={}", self.server.url_at("/token")))
            .arg("--idp-client-id=at-idp")
            .arg("--idp-client-secret=env:FAKE_IDP_SECRET")
            .arg("--idp-id-token=env:FAKE_ID_TOKEN")
            .arg("--client-id=me")
            .arg("--client-secret=env:FAKE_SECRET")
            .env("FAKE_SECRET", SECRET)
            .env("FAKE_IDP_SECRET", "fake-idp-secret")
            .env("FAKE_ID_TOKEN", ID_TOKEN)
    }
}

#[test]
fn a_company_vouches_for_a_person() {
    let (realm, company) = (realm(), Company::new());
    realm.set(|o| {
        o.assertions = vec!["fake-id-jag"];
        o.challenge_scope = Some("a b");
    });
    let bridge = company.person(realm.bridge()).ready(&realm.mcp);
    let exchange = form(company.server.seen("token")[0].text());
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("subject_token", ID_TOKEN),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("audience", &realm.issuer_url()),
        ("resource", &realm.mcp.url()),
        ("scope", "a b"),
        ("client_id", "at-idp"),
        ("client_secret", "fake-idp-secret"),
    ] {
        assert_eq!(exchange[name], value, "{name}");
    }
    let request = &realm.token_requests()[0];
    assert_eq!(request["assertion"], "fake-id-jag");
    assert_eq!(request["client_id"], "me");
    assert!(!request.contains_key("scope"), "the assertion has it");
    // When the id token has expired, a person has to get a new one, and is told so.
    company.expired.store(true, Ordering::SeqCst);
    realm.state(State::expire);
    let error = bridge.ask(1, "tools/call").value()["error"].take();
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("invalid_grant") && text.contains("--idp-id-token"), "{text}");
    bridge.finish();
    realm.asked(0, 1, 0);
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn another_token_than_an_assertion_goes_nowhere() {
    for kind in [json!("urn:ietf:params:oauth:token-type:access_token"), json!(null)] {
        let (realm, company) = (realm(), Company::new());
        let body = json!({ "access_token": "fake-of-idp", "issued_token_type": kind, "token_type": "Bearer" });
        company.server.always("token", move |_| Reply::json(body.to_string()));
        let error = initialize(company.person(realm.bridge())).value()["error"].take();
        assert!(error["message"].as_str().unwrap().contains("id-jag"), "{error}");
        realm.asked(0, 0, 0);
    }
}

#[test]
fn what_is_secret_stays_so() {
    let program = "command:sh -c 'printf fake-assertion-1'";
    for turn in ["client", "workload", "company", "refused"] {
        let (realm, company) = (realm(), Company::new());
        // A handshake may fail, and the client goes on all the same.
        realm.mcp.mcp().set(|s| s.strict = false);
        realm.set(|o| {
            if turn != "refused" {
                o.assertions = vec!["fake-id-jag", "fake-assertion-1"];
            }
        });
        if turn == "refused" {
            // A server that quotes what it was sent.
            realm.issuer.always("token", |request| {
                let body = json!({ "error": "invalid_grant", "error_description": request.text() });
                Reply::body(400, "application/json", body.to_string())
            });
        }
        let builder = match turn {
            "client" => client(realm.bridge()),
            "workload" => workload(&realm, program),
            _ => company.person(realm.bridge()),
        };
        let place = tempfile::tempdir().unwrap();
        let (log, trace) = (place.path().join("log"), place.path().join("trace"));
        let bridge = builder.arg("-vv").path("--log-file", &log).path("--trace", &trace).start();
        bridge.send(INITIALIZE);
        let mut seen = bridge.answer(0).text;
        bridge.send(INITIALIZED);
        seen += &bridge.ask(1, "tools/call").text;
        seen += &bridge.finish().stderr;
        seen += &std::fs::read_to_string(&log).unwrap();
        let traced = std::fs::read_to_string(&trace).unwrap();
        assert!(traced.contains("grant_type"), "token requests are in the trace: {traced}");
        seen += &traced;
        let others = [SECRET, ID_TOKEN, "fake-idp-secret", "fake-id-jag", "fake-assertion-1"];
        for secret in others {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            for text in [secret, &encoded] {
                let line = seen.lines().find(|line| {
                    // The command line itself is not a secret.
                    line.contains(text) && !line.contains(program)
                });
                assert_eq!(line, None, "{turn}: {text}");
            }
        }
        realm.no_secret_in(turn, &seen);
    }
}
