//! From a challenge to an authorization server.

use serde_json::json;

use crate::support::oauth::{Options, wait_for};
use crate::support::*;

const PATH_PRM: &str = "/.well-known/oauth-protected-resource/mcp";
const ROOT_PRM: &str = "/.well-known/oauth-protected-resource";

/// Goes through `initialize` and wants it answered after one sign-in.
#[track_caller]
fn signs_in(realm: &Realm, what: &str) {
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    assert!(!answer.is_error, "{what}: {answer}");
    bridge.finish();
    assert_eq!(realm.browser.opened().len(), 1, "{what}");
}

/// Goes through `initialize` and wants an error of this kind, without a tab, that says all this.
#[track_caller]
fn refused(realm: &Realm, kind: &str, says: &[&str]) {
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed(kind);
    let message = error["message"].as_str().unwrap().to_owned();
    for text in says {
        assert!(message.contains(text), "{text:?} is not in {message:?}");
    }
    bridge.finish();
    assert_eq!(realm.browser.opened(), [""; 0], "{message}");
    realm.asked(0, 0, 0);
}

#[test]
fn everywhere_that_metadata_can_be() {
    let resources: [(&str, Option<&str>, bool); 4] = [
        ("named by the challenge", Some("/somewhere/else/prm"), true),
        ("path inserted", Some(PATH_PRM), false),
        ("root", Some(ROOT_PRM), false),
        ("path inserted, and named", Some(PATH_PRM), true),
    ];
    let issuers = [
        ("", "/.well-known/oauth-authorization-server"),
        ("", "/.well-known/openid-configuration"),
        ("/tenant/one", "/.well-known/oauth-authorization-server/tenant/one"),
        ("/tenant/one", "/.well-known/openid-configuration/tenant/one"),
        ("/tenant/one", "/tenant/one/.well-known/openid-configuration"),
    ];
    for (named, prm, hint) in resources {
        for (path, metadata_at) in issuers {
            let realm = Realm::with(|o| {
                (o.prm, o.hint) = (prm, hint);
                (o.path, o.metadata_at) = (path, Some(metadata_at));
            });
            signs_in(&realm, &format!("{named}, {metadata_at}"));
            realm.asked(1, 1, 1);
        }
    }
}

#[test]
fn the_order_of_the_specification() {
    let realm = Realm::with(|o| {
        (o.prm, o.hint) = (Some(ROOT_PRM), false);
        o.path = "/tenant";
        o.metadata_at = Some("/tenant/.well-known/openid-configuration");
    });
    signs_in(&realm, "order");
    let paths = |server: &Server, kind: &str| -> Vec<String> {
        server.seen(kind).iter().map(|r| r.uri.path().to_owned()).collect()
    };
    assert_eq!(paths(&realm.mcp, "prm"), [PATH_PRM, ROOT_PRM]);
    assert_eq!(
        paths(&realm.issuer, "metadata"),
        [
            "/.well-known/oauth-authorization-server/tenant",
            "/.well-known/openid-configuration/tenant",
            "/tenant/.well-known/openid-configuration",
        ]
    );
}

#[test]
fn challenges_of_all_kinds() {
    let cases: [&[&str]; 7] = [
        &["Bearer resource_metadata=\"HINT\""],
        &["bearer RESOURCE_METADATA=\"HINT\""],
        &["BEARER   realm=\"a, b=\\\"c\\\"\" ,resource_metadata = \"HINT\" , x=y"],
        &["Basic realm=\"x\"", "Bearer resource_metadata=\"HINT\""],
        &["Negotiate, Digest realm=\"x\", nonce=\"Bearer y=1\", Bearer resource_metadata=\"HINT\""],
        &["NTLM TlRMTVNTUAAC==, Bearer scope=\"s\", resource_metadata=\"HINT\""],
        &["Bearer realm=\"one\"", "Bearer resource_metadata=\"HINT\""],
    ];
    for case in cases {
        let realm = Realm::with(|o| o.prm = Some("/a,b/prm"));
        let hint = realm.mcp.url_at("/a,b/prm");
        let fields = case.iter().map(|field| field.replace("HINT", &hint)).collect();
        realm.set(|o| o.challenge = Some(fields));
        signs_in(&realm, &format!("{case:?}"));
    }
}

