//! JSON-RPC 2.0 as MCP uses it: what comes in, what goes out, and the error codes.
//!
//! Ids are kept as they were spelled: `1`, `"1"` and `1.0` are three different ids, and an answer
//! repeats exactly the one it belongs to.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json;

/// The text is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// The JSON is not a JSON-RPC message, or one that has no place here.
pub const INVALID_REQUEST: i64 = -32600;
/// The server has no such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The method exists but not with these parameters.
pub const INVALID_PARAMS: i64 = -32602;
/// The server failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// MCP: there is no such resource (2025-11-25, server/resources, "Error Handling").
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// For refusals at the HTTP level; the specification leaves the code open.
pub const REFUSED: i64 = -32000;
/// The session is not known (the code that servers commonly use with HTTP 404).
pub const UNKNOWN_SESSION: i64 = -32001;
/// A cancelled call whose HTTP exchange still needs a body (no standard code exists).
pub const CANCELLED: i64 = -32800;

/// The longest id or progress token, in bytes: they are kept, and repeated in every notification.
const MAX_ID: usize = 1024;

/// An error object of a JSON-RPC response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RpcError {
    /// The code, see the constants of this module.
    pub code: i64,
    /// One sentence for people.
    pub message: String,
    /// Details, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// An error without details.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The error for parameters that do not fit.
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }
}

/// A request id or a progress token: a string or a number, with its spelling.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RequestId(Box<RawValue>);

impl RequestId {
    /// Takes a JSON value as an id; `None` unless it is a string or a number of reasonable length.
    fn new(raw: Box<RawValue>) -> Option<Self> {
        let first = raw.get().bytes().next().filter(|_| raw.get().len() <= MAX_ID)?;
        (first == b'"' || first == b'-' || first.is_ascii_digit()).then_some(Self(raw))
    }

    /// The form in which two spellings of the same id agree: strings without needless escapes,
    /// numbers as spelled.
    pub fn key(&self) -> String {
        match serde_json::from_str::<Value>(self.0.get()) {
            Ok(text @ Value::String(_)) => text.to_string(),
            _ => self.0.get().to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Box::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("must be a short string or a number"))
    }
}

/// Parameters of a request or notification, not yet looked at.
#[derive(Debug, Clone, Default)]
pub struct Params(Option<Box<RawValue>>);

impl Params {
    /// Takes a JSON text that is still to be read.
    pub fn new(raw: Option<Box<RawValue>>) -> Self {
        Self(raw)
    }

    /// Reads the parameters as `T`; absent parameters are an empty object.
    ///
    /// # Errors
    /// [`INVALID_PARAMS`] with the parser's reason, also for parameters by position, which MCP
    /// does not have.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        let text = self.0.as_ref().map_or("{}", |raw| raw.get());
        if !text.starts_with('{') {
            return Err(RpcError::params("must be an object"));
        }
        serde_json::from_str(text).map_err(|error| RpcError::params(error.to_string()))
    }
}

/// One message from the client.
#[derive(Debug)]
pub enum Incoming {
    /// Wants an answer.
    Request {
        /// The id the answer has to carry.
        id: RequestId,
        /// What is asked for.
        method: String,
        /// With which parameters.
        params: Params,
    },
    /// Wants no answer.
    Notification {
        /// What happened.
        method: String,
        /// With which parameters.
        params: Params,
    },
    /// Answers a request of the server.
    Response {
        /// The id the server gave its request; `None` if the client could not read it.
        id: Option<RequestId>,
        /// The result, or the error.
        outcome: Result<Value, RpcError>,
    },
}

