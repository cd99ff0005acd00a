//! The authorization server. It plays its part honestly, whatever the options, and takes down what
//! the other side does wrong.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::options::{At, Iss, Options, patched};
use super::proofs::{Keys, Lack};
use super::{Shared, endpoint, form, unattended};
use crate::support::{Reply, Request};

/// Counts the secrets of all servers.
static SECRETS: AtomicUsize = AtomicUsize::new(1);

pub type Parameters = HashMap<String, String>;

/// What the authorization server knows.
#[derive(Default)]
pub struct State {
    /// What was sent that the specifications forbid.
    pub breaches: Vec<String>,
    /// Everything that must not be seen anywhere.
    pub secrets: Vec<String>,
    /// Tokens that were revoked on demand.
    pub revoked: Vec<String>,
    /// The families of refresh tokens that were revoked because one was used twice.
    pub dead_families: HashSet<usize>,
    /// Keys, and the tokens that are bound to them.
    pub keys: Keys,
    /// What was used of what is good for one use.
    pub assertions: HashSet<String>,
    registered: HashMap<String, Client>,
    codes: HashMap<String, Grant>,
    refresh_tokens: HashMap<String, (usize, Grant)>,
    access_tokens: HashMap<String, String>,
    /// Codes for other devices, by what the client knows them by.
    pub devices: HashMap<String, super::device::Waiting>,
    issued: usize,
}

#[derive(Clone)]
struct Client {
    secret: Option<String>,
    method: String,
    redirect_uris: Option<Vec<String>>,
    /// It gets tokens that are bound to a key, and no others.
    bound: bool,
}

/// What a person agreed to.
#[derive(Clone)]
pub struct Grant {
    /// The parameters of the request.
    pub request: Parameters,
    /// What was agreed to.
    pub scope: String,
}

impl State {
    /// The scope of an access token that is valid.
    pub fn scope_of(&self, token: &str) -> Option<String> {
        self.access_tokens.get(token).cloned()
    }

    /// Access tokens given so far are no longer accepted.
    pub fn expire(&mut self) {
        self.access_tokens.clear();
    }

    /// Refresh tokens given so far are no longer accepted.
    pub fn forget_refresh_tokens(&mut self) {
        self.refresh_tokens.clear();
    }

    /// Registrations made so far are no longer known.
    pub fn forget_clients(&mut self) {
        self.registered.clear();
    }

    /// The ids of all registered clients.
    pub fn clients(&self) -> Vec<String> {
        self.registered.keys().cloned().collect()
    }

    pub fn new_secret(&mut self, kind: &str) -> String {
        self.issued += 1;
        // Unlike those of all other servers.
        let number = SECRETS.fetch_add(1, Ordering::SeqCst);
        let secret = format!("fake-{kind}-{number:04}-0123456789abcdef");
        self.secrets.push(secret.clone());
        secret
    }

    /// Notes what was sent that must not be.
    pub fn breach(&mut self, what: impl Into<String>) {
        self.breaches.push(what.into());
    }
}

/// Answers a request for sign-in; `at_mcp` tells on which of the two servers it arrived.
pub fn answer(shared: &Shared, at_mcp: bool, request: &Request) -> Option<Reply> {
    let options = shared.options.lock().unwrap();
    let mut state = shared.state.lock().unwrap();
    let path = request.uri.path();
    let endpoint = endpoint(path)?;
    if options.at_mcp != at_mcp {
        return None;
    }
    if endpoint == "metadata" {
        let found = options.metadata_at == Some(path);
        return found.then(|| Reply::json(metadata(shared, &options).to_string()));
    }
    if path.strip_suffix(endpoint) != Some(&format!("{}/", options.path)) {
        return None;
    }
    let reply = match endpoint {
        "authorize" => authorize(shared, &options, &mut state, request),
        "token" => token(shared, &options, &mut state, request).late(options.token_delay),
        "register" if options.registers => register(&options, &mut state, request),
        "revoke" => revoke(&mut state, request),
        "device" if options.device.is_some() => {
            super::device::authorize(shared, &options, &mut state, request)
        }
        _ => return None,
    };
    Some(reply)
}

