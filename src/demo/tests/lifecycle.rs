//! Sessions from `initialize` to their end.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Demo, Events, body, call, initialize, request, send};
use crate::demo::limits::Limits;

#[tokio::test]
async fn the_revision_is_negotiated_and_a_session_assigned() {
    let demo = Demo::plain().await;
    for (asked, granted) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ] {
        let response = send(demo.post(&initialize(asked, json!({})))).await;
        let session = response.headers()["mcp-session-id"].to_str().unwrap();
        assert_eq!(session.len(), 32);
        assert!(session.bytes().all(|byte| byte.is_ascii_graphic()));
        let answer = body(response).await;
        assert_eq!(answer["id"], "init");
        assert_eq!(answer["result"]["protocolVersion"], granted);
        assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-tether-demo");
        assert_eq!(answer["result"]["capabilities"]["resources"]["subscribe"], true);
    }
}

#[tokio::test]
async fn initialize_needs_its_parameters_and_no_session() {
    let demo = Demo::plain().await;
    let response = send(demo.post(&request(1, "initialize", json!({})))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().get("mcp-session-id").is_none());
    assert_eq!(body(response).await["error"]["code"], -32602);
    let client = demo.session().await;
    let again = client.post(&initialize("2025-11-25", json!({}))).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nothing_but_ping_is_served_before_initialized() {
    let demo = Demo::plain().await;
    let response = send(demo.post(&initialize("2025-11-25", json!({})))).await;
    let session = response.headers()["mcp-session-id"].clone();
    let ask = async |method: &str| {
        let request = demo.post(&request(1, method, json!({})));
        body(send(request.header("mcp-session-id", &session)).await).await
    };
    assert_eq!(ask("ping").await["result"], json!({}));
    assert_eq!(ask("tools/list").await["error"]["code"], -32600);
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let noted = send(demo.post(&initialized).header("mcp-session-id", &session)).await;
    assert_eq!(noted.status(), StatusCode::ACCEPTED);
    assert_eq!(noted.bytes().await.unwrap().len(), 0);
    assert!(ask("tools/list").await["result"].is_object());
}

#[tokio::test]
async fn a_session_is_required_and_must_exist() {
    let demo = Demo::plain().await;
    let ping = request(1, "ping", json!({}));
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let request = || match method {
            Method::POST => demo.post(&ping),
            _ => demo.request(method.clone()),
        };
        let missing = send(request()).await;
        assert_eq!(missing.status(), StatusCode::BAD_REQUEST, "{method}");
        let unknown = send(request().header("mcp-session-id", "unknown")).await;
        assert_eq!(unknown.status(), StatusCode::NOT_FOUND, "{method}");
        let error = body(unknown).await;
        assert_eq!(error["error"]["code"], -32001);
        assert!(error.get("id").is_none());
    }
}

#[tokio::test]
async fn delete_ends_the_session_with_its_calls_and_streams() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let other = demo.session().await;
    let mut standalone = client.listen(None).await;
    standalone.next().await.unwrap();
    let mut counting =
        client.stream(&call(1, "count", json!({"to": 1000, "delay_ms": 10_000}))).await;
    counting.next().await.unwrap();
    assert_eq!(client.delete().await, StatusCode::NO_CONTENT);
    assert!(standalone.rest().await.0.is_empty());
    let (events, _) = counting.rest().await;
    assert!(events.iter().all(|event| event.json().get("id").is_none()));
    assert_eq!(client.delete().await, StatusCode::NOT_FOUND);
    assert_eq!(client.get(None).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(other.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn an_unused_session_expires_but_a_listening_one_does_not() {
    let limits = Limits { session_idle: Duration::from_millis(200), ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    // The handshake must not take as long as the session lives; on a slow machine it may have to
    // be tried again.
    let listening = loop {
        let response = send(demo.post(&initialize("2025-11-25", json!({})))).await;
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let get = demo.request(Method::GET).header("mcp-session-id", &session);
        let response = send(get).await;
        if response.status() == StatusCode::OK {
            break (session, Events::new(response));
        }
    };
    let response = send(demo.post(&initialize("2025-11-25", json!({})))).await;
    let unused = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let ping = request(1, "ping", json!({}));
    let status = async |session: &str| {
        send(demo.post(&ping).header("mcp-session-id", session)).await.status()
    };
    assert_eq!(status(&unused).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&listening.0).await, StatusCode::OK);
}

#[tokio::test]
async fn the_number_of_sessions_is_bounded() {
    let limits = Limits { sessions: 3, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let oldest = demo.session().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(demo.session().await.listen(None).await);
    }
    assert_eq!(oldest.get(None).await.status(), StatusCode::NOT_FOUND, "displaced");
    let refused = send(demo.post(&initialize("2025-11-25", json!({})))).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "all in use");
    assert_eq!(refused.headers()["retry-after"], "1");
}

#[tokio::test]
async fn sessions_do_not_share_what_they_change() {
    let demo = Demo::plain().await;
    let (one, other) = (demo.session().await, demo.session().await);
    one.call("touch_resource", json!({})).await;
    let touches = async |client: &super::client::Client<'_>| -> Value {
        let answer = client.ask("resources/read", json!({"uri": "demo://counter"})).await;
        answer["result"]["contents"][0]["text"].clone()
    };
    assert_eq!(touches(&one).await, r#"{"touches":1}"#);
    assert_eq!(touches(&other).await, r#"{"touches":0}"#);
}
