//! What happens, made into records: redacted, cut, and with the events of a stream taken apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::value::RawValue;

use super::record::{
    Content, End, Event as StreamEvent, Failure, How, Message, Note, Purpose, Record,
    Request as Sending, Response, Rpc, Sent,
};
use super::redact::{Policy, Redaction};
use super::{Body, Event, Request, What};
use crate::jsonrpc::framing::one_line;
use crate::jsonrpc::{Kind, Message as Rpcs, Source};
use crate::limits::{TRACE_CONTENT_MARGIN, TRACE_MAX_CONTENT, TRACE_MAX_EXCHANGES};
use crate::secret::{Redactor, truncate};
use crate::transport::sse::{Decoder, Item};

/// Characters of an id or a method, beyond which nobody can read them.
const LONGEST_NAME: usize = 200;

/// Makes records. Knows the exchanges whose response has not ended.
#[derive(Debug)]
pub struct Recorder {
    redaction: Redaction,
    exchanges: BTreeMap<u64, Exchange>,
}

/// An exchange whose response has not ended.
#[derive(Debug)]
struct Exchange {
    redactor: Arc<Redactor>,
    purpose: Purpose,
    form: Form,
    bytes: u64,
}

/// What a response is made of.
#[derive(Debug)]
enum Form {
    /// Its header section has not come.
    None,
    Whole {
        content_type: String,
        body: Vec<u8>,
        gap: bool,
    },
    Events {
        decoder: Box<Decoder>,
        since: u64,
        torn: bool,
    },
}

impl Recorder {
    /// Knows nothing yet.
    pub fn new(redaction: Redaction) -> Recorder {
        Recorder { redaction, exchanges: BTreeMap::new() }
    }

    /// Appends what there is to record of an event.
    pub(super) fn record(&mut self, event: Event, out: &mut Vec<Record>) {
        let t = event.t;
        match event.what {
            What::Message { from, body, redactor } => {
                let source = match from {
                    super::From::Client => Source::Client,
                    super::From::Bridge => Source::Server,
                };
                let rpc = self.rpc(&body.bytes, source, &redactor);
                let content = self.content(&body, Purpose::Mcp, "application/json", &redactor);
                out.push(Record::Message(Message { t, from, rpc, content }));
            }
            What::Request { n, request } => out.push(self.request(t, n, *request)),
            // One that began before the trace did is not known.
            What::Sent { n } if !self.exchanges.contains_key(&n) => {}
            What::Sent { n } => out.push(Record::Sent(Sent { t, n })),
            What::Response { n, status, version, headers } => {
                let Some(exchange) = self.exchanges.get_mut(&n) else { return };
                exchange.form = form(&headers);
                out.push(Record::Response(Response {
                    t,
                    n,
                    status: status.as_u16(),
                    http: format!("{version:?}"),
                    headers: self.redaction.headers(&headers, &exchange.redactor),
                }));
            }
            What::Piece { n, piece, gap } => self.piece(t, n, &piece, gap, out),
            What::End { n } => self.end(t, n, How::Whole, None, out),
            What::Closed { n } => self.end(t, n, How::Closed, None, out),
            What::Broken { n, failure } => {
                self.end(t, n, How::Broken, Some(failure.to_string()), out);
            }
            What::Failed { n, failure } => {
                if self.exchanges.remove(&n).is_none() {
                    return;
                }
                let (kind, text) = (failure.kind.name().to_owned(), failure.to_string());
                out.push(Record::Failure(Failure { t, n, kind, text }));
            }
            What::Note { level, module, text } => {
                let level = level.as_str().to_ascii_lowercase();
                out.push(Record::Note(Note { t, level, module, text }));
            }
            What::Flush(_) => {}
        }
    }

