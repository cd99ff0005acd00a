//! Who we are at an authorization server: given, by document, registered, or nobody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::bridge::Builder;
use crate::support::browser::follow;
use crate::support::oauth::{State, initialize, printed_url, wait_for};
use crate::support::*;

const DOCUMENT: &str = "https://example.com/clients/tether.json";

#[test]
fn a_given_id_is_never_registered() {
    let realm = Realm::with(|o| {
        o.clients = vec![("given-id", None)];
        o.metadata = json!({ "client_id_metadata_document_supported": true });
    });
    let builder = realm.bridge().arg("--client-id=given-id");
    initialize(builder.arg("--client-metadata-url").arg(DOCUMENT)).result();
    realm.asked(1, 1, 0);
    assert_eq!(realm.authorizations()[0]["client_id"], "given-id");
    let exchange = &realm.token_requests()[0];
    assert_eq!(exchange["client_id"], "given-id");
    assert!(!exchange.contains_key("client_secret"));
}

#[test]
fn a_given_secret_from_everywhere() {
    let secret = "fake:secret/with+odd %chars";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{secret}\n")).unwrap();
    let from_file = format!("--client-secret=file:{}", file.path().display());
    for (argument, variable) in [
        (Some(from_file.as_str()), "UNUSED"),
        (Some("--client-secret=env:MY_SECRET"), "MY_SECRET"),
        (None, "MCP_TETHER_CLIENT_SECRET"),
    ] {
        let realm =
            Realm::with(|o| o.clients = vec![("given-id", Some("fake:secret/with+odd %chars"))]);
        let builder = realm.bridge().arg("--client-id=given-id").env(variable, secret);
        let builder = argument.into_iter().fold(builder, Builder::arg);
        initialize(builder).result();
        realm.asked(1, 1, 0);
        let kept = realm.kept();
        let elsewhere = kept.iter().find(|(path, bytes)| {
            !path.starts_with(realm.home().join("credentials"))
                && String::from_utf8_lossy(bytes).contains(secret)
        });
        assert_eq!(elsewhere, None);
    }
}

#[test]
fn how_a_secret_is_sent() {
    let secret = "fake:secret/with+odd %chars";
    for (methods, method) in [
        (json!(["none", "client_secret_post", "client_secret_basic"]), "post"),
        (json!(["client_secret_basic"]), "basic"),
        (json!(null), "basic"),
    ] {
        let realm = Realm::with(|o| {
            o.clients = vec![("id with space", Some("fake:secret/with+odd %chars"))];
            o.metadata = json!({ "token_endpoint_auth_methods_supported": methods });
        });
        let builder = realm.bridge().arg("--client-id=id with space");
        initialize(builder.env("MCP_TETHER_CLIENT_SECRET", secret)).result();
        let request = &realm.issuer.seen("token")[0];
        let header = request.header("authorization");
        if method == "post" {
            assert_eq!(header, None);
            assert_eq!(realm.token_requests()[0]["client_secret"], secret);
        } else {
            let encoded = "id+with+space:fake%3Asecret%2Fwith%2Bodd+%25chars";
            assert_eq!(header, Some(&*format!("Basic {}", STANDARD.encode(encoded))));
            assert!(!realm.token_requests()[0].contains_key("client_secret"));
        }
    }
}

#[test]
fn references_that_lead_nowhere() {
    let realm = Realm::new();
    let url = realm.mcp.url();
    for (reference, named) in [
        ("env:NOT_SET", "NOT_SET"),
        ("file:/nonexistent/fake", "/nonexistent/fake"),
        ("fake-plain-secret", "env:NAME"),
    ] {
        let shown = realm.run(&[&url, "--client-id=x", "--client-secret", reference]);
        shown.code(1).says(&["--client-secret", named]);
        assert!(!shown.stderr.contains("fake-plain-secret"), "{shown:?}");
    }
    realm.no_oauth();
}

