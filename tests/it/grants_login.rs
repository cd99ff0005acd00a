//! The sign-in of a person at the identity provider of their company, and what comes of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::grants::{SECRET, contains, realm};
use crate::support::bridge::Builder;
use crate::support::oauth::{Shown, State, form, initialize, sign_in_url, wait_for};
use crate::support::*;

const IDP_SECRET: &str = "fake-idp-secret";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// How the identity provider behaves, and what it has done.
#[derive(Default)]
struct Idp {
    /// Members of the id token that differ; `null` removes one.
    claims: Value,
    /// Seconds that an id token lives.
    life: Option<u64>,
    /// It gives no refresh tokens.
    no_refresh: bool,
    /// It refuses to vouch for the person, with this code.
    refuses: Option<&'static str>,
    /// It no longer takes the refresh tokens and id tokens given so far.
    forgotten: bool,
    codes: HashMap<String, HashMap<String, String>>,
    refresh_tokens: Vec<String>,
    id_tokens: Vec<String>,
    issued: usize,
    /// In the place of the usual secret.
    secret: Option<&'static str>,
}

/// The identity provider of a company.
pub struct Company {
    pub server: Server,
    idp: Arc<Mutex<Idp>>,
}

fn refusal(code: &str) -> Reply {
    Reply::body(400, "application/json", json!({ "error": code }).to_string())
}

impl Company {
    pub fn new() -> Company {
        let server = Server::start();
        let issuer = server.url_at("/tenant");
        let idp = Arc::new(Mutex::new(Idp::default()));
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "scopes_supported": ["openid", "offline_access"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        });
        let at = "/tenant/.well-known/openid-configuration";
        server.always("metadata", move |request| match request.uri.path() == at {
            true => Reply::json(document.to_string()),
            false => Reply::status(404),
        });
        let knows = idp.clone();
        server.always("authorize", move |request| {
            let parameters = form(request.uri.query().unwrap_or_default());
            let mut idp = knows.lock().unwrap();
            idp.issued += 1;
            let code = format!("fake-code-of-idp-{}", idp.issued);
            let mut to = url::Url::parse(&parameters["redirect_uri"]).unwrap();
            let state = &parameters["state"];
            to.query_pairs_mut().append_pair("state", state).append_pair("code", &code);
            idp.codes.insert(code, parameters);
            Reply::status(302).header("location", to.as_str())
        });
        let knows = idp.clone();
        server.always("token", move |request| {
            let mut idp = knows.lock().unwrap();
            let pair = format!("at-idp:{}", idp.secret.unwrap_or(IDP_SECRET));
            let basic = base64::engine::general_purpose::STANDARD.encode(pair);
            if request.header("authorization") != Some(&format!("Basic {basic}")) {
                return refusal("invalid_client");
            }
            idp.token(&issuer, &form(request.text()))
        });
        Company { server, idp }
    }

    fn set(&self, change: impl FnOnce(&mut Idp)) {
        change(&mut self.idp.lock().unwrap());
    }

    pub fn issuer(&self) -> String {
        self.server.url_at("/tenant")
    }

    /// What goes with the grant of a person there.
    pub fn flags(&self) -> Vec<String> {
        vec![
            "--grant=enterprise".into(),
            format!("--idp-issuer={}", self.issuer()),
            "--idp-client-id=at-idp".into(),
            "--idp-client-secret=env:FAKE_IDP_SECRET".into(),
            "--client-id=me".into(),
            "--client-secret=env:FAKE_SECRET".into(),
        ]
    }

    pub fn person(&self, builder: Builder) -> Builder {
        let builder = self.flags().iter().fold(builder, Builder::arg);
        with_secrets(builder)
    }

    pub fn run(&self, realm: &Realm, args: &[&str]) -> Shown {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        realm.spawn_with(&[args, &flags].concat(), &SECRETS).wait()
    }

    /// The forms that the token endpoint was sent with this grant.
    pub fn asked(&self, grant: &str) -> Vec<HashMap<String, String>> {
        let all = self.server.seen("token");
        let forms = all.iter().map(|request| form(request.text()));
        forms.filter(|form| form["grant_type"].ends_with(grant)).collect()
    }
}

pub const SECRETS: [(&str, &str); 2] = [("FAKE_SECRET", SECRET), ("FAKE_IDP_SECRET", IDP_SECRET)];

pub fn with_secrets(builder: Builder) -> Builder {
    SECRETS.iter().fold(builder, |builder, (name, value)| builder.env(name, value))
}

