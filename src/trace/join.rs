//! What belongs together: requests with their responses, messages with their answers.
//!
//! Everything of a trace is held, so that it can be sorted, with a limit for records and one for bodies.

use std::collections::HashMap;

use super::moment;
use super::read::Read;
use super::record::{
    Content, End, Event, Failure, From, Message, Missed, Note, Purpose, Record, Request, Response,
    Rpc, Start,
};
use crate::jsonrpc::member;
use crate::limits::{MAX_TRACE_HELD, MAX_TRACE_RECORDS};

/// A trace, joined.
#[derive(Debug, Default)]
pub struct Joined {
    /// The runs; more than one only where somebody has put files together.
    pub runs: Vec<Start>,
    /// HTTP exchanges, in the order of their requests.
    pub exchanges: Vec<Exchange>,
    /// Messages of the client with their answers, and those of the bridge with theirs.
    pub calls: Vec<Call>,
    /// What the bridge said.
    pub notes: Vec<(f64, Note)>,
    /// Records that were never written.
    pub missed: Vec<(f64, Missed)>,
    /// Records that are not here, because there were more than [`MAX_TRACE_RECORDS`].
    pub left_out: u64,
    /// Bodies that are not here, because there were more than [`MAX_TRACE_HELD`] bytes.
    pub emptied: u64,
    records: usize,
    held: usize,
    /// Where the exchange of a number is, in the run at hand.
    by_number: HashMap<u64, usize>,
    /// Where the request is that waits for its answer, by whether the client asks and by its id.
    by_id: HashMap<(bool, String), usize>,
}

/// An HTTP request and what became of it. Any part may be missing, as the file may.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Milliseconds that the run began after the first run.
    pub offset: f64,
    /// Its number.
    pub n: u64,
    /// The request.
    pub request: Option<Request>,
    /// When the body was handed over.
    pub sent: Option<f64>,
    /// The head of the response.
    pub response: Option<Response>,
    /// Events of a stream.
    pub events: Vec<Event>,
    /// The end of the response.
    pub end: Option<End>,
    /// Why there is none.
    pub failure: Option<Failure>,
}

/// A message, and its answer if it is a request that was answered.
#[derive(Debug)]
pub struct Call {
    /// As of [`Exchange`].
    pub offset: f64,
    /// The message.
    pub message: Message,
    /// The answer.
    pub answer: Option<Message>,
}

impl Exchange {
    /// When it began: the first that is known of it.
    pub fn began(&self) -> f64 {
        let parts = [
            self.request.as_ref().map(|request| request.t),
            self.sent,
            self.response.as_ref().map(|response| response.t),
            self.events.first().map(|event| event.t),
            self.end.as_ref().map(|end| end.t),
            self.failure.as_ref().map(|failure| failure.t),
        ];
        parts.into_iter().flatten().next().unwrap_or_default()
    }

    /// When the last thing happened.
    pub fn ended(&self) -> f64 {
        let parts = [
            self.sent,
            self.response.as_ref().map(|response| response.t),
            self.events.last().map(|event| event.t),
            self.end.as_ref().map(|end| end.t),
            self.failure.as_ref().map(|failure| failure.t),
        ];
        parts.into_iter().flatten().fold(self.began(), f64::max)
    }

    /// Whether the end is known.
    pub fn is_over(&self) -> bool {
        self.end.is_some() || self.failure.is_some()
    }

    /// Whether it was about signing in.
    pub fn is_auth(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.purpose == Purpose::Auth)
    }

    /// The JSON-RPC method of the request.
    pub fn method(&self) -> Option<&str> {
        self.request.as_ref()?.rpc.as_ref()?.method.as_deref()
    }

    /// Whether something went wrong: no response, an error status, a broken stream, or an error as an
    /// answer. 401 counts, as what the person sees begins with it.
    pub fn is_error(&self) -> bool {
        self.failure.is_some()
            || self.response.as_ref().is_some_and(|response| response.status >= 400)
            || self.end.as_ref().is_some_and(is_bad_end)
            || self.events.iter().any(|event| is_bad(event.rpc.as_ref(), &event.content))
    }
}

impl Call {
    /// The method, of a request or notification.
    pub fn method(&self) -> Option<&str> {
        self.message.rpc.as_ref()?.method.as_deref()
    }

    /// Milliseconds to the answer.
    pub fn took(&self) -> Option<f64> {
        Some(self.answer.as_ref()?.t - self.message.t)
    }

    /// Whether it is, or was answered by, an error.
    pub fn is_error(&self) -> bool {
        [Some(&self.message), self.answer.as_ref()]
            .into_iter()
            .flatten()
            .any(|message| is_bad(message.rpc.as_ref(), &message.content))
    }
}

