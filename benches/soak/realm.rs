//! The authorization server: tokens that live for a moment, refresh tokens that may be used once, and a
//! person who says yes. It is never cut off: whoever loses a refresh token would have to sign in anew.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long a token is good for.
const LIFETIME: Duration = Duration::from_secs(60);

/// Largest body that is read.
const MAX_BODY: usize = 64 << 10;

/// See the module.
pub struct Realm {
    server: String,
    issuer: String,
    state: Mutex<State>,
}

/// What it has done so far.
#[derive(Default)]
pub struct State {
    issued: u64,
    tokens: HashMap<String, Instant>,
    refresh: HashSet<String>,
    /// How often somebody signed in.
    pub sign_ins: u64,
    /// How often a token was refreshed.
    pub refreshed: u64,
    /// Requests that came with a token that is over.
    pub refused: u64,
    /// What must not be.
    pub wrong: Vec<String>,
}

impl Realm {
    /// Guards the MCP server at the origin `server`, itself at the origin `issuer`.
    pub fn new(server: &str, issuer: &str) -> Realm {
        Realm { server: server.to_owned(), issuer: issuer.to_owned(), state: Mutex::default() }
    }

    /// What it has done so far.
    pub fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    /// The refusal of a request to the MCP server without a valid token.
    pub fn guard<T>(&self, request: &Request<T>) -> Option<Response<Body>> {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let mut state = self.state.lock().unwrap();
        let live = token.and_then(|token| state.tokens.get(token));
        if live.is_some_and(|end| Instant::now() < *end) {
            return None;
        }
        state.refused += u64::from(token.is_some());
        let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", self.server);
        let challenge = format!(r#"Bearer resource_metadata="{metadata}""#);
        let response = Response::builder().status(401).header("www-authenticate", challenge);
        Some(response.body(Body::empty()).expect("valid"))
    }

    /// The metadata of the protected resource.
    pub fn metadata(&self) -> Response<Body> {
        let server = format!("{}/mcp", self.server);
        document(200, &json!({ "resource": server, "authorization_servers": [self.issuer] }))
    }

    /// Accepts connections for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let realm = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let realm = realm.clone();
                    async move { Ok::<_, Infallible>(realm.answer(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = to_bytes(Body::new(body), MAX_BODY).await.unwrap_or_default();
        let parse = |text: &[u8]| -> HashMap<String, String> {
            url::form_urlencoded::parse(text).into_owned().collect()
        };
        match head.uri.path() {
            "/authorize" => {
                let asked = parse(head.uri.query().unwrap_or_default().as_bytes());
                let back = url::Url::parse_with_params(
                    asked.get("redirect_uri").map_or("", String::as_str),
                    [("code", "fake-code"), ("state", asked.get("state").map_or("", |s| s))],
                );
                let Ok(back) = back else { return document(400, &json!({})) };
                let response = Response::builder().status(302).header("location", back.as_str());
                response.body(Body::empty()).expect("valid")
            }
            "/register" => {
                let mut client: Value = serde_json::from_slice(&body).unwrap_or_default();
                client["client_id"] = "soak".into();
                document(201, &client)
            }
            "/token" => self.token(&parse(&body)),
            _ => document(
                200,
                &json!({
                    "issuer": self.issuer,
                    "authorization_endpoint": format!("{}/authorize", self.issuer),
                    "token_endpoint": format!("{}/token", self.issuer),
                    "registration_endpoint": format!("{}/register", self.issuer),
                    "response_types_supported": ["code"],
                    "grant_types_supported": ["authorization_code", "refresh_token"],
                    "token_endpoint_auth_methods_supported": ["none"],
                    "code_challenge_methods_supported": ["S256"],
                }),
            ),
        }
    }

    fn token(&self, asked: &HashMap<String, String>) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        match asked.get("refresh_token") {
            Some(token) if state.refresh.remove(token) => state.refreshed += 1,
            Some(_) => {
                state.wrong.push("a refresh token was used twice".to_owned());
                return document(400, &json!({ "error": "invalid_grant" }));
            }
            None => state.sign_ins += 1,
        }
        state.issued += 1;
        let now = Instant::now();
        state.tokens.retain(|_, end| now < *end);
        let (token, refresh) =
            (format!("fake-token-{}", state.issued), format!("fake-refresh-{}", state.issued));
        state.tokens.insert(token.clone(), now + LIFETIME);
        state.refresh.insert(refresh.clone());
        let answer = json!({
            "access_token": token,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": LIFETIME.as_secs(),
        });
        document(200, &answer)
    }
}

fn document(status: u16, value: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    let response = response.header("cache-control", "no-store");
    response.body(Body::from(value.to_string())).expect("valid")
}

/// Goes where a browser would: the main function of the process that `BROWSER` names.
pub async fn browse(address: &str) -> Result<(), super::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    client.get(address).send().await?.error_for_status()?;
    Ok(())
}