/// All fields a JSON-RPC message can have; which are present tells the kinds apart.
#[derive(Deserialize)]
struct Fields {
    jsonrpc: Option<String>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<RawValue>>,
    method: Option<String>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

/// Keeps a `null` that is there apart from a field that is not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

impl Incoming {
    /// Reads one message.
    ///
    /// # Errors
    /// [`PARSE_ERROR`] or [`INVALID_REQUEST`].
    pub fn parse(text: &str) -> Result<Self, RpcError> {
        // A derived reader would take an array for the fields in order.
        if text.trim_start().starts_with('[') {
            return Err(RpcError::new(INVALID_REQUEST, "an array is not a message"));
        }
        let fields: Fields = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                RpcError::new(INVALID_REQUEST, format!("not a JSON-RPC message: {error}"))
            } else {
                RpcError::new(PARSE_ERROR, format!("not JSON: {error}"))
            }
        })?;
        let invalid = |reason: &str| Err(RpcError::new(INVALID_REQUEST, reason));
        if fields.jsonrpc.as_deref() != Some("2.0") {
            return invalid("the field 'jsonrpc' must be \"2.0\"");
        }
        if let Some(method) = fields.method {
            let params = Params(fields.params);
            return match fields.id.map(RequestId::new) {
                None => Ok(Self::Notification { method, params }),
                Some(Some(id)) => Ok(Self::Request { id, method, params }),
                Some(None) => invalid("the id of a request must be a short string or a number"),
            };
        }
        let Some(id) = fields.id else {
            return invalid("neither a method nor an id");
        };
        let outcome = match (fields.result, fields.error) {
            (Some(result), None) => serde_json::from_str(result.get())
                .map_err(|error| RpcError::new(PARSE_ERROR, error.to_string()))
                .map(Ok)?,
            (None, Some(error)) => Err(error),
            _ => return invalid("a response has either a result or an error"),
        };
        Ok(Self::Response { id: RequestId::new(id), outcome })
    }
}

/// A response on its way out. Without an id it speaks of no request in particular.
#[derive(Serialize)]
struct Outgoing<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RpcError>,
}

/// A notification on its way out.
#[derive(Serialize)]
struct OutgoingNotification<'a, P> {
    jsonrpc: &'static str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a P>,
}

fn encode(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("string keys and plain values always serialise")
}

/// The text of the response to the request `id`.
pub fn response(id: &RequestId, outcome: &Result<Value, RpcError>) -> String {
    encode(&Outgoing {
        jsonrpc: "2.0",
        id: Some(&id.0),
        result: outcome.as_ref().ok(),
        error: outcome.as_ref().err(),
    })
}

/// The text of an error response that belongs to no request, for refusals at the HTTP level.
pub fn error_without_id(error: &RpcError) -> String {
    encode(&Outgoing { jsonrpc: "2.0", id: None, result: None, error: Some(error) })
}

/// The text of a notification without parameters.
pub fn bare_notification(method: &str) -> String {
    encode(&OutgoingNotification::<Value> { jsonrpc: "2.0", method, params: None })
}

/// The text of a notification.
pub fn notification(method: &str, params: &impl Serialize) -> String {
    encode(&OutgoingNotification { jsonrpc: "2.0", method, params: Some(params) })
}

/// The text of a request from the server to the client.
pub fn request(id: &str, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer_id(id: &str) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        match Incoming::parse(&text).unwrap() {
            Incoming::Request { id, .. } => response(&id, &Ok(json!({}))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_are_repeated_as_spelled() {
        for id in ["1", "\"1\"", "1.50", "123456789012345678901234567890", "-7"] {
            assert_eq!(answer_id(id), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        }
    }

    #[test]
    fn ids_of_another_type_or_without_measure_are_refused() {
        let long = format!("\"{}\"", "x".repeat(MAX_ID));
        for id in ["null", "true", "{}", "[1]", &long] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(Incoming::parse(&text).unwrap_err().code, INVALID_REQUEST);
        }
    }

    #[test]
    fn what_is_not_a_message_gets_the_right_code() {
        for (text, code) in [
            ("{", PARSE_ERROR),
            ("", PARSE_ERROR),
            ("nonsense", PARSE_ERROR),
            ("[]", INVALID_REQUEST),
            ("{}", INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","method":5}"#, INVALID_REQUEST),
        ] {
            assert_eq!(Incoming::parse(text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn responses_carry_a_result_or_an_error() {
        let text = r#"{"jsonrpc":"2.0","id":"a","result":null}"#;
        let Incoming::Response { id, outcome } = Incoming::parse(text).unwrap() else {
            panic!("not a response");
        };
        assert_eq!((id.unwrap().key().as_str(), outcome), ("\"a\"", Ok(Value::Null)));
        let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#;
        let Incoming::Response { id, outcome } = Incoming::parse(text).unwrap() else {
            panic!("not a response");
        };
        assert!(id.is_none());
        assert_eq!(outcome, Err(RpcError::new(-1, "no")));
    }

    #[test]
    fn keys_ignore_needless_escapes_only() {
        let key = |text: &str| serde_json::from_str::<RequestId>(text).unwrap().key();
        assert_eq!(key(r#""\u0061""#), key(r#""a""#));
        assert_ne!(key("1"), key("1.0"));
        assert_ne!(key("1"), key("\"1\""));
    }
}
