//! The requests as they go out, and what is made of the answers of real servers.

pub(in crate::auth) mod server;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use self::server::{Server, web};
use super::*;
use crate::error::FailureKind;
use crate::store::ClientAuth;
use crate::store::record::VERSION;

const JSON: &str = "200 OK\r\nContent-Type: application/json";
const GRANTED: &str = r#"{"access_token":"fake-access","token_type":"Bearer"}"#;

fn client(auth: ClientAuth) -> ClientRecord {
    ClientRecord {
        version: VERSION,
        issuer: "https://as.example".into(),
        client_id: "fake client+:/é".into(),
        client_secret: (auth != ClientAuth::None).then(|| secret("fake secret%:")),
        auth,
        redirect_uri: "http://127.0.0.1:20123/callback".into(),
        registered: true,
        secret_expires_at: None,
        other: serde_json::Map::new(),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

async fn exchanged(
    web: &Web,
    server: &Server,
    client: &ClientRecord,
) -> Result<Tokens, TokenError> {
    let with = Exchange {
        verifier: &secret("fake-verifier-of-43-characters-0123456789-abcd"),
        redirect_uri: "http://127.0.0.1:20123/callback",
        resource: Some("https://mcp.example/a%2Fb"),
        params: &[("audience".into(), "x y".into())],
        proof: None,
    };
    exchange(web, client, &server.at("/token"), &secret("4/fake code"), with).await
}

const AGAIN: Again<'_> = Again { scope: None, resource: None, params: &[], proof: None };

async fn refreshed(web: &Web, server: &Server) -> Result<Tokens, TokenError> {
    let client = client(ClientAuth::None);
    let old = secret("fake/refresh/token");
    let with = Again { scope: Some("a  b"), resource: Some("urn:r"), ..AGAIN };
    refresh(web, &client, &server.at("/token"), &old, with).await
}

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut form: Vec<_> = pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    form.sort();
    form
}

const EXCHANGE: [(&str, &str); 6] = [
    ("grant_type", "authorization_code"),
    ("code", "4/fake code"),
    ("code_verifier", "fake-verifier-of-43-characters-0123456789-abcd"),
    ("redirect_uri", "http://127.0.0.1:20123/callback"),
    ("resource", "https://mcp.example/a%2Fb"),
    ("audience", "x y"),
];

#[tokio::test]
async fn clients_prove_themselves_as_they_should() {
    for (auth, more) in [
        (ClientAuth::None, &[("client_id", "fake client+:/é")][..]),
        (
            ClientAuth::ClientSecretPost,
            &[("client_id", "fake client+:/é"), ("client_secret", "fake secret%:")][..],
        ),
        (ClientAuth::ClientSecretBasic, &[][..]),
    ] {
        let server = Server::start(JSON, GRANTED).await;
        let tokens = exchanged(&web(), &server, &client(auth)).await.unwrap();
        assert_eq!(tokens.access_token.expose(), "fake-access");
        let request = server.only();
        assert!(request.head.starts_with("POST /token HTTP/1.1"));
        assert_eq!(request.header("content-type"), Some(FORM));
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.form(), form(&[&EXCHANGE[..], more].concat()));
        // RFC 6749, section 2.3.1: both are form-encoded first.
        let basic = BASE64_STANDARD.encode("fake+client%2B%3A%2F%C3%A9:fake+secret%25%3A");
        let expected = (auth == ClientAuth::ClientSecretBasic).then(|| format!("Basic {basic}"));
        assert_eq!(request.header("authorization"), expected.as_deref());
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_refresh_says_what_the_exchange_said() {
    let server = Server::start(JSON, GRANTED).await;
    let tokens = refreshed(&web(), &server).await.unwrap();
    assert_eq!((tokens.refresh_token, tokens.scope), (None, None));
    let expected = form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", "fake/refresh/token"),
        ("client_id", "fake client+:/é"),
        ("scope", "a  b"),
        ("resource", "urn:r"),
    ]);
    assert_eq!(server.only().form(), expected);
}

