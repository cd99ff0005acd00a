//! What can go wrong with one message, in words for the reader, and as a JSON-RPC error.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::json;
use crate::jsonrpc::{Id, member};
use crate::limits::MAX_ERROR_MESSAGE;
use crate::secret::truncate;

/// The families of failures. Each has a name for programs and a code for JSON-RPC.
///
/// The codes lie outside -32768 to -32000, which JSON-RPC reserves, so that they can never be
/// mistaken for an error of the server or of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The host name could not be resolved.
    Dns,
    /// No connection to the host, or it broke before the request was sent.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Something that has a limit took longer.
    Timeout,
    /// An HTTP status that is an error and none of the following.
    HttpStatus,
    /// 401 or 403.
    Unauthorized,
    /// 429 or 503.
    RateLimited,
    /// A redirect that is not followed.
    Redirect,
    /// A successful response that is not an answer.
    InvalidResponse,
    /// The connection or stream ended before the answer, and it cannot be resumed.
    StreamLost,
    /// Resuming the stream was tried and failed.
    ResumeFailed,
    /// The server forgot the session and a new one could not be made, or did not help.
    SessionLost,
    /// The server needs input that the client cannot or will not give.
    NoInput,
    /// A message over the size limit.
    TooLarge,
    /// Too many requests at once.
    Overloaded,
    /// The bridge is ending.
    ShuttingDown,
    /// A defect of the bridge.
    Internal,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [FailureKind; 17] = [
        FailureKind::Dns,
        FailureKind::Connect,
        FailureKind::Tls,
        FailureKind::Timeout,
        FailureKind::HttpStatus,
        FailureKind::Unauthorized,
        FailureKind::RateLimited,
        FailureKind::Redirect,
        FailureKind::InvalidResponse,
        FailureKind::StreamLost,
        FailureKind::ResumeFailed,
        FailureKind::SessionLost,
        FailureKind::NoInput,
        FailureKind::TooLarge,
        FailureKind::Overloaded,
        FailureKind::ShuttingDown,
        FailureKind::Internal,
    ];

    /// The `kind` in the error's `data`.
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::Dns => "dns",
            FailureKind::Connect => "connect",
            FailureKind::Tls => "tls",
            FailureKind::Timeout => "timeout",
            FailureKind::HttpStatus => "http_status",
            FailureKind::Unauthorized => "unauthorized",
            FailureKind::RateLimited => "rate_limited",
            FailureKind::Redirect => "redirect",
            FailureKind::InvalidResponse => "invalid_response",
            FailureKind::StreamLost => "stream_lost",
            FailureKind::ResumeFailed => "resume_failed",
            FailureKind::SessionLost => "session_lost",
            FailureKind::NoInput => "no_input",
            FailureKind::TooLarge => "too_large",
            FailureKind::Overloaded => "overloaded",
            FailureKind::ShuttingDown => "shutting_down",
            FailureKind::Internal => "internal",
        }
    }

    /// The `code` of the error.
    pub const fn code(self) -> i32 {
        match self {
            FailureKind::Dns => -31001,
            FailureKind::Connect => -31002,
            FailureKind::Tls => -31003,
            FailureKind::Timeout => -31004,
            FailureKind::HttpStatus => -31010,
            FailureKind::Unauthorized => -31011,
            FailureKind::RateLimited => -31012,
            FailureKind::Redirect => -31013,
            FailureKind::InvalidResponse => -31020,
            FailureKind::StreamLost => -31021,
            FailureKind::ResumeFailed => -31022,
            FailureKind::SessionLost => -31023,
            FailureKind::NoInput => -31024,
            FailureKind::TooLarge => -31030,
            FailureKind::Overloaded => -31031,
            FailureKind::ShuttingDown => -31040,
            FailureKind::Internal => -31050,
        }
    }
}

/// One failure: what happened, to which host, and the next step.
///
/// The text holds no secret and no control character: foreign text goes through
/// [`Redactor::clean`](crate::secret::Redactor::clean) before it comes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The family.
    pub kind: FailureKind,
    /// Cause and next step. What is shown is cut to [`MAX_ERROR_MESSAGE`] characters.
    pub message: String,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// Origin and path of the server, where it was about a server.
    pub url: Option<String>,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// Whether the request certainly never reached the server.
    pub unsent: bool,
    /// Where a person can sign in.
    pub sign_in_url: Option<String>,
    /// The code that they enter there, if they need one.
    pub sign_in_code: Option<String>,
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// A failure that is not about an HTTP response.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure {
            kind,
            message,
            status: None,
            url: None,
            retry_after: None,
            unsent: false,
            sign_in_url: None,
            sign_in_code: None,
        }
    }

    /// The same failure with the server's address, as [`crate::secret::shown`] gives it.
    pub fn at(mut self, url: &str) -> Failure {
        self.url = Some(url.to_owned());
        self
    }

    /// The same failure with an HTTP status.
    pub fn with_status(mut self, status: u16) -> Failure {
        self.status = Some(status);
        self
    }

    /// Whether the same request would fail in the same way: it was not the network, but what came.
    pub fn is_lasting(&self) -> bool {
        use FailureKind::{InvalidResponse, Redirect, TooLarge};
        matches!(self.kind, InvalidResponse | Redirect | TooLarge)
    }

    /// The failure that an error response of ours tells of, the other way round; none if it is the
    /// server's own. `error` is the JSON text of the error.
    pub fn from_error(error: &[u8]) -> Option<Failure> {
        let code: i32 = member::lookup(error, &["code"])?.parse().ok()?;
        let name = member::lookup_string(error, &["data", "kind"])?;
        let of = |kind: &&FailureKind| kind.code() == code && kind.name() == name;
        let kind = *FailureKind::ALL.iter().find(of)?;
        let number = |name| member::lookup(error, &["data", name])?.parse::<u64>().ok();
        let text = |name| member::lookup_string(error, &["data", name]);
        let mut failure = Failure::new(kind, member::lookup_string(error, &["message"])?);
        failure.status = number("status").and_then(|status| status.try_into().ok());
        failure.url = text("url");
        failure.retry_after = number("retryAfter").map(Duration::from_secs);
        failure.sign_in_url = text("signInUrl");
        failure.sign_in_code = text("signInCode");
        Some(failure)
    }

    /// The JSON-RPC error response for request `id`.
    pub fn response(&self, id: &Id) -> Bytes {
        let mut data = json!({ "kind": self.kind.name() });
        if let Some(status) = self.status {
            data["status"] = json!(status);
        }
        if let Some(url) = &self.url {
            data["url"] = json!(url);
        }
        if let Some(wait) = self.retry_after {
            data["retryAfter"] = json!(wait.as_secs());
        }
        if let Some(code) = &self.sign_in_code {
            data["signInCode"] = json!(code);
        }
        let mut message = truncate(&self.message, MAX_ERROR_MESSAGE);
        if let Some(url) = &self.sign_in_url {
            data["signInUrl"] = json!(url);
            // Many clients show the message and nothing else; a URL that is cut is worth nothing.
            message = format!("{message}: {url}");
        }
        member::error_response(id, self.kind.code(), &message, Some(&data))
    }
}

