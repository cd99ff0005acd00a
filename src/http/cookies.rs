//! Cookies that the server sets, kept in memory: load balancers tie a session to a machine by them.
//!
//! The library's jar does the matching; this keeps a server from filling it. The HTTP client's own support is not
//! used: it parses the URL of every request anew, also where no server has ever set a cookie.

use std::sync::{PoisonError, RwLock};

use cookie_store::CookieStore;
use http::{HeaderMap, HeaderValue, header};
use url::Url;

use crate::limits::{MAX_COOKIE_HEADER, MAX_HEADER_TOKEN};
use crate::secret::Secret;

/// A jar of bounded size. It is only ever asked for one origin, because no redirect leaves it.
#[derive(Debug, Default)]
pub struct BoundedJar(RwLock<CookieStore>);

impl BoundedJar {
    /// Takes the cookies that a response sets.
    pub(super) fn take(&self, headers: &HeaderMap, url: &Url) {
        for header in headers.get_all(header::SET_COOKIE) {
            let Ok(cookie) = std::str::from_utf8(header.as_bytes()) else { continue };
            let used = self.size();
            if cookie.len() <= MAX_HEADER_TOKEN && used + cookie.len() <= MAX_COOKIE_HEADER {
                // What is no cookie, or one of another host, is passed over.
                let _ = self.0.write().unwrap_or_else(PoisonError::into_inner).parse(cookie, url);
            }
        }
    }

    /// Adds to a request the cookies it has to have, unless somebody else has set the field.
    pub(super) fn give(&self, headers: &mut HeaderMap, url: &Url) {
        if !headers.contains_key(header::COOKIE)
            && let Some(field) = self.field(url)
            && let Ok(mut field) = HeaderValue::try_from(field)
        {
            field.set_sensitive(true);
            headers.insert(header::COOKIE, field);
        }
    }

    /// Bytes of all cookies with their attributes, those of other paths and those that are over included.
    fn size(&self) -> usize {
        let store = self.0.read().unwrap_or_else(PoisonError::into_inner);
        store.iter_any().map(|cookie| cookie.to_string().len()).sum()
    }

    /// The value of the `Cookie` field for a URL (RFC 6265, section 5.4), if there are cookies for it.
    fn field(&self, url: &Url) -> Option<String> {
        let store = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut field = String::new();
        for (name, value) in store.get_request_values(url) {
            if !field.is_empty() {
                field.push_str("; ");
            }
            field.push_str(name);
            field.push('=');
            field.push_str(value);
        }
        (!field.is_empty()).then_some(field)
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

    fn set(jar: &BoundedJar, url: &Url, cookie: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
        jar.take(&headers, url);
    }

    fn sent(jar: &BoundedJar, url: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        jar.give(&mut headers, &Url::parse(url).unwrap());
        Some(headers.get(header::COOKIE)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_server_cannot_fill_the_jar() {
        let jar = BoundedJar::default();
        let url = Url::parse("https://h.example/mcp").unwrap();
        for n in 0..1000 {
            set(&jar, &url, &format!("c{n}={}; Path=/", "x".repeat(1000)));
        }
        set(&jar, &url, &format!("huge={}", "x".repeat(MAX_HEADER_TOKEN)));
        let text = sent(&jar, url.as_str()).unwrap();
        assert!(text.len() <= MAX_COOKIE_HEADER);
        assert!(text.contains("c0="));
        assert!(!text.contains("huge"));
        assert_eq!(sent(&jar, "https://other.example/"), None);
    }

    #[test]
    fn nor_with_cookies_that_are_never_sent() {
        let jar = BoundedJar::default();
        let url = Url::parse("https://h.example/mcp").unwrap();
        for n in 0..1000 {
            set(&jar, &url, &format!("c{n}=1; Path=/elsewhere/{}", "x".repeat(900)));
            set(&jar, &url, &format!("d{n}={}; Max-Age=1; Path=/{n}", "x".repeat(900)));
        }
        assert!(jar.size() <= MAX_COOKIE_HEADER, "{}", jar.size());
        assert_eq!(sent(&jar, url.as_str()), None);
    }

    #[test]
    fn what_a_person_has_set_stays() {
        let jar = BoundedJar::default();
        let url = Url::parse("https://h.example/mcp").unwrap();
        let mut headers = HeaderMap::new();
        jar.give(&mut headers, &url);
        assert!(headers.is_empty());
        set(&jar, &url, "a=1");
        headers.insert(header::COOKIE, HeaderValue::from_static("b=2"));
        jar.give(&mut headers, &url);
        assert_eq!(headers[header::COOKIE], "b=2");
        assert_eq!(sent(&jar, url.as_str()).as_deref(), Some("a=1"));
    }
}