impl Idp {
    fn token(&mut self, issuer: &str, sent: &HashMap<String, String>) -> Reply {
        match sent["grant_type"].rsplit(':').next().unwrap() {
            "authorization_code" => {
                let Some(asked) = self.codes.remove(&sent["code"]) else {
                    return refusal("invalid_grant");
                };
                let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&sent["code_verifier"]));
                if asked["code_challenge"] != challenge
                    || asked["redirect_uri"] != sent["redirect_uri"]
                {
                    return refusal("invalid_grant");
                }
                self.forgotten = false;
                self.tokens(issuer, asked.get("nonce").map(String::as_str))
            }
            "refresh_token" if self.forgotten => refusal("invalid_grant"),
            "refresh_token" => {
                // Each is good once.
                let at = self.refresh_tokens.iter().position(|one| *one == sent["refresh_token"]);
                let Some(at) = at else { return refusal("invalid_grant") };
                self.refresh_tokens.remove(at);
                self.tokens(issuer, None)
            }
            "token-exchange" => {
                if let Some(code) = self.refuses {
                    return refusal(code);
                }
                let known = self.id_tokens.contains(&sent["subject_token"]);
                if !known || self.forgotten {
                    return refusal("invalid_grant");
                }
                Reply::json(
                    json!({ "access_token": "fake-id-jag", "issued_token_type": ID_JAG,
                        "token_type": "N_A", "expires_in": 300 })
                    .to_string(),
                )
            }
            other => panic!("the grant {other}"),
        }
    }

    fn tokens(&mut self, issuer: &str, nonce: Option<&str>) -> Reply {
        self.issued += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": issuer, "sub": "somebody", "aud": "at-idp", "iat": now,
            "exp": now + self.life.unwrap_or(3600), "nonce": nonce, "jti": self.issued,
        });
        for (name, value) in self.claims.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let id_token = format!("e30.{}.fake-signature", URL_SAFE_NO_PAD.encode(claims.to_string()));
        self.id_tokens.push(id_token.clone());
        let refresh = format!("fake-refresh-token-of-idp-{}", self.issued);
        self.refresh_tokens.push(refresh.clone());
        let mut answer = json!({
            "access_token": format!("fake-access-token-of-idp-{}", self.issued), "token_type": "Bearer",
            "expires_in": 600, "id_token": id_token, "refresh_token": refresh,
        });
        if self.no_refresh {
            answer.as_object_mut().unwrap().remove("refresh_token");
        }
        Reply::json(answer.to_string())
    }
}

fn trusting() -> Realm {
    let realm = realm();
    realm.set(|o| o.assertions = vec!["fake-id-jag"]);
    realm
}

/// Makes all that is stored about the identity provider look as if its time were up.
fn expire_identity(realm: &Realm) {
    let mut records = 0;
    for (path, bytes) in realm.kept() {
        let Ok(mut record) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if record["id_token"].is_string() {
            record["expires_at"] = json!(1_000_000_000);
            std::fs::write(&path, record.to_string()).unwrap();
            records += 1;
        }
    }
    assert_eq!(records, 1, "one record of the identity provider");
}

