//! `mcp-tether trace har`: HTTP exchanges as HAR 1.2, which browsers and proxies read.
//!
//! What HAR has no place for is in members that begin with `_`, those that Chromium writes where there
//! are such: `_eventSourceMessages`, `_error`, `_resourceType`.

use serde_json::{Map, Value};

use crate::json;
use crate::order;
use crate::trace::join::{Exchange, Joined};
use crate::trace::moment;
use crate::trace::record::{Content, Event, How, Request, Response};

/// The whole document.
pub(super) fn text(joined: &Joined) -> String {
    let mut order: Vec<&Exchange> =
        joined.exchanges.iter().filter(|exchange| exchange.request.is_some()).collect();
    order::sort_by(&mut order, |a, b| (a.offset + a.began()).total_cmp(&(b.offset + b.began())));
    let entries: Vec<Value> =
        order.iter().filter_map(|exchange| entry(exchange, joined.began())).collect();
    let mut log = json!({
        "version": "1.2",
        "creator": { "name": "mcp-tether", "version": env!("CARGO_PKG_VERSION") },
        "entries": entries,
    });
    if let Some(run) = joined.runs.first() {
        log["comment"] = json!(format!("{}, recorded by mcp-tether {}", run.server, run.version));
    }
    let mut text = json!({ "log": log }).to_string();
    text.push('\n');
    text
}

/// `None` without a request: a trace may begin in the middle of an exchange, a HAR cannot.
fn entry(exchange: &Exchange, began: i64) -> Option<Value> {
    let request = exchange.request.as_ref()?;
    let at = exchange.offset + request.t;
    let (send, wait, receive) = timings(exchange, request);
    let mut entry = json!({
        // A HAR has whole milliseconds here; what remains is lost.
        "startedDateTime": moment::format(began.saturating_add(at.floor() as i64)),
        "time": number(send.max(0.0) + wait + receive),
        "request": request_of(request, exchange.response.as_ref()),
        "response": response_of(exchange),
        "cache": {},
        "timings": {
            "blocked": -1, "dns": -1, "connect": -1, "ssl": -1,
            "send": number(send), "wait": number(wait), "receive": number(receive),
        },
        "comment": format!("exchange {}", exchange.n),
        "_resourceType": if exchange.events.is_empty() { "fetch" } else { "eventsource" },
        "_exchange": exchange.n,
    });
    if let Some(method) = exchange.method() {
        entry["_rpcMethod"] = json!(method);
    }
    if !exchange.events.is_empty() {
        let message = |event: &Event| {
            json!({
                "time": (began as f64 + exchange.offset + event.t) / 1000.0,
                "eventName": event.event,
                "eventId": event.id.as_deref().unwrap_or_default(),
                "data": body(&event.content),
            })
        };
        entry["_eventSourceMessages"] = exchange.events.iter().map(message).collect();
    }
    Some(entry)
}

/// Milliseconds for sending, waiting and receiving; 0 for what did not happen.
fn timings(exchange: &Exchange, request: &Request) -> (f64, f64, f64) {
    let sent = exchange.sent.unwrap_or(request.t).max(request.t);
    let end = exchange.ended().max(sent);
    let first = exchange.response.as_ref().map_or(end, |response| response.t).clamp(sent, end);
    // Sending cannot be told from waiting where that was not recorded.
    let send = if exchange.sent.is_some() { sent - request.t } else { 0.0 };
    (send, first - sent, end - first)
}

fn request_of(request: &Request, response: Option<&Response>) -> Value {
    let mut out = json!({
        "method": request.method,
        "url": address(&request.url),
        // The version is agreed on with the connection; the response tells.
        "httpVersion": response.map_or("unknown", |response| &*response.http),
        "cookies": [],
        "headers": headers(&request.headers),
        "queryString": query(&request.url),
        "headersSize": -1,
        "bodySize": request.content.as_ref().map_or(0, |content| content.bytes),
    });
    if let Some(content) = &request.content {
        let mut data = Map::new();
        data.insert("mimeType".into(), json!(header(&request.headers, "content-type")));
        data.insert("text".into(), json!(body(content)));
        if let Some(comment) = cut(content) {
            data.insert("comment".into(), json!(comment));
        }
        out["postData"] = Value::Object(data);
    }
    out
}

fn response_of(exchange: &Exchange) -> Value {
    let Some(response) = &exchange.response else {
        let error = match &exchange.failure {
            Some(failure) => format!("{}: {}", failure.kind, failure.text),
            None => "no response in the trace".to_owned(),
        };
        return json!({
            "status": 0, "statusText": "", "httpVersion": "unknown", "cookies": [], "headers": [],
            "content": { "size": 0, "mimeType": "x-unknown" },
            "redirectURL": "", "headersSize": -1, "bodySize": -1, "_error": error,
        });
    };
    let end = exchange.end.as_ref();
    let mut content = json!({
        "size": end.map_or(0, |end| end.bytes),
        "mimeType": header(&response.headers, "content-type"),
    });
    let whole = end.and_then(|end| end.content.as_ref());
    if let Some(whole) = whole {
        content["text"] = json!(body(whole));
        if let Some(comment) = cut(whole) {
            content["comment"] = json!(comment);
        }
    } else if !exchange.events.is_empty() {
        content["text"] = json!(stream(&exchange.events));
        content["comment"] = json!("written from the events; comments and spelling are lost");
    }
    let status = http::StatusCode::from_u16(response.status).ok();
    let mut out = json!({
        "status": response.status,
        "statusText": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
        "httpVersion": response.http,
        "cookies": [],
        "headers": headers(&response.headers),
        "content": content,
        "redirectURL": header(&response.headers, "location"),
        "headersSize": -1,
        // As it was on the wire; a trace has it decompressed.
        "bodySize": -1,
    });
    let error = match (&exchange.failure, end) {
        (Some(failure), _) => Some(format!("{}: {}", failure.kind, failure.text)),
        (None, Some(end)) if end.how == How::Broken => {
            Some(end.error.clone().unwrap_or_else(|| "the connection broke".to_owned()))
        }
        (None, None) => Some("the end is not in the trace".to_owned()),
        _ => None,
    };
    if let Some(error) = error {
        out["_error"] = json!(error);
    }
    out
}

