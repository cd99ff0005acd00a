//! Where the callback listens and what it is called: pure, from the flags and the server's URL.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::CallbackError;
use crate::http::client::is_loopback;
use crate::limits::CALLBACK_PORTS;
use crate::secret::{neutralise, shown, truncate};

/// The path of a redirect URI that nobody has pinned.
pub const PATH: &str = "/callback";

/// Where derived ports lie: above those of well-known services, below those that systems give out.
const FIRST_PORT: u16 = 20_000;
/// How many there are.
const PORT_RANGE: u16 = 12_000;

/// Times that a port of the system's choice is tried: it is free on one address family only then.
const SYSTEM_PORTS: usize = 3;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What the person has pinned of the callback. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallbackSettings {
    url: Option<CallbackUrl>,
    bind: Option<Bind>,
}

impl CallbackSettings {
    /// From `--callback-url` and `--callback-bind`.
    ///
    /// The port 0 stands for one that follows from the server's URL, or another one that is free.
    ///
    /// A redirect URI has the scheme http only on this machine (OAuth 2.1, section 8.4.2), unless
    /// `--callback-bind` says that the person knows how the browser gets here.
    ///
    /// # Errors
    /// A value that cannot be used, in words.
    pub fn new(url: Option<&str>, bind: Option<&str>) -> Result<CallbackSettings, CallbackError> {
        let bind = bind.map(Bind::from_str).transpose()?;
        let url = url.map(|text| CallbackUrl::new(text, bind.is_some())).transpose()?;
        Ok(CallbackSettings { url, bind })
    }

    /// Whether the person has said how a browser gets here.
    pub fn is_pinned(&self) -> bool {
        self.url.is_some() || self.bind.is_some()
    }
}

/// `--callback-bind`: `0.0.0.0`, or with a port of its own, `127.0.0.1:8080`, where something in
/// between (a tunnel, a container's published port) listens on the callback URL's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bind {
    address: IpAddr,
    port: Option<u16>,
}

impl FromStr for Bind {
    type Err = CallbackError;

    fn from_str(text: &str) -> Result<Bind, CallbackError> {
        if let Ok(address) = text.parse() {
            return Ok(Bind { address, port: None });
        }
        match text.parse::<std::net::SocketAddr>() {
            Ok(both) if both.port() != 0 => {
                Ok(Bind { address: both.ip(), port: Some(both.port()) })
            }
            _ => Err(CallbackError::Bind(truncate(&neutralise(text), 60))),
        }
    }
}

/// A redirect URI. Its text is kept: identity providers compare it byte for byte, and the parser
/// would add a slash or drop a default port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CallbackUrl {
    text: String,
    url: Url,
    port: u16,
}

impl CallbackUrl {
    fn new(text: &str, anywhere: bool) -> Result<CallbackUrl, CallbackError> {
        let refuse = |why: &'static str| {
            // What may be secret in a URL is not shown.
            let url = Url::parse(text).map_or_else(|_| text.to_owned(), |url| shown(&url));
            Err(CallbackError::Url { url: truncate(&neutralise(&url), 100), why })
        };
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let (Ok(url), true) = (Url::parse(text), plain) else {
            return refuse("it is no URL");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("it must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it contains a user name or password");
        }
        if url.fragment().is_some() {
            return refuse("it contains a fragment (#)");
        }
        let Some(port) = url.port_or_known_default() else {
            return refuse("it needs a port");
        };
        // What takes the place of 0 is put there by `Plan`.
        if port == 0 && around_port(text, &url).is_none() {
            return refuse("a port that is to be chosen is written :0 behind the host");
        }
        if url.scheme() == "http" && !is_loopback(&url) && !anywhere {
            return refuse(
                "http is for this machine: use localhost or 127.0.0.1, or say with \
                 --callback-bind where to listen",
            );
        }
        Ok(CallbackUrl { text: text.to_owned(), url, port })
    }

    /// The text, with this port where it leaves that open.
    fn with_port(&self, port: u16) -> String {
        match around_port(&self.text, &self.url).filter(|_| self.port == 0) {
            Some((before, behind)) => format!("{before}{port}{behind}"),
            None => self.text.clone(),
        }
    }
}

/// What stands before and behind a port that is left open.
fn around_port<'t>(text: &'t str, url: &Url) -> Option<(&'t str, &'t str)> {
    let before = format!("{}://{}:", url.scheme(), url.host_str()?);
    let behind = text.strip_prefix(&before)?.strip_prefix('0')?;
    let whole = !behind.starts_with(|c: char| c.is_ascii_digit());
    whole.then_some((&text[..before.len()], behind))
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The first is needed; the others are where the system has them.
    pub(super) addresses: Vec<IpAddr>,
    /// In this order; 0 is the system's choice. Only one if the port is pinned.
    pub(super) ports: Vec<u16>,
    pinned: Option<CallbackUrl>,
}