#[test]
fn a_hint_that_leads_nowhere() {
    let realm = Realm::new();
    let hint = format!("Bearer resource_metadata=\"{}\"", realm.mcp.url_at("/gone/prm"));
    realm.set(|o| o.challenge = Some(vec![hint]));
    signs_in(&realm, "the well-known places are tried too");
}

#[test]
fn a_parent_of_the_endpoint_is_a_resource() {
    for path in ["/mcp", "/mcp/", "/", ""] {
        let realm = Realm::new();
        let resource = realm.mcp.url_at(path);
        realm.set(|o| o.resource = Some(resource.clone()));
        signs_in(&realm, path);
        // Byte for byte: a slash more or less is another resource to many servers.
        assert_eq!(realm.authorizations()[0]["resource"], resource);
        assert_eq!(realm.token_requests()[0]["resource"], resource);
    }
}

#[test]
fn anything_else_is_not() {
    for resource in ["/mc", "/mcp/deeper", "/other", "/mcp?x=1", "/mcp#f"] {
        let realm = Realm::new();
        let resource = realm.mcp.url_at(resource);
        realm.set(|o| o.resource = Some(resource.clone()));
        refused(&realm, "unauthorized", &[&realm.mcp.url()]);
    }
    for resource in ["https://mcp.invalid/mcp", "http://127.0.0.1:1/mcp", "nonsense", ""] {
        let realm = Realm::with(|o| o.resource = Some(resource.to_owned()));
        refused(&realm, "unauthorized", &[]);
    }
}

#[test]
fn several_authorization_servers() {
    let dead = format!("http://127.0.0.1:{}", dead_port());
    let realm = Realm::new();
    // Absent, in trouble, and then one that works.
    let trouble = Server::start();
    trouble.always("metadata", |_| Reply::status(500));
    let absent = Server::start();
    let issuers = vec![dead.clone(), absent.url_at(""), trouble.url_at(""), realm.issuer_url()];
    realm.set(|o| o.issuers = Some(issuers));
    signs_in(&realm, "the last one works");

    let realm = Realm::with(|o| o.issuers = Some(vec![dead, trouble.url_at("")]));
    refused_for_now(&realm);
}

#[test]
fn an_issuer_that_calls_itself_something_else() {
    let realm = Realm::new();
    let name = realm.issuer_url();
    for issuer in [
        json!(format!("{name}/")),
        json!(name.replace("127.0.0.1", "localhost")),
        json!("https://issuer.invalid"),
        json!(null),
        json!(7),
    ] {
        let realm = Realm::new();
        let issuer = match issuer.as_str() {
            Some(text) => json!(text.replace(&name, &realm.issuer_url())),
            None => issuer,
        };
        realm.set(|o| o.metadata = json!({ "issuer": issuer }));
        refused(&realm, "unauthorized", &["127.0.0.1"]);
    }
}

#[test]
fn an_issuer_whose_metadata_is_absent() {
    let realm = Realm::with(|o| o.metadata_at = None);
    refused(&realm, "unauthorized", &["127.0.0.1"]);
    assert_eq!(realm.count("register"), 0, "no endpoint is made up");
}

#[test]
fn servers_of_2025_03_26() {
    let old = |o: &mut Options| {
        (o.at_mcp, o.prm) = (true, None);
    };
    let realm = Realm::with(old);
    signs_in(&realm, "metadata at the origin");
    assert_eq!(realm.issuer.connections(), 0);
    // With endpoints where nothing tells where they are.
    let realm = Realm::with(|o| {
        old(o);
        o.metadata_at = None;
    });
    let bridge = realm.bridge().arg("--allow-missing-pkce-metadata").start();
    bridge.handshake().result();
    bridge.finish().clean();
    realm.asked(1, 1, 1);
    // The name may be the origin with a slash, and nothing else.
    let realm = Realm::with(old);
    let issuer = realm.mcp.url_at("/");
    realm.set(|o| {
        o.metadata =
            json!({ "issuer": issuer, "authorization_response_iss_parameter_supported": null })
    });
    realm.set(|o| o.iss = crate::support::oauth::Iss::Missing);
    signs_in(&realm, "origin with a slash");
    let realm = Realm::with(old);
    realm.set(|o| o.metadata = json!({ "issuer": "https://elsewhere.invalid" }));
    refused(&realm, "unauthorized", &["elsewhere.invalid"]);
}

