//! Log levels of requests on the one level of a session.

use super::*;

/// A call of a tool that asks for log messages.
fn asking(id: &str, level: &str) -> String {
    request(id, "tools/call", r#","name":"t""#)
        .replace(VERSION, &format!(r#"{VERSION},"io.modelcontextprotocol/logLevel":"{level}""#))
}

fn log(level: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1.0}}}}"#
    )
}

fn set_level(id: &str, level: &str) -> String {
    format!(
        r#"server 0 {{"jsonrpc":"2.0","id":{id},"method":"logging/setLevel","params":{{"level":"{level}"}}}}"#
    )
}

#[test]
fn the_level_is_set_before_the_request_that_needs_it() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let first = rig.client(&asking("1", "warning"));
    let level = id_of(&first, "logging/setLevel");
    assert_eq!(first, [set_level(&level, "warning")]);
    // One that needs it as well waits too, one that asks for nothing does not.
    assert!(rig.client(&asking("2", "error")).is_empty());
    assert_eq!(rig.client(&request("3", "tools/list", "")).len(), 1);
    let sent = rig.result(&level, "{}");
    assert_eq!(to_server(&sent).len(), 2, "{sent:?}");
    // Low enough already.
    assert!(id_of(&rig.client(&asking("4", "alert")), "tools/call").starts_with('"'));
    // Lower.
    let lower = rig.client(&asking("5", "debug"));
    assert_eq!(lower, [set_level(&id_of(&lower, "logging/setLevel"), "debug")]);
}

#[test]
fn a_request_that_needs_more_while_the_level_is_being_set() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let first = rig.client(&asking("1", "error"));
    assert!(rig.client(&asking("2", "debug")).is_empty());
    let again = rig.result(&id_of(&first, "logging/setLevel"), "{}");
    let second = id_of(&again, "logging/setLevel");
    assert_eq!(again, [set_level(&second, "debug")]);
    assert_eq!(to_server(&rig.result(&second, "{}")).len(), 2);
}

#[test]
fn messages_go_only_to_requests_that_asked() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    rig.call("{}", "0");
    assert!(rig.server(&log("emergency")).is_empty());
    let level = id_of(&rig.client(&asking("1", "warning")), "logging/setLevel");
    let call = id_of(&rig.result(&level, "{}"), "tools/call");
    for (level, passes) in
        [("debug", false), ("notice", false), ("warning", true), ("alert", true), ("own", false)]
    {
        let expected = passes.then(|| format!("client {}", log(level)));
        assert_eq!(rig.server(&log(level)), expected.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(rig.result(&call, "{}").len(), 2, "the answer, and an alarm");
    assert!(rig.server(&log("alert")).is_empty());
}

#[test]
fn a_message_on_the_stream_of_a_request_is_for_that_request() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let silent = rig.call("{}", "0");
    let level = id_of(&rig.client(&asking("1", "warning")), "logging/setLevel");
    let call = id_of(&rig.result(&level, "{}"), "tools/call");
    assert!(rig.server_during(0, &log("alert"), Some(&silent)).is_empty());
    assert!(rig.server_during(0, &log("info"), Some(&call)).is_empty());
    let expected = format!("client {}", log("alert"));
    assert_eq!(rig.server_during(0, &log("alert"), Some(&call)), [expected]);
}

#[test]
fn the_level_is_raised_when_nobody_asks_for_a_while() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let level = id_of(&rig.client(&asking("1", "debug")), "logging/setLevel");
    let call = id_of(&rig.result(&level, "{}"), "tools/call");
    assert_eq!(rig.result(&call, "{}")[1], format!("wake {:?}", crate::limits::LOG_LEVEL_KEPT));
    // In the meantime somebody asks: the level is raised to theirs at once, and stays.
    let sent = rig.client(&asking("2", "error"));
    assert_eq!(to_server(&sent).len(), 2, "{sent:?}");
    rig.result(&id_of(&sent, "logging/setLevel"), "{}");
    assert!(rig.wake().is_empty());
    rig.result(&id_of(&sent, "tools/call"), "{}");
    let quiet = rig.wake();
    let id = id_of(&quiet, "logging/setLevel");
    assert_eq!(quiet, [set_level(&id, "emergency")]);
    assert!(rig.result(&id, "{}").is_empty());
}

#[test]
fn a_server_without_logging_is_told_nothing() {
    let mut rig = Rig::open("{}", "{}");
    let sent = rig.client(&asking("1", "debug"));
    assert_eq!(to_server(&sent).len(), 1);
    assert_eq!(rig.server(&log("info")).len(), 1, "it may log all the same");
    assert_eq!(rig.result(&id_of(&sent, "tools/call"), "{}").len(), 1);
}

#[test]
fn a_refused_level_holds_nobody_up() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let level = id_of(&rig.client(&asking("1", "debug")), "logging/setLevel");
    let error =
        format!(r#"{{"jsonrpc":"2.0","id":{level},"error":{{"code":-32601,"message":"m"}}}}"#);
    let sent = rig.server(&error);
    id_of(&sent, "tools/call");
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_server_that_does_not_answer_holds_nobody_up_for_ever() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let level = id_of(&rig.client(&asking("1", "debug")), "logging/setLevel");
    let sent = to_server(&rig.wake_for(rig.overdue));
    assert_eq!(sent[0]["params"]["requestId"].to_string(), level);
    assert_eq!(sent[1]["method"], "tools/call");
    assert!(rig.result(&level, "{}").is_empty(), "too late");
}

#[test]
fn a_held_request_can_be_taken_back() {
    let mut rig = Rig::open("{}", r#"{"logging":{}}"#);
    let level = id_of(&rig.client(&asking("1", "debug")), "logging/setLevel");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert!(rig.client(cancel).is_empty());
    assert_eq!(rig.result(&level, "{}").len(), 1, "only the alarm");
}
