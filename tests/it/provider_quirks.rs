//! What known providers do differently. Each test is one provider as its users meet it; where it
//! takes a flag, the flag is what the documentation tells them.

use serde_json::{Value, json};

use crate::support::browser::follow;
use crate::support::oauth::{At, State};
use crate::support::*;

/// Signs in through a bridge and uses a tool.
#[track_caller]
fn works(realm: &Realm, args: &[&str]) {
    let builder = args.iter().fold(realm.bridge(), |builder, arg| builder.arg(arg));
    let bridge = builder.start();
    bridge.handshake().result();
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
}

/// The error of `initialize`.
#[track_caller]
fn fails(realm: &Realm, args: &[&str]) -> String {
    let builder = args.iter().fold(realm.bridge(), |builder, arg| builder.arg(arg));
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    bridge.finish();
    error["message"].as_str().unwrap().to_owned()
}

/// Entra ID: `resource` contradicts `scope`; no registration; no PKCE in the metadata; a refresh
/// without `scope` is refused.
#[test]
fn entra_without_resource() {
    let realm = Realm::with(|o| {
        o.clients = vec![("00000000-fake-client", None)];
        o.registers = false;
        o.path = "/tenant/v2.0";
        o.metadata_at = Some("/tenant/v2.0/.well-known/openid-configuration");
        o.metadata = json!({
            "code_challenge_methods_supported": null,
            "authorization_response_iss_parameter_supported": null,
        });
        o.iss = oauth::Iss::Missing;
        o.refuses_resource =
            Some((At::Authorize, "invalid_target", "AADSTS9010010: The resource parameter..."));
    });
    realm.issuer.maybe("token", |r| {
        let without = r.text().contains("refresh_token=") && !r.text().contains("scope=");
        let body = r#"{"error":"invalid_request","error_description":"AADSTS90009"}"#;
        without.then(|| Reply::body(400, "application/json", body))
    });
    let scope = "--scope=api://fake/access offline_access";
    let args = ["--client-id=00000000-fake-client", scope, "--allow-missing-pkce-metadata"];
    works(&realm, &args);
    // It went there twice by itself; whoever says so at once is asked once.
    assert_eq!(realm.count("authorize"), 2);
    realm.state(State::expire);
    works(&realm, &args);
    let refresh = realm.token_requests().pop().unwrap();
    assert_eq!(refresh["grant_type"], "refresh_token");
    assert_eq!(refresh["scope"], "api://fake/access offline_access");
    assert!(!refresh.contains_key("resource"));
    realm.login(&[&args[..], &["--resource=none", "--profile=other"]].concat());
    assert_eq!(realm.count("authorize"), 3);
}

