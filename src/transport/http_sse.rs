//! The deprecated HTTP+SSE transport (2024-11-05, basic/transports, "HTTP with SSE"): one event
//! stream for everything that the server says, and an address to POST to, which the stream names
//! first.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::endpoint::Endpoint;
use super::reply::{Content, Reply};
use super::sse::Item;
use super::stream::EventStream;
use crate::error::{Failure, FailureKind};
use crate::http::redirect::same_origin;
use crate::limits::MAX_POST_ADDRESS;
use crate::secret::{Secret, shown};

/// An open stream, seen from the side that sends: where to POST, and until when.
#[derive(Debug)]
pub struct Channel {
    address: Url,
    /// Why it is over; nothing while it is open.
    end: watch::Sender<Option<Failure>>,
}

impl Channel {
    /// Messages go to `address`.
    pub fn new(address: Url) -> Channel {
        Channel { address, end: watch::Sender::new(None) }
    }

    /// Where messages are POSTed.
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// Whether answers can still come.
    pub fn is_open(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// It is over. Only the first reason counts; tells whether this was it.
    pub fn close(&self, why: Failure) -> bool {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(why);
            }
            first
        })
    }

    /// Returns when it is over, with the reason.
    pub async fn closed(&self) -> Failure {
        let mut end = self.end.subscribe();
        let why = end.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        // The sender lives as long as `self`, so that there is a reason.
        why.unwrap_or_else(|| Failure::new(FailureKind::StreamLost, "the event stream is closed"))
    }
}

/// Each stream is another one.
impl PartialEq for Channel {
    fn eq(&self, other: &Channel) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Channel {}

/// Why the data of an `endpoint` event is no address to POST to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than [`MAX_POST_ADDRESS`].
    #[error("over {MAX_POST_ADDRESS} bytes long")]
    TooLong,
    /// Empty, not UTF-8, with control characters, or no URL.
    #[error("no URL")]
    NoUrl,
    /// Of another origin than the configured URL: nothing is sent there.
    #[error("of another origin, {0}; nothing is sent there")]
    OtherOrigin(String),
}

/// The address in `data`, a URL or a reference relative to `base`, which is where the stream came
/// from (RFC 3986, section 5.1.3). It must have the origin of the `configured` URL, because
/// credentials go there. Its fragment is dropped.
///
/// # Errors
/// [`AddressError`].
pub fn post_address(configured: &Url, base: &Url, data: &[u8]) -> Result<Url, AddressError> {
    if data.len() > MAX_POST_ADDRESS {
        return Err(AddressError::TooLong);
    }
    let text = std::str::from_utf8(data).map_err(|_| AddressError::NoUrl)?.trim();
    // The parser would leave line breaks and tabs out.
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(AddressError::NoUrl);
    }
    let mut address = base.join(text).map_err(|_| AddressError::NoUrl)?;
    if !same_origin(configured, &address) {
        return Err(AddressError::OtherOrigin(shown(&address)));
    }
    address.set_fragment(None);
    Ok(address)
}

impl Endpoint {
    /// Takes the answer to a GET as the stream of a server that speaks HTTP+SSE, and waits for its
    /// `endpoint` event, at most `limit`.
    ///
    /// # Errors
    /// If it is none: an error status, something else than a stream, or a stream that begins with
    /// something else.
    pub async fn channel(
        &self,
        mut reply: Reply,
        limit: Duration,
    ) -> Result<(Arc<Channel>, EventStream), Failure> {
        if !reply.status().is_success() {
            return Err(not_opened(reply).await);
        }
        if reply.content() != Content::Events {
            let body = reply.read_beginning().await;
            return Err(reply.invalid("there is no event stream at this URL", &body));
        }
        let end = Instant::now() + limit;
        let base = reply.url().clone();
        let mut stream = reply.into_events(Bytes::new());
        let wrong = |kind, text: String| Failure::new(kind, text).at(&shown(&base));
        loop {
            while let Some(item) = stream.buffered() {
                match item {
                    Item::Event(event) if &event.name[..] == b"endpoint" => {
                        let address = post_address(&self.url, &base, &event.data);
                        let address = address.map_err(|error| {
                            let text =
                                format!("the server names an address for messages that is {error}");
                            wrong(FailureKind::InvalidResponse, self.redactor.clean(&text, 200))
                        })?;
                        self.learn(&address);
                        return Ok((Arc::new(Channel::new(address)), stream));
                    }
                    Item::Event(event) if event.data.is_empty() || !event.is_message() => {}
                    Item::Event(_) | Item::TooLarge { .. } => {
                        let text = "the event stream does not begin with the \"endpoint\" event of HTTP+SSE";
                        return Err(wrong(FailureKind::InvalidResponse, text.into()));
                    }
                }
            }
            match timeout_at(end, stream.wait()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    let text = "the event stream ended before its \"endpoint\" event";
                    return Err(wrong(FailureKind::InvalidResponse, text.into()));
                }
                Ok(Err(failure)) => return Err(failure),
                Err(_) => {
                    let text = format!(
                        "no \"endpoint\" event came within {} s; does this server speak HTTP+SSE?",
                        limit.as_secs()
                    );
                    return Err(wrong(FailureKind::Timeout, text));
                }
            }
        }
    }

    /// The address names the session, and is as good as a password while that lives.
    fn learn(&self, address: &Url) {
        for (_, value) in address.query_pairs().take(8) {
            self.redactor.learn_foreign(Secret::new(value.into_owned()));
        }
    }
}