/// Exit codes of the process, the same for all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: everything was answered.
    Success,
    /// 1: the command line or configuration is wrong, or something unexpected failed.
    Usage,
    /// 3: authorization is needed or was refused.
    Unauthorized,
    /// 4: the server cannot be reached, or is in trouble.
    Unreachable,
    /// 5: the server or a tool of it answered with an error.
    Refused,
    /// 6: the bridge ended while requests were unanswered by the server; they got an error of ours.
    Unanswered,
    /// 7: the client closed our stdout.
    OutputClosed,
    /// 8: what the server sent is not as the protocol wants it.
    Protocol,
    /// 128 + the signal's number: a signal ended a command, a second one the bridge.
    Signal(i32),
}

impl ExitCode {
    /// The number that the process ends with.
    pub fn code(self) -> i32 {
        match self {
            ExitCode::Success => 0,
            ExitCode::Usage => 1,
            ExitCode::Unauthorized => 3,
            ExitCode::Unreachable => 4,
            ExitCode::Refused => 5,
            ExitCode::Unanswered => 6,
            ExitCode::OutputClosed => 7,
            ExitCode::Protocol => 8,
            ExitCode::Signal(number) => 128 + number,
        }
    }
}

impl From<&Failure> for ExitCode {
    /// The exit code of a command that ends by a failure.
    fn from(failure: &Failure) -> ExitCode {
        use FailureKind::*;
        match failure.kind {
            Unauthorized => ExitCode::Unauthorized,
            Dns | Connect | Tls | Timeout | RateLimited | StreamLost | ResumeFailed
            | SessionLost => ExitCode::Unreachable,
            HttpStatus if failure.status.is_some_and(|status| status >= 500) => {
                ExitCode::Unreachable
            }
            HttpStatus | NoInput => ExitCode::Refused,
            Redirect | InvalidResponse | TooLarge => ExitCode::Protocol,
            Overloaded | ShuttingDown | Internal => ExitCode::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_not_reserved() {
        let all = FailureKind::ALL;
        for (i, kind) in all.iter().enumerate() {
            assert!(!(-32768..=-32000).contains(&kind.code()));
            assert!(
                all[i + 1..].iter().all(|k| k.code() != kind.code() && k.name() != kind.name())
            );
        }
    }

    #[test]
    fn the_response_carries_what_is_known() {
        let mut failure = Failure::new(FailureKind::RateLimited, "x".repeat(300))
            .with_status(503)
            .at("http://h/p");
        failure.retry_after = Some(Duration::from_secs(30));
        let value: serde_json::Value =
            serde_json::from_slice(&failure.response(&Id::NULL)).unwrap();
        assert_eq!(value["error"]["code"], -31012);
        assert_eq!(value["error"]["message"].as_str().unwrap().chars().count(), MAX_ERROR_MESSAGE);
        assert_eq!(
            value["error"]["data"],
            json!({"kind": "rate_limited", "status": 503, "url": "http://h/p", "retryAfter": 30})
        );
    }

    #[test]
    fn errors_of_ours_are_recognised() {
        let mut failure =
            Failure::new(FailureKind::RateLimited, "slow").with_status(429).at("http://h/p");
        failure.retry_after = Some(Duration::from_secs(30));
        let response = failure.response(&Id::NULL);
        let error = member::lookup(&response, &["error"]).unwrap();
        assert_eq!(Failure::from_error(error.as_bytes()), Some(failure));
        for theirs in [
            r#"{"code":-31012,"message":"slow"}"#,
            r#"{"code":-31012,"message":"slow","data":{"kind":"dns"}}"#,
            r#"{"code":-32602,"message":"no","data":{"kind":"rate_limited"}}"#,
        ] {
            assert_eq!(Failure::from_error(theirs.as_bytes()), None, "{theirs}");
        }
    }
}
