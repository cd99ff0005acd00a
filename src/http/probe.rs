//! Looking at the way to a server step by step, for `mcp-tether check`: names, a connection, TLS.
//!
//! Only what is there is looked at. Whether it is good enough is decided by the client of this module
//! when it sends a request: nothing is ever sent over the connections made here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::certificate;

/// A further address is tried when the one before has not answered for so long (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// What a TLS handshake has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// What was negotiated by ALPN.
    pub protocol: Option<String>,
    /// How many certificates the server has sent.
    pub chain: usize,
    /// When the server's own expires, in seconds since 1970.
    pub expires: Option<i64>,
}

/// The addresses of a URL's host. Nothing is looked up where it is an address itself.
///
/// # Errors
/// The operating system's.
pub async fn addresses(url: &Url, ipv4: bool) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => lookup_host((name, port)).await?.collect(),
        None => Vec::new(),
    };
    Ok(found.into_iter().filter(|address| !ipv4 || address.is_ipv4()).collect())
}

/// A connection to the first address that answers.
///
/// # Errors
/// The last one, or that there is no address.
pub async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    for (at, address) in (0_u32..).zip(addresses) {
        attempts.push(async move {
            sleep(HEAD_START * at).await;
            TcpStream::connect(address).await
        });
    }
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    while let Some(outcome) = attempts.next().await {
        match outcome {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The TLS handshake, with whatever certificate the server has.
///
/// # Errors
/// That of the connection or the library.
pub async fn tls(stream: TcpStream, url: &Url) -> io::Result<Tls> {
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(LooksOnly(schemes)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    Ok(Tls {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "of an unknown version",
        },
        protocol: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        chain: chain.len(),
        expires: chain.first().and_then(|leaf| certificate::expires(leaf)),
    })
}

/// Lets every certificate pass, to look at it: the connection carries nothing.
#[derive(Debug)]
struct LooksOnly(Vec<SignatureScheme>);

impl ServerCertVerifier for LooksOnly {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
