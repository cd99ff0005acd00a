//! What TLS connections are made with: the trusted roots, and the client certificate.
//!
//! Reading the system's roots takes longer than everything else before the first byte of TLS, and nobody asks for
//! them until the server shows its certificate. So a thread reads them meanwhile; where no TLS is spoken, nobody does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use url::Url;

use super::client::{Settings, SetupError};
use crate::limits::MAX_CERTIFICATES;
use crate::secret::wiped::Wiped;
use crate::tasks;

/// Why no certificate can be checked: as a rule, the system has no CA certificates, and that is what it says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoRoots(String);

/// What connections to `target` are made with, and to wherever its redirects lead.
pub(super) fn config(settings: &Settings, target: &Url) -> Result<ClientConfig, SetupError> {
    let roots = Arc::new(SystemRoots::new(settings)?);
    if target.scheme() == "https" {
        let early = roots.clone();
        // If there is no thread to be had, they are read when they are needed.
        let _ = tasks::thread("roots", move || {
            let _ = early.verifier();
        });
    }
    let builder = ClientConfig::builder_with_provider(roots.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(roots);
    let mut config = match &settings.client_cert {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let (chain, private) = identity(cert, key)?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| unusable(key, PRIVATE_KEY, error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads the trusted roots, for `mcp-tether doctor`.
///
/// # Errors
/// If there are none.
pub fn check_roots(settings: &Settings) -> Result<(), SetupError> {
    let verifier = SystemRoots::new(settings)?.read();
    verifier.map(drop).map_err(|none| SetupError::Tls(none.to_string()))
}

/// Checks certificates as the system does, with further roots, once it has to.
#[derive(Debug)]
struct SystemRoots {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    ambient: Vec<PathBuf>,
    verifier: OnceLock<Result<Verifier, Arc<NoRoots>>>,
}

impl SystemRoots {
    /// Reads only what was named on the command line.
    fn new(settings: &Settings) -> Result<SystemRoots, SetupError> {
        let mut extra = Vec::new();
        for path in &settings.ca_certs {
            extra.extend(certificates(path)?);
        }
        Ok(SystemRoots {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            extra,
            ambient: settings.ambient_ca_certs.clone(),
            verifier: OnceLock::new(),
        })
    }

    /// Waits for the thread that reads, or reads.
    fn verifier(&self) -> Result<&Verifier, rustls::Error> {
        self.verifier
            .get_or_init(|| self.read().map_err(Arc::new))
            .as_ref()
            .map_err(|none| OtherError(none.clone()).into())
    }

    fn read(&self) -> Result<Verifier, NoRoots> {
        let mut extra = self.extra.clone();
        for path in &self.ambient {
            match certificates(path) {
                Ok(found) => extra.extend(found),
                Err(error) => log::warn!("{error}"),
            }
        }
        let provider = self.provider.clone();
        let verifier = if extra.is_empty() {
            Verifier::new(provider)
        } else {
            with_extra_roots(extra, provider)
        };
        verifier.map_err(|error| match error {
            rustls::Error::General(text) => NoRoots(text),
            error => NoRoots(error.to_string()),
        })
    }
}

#[cfg(not(target_os = "android"))]
fn with_extra_roots(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, rustls::Error> {
    Verifier::new_with_extra_roots(extra, provider)
}

#[cfg(target_os = "android")]
fn with_extra_roots(
    _: Vec<CertificateDer<'static>>,
    _: Arc<CryptoProvider>,
) -> Result<Verifier, rustls::Error> {
    Err(rustls::Error::General("this system takes no further ones".into()))
}

impl ServerCertVerifier for SystemRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    /// What every system's verifier says. The first message of a handshake has it, and must not wait for roots.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

const CERTIFICATE: &str = "certificate";
const PRIVATE_KEY: &str = "private key";
/// The library's own words quote the file, as numbers.
const MALFORMED: &str = "it is malformed";

fn unusable(path: &Path, what: &'static str, reason: impl Into<String>) -> SetupError {
    SetupError::Unusable { path: path.into(), what, reason: reason.into() }
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    fs::read(path).map_err(|source| SetupError::Unreadable { path: path.into(), source })
}

/// How many certificates there are in a PEM file.
///
/// # Errors
/// If it cannot be read, or has none.
pub fn count_certificates(path: &Path) -> Result<usize, SetupError> {
    let size = fs::metadata(path)
        .map_err(|source| SetupError::Unreadable { path: path.into(), source })?
        .len();
    if size > MAX_CERTIFICATES as u64 {
        return Err(unusable(path, CERTIFICATE, "it is too large"));
    }
    certificates(path).map(|found| found.len())
}

/// The certificates in a PEM file, each of which can be a root.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unusable(path, CERTIFICATE, MALFORMED))?;
    if found.is_empty() {
        return Err(unusable(path, CERTIFICATE, "there is none in it"));
    }
    // One that no verifier takes would make all the others useless, and only when they are needed.
    let mut taken = RootCertStore::empty();
    for (certificate, number) in found.iter().zip(1..) {
        let added = taken.add(certificate.clone());
        added.map_err(|_| unusable(path, CERTIFICATE, format!("number {number} is malformed")))?;
    }
    Ok(found)
}

/// A client's certificate with those that lead to its authority, and its key.
fn identity(
    cert: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), SetupError> {
    let mut files = vec![Wiped::new(read(cert)?)];
    if key != cert {
        files.push(Wiped::new(read(key)?));
    }
    if files.iter().any(|pem| pem.windows(9).any(|w| w == b"ENCRYPTED")) {
        let reason = "it is encrypted; decrypt it first, for example with `openssl pkey`";
        return Err(unusable(key, PRIVATE_KEY, reason));
    }
    let keys: Result<Vec<_>, _> =
        files.iter().flat_map(|pem| PrivateKeyDer::pem_slice_iter(pem)).collect();
    // Where both files have one, that of its own.
    let private = keys.map_err(|_| unusable(key, PRIVATE_KEY, MALFORMED))?.pop();
    let private = private.ok_or_else(|| unusable(key, PRIVATE_KEY, "there is none in it"))?;
    let chain: Result<Vec<_>, _> =
        files.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem)).collect();
    let chain = chain.map_err(|_| unusable(cert, CERTIFICATE, MALFORMED))?;
    if chain.is_empty() {
        return Err(unusable(cert, CERTIFICATE, "there is none in it"));
    }
    Ok((chain, private))
}
