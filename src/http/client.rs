//! Building the client: proxies, timeouts, limits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{ClientBuilder, redirect};
use url::{Host, Url};

use super::addresses::PublicOnly;
use super::observe::Observer;
use crate::limits::{
    IDLE_CONNECTION, IDLE_PLAIN_CONNECTION, KEEP_ALIVE, KEEP_ALIVE_ANSWER, MAX_IDLE_CONNECTIONS,
    MAX_RESPONSE_FIELDS, MAX_RESPONSE_HEAD, UNACKNOWLEDGED,
};

/// What a person can set about connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limit for a connection, TLS included.
    pub connect_timeout: Duration,
    /// PEM files with further trusted roots; each must exist.
    pub ca_certs: Vec<PathBuf>,
    /// PEM files named by the environment; one that cannot be read is passed over, as other
    /// programs do that read the same variables.
    pub ambient_ca_certs: Vec<PathBuf>,
    /// PEM files with the client certificate and its key (which may be the same file).
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// There is a client certificate, which is not for this server.
    pub withholds_cert: bool,
    /// Use IPv4 only.
    pub ipv4: bool,
    /// Keep cookies.
    pub cookies: bool,
    /// Connect to names of public addresses only. Addresses in the URL itself are the caller's.
    pub public_only: bool,
    /// Sees every exchange.
    pub observer: Option<Arc<dyn Observer>>,
    /// Whether what is sent belongs to signing in, for the observer.
    pub signs_in: bool,
    /// Carries everything, in the place of the network.
    #[cfg(feature = "simulation")]
    pub network: Option<Arc<dyn super::simulated::Network>>,
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file named on the command line cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file named on the command line holds nothing usable.
    #[error("{} holds no usable PEM {what}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The TLS library refused.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A client for `target`.
pub(super) fn build(settings: &Settings, target: &Url) -> Result<reqwest::Client, SetupError> {
    let mut builder = ClientBuilder::new()
        .tls_backend_preconfigured(super::tls::config(settings, target)?)
        .user_agent(concat!("mcp-tether/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(if target.scheme() == "http" {
            IDLE_PLAIN_CONNECTION
        } else {
            IDLE_CONNECTION
        })
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .tcp_nodelay(true)
        .http1_max_headers(MAX_RESPONSE_FIELDS)
        .http2_max_header_list_size(MAX_RESPONSE_HEAD)
        .tcp_keepalive(KEEP_ALIVE)
        .tcp_keepalive_interval(KEEP_ALIVE / 3)
        .tcp_keepalive_retries(3)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .http2_keep_alive_while_idle(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    {
        builder = builder.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if settings.ipv4 {
        builder = builder.local_address(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    if settings.public_only {
        let host = target.host_str().unwrap_or_default().to_owned();
        builder = builder.dns_resolver(Arc::new(PublicOnly { host }));
    }
    // Names below localhost are of this machine (RFC 6761, section 6.3), whatever a resolver makes of them.
    if let Some(Host::Domain(name)) = target.host()
        && is_loopback(target)
        && name != "localhost"
    {
        let here = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        builder = builder.resolve_to_addrs(name, &here.map(|ip: IpAddr| SocketAddr::new(ip, 0)));
    }
    // What a proxy would reach as "localhost" is another machine, and so is what it would reach on its link.
    if is_loopback(target) || is_link_local(target) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| SetupError::Tls(super::explain::chain(&error)))
}

/// Whether a URL names this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Where AWS has what only one machine can reach, over IPv6 (`fd00:ec2::/32`).
const AWS_LOCAL: [u16; 2] = [0xfd00, 0xec2];

/// Whether a URL names something that only this machine's link has (RFC 3927), as clouds have their metadata.
fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => {
            address.is_unicast_link_local() || address.segments().starts_with(&AWS_LOCAL)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names() {
        for url in [
            "http://localhost/",
            "http://LOCALHOST.:1/",
            "http://a.localhost/",
            "http://127.9.9.9/",
            "http://[::1]:8/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(is_loopback(&Url::parse(url).unwrap()), "{url}");
        }
        for url in
            ["http://localhost.example/", "http://10.0.0.1/", "http://[::2]/", "http://0.0.0.0/"]
        {
            assert!(!is_loopback(&Url::parse(url).unwrap()), "{url}");
        }
        let on_link = |url: &str| is_link_local(&Url::parse(url).unwrap());
        assert!(on_link("http://169.254.169.254/latest/") && on_link("http://[fe80::1]/"));
        assert!(on_link("http://[fd00:ec2::254]/latest/") && on_link("http://[fd00:ec2::23]/"));
        assert!(!on_link("http://[fd00:ec3::254]/") && !on_link("http://[fd01:ec2::254]/"));
        assert!(!on_link("http://10.0.0.1/") && !on_link("http://169.254.example/"));
    }
}
