//! A certificate authority for the length of one test.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
    crypto,
};

/// An authority, a server certificate for `127.0.0.1`, `localhost` and `mcp.invalid`, and a client
/// certificate, all as files.
pub struct Tls {
    folder: tempfile::TempDir,
    config: ServerConfig,
}

impl Tls {
    /// Offers HTTP/2 and HTTP/1.1.
    pub fn new() -> Tls {
        Tls::build(&[b"h2", b"http/1.1"], false)
    }

    /// Offers HTTP/1.1 alone, on whose connections raw replies are possible.
    pub fn http1() -> Tls {
        Tls::build(&[b"http/1.1"], false)
    }

    /// Lets in only those who show a certificate of the authority.
    pub fn mutual() -> Tls {
        Tls::build(&[b"h2", b"http/1.1"], true)
    }

    /// Lets in only those who show a certificate, whoever has issued it.
    pub fn any_certificate() -> Tls {
        Tls::lasting(&[b"h2", b"http/1.1"], Clients::Any, None)
    }

    /// Has a certificate whose time is over.
    pub fn expired() -> Tls {
        Tls::lasting(&[b"h2", b"http/1.1"], Clients::Unasked, Some((2020, 2, 29)))
    }

    fn build(alpn: &[&[u8]], mutual: bool) -> Tls {
        Tls::lasting(alpn, if mutual { Clients::OfAuthority } else { Clients::Unasked }, None)
    }

    fn lasting(alpn: &[&[u8]], clients: Clients, until: Option<(i32, u8, u8)>) -> Tls {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost", "mcp.invalid"].map(String::from);
        let mut params = CertificateParams::new(names).unwrap();
        if let Some((year, month, day)) = until {
            params.not_after = rcgen::date_time_ymd(year, month, day);
        }
        let certificate = params.signed_by(&key, &authority).unwrap();

        let client = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            (params, key)
        };
        let (params, client_key) = client("client.invalid");
        let client_certificate = params.signed_by(&client_key, &authority).unwrap();
        let (params, other_key) = client("other.invalid");
        let other = params.signed_by(&other_key, &authority).unwrap();
        let (params, self_key) = client("self.invalid");
        let self_signed = params.self_signed(&self_key).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", &authority.pem());
        write("client.pem", &client_certificate.pem());
        write("client.key", &client_key.serialize_pem());
        for (name, certificate, key) in [
            ("client-both.pem", &client_certificate, &client_key),
            ("other.pem", &other, &other_key),
            ("self.pem", &self_signed, &self_key),
        ] {
            write(name, &format!("{}{}", certificate.pem(), key.serialize_pem()));
        }

        let builder =
            ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap();
        let builder = if clients == Clients::Any {
            builder.with_client_cert_verifier(Arc::new(Anybody))
        } else if clients == Clients::OfAuthority {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let provider = Arc::new(crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Tls { folder, config }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(self.config.clone()))
    }

    /// The thumbprint of the certificate in a file.
    pub fn thumbprint(&self, name: &str) -> String {
        let pem = std::fs::read(self.file(name)).unwrap();
        thumbprint(&CertificateDer::from_pem_slice(&pem).unwrap())
    }

    /// The path of `ca.pem`, `client.pem`, `client.key`, of certificates with their keys
    /// (`client-both.pem`, `other.pem` of another client, `self.pem` that nobody has issued), or of a
    /// missing file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Which clients are let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clients {
    Unasked,
    OfAuthority,
    Any,
}

/// `x5t#S256` of a certificate (RFC 8705, section 3.1).
pub fn thumbprint(certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(certificate))
}

/// Takes every certificate whose key the client has (`self_signed_tls_client_auth`).
#[derive(Debug)]
struct Anybody;

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = crypto::ring::default_provider().signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = crypto::ring::default_provider().signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "integration test authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
