//! The only door to the network: one client, its TLS, proxies, redirects and cookies.
//!
//! * [`addresses`]: which addresses are of the public internet.
//! * [`client`]: building the client from [`Settings`].
//! * [`redirect`]: which redirects are followed.
//! * [`cookies`]: the server's cookies, bounded.
//! * [`body`]: a request body that tells when it has been handed to a connection.
//! * [`explain`]: errors of the layers below in words.
//! * [`probe`]: looking at the way to a server step by step, with [`certificate`] (pure).

pub mod addresses;
pub mod body;
pub mod certificate;
pub mod client;
pub mod cookies;
pub mod explain;
pub mod probe;
pub mod redirect;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

pub use body::OnSent;
pub use client::{Settings, SetupError};

use crate::error::{Failure, FailureKind};
use crate::limits::{MAX_LOGGED_TEXT, MAX_REDIRECTS};
use crate::secret::{Redactor, shown};

/// An HTTP client for one server.
#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
    redactor: Arc<Redactor>,
    /// Where the server said, by a permanent redirect, that a URL has moved to.
    moved: Mutex<Option<(Url, Url)>>,
}

/// One request, which can be sent again to another URL by a redirect.
#[derive(Debug)]
pub struct Request<'a> {
    /// GET, POST or DELETE.
    pub method: Method,
    /// Where to.
    pub url: &'a Url,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body of a POST.
    pub body: Option<Bytes>,
    /// Called once the body has been handed to a connection.
    pub on_sent: Option<OnSent>,
}

/// A response whose body has not been read.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    redactor: Arc<Redactor>,
    shown: String,
}

impl Http {
    /// A client for the server at `target`.
    ///
    /// # Errors
    /// If certificates or keys cannot be used, or the system has no trusted roots.
    pub fn new(
        settings: &Settings,
        target: &Url,
        redactor: Arc<Redactor>,
    ) -> Result<Http, SetupError> {
        Ok(Http { client: client::build(settings, target)?, redactor, moved: Mutex::default() })
    }

    /// Sends a request and returns when the response header section has arrived. Redirects are
    /// followed within the origin; every other status is the caller's.
    ///
    /// # Errors
    /// Everything that keeps a response from coming, as a [`Failure`] with its cause.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, Failure> {
        let Request { method, url, headers, body, on_sent } = request;
        let mut url = self.current(url);
        for _ in 0..=MAX_REDIRECTS {
            let mut message = reqwest::Request::new(method.clone(), url.clone());
            *message.headers_mut() = headers.clone();
            let handed_over = body::HandedOver::new(on_sent.clone());
            if let Some(bytes) = &body {
                *message.body_mut() = Some(body::once(bytes.clone(), handed_over.clone()));
            }
            let response = match self.client.execute(message).await {
                Ok(response) => response,
                Err(error) => {
                    let mut failure = explain::connection(&error, &url, &self.redactor);
                    failure.unsent = !handed_over.happened() || explain::not_processed(&error);
                    return Err(failure);
                }
            };
            let status = response.status();
            let location = response.headers().get(header::LOCATION);
            match redirect::decide(&method, status, &url, location) {
                redirect::Decision::None => {
                    return Ok(Response {
                        inner: response,
                        redactor: self.redactor.clone(),
                        shown: shown(&url),
                    });
                }
                redirect::Decision::Follow(target) => {
                    if status == StatusCode::PERMANENT_REDIRECT {
                        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some((url.clone(), target.clone()));
                    }
                    url = target;
                }
                redirect::Decision::Refuse(reason) => {
                    let reason = self.redactor.clean(&reason, MAX_LOGGED_TEXT);
                    return Err(Failure::new(FailureKind::Redirect, reason)
                        .with_status(status.as_u16())
                        .at(&shown(&url)));
                }
            }
        }
        let text = format!("more than {MAX_REDIRECTS} redirects; check the URL");
        Err(Failure::new(FailureKind::Redirect, text).at(&shown(&url)))
    }

    fn current(&self, url: &Url) -> Url {
        match &*self.moved.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((from, to)) if from == url => to.clone(),
            _ => url.clone(),
        }
    }
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The header section.
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// The URL that answered.
    pub fn url(&self) -> &Url {
        self.inner.url()
    }

    /// The URL that answered, as it may be shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The version of HTTP that it came in.
    pub fn version(&self) -> http::Version {
        self.inner.version()
    }

    /// The length that the header section promises.
    pub fn content_length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// The next piece of the body, decompressed; `None` at its end.
    ///
    /// # Errors
    /// If the connection breaks or the body is not what its headers promise.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        self.inner
            .chunk()
            .await
            .map_err(|error| explain::body(&error, &self.redactor).at(&self.shown))
    }
}
