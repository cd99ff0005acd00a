//! Requests to authorization servers and for metadata documents, within the rules that hold for all
//! of them: https (or http on loopback), bounded, redirects within the origin, nothing of the MCP
//! server's own headers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::timeout;
use url::Url;

use crate::error::{Failure, FailureKind};
use crate::http::client::{Settings, is_loopback};
use crate::http::{Http, Request};
use crate::limits::{MAX_OAUTH_BODY, OAUTH_REQUEST_TIMEOUT};
use crate::secret::{Redactor, shown};

/// The door for everything that sign-in sends.
#[derive(Debug)]
pub struct Web {
    connection: Settings,
    server: Url,
    allow_http: bool,
    redactor: Arc<Redactor>,
    clients: Mutex<HashMap<String, Arc<Http>>>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header section.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The essence of `Content-Type`, in lower case.
    pub fn content_type(&self) -> String {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    /// Whether the same request may succeed later: 408, 425, 429 or 5xx.
    pub fn is_transient(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 425 | 429 | 500..)
    }
}

impl Web {
    /// For the MCP server at `server`. Of `connection` cookies are never used.
    pub fn new(
        connection: &Settings,
        server: Url,
        allow_http: bool,
        redactor: Arc<Redactor>,
    ) -> Web {
        let connection = Settings { cookies: false, ..connection.clone() };
        Web { connection, server, allow_http, redactor, clients: Mutex::default() }
    }

    /// The MCP server's URL.
    pub fn server(&self) -> &Url {
        &self.server
    }

    /// Knows the secrets of this process.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// A URL of a document, checked: https, or http on loopback or where the person allows it.
    ///
    /// # Errors
    /// A [`FailureKind::InvalidResponse`] that says what is wrong.
    pub fn check(&self, text: &str) -> Result<Url, Failure> {
        let refuse = |why: &str| {
            let shown = self.redactor.clean(text, 100);
            Err(Failure::new(FailureKind::InvalidResponse, format!("the URL {shown} {why}")))
        };
        let Ok(url) = Url::parse(text) else {
            return refuse("cannot be read");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("contains a user name or password");
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.allow_http || is_loopback(&url) => Ok(url),
            "http" => refuse("is not encrypted; --allow-http would accept it"),
            _ => refuse("is not an https URL"),
        }
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// If no whole answer came; every status is the caller's.
    pub async fn get(&self, url: &Url) -> Result<Answer, Failure> {
        self.send(Method::GET, url, HeaderMap::new(), None).await
    }

    /// Posts a body of type `content_type`.
    ///
    /// # Errors
    /// If no whole answer came; every status is the caller's.
    pub async fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.send(Method::POST, url, headers, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        self.check(url.as_str())?;
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let exchange = async {
            let http = self.client(url)?;
            let request = Request { method, url, headers, body, on_sent: None };
            let mut response = http.send(request).await?;
            let mut whole = BytesMut::new();
            while let Some(piece) = response.piece().await? {
                if whole.len() + piece.len() > MAX_OAUTH_BODY {
                    let text = format!("the answer is over {MAX_OAUTH_BODY} bytes");
                    return Err(Failure::new(FailureKind::TooLarge, text).at(&shown(url)));
                }
                whole.extend_from_slice(&piece);
            }
            Ok(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                body: whole.freeze(),
            })
        };
        timeout(OAUTH_REQUEST_TIMEOUT, exchange).await.unwrap_or_else(|_| {
            let text = format!(
                "no answer from {} within {} s",
                url.host_str().unwrap_or("the server"),
                Duration::as_secs(&OAUTH_REQUEST_TIMEOUT)
            );
            Err(Failure::new(FailureKind::Timeout, text).at(&shown(url)))
        })
    }

    fn client(&self, url: &Url) -> Result<Arc<Http>, Failure> {
        let origin = url.origin().ascii_serialization();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&origin) {
            return Ok(client.clone());
        }
        let http = Http::new(&self.connection, url, self.redactor.clone())
            .map_err(|error| Failure::new(FailureKind::Tls, error.to_string()))?;
        let http = Arc::new(http);
        clients.insert(origin, http.clone());
        Ok(http)
    }
}
