//! Text of a hostile server on a real terminal: it cannot move the cursor, set the title or turn text around, and JSON
//! stays the JSON that it was.

use std::sync::Arc;

use serde_json::Value;

use crate::client_commands::run_with;
use crate::support::terminal::Terminal;
use crate::support::*;

/// Written as itself where JSON allows it, and as escapes: C1 (CSI, OSC, NEL), DEL, BEL, ESC, directions, line and
/// paragraph separators.
const EVIL: &str = "x\u{9b}31m\u{9d}0;pwned\u{85}\u{7f}\u{202e}\u{2066}\u{200f}\u{2028}\\u009b2J\\u001b]0;pwned\\u0007\\u001b[31m\\r\\b\\u202e\\u007fy";

fn evil(result: &str) -> String {
    result.replace("EVIL", EVIL)
}

fn hostile() -> Server {
    let server = Server::start();
    server.mcp().set(|settings| {
        settings.strict = false;
        settings.capabilities = r#"{"tools":{},"resources":{},"prompts":{}}"#;
    });
    for (method, result) in [
        (
            "tools/list",
            r#"{"tools":[{"name":"tool","title":"EVIL","description":"EVIL","inputSchema":{"type":"object","properties":{"a":{"type":"string","description":"EVIL"}}}}]}"#,
        ),
        (
            "tools/call",
            r#"{"content":[{"type":"text","text":"EVIL"},{"type":"resource_link","uri":"EVIL","name":"EVIL"},{"type":"resource","resource":{"uri":"EVIL","text":"EVIL"}},{"type":"EVIL","x":"EVIL"},{"type":"image","mimeType":"EVIL","data":"EVIL"}],"structuredContent":{"EVIL":"EVIL"}}"#,
        ),
        (
            "resources/list",
            r#"{"resources":[{"uri":"a:EVIL","name":"EVIL","description":"EVIL","mimeType":"EVIL"}]}"#,
        ),
        (
            "resources/templates/list",
            r#"{"resourceTemplates":[{"uriTemplate":"a:EVIL","name":"EVIL"}]}"#,
        ),
        (
            "resources/read",
            r#"{"contents":[{"uri":"a:b","mimeType":"EVIL","text":"EVIL"},{"uri":"EVIL","blob":"EVIL"}]}"#,
        ),
        (
            "prompts/list",
            r#"{"prompts":[{"name":"prompt","description":"EVIL","arguments":[{"name":"EVIL","description":"EVIL"}]}]}"#,
        ),
        (
            "prompts/get",
            r#"{"description":"EVIL","messages":[{"role":"EVIL","content":{"type":"text","text":"EVIL"}}]}"#,
        ),
    ] {
        server.always(method, move |request| Reply::json(request.result(&evil(result))));
    }
    server.always("evil/error", |request| {
        let id = request.id.as_deref().unwrap();
        Reply::json(evil(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"EVIL","data":"EVIL"}}}}"#
        )))
    });
    server
}

/// Asserts that nothing of the server's has come through as a control.
#[track_caller]
fn harmless(what: &str, bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let bad = |c: &char| {
        matches!(
            c,
            '\u{80}'
                ..='\u{9f}'
                    | '\u{7f}'
                    | '\u{7}'
                    | '\u{8}'
                    | '\u{202e}'
                    | '\u{2066}'
                    | '\u{200f}'
                    | '\u{2028}'
        )
    };
    assert_eq!(text.chars().find(bad), None, "{what}: {}", text.escape_debug());
    for sequence in ["\x1b]", "\x1b[31my", "\x1b[31m\r", "\x1b[31m\\"] {
        assert!(!text.contains(sequence), "{what}: {}", text.escape_debug());
    }
    assert!(text.contains('y'), "{what}: {}", text.escape_debug());
}

const COMMANDS: [&[&str]; 10] = [
    &["tools"],
    &["tools", "tool"],
    &["call", "tool"],
    &["resources"],
    &["read", "a:b"],
    &["prompts"],
    &["prompt", "prompt"],
    &["inspect"],
    &["raw", "tools/list"],
    &["raw", "evil/error"],
];

/// The command with the server's URL in its place.
fn words<'a>(command: &[&'a str], url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&command[..1], &[url], &command[1..], more].concat()
}

#[test]
fn text_of_a_server_controls_no_terminal() {
    let server = hostile();
    let url = server.url();
    for command in COMMANDS {
        let mut terminal = Terminal::run(&words(command, &url, &[]));
        terminal.code();
        harmless(&format!("{command:?}"), &terminal.bytes());
    }
}

#[test]
fn json_on_a_terminal_is_the_same_value() {
    let server = hostile();
    let url = server.url();
    for command in COMMANDS {
        for output in ["--output=json", "--output=raw"] {
            let all = words(command, &url, &[output]);
            let mut terminal = Terminal::run(&all);
            let code = terminal.code();
            let bytes = terminal.bytes();
            harmless(&format!("{command:?}"), &bytes);
            let text = String::from_utf8(bytes).unwrap();
            let piped = run_with(&all, &[], "");
            assert_eq!(piped.status.code(), code);
            for line in String::from_utf8(piped.stdout).unwrap().lines() {
                let mut wanted: Value = serde_json::from_str(line).unwrap();
                let same = text.lines().any(|shown| {
                    let json = shown.find('{').map_or("", |start| shown[start..].trim_end());
                    let Ok(mut shown) = serde_json::from_str::<Value>(json) else { return false };
                    // Each run has ids of its own.
                    for message in [&mut shown, &mut wanted] {
                        message.as_object_mut().unwrap().remove("id");
                    }
                    shown == wanted
                });
                assert!(same, "{all:?}: {line} is not in {}", text.escape_debug());
            }
        }
    }
}

#[test]
fn nor_in_a_session() {
    let server = hostile();
    let home = Arc::new(tempfile::tempdir().unwrap());
    let mut terminal = Terminal::run_in(&home, &["repl", &server.url()], &[]);
    const PROMPT: &str = "scripted> ";
    for line in [
        "tools",
        "call tool",
        "read a:b",
        "prompt prompt",
        ":output json",
        "call tool",
        "raw tools/list",
    ] {
        terminal.sees(PROMPT);
        terminal.enter(line);
    }
    terminal.sees(PROMPT);
    terminal.press("\x04");
    terminal.code();
    let bytes = terminal.bytes();
    let text = String::from_utf8(bytes).unwrap();
    // The line editor has sequences and a bell of its own.
    let bad = |c: &char| {
        matches!(
            c,
            '\u{80}'..='\u{9f}' | '\u{7f}' | '\u{202e}' | '\u{2066}' | '\u{200f}' | '\u{2028}'
        )
    };
    assert_eq!(text.chars().find(bad), None, "{}", text.escape_debug());
    assert!(!text.contains("\x1b]") && !text.contains("\x1b[31m"), "{}", text.escape_debug());
    assert!(
        text.matches("\\u{9b}").count() > 3 && text.contains("\\u009b"),
        "{}",
        text.escape_debug()
    );
}
