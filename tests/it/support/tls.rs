//! A certificate authority for the length of one test.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

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

    /// Has a certificate whose time is over.
    pub fn expired() -> Tls {
        Tls::lasting(&[b"h2", b"http/1.1"], false, Some((2020, 2, 29)))
    }

    fn build(alpn: &[&[u8]], mutual: bool) -> Tls {
        Tls::lasting(alpn, mutual, None)
    }

    fn lasting(alpn: &[&[u8]], mutual: bool, until: Option<(i32, u8, u8)>) -> Tls {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost", "mcp.invalid"].map(String::from);
        let mut params = CertificateParams::new(names).unwrap();
        if let Some((year, month, day)) = until {
            params.not_after = rcgen::date_time_ymd(year, month, day);
        }
        let certificate = params.signed_by(&key, &authority).unwrap();

        let client_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["client.invalid".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = params.signed_by(&client_key, &authority).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", &authority.pem());
        write("client.pem", &client.pem());
        write("client.key", &client_key.serialize_pem());
        write("client-both.pem", &format!("{}{}", client.pem(), client_key.serialize_pem()));

        let builder =
            ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap();
        let builder = if mutual {
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

    /// The path of `ca.pem`, `client.pem`, `client.key`, `client-both.pem`, or of a missing file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "integration test authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
