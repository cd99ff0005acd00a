//! What the endpoint makes of HTTP requests, and the lines it logs.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Demo, PATIENCE, body, call, initialize, request, send};
use crate::demo::limits::Limits;

#[tokio::test]
async fn a_web_page_from_elsewhere_is_refused() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let ping = request(1, "ping", json!({}));
    for (name, value, status) in [
        ("origin", "http://example.com", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("host", "rebound.example.com", StatusCode::FORBIDDEN),
        ("origin", "http://localhost:6274", StatusCode::OK),
        ("host", "localhost", StatusCode::OK),
    ] {
        let request = demo.post(&ping).header("mcp-session-id", &client.id);
        let response = send(request.header(name, value)).await;
        assert_eq!(response.status(), status, "{name}: {value}");
    }
    for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
        let request = demo.request(method).header("mcp-session-id", &client.id);
        let response = send(request.header("origin", "https://example.com")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn an_unsupported_revision_is_refused_everywhere() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let ping = request(1, "ping", json!({}));
    for (version, status) in [
        ("2025-11-25", StatusCode::OK),
        ("2025-03-26", StatusCode::OK),
        ("2024-11-05", StatusCode::BAD_REQUEST),
        ("nonsense", StatusCode::BAD_REQUEST),
    ] {
        let request = demo.post(&ping).header("mcp-session-id", &client.id);
        let response = send(request.header("mcp-protocol-version", version)).await;
        assert_eq!(response.status(), status, "{version}");
    }
    for method in [Method::GET, Method::DELETE] {
        let request = demo.request(method).header("mcp-session-id", &client.id);
        let response = send(request.header("mcp-protocol-version", "2099-01-01")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn media_types_paths_and_methods_are_checked() {
    let demo = Demo::plain().await;
    let ping = request(1, "ping", json!({})).to_string();
    let post = |accept: &str, content: &str| {
        let request = demo.http.post(demo.url()).body(ping.clone());
        send(request.header("accept", accept).header("content-type", content))
    };
    let both = "application/json, text/event-stream";
    assert_eq!(post("application/json", "application/json").await.status(), 406);
    assert_eq!(post(both, "text/plain").await.status(), 415);
    assert_eq!(post(both, "application/json").await.status(), 400);
    let get = demo.http.get(demo.url()).header("accept", "application/json");
    assert_eq!(send(get).await.status(), 406);
    let put = send(demo.request(Method::PUT)).await;
    assert_eq!(put.status(), 405);
    assert_eq!(put.headers()["allow"], "GET, POST, DELETE");
    let elsewhere = demo.http.get(format!("http://{}/", demo.address));
    assert_eq!(send(elsewhere).await.status(), 404);
}

#[tokio::test]
async fn what_is_not_a_message_gets_an_error_without_id() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    for (text, code) in [
        (&b"{"[..], -32700),
        (b"", -32700),
        (b"\xff", -32700),
        (b"[", -32700),
        (b"5", -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
    ] {
        let request = demo.request(Method::POST).header("content-type", "application/json");
        let request = request.header("mcp-session-id", &client.id).body(text);
        let response = send(request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let error = body(response).await;
        assert_eq!(error["error"]["code"], code, "{text:?}");
        assert!(error.get("id").is_none());
    }
}

#[tokio::test]
async fn the_size_of_a_message_is_bounded() {
    let limits = Limits { message_bytes: 10_000, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session().await;
    let fits = "x".repeat(9_000);
    let answer = client.call("echo", json!({"text": fits})).await;
    assert_eq!(answer["result"]["content"][0]["text"], fits);
    let too_large = call(1, "echo", json!({"text": "x".repeat(10_000)}));
    assert_eq!(client.post(&too_large).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let limits = Limits { message_time: Duration::from_millis(50), ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let mut socket = TcpStream::connect(demo.address).await.unwrap();
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(PATIENCE, socket.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[tokio::test]
async fn batches_belong_to_the_first_revision() {
    let demo = Demo::plain().await;
    let old = demo.session_with("2025-03-26", json!({})).await;
    let batch = json!([
        request(1, "ping", json!({})),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}},
        call("two", "count", json!({"to": 2, "delay_ms": 0})),
        {"nonsense": true},
    ]);
    let answers = body(old.post(&batch).await).await;
    assert_eq!(answers.as_array().unwrap().len(), 3);
    assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!(answers[1]["result"]["content"][0]["text"], "Counted to 2.");
    assert_eq!(answers[2]["error"]["code"], -32600);
    let notes = json!([{"jsonrpc": "2.0", "method": "notifications/initialized"}]);
    assert_eq!(old.post(&notes).await.status(), StatusCode::ACCEPTED);
    assert_eq!(old.post(&json!([])).await.status(), StatusCode::BAD_REQUEST);
    let many: Vec<_> = (0..65).map(|id| request(id, "ping", json!({}))).collect();
    assert_eq!(old.post(&json!(many)).await.status(), StatusCode::BAD_REQUEST);
    let new = demo.session().await;
    assert_eq!(new.post(&batch).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_exchange_is_one_line() {
    let demo = Demo::plain().await;
    send(demo.post(&initialize("2025-11-25", json!({})))).await;
    let client = demo.session().await;
    client.post(&request(1, "evil\u{1b}[2J\nPOST", json!({}))).await;
    client.post(&json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    client.delete().await;
    client.get(None).await;
    let short = &client.id[..8];
    let text = demo.lines.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert_eq!(lines[1], format!("POST initialize 200 {short}"));
    assert_eq!(lines[2], format!("POST notifications/initialized 202 {short}"));
    assert_eq!(lines[3], format!("POST evil\\u{{1b}}[2J\\u{{a}}POST 200 {short}"));
    assert_eq!(lines[4], format!("POST - 202 {short}"));
    assert_eq!(lines[5], format!("DELETE - 204 {short}"));
    assert_eq!(lines[6], format!("GET - 404 {short}"));
    assert!(!text.contains(&client.id), "an id is a secret");
}