    fn request(&mut self, t: f64, n: u64, request: Request) -> Record {
        let Request { signs_in, method, url, headers, body, redactor } = request;
        let purpose = if signs_in { Purpose::Auth } else { Purpose::Mcp };
        let content_type = content_type(&headers);
        let rpc = match &body {
            Some(body) if !signs_in => self.rpc(&body.bytes, Source::Client, &redactor),
            _ => None,
        };
        let content = body.map(|body| self.content(&body, purpose, &content_type, &redactor));
        let record = Record::Request(Sending {
            t,
            n,
            purpose,
            method: method.as_str().to_owned(),
            url: self.redaction.url(&url, &redactor),
            headers: self.redaction.headers(&headers, &redactor),
            rpc,
            content,
        });
        if self.exchanges.len() >= TRACE_MAX_EXCHANGES {
            self.exchanges.pop_first();
        }
        self.exchanges.insert(n, Exchange { redactor, purpose, form: Form::None, bytes: 0 });
        record
    }

    fn piece(&mut self, t: f64, n: u64, piece: &Body, gap: bool, out: &mut Vec<Record>) {
        let Some(mut exchange) = self.exchanges.remove(&n) else { return };
        exchange.bytes += piece.length;
        match &mut exchange.form {
            Form::None => {}
            Form::Whole { body, gap: torn, .. } => {
                *torn |= gap;
                let room = TRACE_MAX_CONTENT + TRACE_CONTENT_MARGIN - body.len();
                body.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
            }
            Form::Events { decoder, since, torn } => {
                let mut bytes = piece.bytes.clone();
                if gap {
                    **decoder = Decoder::new(TRACE_MAX_CONTENT);
                    *torn = true;
                }
                if *torn {
                    // What is left of an event whose beginning is missing is none.
                    let end = blank_line(&bytes);
                    *torn = end.is_none();
                    bytes.advance(end.unwrap_or(bytes.len()));
                }
                *since += bytes.len() as u64;
                decoder.feed(bytes);
                while let Some(item) = decoder.next_item() {
                    let length = std::mem::take(since);
                    let id = decoder.last_event_id().clone();
                    out.push(self.event(t, n, item, length, &id, &exchange.redactor));
                }
            }
        }
        self.exchanges.insert(n, exchange);
    }

    fn event(
        &self,
        t: f64,
        n: u64,
        item: Item,
        length: u64,
        id: &Bytes,
        redactor: &Redactor,
    ) -> Record {
        let (name, data, length) = match item {
            Item::Event(event) => {
                let length = event.data.len() as u64;
                (event.name, event.data.into_bytes(), length)
            }
            // What of it has been read so far. A secret that goes beyond the beginning that is kept
            // would not be known by its half: nothing of it is shown.
            Item::TooLarge { .. } => (Bytes::new(), Bytes::new(), length),
        };
        let text = |bytes: &Bytes| redactor.clean(&String::from_utf8_lossy(bytes), LONGEST_NAME);
        let rpc = self.rpc(&data, Source::Server, redactor);
        let body = Body { bytes: data, length };
        Record::Event(StreamEvent {
            t,
            n,
            event: if name.is_empty() { "message".to_owned() } else { text(&name) },
            id: (!id.is_empty()).then(|| text(id)),
            rpc,
            content: self.content(&body, Purpose::Mcp, "application/json", redactor),
        })
    }

    fn end(&mut self, t: f64, n: u64, how: How, error: Option<String>, out: &mut Vec<Record>) {
        let Some(exchange) = self.exchanges.remove(&n) else { return };
        let mut end = End { t, n, how, bytes: exchange.bytes, rpc: None, content: None, error };
        if let Form::Whole { content_type, body, gap } = exchange.form
            && !body.is_empty()
            && !gap
        {
            let body = Body { bytes: body.into(), length: exchange.bytes };
            if exchange.purpose == Purpose::Mcp {
                end.rpc = self.rpc(&body.bytes, Source::Server, &exchange.redactor);
            }
            let redactor = &exchange.redactor;
            end.content = Some(self.content(&body, exchange.purpose, &content_type, redactor));
        }
        out.push(Record::End(end));
    }

