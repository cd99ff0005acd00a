//! Clients that prove who they are by the certificate of the connection, and tokens that are bound to it
//! (RFC 8705): real handshakes at the MCP server and at the token endpoint.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::bridge::Builder;
use crate::support::oauth::{endpoint, form};
use crate::support::tls::Tls;
use crate::support::*;

const SECRET: &str = "fake-client-secret-0123";

/// An MCP server that takes tokens only over a connection with the certificate that they are bound to,
/// and an authorization server whose token endpoint knows clients by theirs. Its metadata is at another
/// place, where nobody has to show one.
struct World {
    tls: Tls,
    mcp: Server,
    tokens: Server,
    issuer: Server,
    /// The certificate of the client `me`.
    registered: Arc<Mutex<String>>,
    metadata: Arc<Mutex<Value>>,
    home: tempfile::TempDir,
}

impl World {
    fn new(tls: Tls, certificate: &str) -> World {
        let (mcp, tokens) = (Server::with_tls(&tls), Server::with_tls(&tls));
        let issuer = Server::start();
        let registered = Arc::new(Mutex::new(tls.thumbprint(certificate)));
        let known = registered.clone();
        tokens.always("token", move |request| token(request, &known.lock().unwrap()));
        let metadata = Arc::new(Mutex::new(json!({
            "issuer": issuer.url_at(""),
            "token_endpoint": issuer.url_at("/token"),
            "mtls_endpoint_aliases": { "token_endpoint": tokens.url_at("/token") },
            "token_endpoint_auth_methods_supported":
                ["tls_client_auth", "self_signed_tls_client_auth"],
        })));
        let document = metadata.clone();
        issuer.always("metadata", move |_| Reply::json(document.lock().unwrap().to_string()));
        let place = mcp.url_at("/.well-known/oauth-protected-resource/mcp");
        let described = json!({
            "resource": mcp.url(), "authorization_servers": [issuer.url_at("")],
            "tls_client_certificate_bound_access_tokens": true,
        });
        mcp.maybe("*", move |request| guard(request, &place, &described));
        let home = tempfile::tempdir().unwrap();
        World { tls, mcp, tokens, issuer, registered, metadata, home }
    }

    /// A bridge that trusts the servers.
    fn bridge(&self) -> Builder {
        Bridge::with(&self.mcp.url())
            .arg("--store=file")
            .env("MCP_TETHER_HOME", self.home.path())
            .path("--ca-cert", &self.tls.file("ca.pem"))
            .arg("--grant=client-credentials")
            .arg("--client-id=me")
    }

    /// One that is the client with this certificate.
    fn client(&self, certificate: &str) -> Builder {
        self.bridge().path("--client-cert", &self.tls.file(certificate))
    }

    fn set(&self, member: &str, value: Value) {
        self.metadata.lock().unwrap()[member] = value;
    }
}

/// RFC 8705, sections 2 and 3: a token for whoever has the certificate, bound to it.
fn token(request: &Request, registered: &str) -> Reply {
    let sent = form(request.text());
    assert_eq!(sent["grant_type"], "client_credentials");
    let certificate = request.certificate.as_deref().expect("the handshake demands one");
    let proven = match sent.get("client_secret") {
        Some(secret) => secret == SECRET,
        None => certificate == registered,
    };
    if sent["client_id"] != "me" || !proven {
        let body = r#"{"error":"invalid_client","error_description":"who is this?"}"#;
        return Reply::body(401, "application/json", body);
    }
    let claims = json!({ "cnf": { "x5t#S256": certificate } });
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let body = json!({ "access_token": format!("fake.{claims}.sig"), "token_type": "Bearer", "expires_in": 3600 });
    Reply::json(body.to_string())
}

/// What the MCP server says to a request without a token that is bound to the certificate of its
/// connection.
fn guard(request: &Request, place: &str, described: &Value) -> Option<Reply> {
    if let Some(kind) = endpoint(request.uri.path()) {
        return (kind == "prm").then(|| Reply::json(described.to_string()));
    }
    let token = request.header("authorization").and_then(|field| field.strip_prefix("Bearer "));
    let claims = token.and_then(|token| token.split('.').nth(1));
    let claims = claims.map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let claims: Value = claims.map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
    let bound = claims["cnf"]["x5t#S256"].as_str();
    if bound.is_some() && bound == request.certificate.as_deref() {
        return None;
    }
    let error = if bound.is_some() { "error=\"invalid_token\", " } else { "" };
    let field = format!("Bearer {error}resource_metadata=\"{place}\"");
    Some(Reply::body(401, "text/plain", "no").header("www-authenticate", &field))
}