/// Wants an error that says that it may pass, and no tab; and a sign-in as soon as it has passed.
#[track_caller]
fn refused_for_now(realm: &Realm) {
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    assert!(answer.is_error, "{answer}");
    let kind = answer.value()["error"]["data"]["kind"].as_str().unwrap().to_owned();
    assert_ne!(kind, "unauthorized", "{answer}");
    answer.failed(&kind);
    bridge.finish();
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn trouble_is_not_absence() {
    for status in [500, 502, 503, 429] {
        for kind in ["prm", "metadata"] {
            let realm = Realm::new();
            let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
            server.always(kind, move |_| Reply::body(status, "text/plain", "later"));
            refused_for_now(&realm);
        }
    }
    let realm = Realm::new();
    realm.mcp.always("prm", |_| Reply::reset_after(""));
    refused_for_now(&realm);
    // It has passed: the next request is served.
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    let bridge = realm.bridge().ready(&realm.mcp);
    realm.issuer.once("metadata", Reply::status(503));
    let mut id = 0;
    wait_for("the sign-in", || {
        id += 1;
        (!bridge.ask(id, "tools/call").is_error).then_some(())
    });
    bridge.finish().clean();
}

#[test]
fn a_document_that_never_comes() {
    let realm = Realm::new();
    realm.issuer.always("metadata", |_| Reply::never());
    refused_for_now(&realm);
    // Nor ends.
    let realm = Realm::new();
    realm
        .mcp
        .always("prm", |_| Reply::steps("application/json", vec!["{".into(), reply::Step::Hold]));
    refused_for_now(&realm);
}

#[test]
fn absent_in_other_words() {
    for reply in [
        Reply::status(404),
        Reply::status(401),
        Reply::status(405),
        Reply::body(200, "text/html", "<html><title>Welcome</title></html>"),
        Reply::json("not json"),
        Reply::json("[]"),
    ] {
        let realm = Realm::with(|o| (o.prm, o.hint) = (Some(ROOT_PRM), false));
        realm.mcp.maybe("prm", move |r| (r.uri.path() == PATH_PRM).then(|| reply.clone()));
        signs_in(&realm, "the root has it");
    }
}

#[test]
fn documents_that_are_too_large_or_lead_elsewhere() {
    let huge = format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20));
    for kind in ["prm", "metadata"] {
        let realm = Realm::new();
        let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
        let body = huge.clone();
        server.always(kind, move |_| Reply::json(body.clone()));
        let bridge = realm.bridge().start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error, "{kind}");
        bridge.finish();
        assert_eq!(realm.browser.opened(), [""; 0]);
    }
    let other = Server::start();
    for kind in ["prm", "metadata"] {
        let realm = Realm::new();
        let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
        let to = other.url_at("/.well-known/elsewhere");
        server.always(kind, move |_| Reply::status(302).header("location", &to));
        let bridge = realm.bridge().start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error, "{kind}");
        bridge.finish();
    }
    assert_eq!(other.connections(), 0);
    // Within the origin they are followed.
    let realm = Realm::with(|o| o.prm = Some("/moved/prm"));
    realm.set(|o| o.hint = false);
    realm.mcp.maybe("prm", |r| {
        (r.uri.path() == PATH_PRM).then(|| Reply::status(302).header("location", "/moved/prm"))
    });
    signs_in(&realm, "moved");
}

#[test]
fn addresses_that_are_not_used() {
    for bad in [
        "http://issuer.invalid",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://u:p@h.invalid",
    ] {
        let realm = Realm::with(|o| o.issuers = Some(vec![bad.to_owned()]));
        refused(&realm, "unauthorized", &[]);
        for endpoint in ["authorization_endpoint", "token_endpoint"] {
            let realm = Realm::with(|o| o.metadata = json!({ endpoint: bad }));
            refused(&realm, "unauthorized", &[]);
        }
    }
}

#[test]
fn metadata_without_endpoints() {
    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        let realm = Realm::with(|o| o.metadata = json!({ endpoint: null }));
        refused(&realm, "unauthorized", &["127.0.0.1"]);
    }
}

#[test]
fn members_of_the_wrong_type_count_as_absent() {
    let realm = Realm::with(|o| {
        o.metadata = json!({
            "scopes_supported": "read write",
            "revocation_endpoint": 7,
            "token_endpoint_auth_methods_supported": {},
            "client_id_metadata_document_supported": "yes",
            "unknown": [null],
        });
    });
    signs_in(&realm, "the rest is used");
    realm.asked(1, 1, 1);
}