/// Google: no registration, a client secret although the client is public, and no refresh token
/// unless asked for in its own way.
#[test]
fn google_without_registration() {
    let realm = Realm::with(|o| o.registers = false);
    let message = fails(&realm, &[]);
    assert!(message.contains("--client-id"), "{message}");
    realm.set(|o| {
        o.clients = vec![("fake.apps.example", Some("fake-google-secret"))];
        o.resource_scopes = Some(vec!["openid", "email"]);
        o.metadata = json!({
            "scopes_supported": ["openid", "email"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        });
        o.rotates = false;
        o.repeats_refresh_token = false;
    });
    let url = realm.mcp.url();
    let shown = realm
        .spawn_with(
            &[
                "login",
                &url,
                "--client-id=fake.apps.example",
                "--client-secret=env:GOOGLE",
                "--auth-param=access_type=offline",
                "--auth-param=prompt=consent",
            ],
            &[("GOOGLE", "fake-google-secret")],
        )
        .wait();
    shown.code(0);
    let asked = realm.authorizations().pop().unwrap();
    assert_eq!((&*asked["access_type"], &*asked["prompt"]), ("offline", "consent"));
    assert_eq!(asked["scope"], "openid email", "no offline_access");
    // The stored client is used for refreshing: no flag, no variable.
    for _ in 0..2 {
        realm.state(State::expire);
        let bridge = realm.bridge().arg("--auth=stored").start();
        bridge.handshake().result();
        bridge.finish().clean();
    }
    let refresh = realm.token_requests().pop().unwrap();
    assert_eq!(refresh["client_secret"], "fake-google-secret");
}

/// GitHub: errors under 200, answers as a form unless told otherwise, no `expires_in`, no refresh
/// token, scopes with commas, no metadata of PKCE.
#[test]
fn github_and_its_error_under_200() {
    let realm = Realm::with(|o| {
        o.clients = vec![("Iv1.fake", Some("fake-github-secret"))];
        o.registers = false;
        o.path = "/login/oauth";
        o.metadata_at = Some("/.well-known/oauth-authorization-server/login/oauth");
        o.refreshes = false;
        o.tokens = json!({ "expires_in": null, "scope": "repo,gist", "token_type": "bearer" });
    });
    let error = "error=bad_verification_code&error_description=The+code+is+incorrect+or+expired.";
    realm.issuer.once("token", Reply::body(200, "application/x-www-form-urlencoded", error));
    let with_secret = |realm: &Realm| {
        let builder = realm.bridge().arg("--client-id=Iv1.fake");
        builder.env("MCP_TETHER_CLIENT_SECRET", "fake-github-secret").start()
    };
    let bridge = with_secret(&realm);
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("bad_verification_code"), "{error}");
    bridge.finish();
    assert_eq!(realm.kept().iter().filter(|(_, bytes)| is_token(bytes)).count(), 0);
    let json = r#"{"error":"incorrect_client_credentials","error_description":"The client_id and/or client_secret passed are incorrect."}"#;
    realm.issuer.once("token", Reply::json(json));
    let url = realm.mcp.url();
    let environment = [("MCP_TETHER_CLIENT_SECRET", "fake-github-secret")];
    let login = ["login", &*url, "--client-id=Iv1.fake"];
    let shown = realm.spawn_with(&login, &environment).wait();
    shown.code(3).says(&["incorrect_client_credentials"]);
    realm.spawn_with(&login, &environment).wait().code(0);
    // No expiry, no refresh token: it is used until it is refused.
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.finish().clean();
    let accept = realm.issuer.seen("token")[0].header("accept").unwrap_or_default().to_owned();
    assert!(accept.contains("application/json"), "{accept}");
}

/// Whether a file has an access token of the scripted server.
fn is_token(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains("fake-access-token")
}

/// Slack: one redirect URI to the letter, and tokens of `token_type` `bot` among other oddities.
#[test]
fn slack_and_its_fixed_callback() {
    // The real port is 3118; a test machine may use it for something else.
    let only: &'static str =
        Box::leak(format!("http://localhost:{}/callback", free_port()).into_boxed_str());
    let realm = Realm::with(|o| {
        o.clients = vec![("1601185624273.fake", None)];
        o.registers = false;
        o.redirect_uri = Some(only);
        o.tokens = json!({ "ok": true, "team": { "id": "T0" } });
    });
    let args = ["--client-id=1601185624273.fake", "--callback-url", only];
    works(&realm, &args);
    assert_eq!(realm.authorizations()[0]["redirect_uri"], only);
    assert_eq!(realm.token_requests()[0]["redirect_uri"], only);
}

/// Figma: registration is for approved clients; the refusal is the word `Forbidden`.
#[test]
fn figma_and_its_refused_registration() {
    let realm = Realm::with(|o| o.clients = vec![("approved", None)]);
    realm.issuer.always("register", |_| Reply::body(403, "text/plain", "Forbidden"));
    let message = fails(&realm, &[]);
    for text in ["client registration refused", "HTTP 403: Forbidden", "127.0.0.1", "--client-id"] {
        assert!(message.contains(text), "{text:?} is not in {message:?}");
    }
    assert_eq!(realm.browser.opened(), [""; 0]);
    works(&realm, &["--client-id=approved"]);
    assert_eq!(realm.count("register"), 1);
}