#[test]
fn one_sign_in_is_enough_for_all_servers_of_a_company() {
    let (one, company) = (trusting(), Company::new());
    company.person(one.bridge()).ready(&one.mcp).finish().clean();
    assert_eq!(one.browser.opened().len(), 1);
    let asked = form(company.server.seen("authorize")[0].uri.query().unwrap());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "at-idp"),
        ("scope", "openid offline_access"),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert!(asked["nonce"].len() >= 32 && !asked.contains_key("resource"), "{asked:?}");
    let exchange = &company.asked("token-exchange")[0];
    assert_eq!(exchange["subject_token_type"], "urn:ietf:params:oauth:token-type:id_token");
    assert!(!exchange.contains_key("client_id"), "it is in the header: {exchange:?}");
    assert_eq!(one.token_requests()[0]["assertion"], "fake-id-jag");
    one.asked(0, 1, 0);
    // Another server, the same home: nobody is asked again.
    let two = trusting();
    let builder = Bridge::with(&two.mcp.url()).env("BROWSER", one.browser.command());
    company.person(one.at_home(builder)).ready(&two.mcp).finish().clean();
    two.asked(0, 1, 0);
    assert_eq!(one.browser.opened().len(), 1);
    assert_eq!(company.asked("authorization_code").len(), 1);
    // It is shown, and it can be ended by itself.
    let status = one.run(&["auth", "status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let all = status["signIns"].as_array().unwrap();
    let of_idp: Vec<_> = all.iter().filter(|one| one["identityProvider"] == true).collect();
    assert_eq!((all.len(), of_idp.len()), (3, 1), "{status}");
    assert_eq!(of_idp[0]["server"], company.issuer());
    assert_eq!(of_idp[0]["clientId"], "at-idp");
    let shown = one.run(&["auth", "status", &company.issuer()]);
    assert!(shown.stdout.contains("identity provider"), "{shown:?}");
    one.run(&["logout", &company.issuer()]).code(0);
    one.run(&["auth", "status", &company.issuer()]).code(3);
    one.run(&["auth", "status", &one.mcp.url()]).code(0);
}

#[test]
fn an_id_token_whose_time_is_up_is_renewed_without_anybody() {
    let (realm, company) = (trusting(), Company::new());
    company.run(&realm, &["login", &realm.mcp.url()]).code(0);
    expire_identity(&realm);
    realm.state(State::expire);
    company.person(realm.bridge()).ready(&realm.mcp).finish().clean();
    assert_eq!(realm.browser.opened().len(), 1);
    assert_eq!(company.asked("refresh_token").len(), 1);
    let exchanges = company.asked("token-exchange");
    assert_ne!(exchanges[0]["subject_token"], exchanges[1]["subject_token"]);
    // One that the identity provider refuses before its time is renewed as well.
    company.set(|idp| idp.id_tokens.clear());
    realm.state(State::expire);
    company.person(realm.bridge()).ready(&realm.mcp).finish().clean();
    assert_eq!(company.asked("refresh_token").len(), 2);
    assert_eq!(realm.browser.opened().len(), 1);
    // What can no longer be renewed takes the person.
    expire_identity(&realm);
    company.set(|idp| idp.forgotten = true);
    realm.state(State::expire);
    company.person(realm.bridge()).ready(&realm.mcp).finish().clean();
    assert_eq!(realm.browser.opened().len(), 2);
}

#[test]
fn the_secret_that_is_configured_now_is_used() {
    let (realm, company) = (trusting(), Company::new());
    company.run(&realm, &["login", &realm.mcp.url()]).code(0);
    company.set(|idp| idp.secret = Some("fake-new-secret"));
    let bridge = || company.person(realm.bridge()).env("FAKE_IDP_SECRET", "fake-new-secret");
    realm.state(State::expire);
    bridge().ready(&realm.mcp).finish().clean();
    assert_eq!(company.asked("token-exchange").len(), 2);
    expire_identity(&realm);
    realm.state(State::expire);
    bridge().ready(&realm.mcp).finish().clean();
    assert_eq!(company.asked("refresh_token").len(), 1);
    assert_eq!(realm.browser.opened().len(), 1);
}

#[test]
fn many_bridges_renew_once() {
    let (realm, company) = (trusting(), Company::new());
    company.run(&realm, &["login", &realm.mcp.url()]).code(0);
    expire_identity(&realm);
    realm.state(State::expire);
    realm.many_clients();
    let bridges: Vec<_> = (0..4).map(|_| company.person(realm.bridge()).start()).collect();
    for bridge in &bridges {
        bridge.send(INITIALIZE);
    }
    for bridge in &bridges {
        bridge.answer(0).result();
    }
    for bridge in bridges {
        bridge.finish();
    }
    assert_eq!(company.asked("refresh_token").len(), 1);
    assert_eq!(realm.browser.opened().len(), 1);
}

#[test]
fn without_a_refresh_token_the_person_signs_in_again() {
    let (realm, company) = (trusting(), Company::new());
    company.set(|idp| idp.no_refresh = true);
    company.run(&realm, &["login", &realm.mcp.url()]).code(0);
    expire_identity(&realm);
    realm.state(State::expire);
    // Not where nobody may be asked.
    let silent = company.run(&realm, &["login", &realm.mcp.url(), "--silent"]);
    silent.code(3).says(&["mcp-tether login"]);
    assert_eq!(realm.browser.opened().len(), 1);
    company.run(&realm, &["login", &realm.mcp.url()]).code(0);
    assert_eq!(realm.browser.opened().len(), 2);
}

#[test]
fn an_id_token_that_is_not_meant_for_this_sign_in_is_refused() {
    for (claims, said) in [
        (json!({ "nonce": "fake-other" }), "(nonce)"),
        (json!({ "nonce": null }), "(nonce)"),
        (json!({ "iss": "https://other.example" }), "(iss)"),
        (json!({ "aud": "another" }), "(aud, azp)"),
        (json!({ "exp": 1_000_000_000 }), "(exp)"),
    ] {
        let (realm, company) = (trusting(), Company::new());
        company.set(|idp| idp.claims = claims.clone());
        let error = initialize(company.person(realm.bridge())).value()["error"].take();
        let text = error["message"].as_str().unwrap();
        assert!(text.contains(said) && text.contains("127.0.0.1"), "{claims}: {text}");
        realm.asked(0, 0, 0);
        assert_eq!(company.asked("token-exchange").len(), 0);
        let page = &realm.browser.wait_pages(1)[0];
        assert!(page.status >= 400 && page.body.contains(said), "{page:?}");
        let kept = realm.kept();
        assert!(!kept.iter().any(|(_, bytes)| contains(bytes, "fake-refresh-token-of-idp")));
    }
}

#[test]
fn a_renewed_id_token_is_about_the_same_person() {
    let (realm, company) = (trusting(), Company::new());
    company.run(&realm, &["login", &realm.mcp.url()]).code(0);
    expire_identity(&realm);
    realm.state(State::expire);
    company.set(|idp| idp.claims = json!({ "sub": "somebody else" }));
    // A person who signs in says who they are now.
    company.person(realm.bridge()).ready(&realm.mcp).finish().clean();
    assert_eq!(realm.browser.opened().len(), 2);
    assert_eq!(company.asked("token-exchange").len(), 2);
}

#[test]
fn a_refusal_of_the_identity_provider_is_the_answer() {
    for code in ["access_denied", "invalid_grant", "invalid_target"] {
        let (realm, company) = (trusting(), Company::new());
        company.set(|idp| idp.refuses = Some(code));
        let bridge = company.person(realm.bridge()).start();
        for id in 0..2 {
            bridge.send(INITIALIZE.replace("\"id\":0", &format!("\"id\":{id}")));
            let error = bridge.answer(id).value()["error"].take();
            let text = error["message"].as_str().unwrap();
            assert!(text.contains(code) && text.starts_with("--grant enterprise: "), "{text}");
        }
        bridge.finish();
        realm.asked(0, 0, 0);
        assert_eq!(realm.browser.opened().len(), 1, "{code}");
    }
}

#[test]
fn other_requests_are_told_where_to_sign_in() {
    let (realm, company) = (trusting(), Company::new());
    let builder = company.person(realm.bridge_without_browser());
    let builder = builder.arg("--no-browser").arg("--initialize-deadline=100ms");
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    let url = sign_in_url(&bridge.ask(1, "tools/list"));
    assert!(url.starts_with(&company.issuer()), "{url}");
    assert_eq!(crate::support::browser::follow(&url).unwrap().status, 200);
    wait_for("the token", || (realm.count("token") > 0).then_some(()));
    bridge.ask(2, "tools/list").result();
    bridge.finish();
    realm.asked(0, 1, 0);
}

#[test]
fn endpoints_that_are_given_are_not_looked_up() {
    let (realm, company) = (trusting(), Company::new());
    let at = company.issuer();
    let builder = company.person(realm.bridge());
    let builder = builder.arg(format!("--idp-authorization-endpoint={at}/authorize"));
    let builder = builder.arg(format!("--idp-token-endpoint={at}/token"));
    let builder = builder.arg("--idp-scope=openid email").arg("--auth-param=nonce=fake-mine");
    builder.arg("--auth-param=login_hint=me").ready(&realm.mcp).finish().clean();
    assert_eq!(company.server.seen("metadata").len(), 0);
    let asked = form(company.server.seen("authorize")[0].uri.query().unwrap());
    assert_eq!((asked["scope"].as_str(), asked["login_hint"].as_str()), ("openid email", "me"));
    assert_ne!(asked["nonce"], "fake-mine");
}

#[test]
fn the_identity_provider_is_the_one_that_was_named() {
    let (realm, company) = (trusting(), Company::new());
    let builder = with_secrets(realm.bridge());
    let mut flags = company.flags();
    flags[1] = format!("--idp-issuer={}/", company.issuer());
    let error = initialize(flags.iter().fold(builder, Builder::arg)).value()["error"].take();
    assert!(error["message"].as_str().unwrap().contains("is of another issuer"), "{error}");
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn nothing_of_it_is_seen_elsewhere() {
    let (realm, company) = (trusting(), Company::new());
    let place = tempfile::tempdir().unwrap();
    let (log, trace) = (place.path().join("log"), place.path().join("trace"));
    let builder = company.person(realm.bridge()).arg("-vv");
    let bridge = builder.path("--log-file", &log).path("--trace", &trace).ready(&realm.mcp);
    bridge.ask(1, "tools/call").result();
    let mut seen = bridge.finish().stderr;
    for file in [log, trace] {
        seen += &std::fs::read_to_string(file).unwrap();
    }
    assert!(seen.contains("grant_type"), "token requests are in the trace");
    let mut secrets = vec![SECRET.to_owned(), IDP_SECRET.to_owned(), "fake-id-jag".to_owned()];
    company.set(|idp| {
        secrets.append(&mut idp.id_tokens.clone());
        secrets.append(&mut idp.refresh_tokens.clone());
    });
    for secret in secrets {
        let line = seen.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
}
