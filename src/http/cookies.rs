//! Cookies that the server sets, kept in memory: load balancers tie a session to a machine by them.
//!
//! The library's jar does the matching; this only keeps a server from filling it.

use http::HeaderValue;
use reqwest::cookie::{CookieStore, Jar};
use url::Url;

use crate::limits::{MAX_COOKIE_HEADER, MAX_HEADER_TOKEN};
use crate::secret::Secret;

/// A jar of bounded size. It is only ever asked for one origin, because no redirect leaves it.
#[derive(Default)]
pub struct BoundedJar(Jar);

impl CookieStore for BoundedJar {
    fn set_cookies(&self, headers: &mut dyn Iterator<Item = &HeaderValue>, url: &Url) {
        for header in headers {
            let used = self.0.cookies(url).map_or(0, |cookies| cookies.len());
            if header.len() <= MAX_HEADER_TOKEN && used + header.len() <= MAX_COOKIE_HEADER {
                self.0.set_cookies(&mut std::iter::once(header), url);
            }
        }
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        self.0.cookies(url)
    }
}

/// The value of a `Set-Cookie` field (RFC 6265, section 5.2).
pub(super) fn value(header: &HeaderValue) -> Secret {
    let text = String::from_utf8_lossy(header.as_bytes());
    let pair = text.split(';').next().unwrap_or_default();
    let value = pair.split_once('=').map_or(pair, |(_, value)| value);
    Secret::new(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_fill_the_jar() {
        let jar = BoundedJar::default();
        let url = Url::parse("https://h.example/mcp").unwrap();
        for n in 0..1000 {
            let header =
                HeaderValue::from_str(&format!("c{n}={}; Path=/", "x".repeat(1000))).unwrap();
            jar.set_cookies(&mut std::iter::once(&header), &url);
        }
        let huge =
            HeaderValue::from_str(&format!("huge={}", "x".repeat(MAX_HEADER_TOKEN))).unwrap();
        jar.set_cookies(&mut std::iter::once(&huge), &url);
        let sent = jar.cookies(&url).unwrap();
        assert!(sent.len() <= MAX_COOKIE_HEADER);
        assert!(sent.to_str().unwrap().contains("c0="));
        assert!(!sent.to_str().unwrap().contains("huge"));
        assert_eq!(jar.cookies(&Url::parse("https://other.example/").unwrap()), None);
    }
}