impl Plan {
    /// For the MCP server at `server`, so that its registered redirect URI stays the same; with
    /// `again`, exactly the redirect URI of a sign-in that another process has begun.
    pub(super) fn new(
        settings: &CallbackSettings,
        server: &Url,
        again: Option<&str>,
    ) -> Result<Plan, CallbackError> {
        let pinned = match again {
            Some(text) => Some(CallbackUrl::new(text, settings.bind.is_some())?),
            None => settings.url.clone(),
        };
        let addresses = match (settings.bind, &pinned) {
            (Some(bind), _) => vec![bind.address],
            (None, Some(pinned)) => addresses(&pinned.url),
            (None, None) => vec![V4, V6],
        };
        let ports = match (settings.bind.and_then(|bind| bind.port), &pinned) {
            (Some(port), _) => vec![port],
            (None, Some(pinned)) if pinned.port != 0 => vec![pinned.port],
            (None, Some(_)) => derived(server),
            (None, None) => derived(server),
        };
        Ok(Plan { addresses, ports, pinned })
    }

    /// What the callback is called when it listens on `port`.
    pub(super) fn advertised(&self, port: u16) -> Advertised {
        match &self.pinned {
            Some(pinned) => {
                let chosen = if pinned.port == 0 { port } else { pinned.port };
                Advertised {
                    redirect_uri: pinned.with_port(chosen),
                    path: pinned.url.path().to_owned(),
                    hosts: hosts(&pinned.url, chosen, port),
                }
            }
            None => Advertised {
                redirect_uri: format!("http://127.0.0.1:{port}{PATH}"),
                path: PATH.to_owned(),
                hosts: LOOPBACK.iter().map(|host| authority(host, port)).collect(),
            },
        }
    }
}

/// What the callback is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advertised {
    /// `redirect_uri`.
    pub(super) redirect_uri: String,
    /// The path of a request to it.
    pub(super) path: String,
    /// What its `Host` may be, in lower case.
    pub(super) hosts: Vec<String>,
}

/// The spellings of this machine that browsers and tunnels use.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

fn authority(host: impl fmt::Display, port: u16) -> String {
    format!("{host}:{port}")
}

/// The advertised host and this machine's names, each with the advertised port and with the one
/// that we listen on, because a tunnel may rewrite `Host` or not.
fn hosts(url: &Url, advertised: u16, listening: u16) -> Vec<String> {
    let mut hosts = Vec::new();
    for host in url.host_str().into_iter().chain(LOOPBACK) {
        let host = host.to_ascii_lowercase();
        hosts.extend([authority(&host, advertised), authority(&host, listening)]);
        if url.port().is_none() {
            // The scheme's own port, which `Host` leaves out.
            hosts.push(host);
        }
    }
    hosts
}

/// Where a browser on this machine looks for the host of `url`.
fn addresses(url: &Url) -> Vec<IpAddr> {
    match url.host() {
        Some(Host::Ipv6(address)) if is_loopback(url) => vec![address.into()],
        // 127.0.0.1 may have been typed where localhost was meant, or the other way round.
        Some(Host::Ipv4(address)) if is_loopback(url) && address != Ipv4Addr::LOCALHOST => {
            vec![address.into()]
        }
        _ => vec![V4, V6],
    }
}

