//! A schema and arguments, separated by a line end: what is learnt of the tool and mirrored of the
//! call. What is not that is a name.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp_tether::era::headers::{Learned, ToolHeaders, of_request};
use mcp_tether::jsonrpc::{Message, Source, member};
use mcp_tether::limits::MAX_MIRRORED_VALUE;
use serde_json::value::RawValue;

/// One input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (schema, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    if ![schema, arguments].iter().all(|json| serde_json::from_str::<&RawValue>(json).is_ok()) {
        return name(text);
    }
    let tools = learnt(schema);
    let call = format!(
        r#"{{"id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
    );
    for (name, value) in &of_request(&message(call).expect("it is a request"), &tools) {
        let value = decoded(value.to_str().expect("it is visible ASCII"));
        if name.as_str().starts_with("mcp-param-") {
            // Nothing is made up: it stands in the arguments, or is a number spelled otherwise.
            let spelled = arguments.contains(&value) || arguments.contains('\\');
            assert!(spelled || value.parse::<f64>().is_ok(), "{value}");
        }
    }
}

/// Any text comes back from the header that it became.
fn name(text: &str) {
    let name = serde_json::to_string(text).expect("a string is JSON");
    let get = format!(r#"{{"id":1,"method":"prompts/get","params":{{"name":{name}}}}}"#);
    let headers = of_request(&message(get).expect("it is a request"), &ToolHeaders::default());
    let Some(value) = headers.get("mcp-name") else {
        return assert!(text.len() > MAX_MIRRORED_VALUE / 2);
    };
    let value = value.to_str().expect("it is visible ASCII");
    assert_eq!(value.trim(), value);
    assert_eq!(decoded(value), text);
}

/// A tool that must not be shown is taken out, and then there is nothing more to take out.
fn learnt(schema: &str) -> ToolHeaders {
    let mut tools = ToolHeaders::default();
    let list = format!(
        r#"{{"id":1,"result":{{"tools":[{{"name":"t","inputSchema":{schema}}},{{"name":"u"}}]}}}}"#
    );
    let list = message(list).expect("it is a response");
    let learned = tools.learn(&list, true);
    assert_eq!(learned.filtered.is_some(), !learned.rejected.is_empty());
    if let Some(filtered) = learned.filtered {
        let left = member::lookup(&filtered, &["result", "tools"]).expect("the list is there");
        assert!(left.contains(r#"{"name":"u"}"#));
        let filtered = Message::parse(filtered, Source::Server).expect("it is still a message");
        assert_eq!(ToolHeaders::default().learn(&filtered, true), Learned::default());
    }
    tools
}

fn message(text: String) -> Option<Message> {
    Message::parse(text.into(), Source::Server).ok()
}

fn decoded(value: &str) -> String {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(inner) => {
            let bytes = STANDARD.decode(inner).expect("it is base64");
            String::from_utf8(bytes).expect("it is UTF-8")
        }
        None => value.to_owned(),
    }
}