fn metadata(shared: &Shared, options: &Options) -> Value {
    let issuer = shared.issuer(options);
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "authorization_response_iss_parameter_supported": true,
    });
    if options.device.is_some() {
        document["device_authorization_endpoint"] = json!(format!("{issuer}/device"));
    }
    if options.registers {
        document["registration_endpoint"] = json!(format!("{issuer}/register"));
    }
    patched(document, &options.metadata)
}

fn register(options: &Options, state: &mut State, request: &Request) -> Reply {
    let Ok(asked) = serde_json::from_slice::<Value>(&request.body) else {
        state.breach("the registration is no JSON");
        return Reply::status(400);
    };
    state.issued += 1;
    let id = format!("client-{}", state.issued);
    let mut response = asked;
    response["client_id"] = json!(id);
    let method = response["token_endpoint_auth_method"].as_str().unwrap_or("client_secret_basic");
    if method != "none" {
        response["client_secret"] = json!(state.new_secret("client-secret"));
        response["client_secret_expires_at"] = json!(0);
    }
    let response = patched(response, &options.registered);
    let text = |name: &str| response[name].as_str().map(str::to_owned);
    if let Some(secret) = text("client_secret") {
        state.secrets.push(secret);
    }
    let uris = serde_json::from_value(response["redirect_uris"].clone()).ok();
    let client = Client {
        secret: text("client_secret"),
        method: text("token_endpoint_auth_method").unwrap_or_else(|| "any".into()),
        redirect_uris: uris,
        bound: response["dpop_bound_access_tokens"] == true,
    };
    state.registered.insert(text("client_id").unwrap_or(id), client);
    Reply::body(201, "application/json", response.to_string())
}

/// The client with this id, if it is known.
fn client(options: &Options, state: &State, id: &str) -> Option<Client> {
    let any = |secret: Option<&str>| Client {
        secret: secret.map(str::to_owned),
        method: "any".into(),
        redirect_uris: None,
        bound: false,
    };
    if let Some((_, secret)) = options.clients.iter().find(|(known, _)| *known == id) {
        return Some(any(*secret));
    }
    let documents = options.metadata["client_id_metadata_document_supported"] == true;
    if documents && id.starts_with("https://") {
        return Some(any(None));
    }
    state.registered.get(id).cloned()
}

fn authorize(shared: &Shared, options: &Options, state: &mut State, request: &Request) -> Reply {
    let query = request.uri.query().unwrap_or_default();
    let parameters = form(query);
    let get = |name: &str| parameters.get(name).map_or("", String::as_str);
    let names: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(n, _)| n).collect();
    if names.len() != parameters.len() {
        state.breach(format!("a parameter is there twice: {names:?}"));
    }
    if request.http != Method::GET || get("response_type") != "code" {
        state.breach(format!("no authorization request: {query}"));
    }
    if get("code_challenge_method") != "S256" || get("code_challenge").len() != 43 {
        state.breach(format!("no PKCE: {query}"));
    }
    // 256 bits are 43 characters of base64.
    if get("state").len() < 43 {
        state.breach(format!("state is short: {query}"));
    }
    let page = |text: &str| Reply::body(400, "text/plain", text.to_owned());
    let Some(client) = client(options, state, get("client_id")) else {
        return page("unknown client");
    };
    let Ok(mut to) = Url::parse(get("redirect_uri")) else { return page("no redirect_uri") };
    let covered = client.redirect_uris.is_none_or(|uris| uris.iter().any(|u| u == to.as_str()));
    if !covered || options.redirect_uri.is_some_and(|only| only != get("redirect_uri")) {
        return page("redirect_uri is not registered");
    }
    let mut response = vec![("state", get("state").to_owned())];
    let mut refuse = |error: &str, description: &str| {
        response.push(("error", error.to_owned()));
        response.push(("error_description", description.to_owned()));
    };
    match (options.refuses, options.refuses_resource) {
        (Some((error, description)), _) => refuse(error, description),
        (_, Some((At::Authorize, error, description))) if parameters.contains_key("resource") => {
            refuse(error, description);
        }
        _ => {
            let code = state.new_secret("code");
            let scope = get("scope").to_owned();
            response.push(("code", code.clone()));
            state.codes.insert(code, Grant { request: parameters.clone(), scope });
        }
    }
    match &options.iss {
        Iss::Right => response.push(("iss", shared.issuer(options))),
        Iss::Other(iss) => response.push(("iss", iss.clone())),
        Iss::Missing => {}
    }
    to.query_pairs_mut().extend_pairs(response);
    Reply::status(302).header("location", to.as_str())
}

