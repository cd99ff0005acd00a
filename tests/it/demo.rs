//! The first steps that the README shows: the demo server, and the bridge in front of it.
#![cfg(feature = "demo")]

use std::process::Command;

use serde_json::{Value, json};

use crate::support::*;

/// A running `mcp-tether demo`, and its address.
fn demo(faults: &[&str]) -> (Bridge, String) {
    let mut builder = Bridge::with("demo").arg("--port").arg("0");
    for fault in faults {
        builder = builder.arg("--fault").arg(fault);
    }
    let server = builder.start();
    server.wait_stderr("Requests:");
    let stderr = server.stderr();
    let at = stderr.find("http://127.0.0.1:").expect("it says where it listens");
    let url = stderr[at..].split_whitespace().next().unwrap().to_owned();
    (server, url)
}

fn call(id: usize, tool: &str, arguments: &Value) -> String {
    json!({
        "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": id}},
    })
    .to_string()
}

#[test]
fn the_one_liner_that_the_demo_prints() {
    let (_server, url) = demo(&[]);
    let bridge = Bridge::with(&url).start();
    bridge.send_bytes(format!(
        "{INITIALIZE}\n{INITIALIZED}\n{}\n",
        call(2, "count", &json!({"to": 3}))
    ));
    let exit = bridge.finish();
    exit.code(0);
    let ids: Vec<_> =
        exit.rest.iter().filter(|l| l.method.is_none()).map(|l| l.id.clone()).collect();
    assert_eq!(ids, [Some("0".to_owned()), Some("2".to_owned())]);
    let progress =
        exit.rest.iter().filter(|l| l.method.as_deref() == Some("notifications/progress"));
    assert_eq!(progress.count(), 3, "{:?}", exit.rest);
}

#[test]
fn everything_it_offers_comes_through() {
    let (_server, url) = demo(&[]);
    let bridge = Bridge::with(&url).start();
    bridge.send(
        INITIALIZE
            .replace("\"capabilities\":{}", r#""capabilities":{"elicitation":{},"sampling":{}}"#),
    );
    assert!(bridge.answer(0).result()["capabilities"]["tools"].is_object());
    bridge.send(INITIALIZED);
    for list in ["tools/list", "resources/list", "prompts/list"] {
        let name = list.split_once('/').unwrap().0;
        let items = bridge.ask(1, list).result();
        assert!(!items[name].as_array().unwrap().is_empty(), "{list}");
    }
    bridge.send(call(2, "ask_name", &json!({})));
    let question = bridge.incoming("elicitation/create");
    let id = question.id.unwrap();
    bridge.send(result(id, r#"{"action":"accept","content":{"name":"Ada"}}"#));
    assert!(bridge.answer(2).text.contains("Ada"));

    bridge.send(r#"{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"demo://counter"}}"#);
    bridge.answer(3).result();
    bridge.send(call(4, "touch_resource", &json!({})));
    bridge.answer(4).result();
    bridge.incoming("notifications/resources/updated");
    bridge.send(call(5, "add_tool", &json!({})));
    bridge.answer(5).result();
    bridge.incoming("notifications/tools/list_changed");
    bridge.send(call(6, "big", &json!({"bytes": 1_000_000})));
    assert!(bridge.answer(6).text.len() > 100);
    bridge.finish().code(0);
}

#[test]
fn its_faults_go_unnoticed_by_the_client() {
    for faults in [
        &["drop-streams"][..],
        &["close-streams"],
        &["forget-sessions=3"],
        &["unavailable=4"],
        &["no-get"],
        &["json-only"],
        &["drop-streams", "forget-sessions=5", "unavailable=7"],
    ] {
        let (_server, url) = demo(faults);
        let bridge = Bridge::with(&url).start();
        bridge.handshake().result();
        for id in 1..=6 {
            bridge.send(call(id, "count", &json!({"to": 2, "delay_ms": 1})));
            let answer = bridge.answer(id);
            // Without GET a cut stream cannot be resumed; all other faults can be mended.
            assert!(!answer.is_error, "{faults:?}: {answer}");
        }
        bridge.finish().code(0);
    }
}

#[test]
fn trying_it_out_takes_one_command() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_mcp-tether")).args(["demo", "--try"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("\"id\":4.0"), "{stdout}");
    assert!(stdout.contains("notifications/progress"), "{stdout}");
}