    /// What may be seen of a body.
    fn content(
        &self,
        body: &Body,
        purpose: Purpose,
        content_type: &str,
        redactor: &Redactor,
    ) -> Content {
        let bytes = body.length;
        let json = content_type.ends_with("json") || content_type.is_empty();
        let text = String::from_utf8_lossy(&body.bytes);
        let shown = match purpose {
            Purpose::Auth if content_type == "application/x-www-form-urlencoded" => {
                self.redaction.form(&body.bytes, redactor)
            }
            Purpose::Auth if json => self.redaction.json(&text, Policy::OAuth, redactor),
            // A page may show anything.
            Purpose::Auth => self.redaction.instead_of(&body.bytes),
            Purpose::Mcp if json => self.redaction.json(&text, Policy::Message, redactor),
            Purpose::Mcp => redactor.without_secrets(&text),
        };
        let whole = body.bytes.len() as u64 == bytes && body.bytes.len() <= TRACE_MAX_CONTENT;
        if !whole {
            // A secret that does not end within what was read is in what is left out here.
            let end = shown.len().saturating_sub(TRACE_CONTENT_MARGIN).min(TRACE_MAX_CONTENT);
            let end = (0..=end).rev().find(|at| shown.is_char_boundary(*at)).unwrap_or(0);
            return Content { bytes, text: Some(shown[..end].to_owned()), cut: true, json: None };
        }
        let line = one_line(Bytes::from(shown));
        let shown = String::from_utf8_lossy(&line).into_owned();
        match RawValue::from_string(shown) {
            Ok(json) => Content { bytes, json: Some(json), ..Content::default() },
            Err(_) => Content {
                bytes,
                text: Some(String::from_utf8_lossy(&line).into_owned()),
                ..Content::default()
            },
        }
    }

    /// What a text is, if it is JSON-RPC.
    fn rpc(&self, bytes: &Bytes, source: Source, redactor: &Redactor) -> Option<Rpc> {
        let message = Rpcs::parse(bytes.clone(), source).ok()?;
        let kind = match message.kind() {
            Kind::Request { .. } => "request",
            Kind::Notification { .. } => "notification",
            Kind::Response { error: false, .. } => "response",
            Kind::Response { error: true, .. } => "error",
        };
        let shown = |text: &str| truncate(&redactor.without_secrets(text), LONGEST_NAME);
        Some(Rpc {
            kind: kind.to_owned(),
            id: message.id().map(|id| shown(&String::from_utf8_lossy(id.raw()))),
            method: message.method().map(shown),
        })
    }
}

/// Behind the first blank line of a piece of an event stream.
fn blank_line(piece: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
    let behind = |end: &[u8]| memchr::memmem::find(piece, end).map(|at| at + end.len());
    ends.into_iter().filter_map(behind).min()
}

/// What the body of a response with these headers will be.
fn form(headers: &HeaderMap) -> Form {
    let content_type = content_type(headers);
    if content_type == "text/event-stream" {
        let decoder = Box::new(Decoder::new(TRACE_MAX_CONTENT));
        return Form::Events { decoder, since: 0, torn: false };
    }
    Form::Whole { content_type, body: Vec::new(), gap: false }
}