/// Whether a response did not end as it should.
pub fn is_bad_end(end: &End) -> bool {
    let empty = Content::default();
    end.how == super::record::How::Broken
        || is_bad(end.rpc.as_ref(), end.content.as_ref().unwrap_or(&empty))
}

/// Whether a message says that something went wrong: an error, or the result of a tool that failed.
pub fn is_bad(rpc: Option<&Rpc>, content: &Content) -> bool {
    let Some(rpc) = rpc else { return false };
    rpc.kind == "error"
        || rpc.kind == "response"
            && content.json.as_ref().is_some_and(|json| {
                member::lookup(json.get().as_bytes(), &["result", "isError"]) == Some("true")
            })
}

impl Joined {
    /// Takes the next record.
    pub fn take(&mut self, read: Read) {
        if self.records == MAX_TRACE_RECORDS {
            self.left_out += 1;
            return;
        }
        self.records += 1;
        let room = MAX_TRACE_HELD.saturating_sub(self.held) >= read.line.len();
        let mut emptied = false;
        let mut fit = |content: &mut Content| {
            if !room && (content.json.is_some() || content.text.is_some()) {
                *content = Content { bytes: content.bytes, cut: true, ..Content::default() };
                emptied = true;
            }
        };
        match read.record {
            Record::Start(start) => self.start(start),
            Record::Message(mut message) => {
                fit(&mut message.content);
                self.message(message);
            }
            Record::Request(mut request) => {
                request.content.iter_mut().for_each(fit);
                let n = request.n;
                self.exchange(n, true).request = Some(request);
            }
            Record::Sent(sent) => self.exchange(sent.n, false).sent = Some(sent.t),
            Record::Response(response) => {
                let n = response.n;
                self.exchange(n, false).response = Some(response);
            }
            Record::Event(mut event) => {
                fit(&mut event.content);
                let n = event.n;
                self.exchange(n, false).events.push(event);
            }
            Record::End(mut end) => {
                end.content.iter_mut().for_each(fit);
                let n = end.n;
                self.exchange(n, false).end = Some(end);
            }
            Record::Failure(failure) => {
                let n = failure.n;
                self.exchange(n, false).failure = Some(failure);
            }
            Record::Note(note) => self.notes.push((self.offset(), note)),
            Record::Missed(missed) => self.missed.push((self.offset(), missed)),
        }
        self.emptied += u64::from(emptied);
        self.held += if room { read.line.len() } else { 0 };
    }

    /// When the first run began, in milliseconds since 1970.
    pub fn began(&self) -> i64 {
        self.runs.first().and_then(|run| moment::parse(&run.time)).unwrap_or_default()
    }

    /// When the last thing happened, in milliseconds after that.
    pub fn lasted(&self) -> f64 {
        let exchanges = self.exchanges.iter().map(|it| it.offset + it.ended());
        let calls = self.calls.iter().map(|call| {
            call.offset + call.answer.as_ref().map_or(call.message.t, |answer| answer.t)
        });
        let notes = self.notes.iter().map(|(offset, note)| offset + note.t);
        exchanges.chain(calls).chain(notes).fold(0.0, f64::max)
    }

    fn start(&mut self, start: Start) {
        if self.runs.last().is_some_and(|run| run.run == start.run) {
            return;
        }
        self.by_number.clear();
        self.by_id.clear();
        self.runs.push(start);
    }

    /// Milliseconds from the first run to the one at hand.
    fn offset(&self) -> f64 {
        let now = self.runs.last().and_then(|run| moment::parse(&run.time));
        now.map_or(0.0, |now| (now - self.began()) as f64)
    }

    fn exchange(&mut self, n: u64, new: bool) -> &mut Exchange {
        let offset = self.offset();
        let next = self.exchanges.len();
        let at = if new { None } else { self.by_number.get(&n).copied() };
        let at = at.unwrap_or(next);
        if at == next {
            self.by_number.insert(n, at);
            self.exchanges.push(Exchange { offset, n, ..Exchange::default() });
        }
        &mut self.exchanges[at]
    }

    fn message(&mut self, message: Message) {
        let (offset, next) = (self.offset(), self.calls.len());
        if let Some(Rpc { kind, id: Some(id), .. }) = &message.rpc {
            let client = message.from == From::Client;
            match &**kind {
                "request" => {
                    self.by_id.insert((client, id.clone()), next);
                }
                "response" | "error" => {
                    if let Some(at) = self.by_id.remove(&(!client, id.clone())) {
                        self.calls[at].answer = Some(message);
                        return;
                    }
                }
                _ => {}
            }
        }
        self.calls.push(Call { offset, message, answer: None });
    }
}

#[cfg(test)]
mod tests;
