//! What authorization servers answer to registrations and token requests.

use serde_json::{Value, json};

use super::*;

/// How `initialize` comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    SignedIn,
    Failed,
    /// Either, once.
    Any,
}
use Outcome::{Any, Failed, SignedIn};

/// Signs in at this realm.
#[track_caller]
fn signs_in(case: &Case, realm: &Realm, outcome: Outcome) -> Exit {
    let bridge = armed(realm.bridge()).start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    eprintln!("{answer}");
    match outcome {
        SignedIn => drop(answer.result()),
        Failed => assert!(answer.is_error, "{answer}"),
        Any => {}
    }
    realm.no_secret_in("an answer", &answer.text);
    let exit = case.end(bridge);
    realm.no_secret_in("stderr", &exit.stderr);
    if outcome == Any {
        // A client that was told nonsense can only talk nonsense.
        realm.state(|state| state.breaches.clear());
    }
    // Nobody has to look at more than one tab for it.
    assert!(realm.browser.opened().len() <= 1);
    exit
}

/// Every token response has these members in place of its own.
#[track_caller]
fn token_with(members: Value, outcome: Outcome) -> Realm {
    let case = Case::new();
    let realm = Realm::with(|o| o.tokens = members);
    signs_in(&case, &realm, outcome);
    realm
}

/// Every token request gets this.
#[track_caller]
fn token_is(reply: Reply, outcome: Outcome) {
    let case = Case::new();
    let realm = Realm::new();
    realm.issuer.always("token", move |_| reply.clone());
    signs_in(&case, &realm, outcome);
    assert!(realm.count("token") <= 4, "{} token requests", realm.count("token"));
}

/// A registration has these members in place of its own.
#[track_caller]
fn registered_with(members: Value, outcome: Outcome) -> Realm {
    let case = Case::new();
    let realm = Realm::with(|o| o.registered = members);
    signs_in(&case, &realm, outcome);
    realm
}

macro_rules! cases {
    ($how:ident: $($name:ident: $what:expr => $outcome:expr;)*) => {$(
        #[test]
        fn $name() {
            $how($what, $outcome);
        }
    )*};
}