/// The essence of the content type, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let value = value.unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, StatusCode, Version};
    use url::Url;

    use super::*;
    use crate::secret::Secret;

    fn recorder() -> Recorder {
        Recorder::new(Redaction::new([1; 16]))
    }

    fn records(recorder: &mut Recorder, what: What) -> Vec<Record> {
        let mut out = Vec::new();
        recorder.record(Event { t: 1.0, size: 0, what }, &mut out);
        out
    }

    fn begin(recorder: &mut Recorder, n: u64, content_type: &str, redactor: &Arc<Redactor>) {
        let request = Request {
            signs_in: false,
            method: Method::POST,
            url: Url::parse("https://h.example/").unwrap(),
            headers: HeaderMap::new(),
            body: None,
            redactor: redactor.clone(),
        };
        records(recorder, What::Request { n, request: Box::new(request) });
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        let (status, version) = (StatusCode::OK, Version::HTTP_11);
        records(recorder, What::Response { n, status, version, headers });
    }

    fn piece(recorder: &mut Recorder, n: u64, text: &str, gap: bool) -> Vec<Record> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let piece = Body { length: bytes.len() as u64, bytes };
        records(recorder, What::Piece { n, piece, gap })
    }

    fn datas(records: &[Record]) -> Vec<String> {
        let data = |record: &Record| match record {
            Record::Event(event) => {
                let content = &event.content;
                content.json.as_ref().map_or(String::new(), |json| json.get().to_owned())
            }
            other => panic!("{other:?}"),
        };
        records.iter().map(data).collect()
    }

    #[test]
    fn after_a_gap_a_stream_goes_on_with_the_next_whole_event() {
        let (mut recorder, known) = (recorder(), Arc::default());
        begin(&mut recorder, 1, "text/event-stream", &known);
        assert_eq!(datas(&piece(&mut recorder, 1, "data: 1\n\ndata: 2", false)), ["1"]);
        let after = piece(&mut recorder, 1, "5\n\ndata: 6\n\ndata: 7", true);
        assert_eq!(datas(&after), ["6"]);
        assert_eq!(datas(&piece(&mut recorder, 1, "8\n\n", false)), ["78"]);
    }

    #[test]
    fn a_body_with_a_gap_is_left_out() {
        let (mut recorder, known) = (recorder(), Arc::default());
        begin(&mut recorder, 1, "application/json", &known);
        piece(&mut recorder, 1, "{\"a\":", false);
        piece(&mut recorder, 1, "}", true);
        let out = records(&mut recorder, What::End { n: 1 });
        let [Record::End(end)] = &out[..] else { panic!("{out:?}") };
        assert!(end.content.is_none() && end.bytes == 6 && end.how == How::Whole);
        assert!(recorder.exchanges.is_empty());
    }

    #[test]
    fn the_exchanges_that_are_known_are_bounded() {
        let (mut recorder, known) = (recorder(), Arc::default());
        for n in 0..TRACE_MAX_EXCHANGES as u64 + 10 {
            begin(&mut recorder, n, "application/json", &known);
        }
        assert_eq!(recorder.exchanges.len(), TRACE_MAX_EXCHANGES);
        assert!(records(&mut recorder, What::End { n: 0 }).is_empty());
    }

    #[test]
    fn a_body_of_any_length_takes_little_memory() {
        let (mut recorder, known) = (recorder(), Arc::default());
        begin(&mut recorder, 1, "text/plain", &known);
        for _ in 0..100 {
            piece(&mut recorder, 1, &"x".repeat(10_000), false);
        }
        let out = records(&mut recorder, What::End { n: 1 });
        let [Record::End(end)] = &out[..] else { panic!("{out:?}") };
        let content = end.content.as_ref().unwrap();
        assert_eq!(content.bytes, 1_000_000);
        assert!(content.cut && content.text.as_ref().unwrap().len() <= TRACE_MAX_CONTENT);
    }

    #[test]
    fn of_an_event_that_is_too_long_nothing_is_shown_but_its_length() {
        let secret = "fake-secret-".repeat(100);
        let known = Arc::new(Redactor::new([Secret::new(secret.clone())]));
        let mut recorder = recorder();
        begin(&mut recorder, 1, "text/event-stream", &known);
        let text = format!("data: {secret}{}\n\ndata: 1\n\n", "x".repeat(TRACE_MAX_CONTENT));
        let out = piece(&mut recorder, 1, &text, false);
        let [Record::Event(long), Record::Event(_)] = &out[..] else { panic!("{out:?}") };
        assert!(long.content.cut && long.content.bytes > TRACE_MAX_CONTENT as u64);
        assert_eq!(long.content.text.as_deref(), Some(""));
    }

    #[test]
    fn a_secret_at_the_cut_is_not_shown_in_part() {
        let secret = "fake-secret-".repeat(20);
        let known = Arc::new(Redactor::new([Secret::new(secret.clone())]));
        let shown = TRACE_MAX_CONTENT + TRACE_CONTENT_MARGIN;
        for before in [shown - 230, shown - 12, shown - 1] {
            let text = format!("\"{}{secret}\"", " ".repeat(before));
            let recorder = recorder();
            let body = Body::of(&Bytes::from(text));
            let content = recorder.content(&body, Purpose::Mcp, "text/plain", &known);
            assert!(content.cut && !content.text.unwrap().contains("fake"));
        }
    }
}
