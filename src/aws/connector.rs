//! The HTTP of the crates of AWS: ours, with its TLS, proxies and trusted roots.
//!
//! What they exchange are credentials, so that no trace sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use tokio::time::timeout;
use url::Url;

use crate::error::{Failure, FailureKind};
use crate::http::client::Settings;
use crate::http::{Http, Request};
use crate::limits::{AWS_REQUEST_TIMEOUT, MAX_OAUTH_BODY};
use crate::secret::Redactor;

/// Makes connectors.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    redactor: Arc<Redactor>,
    /// For the origin that was asked last.
    last: Mutex<Option<(String, Arc<Http>)>>,
}

impl Client {
    /// Connects as `settings` say, but shows nobody who the client is.
    pub fn new(settings: &Settings, redactor: Arc<Redactor>) -> Client {
        let settings =
            Settings { client_cert: None, cookies: false, observer: None, ..settings.clone() };
        Client(Arc::new(Inner { settings, redactor, last: Mutex::default() }))
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limit = match (settings.connect_timeout(), settings.read_timeout()) {
            (Some(connect), Some(read)) => (connect + read).min(AWS_REQUEST_TIMEOUT),
            _ => AWS_REQUEST_TIMEOUT,
        };
        SharedHttpConnector::new(Connector { inner: self.0.clone(), limit })
    }
}

#[derive(Debug)]
struct Connector {
    inner: Arc<Inner>,
    /// For a connection and the answer.
    limit: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, limit) = (self.inner.clone(), self.limit);
        HttpConnectorFuture::new(async move {
            match timeout(limit, inner.exchange(request)).await {
                Ok(answer) => answer,
                Err(_) => {
                    let text = format!("no answer within {} s", limit.as_secs());
                    Err(ConnectorError::timeout(text.into()))
                }
            }
        })
    }
}

impl Inner {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let (mut parts, body) = request
            .try_into_http1x()
            .map_err(|error| ConnectorError::user(error.into()))?
            .into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| ConnectorError::user(error.into()))?;
        // The connection has its own.
        parts.headers.remove(HOST);
        parts.headers.remove(CONTENT_LENGTH);
        let body = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
        let http = self.client(&url)?;
        let request = Request {
            method: parts.method,
            url: &url,
            headers: parts.headers,
            body: (!body.is_empty()).then_some(body),
            on_sent: None,
            sign: None,
        };
        let mut response = http.send(request).await.map_err(failed)?;
        let mut whole = BytesMut::new();
        while let Some(piece) = response.piece().await.map_err(failed)? {
            if whole.len() + piece.len() > MAX_OAUTH_BODY {
                let text = format!("the answer is over {MAX_OAUTH_BODY} bytes");
                return Err(ConnectorError::other(text.into(), None));
            }
            whole.extend_from_slice(&piece);
        }
        let mut answer = http::Response::new(SdkBody::from(whole.freeze()));
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
    }

    fn client(&self, url: &Url) -> Result<Arc<Http>, ConnectorError> {
        let origin = url.origin().ascii_serialization();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, http)) = &*last
            && *known == origin
        {
            return Ok(http.clone());
        }
        let http = Http::new(&self.settings, url, self.redactor.clone())
            .map_err(|error| ConnectorError::other(error.to_string().into(), None))?;
        let http = Arc::new(http);
        *last = Some((origin, http.clone()));
        Ok(http)
    }
}

fn failed(failure: Failure) -> ConnectorError {
    let text = failure.message.clone().into();
    match failure.kind {
        FailureKind::Timeout => ConnectorError::timeout(text),
        FailureKind::Dns | FailureKind::Connect | FailureKind::StreamLost => {
            ConnectorError::io(text)
        }
        _ => ConnectorError::other(text, None),
    }
}