#[test]
fn a_secret_that_was_replaced() {
    let realm = Realm::with(|o| o.clients = vec![("given-id", Some("fake-old-secret"))]);
    let given = |builder: Builder, secret| {
        builder.arg("--client-id=given-id").env("MCP_TETHER_CLIENT_SECRET", secret)
    };
    initialize(given(realm.bridge(), "fake-old-secret")).result();
    realm.set(|o| o.clients = vec![("given-id", Some("fake-new-secret"))]);
    realm.state(State::expire);
    initialize(given(realm.bridge(), "fake-new-secret")).result();
    // It was refreshed.
    realm.asked(1, 2, 0);
}

#[test]
fn a_metadata_document() {
    for supported in [true, false] {
        let realm = Realm::with(|o| {
            o.metadata = json!({ "client_id_metadata_document_supported": supported });
        });
        initialize(realm.bridge().arg("--client-metadata-url").arg(DOCUMENT)).result();
        realm.asked(1, 1, usize::from(!supported));
        let id = &realm.authorizations()[0]["client_id"];
        assert_eq!(id == DOCUMENT, supported, "{id}");
    }
    let realm = Realm::new();
    for bad in ["http://example.com/client.json", "https://example.com", "nonsense"] {
        let shown = realm.run(&[&realm.mcp.url(), "--client-metadata-url", bad]);
        shown.code(1).says(&["--client-metadata-url"]);
    }
}

#[test]
fn a_name_for_the_registration() {
    let realm = Realm::new();
    realm.login(&["--client-name=Our Company"]);
    assert_eq!(realm.registrations()[0]["client_name"], "Our Company");
}

#[test]
fn the_auth_method_of_a_registration() {
    for (methods, expected) in [
        (json!(["client_secret_basic", "client_secret_post", "none"]), "none"),
        (json!(["client_secret_basic", "client_secret_post"]), "client_secret_post"),
        (json!(["private_key_jwt", "client_secret_basic"]), "client_secret_basic"),
    ] {
        let realm = Realm::with(|o| {
            o.metadata = json!({ "token_endpoint_auth_methods_supported": methods });
        });
        realm.login_expired(&[]);
        assert_eq!(realm.registrations()[0]["token_endpoint_auth_method"], expected);
        // The exchange and the refresh are held against what was registered.
        initialize(realm.bridge()).result();
        realm.asked(1, 2, 1);
    }
}

#[test]
fn a_registration_that_comes_back_different() {
    for changes in [
        json!({ "grant_types": null, "response_types": null, "application_type": null }),
        json!({ "redirect_uris": null, "client_name": null }),
        json!({ "token_endpoint_auth_method": "client_secret_post", "client_secret": "fake-answered" }),
        json!({ "token_endpoint_auth_method": "client_secret_basic", "client_secret": "fake-answered" }),
        json!({ "client_secret_expires_at": "0", "unknown": { "x": [] } }),
        json!({ "client_secret_expires_at": null }),
    ] {
        let realm = Realm::with(|o| o.registered = changes.clone());
        let answer = initialize(realm.bridge());
        assert!(!answer.is_error, "{changes}: {answer}");
        realm.asked(1, 1, 1);
    }
    let realm = Realm::with(|o| o.registered = json!({ "client_id": null }));
    initialize(realm.bridge()).failed("unauthorized");
    realm.asked(0, 0, 1);
}

#[test]
fn a_registration_is_used_again() {
    let realm = Realm::new();
    realm.login(&[]);
    realm.login(&[]);
    realm.asked(2, 2, 1);
    let asked = realm.authorizations();
    assert_eq!(asked[0]["redirect_uri"], asked[1]["redirect_uri"]);
    // Not after logging out, and not by another profile.
    realm.login(&["--profile=second"]);
    realm.asked(3, 3, 2);
}

#[test]
fn a_registration_for_another_redirect_uri_is_not() {
    let realm = Realm::new();
    realm.login(&[]);
    let first = realm.authorizations()[0]["redirect_uri"].clone();
    let port = url::Url::parse(&first).unwrap().port().unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("it is free again");
    realm.login(&[]);
    realm.asked(2, 2, 2);
    assert_ne!(realm.authorizations()[1]["redirect_uri"], first);
}