/// The preferred port of a server, further ones, and at last the system's choice.
fn derived(server: &Url) -> Vec<u16> {
    let digest = Sha256::digest(shown(server).as_bytes());
    let ports = digest
        .chunks_exact(2)
        .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
        .map(|pair| FIRST_PORT + u16::from_be_bytes(pair) % PORT_RANGE);
    let preferred = ports.take(1 + usize::from(CALLBACK_PORTS));
    preferred.chain(std::iter::repeat_n(0, SYSTEM_PORTS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Url {
        Url::parse("https://mcp.example/v1?key=fake").unwrap()
    }

    fn plan(url: Option<&str>, bind: Option<&str>) -> Plan {
        Plan::new(&CallbackSettings::new(url, bind).unwrap(), &server(), None).unwrap()
    }

    #[test]
    fn ports_follow_from_the_server_and_stay_the_same() {
        let plan = plan(None, None);
        // A changed value would make every stored registration useless.
        assert_eq!(plan.ports, [22222, 23140, 29364, 25350, 22494, 0, 0, 0]);
        assert_eq!(plan.addresses, [V4, V6]);
        let other = Url::parse("https://mcp.example/v2").unwrap();
        let other = Plan::new(&CallbackSettings::default(), &other, None).unwrap();
        assert_ne!(plan.ports, other.ports);
        let without = Url::parse("https://mcp.example/v1").unwrap();
        let without = Plan::new(&CallbackSettings::default(), &without, None).unwrap();
        assert_eq!(plan, without, "a query may be a secret, and changes");
    }

    #[test]
    fn by_default_it_is_called_by_its_address() {
        let name = plan(None, None).advertised(20_123);
        assert_eq!(name.redirect_uri, "http://127.0.0.1:20123/callback");
        assert_eq!(name.path, "/callback");
        assert_eq!(name.hosts, ["127.0.0.1:20123", "[::1]:20123", "localhost:20123"]);
    }

    #[test]
    fn a_pinned_url_is_kept_to_the_byte() {
        for (text, port, path, addresses, host) in [
            ("http://localhost:3118/callback", 3118, "/callback", vec![V4, V6], "localhost:3118"),
            ("http://LOCALHOST:3118", 3118, "/", vec![V4, V6], "localhost:3118"),
            ("http://localhost:80/cb", 80, "/cb", vec![V4, V6], "localhost"),
            ("http://127.0.0.1:4000/a/b?x=1", 4000, "/a/b", vec![V4, V6], "127.0.0.1:4000"),
            ("http://[::1]:4000/", 4000, "/", vec![V6], "[::1]:4000"),
            (
                "http://127.0.0.2:4000/",
                4000,
                "/",
                vec!["127.0.0.2".parse().unwrap()],
                "127.0.0.2:4000",
            ),
            ("https://tunnel.example/cb", 443, "/cb", vec![V4, V6], "tunnel.example"),
        ] {
            let plan = plan(Some(text), None);
            assert_eq!((&plan.ports[..], &plan.addresses), (&[port][..], &addresses), "{text}");
            let name = plan.advertised(port);
            assert_eq!((&name.redirect_uri[..], &name.path[..]), (text, path));
            assert!(name.hosts.contains(&host.to_owned()), "{text}: {:?}", name.hosts);
            assert!(!name.hosts.contains(&"evil.example".to_owned()));
        }
    }

    #[test]
    fn a_bound_address_may_have_a_port_of_its_own() {
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        let container = plan(Some("http://localhost:3334/cb"), Some("0.0.0.0"));
        assert_eq!((container.addresses, container.ports), (vec![any], vec![3334]));
        let derived = plan(None, Some("0.0.0.0"));
        assert_eq!((derived.addresses, derived.ports.len()), (vec![any], 8));
        let tunnel = plan(Some("https://tunnel.example/cb"), Some("127.0.0.1:8080"));
        assert_eq!((&tunnel.addresses[..], &tunnel.ports[..]), (&[V4][..], &[8080][..]));
        let hosts = tunnel.advertised(8080).hosts;
        for host in ["tunnel.example", "tunnel.example:443", "localhost:8080", "127.0.0.1:8080"] {
            assert!(hosts.contains(&host.to_owned()), "{host} in {hosts:?}");
        }
        let v6 = plan(Some("http://host.example:9000/cb"), Some("[::1]:9001"));
        assert_eq!((v6.addresses, v6.ports), (vec![V6], vec![9001]));
    }

    #[test]
    fn a_port_may_be_left_open() {
        let plan = plan(Some("http://localhost:0/oauth/callback"), None);
        assert_eq!(plan.ports, self::plan(None, None).ports);
        let name = plan.advertised(20_123);
        assert_eq!(name.redirect_uri, "http://localhost:20123/oauth/callback");
        assert_eq!(
            (&*name.path, name.hosts.contains(&"localhost:20123".into())),
            ("/oauth/callback", true)
        );
    }

    #[test]
    fn a_sign_in_under_way_keeps_its_redirect_uri() {
        let again = Some("http://127.0.0.1:20999/callback");
        let plan = Plan::new(&CallbackSettings::default(), &server(), again).unwrap();
        assert_eq!((&plan.ports[..], &plan.addresses[..]), (&[20_999][..], &[V4, V6][..]));
        assert_eq!(Some(plan.advertised(20_999).redirect_uri.as_str()), again);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for url in [
            "",
            "localhost:3118",
            "/callback",
            "ftp://localhost/",
            "http://me:pw@localhost/",
            "http://localhost:1/#x",
            "http://LOCALHOST:0/",
            "http://localhost:00/",
            "http://evil.example:3118/cb",
            "http://localhost.evil.example/",
            "http://localhost/\r\nx",
            " http://localhost/",
        ] {
            assert!(CallbackSettings::new(Some(url), None).is_err(), "{url}");
        }
        for bind in ["", "localhost", "0.0.0.0:0", "1.2.3.4:99999", "x\u{1b}[1m"] {
            assert!(CallbackSettings::new(None, Some(bind)).is_err(), "{bind}");
        }
        let error = CallbackSettings::new(Some("http://me:pw@h.example/?key=1"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the callback URL http://h.example/ cannot be used: it contains a user name or password"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused(url: String, bind: String) {
            let _ = CallbackSettings::new(Some(&url), None);
            let _ = CallbackSettings::new(None, Some(&bind));
        }

        #[test]
        fn every_server_has_ports_in_the_range(path in "[a-z/]{0,20}") {
            let server = Url::parse("https://h.example/").unwrap().join(&path);
            if let Ok(server) = server {
                let plan = Plan::new(&CallbackSettings::default(), &server, None).unwrap();
                let preferred = &plan.ports[..=usize::from(CALLBACK_PORTS)];
                assert!(preferred.iter().all(|port| (20_000..32_000).contains(port)));
            }
        }
    }
}
