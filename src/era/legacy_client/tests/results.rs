//! What the server answers, and what the client gets of it.

use super::*;

/// The `result` that the client gets for this one.
fn result_for(capabilities: &str, method: &str, result: &str) -> String {
    let mut bench = Bench::open("2025-11-25", capabilities, PLAIN);
    bench.client(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"t"}}}}"#
    ));
    let done = bench.server(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
    let [line] = &done[..] else { panic!("{done:?}") };
    let prefix = r#"answer {"jsonrpc":"2.0","id":1,"result":"#;
    match line.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('}')) {
        Some(result) => result.to_owned(),
        None => line.clone(),
    }
}

#[test]
fn members_of_modern_results_are_taken_out() {
    for (method, came, given) in [
        ("resources/list", r#"{"resources":[]}"#, r#"{"resources":[]}"#),
        (
            "resources/list",
            r#"{ "resultType":"complete", "resources":[] , "ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{}},"x":1 }"#,
            r#"{ "resources":[],"_meta":{"io.modelcontextprotocol/serverInfo":{}},"x":1 }"#,
        ),
        (
            "x/y",
            r#"{"resultType":null,"a":{"resultType":"complete","ttlMs":1}}"#,
            r#"{"a":{"resultType":"complete","ttlMs":1}}"#,
        ),
        // Here they are not of the protocol, but of what was asked for.
        (
            "tasks/get",
            r#"{"resultType":"complete","taskId":"1","status":"working","ttlMs":5}"#,
            r#"{"resultType":"complete","taskId":"1","status":"working","ttlMs":5}"#,
        ),
        (
            "server/discover",
            r#"{"resultType":"complete","supportedVersions":[],"ttlMs":0,"cacheScope":"private"}"#,
            r#"{"resultType":"complete","supportedVersions":[],"ttlMs":0,"cacheScope":"private"}"#,
        ),
        ("x/y", "7", "7"),
        ("x/y", "[]", "[]"),
    ] {
        assert_eq!(result_for("{}", method, came), given);
    }
}

#[test]
fn output_schemas_of_other_types_are_taken_out() {
    let came = r#"{"resultType":"complete","tools":[ {"name":"a","outputSchema":{"type":"object","properties":{"p":{}},"required":["p"]}} , {"outputSchema":{"type":"array"},"name":"b", "x":1.0},{"name":"c","outputSchema":{"anyOf":[]}},
        {"name":"d","outputSchema":{"type":["object","null"]}},{"name":"e"},{"name":"f","outputSchema":{"type":"object","properties":{"p":true}}},{"name":"g","outputSchema":{"type":"object","required":[1]}} ],"nextCursor":"n"}"#;
    let given = r#"{"tools":[ {"name":"a","outputSchema":{"type":"object","properties":{"p":{}},"required":["p"]}} , {"name":"b", "x":1.0},{"name":"c"},
        {"name":"d"},{"name":"e"},{"name":"f"},{"name":"g"} ],"nextCursor":"n"}"#;
    assert_eq!(result_for("{}", "tools/list", came), given);
    // Only where it is the list of tools.
    let other = r#"{"tools":[{"outputSchema":{"type":"array"}}]}"#;
    assert_eq!(result_for("{}", "x/y", other), other);
    assert_eq!(result_for("{}", "tools/list", r#"{"tools":7}"#), r#"{"tools":7}"#);
}

#[test]
fn structured_content_of_other_types_is_taken_out() {
    for (came, given) in [
        (
            r#"{"content":[{"type":"text","text":"1"}],"structuredContent":{"a":1.0}}"#,
            r#"{"content":[{"type":"text","text":"1"}],"structuredContent":{"a":1.0}}"#,
        ),
        (
            r#"{"content":[{"type":"text","text":"[]"}],"structuredContent":[ 1.0 ]}"#,
            r#"{"content":[{"type":"text","text":"[]"}]}"#,
        ),
        // Nothing else says it: it is said as text.
        (
            r#"{"content":[],"structuredContent":[ 1.0,"x" ]}"#,
            r#"{"content":[{"type":"text","text":"[ 1.0,\"x\" ]"}]}"#,
        ),
        (r#"{"structuredContent":7}"#, r#"{"content":[{"type":"text","text":"7"}]}"#),
        (r#"{"content":[],"structuredContent":null}"#, r#"{"content":[]}"#),
    ] {
        assert_eq!(result_for("{}", "tools/call", came), given);
    }
}

#[test]
fn a_task_is_for_clients_that_know_them() {
    let task = r#"{"resultType":"task","taskId":"1","status":"working","ttlMs":5,"createdAt":""}"#;
    let tasks = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    assert_eq!(result_for(tasks, "tools/call", task), task);
    assert_error(&result_for("{}", "tools/call", task), "1", -31020);
    // The tasks of 2025-11-25 are others.
    assert_error(&result_for(r#"{"tasks":{}}"#, "tools/call", task), "1", -31020);
}

#[test]
fn an_unrecognized_result_type_is_an_error() {
    for kind in [r#""later""#, "7", r#""Complete""#] {
        let result = format!(r#"{{"resultType":{kind},"content":[]}}"#);
        assert_error(&result_for("{}", "tools/call", &result), "1", -31020);
    }
    let input = r#"{"resultType":"input_required","requestState":"s"}"#;
    assert_error(&result_for("{}", "tools/list", input), "1", -31020);
}

#[test]
fn errors_pass_as_they_are() {
    for error in [
        r#"{"code":-32602,"message":"m"}"#,
        r#"{"code":-32020,"message":"m","data":{"x":1.0}}"#,
        r#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{"sampling":{}}}}"#,
        r#"{"code":-32022,"message":"m","data":{"supported":["2027-01-01"]}}"#,
        r#"{"code":-31010,"message":"m","data":{"kind":"http_status"}}"#,
    ] {
        let mut bench = Bench::open("2025-11-25", "{}", PLAIN);
        bench.client(r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call"}"#);
        let came = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
        let given = came.replace("\"id\":1", "\"id\":1.0");
        assert_eq!(bench.server(&came), [format!("answer {given}")]);
    }
}

#[test]
fn notifications_pass_without_the_id_of_their_stream() {
    let mut bench = Bench::open("2025-11-25", "{}", PLAIN);
    for (came, given) in [
        (
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"x"}}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1,"k":1.0}, "uri":"a:b"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"k":1.0}, "uri":"a:b"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":{}}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":{}}}"#,
        ),
    ] {
        assert_eq!(bench.server(came), [format!("client {given}")]);
    }
}
