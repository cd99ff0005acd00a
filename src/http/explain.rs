//! Errors of the layers below in words: what happened, to which host, and the next step.

use std::error::Error;
use std::io;

use rustls::AlertDescription;
use url::Url;

use super::addresses::NotPublic;
use super::tls::NoRoots;
use crate::error::{Failure, FailureKind};
use crate::limits::MAX_ERROR_MESSAGE;
use crate::secret::{Redactor, shown};

/// What a server knows of our client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    /// There is none.
    None,
    /// It gets it when it asks.
    Shown,
    /// There is one, which is not for it.
    Withheld,
}

impl Certificate {
    /// What to do where a server ends a handshake that may have lacked the right one.
    fn next_step(self) -> &'static str {
        match self {
            Certificate::None => "if it wants a client certificate, use --client-cert FILE",
            Certificate::Shown => "if it refuses the client certificate, check --client-cert",
            Certificate::Withheld => {
                "if it wants a client certificate, use --token-endpoint URL: --client-cert is for the MCP server"
            }
        }
    }
}

/// A request that got no response. `known` is whether the server has ever answered.
pub(super) fn connection(
    error: &reqwest::Error,
    url: &Url,
    redactor: &Redactor,
    certificate: Certificate,
    known: bool,
) -> Failure {
    let host = url.host_str().unwrap_or("the server");
    let cause = redactor.clean(&root(error), MAX_ERROR_MESSAGE / 2);
    let tls = find::<rustls::Error>(error);
    let alerted = match tls {
        Some(rustls::Error::AlertReceived(alert)) => concerns_client(*alert),
        // HTTP/2 keeps only the text of what ended a connection.
        _ => !known && cause.contains("fatal alert"),
    };
    if alerted {
        let next = certificate.next_step();
        let text = match (cause.contains("CertificateRequired"), certificate) {
            (true, Certificate::None) => {
                format!("{host} wants a client certificate; use --client-cert FILE")
            }
            _ => format!("TLS with {host} failed: {cause}; {next}"),
        };
        return Failure::new(FailureKind::Tls, text).at(&shown(url));
    }
    // With TLS 1.3 the server judges the client's certificate when the client thinks that all is
    // well, and what it says may be lost with the connection.
    let unheard = url.scheme() == "https" && !known;
    let (kind, text) = if error.is_timeout() && error.is_connect() {
        (
            FailureKind::Timeout,
            format!(
                "no connection to {host} within the connect timeout; check the network, or raise --connect-timeout"
            ),
        )
    } else if error.is_timeout() {
        (FailureKind::StreamLost, format!("the connection to {host} is dead: {cause}"))
    } else if let Some(none) = tls.and_then(no_roots) {
        let reason = redactor.clean(&none.to_string(), MAX_ERROR_MESSAGE / 2);
        (
            FailureKind::Tls,
            format!(
                "TLS with {host} failed: {reason}; install CA certificates, or use --ca-cert FILE or SSL_CERT_FILE"
            ),
        )
    } else if tls.is_some() {
        (
            FailureKind::Tls,
            format!("TLS with {host} failed: {cause}; for a private CA use --ca-cert FILE"),
        )
    } else if let Some(reason) = find::<NotPublic>(error) {
        (FailureKind::InvalidResponse, format!("{host} is not asked: {reason}"))
    } else if chain(error).contains("dns error") {
        (FailureKind::Dns, format!("cannot resolve {host}: {cause}; check the URL and the network"))
    } else if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        (
            FailureKind::InvalidResponse,
            format!("{host} does not answer in HTTP: {cause}; check the URL"),
        )
    } else if error.is_connect() {
        (FailureKind::Connect, format!("cannot connect to {host}: {cause}; is the server running?"))
    } else {
        let next = if unheard { format!("; {}", certificate.next_step()) } else { String::new() };
        let text = format!("{host} closed the connection before answering: {cause}{next}");
        (FailureKind::StreamLost, text)
    };
    Failure::new(kind, text).at(&shown(url))
}

/// Whether nothing is trusted here, whatever the server has shown.
fn no_roots(error: &rustls::Error) -> Option<&NoRoots> {
    match error {
        rustls::Error::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}

/// Whether an alert of the server (RFC 8446, section 6.2) is, or may be, about the client's certificate.
fn concerns_client(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
            | A::HandshakeFailure
    )
}

/// Whether the server has said that it did not look at the request (RFC 9113, section 8.7): it can
/// be sent again whatever it is.
pub(super) fn not_processed(error: &reqwest::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        error.is_remote()
            && match error.reason() {
                Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
                Some(h2::Reason::NO_ERROR) => error.is_go_away(),
                _ => false,
            }
    })
}

/// A response body that broke off.
pub(super) fn body(error: &reqwest::Error, redactor: &Redactor) -> Failure {
    let cause = redactor.clean(&root(error), MAX_ERROR_MESSAGE / 2);
    if error.is_decode() {
        return Failure::new(
            FailureKind::InvalidResponse,
            format!("the response cannot be read: {cause}"),
        );
    }
    Failure::new(
        FailureKind::StreamLost,
        format!("the connection broke during the response: {cause}"),
    )
}

/// The whole chain of causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = cause.source();
    }
    text
}

/// The innermost cause, which is the one that says something.
fn root(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    // An I/O error hides its inner error from `source`.
    let text = last.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    // The TLS library says where to read more.
    text.split(": https://").next().unwrap_or_default().to_owned()
}

/// Looks for an error of one type along the chain, inside I/O errors too.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = current.source();
    }
    None
}
