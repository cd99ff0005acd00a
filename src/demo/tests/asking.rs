//! Tools that ask the client: elicitation and sampling.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Demo, Events, body, call};
use crate::demo::limits::Limits;

fn able() -> Value {
    json!({"elicitation": {}, "sampling": {}})
}

/// Reads on until the server asks something.
async fn question(events: &mut Events) -> Value {
    loop {
        let event = events.next().await.unwrap();
        if !event.data.is_empty() && event.json().get("method").is_some() {
            return event.json();
        }
    }
}

async fn reply(client: &Client<'_>, question: &Value, result: Value) {
    let message = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
    assert_eq!(client.post(&message).await.status(), 202);
}

/// The text of the tool's result, and whether it is an error.
async fn outcome(events: Events) -> (String, bool) {
    let (events, _) = events.rest().await;
    let answer = events.last().expect("an answer").json();
    outcome_of(&answer)
}

fn outcome_of(answer: &Value) -> (String, bool) {
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str().unwrap().to_owned();
    (text, result["isError"] == true)
}

#[tokio::test]
async fn a_name_is_asked_for_by_elicitation() {
    let demo = Demo::plain().await;
    let client = demo.session_with("2025-11-25", able()).await;
    for (answer, text, is_error) in [
        (json!({"action": "accept", "content": {"name": "Ada"}}), "Hello, Ada!", false),
        (json!({"action": "decline"}), "declined", false),
        (json!({"action": "cancel"}), "dismissed", false),
        (json!({"action": "accept", "content": {"name": ""}}), "does not fit", true),
        (json!({"action": "accept"}), "does not fit", true),
        (json!({}), "no valid action", true),
    ] {
        let mut events = client.stream(&call(1, "ask_name", json!({}))).await;
        let question = question(&mut events).await;
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(question["params"]["mode"], "form");
        assert_eq!(question["params"]["requestedSchema"]["required"], json!(["name"]));
        reply(&client, &question, answer).await;
        let (said, failed) = outcome(events).await;
        assert!(said.contains(text), "{said}");
        assert_eq!(failed, is_error);
    }
}

#[tokio::test]
async fn the_mode_is_named_only_where_the_revision_has_modes() {
    let demo = Demo::plain().await;
    let client = demo.session_with("2025-06-18", able()).await;
    let mut events = client.stream(&call(1, "ask_name", json!({}))).await;
    assert!(question(&mut events).await["params"].get("mode").is_none());
}

#[tokio::test]
async fn a_model_is_asked_by_sampling() {
    let demo = Demo::plain().await;
    let client = demo.session_with("2025-11-25", able()).await;
    let one = json!({"type": "text", "text": "hello"});
    for content in [one.clone(), json!([one])] {
        let arguments = json!({"question": "What?"});
        let mut events = client.stream(&call(1, "ask_model", arguments)).await;
        let question = question(&mut events).await;
        assert_eq!(question["method"], "sampling/createMessage");
        assert_eq!(question["params"]["messages"][0]["content"]["text"], "What?");
        let answer = json!({"role": "assistant", "model": "tiny", "content": content});
        reply(&client, &question, answer).await;
        assert_eq!(outcome(events).await, ("tiny says: hello".to_owned(), false));
    }
}

#[tokio::test]
async fn a_client_without_the_capability_is_not_asked() {
    let demo = Demo::plain().await;
    for capabilities in [json!({}), json!({"elicitation": {"url": {}}})] {
        let client = demo.session_with("2025-11-25", capabilities).await;
        for tool in ["ask_name", "ask_model"] {
            let events = client.stream(&call(1, tool, json!({}))).await;
            let (text, is_error) = outcome(events).await;
            assert!(is_error && text.contains("has not declared"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_client_is_an_error_of_the_tool() {
    let demo = Demo::plain().await;
    let client = demo.session_with("2025-11-25", able()).await;
    let mut events = client.stream(&call(1, "ask_model", json!({}))).await;
    let id = question(&mut events).await["id"].clone();
    let error = json!({"code": -1, "message": "User rejected sampling request"});
    let message = json!({"jsonrpc": "2.0", "id": id, "error": error});
    assert_eq!(client.post(&message).await.status(), 202);
    let (text, is_error) = outcome(events).await;
    assert!(is_error && text.contains("User rejected"), "{text}");
}

#[tokio::test]
async fn waiting_for_the_client_is_bounded() {
    let limits = Limits { client_answer: Duration::from_millis(50), ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session_with("2025-11-25", able()).await;
    let mut events = client.stream(&call(1, "ask_name", json!({}))).await;
    let asked = question(&mut events).await;
    let taken_back = question(&mut events).await;
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    let (text, is_error) = outcome(events).await;
    assert!(is_error && text.contains("did not answer"), "{text}");
}

#[tokio::test]
async fn cancelling_the_call_takes_the_question_back() {
    let demo = Demo::plain().await;
    let client = demo.session_with("2025-11-25", able()).await;
    let mut events = client.stream(&call(5, "ask_name", json!({}))).await;
    let asked = question(&mut events).await;
    let params = json!({"requestId": 5});
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    client.post(&cancel).await;
    let taken_back = question(&mut events).await;
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    assert!(events.rest().await.0.is_empty());
    reply(&client, &asked, json!({"action": "cancel"})).await;
}

#[tokio::test]
async fn with_json_only_the_question_comes_on_the_standalone_stream() {
    let demo = Demo::start(&["json-only"], Limits::default()).await;
    let client = demo.session_with("2025-11-25", able()).await;
    let (text, is_error) = outcome_of(&client.call("ask_name", json!({})).await);
    assert!(is_error && text.contains("no stream"), "{text}");
    let mut standalone = client.listen(None).await;
    let answering = async {
        let asked = question(&mut standalone).await;
        let answer = json!({"action": "accept", "content": {"name": "Bo"}});
        reply(&client, &asked, answer).await;
    };
    let message = call(1, "ask_name", json!({}));
    let (response, ()) = tokio::join!(client.post(&message), answering);
    assert_eq!(outcome_of(&body(response).await), ("Hello, Bo!".to_owned(), false));
}