#[test]
fn a_client_secret_that_has_expired() {
    let methods = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    let realm = Realm::with(|o| {
        o.metadata = methods.clone();
        o.registered = json!({ "client_secret_expires_at": 1_000_000_000 });
    });
    realm.login(&[]);
    realm.login(&[]);
    assert_eq!(realm.count("register"), 2);
    // At the hour that the server names.
    let realm = Realm::with(|o| {
        o.metadata = methods;
        o.registered = json!({ "client_secret_expires_at": 100_000_000_000_u64 });
    });
    realm.login(&[]);
    realm.login(&[]);
    assert_eq!(realm.count("register"), 1);
}

#[test]
fn a_client_that_is_no_longer_known() {
    // At the exchange: it registers anew, and goes on in the same tab.
    let realm = Realm::new();
    realm.login(&[]);
    let unknown = r#"{"error":"invalid_client"}"#;
    realm.issuer.once("token", Reply::body(401, "application/json", unknown));
    realm.login(&[]);
    realm.asked(3, 3, 2);
    assert_eq!(realm.browser.opened().len(), 2);
    // That a client was registered a moment ago helps nothing; there is no loop.
    let realm = Realm::new();
    realm.issuer.always("token", move |_| Reply::body(401, "application/json", unknown));
    let answer = initialize(realm.bridge());
    assert!(answer.failed("unauthorized")["message"].as_str().unwrap().contains("invalid_client"));
    assert!(realm.count("register") <= 2);
    // At the refresh.
    let realm = Realm::new();
    realm.login_expired(&[]);
    realm.state(oauth::State::forget_clients);
    realm.browser.hold();
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    // A tab was opened a moment ago, so that there may be none for this.
    follow(&wait_for("the URL", || printed_url(&bridge.stderr()))).unwrap();
    bridge.answer(0).result();
    bridge.finish().clean();
    assert_eq!(realm.count("register"), 2);
}

#[test]
fn a_given_client_that_is_refused_is_reported() {
    let realm = Realm::new();
    let unknown = r#"{"error":"invalid_client","error_description":"no such client"}"#;
    realm.set(|o| o.clients = vec![("given-id", None)]);
    realm.issuer.always("token", move |_| Reply::body(401, "application/json", unknown));
    let answer = initialize(realm.bridge().arg("--client-id=given-id"));
    let error = answer.failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("invalid_client"), "{answer}");
    realm.asked(1, 1, 0);
}

#[test]
fn nothing_to_be_known_by() {
    let realm = Realm::with(|o| o.registers = false);
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("--client-id") && message.contains("127.0.0.1"), "{message}");
    assert!(message.contains("/callback"), "the redirect URI to register: {message}");
    bridge.finish();
    realm.asked(0, 0, 0);
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn registrations_that_are_refused() {
    for (status, content_type, body, says) in [
        (403, "text/plain", "Forbidden", "Forbidden"),
        (401, "text/html", "<html><title>Log in first</title></html>", "401"),
        (
            400,
            "application/json",
            r#"{"error":"invalid_client_metadata"}"#,
            "invalid_client_metadata",
        ),
        (403, "application/json", "null", "403"),
    ] {
        let realm = Realm::new();
        realm.issuer.always("register", move |_| Reply::body(status, content_type, body));
        let answer = initialize(realm.bridge());
        let error = answer.failed("unauthorized");
        let message = error["message"].as_str().unwrap();
        for text in ["registration refused", says, &status.to_string(), "--client-id"] {
            assert!(message.contains(text), "{text:?} is not in {message:?}");
        }
        realm.asked(0, 0, 1);
        assert_eq!(realm.browser.opened(), [""; 0]);
    }
}

#[test]
fn a_registration_is_never_used_at_another_issuer() {
    let realm = Realm::new();
    realm.login(&[]);
    let ids = realm.state(|state| state.clients());
    // The MCP server moves to another authorization server.
    realm.set(|o| {
        o.path = "/new";
        o.metadata_at = Some("/.well-known/oauth-authorization-server/new");
    });
    realm.login(&[]);
    realm.asked(2, 2, 2);
    assert!(!ids.contains(&realm.authorizations()[1]["client_id"]));
}

