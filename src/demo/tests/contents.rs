//! Tools, resources, prompts and logging over the wire.

use serde_json::{Value, json};

use super::client::{Demo, call, request};
use crate::demo::limits::Limits;

#[tokio::test]
async fn simple_tools_answer_by_json() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let echo = client.call("echo", json!({"text": "héllo \u{1F600}"})).await;
    assert_eq!(echo["result"]["content"][0]["text"], "héllo \u{1F600}");
    let add = client.call("add", json!({"a": 2, "b": 3})).await;
    assert_eq!(add["result"]["structuredContent"], json!({"sum": 5}));
    let add = client.call("add", json!({"a": 0.5, "b": -2})).await;
    assert_eq!(add["result"]["content"][0]["text"], "-1.5");
    let big = client.call("big", json!({"bytes": 1_000_000})).await;
    assert_eq!(big["result"]["content"][0]["text"].as_str().unwrap().len(), 1_000_000);
    let old = demo.session_with("2025-03-26", json!({})).await;
    let add = old.call("add", json!({"a": 2, "b": 3})).await;
    assert!(add["result"].get("structuredContent").is_none());
}

#[tokio::test]
async fn a_big_answer_can_come_on_a_stream() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let stream = client.stream(&call(1, "big", json!({"bytes": 3_000_000, "stream": true}))).await;
    let (events, _) = stream.rest().await;
    let text = events[1].json()["result"]["content"][0]["text"].clone();
    assert_eq!((events.len(), text.as_str().unwrap().len()), (2, 3_000_000));
}

#[tokio::test]
async fn unfit_arguments_are_errors_of_the_tool() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    for (tool, arguments) in [
        ("echo", json!({})),
        ("echo", json!({"text": 5})),
        ("echo", json!({"text": "", "more": 1})),
        ("echo", json!(["text"])),
        ("add", json!({"a": 1, "b": "2"})),
        ("add", json!({"a": 1e308, "b": 1e308})),
        ("big", json!({"bytes": 16 * 1024 * 1024 + 1})),
        ("big", json!({"bytes": -1})),
        ("add_tool", json!({"name": "with space"})),
        ("add_tool", json!({"name": "echo"})),
        ("touch_resource", json!({"x": 1})),
    ] {
        let answer = client.call(tool, arguments.clone()).await;
        assert_eq!(answer["result"]["isError"], true, "{tool} {arguments}");
    }
    for arguments in [json!({"to": 0}), json!({"to": 1001}), json!({"to": 1, "delay_ms": 10_001})] {
        let (events, _) = client.stream(&call(1, "count", arguments)).await.rest().await;
        assert_eq!(events[1].json()["result"]["isError"], true);
    }
}

#[tokio::test]
async fn requests_that_cannot_be_served_get_the_specified_errors() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    for (method, params, code) in [
        ("no/such", json!({}), -32601),
        ("tools/call", json!({"name": "no_such"}), -32602),
        ("tools/call", json!({}), -32602),
        ("tools/list", json!({"cursor": "made up"}), -32602),
        ("resources/read", json!({"uri": "demo://nothing"}), -32002),
        ("resources/read", json!({}), -32602),
        ("resources/subscribe", json!({"uri": "demo://nothing"}), -32002),
        ("prompts/get", json!({"name": "no_such"}), -32602),
        ("completion/complete", json!({"ref": {"type": "ref/other"}}), -32602),
        ("logging/setLevel", json!({"level": "loud"}), -32602),
    ] {
        let answer = client.ask(method, params).await;
        assert_eq!(answer["error"]["code"], code, "{method}");
    }
}

