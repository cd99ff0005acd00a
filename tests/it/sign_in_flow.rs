//! The authorization code flow: PKCE, `resource`, scope, further parameters, `iss`, and the answers
//! of token endpoints.

use serde_json::{Value, json};

use crate::support::oauth::{At, Iss, Options, initialize};
use crate::support::*;

/// Wants a refusal that says all of this.
#[track_caller]
fn refused(answer: &Line, says: &[&str]) {
    let error = answer.failed("unauthorized");
    let message = error["message"].as_str().unwrap();
    for text in says {
        assert!(message.contains(text), "{text:?} is not in {message:?}");
    }
}

#[test]
fn pkce_that_the_metadata_does_not_promise() {
    for methods in [json!(["plain"]), json!([]), json!(["s256"])] {
        let realm =
            Realm::with(|o| o.metadata = json!({ "code_challenge_methods_supported": methods }));
        for builder in [realm.bridge(), realm.bridge().arg("--allow-missing-pkce-metadata")] {
            refused(&initialize(builder), &["PKCE"]);
        }
        realm.asked(0, 0, 0);
    }
    let realm = Realm::with(|o| o.metadata = json!({ "code_challenge_methods_supported": null }));
    refused(&initialize(realm.bridge()), &["PKCE", "--allow-missing-pkce-metadata"]);
    realm.asked(0, 0, 0);
    initialize(realm.bridge().arg("--allow-missing-pkce-metadata")).result();
    realm.asked(1, 1, 1);
}

#[test]
fn a_server_that_refuses_resource() {
    for at in [At::Authorize, At::Token] {
        for (error, description) in [
            ("invalid_target", "no such resource"),
            ("invalid_request", "AADSTS9010010: the resource does not match the scopes"),
        ] {
            let realm = Realm::with(|o| {
                o.refuses_resource = Some((at, error, description));
                o.rotates = false;
            });
            initialize(realm.bridge()).result();
            // One retry: of the whole flow in the same tab, or of the exchange with the same code.
            let asked = realm.authorizations();
            let tries = if at == At::Authorize { 2 } else { 1 };
            assert_eq!(asked.len(), tries, "{at:?} {error}");
            assert!(asked[0].contains_key("resource"));
            assert_eq!(realm.browser.opened().len(), 1);
            let exchange = realm.token_requests();
            assert!(!exchange.last().unwrap().contains_key("resource"));
            // It is remembered: for refreshing, and for the next sign-in.
            realm.state(oauth::State::expire);
            initialize(realm.bridge()).result();
            let refresh = realm.token_requests();
            assert_eq!(refresh.last().unwrap()["grant_type"], "refresh_token");
            assert!(!refresh.last().unwrap().contains_key("resource"));
            realm.login(&[]);
            let asked = realm.authorizations();
            assert_eq!(asked.len(), tries + 1);
            assert!(!asked[tries].contains_key("resource"));
        }
    }
}

#[test]
fn a_resource_that_is_refused_without_having_been_sent() {
    let realm = Realm::with(|o| o.refuses = Some(("invalid_target", "whatever you say")));
    refused(&initialize(realm.bridge()), &[]);
    assert!(realm.count("authorize") <= 2, "one retry at most");
}

#[test]
fn the_resource_of_the_person() {
    let realm = Realm::new();
    realm.login_expired(&["--resource=none"]);
    initialize(realm.bridge().arg("--resource=none")).result();
    assert!(!realm.authorizations()[0].contains_key("resource"));
    assert_eq!(realm.count("token"), 2);
    for request in realm.token_requests() {
        assert!(!request.contains_key("resource"), "{request:?}");
    }
    let realm = Realm::new();
    let given = "https://API.example.com/v1/";
    realm.login(&["--resource", given]);
    assert_eq!(realm.authorizations()[0]["resource"], given);
    assert_eq!(realm.token_requests()[0]["resource"], given);
}