#[tokio::test]
async fn grants_of_real_servers() {
    let form = format!("200 OK\r\nContent-Type: {FORM}; charset=utf-8");
    for (head, body, expires_in, kept) in [
        (JSON, r#"{"access_token":"fake-access","refresh_token":"fake-new"}"#, None, true),
        (
            "201 Created\r\nContent-Type: text/plain",
            r#"{"access_token":"fake-access","token_type":"bearer","expires_in":"60"}"#,
            Some(60),
            false,
        ),
        (&form, "access_token=fake-access&expires_in=60&refresh_token=", Some(60), false),
        (JSON, r#"{"ok":true,"access_token":"fake-access","token_type":"user"}"#, None, false),
    ] {
        let server = Server::start(head, body).await;
        let tokens = refreshed(&web(), &server).await.unwrap();
        assert_eq!(tokens.access_token.expose(), "fake-access");
        assert_eq!(tokens.expires_in, expires_in);
        assert_eq!(tokens.refresh_token.is_some(), kept, "{body}");
    }
}

#[tokio::test]
async fn what_is_no_bearer_token_is_not_used() {
    for body in [
        r#"{"access_token":"fake-access","token_type":"mac"}"#,
        r#"{"access_token":"fake-access","token_type":"DPoP"}"#,
        r#"{"access_token":"fake-access","token_type":"N_A"}"#,
        r#"{"access_token":"fake access\r\nX: y"}"#,
        r#"{"token_type":"Bearer"}"#,
        r#"["fake-access"]"#,
        r#"{"access_token":"fake-access""#,
        "",
    ] {
        let server = Server::start(JSON, body).await;
        let error = refreshed(&web(), &server).await.unwrap_err();
        assert!(matches!(error, TokenError::Invalid { .. }), "{body}: {error}");
        // Nobody has been told of this token yet.
        assert!(!error.to_string().contains("fake-access"), "{error}");
    }
}

#[tokio::test]
async fn refusals() {
    let bad = "400 Bad Request\r\nContent-Type: application/json";
    let (grant, known, resource) =
        ((true, false, false), (false, true, false), (false, false, true));
    let other = (false, false, false);
    for (head, body, which) in [
        (bad, r#"{"error":"invalid_grant","error_description":"gone"}"#, grant),
        (JSON, r#"{"error":"bad_verification_code"}"#, grant),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, known),
        ("403 Forbidden", r#"{"error":"unauthorized_client"}"#, known),
        (bad, r#"{"error":"invalid_target"}"#, resource),
        (bad, r#"{"error":"invalid_request","error_description":"AADSTS9010010: x"}"#, resource),
        (bad, r#"{"error":"invalid_scope"}"#, other),
        ("403 Forbidden", "Forbidden", other),
        ("403 Forbidden", "<html><body>blocked</body></html>", other),
        ("401 Unauthorized", "", other),
    ] {
        let server = Server::start(head, body).await;
        let error = refreshed(&web(), &server).await.unwrap_err();
        let is = (error.is_invalid_grant(), error.is_invalid_client(), error.rejects_resource());
        assert_eq!(is, which, "{body}: {error}");
        assert!(error.to_string().starts_with("127.0.0.1 refused: "), "{error}");
    }
}

#[tokio::test]
async fn what_passes_is_no_refusal() {
    for (head, body) in [
        ("503 Service Unavailable\r\nRetry-After: 7", ""),
        ("429 Too Many Requests", r#"{"error":"invalid_grant"}"#),
        ("500 Internal Server Error", "<html>"),
        ("400 Bad Request", r#"{"error":"temporarily_unavailable"}"#),
    ] {
        let server = Server::start(head, body).await;
        let error = refreshed(&web(), &server).await.unwrap_err();
        let TokenError::Transient(failure) = error else { panic!("{head}: {error}") };
        let wait = head.contains("Retry-After").then(|| std::time::Duration::from_secs(7));
        assert_eq!(failure.retry_after, wait);
    }
    // Nobody listens there.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", gone.local_addr().unwrap());
    drop(gone);
    let client = client(ClientAuth::None);
    let error = refresh(&web(), &client, &url, &secret("fake-old"), AGAIN).await;
    let Err(TokenError::Transient(failure)) = error else { panic!("{error:?}") };
    assert_eq!(failure.kind, FailureKind::Connect);
}

#[tokio::test]
async fn nothing_that_was_sent_comes_back_in_an_error() {
    let basic = BASE64_STANDARD.encode("fake+client%2B%3A%2F%C3%A9:fake+secret%25%3A");
    let said = format!(
        "4/fake code 4%2Ffake+code fake-verifier-of-43-characters-0123456789-abcd fake secret%: {basic}"
    );
    let json = serde_json::json!({"error": "x", "error_description": said}).to_string();
    for (head, body) in
        [("400 Bad Request", json.as_str()), ("403 Forbidden", &said), ("500 Error", &said)]
    {
        let server = Server::start(head, body).await;
        let client = client(ClientAuth::ClientSecretBasic);
        let error = exchanged(&web(), &server, &client).await.unwrap_err().to_string();
        assert!(error.contains("[redacted]"), "{error}");
        for secret in ["fake code", "fake+code", "fake-verifier", "fake secret", &basic[..8]] {
            assert!(!error.contains(secret), "{error}");
        }
    }
}

#[tokio::test]
async fn tokens_are_revoked() {
    let web = web();
    for (hint, head, body) in
        [("access_token", "200 OK", ""), ("refresh_token", "204 No Content", "anything")]
    {
        let server = Server::start(head, body).await;
        let client = client(ClientAuth::None);
        revoke(&web, &client, &server.at("/revoke"), &secret("fake-token"), hint).await.unwrap();
        let expected = form(&[
            ("token", "fake-token"),
            ("token_type_hint", hint),
            ("client_id", "fake client+:/é"),
        ]);
        assert_eq!(server.only().form(), expected);
    }
    let server = Server::start("400 Bad", r#"{"error":"unsupported_token_type"}"#).await;
    let client = client(ClientAuth::None);
    let url = server.at("/revoke");
    let error = revoke(&web, &client, &url, &secret("fake-token"), "access_token").await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "127.0.0.1 refused: unsupported_token_type");
}

#[tokio::test]
async fn nothing_is_sent_unencrypted() {
    let client = client(ClientAuth::None);
    for url in ["http://as.example/token", "ftp://as.example/", "", "https://u:p@as.example/t"] {
        let error = refresh(&web(), &client, url, &secret("fake-old"), AGAIN).await;
        assert!(matches!(error, Err(TokenError::Invalid { .. })), "{url}");
    }
}
