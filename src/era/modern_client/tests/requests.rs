//! What a request must carry, and which are answered here.

use super::*;

#[test]
fn metadata_is_demanded() {
    let meta = |meta: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{{"_meta":{meta}}}}}"#)
    };
    let capabilities = r#""io.modelcontextprotocol/clientCapabilities""#;
    for (text, code) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(), -32602),
        (meta("{}"), -32602),
        (meta("null"), -32602),
        (meta(&format!("{{{VERSION}}}")), -32602),
        (meta(&format!("{{{VERSION},{capabilities}:null}}")), -32602),
        (meta(&format!("{{{VERSION},{capabilities}:[]}}")), -32602),
        (meta(&format!("{{{capabilities}:{{}}}}")), -32602),
        (meta(r#"{"io.modelcontextprotocol/protocolVersion":20260728}"#), -32602),
        (meta(r#"{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}"#), -32022),
        (
            meta(&format!(
                r#"{{{VERSION},{capabilities}:{{}},"io.modelcontextprotocol/logLevel":"loud"}}"#
            )),
            -32602,
        ),
    ] {
        assert_eq!(refused(&Rig::new().client(&text)), code, "{text}");
    }
}

#[test]
fn another_revision_is_told_which_one_we_speak() {
    let text = request("1", "tools/list", "").replace("2026-07-28", "1900-01-01");
    assert_eq!(
        Rig::new().client(&text),
        [
            r#"answer {"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"requested":"1900-01-01","supported":["2026-07-28"]}}}"#
        ]
    );
}

#[test]
fn methods_of_the_other_era_do_not_exist() {
    for method in REMOVED {
        let actions = Rig::new().client(&request("1", method, ""));
        assert_eq!(refused(&actions), -32601, "{method}");
        assert_eq!(answer(&actions)["error"]["data"]["supported"][0], "2026-07-28");
        let bare = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        assert_eq!(refused(&Rig::new().client(&bare)), -32601, "{method}");
    }
}

#[test]
fn only_cancellations_and_requests_are_taken_from_a_modern_client() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        assert!(Rig::open("{}", "{}").client(text).is_empty(), "{text}");
    }
}

#[test]
fn a_call_and_its_answer() {
    let mut rig = Rig::open("{}", "{}");
    for (method, params, result, expected) in [
        ("tools/call", r#","name":"t""#, "{}", r#"{"resultType":"complete","_meta":{INFO}}"#),
        ("prompts/get", r#","name":"t""#, "{}", r#"{"resultType":"complete","_meta":{INFO}}"#),
        (
            "tools/list",
            "",
            r#"{"tools":[]}"#,
            r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{INFO}}"#,
        ),
        (
            "resources/read",
            r#","uri":"a:b""#,
            r#"{"contents":[],"ttlMs":5,"_meta":{"x":1.0}}"#,
            r#"{"contents":[],"ttlMs":5,"_meta":{"x":1.0,INFO},"resultType":"complete","cacheScope":"private"}"#,
        ),
        ("completion/complete", "", "{}", r#"{"resultType":"complete","_meta":{INFO}}"#),
        ("tasks/get", r#","taskId":"9""#, "{}", r#"{"resultType":"complete","_meta":{INFO}}"#),
        ("com.example/own", "", r#"{"resultType":"x"}"#, r#"{"resultType":"x","_meta":{INFO}}"#),
    ] {
        let sent = rig.client(&request("1.0", method, params));
        let id = id_of(&sent, method);
        let params = params.trim_start_matches(',');
        assert_eq!(
            sent,
            [format!(
                r#"server 0 {{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#
            )]
        );
        let expected = expected.replace("INFO", INFO);
        assert_eq!(
            rig.result(&id, result),
            [format!(r#"answer {{"jsonrpc":"2.0","id":1.0,"result":{expected}}}"#)]
        );
        assert!(rig.result(&id, result).is_empty(), "a second answer");
    }
}

#[test]
fn legacy_error_codes() {
    let mut rig = Rig::open("{}", "{}");
    for (method, code, expected) in [
        ("resources/read", "-32002", "-32602"),
        ("resources/read", "-32002.0", "-32602"),
        ("tools/call", "-32002", "-32602"),
        ("tools/call", "-32601", "-32601"),
        ("tools/call", "-31012", "-31012"),
        ("tools/list", "-32042", "-32603"),
        ("tools/call", "-32042", "-32603"),
    ] {
        let sent = rig.client(&request("\"\\u0061\"", method, ""));
        let id = id_of(&sent, method);
        let error = r#""message":"m","data":{"uri":"a:b","n":1.0}}"#;
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},{error}}}"#);
        assert_eq!(
            rig.server(&text),
            [format!(
                r#"answer {{"jsonrpc":"2.0","id":"\u0061","error":{{"code":{expected},{error}}}"#
            )],
            "{method} {code}"
        );
    }
}

#[test]
fn cancellation_names_the_id_that_the_server_knows() {
    let mut rig = Rig::open("{}", "{}");
    let id = rig.call("{}", "1");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"r","requestId":1.0}}"#;
    assert_eq!(
        rig.client(cancel),
        [format!(
            r#"server 0 {{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"reason":"r","requestId":{id}}}}}"#
        )]
    );
    assert!(rig.client(cancel).is_empty());
    assert!(rig.result(&id, "{}").is_empty());
}

#[test]
fn progress_reaches_the_request_that_asked_for_it() {
    let mut rig = Rig::open("{}", "{}");
    let with_token = |id: &str, token: &str| {
        let text = request(id, "tools/call", r#","name":"t""#);
        text.replace(VERSION, &format!(r#"{VERSION},"progressToken":{token}"#))
    };
    let progress = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1.0}}}}"#
        )
    };
    let sent = rig.client(&with_token("1", "\"p\""));
    assert_eq!(to_server(&sent)[0]["params"]["_meta"], serde_json::json!({"progressToken": "p"}));
    assert_eq!(rig.server(&progress("\"p\"")), [format!("client {}", progress("\"p\""))]);
    assert!(rig.server(&progress("1")).is_empty());
    // The same token again while the first call is open: the server must be able to tell them apart.
    let second = rig.client(&with_token("2", "\"p\""));
    let token = to_server(&second)[0]["params"]["_meta"]["progressToken"].to_string();
    assert_ne!(token, "\"p\"");
    assert_eq!(rig.server(&progress(&token)), [format!("client {}", progress("\"p\""))]);
    rig.result(&id_of(&sent, "tools/call"), "{}");
    assert!(rig.server(&progress("\"p\"")).is_empty());
}

#[test]
fn nothing_of_legacy_notifications_reaches_the_client_unasked() {
    let mut rig = Rig::open("{}", r#"{"tools":{"listChanged":true},"logging":{}}"#);
    rig.call("{}", "1");
    for method in [
        "notifications/elicitation/complete",
        "notifications/tasks/status",
        "notifications/tools/list_changed",
        "notifications/resources/updated",
        "notifications/message",
        "notifications/unheard/of",
    ] {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"level":"error","uri":"a:b"}}}}"#
        );
        assert!(rig.server(&text).is_empty(), "{method}");
    }
}