#[test]
fn a_client_as_json() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"client_id":"given-id","client_secret":"${MY_SECRET}"}"#)
        .unwrap();
    let from_file = format!("@{}", file.path().display());
    let inline = r#"{"client_id":"given-id","client_secret":"fake-secret-of-mine"}"#;
    for (text, warned) in [(from_file.as_str(), false), (inline, true)] {
        let realm = Realm::with(|o| o.clients = vec![("given-id", Some("fake-secret-of-mine"))]);
        let bridge = realm.bridge().arg("--client-info").arg(text).arg("-vv");
        let bridge = bridge.env("MY_SECRET", "fake-secret-of-mine").start();
        bridge.handshake().result();
        let exit = bridge.finish();
        exit.clean();
        realm.asked(1, 1, 0);
        // What is not said is client_secret_basic (RFC 7591, section 2).
        let header = realm.issuer.seen("token")[0].header("authorization").map(str::to_owned);
        assert!(header.unwrap().starts_with("Basic "));
        assert_eq!(exit.stderr.contains("list of processes"), warned, "{}", exit.stderr);
        assert!(!exit.stderr.contains("fake-secret-of-mine"), "{}", exit.stderr);
    }
}

#[test]
fn what_to_register_with() {
    let realm = Realm::new();
    let with = |text: &str| {
        initialize(realm.bridge().arg("--client-metadata").arg(text)).result();
        realm.registrations().pop().unwrap()
    };
    let said = r#"{"scope":"read","software_id":"x","redirect_uris":["https://evil.example/"]}"#;
    let registered = with(said);
    assert_eq!(realm.authorizations()[0]["scope"], "read");
    assert_eq!((&registered["scope"], &registered["software_id"]), (&json!("read"), &json!("x")));
    assert_eq!(registered["redirect_uris"][0], realm.authorizations()[0]["redirect_uri"]);
    realm.asked(1, 1, 1);
    // The same again is the same client, and something else another.
    realm.login(&["--client-metadata", said]);
    realm.asked(2, 2, 1);
    realm.login(&["--client-metadata", r#"{"scope":"read","software_id":"y"}"#]);
    realm.asked(3, 3, 2);
}

#[test]
fn json_that_is_wrong_is_said_before_anything_is_sent() {
    let realm = Realm::new();
    for (flag, text) in [
        ("--client-info", "{\"client_secret\":\"fake-secret\"}"),
        ("--client-info", "fake-secret"),
        ("--client-metadata", "[\"fake-secret\"]"),
        ("--client-metadata", "{\"token_endpoint_auth_method\":\"fake-secret\"}"),
        ("--auth-success-url", "https://user:fake-secret@h.example/"),
    ] {
        let bridge = realm.bridge().arg(flag).arg(text).start();
        let exit = bridge.wait();
        assert_eq!(exit.code, Some(1), "{flag} {text}");
        assert!(
            exit.stderr.contains(flag) && !exit.stderr.contains("fake-secret"),
            "{}",
            exit.stderr
        );
    }
    assert_eq!(realm.mcp.connections(), 0);
}

#[test]
fn a_page_of_ones_own_after_a_sign_in_that_went_well() {
    let realm = Realm::new();
    // Any that is there.
    let page = realm.issuer.url_at("/.well-known/oauth-authorization-server");
    let builder = || realm.bridge().arg("--auth-success-url").arg(&page);
    initialize(builder()).result();
    assert_eq!(realm.browser.wait_pages(1)[0].url.as_str(), page);

    // A failure is told by ours.
    let realm = Realm::with(|o| o.refuses = Some(("access_denied", "")));
    let bridge = realm.bridge().arg("--auth-success-url").arg(&page).start();
    bridge.send(INITIALIZE);
    let shown = &realm.browser.wait_pages(1)[0];
    assert_eq!(shown.status, 400);
    assert_ne!(shown.url.as_str(), page);
    bridge.finish();
}