#[test]
fn scope() {
    let all = json!({ "scopes_supported": ["admin", "read", "write", "offline_access"] });
    let some = json!({ "scopes_supported": ["admin"] });
    type Case = (
        Option<&'static str>,
        Option<Vec<&'static str>>,
        Value,
        &'static str,
        Option<&'static str>,
    );
    let cases: [Case; 7] = [
        (Some("a b"), Some(vec!["c"]), some.clone(), "", Some("a b")),
        (None, Some(vec!["c", "d"]), some.clone(), "", Some("c d")),
        (None, None, some.clone(), "", None),
        (Some("a"), None, all.clone(), "", Some("a offline_access")),
        (Some("a offline_access"), None, all.clone(), "", Some("a offline_access")),
        (Some("a"), Some(vec!["c"]), all.clone(), "--scope=x  y", Some("x  y")),
        (None, None, json!({}), "--scope=x", Some("x")),
    ];
    for (challenge, resource, metadata, flag, expected) in cases {
        let realm = Realm::with(|o| {
            (o.challenge_scope, o.resource_scopes) = (challenge, resource.clone());
            o.metadata = metadata;
        });
        let builder = realm.bridge();
        initialize(if flag.is_empty() { builder } else { builder.arg(flag) }).result();
        let asked = realm.authorizations();
        let scope = asked[0].get("scope").map(String::as_str);
        assert_eq!(scope, expected, "{challenge:?} {resource:?} {flag}");
    }
}

#[test]
fn further_parameters() {
    let realm = Realm::new();
    realm.login_expired(&[
        "--auth-param=audience=https://api.example.com/?a=b&c",
        "--auth-param=login_hint=me@example.com",
        "--token-param=audience=for the token",
    ]);
    let asked = &realm.authorizations()[0];
    assert_eq!(asked["audience"], "https://api.example.com/?a=b&c");
    assert_eq!(asked["login_hint"], "me@example.com");
    initialize(realm.bridge().arg("--token-param=audience=for the token")).result();
    assert_eq!(realm.count("token"), 2);
    for request in realm.token_requests() {
        assert_eq!(request["audience"], "for the token");
    }
}

#[test]
fn parameters_that_the_flow_owns() {
    let realm = Realm::new();
    for (flag, parameter, named) in [
        ("--auth-param", "client_id=x", "--client-id"),
        ("--auth-param", "redirect_uri=x", "--callback-url"),
        ("--auth-param", "scope=x", "--scope"),
        ("--auth-param", "resource=x", "--resource"),
        ("--auth-param", "state=x", "state"),
        ("--auth-param", "response_type=token", "response_type"),
        ("--auth-param", "code_challenge=x", "code_challenge"),
        ("--auth-param", "code_challenge_method=plain", "code_challenge_method"),
        ("--token-param", "code=x", "code"),
        ("--token-param", "code_verifier=x", "code_verifier"),
        ("--token-param", "grant_type=x", "grant_type"),
        ("--token-param", "refresh_token=x", "refresh_token"),
        ("--token-param", "client_secret=fake-given-secret", "--client-secret"),
        ("--token-param", "no-equals-sign", "--token-param"),
    ] {
        let shown = realm.run(&[&realm.mcp.url(), flag, parameter]);
        shown.code(1).says(&[flag, named]);
        assert!(!shown.stderr.contains("fake-given-secret"), "{shown:?}");
    }
    realm.no_oauth();
}

#[test]
fn an_authorization_endpoint_with_a_query() {
    let realm = Realm::new();
    let endpoint = realm.issuer.url_at("/authorize?tenant=a%20b&p=1");
    realm.set(|o| o.metadata = json!({ "authorization_endpoint": endpoint }));
    initialize(realm.bridge()).result();
    let asked = &realm.authorizations()[0];
    assert_eq!((asked["tenant"].as_str(), asked["p"].as_str()), ("a b", "1"));
}

/// RFC 9207 as the specification's table has it: is `iss` advertised, what comes, may it go on.
#[test]
fn the_issuer_in_the_response() {
    type Case = (bool, fn(&Realm) -> Iss, bool);
    let cases: [Case; 7] = [
        (true, |_| Iss::Right, true),
        (false, |_| Iss::Right, true),
        (false, |_| Iss::Missing, true),
        (true, |_| Iss::Missing, false),
        (true, |_| Iss::Other("https://attacker.invalid".into()), false),
        (false, |_| Iss::Other("https://attacker.invalid".into()), false),
        (true, |realm| Iss::Other(format!("{}/", realm.issuer_url())), false),
    ];
    for (number, (advertised, iss, fine)) in cases.into_iter().enumerate() {
        let realm = Realm::with(|o| {
            o.metadata = json!({ "authorization_response_iss_parameter_supported": advertised });
        });
        let iss = iss(&realm);
        realm.set(|o| o.iss = iss);
        let answer = initialize(realm.bridge());
        assert_eq!(!answer.is_error, fine, "case {number}: {answer}");
        realm.asked(1, usize::from(fine), 1);
        let page = &realm.browser.wait_pages(1)[0];
        if !fine {
            answer.failed("unauthorized");
            assert_ne!(page.status, 200, "{page:?}");
        }
    }
}