fn headers(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn header<'a>(headers: &'a [(String, String)], wanted: &str) -> &'a str {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map_or("", |(_, value)| value.as_str())
}

/// An address by the letter: `[redacted]` is none.
fn address(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    if query.is_empty() {
        return path.replace(' ', "%20");
    }
    let query = query.replace(' ', "%20").replace('[', "%5B").replace(']', "%5D");
    format!("{}?{query}", path.replace(' ', "%20"))
}

fn query(url: &str) -> Value {
    let Ok(url) = url::Url::parse(url) else {
        return json!([]);
    };
    url.query_pairs().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn body(content: &Content) -> &str {
    match (&content.json, &content.text) {
        (Some(json), _) => json.get(),
        (None, Some(text)) => text,
        (None, None) => "",
    }
}

fn cut(content: &Content) -> Option<String> {
    content.cut.then(|| format!("cut: only {} of {} bytes", body(content).len(), content.bytes))
}

/// The events as a stream.
fn stream(events: &[Event]) -> String {
    let mut out = String::new();
    let mut last = None;
    for event in events {
        if event.event != "message" {
            out.push_str(&format!("event: {}\n", event.event));
        }
        if event.id != last {
            out.push_str(&format!("id: {}\n", event.id.as_deref().unwrap_or_default()));
            last.clone_from(&event.id);
        }
        for line in body(&event.content).lines() {
            out.push_str(&format!("data: {line}\n"));
        }
        out.push('\n');
    }
    out
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

    fn har(lines: &[&str]) -> Value {
        let mut joined = Joined::default();
        let start = r#"{"type":"start","format":1,"time":"2026-01-01T00:00:00.500Z","version":"0","command":"bridge","server":"http://h/","run":"a","continues":false}"#;
        for line in [start].iter().chain(lines) {
            joined.take(Read { record: Record::parse(line).unwrap(), line: (*line).to_owned() });
        }
        let document: Value = serde_json::from_str(&text(&joined)).unwrap();
        document["log"]["entries"].clone()
    }

    const REQUEST: &str = r#"{"type":"request","t":1.25,"n":1,"purpose":"mcp","method":"POST","url":"http://h/?a=b%20c","headers":[["content-type","application/json"]],"content":{"bytes":9,"text":"{\"x","cut":true}}"#;

    #[test]
    fn a_stream() {
        let entries = har(&[
            REQUEST,
            r#"{"type":"sent","t":2.25,"n":1}"#,
            r#"{"type":"response","t":5,"n":1,"status":200,"http":"HTTP/2.0","headers":[["Content-Type","text/event-stream"]]}"#,
            r#"{"type":"event","t":6,"n":1,"event":"message","id":"7","content":{"bytes":3,"text":"a\nb"}}"#,
            r#"{"type":"event","t":7,"n":1,"event":"x","id":"7","content":{"bytes":2,"json":{}}}"#,
            r#"{"type":"end","t":8,"n":1,"how":"broken","bytes":40,"error":"reset"}"#,
        ]);
        let entry = &entries[0];
        assert_eq!(entry["startedDateTime"], "2026-01-01T00:00:00.501Z");
        let timings = &entry["timings"];
        assert_eq!([&timings["send"], &timings["wait"], &timings["receive"]], [1.0, 2.75, 3.0]);
        assert_eq!(entry["time"], 6.75);
        assert_eq!(entry["request"]["queryString"][0], json!({"name": "a", "value": "b c"}));
        assert_eq!(entry["request"]["postData"]["comment"], "cut: only 3 of 9 bytes");
        let response = &entry["response"];
        assert_eq!(
            response["content"]["text"],
            "id: 7\ndata: a\ndata: b\n\nevent: x\ndata: {}\n\n"
        );
        assert_eq!(response["_error"], "reset");
        let message = &entry["_eventSourceMessages"][0];
        assert_eq!(message["time"], 1_767_225_600.506);
        assert_eq!(message["data"], "a\nb");
    }

    #[test]
    fn what_failed_or_is_not_over() {
        let failure = r#"{"type":"failure","t":9,"n":1,"kind":"dns","text":"no such host"}"#;
        let entries = har(&[REQUEST, failure, &REQUEST.replace("\"n\":1", "\"n\":2")]);
        assert_eq!(entries[0]["response"]["status"], 0);
        assert_eq!(entries[0]["response"]["_error"], "dns: no such host");
        assert_eq!(entries[0]["time"], 7.75);
        assert_eq!(entries[1]["response"]["_error"], "no response in the trace");
        assert_eq!(entries[1]["time"], 0.0);
        let end = r#"{"type":"end","t":9,"n":1,"how":"whole","bytes":0}"#;
        assert_eq!(har(&[end]).as_array().map(Vec::len), Some(0));
    }
}
