//! Which redirects are followed: within the origin, with method and body kept.
//!
//! Libraries follow them to other origins and take along everything but `Authorization` and
//! `Cookie`: custom API-key headers, the session id, the body. Here nothing leaves the origin.

use http::{HeaderValue, Method, StatusCode};
use url::Url;

use crate::secret::shown;

/// What to do with a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is no redirect.
    None,
    /// Send the request there.
    Follow(Url),
    /// Do not; the reason is for the reader.
    Refuse(String),
}

/// Decides on a response with `status` and `location` to a request of `method` to `from`.
pub fn decide(
    method: &Method,
    status: StatusCode,
    from: &Url,
    location: Option<&HeaderValue>,
) -> Decision {
    let keeps_method = match status.as_u16() {
        307 | 308 => true,
        301..=303 => false,
        300 | 305 | 306 => {
            return Decision::Refuse(format!(
                "HTTP {} is not followed; check the URL",
                status.as_u16()
            ));
        }
        _ => return Decision::None,
    };
    let target =
        location.and_then(|value| value.to_str().ok()).and_then(|value| from.join(value).ok());
    let Some(mut target) = target else {
        return Decision::Refuse(format!("HTTP {} without a usable Location", status.as_u16()));
    };
    target.set_fragment(None);
    if !keeps_method && *method != Method::GET {
        return Decision::Refuse(format!(
            "HTTP {} to {} would turn {method} into GET; use the final URL",
            status.as_u16(),
            shown(&target)
        ));
    }
    if !same_origin(from, &target) {
        return Decision::Refuse(format!(
            "redirect to another origin, {}, is not followed; if you trust it, use that URL",
            shown(&target)
        ));
    }
    Decision::Follow(target)
}

/// Same origin (RFC 6454), or the step from http to https on the same host and default ports.
pub fn same_origin(from: &Url, to: &Url) -> bool {
    if !to.username().is_empty() || to.password().is_some() {
        return false;
    }
    let upgrade = from.scheme() == "http"
        && to.scheme() == "https"
        && from.host() == to.host()
        && (from.port().is_none() && to.port().is_none());
    from.origin() == to.origin() || upgrade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(method: Method, status: u16, from: &str, location: &str) -> Decision {
        let location = HeaderValue::from_str(location).unwrap();
        decide(
            &method,
            StatusCode::from_u16(status).unwrap(),
            &Url::parse(from).unwrap(),
            Some(&location),
        )
    }

    #[test]
    fn table() {
        let from = "https://h.example/mcp";
        let follow = |to: &str| Decision::Follow(Url::parse(to).unwrap());
        assert_eq!(decision(Method::POST, 307, from, "/mcp/"), follow("https://h.example/mcp/"));
        assert_eq!(
            decision(Method::POST, 308, from, "https://h.example:443/x#f"),
            follow("https://h.example/x")
        );
        assert_eq!(decision(Method::GET, 302, from, "/x"), follow("https://h.example/x"));
        assert_eq!(
            decision(Method::POST, 307, "http://h.example/a", "https://h.example/a"),
            follow("https://h.example/a")
        );
        for (method, status, to) in [
            (Method::POST, 301, "/x"),
            (Method::POST, 302, "/x"),
            (Method::POST, 303, "/x"),
            (Method::DELETE, 302, "/x"),
            (Method::POST, 307, "https://evil.example/mcp"),
            (Method::POST, 307, "https://h.example:8443/mcp"),
            (Method::GET, 302, "https://sub.h.example/mcp"),
            (Method::POST, 307, "http://h.example/mcp"),
            (Method::POST, 307, "https://u:p@h.example/mcp"),
            (Method::POST, 307, "//evil.example/mcp"),
            (Method::POST, 307, "file:///etc/passwd"),
            (Method::POST, 300, "/x"),
        ] {
            assert!(
                matches!(decision(method.clone(), status, from, to), Decision::Refuse(_)),
                "{method} {status} {to}"
            );
        }
        assert!(matches!(
            decision(Method::POST, 307, "http://h.example:8080/a", "https://h.example:8443/a"),
            Decision::Refuse(_)
        ));
        assert_eq!(decision(Method::POST, 200, from, "/x"), Decision::None);
        assert_eq!(decision(Method::GET, 304, from, "/x"), Decision::None);
        let url = Url::parse(from).unwrap();
        assert!(matches!(
            decide(&Method::POST, StatusCode::TEMPORARY_REDIRECT, &url, None),
            Decision::Refuse(_)
        ));
    }
}
