//! The only door to the network: one client, its TLS, proxies, redirects and cookies.
//!
//! * [`addresses`]: which addresses are of the public internet.
//! * [`client`]: building the client from [`Settings`].
//! * [`tls`]: trusted roots and client certificates.
//! * [`redirect`]: which redirects are followed.
//! * [`cookies`]: the server's cookies, bounded.
//! * [`body`]: a request body that tells when it has been handed to a connection.
//! * [`observe`]: letting somebody see every exchange.
//! * [`sign`]: header fields that are made for each sending.
//! * [`explain`]: errors of the layers below in words.
//! * `simulated`: a network in memory, in its place (feature `simulation`).
//! * [`probe`]: looking at the way to a server step by step, with [`certificate`] (pure).

pub mod addresses;
pub mod body;
pub mod certificate;
pub mod client;
pub mod cookies;
pub mod explain;
pub mod observe;
pub mod probe;
pub mod redirect;
pub mod sign;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod tls;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

pub use body::OnSent;
pub use client::{Settings, SetupError};
pub use sign::{Sign, Signer};

// What carries requests, and what is said where it brings no response.
#[cfg(feature = "simulation")]
use self::simulated::{self as unanswered, Carrier, carrier};
#[cfg(not(feature = "simulation"))]
use self::{client::build as carrier, explain as unanswered};
#[cfg(not(feature = "simulation"))]
use reqwest::Client as Carrier;

use self::cookies::BoundedJar;
use self::observe::{Observer, Seen, Watched};
use crate::error::{Failure, FailureKind};
use crate::limits::{MAX_LOGGED_TEXT, MAX_REDIRECTS};
use crate::secret::{Redactor, shown};

/// An HTTP client for one server.
#[derive(Debug)]
pub struct Http {
    client: Carrier,
    redactor: Arc<Redactor>,
    observer: Option<Arc<dyn Observer>>,
    signs_in: bool,
    certificate: explain::Certificate,
    cookies: Option<BoundedJar>,
    /// The server has answered something.
    known: AtomicBool,
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
    /// Adds the header fields that depend on where and when the request is sent.
    pub sign: Option<&'a dyn Sign>,
}

/// A response whose body has not been read.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    redactor: Arc<Redactor>,
    shown: String,
    watched: Option<Watched>,
}

impl Http {
    /// A client for the server at `target`.
    ///
    /// # Errors
    /// If certificates or keys cannot be used.
    pub fn new(
        settings: &Settings,
        target: &Url,
        redactor: Arc<Redactor>,
    ) -> Result<Http, SetupError> {
        Ok(Http {
            client: carrier(settings, target)?,
            redactor,
            observer: settings.observer.clone(),
            signs_in: settings.signs_in,
            certificate: match (&settings.client_cert, settings.withholds_cert) {
                (Some(_), _) => explain::Certificate::Shown,
                (None, true) => explain::Certificate::Withheld,
                (None, false) => explain::Certificate::None,
            },
            cookies: settings.cookies.then(BoundedJar::default),
            known: AtomicBool::new(false),
            moved: Mutex::default(),
        })
    }

    /// Sends a request and returns when the response header section has arrived. Redirects are
    /// followed within the origin, and once it is sent again if [`Request::sign`] wants that; every
    /// other status is the caller's.
    ///
    /// # Errors
    /// Everything that keeps a response from coming, as a [`Failure`] with its cause.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, Failure> {
        let Request { method, url, headers, body, on_sent, sign } = request;
        let mut url = self.current(url);
        let (mut redirects, mut may_repeat) = (0, true);
        while redirects <= MAX_REDIRECTS {
            let mut message = reqwest::Request::new(method.clone(), url.clone());
            *message.headers_mut() = headers.clone();
            if let Some(sign) = sign {
                // For the URL that it really goes to, which a redirect may have changed.
                let body = body.as_deref().unwrap_or_default();
                sign.sign(&method, &url, message.headers_mut(), body)
                    .map_err(|failure| failure.at(&shown(&url)))?;
            }
            let mut watched = self.observer.as_ref().map(Watched::new);
            let mut on_sent = on_sent.clone();
            if let Some(watched) = &mut watched {
                watched.see(Seen::Request {
                    signs_in: self.signs_in,
                    method: &method,
                    url: &url,
                    headers: message.headers(),
                    body: body.as_ref(),
                    redactor: &self.redactor,
                });
                on_sent = Some(watched.on_sent(on_sent));
            }
            // Last: they are the connection's, neither signed nor shown.
            if let Some(cookies) = &self.cookies {
                cookies.give(message.headers_mut(), &url);
            }
            let handed_over = body::HandedOver::new(on_sent);
            if let Some(bytes) = &body {
                *message.body_mut() = Some(body::once(bytes.clone(), handed_over.clone()));
            }
            let response = match self.client.execute(message).await {
                Ok(response) => response,
                Err(error) => {
                    let (certificate, known) = (self.certificate, self.known.load(Relaxed));
                    let mut failure =
                        unanswered::connection(&error, &url, &self.redactor, certificate, known);
                    failure.unsent = !handed_over.happened() || unanswered::not_processed(&error);
                    if let Some(watched) = &mut watched {
                        watched.see(Seen::Failed(&failure));
                    }
                    return Err(failure);
                }
            };
            self.known.store(true, Relaxed);
            let status = response.status();
            for cookie in response.headers().get_all(header::SET_COOKIE) {
                self.redactor.learn_foreign(cookies::value(cookie));
            }
            if let Some(cookies) = &self.cookies {
                cookies.take(response.headers(), &url);
            }
            if let Some(watched) = &mut watched {
                let (version, headers) = (response.version(), response.headers());
                watched.see(Seen::Response { status, version, headers });
                watched.promise(response.content_length());
            }
            if let Some(sign) = sign
                && sign.heard(&url, status, response.headers())
                && std::mem::take(&mut may_repeat)
                && sign.renew().await
            {
                continue;
            }
            let location = response.headers().get(header::LOCATION);
            match redirect::decide(&method, status, &url, location) {
                redirect::Decision::None => {
                    return Ok(Response {
                        inner: response,
                        redactor: self.redactor.clone(),
                        shown: shown(&url),
                        watched,
                    });
                }
                redirect::Decision::Follow(target) => {
                    if status == StatusCode::PERMANENT_REDIRECT {
                        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some((url.clone(), target.clone()));
                    }
                    url = target;
                    redirects += 1;
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
        let piece = self
            .inner
            .chunk()
            .await
            .map_err(|error| explain::body(&error, &self.redactor).at(&self.shown));
        if let Some(watched) = &mut self.watched {
            match &piece {
                Ok(Some(piece)) => watched.see_piece(piece),
                Ok(None) => watched.see(Seen::End),
                Err(failure) => watched.see(Seen::Broken(failure)),
            }
        }
        piece
    }
}
