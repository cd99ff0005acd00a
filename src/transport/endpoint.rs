//! POST, GET and DELETE to an MCP endpoint.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::watch;
use url::Url;

use super::http_sse::Channel;
use super::reply::Reply;
use super::spare::Spare;
use crate::error::Failure;
use crate::http::{Http, OnSent, Request, Sign, Signer};
use crate::limits::MAX_HEADER_TOKEN;
use crate::secret::Redactor;

/// The session a request belongs to.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The revision that was negotiated.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The cursor of a stream that is resumed.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const BOTH: &str = "application/json, text/event-stream";
const EVENTS: &str = "text/event-stream";

/// What a session adds to every request after `initialize`, or a modern request to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionHeaders {
    /// `Mcp-Session-Id`, where the server uses sessions.
    pub session: Option<HeaderValue>,
    /// `MCP-Protocol-Version`, once negotiated.
    pub version: Option<HeaderValue>,
    /// What mirrors a modern request (2026-07-28, basic/transports/streamable-http, "Request
    /// Metadata").
    pub mirrored: HeaderMap,
    /// The open stream, with HTTP+SSE: messages are POSTed to its address.
    pub channel: Option<Arc<Channel>>,
}

/// A Streamable HTTP endpoint, or one of HTTP+SSE.
#[derive(Debug)]
pub struct Endpoint {
    http: Http,
    pub(super) url: Url,
    custom: HeaderMap,
    supplied: Option<watch::Receiver<HeaderMap>>,
    signer: Option<Arc<dyn Signer>>,
    accept_both: HeaderValue,
    accept_events: HeaderValue,
    max_message: usize,
    pub(super) redactor: Arc<Redactor>,
    spare: Spare,
}

impl Endpoint {
    /// An endpoint at `url`. `custom` headers go with every request; its `Accept` is added to ours,
    /// never put in its place, because the specification demands ours.
    pub fn new(
        http: Http,
        url: Url,
        mut custom: HeaderMap,
        max_message: usize,
        redactor: Arc<Redactor>,
    ) -> Endpoint {
        let theirs: Vec<HeaderValue> = custom.get_all(ACCEPT).iter().cloned().collect();
        custom.remove(ACCEPT);
        let accept = |ours: &'static str| {
            let mut all = ours.as_bytes().to_vec();
            for theirs in &theirs {
                all.extend_from_slice(b", ");
                all.extend_from_slice(theirs.as_bytes());
            }
            HeaderValue::from_bytes(&all).unwrap_or(HeaderValue::from_static(ours))
        };
        let (accept_both, accept_events) = (accept(BOTH), accept(EVENTS));
        Endpoint {
            http,
            url,
            custom,
            supplied: None,
            signer: None,
            accept_both,
            accept_events,
            max_message,
            redactor,
            spare: Spare::default(),
        }
    }

    /// The same with headers that may change. They take the place of custom ones.
    pub fn with_supplied(self, headers: watch::Receiver<HeaderMap>) -> Endpoint {
        Endpoint { supplied: Some(headers), ..self }
    }

    /// The same with every request signed by `signer`, and by nobody else.
    pub fn with_signer(self, signer: Arc<dyn Signer>) -> Endpoint {
        Endpoint { signer: Some(signer), ..self }
    }

    /// Whether there is such a signer.
    pub fn is_signed(&self) -> bool {
        self.signer.is_some()
    }

    /// Returns when the next request can be signed at once. For a caller with a time limit that is the
    /// server's alone: sending waits for the same.
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.signing().await.map(|_| ())
    }

    async fn signing(&self) -> Result<Option<Box<dyn Sign>>, Failure> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let signing = signer.signing().await;
        signing.map(Some).map_err(|mut failure| {
            failure.unsent = true;
            failure.at(&self.shown())
        })
    }

    /// Sends one message. What `sign` adds takes the place of configured fields of the same name.
    ///
    /// # Errors
    /// If no response came; every status is the caller's.
    pub async fn post(
        &self,
        message: Bytes,
        session: &SessionHeaders,
        sign: Option<&dyn Sign>,
        on_sent: Option<OnSent>,
    ) -> Result<Reply, Failure> {
        let mut headers = self.headers(session);
        headers.insert(ACCEPT, self.accept_both.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = session.channel.as_ref().map_or(&self.url, |channel| channel.address());
        self.send(Method::POST, url, headers, Some(message), on_sent, sign).await
    }

    /// Opens an event stream: the standalone one, with the cursor of a broken one that, or the one of
    /// HTTP+SSE.
    ///
    /// # Errors
    /// If no response came; every status is the caller's.
    pub async fn get(
        &self,
        session: &SessionHeaders,
        last_event_id: &[u8],
        sign: Option<&dyn Sign>,
    ) -> Result<Reply, Failure> {
        let mut headers = self.headers(session);
        headers.insert(ACCEPT, self.accept_events.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // A compressing proxy would hold events back until it has enough of them.
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        if !last_event_id.is_empty()
            && let Ok(cursor) = HeaderValue::from_bytes(last_event_id)
        {
            headers.insert(LAST_EVENT_ID, cursor);
        }
        self.send(Method::GET, &self.url, headers, None, None, sign).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// If no response came; every status is the caller's.
    pub async fn delete(
        &self,
        session: &SessionHeaders,
        sign: Option<&dyn Sign>,
    ) -> Result<Reply, Failure> {
        let mut headers = self.headers(session);
        headers.insert(ACCEPT, self.accept_both.clone());
        self.send(Method::DELETE, &self.url, headers, None, None, sign).await
    }

    /// The server's address, as it may be shown.
    pub fn shown(&self) -> String {
        crate::secret::shown(&self.url)
    }

    fn headers(&self, session: &SessionHeaders) -> HeaderMap {
        let mut headers = self.custom.clone();
        if let Some(supplied) = &self.supplied {
            headers.extend(supplied.borrow().clone());
        }
        if let Some(id) = &session.session {
            headers.insert(SESSION_ID, id.clone());
        }
        if let Some(version) = &session.version {
            headers.insert(PROTOCOL_VERSION, version.clone());
        }
        for (name, value) in &session.mirrored {
            headers.insert(name.clone(), value.clone());
        }
        headers
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
        on_sent: Option<OnSent>,
        sign: Option<&dyn Sign>,
    ) -> Result<Reply, Failure> {
        let own = self.signing().await?;
        let sign = own.as_deref().or(sign);
        let request = Request { method, url, headers, body, on_sent, sign };
        let response = self.http.send(request).await?;
        let advice = own.and_then(|own| own.advice(response.status(), response.headers()));
        let reply =
            Reply::new(response, self.max_message, self.redactor.clone(), self.spare.clone());
        Ok(reply.advising(advice))
    }
}

/// Checks a session id: visible ASCII (2025-11-25, basic/transports, "Session Management").
pub fn valid_session_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= MAX_HEADER_TOKEN
        && bytes.iter().all(|b| (0x21..=0x7e).contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_visible_ascii() {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        assert!(valid_session_id(&value(b"!abc~")));
        for bad in [&b""[..], b"a b", b"a\tb", b"a\xe4b", &[b'x'; MAX_HEADER_TOKEN + 1]] {
            assert!(!valid_session_id(&value(bad)), "{bad:?}");
        }
    }
}
