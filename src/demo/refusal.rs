//! Refusals at the HTTP level: a status, a JSON-RPC error without an id as body, sometimes a header.

use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

use super::response::{self, Response};
use super::rpc::{self, INVALID_REQUEST, REFUSED, RpcError, UNKNOWN_SESSION};

/// Why an HTTP request is not served.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: RpcError,
    header: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    /// A refusal with that status and a message for people.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::with_error(status, RpcError::new(REFUSED, message))
    }

    /// A refusal with that status and JSON-RPC error.
    pub fn with_error(status: StatusCode, error: RpcError) -> Self {
        Self { status, error, header: None }
    }

    /// 400 for something that is no message, or not one for this place.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::with_error(StatusCode::BAD_REQUEST, RpcError::new(INVALID_REQUEST, message))
    }

    /// 404 for a session that does not exist or no longer does.
    pub fn unknown_session() -> Self {
        Self::with_error(
            StatusCode::NOT_FOUND,
            RpcError::new(UNKNOWN_SESSION, "Session not found: send initialize again"),
        )
    }

    /// 405 with the methods that would do.
    pub fn method(allow: &'static str) -> Self {
        let mut refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
        refusal.header = Some((ALLOW, allow));
        refusal
    }

    /// 429 or 503: the same request may succeed a second later.
    pub fn later(status: StatusCode, message: &str) -> Self {
        let mut refusal = Self::new(status, message);
        refusal.header = Some((RETRY_AFTER, "1"));
        refusal
    }

    /// The response that says so.
    pub fn into_response(self) -> Response {
        let mut response = response::json(self.status, rpc::error_without_id(&self.error));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
