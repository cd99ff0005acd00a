//! `mcp-tether trace report`: one HTML page that needs nothing but itself.
//!
//! The page (`report/page.html`, `style.css`, `script.js`) is the same for every trace; what differs is
//! one block of JSON in it. The page's policy allows that one style and that one script by their hashes
//! and nothing else, no address and no other script, so that what a server said can do nothing even if
//! it got out of its place. The script shows foreign text by `textContent` only.
//!
//! * `latency`: how long methods took.

mod latency;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::json;
use crate::jsonrpc::member;
use crate::limits::{MAX_REPORT_BODIES, MAX_REPORT_BODY, MAX_REPORT_ITEMS};
use crate::order;
use crate::secret::truncate;
use crate::trace::join::{Call, Exchange, Joined, is_bad};
use crate::trace::record::{Content, Event, From, How, Message, Rpc};

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");
const SCRIPT: &str = include_str!("report/script.js");

/// Characters of a reason that is shown in a line.
const REASON: usize = 300;

/// The whole page.
pub(super) fn page(joined: &Joined) -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let data = harmless(&data(joined).to_string());
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len() + 512);
    // Piece by piece, so that nothing is replaced in what was put in.
    let mut rest = PAGE;
    for (place, text) in [
        ("{{policy}}", &*policy),
        ("{{style}}", STYLE),
        ("{{data}}", &data),
        ("{{script}}", SCRIPT),
    ] {
        if let Some((before, after)) = rest.split_once(place) {
            out.push_str(before);
            out.push_str(text);
            rest = after;
        }
    }
    out + rest
}

/// JSON that can stand in an HTML script element: no `<` that could end it or begin a comment. In JSON
/// these characters are in strings only, where an escape means the same.
fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// Bodies that are in the page, and how much room there still is.
struct Bodies {
    left: usize,
    shortened: u64,
}