/// The error in which `initialize` ends.
#[track_caller]
fn refused(builder: Builder) -> String {
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).value()["error"].take();
    bridge.finish();
    error["message"].as_str().unwrap_or_else(|| panic!("an error: {error}")).to_owned()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn a_client_with_a_certificate() {
    for (tls, certificate) in
        [(Tls::mutual(), "client-both.pem"), (Tls::any_certificate(), "self.pem")]
    {
        let world = World::new(tls, certificate);
        let bridge = world.client(certificate).ready(&world.mcp);
        bridge.ask(1, "tools/call").result();
        bridge.finish().clean();
        assert_eq!(world.tokens.seen("token").len(), 1);
        let sent = form(world.tokens.seen("token")[0].text());
        assert_eq!((&*sent["client_id"], sent.contains_key("client_secret")), ("me", false));
        assert_eq!(sent["resource"], world.mcp.url());
        let thumbprint = Some(world.tls.thumbprint(certificate));
        assert!(world.mcp.seen("*").iter().all(|request| request.certificate == thumbprint));
        // The token is kept; whoever has the certificate can use it.
        world.client(certificate).ready(&world.mcp).finish().clean();
        assert_eq!(world.tokens.seen("token").len(), 1);
        assert_eq!(world.issuer.seen("token").len(), 0);
    }
}

#[test]
fn a_token_is_of_no_use_with_another_certificate() {
    let world = World::new(Tls::mutual(), "client-both.pem");
    world.client("client-both.pem").ready(&world.mcp).finish().clean();
    let text = refused(world.client("other.pem"));
    says(&text, &["invalid_client", "--client-cert"]);
    // Once that one is known as the client, it gets a token of its own.
    *world.registered.lock().unwrap() = world.tls.thumbprint("other.pem");
    world.client("other.pem").ready(&world.mcp).finish().clean();
    assert_eq!(world.tokens.seen("token").len(), 3);
}

#[test]
fn without_the_right_certificate_the_error_says_what_to_do() {
    let world = World::new(Tls::mutual(), "client-both.pem");
    let with_secret = || world.bridge().arg("--client-secret=env:FAKE").env("FAKE", SECRET);
    let host = "127.0.0.1";
    says(&refused(with_secret()), &[host, "wants", "client certificate", "--client-cert"]);
    // Issued by nobody whom the server knows.
    let stranger = Tls::new();
    let builder = world.bridge().path("--client-cert", &stranger.file("client-both.pem"));
    says(&refused(builder), &[host, "client certificate", "--client-cert"]);
    assert_eq!(world.mcp.seen("*").len() + world.tokens.seen("*").len(), 0);
    // Known to the MCP server, and not to the token endpoint.
    let elsewhere = World::new(Tls::any_certificate(), "self.pem");
    elsewhere
        .set("mtls_endpoint_aliases", json!({ "token_endpoint": world.tokens.url_at("/token") }));
    let builder = elsewhere.client("self.pem").path("--ca-cert", &world.tls.file("ca.pem"));
    says(&refused(builder), &[host, "client certificate", "--client-cert"]);
    // An authorization server that takes none.
    elsewhere.set("token_endpoint_auth_methods_supported", json!(["client_secret_basic"]));
    says(
        &refused(elsewhere.client("self.pem")),
        &["takes no client certificate", "--client-secret"],
    );
}

#[test]
fn a_certificate_is_shown_to_nobody_else() {
    // The metadata is where a certificate is demanded, too.
    let world = World::new(Tls::mutual(), "client-both.pem");
    let hidden = Server::with_tls(&world.tls);
    let described =
        json!({ "resource": world.mcp.url(), "authorization_servers": [hidden.url_at("")] });
    world.mcp.always("prm", move |_| Reply::json(described.to_string()));
    let text = refused(world.client("client-both.pem"));
    says(&text, &["client certificate", "--token-endpoint"]);
    assert_eq!(hidden.seen("*").len(), 0);
    let named = format!("--token-endpoint={}", world.tokens.url_at("/token"));
    world.client("client-both.pem").arg(named).ready(&world.mcp).finish().clean();
    assert_eq!(world.issuer.seen("*").len(), 0);
}

#[test]
fn a_client_with_a_secret_gets_tokens_that_are_bound_to_its_certificate() {
    let world = World::new(Tls::mutual(), "other.pem");
    world.set("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    world.set("tls_client_certificate_bound_access_tokens", json!(true));
    let builder = world.client("client-both.pem");
    let builder = builder.arg("--client-secret=env:FAKE").env("FAKE", SECRET);
    let bridge = builder.ready(&world.mcp);
    bridge.ask(1, "tools/call").result();
    bridge.finish().clean();
    let sent = form(world.tokens.seen("token")[0].text());
    assert_eq!(sent["client_secret"], SECRET);
    // One binding is enough, unless somebody insists.
    world.set("dpop_signing_alg_values_supported", json!(["ES256"]));
    let again = |more: &str| {
        let builder = world.client("client-both.pem").arg("--client-secret=env:FAKE");
        let builder = builder.env("FAKE", SECRET).arg("--profile=other").arg(more);
        let bridge = builder.start();
        bridge.handshake().result();
        bridge.finish().clean();
        world.tokens.seen("token")
    };
    assert!(again("--dpop=auto")[1].header("dpop").is_none());
}
