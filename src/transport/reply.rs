//! Telling what a response is, and reading its body.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::endpoint::{SESSION_ID, valid_session_id};
use super::spare::Spare;
use super::status;
use super::stream::EventStream;
use crate::error::{Failure, FailureKind};
use crate::http::Response;
use crate::jsonrpc::salvage::salvage_id;
use crate::jsonrpc::skeleton::Sieve;
use crate::jsonrpc::{Id, Received};
use crate::limits::{ERROR_BODY_TIMEOUT, MAX_ERROR_BODY, SALVAGE_PREFIX};
use crate::secret::Redactor;

/// What a body is, by its content type: the essence only, in any case, parameters ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `application/json`.
    Json,
    /// `text/event-stream`.
    Events,
    /// No content type.
    Unnamed,
    /// Anything else.
    Other,
}

/// A response to a POST, GET or DELETE.
#[derive(Debug)]
pub struct Reply {
    response: Response,
    max_message: usize,
    redactor: Arc<Redactor>,
    spare: Spare,
    advice: Option<String>,
}

/// A body that was read whole, or why it was not.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Received),
    /// It was over the size limit. Carries the id in its first KiB, if there is one.
    TooLarge(Option<Id>),
}

impl Reply {
    pub(super) fn new(
        response: Response,
        max_message: usize,
        redactor: Arc<Redactor>,
        spare: Spare,
    ) -> Reply {
        Reply { response, max_message, redactor, spare, advice: None }
    }

    /// The same with a next step for the reader, if the request is refused, in the place of the usual one.
    pub(super) fn advising(self, advice: Option<String>) -> Reply {
        Reply { advice, ..self }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The version of HTTP that it came in.
    pub fn version(&self) -> http::Version {
        self.response.version()
    }

    /// The address that answered.
    pub fn url(&self) -> &Url {
        self.response.url()
    }

    /// The address that answered, as it may be shown.
    pub fn shown(&self) -> &str {
        self.response.shown()
    }

    /// What the body is.
    pub fn content(&self) -> Content {
        content(self.response.headers())
    }

    /// `Mcp-Session-Id`. An id that breaks the specification's rule is reported and ignored.
    pub fn session_id(&self) -> Option<HeaderValue> {
        let id = self.response.headers().get(SESSION_ID)?;
        if !valid_session_id(id) {
            log::warn!("the server sent an invalid Mcp-Session-Id; it is ignored");
            return None;
        }
        Some(id.clone())
    }

    /// The `WWW-Authenticate` fields (RFC 9110, section 11.6.1).
    pub fn authenticate(&self) -> impl Iterator<Item = &[u8]> {
        self.response.headers().get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes)
    }

    /// `Retry-After` in either form (RFC 9110, section 10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The body as an event stream that continues behind `last_event_id`.
    pub fn into_events(self, last_event_id: Bytes) -> EventStream {
        EventStream::new(self.response, self.max_message, last_event_id, self.spare)
    }

    /// Reads the whole body, up to the message size limit (after decompression).
    ///
    /// # Errors
    /// If the connection breaks first.
    pub async fn read(&mut self) -> Result<Body, Failure> {
        let Some(first) = self.response.piece().await? else {
            return Ok(Body::Whole(Received::default()));
        };
        if first.len() <= self.max_message
            && self.response.content_length() == Some(first.len() as u64)
        {
            return Ok(Body::Whole(first.into()));
        }
        let promised = self.response.content_length().unwrap_or(0);
        let room = usize::try_from(promised).unwrap_or(usize::MAX).min(self.max_message);
        let mut whole = self.spare.with_capacity(room.max(first.len().min(self.max_message)));
        let mut sieve = Sieve::default();
        let mut next = Some(first);
        while let Some(piece) = next {
            if whole.len() + piece.len() > self.max_message {
                whole.extend_from_slice(&piece[..piece.len().min(SALVAGE_PREFIX)]);
                whole.truncate(SALVAGE_PREFIX);
                return Ok(Body::TooLarge(salvage_id(&whole)));
            }
            whole.extend_from_slice(&piece);
            sieve.follow(&whole);
            // Its memory is what the next piece is read into, if nobody holds it.
            drop(piece);
            next = self.response.piece().await?;
        }
        let whole = whole.freeze();
        self.spare.keep(&whole);
        Ok(Body::Whole(Received::new(whole, sieve)))
    }

    /// Reads the beginning of a body that only has to be explained: at most [`MAX_ERROR_BODY`] bytes,
    /// for at most [`ERROR_BODY_TIMEOUT`]. What does not come by then is left out.
    pub async fn read_beginning(&mut self) -> Bytes {
        let end = Instant::now() + ERROR_BODY_TIMEOUT;
        let mut body = BytesMut::new();
        while body.len() < MAX_ERROR_BODY
            && let Ok(Ok(Some(piece))) = timeout_at(end, self.response.piece()).await
        {
            body.extend_from_slice(&piece[..piece.len().min(MAX_ERROR_BODY - body.len())]);
        }
        body.freeze()
    }

    /// The failure that this response means, with what its body says.
    pub async fn into_failure(mut self) -> Failure {
        let body = self.read_beginning().await;
        self.failure(&body)
    }

    /// The failure that this status with this body means.
    pub fn failure(&self, body: &[u8]) -> Failure {
        let (status, advice) = (self.status(), self.advice.as_deref());
        let mut failure = status::failure(status, self.retry_after(), body, advice, &self.redactor);
        failure.url = Some(self.shown().to_owned());
        failure
    }

    /// A failure about what this response contains, with the beginning of a text that shows it.
    pub fn invalid(&self, what: &str, body: &[u8]) -> Failure {
        let excerpt = status::excerpt(body, &self.redactor);
        let text = if excerpt.is_empty() { what.to_owned() } else { format!("{what}: {excerpt}") };
        Failure::new(FailureKind::InvalidResponse, text)
            .with_status(self.status().as_u16())
            .at(self.shown())
    }
}

fn content(headers: &HeaderMap) -> Content {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Content::Unnamed;
    };
    let essence = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        Content::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Content::Events
    } else if essence.is_empty() {
        Content::Unnamed
    } else {
        Content::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_by_essence() {
        for (value, expected) in [
            ("application/json", Content::Json),
            ("Application/JSON; charset=utf-8", Content::Json),
            ("text/event-stream;charset=utf-8", Content::Events),
            ("TEXT/EVENT-STREAM ; x", Content::Events),
            ("text/html", Content::Other),
            ("application/json-seq", Content::Other),
            ("", Content::Unnamed),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            assert_eq!(content(&headers), expected, "{value}");
        }
        assert_eq!(content(&HeaderMap::new()), Content::Unnamed);
    }
}
