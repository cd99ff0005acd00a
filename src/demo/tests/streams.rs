//! Streams: priming, progress, cancellation, resumption, the standalone stream.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Demo, End, Event, call, request};
use crate::demo::limits::Limits;

/// A call that takes its time.
fn slow(id: i32) -> Value {
    call(id, "count", json!({"to": 1000, "delay_ms": 10_000}))
}

/// A call that does not.
fn quick(id: i32) -> Value {
    call(id, "count", json!({"to": 3, "delay_ms": 1}))
}

fn cancelled(id: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

fn methods(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::method).collect()
}

const PROGRESS: &str = "notifications/progress";
const MESSAGE: &str = "notifications/message";

#[tokio::test]
async fn a_stream_begins_with_a_priming_event_where_the_revision_has_them() {
    let demo = Demo::plain().await;
    for (revision, primed) in [("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)] {
        let client = demo.session_with(revision, json!({})).await;
        let (mut events, end) = client.stream(&quick(7)).await.rest().await;
        assert_eq!(end, End::Closed);
        if primed {
            let priming = events.remove(0);
            assert_eq!((priming.data.as_str(), priming.retry), ("", None));
        }
        assert_eq!(methods(&events), [MESSAGE, PROGRESS, PROGRESS, PROGRESS, ""]);
        let progress = &events[2].json()["params"];
        assert_eq!(progress["progressToken"], "token");
        assert_eq!((&progress["progress"], &progress["total"]), (&json!(2), &json!(3)));
        assert_eq!(events[4].json()["id"], 7);
        assert_eq!(events[4].json()["result"]["content"][0]["text"], "Counted to 3.");
    }
}

#[tokio::test]
async fn without_a_token_there_is_no_progress() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let params = json!({"name": "count", "arguments": {"to": 2, "delay_ms": 0}});
    let stream = client.stream(&request(1, "tools/call", params)).await;
    assert_eq!(methods(&stream.rest().await.0[1..]), [MESSAGE, ""]);
}

#[tokio::test]
async fn event_ids_are_unique_in_the_session() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let mut ids = HashSet::new();
    let mut standalone = client.listen(None).await;
    client.call("add_tool", json!({})).await;
    for _ in 0..2 {
        assert!(ids.insert(standalone.next().await.unwrap().id));
    }
    for id in 0..3 {
        for event in client.stream(&quick(id)).await.rest().await.0 {
            assert!(ids.insert(event.id));
        }
    }
    assert_eq!(ids.len(), 2 + 3 * 6);
}

#[tokio::test]
async fn resuming_replays_the_rest_of_that_stream_only() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let (first, _) = client.stream(&quick(1)).await.rest().await;
    let (_second, _) = client.stream(&quick(2)).await.rest().await;
    for seen in 0..first.len() {
        let (again, end) = client.listen(Some(&first[seen].id)).await.rest().await;
        assert_eq!(again, first[seen + 1..], "after {seen}");
        assert_eq!(end, End::Closed);
    }
}

#[tokio::test]
async fn a_lost_connection_does_not_cancel_the_call() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let mut stream = client.stream(&call(1, "count", json!({"to": 20, "delay_ms": 20}))).await;
    let priming = stream.next().await.unwrap();
    drop(stream);
    let (events, _) = client.listen(Some(&priming.id)).await.rest().await;
    assert_eq!(events.len(), 1 + 20 + 1);
    assert_eq!(events[21].json()["id"], 1);
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let mut stream = client.stream(&slow(1)).await;
    stream.next().await.unwrap();
    let mut other = client.stream(&call("1", "count", json!({"to": 1, "delay_ms": 0}))).await;
    other.next().await.unwrap();
    // Unknown ids and ids of another type cancel nothing.
    for id in [json!(99), json!("one"), json!({})] {
        assert_eq!(client.post(&cancelled(id)).await.status(), 202);
    }
    assert_eq!(client.post(&cancelled(json!(1))).await.status(), 202);
    let (events, end) = stream.rest().await;
    assert_eq!((methods(&events), end), (vec![MESSAGE.to_owned()], End::Closed));
    let (events, _) = other.rest().await;
    assert_eq!(events.last().unwrap().json()["id"], "1");
    assert_eq!(client.stream(&quick(1)).await.rest().await.0.len(), 6, "the id is free again");
}

