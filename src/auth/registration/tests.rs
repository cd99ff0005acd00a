//! What is asked for, and what real servers make of it.

use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::auth::token::tests::server::{Server, web};

const CREATED: &str = "201 Created\r\nContent-Type: application/json";
const REDIRECT: &str = "http://127.0.0.1:20123/callback";

fn wanted<'a>(name: &'a str, scope: Option<&'a str>) -> Wanted<'a> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    Wanted { redirect_uri: REDIRECT, name, scope, bound: false, members: &NONE }
}

async fn registered(
    server: &Server,
    methods: Option<&[&str]>,
) -> Result<ClientRecord, RegistrationError> {
    let metadata = ServerMetadata {
        issuer: "https://as.example".into(),
        registration_endpoint: Some(server.at("/register")),
        token_endpoint_auth_methods_supported: methods
            .map(|all| all.iter().map(ToString::to_string).collect()),
        ..ServerMetadata::default()
    };
    register(&web(), &metadata, &wanted("mcp-tether", Some("a b"))).await
}

#[tokio::test]
async fn what_the_person_says_goes_first() {
    let answer = r#"{"client_id":"fake-id","client_secret":"fake-secret"}"#;
    let server = Server::start(CREATED, answer).await;
    let members = json!({
        "client_name": "Theirs", "scope": "elsewhere", "contacts": ["a@b.example"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let metadata = ServerMetadata {
        issuer: "https://as.example".into(),
        registration_endpoint: Some(server.at("/register")),
        scopes_supported: Some(vec!["a".into()]),
        ..ServerMetadata::default()
    };
    let members = members.as_object().unwrap();
    let wanted = Wanted { members, ..wanted("mcp-tether", Some("a b")) };
    let client = register(&web(), &metadata, &wanted).await.unwrap();
    let body: Value = serde_json::from_str(&server.only().body).unwrap();
    for (name, value) in members {
        assert_eq!(body[name], *value, "{name}");
    }
    assert_eq!(body["redirect_uris"], json!([REDIRECT]));
    // The server does not say how the secret is to be sent.
    assert_eq!(client.auth, ClientAuth::ClientSecretPost);
}

#[tokio::test]
async fn a_public_native_client_is_asked_for() {
    let server = Server::start(CREATED, r#"{"client_id":"fake-id","client_name":"Other"}"#).await;
    let client = registered(&server, None).await.unwrap();
    let request = server.only();
    assert!(request.head.starts_with("POST /register HTTP/1.1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let expected = json!({
        "client_name": "mcp-tether",
        "redirect_uris": [REDIRECT],
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "a b",
    });
    assert_eq!(body, expected);
    assert_eq!(client.client_id, "fake-id");
    assert_eq!(client.issuer, "https://as.example");
    assert_eq!((client.redirect_uri.as_str(), client.registered), (REDIRECT, true));
    assert_eq!((client.auth, client.client_secret), (ClientAuth::None, None));
    assert_eq!(application_type("https://tunnel.example/callback"), "web");
}

#[tokio::test]
async fn what_the_answer_says_counts() {
    use ClientAuth::{ClientSecretBasic, ClientSecretPost, None as Public};
    let post = Some(&["client_secret_post", "client_secret_basic"][..]);
    let basic = Some(&["client_secret_basic"][..]);
    for (methods, more, auth, expires_at) in [
        (None, json!({"token_endpoint_auth_method": "none"}), Public, None),
        (None, json!({"client_secret": "fake-secret"}), ClientSecretBasic, None),
        (post, json!({"client_secret": "fake-secret"}), ClientSecretPost, None),
        (basic, json!({"client_secret": "fake-secret"}), ClientSecretBasic, None),
        (
            basic,
            json!({"client_secret": "fake-secret", "token_endpoint_auth_method": "client_secret_post",
                "client_secret_expires_at": 0}),
            ClientSecretPost,
            None,
        ),
        (
            post,
            json!({"client_secret": "fake-secret", "token_endpoint_auth_method": "none",
                "client_secret_expires_at": 9}),
            Public,
            None,
        ),
        (post, json!({"token_endpoint_auth_method": "client_secret_post"}), Public, None),
        (
            post,
            json!({"client_secret": "fake-secret", "client_secret_expires_at": 1_900_000_000}),
            ClientSecretPost,
            Some(1_900_000_000),
        ),
        (
            post,
            json!({"client_secret": "fake-secret", "client_secret_expires_at": "1900000000"}),
            ClientSecretPost,
            Some(1_900_000_000),
        ),
        (None, json!({"client_secret": null, "client_secret_expires_at": null}), Public, None),
    ] {
        let mut body = json!({"client_id": 77});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let server = Server::start(CREATED, &body.to_string()).await;
        let client = registered(&server, methods).await.unwrap();
        assert_eq!(client.client_id, "77");
        assert_eq!((client.auth, client.secret_expires_at), (auth, expires_at), "{body}");
        assert_eq!(client.client_secret.is_some(), auth != Public, "{body}");
    }
}

#[tokio::test]
async fn refusals_are_told_in_words() {
    let invalid = r#"{"error":"invalid_redirect_uri","error_description":"no \u001b loopback"}"#;
    for (head, body, said) in [
        ("403 Forbidden", "Forbidden", "refused (HTTP 403: Forbidden) by as.example"),
        ("400 Bad", invalid, "(HTTP 400: invalid_redirect_uri, no \\u{1b} loopback)"),
        ("404 Not Found", "<!doctype html><p>x", "(HTTP 404) by as.example"),
    ] {
        let server = Server::start(head, body).await;
        let error = registered(&server, None).await.unwrap_err();
        assert!(matches!(error, RegistrationError::Refused { .. }));
        let error = error.to_string();
        for part in [said, REDIRECT, "--client-id"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_no_registration() {
    for body in ["", "[]", "<html>", "{}", r#"{"client_id":""}"#, r#"{"client_id":null}"#] {
        let server = Server::start(CREATED, body).await;
        let error = registered(&server, None).await.unwrap_err();
        assert!(matches!(error, RegistrationError::Invalid { .. }), "{body}");
    }
    let server = Server::start("503 Service Unavailable", "").await;
    let error = registered(&server, None).await.unwrap_err();
    assert!(matches!(error, RegistrationError::Transient(_)));
    let metadata = ServerMetadata {
        registration_endpoint: Some("http://as.example/register".into()),
        ..ServerMetadata::default()
    };
    let error = register(&web(), &metadata, &wanted("x", None)).await.unwrap_err();
    // It will not pass.
    assert!(matches!(error, RegistrationError::Unusable { .. }));
}
