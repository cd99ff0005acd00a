//! What the client sends, and what the server gets of it.

use super::*;
use crate::era::LOG_LEVEL;

#[test]
fn requests_carry_who_asks() {
    let mut bench = Bench::open("2025-11-25", r#"{"roots":{"listChanged":true}}"#, PLAIN);
    let mut actions = Vec::new();
    for (sent, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{META}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":null}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{META}}}"#,
        ),
        (
            r#"{"id":1e2,"params":{"_meta":{"progressToken":1,"a/b":[1.0]},"name":"t"},"method":"tools/call","x":0,"jsonrpc":"2.0"}"#,
            r#"{"id":1e2,"params":{"_meta":{"progressToken":1,"a/b":[1.0],META},"name":"t"},"method":"tools/call","x":0,"jsonrpc":"2.0"}"#,
        ),
        // What the client claims to be in a request does not count; it has said who it is.
        (
            r#"{"jsonrpc":"2.0","id":"3","method":"x/y","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1999-01-01"}}}"#,
            r#"{"jsonrpc":"2.0","id":"3","method":"x/y","params":{"_meta":{META}}}"#,
        ),
    ] {
        let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"C","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{"roots":{"listChanged":true}}"#;
        actions.clear();
        bench.adapter.take_from_client(&message(sent, Source::Client), &mut actions);
        let [Action::ToServer(LINK, bytes)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(text(bytes), expected.replace("META", meta));
    }
}

#[test]
fn bytes_survive_both_ways() {
    let mut bench = Bench::open("2025-11-25", "{}", PLAIN);
    let odd = r#"{ "z":12345678901234567890, "a" : 1.0,"\u0062":-0,"n":{"d":1e400},"s":"\ud800" }"#;
    let sent = format!(
        r#"{{ "jsonrpc":"2.0", "method":"tools\/call","id" : 12345678901234567890,"params":{{ "name":"t","arguments":{odd}}} ,"x":1.0}}"#
    );
    assert_eq!(bench.client(&sent), [format!("server {sent}")]);
    let came = format!(
        r#"{{ "id":12345678901234567890 ,"result":{{ "content":[{odd}] , "resultType":"complete","structuredContent":{odd},"y":1.0}} ,"x":[1.0] }}"#
    );
    assert_eq!(
        bench.server(&came),
        [format!("answer {}", came.replace(r#" , "resultType":"complete""#, ""))]
    );
    let came = format!(r#"{{"method":"notifications/progress","params":{odd},"x":1.0}}"#);
    assert_eq!(bench.server(&came), [format!("client {came}")]);
}

#[test]
fn ids_are_the_clients_own_where_they_are_free() {
    let mut bench = Bench::open("2025-11-25", "{}", PLAIN);
    let call = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
    let answer = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#);
    // Any spelling is kept, and found again in another one.
    assert_eq!(bench.client(&call("\"\\u0061\"")), [format!("server {}", call("\"\\u0061\""))]);
    assert_eq!(bench.server(&answer("\"a\"")), [format!("answer {}", answer("\"\\u0061\""))]);
    // Answered twice: the second goes nowhere.
    assert_eq!(bench.server(&answer("\"a\"")), [""; 0]);
    assert_eq!(bench.server(&answer("null")), [""; 0]);

    // Taken back: until its answer has come, another request does not get the id on the link.
    bench.client(&call("7"));
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"r","x":1.0}}"#;
    assert_eq!(bench.client(cancel), [format!("server {cancel}")]);
    let [ours] = bench.client(&call("7.0")).try_into().unwrap();
    assert_eq!(ours, format!("server {}", call("\"mcp-tether/1\"")));
    assert_eq!(bench.server(&answer("7")), [""; 0]);
    assert_eq!(bench.client(&call("8")), [format!("server {}", call("8"))]);
    // The cancellation names the id that the request has there.
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7.0}}"#;
    let passed = cancel.replace("7.0", "\"mcp-tether/1\"");
    assert_eq!(bench.client(cancel), [format!("server {passed}")]);
    assert_eq!(bench.client(cancel), [""; 0]);
    // The answer to the first 7 has come.
    assert_eq!(bench.client(&call("7")), [format!("server {}", call("7"))]);

    // An id that looks like ours is one like any other, on either side.
    let looks = "\"mcp-tether/2\"";
    assert_eq!(bench.client(&call(looks)), [format!("server {}", call(looks))]);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}"#;
    bench.client(cancel);
    assert_eq!(bench.client(&call("8")), [format!("server {}", call("\"mcp-tether/3\""))]);
    assert_eq!(bench.server(&answer(looks)), [format!("answer {}", answer(looks))]);
    assert_eq!(
        bench.client(&call("\"mcp-tether/3\"")),
        [format!("server {}", call("\"mcp-tether/4\""))]
    );
    assert_eq!(bench.server(&answer("\"mcp-tether/3\"")), [format!("answer {}", answer("8"))]);
    assert_eq!(
        bench.server(&answer("\"mcp-tether/4\"")),
        [format!("answer {}", answer("\"mcp-tether/3\""))]
    );
}

#[test]
fn some_requests_are_answered_here() {
    let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
    let none = [""; 0];
    for (sent, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#,
            &[r#"answer {"jsonrpc":"2.0","id":1.0,"result":{}}"#][..],
        ),
        (r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#, &none),
        (r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#, &none),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, &none),
        (r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#, &none),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#,
            &none,
        ),
        (r#"{"jsonrpc":"2.0","id":"mcp-tether/1","result":{}}"#, &none),
        (r#"{"jsonrpc":"2.0","id":4,"error":{"code":1,"message":""}}"#, &none),
        (
            r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"warning"}}"#,
            &[r#"answer {"jsonrpc":"2.0","id":2,"result":{}}"#],
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#,
            &[
                r#"server {"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/logLevel":"warning"}}}"#,
            ],
        ),
    ] {
        assert_eq!(bench.client(sent), expected, "{sent}");
    }
}

#[test]
fn what_cannot_be_answered_here_is_refused() {
    let level = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{{"level":{level}}}}}"#
        )
    };
    let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
    for bad in ["\"loud\"", "7", "null", "\"INFO\""] {
        assert_error(&bench.client(&level(bad))[0], "1", -32602);
    }
    let missing = r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel"}"#;
    assert_error(&bench.client(missing)[0], "1", -32602);
    let sent = bench.client(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    assert!(!sent[0].contains(LOG_LEVEL));

    let mut bench = Bench::open("2025-11-25", "{}", PLAIN);
    for request in [
        level("\"info\""),
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/unsubscribe","params":{"uri":"a:b"}}"#
            .into(),
        r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{}}}"#
            .into(),
    ] {
        let done = bench.client(&request);
        assert_error(&done[0], "1", -32601);
        assert_eq!(done.len(), 1, "{request}");
    }
}

#[test]
fn what_a_modern_server_must_not_send_does_not_reach_the_client() {
    let mut bench = Bench::open("2025-11-25", "{}", PLAIN);
    bench.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    for came in [
        r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}"#,
    ] {
        assert_eq!(bench.server(came), [""; 0], "{came}");
    }
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(bench.server(answer), [format!("answer {answer}")]);
}
