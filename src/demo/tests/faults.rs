//! Every simulated fault, and that a client which does the right thing gets its answer.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Demo, End, Event, body, call, initialize, request, send};
use crate::demo::limits::Limits;

fn counting(id: i32) -> Value {
    call(id, "count", json!({"to": 3, "delay_ms": 1}))
}

async fn demo(fault: &str) -> Demo {
    Demo::start(&[fault], Limits::default()).await
}

fn answer(events: &[Event]) -> Value {
    let last = events.last().expect("an answer").json();
    last["result"]["content"][0]["text"].clone()
}

#[tokio::test]
async fn dropped_streams_break_once_and_can_be_resumed() {
    let demo = demo("drop-streams").await;
    let client = demo.session().await;
    for (id, seen) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
        let (events, end) = client.stream(&counting(id)).await.rest().await;
        assert_eq!((events.len(), end), (seen, End::Broken), "call {id}");
        let last = &events[seen - 1].id;
        let (rest, end) = client.listen(Some(last)).await.rest().await;
        assert_eq!((events.len() + rest.len(), end), (6, End::Closed));
        assert_eq!(answer(&rest), "Counted to 3.");
    }
    assert!(demo.lines.text().contains("answer stream cut"));
}

#[tokio::test]
async fn dropped_streams_of_old_revisions_have_given_an_id_before() {
    let demo = demo("drop-streams").await;
    let client = demo.session_with("2025-06-18", json!({})).await;
    let (events, end) = client.stream(&counting(1)).await.rest().await;
    assert_eq!((events.len(), end), (1, End::Broken));
    let (rest, _) = client.listen(Some(&events[0].id)).await.rest().await;
    assert_eq!(answer(&rest), "Counted to 3.");
}

#[tokio::test]
async fn closed_streams_say_when_to_come_back() {
    let demo = demo("close-streams").await;
    let client = demo.session().await;
    let (events, end) = client.stream(&counting(1)).await.rest().await;
    assert_eq!((events.len(), end), (1, End::Closed));
    assert_eq!((events[0].data.as_str(), events[0].retry.as_deref()), ("", Some("500")));
    let (rest, end) = client.listen(Some(&events[0].id)).await.rest().await;
    assert_eq!((answer(&rest), end), (json!("Counted to 3."), End::Closed));
    let old = demo.session_with("2025-06-18", json!({})).await;
    let (events, _) = old.stream(&counting(1)).await.rest().await;
    assert_eq!(answer(&events), "Counted to 3.", "old revisions are spared");
}

#[tokio::test]
async fn sessions_are_forgotten_after_n_requests() {
    let demo = demo("forget-sessions=2").await;
    let ping = request(1, "ping", json!({}));
    for _ in 0..3 {
        let client = demo.session().await;
        let bystander = demo.session().await;
        let standalone = client.listen(None).await;
        assert_eq!(client.post(&ping).await.status(), StatusCode::OK);
        let mut running = client.stream(&call(2, "count", json!({"to": 5, "delay_ms": 50}))).await;
        running.next().await.unwrap();
        assert_eq!(client.post(&ping).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(bystander.get(None).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(standalone.rest().await.1, End::Closed);
        let (events, _) = running.rest().await;
        assert_eq!(answer(&events), "Counted to 5.", "accepted calls finish");
    }
    assert!(demo.lines.text().contains("all sessions forgotten"));
}

#[tokio::test]
async fn a_forgotten_session_does_not_wait_for_answers() {
    let demo = demo("forget-sessions=1").await;
    let capabilities = json!({"elicitation": {}});
    let client = demo.session_with("2025-11-25", capabilities).await;
    let mut stream = client.stream(&call(1, "ask_name", json!({}))).await;
    stream.next().await.unwrap();
    stream.next().await.unwrap();
    assert_eq!(client.post(&counting(2)).await.status(), StatusCode::NOT_FOUND);
    let (events, _) = stream.rest().await;
    assert!(answer(&events).as_str().unwrap().contains("session ended"));
}

#[tokio::test]
async fn every_nth_post_is_unavailable() {
    let demo = demo("unavailable=3").await;
    let initialize = initialize("2025-11-25", json!({}));
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let response = send(demo.post(&initialize)).await;
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.headers()["retry-after"], "1");
        }
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 503, 200, 200, 503]);
}

#[tokio::test]
async fn get_can_be_refused() {
    let demo = demo("no-get").await;
    let client = demo.session().await;
    for last_event_id in [None, Some("1-1")] {
        let response = client.get(last_event_id).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "POST, DELETE");
    }
    let (events, _) = client.stream(&counting(1)).await.rest().await;
    assert_eq!(answer(&events), "Counted to 3.");
}

#[tokio::test]
async fn answers_can_be_json_only() {
    let demo = demo("json-only").await;
    let client = demo.session().await;
    let mut standalone = client.listen(None).await;
    standalone.next().await.unwrap();
    let response = client.post(&counting(1)).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let text = body(response).await["result"]["content"][0]["text"].clone();
    assert_eq!(text, "Counted to 3.");
    standalone.next().await.unwrap();
    assert_eq!(standalone.next().await.unwrap().method(), "notifications/progress");
    let slow = call(2, "count", json!({"to": 1000, "delay_ms": 10_000}));
    let cancelling = async {
        // The call is registered once it has said that it begins.
        while standalone.next().await.unwrap().method() != "notifications/message" {}
        let params = json!({"requestId": 2});
        let method = "notifications/cancelled";
        client.post(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    };
    let (response, ()) = tokio::join!(client.post(&slow), cancelling);
    assert_eq!(body(response).await["error"]["code"], -32800);
}

#[tokio::test]
async fn faults_add_up() {
    let demo = Demo::start(&["close-streams", "unavailable=4"], Limits::default()).await;
    let client = demo.session().await;
    let (events, _) = client.stream(&counting(1)).await.rest().await;
    assert_eq!(client.post(&counting(2)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let (rest, _) = client.listen(Some(&events[0].id)).await.rest().await;
    assert_eq!(answer(&rest), "Counted to 3.");
}