impl Bodies {
    fn value(&mut self, content: &Content) -> Value {
        let (text, json) = match (&content.json, &content.text) {
            (Some(json), _) => (json.get(), true),
            (None, Some(text)) => (&**text, false),
            (None, None) => ("", false),
        };
        let mut end = text.len().min(MAX_REPORT_BODY).min(self.left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.left -= end;
        self.shortened += u64::from(end < text.len());
        let mut out = json!({ "n": content.bytes, "s": &text[..end] });
        if json {
            out["j"] = json!(true);
        }
        if content.cut || end < text.len() {
            out["cut"] = json!(true);
        }
        out
    }
}

/// What the script shows. `k` is the kind of an item, `t` its time, `e` its end.
fn data(joined: &Joined) -> Value {
    let mut bodies = Bodies { left: MAX_REPORT_BODIES, shortened: 0 };
    enum Item<'a> {
        Call(&'a Call),
        Exchange(&'a Exchange),
        Other(Value),
    }
    let mut order: Vec<(f64, Item<'_>)> = Vec::new();
    order.extend(joined.calls.iter().map(|it| (it.offset + it.message.t, Item::Call(it))));
    order.extend(joined.exchanges.iter().map(|it| (it.offset + it.began(), Item::Exchange(it))));
    for (offset, note) in &joined.notes {
        let bad = matches!(&*note.level, "error" | "warn");
        let value = json!({
            "k": "note", "level": note.level, "module": note.module, "text": note.text, "bad": bad,
        });
        order.push((offset + note.t, Item::Other(value)));
    }
    for (offset, missed) in &joined.missed {
        let value = json!({ "k": "missed", "count": missed.records, "bad": true });
        order.push((offset + missed.t, Item::Other(value)));
    }
    order::sort_by(&mut order, |a, b| a.0.total_cmp(&b.0));
    let more = order.len().saturating_sub(MAX_REPORT_ITEMS);
    order.truncate(MAX_REPORT_ITEMS);
    let items: Vec<Value> = order
        .into_iter()
        .map(|(t, item)| {
            let mut value = match item {
                Item::Call(it) => call(it, &mut bodies),
                Item::Exchange(it) => exchange(it, &mut bodies),
                Item::Other(value) => value,
            };
            value["t"] = number(t);
            value
        })
        .collect();

    let mut notices = Vec::new();
    if more as u64 + joined.left_out > 0 {
        let count = more as u64 + joined.left_out;
        notices.push(format!("Only the first {MAX_REPORT_ITEMS} items are here; {count} later records or items are left out."));
    }
    if bodies.shortened + joined.emptied > 0 {
        let count = bodies.shortened + joined.emptied;
        notices.push(format!(
            "{count} bodies are shortened or left out: a page has room for {} KiB of each and {} MiB of all.",
            MAX_REPORT_BODY >> 10,
            MAX_REPORT_BODIES >> 20
        ));
    }
    if joined.runs.len() > 1 {
        notices.push(format!("{} runs, one after the other.", joined.runs.len()));
    }
    if joined.runs.first().is_some_and(|run| run.continues) {
        notices.push("What was before has been rotated away.".to_owned());
    }
    let runs: Vec<Value> = joined
        .runs
        .iter()
        .map(|run| {
            json!({
                "server": run.server, "time": run.time, "version": run.version,
                "command": run.command, "run": run.run,
            })
        })
        .collect();
    let messages =
        joined.calls.iter().map(|call| 1 + usize::from(call.answer.is_some())).sum::<usize>();
    json!({
        "runs": runs,
        "lasted": number(joined.lasted()),
        "messages": messages,
        "notice": notices.join(" "),
        "methods": latency::methods(joined),
        "items": items,
    })
}

fn call(call: &Call, bodies: &mut Bodies) -> Value {
    let message = &call.message;
    let mut out = json!({
        "k": "call",
        "from": if message.from == From::Client { "client" } else { "bridge" },
        "b": bodies.value(&message.content),
    });
    named(&mut out, message.rpc.as_ref(), Some(&message.content));
    if let Some(rpc) = &message.rpc {
        out["kind0"] = json!(rpc.kind);
    }
    if let Some(answer) = &call.answer {
        out["e"] = number(call.offset + answer.t);
        out["a"] =
            json!({ "t": number(call.offset + answer.t), "b": bodies.value(&answer.content) });
    }
    if call.is_error() {
        out["bad"] = json!(true);
        let bad = |message: &&Message| is_bad(message.rpc.as_ref(), &message.content);
        let bad = [Some(message), call.answer.as_ref()].into_iter().flatten().find(bad);
        out["why"] = json!(bad.and_then(|message| reason(&message.content)));
    }
    out
}

fn exchange(exchange: &Exchange, bodies: &mut Bodies) -> Value {
    let offset = exchange.offset;
    let end = exchange.is_over().then(|| number(offset + exchange.ended()));
    let mut out = json!({ "k": "http", "n": exchange.n, "e": end, "auth": exchange.is_auth() });
    if let Some(request) = &exchange.request {
        out["verb"] = json!(request.method);
        out["url"] = json!(request.url);
        if let Ok(url) = url::Url::parse(&request.url) {
            out["path"] = json!(url.path());
            out["host"] = json!(url.host_str());
        }
        out["h"] = json!(request.headers);
        named(&mut out, request.rpc.as_ref(), request.content.as_ref());
        if let Some(content) = &request.content {
            out["b"] = bodies.value(content);
        }
    }
    out["sent"] = json!(exchange.sent.map(|t| number(offset + t)));
    if let Some(response) = &exchange.response {
        let status = http::StatusCode::from_u16(response.status).ok();
        out["r"] = json!({
            "t": number(offset + response.t), "status": response.status, "http": response.http,
            "text": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            "h": response.headers,
        });
    }
    if !exchange.events.is_empty() {
        let mut event_of = |event: &Event| {
            let mut out = json!({
                "t": number(offset + event.t), "event": event.event, "b": bodies.value(&event.content),
            });
            named(&mut out, event.rpc.as_ref(), None);
            if let Some(rpc) = &event.rpc {
                out["kind0"] = json!(rpc.kind);
            }
            // The event's own id, not that of the message.
            out["id"] = json!(event.id);
            out
        };
        out["ev"] = exchange.events.iter().map(&mut event_of).collect();
    }
    if let Some(end) = &exchange.end {
        out["x"] = json!({ "how": json::of(&end.how), "n": end.bytes });
        if let Some(content) = &end.content {
            out["x"]["b"] = bodies.value(content);
        }
    }
    if let Some(failure) = &exchange.failure {
        out["f"] = json!({ "kind": failure.kind, "text": failure.text });
    }
    if exchange.is_error() {
        out["bad"] = json!(true);
        out["why"] = json!(why(exchange));
    }
    out
}

/// Why an exchange is an error.
fn why(exchange: &Exchange) -> Option<String> {
    if let Some(failure) = &exchange.failure {
        return Some(truncate(&failure.text, REASON));
    }
    if let Some(end) = exchange.end.as_ref().filter(|end| end.how == How::Broken) {
        return Some(truncate(end.error.as_deref().unwrap_or("the connection broke"), REASON));
    }
    let events = exchange.events.iter().map(|event| (event.rpc.as_ref(), &event.content));
    let end = exchange.end.as_ref().and_then(|end| Some((end.rpc.as_ref(), end.content.as_ref()?)));
    let said = events.chain(end).filter(|(rpc, content)| is_bad(*rpc, content));
    let said = said.map(|(_, content)| content).find_map(reason);
    said.or_else(|| {
        let status = exchange.response.as_ref()?.status;
        let known = http::StatusCode::from_u16(status).ok()?;
        Some(format!("HTTP {status} {}", known.canonical_reason().unwrap_or_default()))
    })
}

/// What an error or the result of a failed tool says.
fn reason(content: &Content) -> Option<String> {
    let json = content.json.as_ref()?.get().as_bytes();
    let text = match member::lookup(json, &["error", "code"]) {
        Some(code) => {
            let text = member::lookup_string(json, &["error", "message"]).unwrap_or_default();
            format!("{code} {text}")
        }
        None => {
            #[derive(serde::Deserialize)]
            struct Part {
                text: Option<String>,
            }
            let content = member::lookup(json, &["result", "content"])?;
            let parts: Vec<Part> = serde_json::from_str(content).ok()?;
            parts.into_iter().find_map(|part| part.text)?
        }
    };
    Some(truncate(&text, REASON))
}

/// The id and method of a message, and what it asks for.
fn named(out: &mut Value, rpc: Option<&Rpc>, content: Option<&Content>) {
    let Some(rpc) = rpc else { return };
    out["id"] = json!(rpc.id);
    out["m"] = json!(rpc.method);
    let json = content.and_then(|content| content.json.as_ref());
    if let Some(json) = json.map(|json| json.get().as_bytes()) {
        let name = ["name", "uri"]
            .iter()
            .find_map(|member| member::lookup_string(json, &["params", member]));
        out["name"] = json!(name.map(|name| truncate(&name, REASON)));
    }
}

/// Milliseconds, to the microsecond.
fn number(milliseconds: f64) -> Value {
    json!((milliseconds * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::read::Read;
    use crate::trace::record::Record;

    fn joined(lines: &[&str]) -> Joined {
        let mut joined = Joined::default();
        for line in lines {
            joined.take(Read { record: Record::parse(line).unwrap(), line: (*line).to_owned() });
        }
        joined
    }

    #[test]
    fn foreign_text_cannot_leave_its_place() {
        let line = r#"{"type":"note","t":1,"level":"info","module":"m","text":"</script><!-- {{script}} {{style}} \u2028 &amp;"}"#;
        let page = page(&joined(&[line]));
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        let (data, rest) = rest.split_once("</script>").unwrap();
        assert!(!data.contains(['<', '>', '&', '\u{2028}']), "{data}");
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["items"][0]["text"], "</script><!-- {{script}} {{style}} \u{2028} &amp;");
        assert_eq!(rest.matches("</script>").count(), 1);
        assert!(rest.trim_start().starts_with("<script>'use strict'"));
    }

    #[test]
    fn the_template_can_be_put_together() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--") && !text.contains('\r'));
        }
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        assert!(PAGE.len() + STYLE.len() + SCRIPT.len() < 40_000);
        let page = page(&Joined::default());
        assert!(!page.contains("{{") && page.ends_with("</html>\n"));
    }

    #[test]
    fn bodies_and_items_have_limits() {
        let body = "é".repeat(MAX_REPORT_BODY);
        let content =
            Content { bytes: body.len() as u64, text: Some(body.clone()), ..Content::default() };
        let mut bodies = Bodies { left: MAX_REPORT_BODY + 3, shortened: 0 };
        let first = bodies.value(&content);
        assert_eq!(
            (first["s"].as_str().unwrap().len(), &first["cut"]),
            (MAX_REPORT_BODY, &json!(true))
        );
        assert_eq!(bodies.value(&content)["s"], "é");
        assert_eq!((bodies.left, bodies.shortened), (1, 2));
        let note = r#"{"type":"note","t":1,"level":"info","module":"m","text":"x"}"#;
        let data = data(&joined(&vec![note; MAX_REPORT_ITEMS + 2]));
        assert_eq!(data["items"].as_array().unwrap().len(), MAX_REPORT_ITEMS);
        assert!(data["notice"].as_str().unwrap().contains("; 2 later"), "{}", data["notice"]);
    }

    #[test]
    fn it_is_said_why() {
        let text = |text: &str| {
            let json = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
            reason(&Content { json: Some(json), ..Content::default() })
        };
        assert_eq!(text(r#"{"error":{"code":-1,"message":"no"}}"#).as_deref(), Some("-1 no"));
        let failed = r#"{"result":{"isError":true,"content":[{"type":"image"},{"text":"out"}]}}"#;
        assert_eq!(text(failed).as_deref(), Some("out"));
        assert_eq!(text(r#"{"result":{"isError":true}}"#), None);
    }
}
