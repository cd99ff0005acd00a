//! What a line of a trace says. The same types write it and read it; docs/trace.md describes them.
//!
//! Times (`t`) are milliseconds since the run began, to the microsecond. Nothing in here is a secret:
//! [`super::redact`] has been over it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The number of this format. A reader that finds a higher one says so and reads what it can.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record {
    /// The first line of every file.
    Start(Start),
    /// A message between the client and the bridge.
    Message(Message),
    /// An HTTP request, about to be sent.
    Request(Request),
    /// The body of a request was handed to a connection.
    Sent(Sent),
    /// The header section of a response.
    Response(Response),
    /// An event of an event stream.
    Event(Event),
    /// The end of a response, with its body if it was no event stream.
    End(End),
    /// There is no response.
    Failure(Failure),
    /// A decision of the bridge: eras, sessions, retries, sign-in. The same as in the log.
    Note(Note),
    /// Records that were left out, because the file could not be written as fast as they came.
    Missed(Missed),
}

/// See [`Record::Start`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// [`FORMAT`].
    pub format: u32,
    /// When the run began (RFC 3339, UTC, to the millisecond).
    pub time: String,
    /// The version of this program.
    pub version: String,
    /// `bridge`, `call`, ….
    pub command: String,
    /// The server's address, as it may be shown.
    pub server: String,
    /// The same in every file of one run.
    pub run: String,
    /// Whether what comes before is in the file that was rotated away.
    pub continues: bool,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// From the client, to the bridge.
    Client,
    /// From the bridge, to the client.
    Bridge,
}

/// What a JSON-RPC message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rpc {
    /// `request`, `notification`, `response` or `error`.
    pub kind: String,
    /// The id, as spelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The method of a request or notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A body or message, without its secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Content {
    /// Its length as it was, decompressed.
    pub bytes: u64,
    /// The text, where it is JSON and was not cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Box<RawValue>>,
    /// Any other text, or the beginning of one that is longer than the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether `text` is only the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// See [`Record::Message`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// When.
    pub t: f64,
    /// Which way.
    pub from: From,
    /// What it is, if it is JSON-RPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Rpc>,
    /// It.
    pub content: Content,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Speaking to the MCP server.
    Mcp,
    /// Signing in: metadata documents, authorization servers.
    Auth,
}

/// See [`Record::Request`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// When.
    pub t: f64,
    /// The number of the exchange, from 1. A redirect that is followed is a new exchange.
    pub n: u64,
    /// What for.
    pub purpose: Purpose,
    /// GET, POST or DELETE.
    pub method: String,
    /// Where to, with the values of a query redacted.
    pub url: String,
    /// Header fields as set by us; those that the connection adds (`Host`, `Content-Length`, cookies)
    /// are not among them.
    pub headers: Vec<(String, String)>,
    /// What the body is, if it is JSON-RPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Rpc>,
    /// The body of a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// See [`Record::Sent`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// When.
    pub t: f64,
    /// Of which exchange.
    pub n: u64,
}

/// See [`Record::Response`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Response {
    /// When.
    pub t: f64,
    /// Of which exchange.
    pub n: u64,
    /// The status.
    pub status: u16,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub http: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
}

/// See [`Record::Event`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When its last byte came.
    pub t: f64,
    /// Of which exchange.
    pub n: u64,
    /// The event type; `message` where it has none.
    pub event: String,
    /// The last event id as of this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the data is, if it is JSON-RPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Rpc>,
    /// The data.
    pub content: Content,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// All of it came.
    Whole,
    /// We stopped reading.
    Closed,
    /// The connection broke.
    Broken,
}

/// See [`Record::End`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub t: f64,
    /// Of which exchange.
    pub n: u64,
    /// How.
    pub how: How,
    /// Length of the body as far as it came, decompressed.
    pub bytes: u64,
    /// What the body is, if it is JSON-RPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Rpc>,
    /// The body, if there was one and it was no event stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Why it broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// See [`Record::Failure`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub t: f64,
    /// Of which exchange.
    pub n: u64,
    /// The kind, as in the errors of the bridge: `dns`, `tls`, ….
    pub kind: String,
    /// What happened.
    pub text: String,
}

/// See [`Record::Note`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub t: f64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The module that speaks: `bridge::session`, `auth::sign_in`, ….
    pub module: String,
    /// What it says.
    pub text: String,
}

/// See [`Record::Missed`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missed {
    /// When.
    pub t: f64,
    /// How many.
    pub records: u64,
}

/// Why a line is not a record.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON, or not as its type has to be.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Another program's file, or a newer one's.
    #[error("there is no record of type \"{0}\"")]
    Type(String),
}

impl Record {
    /// Reads a line. Unknown members are passed over.
    ///
    /// # Errors
    /// If it is no record.
    pub fn parse(line: &str) -> Result<Record, Unreadable> {
        #[derive(Deserialize)]
        struct Tagged {
            r#type: String,
        }
        // By hand, because a derived tagged enum cannot hold raw JSON when it is read.
        let Tagged { r#type } = serde_json::from_str(line)?;
        Ok(match r#type.as_str() {
            "start" => Record::Start(serde_json::from_str(line)?),
            "message" => Record::Message(serde_json::from_str(line)?),
            "request" => Record::Request(serde_json::from_str(line)?),
            "sent" => Record::Sent(serde_json::from_str(line)?),
            "response" => Record::Response(serde_json::from_str(line)?),
            "event" => Record::Event(serde_json::from_str(line)?),
            "end" => Record::End(serde_json::from_str(line)?),
            "failure" => Record::Failure(serde_json::from_str(line)?),
            "note" => Record::Note(serde_json::from_str(line)?),
            "missed" => Record::Missed(serde_json::from_str(line)?),
            _ => return Err(Unreadable::Type(crate::secret::truncate(&r#type, 40))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_byte_for_byte() {
        let content = Content {
            bytes: 22,
            json: Some(
                RawValue::from_string("{\"n\":1.0,\"b\":12345678901234567890}".into()).unwrap(),
            ),
            ..Content::default()
        };
        let record = Record::Message(Message {
            t: 1.5,
            from: From::Client,
            rpc: Some(Rpc {
                kind: "request".into(),
                id: Some("1.0".into()),
                method: Some("ping".into()),
            }),
            content,
        });
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(
            line,
            "{\"type\":\"message\",\"t\":1.5,\"from\":\"client\",\"rpc\":{\"kind\":\"request\",\
             \"id\":\"1.0\",\"method\":\"ping\"},\"content\":{\"bytes\":22,\"json\":{\"n\":1.0,\
             \"b\":12345678901234567890}}}"
        );
        let again = Record::parse(&line).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), line);
    }

    #[test]
    fn what_is_no_record_is_told() {
        assert!(matches!(Record::parse("{\"type\":\"future\"}"), Err(Unreadable::Type(_))));
        assert!(matches!(Record::parse("{\"type\":\"sent\"}"), Err(Unreadable::Json(_))));
        assert!(matches!(Record::parse("x"), Err(Unreadable::Json(_))));
    }
}
