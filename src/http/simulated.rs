//! A network in memory, for the deterministic simulation (docs/decisions/0025). It takes the place of the
//! HTTP client alone: redirects, signing, cookies' secrets, the hand-over of bodies and everything above are what is
//! shipped. Builds without the feature have nothing of this.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body::Body as _;
use reqwest::ResponseBuilderExt as _;
use url::Url;

use super::client::{self, Settings, SetupError};
use super::explain::{self, Certificate};
use crate::error::{Failure, FailureKind};
use crate::secret::{Redactor, shown};

/// A network. It must never block, and may use nothing but virtual time.
pub trait Network: fmt::Debug + Send + Sync {
    /// Connects to the host of a URL, for a request with this head. `false` if it refuses: then nothing of the
    /// request gets there.
    fn connect<'a>(&'a self, head: &'a http::request::Parts) -> BoxFuture<'a, bool>;

    /// Carries a request over a connection, and gives the response once its header section is there; nothing
    /// if the connection breaks before that. The body may break, and go on for ever.
    fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Option<http::Response<reqwest::Body>>>;
}

/// What carries requests.
#[derive(Debug)]
pub(super) enum Carrier {
    Real(reqwest::Client),
    Simulated(Arc<dyn Network>),
}

/// Why no response came.
#[derive(Debug)]
pub(super) enum Unanswered {
    Real(reqwest::Error),
    Refused,
    Broken,
}

pub(super) fn carrier(settings: &Settings, target: &Url) -> Result<Carrier, SetupError> {
    match &settings.network {
        Some(network) => Ok(Carrier::Simulated(network.clone())),
        None => client::build(settings, target).map(Carrier::Real),
    }
}

impl Carrier {
    pub(super) async fn execute(
        &self,
        mut request: reqwest::Request,
    ) -> Result<reqwest::Response, Unanswered> {
        let network = match self {
            Carrier::Real(client) => {
                return client.execute(request).await.map_err(Unanswered::Real);
            }
            Carrier::Simulated(network) => network,
        };
        let url = request.url().clone();
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = request.method().clone();
        head.uri = url.as_str().parse().unwrap_or_default();
        head.headers = std::mem::take(request.headers_mut());
        if !network.connect(&head).await {
            return Err(Unanswered::Refused);
        }
        let mut bytes = BytesMut::new();
        if let Some(body) = request.body_mut() {
            while let Some(Ok(frame)) =
                poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
            {
                if let Ok(piece) = frame.into_data() {
                    bytes.extend_from_slice(&piece);
                }
            }
        }
        let message = http::Request::from_parts(head, bytes.freeze());
        let response = network.exchange(message).await.ok_or(Unanswered::Broken)?;
        let (parts, body) = response.into_parts();
        let mut response = http::Response::builder().url(url).body(body).unwrap_or_default();
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        Ok(response.into())
    }
}

/// As [`explain::connection`].
pub(super) fn connection(
    error: &Unanswered,
    url: &Url,
    redactor: &Redactor,
    certificate: Certificate,
    known: bool,
) -> Failure {
    let (kind, text) = match error {
        Unanswered::Real(error) => {
            return explain::connection(error, url, redactor, certificate, known);
        }
        Unanswered::Refused => (FailureKind::Connect, "the simulated server refuses connections"),
        Unanswered::Broken => {
            (FailureKind::StreamLost, "the simulated server closed the connection before answering")
        }
    };
    Failure::new(kind, text).at(&shown(url))
}

/// As [`explain::not_processed`].
pub(super) fn not_processed(error: &Unanswered) -> bool {
    matches!(error, Unanswered::Real(error) if explain::not_processed(error))
}