#[tokio::test]
async fn there_is_one_standalone_stream_at_a_time() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let mut first = client.listen(None).await;
    let priming = first.next().await.unwrap();
    assert_eq!(priming.data, "");
    assert_eq!(client.get(None).await.status(), 409);
    // A client that resumes has lost its connection, whether or not the server has noticed.
    let mut second = client.listen(Some(&priming.id)).await;
    assert_eq!(first.rest().await, (Vec::new(), End::Closed));
    client.call("add_tool", json!({})).await;
    assert_eq!(second.next().await.unwrap().method(), "notifications/tools/list_changed");
    assert_eq!(client.get(None).await.status(), 409);
}

/// Opens the standalone stream as soon as the server has noticed the end of the one before.
async fn listen_again(client: &Client<'_>) -> super::client::Events {
    loop {
        let response = client.get(None).await;
        if response.status() != 409 {
            return super::client::Events::new(response);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn notifications_wait_for_the_standalone_stream_and_can_be_replayed() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    client.call("add_tool", json!({})).await;
    let mut first = client.listen(None).await;
    let waiting = first.next().await.unwrap();
    assert_eq!(waiting.method(), "notifications/tools/list_changed");
    assert_eq!(first.next().await.unwrap().data, "");
    drop(first);
    client.call("add_tool", json!({})).await;
    let mut fresh = listen_again(&client).await;
    let missed = fresh.next().await.unwrap();
    assert_eq!(missed.method(), "notifications/tools/list_changed");
    assert_ne!(missed.id, waiting.id, "nothing is delivered twice unasked");
    let mut replay = client.listen(Some(&waiting.id)).await;
    assert_eq!(replay.next().await.unwrap().data, "");
    assert_eq!(replay.next().await.unwrap(), missed);
}

#[tokio::test]
async fn the_standalone_stream_can_be_reopened_by_old_revisions() {
    let demo = Demo::plain().await;
    let client = demo.session_with("2025-06-18", json!({})).await;
    let mut stream = client.listen(None).await;
    client.call("add_tool", json!({})).await;
    let event = stream.next().await.unwrap();
    assert_eq!(event.method(), "notifications/tools/list_changed", "no priming event");
}

#[tokio::test]
async fn an_event_that_is_not_known_cannot_be_resumed_from() {
    let demo = Demo::plain().await;
    let client = demo.session().await;
    let (events, _) = client.stream(&quick(1)).await.rest().await;
    let other = demo.session().await;
    assert_eq!(other.get(Some(&events[0].id)).await.status(), 400, "another session");
    for id in ["", "nonsense", "99-1", "1-99", "0-5"] {
        assert_eq!(client.get(Some(id)).await.status(), 400, "{id}");
    }
}

#[tokio::test]
async fn completed_streams_are_kept_within_bounds() {
    let limits = Limits { kept_streams: 2, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session().await;
    let mut firsts = Vec::new();
    for id in 0..4 {
        let (events, _) = client.stream(&quick(id)).await.rest().await;
        firsts.push(events[0].id.clone());
    }
    let mut statuses = Vec::new();
    for id in firsts {
        statuses.push(client.get(Some(&id)).await.status().as_u16());
    }
    assert_eq!(statuses, [400, 400, 200, 200]);
}

#[tokio::test]
async fn the_log_of_a_stream_is_bounded() {
    let limits = Limits { stream_events: 3, added_tools: 1000, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session().await;
    for _ in 0..10 {
        client.call("add_tool", json!({})).await;
    }
    // Ten notifications and a priming event were written; the last three events are kept.
    let mut standalone = client.listen(None).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(standalone.next().await.unwrap().id);
    }
    assert_eq!(ids, ["0-9", "0-10", "0-11"]);
}

#[tokio::test]
async fn an_answer_is_never_replayed_with_a_gap_before_it() {
    let limits = Limits { stream_events: 3, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session().await;
    // A priming event, a message, three times progress and the answer; the last three are kept.
    client.stream(&quick(1)).await.rest().await;
    assert_eq!(client.get(Some("1-2")).await.status(), 400);
    assert_eq!(client.listen(Some("1-3")).await.rest().await.0.len(), 3);
}

#[tokio::test]
async fn a_silent_stream_shows_signs_of_life() {
    let limits = Limits { keep_alive: Duration::from_millis(20), ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    let client = demo.session().await;
    assert!(client.listen(None).await.keeps_alive().await);
}
