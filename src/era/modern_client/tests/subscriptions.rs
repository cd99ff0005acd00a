//! `subscriptions/listen` on a legacy session.

use super::*;
use crate::limits::{MAX_SUBSCRIPTIONS, REPEATED_AT_ONCE};

const ALL: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true}}"#;
const TAG: &str = r#""io.modelcontextprotocol/subscriptionId""#;

fn listen(id: &str, filter: &str) -> String {
    request(id, "subscriptions/listen", &format!(r#","notifications":{filter}"#))
}

fn acknowledged(id: &str, granted: &str) -> String {
    format!(
        r#"client {{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{{TAG}:{id}}},"notifications":{granted}}}}}"#
    )
}

fn cancel(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

fn updated(uri: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
    )
}

const TOOLS: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

#[test]
fn a_filter_must_be_one() {
    for filter in
        ["null", "[]", r#"{"resourceSubscriptions":"a:b"}"#, r#"{"resourceSubscriptions":[1]}"#]
    {
        let mut rig = Rig::open("{}", ALL);
        assert_eq!(refused(&rig.client(&listen("1", filter))), -32602, "{filter}");
    }
    let mut rig = Rig::open("{}", ALL);
    assert_eq!(refused(&rig.client(&request("1", "subscriptions/listen", ""))), -32602);
}

#[test]
fn lists_are_granted_where_the_server_announces_them() {
    let wanted = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":false,"resourceSubscriptions":["a:b"],"own":true}"#;
    for (capabilities, granted) in [
        ("{}", "{}"),
        (r#"{"tools":{"listChanged":false},"prompts":{}}"#, "{}"),
        (r#"{"tools":{"listChanged":true},"resources":{}}"#, r#"{"toolsListChanged":true}"#),
    ] {
        let mut rig = Rig::open("{}", capabilities);
        assert_eq!(rig.client(&listen("\"l\"", wanted)), [acknowledged("\"l\"", granted)]);
    }
}

#[test]
fn changes_reach_those_who_asked_and_are_tagged() {
    let mut rig = Rig::open("{}", ALL);
    rig.client(&listen("1", r#"{"toolsListChanged":true}"#));
    rig.client(&listen("\"\\u0062\"", r#"{"toolsListChanged":true,"promptsListChanged":true}"#));
    rig.client(&listen("3", "{}"));
    let tagged = |id: &str| {
        format!(
            r#"client {{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{{TAG}:{id}}}}}}}"#
        )
    };
    assert_eq!(rig.server(TOOLS), [tagged("1"), tagged("\"\\u0062\"")]);
    assert!(rig.client(&cancel("1")).is_empty());
    assert_eq!(rig.server(TOOLS), [tagged("\"\\u0062\"")]);
    let resources = r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#;
    assert!(rig.server(resources).is_empty());
}

#[test]
fn resources_are_subscribed_to_and_what_is_granted_is_acknowledged() {
    let mut rig = Rig::open("{}", ALL);
    let filter = r#"{"resourceSubscriptions":["a:\u0062","a:c","a:b"]}"#;
    let sent = rig.client(&listen("1", filter));
    let asked = to_server(&sent);
    assert_eq!(asked.len(), 2, "{sent:?}");
    assert!(sent[0].contains(r#""method":"resources/subscribe","params":{"uri":"a:\u0062"}"#));
    let ids: Vec<String> = asked.iter().map(|message| message["id"].to_string()).collect();
    // What comes before the acknowledgement follows it, once.
    assert!(rig.server(&updated("a:b")).is_empty());
    assert!(rig.server(&updated("a:b")).is_empty());
    assert!(rig.server(&updated("a:c")).is_empty());
    assert!(rig.result(&ids[0], "{}").is_empty());
    let refusal =
        format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32002,"message":"m"}}}}"#, ids[1]);
    assert_eq!(
        rig.server(&refusal),
        [
            acknowledged("1", r#"{"resourceSubscriptions":["a:\u0062"]}"#),
            format!(
                r#"client {{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"a:b","_meta":{{{TAG}:1}}}}}}"#
            ),
        ]
    );
    for (uri, reaches) in [("a:b", true), ("a:b/x", true), ("a:bc", false), ("a:c", false)] {
        assert_eq!(!rig.server(&updated(uri)).is_empty(), reaches, "{uri}");
    }
}

#[test]
fn a_resource_is_subscribed_to_once_for_all() {
    let mut rig = Rig::open("{}", ALL);
    let filter = r#"{"resourceSubscriptions":["a:b"]}"#;
    let granted = |id| acknowledged(id, filter);
    let id = id_of(&rig.client(&listen("1", filter)), "resources/subscribe");
    assert!(rig.client(&listen("2", filter)).is_empty());
    assert_eq!(rig.result(&id, "{}"), [granted("1"), granted("2")]);
    assert_eq!(rig.client(&listen("3", filter)), [granted("3")]);
    assert!(rig.client(&cancel("1")).is_empty());
    assert!(rig.client(&cancel("2")).is_empty());
    let ended = rig.client(&cancel("3"));
    let id = id_of(&ended, "resources/unsubscribe");
    assert_eq!(
        ended,
        [format!(
            r#"server 0 {{"jsonrpc":"2.0","id":{id},"method":"resources/unsubscribe","params":{{"uri":"a:b"}}}}"#
        )]
    );
    // Who wants it again waits until the server has let go of it.
    assert!(rig.client(&listen("4", filter)).is_empty());
    let again = id_of(&rig.result(&id, "{}"), "resources/subscribe");
    assert_eq!(rig.result(&again, "{}"), [granted("4")]);
}

#[test]
fn a_subscription_that_ends_early_leaves_nothing_behind() {
    let mut rig = Rig::open("{}", ALL);
    let filter = r#"{"resourceSubscriptions":["a:b"]}"#;
    let id = id_of(&rig.client(&listen("1", filter)), "resources/subscribe");
    assert!(rig.client(&cancel("1")).is_empty());
    let ended = rig.result(&id, "{}");
    let id = id_of(&ended, "resources/unsubscribe");
    assert_eq!(ended.len(), 1);
    assert!(rig.result(&id, "{}").is_empty());
    assert!(rig.server(&updated("a:b")).is_empty());
}

#[test]
fn many_resources_are_asked_for_a_few_at_a_time() {
    let mut rig = Rig::open("{}", ALL);
    let uris: Vec<_> = (0..MAX_SUBSCRIPTIONS + 5).map(|n| format!("\"a:{n}\"")).collect();
    let filter = format!(r#"{{"resourceSubscriptions":[{}]}}"#, uris.join(","));
    let mut sent = to_server(&rig.client(&listen("1", &filter)));
    assert_eq!(sent.len(), REPEATED_AT_ONCE);
    let mut asked = 0;
    let last = loop {
        let id = sent.pop().unwrap()["id"].to_string();
        asked += 1;
        let actions = rig.result(&id, "{}");
        sent.extend(to_server(&actions));
        assert!(sent.len() <= REPEATED_AT_ONCE);
        if sent.is_empty() {
            break actions;
        }
    };
    assert_eq!(asked, MAX_SUBSCRIPTIONS);
    assert!(last[0].contains(&format!("\"a:{}\"]", MAX_SUBSCRIPTIONS - 1)));
}

#[test]
fn a_server_that_does_not_answer_grants_nothing() {
    let mut rig = Rig::open("{}", ALL);
    let uris: Vec<_> = (0..2 * REPEATED_AT_ONCE).map(|n| format!("\"a:{n}\"")).collect();
    let filter =
        format!(r#"{{"toolsListChanged":true,"resourceSubscriptions":[{}]}}"#, uris.join(","));
    let asked = to_server(&rig.client(&listen("1", &filter)));
    assert_eq!(rig.result(&asked[0]["id"].to_string(), "{}").len(), 1, "the next one");
    let first = rig.overdue - REPEATED_AT_ONCE as u64 + 1;
    let actions: Vec<String> = (first..=rig.overdue).flat_map(|n| rig.wake_for(n)).collect();
    let granted = r#"{"toolsListChanged":true,"resourceSubscriptions":["a:0"]}"#;
    assert_eq!(actions.last(), Some(&acknowledged("1", granted)));
    assert_eq!(to_server(&actions).len(), REPEATED_AT_ONCE, "all of them are taken back");
}

#[test]
fn the_end_closes_subscriptions_in_good_order() {
    let mut rig = Rig::open("{}", ALL);
    rig.client(&listen("1", r#"{"toolsListChanged":true}"#));
    let mut actions = Vec::new();
    rig.adapter.end(&mut actions);
    assert_eq!(
        rig.done(&actions),
        [
            format!(
                r#"answer {{"jsonrpc":"2.0","id":1,"result":{{"resultType":"complete","_meta":{{{TAG}:1,{INFO}}}}}}}"#
            ),
            r#"client {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"the subscription has ended"}}"#
                .to_owned(),
        ]
    );
    assert!(rig.server(TOOLS).is_empty());
}

#[test]
fn a_subscription_waits_for_its_session() {
    let mut rig = Rig::new();
    let opened = rig.client(&listen("1", r#"{"toolsListChanged":true}"#));
    rig.client(&listen("2", r#"{"toolsListChanged":true}"#));
    assert!(rig.client(&cancel("1")).is_empty());
    let actions = rig.server(&initialized(&id_of(&opened, "initialize"), ALL));
    assert_eq!(actions[1..], [acknowledged("2", r#"{"toolsListChanged":true}"#)]);
}