cases! { token_is:
    a_page_as_a_token: Reply::body(200, "text/html", "<html><title>Welcome</title></html>") => Failed;
    a_token_response_of_five_megabytes:
        Reply::json(format!("{{\"access_token\":\"fake\",\"token_type\":\"Bearer\",\"x\":\"{}\"}}", "x".repeat(5 << 20)))
        => Failed;
    a_token_response_that_is_nested: Reply::json("{\"a\":".repeat(200_000)) => Failed;
    a_token_response_that_is_empty: Reply::json("") => Failed;
    a_token_response_that_is_a_list: Reply::json("[]") => Failed;
    a_token_response_under_204: Reply::status(204) => Failed;
    a_token_and_an_error:
        Reply::json(r#"{"access_token":"fake-both-0123456789","token_type":"Bearer","error":"access_denied"}"#)
        => Failed;
    an_error_of_a_mebibyte:
        Reply::body(400, "application/json", format!("{{\"error\":\"{}\"}}", "e".repeat(1000 << 10))) => Failed;
    an_error_that_moves_the_cursor:
        Reply::body(400, "application/json", r#"{"error":"\u001b[2Jinvalid\u202e","error_description":"\r\nmcp-tether: forged line\u0007"}"#)
        => Failed;
    a_token_endpoint_that_always_has_trouble: Reply::status(503).header("retry-after", "0") => Failed;
    a_token_endpoint_that_only_wants_another_nonce:
        Reply::body(400, "application/json", r#"{"error":"use_dpop_nonce"}"#).header("dpop-nonce", "n") => Failed;
    a_token_of_form_fields: Reply::body(200, "application/x-www-form-urlencoded", "access_token=&token_type=bearer")
        => Failed;
}

cases! { token_with:
    a_token_with_a_line_end: json!({ "access_token": "fake\r\nx-injected: yes" }) => Failed;
    a_token_with_a_nul: json!({ "access_token": "fake\u{0}token" }) => Failed;
    a_token_of_another_alphabet: json!({ "access_token": "fake-\u{202e}\u{e9}" }) => Any;
    a_token_that_is_empty: json!({ "access_token": "" }) => Failed;
    a_token_that_is_a_number: json!({ "access_token": 7 }) => Failed;
    a_token_that_is_missing: json!({ "access_token": null }) => Failed;
    a_type_that_nobody_knows: json!({ "token_type": "mac" }) => Failed;
    a_type_that_is_a_list: json!({ "token_type": ["Bearer"] }) => Any;
    a_type_with_a_line_end: json!({ "token_type": "Bearer\r\nx-injected: yes" }) => Failed;
    a_life_of_less_than_nothing: json!({ "expires_in": -1 }) => Any;
    a_life_without_end: json!({ "expires_in": 18_446_744_073_709_551_615u64 }) => SignedIn;
    a_life_that_is_no_number: json!({ "expires_in": "soon" }) => Any;
    a_life_in_exponents: json!({ "expires_in": 1e300 }) => Any;
    a_refresh_token_that_is_a_list: json!({ "refresh_token": [1] }) => Any;
    a_refresh_token_of_half_a_mebibyte: json!({ "refresh_token": "r".repeat(MIB / 2) }) => Any;
    a_scope_of_half_a_mebibyte: json!({ "scope": "s ".repeat(MIB / 4) }) => Any;
    a_scope_with_line_ends: json!({ "scope": "a\r\nx-injected: yes\u{1b}[2J" }) => Any;
    an_id_token_that_is_none: json!({ "id_token": "a.b.c" }) => SignedIn;
}

cases! { registered_with:
    a_client_id_of_half_a_mebibyte: json!({ "client_id": "c".repeat(MIB / 2) }) => Failed;
    a_client_id_with_line_ends: json!({ "client_id": "a\r\nx-injected: yes" }) => Any;
    a_client_id_with_parameters: json!({ "client_id": "a&redirect_uri=https://attacker.invalid/&x=" }) => Any;
    a_client_id_that_moves_the_cursor: json!({ "client_id": "a\u{1b}[2J\u{202e}" }) => Any;
    a_client_id_that_is_a_number: json!({ "client_id": 1e300 }) => Any;
    a_client_id_that_is_an_object: json!({ "client_id": { "a": 1 } }) => Failed;
    a_client_without_an_id: json!({ "client_id": null }) => Failed;
    a_secret_of_half_a_mebibyte: json!({
        "client_secret": "s".repeat(MIB / 2), "token_endpoint_auth_method": "client_secret_post"
    }) => Any;
    a_secret_with_line_ends: json!({
        "client_secret": "fake\r\nx-injected: yes", "token_endpoint_auth_method": "client_secret_basic"
    }) => Any;
    a_secret_that_has_expired: json!({ "client_secret": "fake-secret-0123456789", "client_secret_expires_at": 1 }) => Any;
    a_method_that_nobody_knows: json!({ "token_endpoint_auth_method": "$(touch x)" }) => Any;
}

/// Whatever a registration says of it, the person comes back to this machine.
#[test]
fn redirect_uris_of_somebody_else() {
    for uri in ["https://attacker.invalid/callback", "file:///bin/sh", "$(touch x)"] {
        let case = Case::new();
        let realm = Realm::with(|o| o.registered = json!({ "redirect_uris": [uri] }));
        let bridge = armed(realm.bridge()).arg("--initialize-deadline=300ms").start();
        bridge.send(INITIALIZE);
        let opened = realm.browser.wait_opened(1).remove(0);
        bridge.answer(0);
        case.end(bridge);
        let asked = oauth::form(url::Url::parse(&opened).unwrap().query().unwrap());
        assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"), "{opened}");
    }
}

/// Nothing of a server's answer becomes a header field of its own.
#[test]
fn no_header_of_its_own() {
    for (token, registered) in [
        (json!({ "access_token": "fake\r\nx-injected: yes" }), json!({})),
        (json!({ "token_type": "Bearer\r\nx-injected: yes" }), json!({})),
        (json!({}), json!({ "client_id": "a\r\nx-injected: yes" })),
        (
            json!({}),
            json!({ "client_secret": "a\r\nx-injected: yes", "token_endpoint_auth_method": "client_secret_basic" }),
        ),
    ] {
        let case = Case::new();
        let realm = Realm::with(|o| (o.tokens, o.registered) = (token, registered));
        signs_in(&case, &realm, Any);
        for request in realm.mcp.seen("*").iter().chain(&realm.issuer.seen("*")) {
            assert!(!request.headers.contains_key("x-injected"), "{}", request.kind);
        }
    }
}

/// A client id is one parameter, whatever is in it.
#[test]
fn no_parameter_of_its_own() {
    let realm =
        registered_with(json!({ "client_id": "a&redirect_uri=https://attacker.invalid/&x=" }), Any);
    for asked in realm.authorizations() {
        assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"), "{asked:?}");
        assert!(!asked.contains_key("x"), "{asked:?}");
    }
}

/// The answer to a refresh names a refresh token that is none: the person signs in again, once.
#[test]
fn a_refresh_token_that_becomes_rubbish() {
    let case = Case::new();
    let realm = Realm::new();
    realm.login_expired(&[]);
    realm.set(|o| o.tokens = json!({ "refresh_token": "rubbish", "expires_in": 1 }));
    let bridge = armed(realm.bridge()).start();
    bridge.handshake().result();
    realm.state(oauth::State::expire);
    bridge.send(request(1, "tools/call"));
    assert!(bridge.answer(1).id.is_some());
    case.end(bridge);
    assert!(realm.count("token") <= 6, "{}", realm.count("token"));
    assert!(realm.browser.opened().len() <= 2);
}

/// Tokens that the server itself never takes: every request costs a bounded number of others.
#[test]
fn tokens_that_are_never_good() {
    let case = Case::new();
    let realm = Realm::with(|o| o.useful = false);
    realm.many_clients();
    let bridge = armed(realm.bridge()).start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).is_error);
    for id in 1..=5 {
        assert!(bridge.ask(id, "tools/list").is_error);
    }
    case.end(bridge);
    assert!(realm.count("token") <= 8, "{} tokens", realm.count("token"));
    assert!(realm.browser.opened().len() <= 2, "{:?}", realm.browser.opened());
    assert!(realm.mcp.seen("*").len() <= 40, "{:?}", realm.mcp.kinds());
}
