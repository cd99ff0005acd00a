//! Opening, sharing and closing sessions; `server/discover`.

use super::*;
use crate::limits::MAX_LINKS;

const FORM: &str = r#"{"elicitation":{}}"#;

#[test]
fn the_first_request_opens_a_session_as_its_client() {
    let text = request_of(
        r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"tasks":{},"x":1.0}"#,
        "1",
        "tools/list",
        "",
    );
    let info = r#"{"name":"c","version":"2.0","icons":[]}"#;
    let named =
        text.replace(VERSION, &format!(r#"{VERSION},"io.modelcontextprotocol/clientInfo":{info}"#));
    for (text, client) in [(named, info.to_owned()), (text, ourselves())] {
        let sent = Rig::new().client(&text);
        let id = id_of(&sent, "initialize");
        assert_eq!(
            sent,
            [format!(
                r#"server 0 {{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{"roots":{{}},"sampling":{{"tools":{{}}}},"x":1.0}},"clientInfo":{client}}}}}"#
            )]
        );
    }
}

fn ourselves() -> String {
    format!(r#"{{"name":"mcp-tether","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))
}

#[test]
fn discovery_is_answered_from_the_initialize_result() {
    let mut rig = Rig::new();
    let id = id_of(&rig.client(&request("\"d\"", "server/discover", "")), "initialize");
    let capabilities = r#"{"tools":{"listChanged":true},"tasks":{"list":{}},"resources":{"subscribe":true},"x":1.0}"#;
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"serverInfo":{{"name":"s","version":"1.0"}},"instructions":"\u00e9","own":1.0}}}}"#
    );
    let discovered = format!(
        r#"{{"capabilities":{{"tools":{{"listChanged":true}},"resources":{{"subscribe":true}},"x":1.0}},"instructions":"\u00e9","own":1.0,"supportedVersions":["2026-07-28"],"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{{{INFO}}}}}"#
    );
    assert_eq!(
        rig.server(&text),
        [
            format!(r#"answer {{"jsonrpc":"2.0","id":"d","result":{discovered}}}"#),
            r#"server 0 {"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        ]
    );
    // The next one needs nobody.
    assert_eq!(
        rig.client(&request("2", "server/discover", "")),
        [format!(r#"answer {{"jsonrpc":"2.0","id":2,"result":{discovered}}}"#)]
    );
}

#[test]
fn a_server_may_say_little_about_itself() {
    for result in [
        r#"{"protocolVersion":"2024-11-05"}"#,
        r#"{"protocolVersion":"2024-11-05","capabilities":null,"serverInfo":null}"#,
    ] {
        let mut rig = Rig::new();
        let id = id_of(&rig.client(&request("1", "server/discover", "")), "initialize");
        let answered = answer(&rig.result(&id, result));
        assert_eq!(answered["result"]["capabilities"], serde_json::json!({}));
        assert_eq!(answered["result"]["_meta"], Value::Null);
    }
}

#[test]
fn requests_wait_for_the_session_in_their_order() {
    let mut rig = Rig::new();
    let opened = rig.client(&request("1", "tools/list", ""));
    for (id, method) in [("2", "prompts/list"), ("3", "server/discover"), ("4", "resources/list")] {
        assert!(rig.client(&request(id, method, "")).is_empty());
    }
    for id in [2, 3] {
        let cancel = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        assert!(rig.client(&cancel).is_empty(), "the server does not know of {id}");
    }
    let actions = rig.server(&initialized(&id_of(&opened, "initialize"), "{}"));
    let methods: Vec<_> = to_server(&actions).iter().map(|m| m["method"].clone()).collect();
    assert_eq!(methods, ["notifications/initialized", "tools/list", "resources/list"]);
    assert_eq!(actions.len(), 3, "{actions:?}");
}

#[test]
fn what_fails_to_open_fails_for_all_and_is_tried_again() {
    let mut rig = Rig::new();
    let id = id_of(&rig.client(&request("1", "server/discover", "")), "initialize");
    rig.client(&request("\"b\"", "tools/list", ""));
    rig.client(&request("3", "subscriptions/listen", r#","notifications":{}"#));
    let error = r#""error":{"code":-31011,"message":"sign in","data":{"n":1.0}}"#;
    let actions = rig.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},{error}}}"#));
    let expected = ["1", "\"b\"", "3"]
        .map(|id| format!(r#"answer {{"jsonrpc":"2.0","id":{id},{error}}}"#))
        .into_iter()
        .chain(["close 0".to_owned()]);
    assert_eq!(actions, expected.collect::<Vec<_>>());
    let again = rig.client(&request("1", "tools/list", ""));
    assert!(again[0].starts_with("server 1 "), "{again:?}");
    assert_ne!(id_of(&again, "initialize"), id);
}

#[test]
fn a_revision_that_nobody_knows_opens_no_session() {
    for version in [r#""2023-01-01""#, r#""2026-07-28""#, "null", "7"] {
        let mut rig = Rig::new();
        let id = id_of(&rig.client(&request("1", "tools/list", "")), "initialize");
        let result = format!(r#"{{"protocolVersion":{version},"capabilities":{{}}}}"#);
        let actions = rig.result(&id, &result);
        assert_eq!(actions[1..], ["close 0"]);
        let error = &answer(&actions)["error"];
        assert_eq!(error["code"], -32022);
        assert_eq!(error["data"]["supported"], serde_json::json!([]));
        assert_eq!(error["data"]["requested"], "2026-07-28");
    }
}

#[test]
fn only_other_capabilities_need_another_session() {
    let mut rig = Rig::open(FORM, "{}");
    for (declared, session) in [
        (FORM, 0),
        (r#"{"elicitation":{"form":{}}}"#, 0),
        (r#"{"elicitation":{"form":{"x":1}},"roots":null}"#, 0),
        (r#"{"elicitation":{},"roots":{}}"#, 1),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, 2),
        (r#"{"elicitation":{},"extensions":{"a.b/c":{}}}"#, 3),
        (r#"{"extensions":{"a.b/c": { } },"elicitation":{}}"#, 3),
    ] {
        let mut sent = rig.client(&request_of(declared, "1", "tools/list", ""));
        assert!(sent[0].starts_with(&format!("server {session} ")), "{declared}: {sent:?}");
        if to_server(&sent)[0]["method"] == "initialize" {
            sent = rig.server_on(session, &initialized(&id_of(&sent, "initialize"), "{}"));
        }
        let id = id_of(&sent, "tools/list");
        let result = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        answer(&rig.server_on(session, &result));
    }
}

#[test]
fn the_session_that_was_not_used_for_longest_makes_room() {
    let mut rig = Rig::open("{}", "{}");
    let extension = |n: usize| format!(r#"{{"extensions":{{"a.b/{n}":{{}}}}}}"#);
    for n in 1..MAX_LINKS {
        let sent = rig.client(&request_of(&extension(n), "1", "server/discover", ""));
        let id = id_of(&sent, "initialize");
        rig.server_on(n.try_into().unwrap(), &initialized(&id, "{}"));
    }
    // The first is used again, so that the second is the oldest; then it gets work to do.
    rig.client(&request("1", "server/discover", ""));
    let sent = rig.client(&request_of(&extension(7), "1", "server/discover", ""));
    assert_eq!(sent[0], "close 1");
    assert!(sent[1].starts_with("server 4 "), "{sent:?}");
    let late = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;
    assert!(rig.server_on(1, late).is_empty(), "nothing comes from a closed link");
}

#[test]
fn where_all_sessions_are_busy_the_best_is_shared() {
    let mut rig = Rig::new();
    let declared = [
        "{}",
        r#"{"roots":{}}"#,
        r#"{"sampling":{}}"#,
        r#"{"roots":{},"sampling":{},"elicitation":{}}"#,
    ];
    for (n, declared) in declared.into_iter().enumerate() {
        let sent = rig.client(&request_of(declared, &n.to_string(), "tools/list", ""));
        let id = id_of(&sent, "initialize");
        rig.server_on(n.try_into().unwrap(), &initialized(&id, "{}"));
    }
    for (declared, session) in [
        (r#"{"roots":{"x":1},"elicitation":{}}"#, 1),
        (r#"{"elicitation":{"url":{}}}"#, 0),
        (r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{}}"#, 3),
    ] {
        let sent = rig.client(&request_of(declared, "\"x\"", "tools/list", ""));
        assert!(sent[0].starts_with(&format!("server {session} ")), "{declared}: {sent:?}");
        let cancel =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}"#;
        rig.client(cancel);
    }
}