/// RFC 6749, section 5.2.
pub fn refusal(status: u16, error: &str, description: &str) -> Reply {
    let body = json!({ "error": error, "error_description": description });
    Reply::body(status, "application/json", body.to_string())
}

fn token(shared: &Shared, options: &Options, state: &mut State, request: &Request) -> Reply {
    if request.header("content-type") != Some("application/x-www-form-urlencoded") {
        state.breach(format!("token request: {:?}", request.header("content-type")));
    }
    let parameters = form(request.text());
    let get = |name: &str| parameters.get(name).map_or("", String::as_str);
    let workload = get("grant_type").ends_with(":jwt-bearer");
    let known = if parameters.contains_key("client_assertion") {
        unattended::signed(options, state, &shared.issuer(options), &parameters)
    } else if workload
        && !parameters.contains_key("client_id")
        && request.header("authorization").is_none()
    {
        // The assertion says who it is.
        Some(String::new())
    } else {
        authenticated(options, state, request, &parameters)
    };
    let Some(id) = known else {
        return refusal(401, "invalid_client", "who is this?");
    };
    if let Some((At::Token, error, description)) = options.refuses_resource
        && parameters.contains_key("resource")
    {
        return refusal(400, error, description);
    }
    let mut jkt = None;
    if options.proofs.binds {
        let url = format!("{}/token", shared.issuer(options));
        match state.keys.check(request, &url, None, options.proofs.token_nonce) {
            Ok(key) => jkt = Some(key),
            Err(Lack::Proof) => {}
            Err(Lack::Nonce) => {
                let nonce = options.proofs.token_nonce.unwrap_or_default();
                return refusal(400, "use_dpop_nonce", "").header("dpop-nonce", nonce);
            }
        }
    }
    let bound = options.proofs.binds && state.registered.get(&id).is_some_and(|c| c.bound);
    if jkt.is_none() && bound {
        return refusal(400, "invalid_grant", "this client needs a proof");
    }
    if let Some(grant) = unattended::grant(options, state, &parameters) {
        let family = state.issued;
        return grant
            .map_or_else(|no| no, |grant| issue(options, state, family, grant, false, jkt));
    }
    let (family, grant) = match get("grant_type") {
        "authorization_code" => {
            let Some(grant) = state.codes.remove(get("code")) else {
                return refusal(400, "invalid_grant", "unknown code");
            };
            state.secrets.push(get("code_verifier").to_owned());
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
            if grant.request.get("code_challenge") != Some(&digest) {
                state.breach("the code verifier is wrong");
            }
            let bound = grant.request.get("dpop_jkt").filter(|_| options.proofs.binds);
            if bound.is_some_and(|bound| Some(bound) != jkt.as_ref()) {
                state.breach("a code without the key that it is bound to");
            }
            if grant.request["redirect_uri"] != get("redirect_uri") {
                state.breach(format!("redirect_uri: {}", get("redirect_uri")));
            }
            (state.issued, grant)
        }
        "refresh_token" => {
            let Some((family, grant)) = state.refresh_tokens.get(get("refresh_token")).cloned()
            else {
                return refusal(400, "invalid_grant", "unknown refresh token");
            };
            if state.dead_families.contains(&family) {
                return refusal(400, "invalid_grant", "revoked");
            }
            (family, grant)
        }
        super::device::GRANT => match super::device::poll(options, state, get("device_code")) {
            Ok(grant) => (state.issued, grant),
            Err(error) => return refusal(400, error, "not yet, or no more"),
        },
        other => {
            state.breach(format!("grant_type {other}"));
            return refusal(400, "unsupported_grant_type", "");
        }
    };
    if grant.request["client_id"] != id {
        state.breach(format!("a grant for {} is used by {id}", grant.request["client_id"]));
    }
    // Where it is refused it may be left out from then on (RFC 8707, section 2.2).
    let may_differ = options.refuses_resource.is_some() && !parameters.contains_key("resource");
    if grant.request.get("resource") != parameters.get("resource") && !may_differ {
        state.breach(format!("resource differs: {:?}", parameters.get("resource")));
    }
    if get("grant_type") == "refresh_token" && options.rotates {
        // The token stays known, so that a second use is noticed.
        let spent = format!("spent {}", get("refresh_token"));
        if state.refresh_tokens.contains_key(&spent) {
            state.dead_families.insert(family);
            return refusal(400, "invalid_grant", "used twice");
        }
        state.refresh_tokens.insert(spent, (family, grant.clone()));
    }
    let again = get("grant_type") == "refresh_token";
    if again && state.keys.of.get(get("refresh_token")) != jkt.as_ref() {
        state.breach("a refresh token without the key that it is bound to");
    }
    issue(options, state, family, grant, again, jkt)
}

