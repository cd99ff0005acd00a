//! Requests to authorization servers and for metadata documents, within the rules that hold for all
//! of them: https (or http on loopback), bounded, redirects within the origin, nothing of the MCP
//! server's own headers, and nothing to private addresses on the word of a server on the internet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use url::{Origin, Url};

use super::metadata::ServerMetadata;
use crate::error::{Failure, FailureKind};
use crate::http::addresses::{NotPublic, leads_to_private, names_private};
use crate::http::client::{Settings, is_loopback};
use crate::http::{Http, Request, Sign};
use crate::limits::{
    MAX_EXCERPT, MAX_OAUTH_BODY, MAX_OAUTH_CLIENTS, MAX_RECORDED_DOCUMENTS, OAUTH_REQUEST_TIMEOUT,
};
use crate::secret::{Redactor, shown};

/// The door for everything that sign-in sends.
#[derive(Debug)]
pub struct Web {
    connection: Settings,
    server: Url,
    allow_http: bool,
    redactor: Arc<Redactor>,
    /// Whether the MCP server itself is on a private network; found out when it matters.
    private: OnceCell<bool>,
    /// Origins that the person has named. They may be on a private network.
    trusted: Vec<Origin>,
    /// Where else than at the MCP server the client certificate is shown.
    identified: Mutex<Option<Origin>>,
    /// By origin.
    clients: Mutex<HashMap<String, Arc<Http>>>,
    /// What was asked for, where somebody wants to know.
    record: Mutex<Option<Vec<Tried>>>,
}

/// A document that was asked for.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Where, as it may be shown.
    pub url: String,
    /// The status, or why there is none.
    pub outcome: Result<u16, String>,
    /// How long it took.
    pub took: Duration,
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

    /// The failure that a transient answer from `url` means.
    pub fn failure(&self, url: &Url, redactor: &Redactor) -> Failure {
        let status = self.status.as_u16();
        let kind = if matches!(status, 429 | 503) {
            FailureKind::RateLimited
        } else {
            FailureKind::HttpStatus
        };
        let said = String::from_utf8_lossy(&self.body[..self.body.len().min(1024)]);
        // A page is not worth quoting.
        let said = if said.trim_start().starts_with('<') { "".into() } else { said };
        let said = redactor.clean(&said, MAX_EXCERPT);
        let said = if said.is_empty() { said } else { format!(" (\u{201c}{said}\u{201d})") };
        let host = url.host_str().unwrap_or("the authorization server");
        let text = format!("{host} answered HTTP {status}{said}; try again later");
        let mut failure = Failure::new(kind, text).with_status(status).at(&shown(url));
        let wait = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        failure.retry_after =
            wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        failure
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
        let connection = Settings { cookies: false, signs_in: true, ..connection.clone() };
        Web {
            connection,
            server,
            allow_http,
            redactor,
            private: OnceCell::new(),
            trusted: Vec::new(),
            identified: Mutex::default(),
            clients: Mutex::default(),
            record: Mutex::default(),
        }
    }

    /// The person has named this place: it is asked even if it is on a private network.
    pub fn trust(&mut self, place: &Url) {
        self.trusted.push(place.origin());
    }

    /// Whether there is a client certificate.
    pub fn has_certificate(&self) -> bool {
        self.connection.client_cert.is_some()
    }

    /// Whether there is one to which this authorization server binds tokens (RFC 8705, section 3).
    pub fn binds_to_certificate(&self, metadata: &ServerMetadata) -> bool {
        self.has_certificate() && metadata.tls_client_certificate_bound_access_tokens
    }

    /// From here on the client certificate is shown to the authorization server at `place` as well.
    pub fn identify_at(&self, place: &Url) {
        let origin = Some(place.origin());
        let before = std::mem::replace(
            &mut *self.identified.lock().unwrap_or_else(PoisonError::into_inner),
            origin.clone(),
        );
        if before != origin {
            // Those that are there were made without it, or with it for somebody else.
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// From here on what is fetched is remembered, the first [`MAX_RECORDED_DOCUMENTS`] at least.
    pub fn record(&self) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// What was fetched since [`Web::record`].
    pub fn recorded(&self) -> Vec<Tried> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
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

    /// Checks a URL as [`Web::check`] does, and that its host is not named as one of a private
    /// network, unless the MCP server is on one too.
    ///
    /// # Errors
    /// A [`FailureKind::InvalidResponse`] that says what is wrong.
    pub async fn admit(&self, text: &str) -> Result<Url, Failure> {
        let url = self.check(text)?;
        if names_private(&url) && !self.may_be_private(&url).await {
            let host = url.host_str().unwrap_or_default();
            let text = format!("{host} is not asked: {NotPublic}");
            return Err(Failure::new(FailureKind::InvalidResponse, text).at(&shown(&url)));
        }
        Ok(url)
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// If no whole answer came; every status is the caller's.
    pub async fn get(&self, url: &Url) -> Result<Answer, Failure> {
        let started = Instant::now();
        let answer = self.send(Method::GET, url, HeaderMap::new(), None, None).await;
        if let Some(record) = &mut *self.record.lock().unwrap_or_else(PoisonError::into_inner)
            && record.len() < MAX_RECORDED_DOCUMENTS
        {
            let outcome = match &answer {
                Ok(answer) => Ok(answer.status.as_u16()),
                Err(failure) => Err(failure.message.clone()),
            };
            record.push(Tried { url: shown(url), outcome, took: started.elapsed() });
        }
        answer
    }

    /// Posts a body of type `content_type`.
    ///
    /// # Errors
    /// If no whole answer came; every status is the caller's.
    pub async fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        self.post_signed(url, content_type, headers, body, None).await
    }

    /// The same, with the header fields that `sign` makes.
    ///
    /// # Errors
    /// As [`Web::post`].
    pub async fn post_signed(
        &self,
        url: &Url,
        content_type: &'static str,
        mut headers: HeaderMap,
        body: Bytes,
        sign: Option<&dyn Sign>,
    ) -> Result<Answer, Failure> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.send(Method::POST, url, headers, Some(body), sign).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Option<Bytes>,
        sign: Option<&dyn Sign>,
    ) -> Result<Answer, Failure> {
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let exchange = async {
            self.admit(url.as_str()).await?;
            let http = self.client(url, self.may_be_private(url).await)?;
            let request = Request { method, url, headers, body, on_sent: None, sign };
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

    async fn may_be_private(&self, url: &Url) -> bool {
        url.origin() == self.server.origin()
            || self.trusted.contains(&url.origin())
            || *self.private.get_or_init(|| leads_to_private(&self.server)).await
    }

    fn client(&self, url: &Url, may_be_private: bool) -> Result<Arc<Http>, Failure> {
        let origin = url.origin();
        let name = origin.ascii_serialization();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&name) {
            return Ok(client.clone());
        }
        let mut settings = Settings { public_only: !may_be_private, ..self.connection.clone() };
        let identified = self.identified.lock().unwrap_or_else(PoisonError::into_inner);
        if origin != self.server.origin() && identified.as_ref() != Some(&origin) {
            // Who somebody is concerns the server that it was configured for.
            settings.withholds_cert = settings.client_cert.take().is_some();
        }
        let http = Http::new(&settings, url, self.redactor.clone())
            .map_err(|error| Failure::new(FailureKind::Tls, error.to_string()))?;
        let http = Arc::new(http);
        if clients.len() >= MAX_OAUTH_CLIENTS {
            clients.clear();
        }
        clients.insert(name, http.clone());
        Ok(http)
    }
}

#[cfg(test)]
mod tests;