/// All items of a list and the number of its pages.
async fn pages(
    client: &super::client::Client<'_>,
    method: &str,
    list: &str,
) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut params) = (Vec::new(), 0, json!({}));
    loop {
        let result = client.ask(method, params).await["result"].clone();
        items.extend(result[list].as_array().unwrap().clone());
        pages += 1;
        match result.get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return (items, pages),
        }
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let (resources, count) = pages(&client, "resources/list", "resources").await;
    assert_eq!((resources.len(), count), (5, 2));
    let (tools, count) = pages(&client, "tools/list", "tools").await;
    assert_eq!((tools.len(), count), (8, 1));
    for _ in 0..16 {
        client.call("add_tool", json!({})).await;
    }
    let (tools, count) = pages(&client, "tools/list", "tools").await;
    assert_eq!((tools.len(), count), (24, 3));
    let too_many = client.call("add_tool", json!({})).await;
    assert_eq!(too_many["result"]["isError"], true);
    let (templates, _) = pages(&client, "resources/templates/list", "resourceTemplates").await;
    assert_eq!(templates[0]["uriTemplate"], "demo://planet/{name}");
    let (prompts, _) = pages(&client, "prompts/list", "prompts").await;
    assert_eq!(prompts.len(), 2);
}

#[tokio::test]
async fn an_added_tool_is_announced_and_works() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let mut standalone = client.listen(None).await;
    standalone.next().await.unwrap();
    client.call("add_tool", json!({"name": "mine"})).await;
    assert_eq!(standalone.next().await.unwrap().method(), "notifications/tools/list_changed");
    let answer = client.call("mine", json!({})).await;
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("mine"));
}

#[tokio::test]
async fn only_subscribers_are_told_of_changes() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let mut standalone = client.listen(None).await;
    standalone.next().await.unwrap();
    let counter = json!({"uri": "demo://counter"});
    client.call("touch_resource", json!({})).await;
    client.ask("resources/subscribe", counter.clone()).await;
    client.call("touch_resource", json!({})).await;
    client.ask("resources/unsubscribe", counter.clone()).await;
    client.call("touch_resource", json!({})).await;
    client.call("add_tool", json!({})).await;
    let update = standalone.next().await.unwrap().json();
    assert_eq!(update["method"], "notifications/resources/updated");
    assert_eq!(update["params"], counter);
    assert_eq!(standalone.next().await.unwrap().method(), "notifications/tools/list_changed");
    let read = client.ask("resources/read", counter).await;
    assert_eq!(read["result"]["contents"][0]["text"], r#"{"touches":3}"#);
}

#[tokio::test]
async fn prompts_and_completion_answer() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let params = json!({"name": "describe_planet", "arguments": {"planet": "saturn"}});
    let prompt = client.ask("prompts/get", params).await;
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("saturn"));
    let complete = client
        .ask(
            "completion/complete",
            json!({
                "ref": {"type": "ref/prompt", "name": "describe_planet"},
                "argument": {"name": "planet", "value": "ju"},
            }),
        )
        .await;
    assert_eq!(complete["result"]["completion"]["values"], json!(["jupiter"]));
}

#[tokio::test]
async fn log_messages_follow_the_level() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    for (level, expected) in [("debug", 4), ("info", 1), ("warning", 0)] {
        client.ask("logging/setLevel", json!({ "level": level })).await;
        let stream = client.stream(&call(2, "count", json!({"to": 3, "delay_ms": 0}))).await;
        let (events, _) = stream.rest().await;
        let messages = events[1..].iter().filter(|event| event.method() == "notifications/message");
        assert_eq!(messages.count(), expected, "{level}");
    }
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_ids_unique() {
    let limits = Limits { calls: 2, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session().await;
    let slow = |id: &str| call(id, "count", json!({"to": 1000, "delay_ms": 10_000}));
    let _first = client.stream(&slow("1")).await;
    let again = client.post(&slow("1")).await;
    assert_eq!(super::client::body(again).await["error"]["code"], -32600);
    let _second = client.stream(&slow("2")).await;
    let refused = client.post(&slow("3")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let pong = client.post(&request(4, "ping", json!({}))).await;
    assert_eq!(pong.status(), 200, "only calls are counted");
}
