//! Which addresses are of the public internet, and a resolver that finds no others.
//!
//! A server on the internet must not be able to make us send requests to machines that only we can
//! reach: it names the URLs that sign-in fetches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use url::{Host, Url};

use super::client::is_loopback;

/// A name has addresses, and none of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("it is on a private network, where a server on the internet must not send us")]
pub struct NotPublic;

/// Whether an address may be of the public internet: none of this machine, of a private or shared
/// network (RFC 1918, 6598, 4193), of this link, or of a group; reserved ones are none either. IPv6
/// addresses that stand for IPv4 ones count as those.
///
/// The range for benchmarks, 198.18.0.0/15, passes: some VPN programs resolve every name to it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let protocol = a == 192 && b == 0 && c == 0;
    // 0.0.0.0/8 is this network; 224.0.0.0/4 are groups, 240.0.0.0/4 is reserved.
    let special = a == 0 || a >= 224 || shared || protocol;
    !(special || address.is_private() || address.is_loopback() || address.is_link_local())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    let unique_local = first & 0xfe00 == 0xfc00;
    // fe80::/10 is this link; fec0::/10 was this site once.
    let link_or_site = first & 0xff80 == 0xfe80;
    !(unique_local || link_or_site || address.is_multicast())
}

/// The IPv4 address that an IPv6 address stands for: mapped and compatible (RFC 4291, section
/// 2.5.5; `::` and `::1` among them, as 0.0.0.0 and 0.0.0.1), translated (RFC 6052, section 2.1;
/// RFC 8215), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x64, 0xff9b, 1, .., high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Whether a URL names, without a look-up, something that is not on the public internet.
pub fn names_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        _ => is_loopback(url),
    }
}

/// Whether a URL leads to something that is not on the public internet. A name with an address there
/// is on it, so that no server can exempt itself by adding a private one; so is a name that cannot
/// be resolved here, but only by a proxy.
pub async fn leads_to_private(url: &Url) -> bool {
    let Some(Host::Domain(name)) = url.host() else { return names_private(url) };
    if is_loopback(url) {
        return true;
    }
    match lookup_host((name, 0)).await {
        Ok(found) => {
            let mut found = found.peekable();
            found.peek().is_some() && found.all(|address| !is_public(address.ip()))
        }
        Err(_) => false,
    }
}

/// Finds only public addresses of `host`. Other names are those of proxies, which are the person's.
pub(super) struct PublicOnly {
    pub host: String,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let limited = name.as_str().eq_ignore_ascii_case(&self.host);
        Box::pin(async move {
            let mut found: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            if limited && !found.is_empty() {
                found.retain(|address| is_public(address.ip()));
                if found.is_empty() {
                    return Err(NotPublic.into());
                }
            }
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.18.0.1",
            "223.255.255.255",
            "2001:db8::1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.0.0",
            "192.168.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::192.168.0.1",
            "2002:a00:1::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn hosts_of_urls() {
        for text in [
            "http://localhost/",
            "https://x.localhost/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://10.1/",
            "https://[::ffff:a00:1]/",
            "https://169.254.169.254/latest",
        ] {
            assert!(names_private(&Url::parse(text).unwrap()), "{text}");
        }
        for text in ["https://h.example/", "https://1.1.1.1/", "https://10.0.0.1.example/"] {
            assert!(!names_private(&Url::parse(text).unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn hosts_that_are_looked_up() {
        assert!(leads_to_private(&Url::parse("http://localhost:1/").unwrap()).await);
        assert!(leads_to_private(&Url::parse("http://[fd00::1]/").unwrap()).await);
        assert!(!leads_to_private(&Url::parse("https://1.1.1.1/").unwrap()).await);
    }

    /// `localhost` has its addresses in the hosts file, without a network.
    #[tokio::test]
    async fn the_resolver_drops_private_addresses_of_the_host_alone() {
        let strict = PublicOnly { host: "LOCALHOST".into() };
        let error = strict.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.is::<NotPublic>(), "{error}");
        let proxy = PublicOnly { host: "h.example".into() };
        let found: Vec<_> = proxy.resolve("localhost".parse().unwrap()).await.unwrap().collect();
        assert!(found.iter().all(|address| address.ip().is_loopback()) && !found.is_empty());
    }
}