/// Cognito behind a gateway that wants the id token; no registration, `localhost`, no `iss`, no
/// refresh token in refresh responses.
#[test]
fn cognito_and_its_id_token() {
    let realm = Realm::with(|o| {
        o.clients = vec![("cognito-client", None)];
        o.registers = false;
        o.path = "/eu-west-1_fake";
        o.metadata_at = Some("/eu-west-1_fake/.well-known/openid-configuration");
        o.metadata = json!({ "authorization_response_iss_parameter_supported": null });
        o.iss = oauth::Iss::Missing;
        (o.rotates, o.repeats_refresh_token, o.useful) = (false, false, false);
        o.tokens = json!({ "id_token": "fake-id-token-one-0123456789" });
    });
    let callback = format!("http://localhost:{}/callback", free_port());
    let args = ["--client-id=cognito-client", "--use-id-token", "--callback-url", &callback];
    works(&realm, &args);
    let sent = realm.mcp.seen("tools/call");
    assert_eq!(sent[0].header("authorization"), Some("Bearer fake-id-token-one-0123456789"));
    // After a refresh it is the new one.
    realm.state(State::expire);
    realm.set(|o| o.tokens = json!({ "id_token": "fake-id-token-two-0123456789" }));
    works(&realm, &args);
    let sent = realm.mcp.seen("tools/call");
    assert_eq!(
        sent.last().unwrap().header("authorization"),
        Some("Bearer fake-id-token-two-0123456789")
    );
    assert_eq!(realm.count("authorize"), 1);
}

/// Atlassian: refresh tokens are for one use and a second use ends the family; several processes
/// share one; old servers have metadata only at their own origin.
#[test]
fn atlassian_and_its_rotation() {
    let realm = Realm::with(|o| (o.at_mcp, o.prm) = (true, None));
    realm.many_clients();
    let bridges: Vec<_> = (0..5).map(|_| realm.bridge().start()).collect();
    bridges.iter().for_each(|bridge| drop(bridge.handshake().result()));
    for round in 1..=3 {
        realm.state(State::expire);
        bridges.iter().for_each(|bridge| bridge.send(request(round, "tools/call")));
        bridges.iter().for_each(|bridge| drop(bridge.answer(round).result()));
    }
    realm.asked(1, 4, 1);
    assert!(realm.state(|state| state.dead_families.is_empty()));
    for bridge in bridges {
        bridge.finish().clean();
    }
    // Afterwards the newest one is stored.
    works(&realm, &["--auth=stored"]);
    realm.asked(1, 4, 1);
}

/// A server that challenges POST alone; a GET says 405 to everybody, which proves nothing.
#[test]
fn a_server_with_401_only_on_post() {
    let realm = Realm::with(|o| o.guards = |r| r.http == http::Method::POST);
    realm.mcp.mcp().set(|s| s.listens = false);
    works(&realm, &[]);
    realm.asked(1, 1, 1);
    assert_eq!(realm.mcp.kinds()[0], "initialize", "no probe with GET");
}

/// Auth0, Okta and others: an `audience`, and a query in the authorization endpoint.
#[test]
fn auth0_and_its_audience() {
    let realm = Realm::new();
    works(&realm, &["--auth-param=audience=https://api.example.com/", "--resource=none"]);
    assert_eq!(realm.authorizations()[0]["audience"], "https://api.example.com/");
}

/// HubSpot, Zendesk and others publish one resource for the whole origin.
#[test]
fn hubspot_and_its_resource_at_the_root() {
    let realm =
        Realm::with(|o| (o.prm, o.hint) = (Some("/.well-known/oauth-protected-resource"), true));
    let root = realm.mcp.url_at("");
    realm.set(|o| o.resource = Some(root.clone()));
    works(&realm, &[]);
    assert_eq!(realm.authorizations()[0]["resource"], root, "no slash is added");
}

/// Supabase and others: the challenge is the only way to the metadata.
#[test]
fn supabase_and_its_header() {
    works(&Realm::with(|o| o.prm = Some("/functions/v1/mcp/prm")), &[]);
}

/// Notion: tokens with surprises in their types.
#[test]
fn notion_and_its_types() {
    let realm = Realm::with(|o| {
        o.expires_in = json!("3600");
        o.tokens = json!({ "token_type": "bearer", "bot_id": "x", "owner": { "type": "user" } });
        o.dress = |body: Value| Reply::body(200, "text/json", body.to_string());
    });
    works(&realm, &[]);
}

/// A page in between asks for consent; the person may take their time and come back another way.
#[test]
fn a_gateway_with_a_page_in_between() {
    let realm = Realm::new();
    realm.browser.hold();
    realm.issuer.once("authorize", Reply::body(200, "text/html", "<form>Allow?</form>"));
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let url = realm.browser.wait_opened(1).remove(0);
    assert_eq!(follow(&url).unwrap().body, "<form>Allow?</form>");
    assert_eq!(follow(&url).unwrap().status, 200);
    bridge.answer(0).result();
    bridge.finish();
}