#[test]
fn what_an_attacker_says_is_not_shown() {
    let realm = Realm::with(|o| {
        o.iss = Iss::Other("https://attacker.invalid".into());
        o.refuses = Some(("access_denied", "Call-this-number"));
    });
    let answer = initialize(realm.bridge());
    answer.failed("unauthorized");
    assert!(!answer.text.contains("Call-this-number"), "{answer}");
    let page = &realm.browser.wait_pages(1)[0];
    assert!(!page.body.contains("Call-this-number"), "{page:?}");
}

#[test]
fn a_person_who_says_no() {
    let realm = Realm::with(|o| o.refuses = Some(("access_denied", "The user said <b>no</b>")));
    let answer = initialize(realm.bridge());
    refused(&answer, &["access_denied"]);
    realm.asked(1, 0, 1);
    let page = &realm.browser.wait_pages(1)[0];
    assert!(!page.body.contains("<b>no"), "{page:?}");
    assert!(page.body.contains("access_denied"), "{page:?}");
}

/// What token endpoints answer, and whether it is good enough.
#[test]
fn answers_of_token_endpoints() {
    fn as_form(body: Value) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in body.as_object().unwrap() {
            form.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
        }
        Reply::body(200, "application/x-www-form-urlencoded", form.finish())
    }
    type Case = (&'static str, fn(&mut Options), bool);
    let cases: [Case; 14] = [
        ("string", |o| o.expires_in = json!("3600"), true),
        ("float", |o| o.expires_in = json!(3600.5), true),
        ("negative", |o| o.expires_in = json!(-1), true),
        ("nothing", |o| o.tokens = json!({ "expires_in": null }), true),
        ("nonsense", |o| o.expires_in = json!("soon"), true),
        ("lower case", |o| o.tokens = json!({ "token_type": "bearer" }), true),
        ("no type", |o| o.tokens = json!({ "token_type": null }), true),
        ("another type", |o| o.tokens = json!({ "token_type": "mac" }), false),
        ("list", |o| o.tokens = json!({ "scope": ["a", "b"] }), true),
        ("empty", |o| o.tokens = json!({ "refresh_token": "" }), true),
        ("more", |o| o.tokens = json!({ "x": [null], "error": null }), true),
        ("no token", |o| o.tokens = json!({ "access_token": null }), false),
        ("form", |o| o.dress = as_form, true),
        ("html", |o| o.dress = |_| Reply::body(200, "text/html", "<title>Hello</title>"), false),
    ];
    for (what, change, fine) in cases {
        let realm = Realm::with(change);
        let answer = initialize(realm.bridge());
        assert_eq!(!answer.is_error, fine, "{what}: {answer}");
        if !fine {
            refused(&answer, &["127.0.0.1"]);
        }
        assert_eq!(realm.count("authorize"), 1, "{what}");
    }
}

#[test]
fn refusals_of_token_endpoints() {
    let error = r#"{"error":"invalid_grant","error_description":"The code\nhas expired"}"#;
    for reply in [
        Reply::body(400, "application/json", error),
        Reply::json(error),
        Reply::body(200, "application/x-www-form-urlencoded", "error=invalid_grant&x=y"),
        Reply::body(401, "text/plain", "invalid_grant"),
    ] {
        let realm = Realm::new();
        realm.issuer.once("token", reply);
        let answer = initialize(realm.bridge());
        refused(&answer, &["127.0.0.1", "invalid_grant"]);
        realm.asked(1, 1, 1);
        let page = &realm.browser.wait_pages(1)[0];
        assert_ne!(page.status, 200, "{page:?}");
    }
}

#[test]
fn the_id_token_in_place_of_the_access_token() {
    let realm = Realm::with(|o| o.tokens = json!({ "id_token": "fake-id-token-0123456789" }));
    initialize(realm.bridge().arg("--use-id-token")).result();
    let sent = realm.mcp.seen("initialize");
    let header = sent.last().unwrap().header("authorization");
    assert_eq!(header, Some("Bearer fake-id-token-0123456789"));
    initialize(realm.bridge()).result();
    let sent = realm.mcp.seen("initialize");
    let header = sent.last().unwrap().header("authorization").unwrap();
    assert!(header.starts_with("Bearer fake-access-token"), "{header}");
}