/// The failure of a GET that opened no stream.
async fn not_opened(mut reply: Reply) -> Failure {
    let status = reply.status().as_u16();
    let body = reply.read_beginning().await;
    let mut failure = reply.failure(&body);
    if matches!(status, 400 | 404..=406) {
        let text = format!("the server opens no event stream at this URL (HTTP {status})");
        failure.message = reply.invalid(&text, &body).message;
    }
    failure
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn at(base: &str, data: &str) -> Result<String, AddressError> {
        post_address(&url("https://h.example/a/sse"), &url(base), data.as_bytes()).map(String::from)
    }

    #[test]
    fn addresses() {
        let base = "https://h.example/a/sse?key=1";
        for (data, address) in [
            ("/messages/?session_id=1", "https://h.example/messages/?session_id=1"),
            ("messages?id=a%20b", "https://h.example/a/messages?id=a%20b"),
            ("?sessionId=1", "https://h.example/a/sse?sessionId=1"),
            ("https://h.example:443/m#part", "https://h.example/m"),
            ("https://H.Example/m", "https://h.example/m"),
            (" /m ", "https://h.example/m"),
        ] {
            assert_eq!(at(base, data).as_deref(), Ok(address), "{data}");
        }
        // As of a stream that was redirected.
        assert_eq!(at("https://h.example/b/sse/", "m").as_deref(), Ok("https://h.example/b/sse/m"));
        for data in [
            "https://evil.example/m",
            "//evil.example/m",
            "\\\\evil.example/m",
            "http://h.example/m",
            "https://h.example:8443/m",
            "https://h.example@evil.example/m",
            "https://user:password@h.example/m",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            assert!(matches!(at(base, data), Err(AddressError::OtherOrigin(_))), "{data}");
        }
        for data in ["", "  ", "/a\nb", "/a\tb", "https://", "http://[", "/\u{0}"] {
            assert_eq!(at(base, data), Err(AddressError::NoUrl), "{data:?}");
        }
        assert_eq!(post_address(&url(base), &url(base), b"/\xff"), Err(AddressError::NoUrl));
        let long = format!("/{}", "x".repeat(MAX_POST_ADDRESS));
        assert_eq!(at(base, &long), Err(AddressError::TooLong));
    }

    #[test]
    fn the_error_shows_no_more_than_origin_and_path() {
        let error = at("https://h.example/", "https://u:secret@evil.example/m?key=secret#secret");
        let text = error.unwrap_err().to_string();
        assert!(text.contains("https://evil.example/m") && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn the_first_reason_counts() {
        let channel = Channel::new(url("https://h.example/"));
        assert!(channel.is_open());
        assert!(channel.close(Failure::new(FailureKind::StreamLost, "first")));
        assert!(!channel.close(Failure::new(FailureKind::StreamLost, "second")));
        assert!(!channel.is_open());
        assert_eq!(channel.closed().await.message, "first");
    }

    proptest! {
        /// Whatever a server says: what comes out has the configured origin and no credentials.
        #[test]
        fn nothing_leaves_the_origin(data in "(https?:|//|\\\\|/|@|:|\\?|#|[a-z.]|h\\.example|\\PC|\t){0,20}") {
            let configured = url("https://h.example/sse");
            if let Ok(address) = post_address(&configured, &configured, data.as_bytes()) {
                prop_assert_eq!(address.origin(), configured.origin());
                prop_assert!(address.username().is_empty() && address.password().is_none());
                prop_assert!(address.fragment().is_none());
            }
        }
    }
}