fn issue(
    options: &Options,
    state: &mut State,
    family: usize,
    grant: Grant,
    again: bool,
    jkt: Option<String>,
) -> Reply {
    let access = state.new_secret("access-token");
    if options.useful {
        state.access_tokens.insert(access.clone(), grant.scope.clone());
    }
    let mut body = json!({
        "access_token": access,
        "token_type": if jkt.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": options.expires_in,
    });
    if options.refreshes && (!again || options.repeats_refresh_token) {
        let refresh = state.new_secret("refresh-token");
        state.refresh_tokens.insert(refresh.clone(), (family, grant.clone()));
        if let Some(jkt) = &jkt {
            state.keys.of.insert(refresh.clone(), jkt.clone());
        }
        body["refresh_token"] = json!(refresh);
    }
    if let Some(jkt) = jkt {
        state.keys.of.insert(access, jkt);
    }
    if !grant.scope.is_empty() {
        body["scope"] = json!(grant.scope);
    }
    let body = patched(body, &options.tokens);
    if let Some(id_token) = body["id_token"].as_str() {
        state.secrets.push(id_token.to_owned());
        state.access_tokens.insert(id_token.to_owned(), grant.scope);
    }
    (options.dress)(body)
}

/// The id of the client that sent a token request, if it could prove who it is (RFC 6749, 2.3.1).
pub fn authenticated(
    options: &Options,
    state: &mut State,
    request: &Request,
    parameters: &Parameters,
) -> Option<String> {
    let basic = request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let (method, id, secret) = if let Some(basic) = basic {
        let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |text: &str| form(&format!("v={text}")).remove("v");
        if parameters.contains_key("client_secret") {
            state.breach("the client proves itself twice");
        }
        ("client_secret_basic", decode(id)?, decode(secret))
    } else {
        let secret = parameters.get("client_secret").cloned();
        let method = if secret.is_some() { "client_secret_post" } else { "none" };
        (method, parameters.get("client_id").cloned()?, secret)
    };
    let client = client(options, state, &id)?;
    if client.method != "any" && client.method != method {
        state.breach(format!("{method} in place of {}", client.method));
    }
    (client.secret.is_none() || client.secret == secret).then_some(id)
}

/// RFC 7009.
fn revoke(state: &mut State, request: &Request) -> Reply {
    let parameters = form(request.text());
    let token = parameters.get("token").cloned().unwrap_or_default();
    state.access_tokens.remove(&token);
    state.refresh_tokens.remove(&token);
    state.revoked.push(token);
    Reply::status(200)
}
