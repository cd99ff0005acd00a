//! What the headers of every request have to satisfy before it is looked at.

use http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, StatusCode};

use super::refusal::Refusal;
use super::revision::Revision;

/// The header that names the session.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The header that names the protocol revision.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The header that says where to resume a stream.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// Refuses what a web page from elsewhere may have sent (transports, "Security Warning"): an
/// `Origin` that is not on this machine, or a `Host` that is not this machine, as after DNS
/// rebinding.
///
/// # Errors
/// 403.
pub fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign = |what: &str| Err(Refusal::new(StatusCode::FORBIDDEN, format!("Foreign {what}")));
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !host.is_some_and(is_loopback) {
            return foreign("Origin");
        }
    }
    match headers.get(HOST) {
        Some(host) if !is_loopback(host.to_str().unwrap_or_default()) => foreign("Host"),
        _ => Ok(()),
    }
}

/// Whether `host`, with or without a port, names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1" || name == "[::1]" || name.eq_ignore_ascii_case("localhost")
}

/// Checks `Content-Type` and `Accept` of a POST ("Sending Messages to the Server").
///
/// # Errors
/// 415 or 406.
pub fn check_post(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| essence(value).eq_ignore_ascii_case(JSON)) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type must be application/json",
        ));
    }
    if accepts(headers, JSON) && accepts(headers, EVENT_STREAM) {
        Ok(())
    } else {
        Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must list application/json and text/event-stream",
        ))
    }
}

/// Checks `Accept` of a GET ("Listening for Messages from the Server").
///
/// # Errors
/// 406.
pub fn check_get(headers: &HeaderMap) -> Result<(), Refusal> {
    if accepts(headers, EVENT_STREAM) {
        Ok(())
    } else {
        Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "Accept must list text/event-stream"))
    }
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let family = wanted.split('/').next().unwrap_or_default();
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(essence)
        .any(|range| {
            range == "*/*"
                || range.eq_ignore_ascii_case(wanted)
                || range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(family))
        })
}

/// Checks `MCP-Protocol-Version`, which may be missing: the session knows its revision.
///
/// # Errors
/// 400 for a revision that we do not speak.
pub fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(PROTOCOL_VERSION) {
        Some(value) if value.to_str().ok().and_then(Revision::from_name).is_none() => {
            Err(Refusal::invalid("Unsupported MCP-Protocol-Version: use the negotiated one"))
        }
        _ => Ok(()),
    }
}

/// The session id that the client gives, if any.
pub fn session_id(headers: &HeaderMap) -> Option<&str> {
    // An id that is not visible ASCII cannot be one of ours; the empty one is not either.
    headers.get(SESSION_ID).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs.map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    #[test]
    fn only_this_machine_is_a_good_origin() {
        for good in
            ["http://localhost", "https://127.0.0.1:6274", "http://[::1]:80", "http://LOCALHOST:1"]
        {
            assert!(check_origin(&headers(&[(ORIGIN, good)])).is_ok(), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com:80",
            "http://example.com:localhost",
            "ftp://localhost",
            "http://localhost:80@example.com",
        ] {
            assert!(check_origin(&headers(&[(ORIGIN, bad)])).is_err(), "{bad}");
        }
        assert!(check_origin(&headers(&[])).is_ok());
        assert!(check_origin(&headers(&[(HOST, "localhost:3917")])).is_ok());
        assert!(check_origin(&headers(&[(HOST, "rebound.example.com:3917")])).is_err());
    }

    #[test]
    fn a_post_needs_both_media_types() {
        let ok = |accept, content| {
            check_post(&headers(&[(ACCEPT, accept), (CONTENT_TYPE, content)])).is_ok()
        };
        assert!(ok("application/json, text/event-stream", "application/json"));
        assert!(ok("text/event-stream;q=0.5,Application/JSON", "Application/Json; charset=utf-8"));
        assert!(ok("*/*", "application/json"));
        assert!(ok("text/*, application/*", "application/json"));
        assert!(!ok("application/json", "application/json"));
        assert!(!ok("text/event-stream", "application/json"));
        assert!(!ok("*/*", "text/plain"));
        assert!(check_post(&headers(&[(ACCEPT, "*/*")])).is_err());
    }

    #[test]
    fn accept_may_be_spread_over_several_headers() {
        let mut several = headers(&[(CONTENT_TYPE, JSON)]);
        several.append(ACCEPT, JSON.parse().unwrap());
        several.append(ACCEPT, EVENT_STREAM.parse().unwrap());
        assert!(check_post(&several).is_ok());
        assert!(check_get(&several).is_ok());
        assert!(check_get(&headers(&[(ACCEPT, JSON)])).is_err());
    }

    #[test]
    fn only_known_revisions_pass() {
        assert!(check_version(&headers(&[])).is_ok());
        assert!(check_version(&headers(&[(PROTOCOL_VERSION, "2025-03-26")])).is_ok());
        for bad in ["2024-11-05", "2026-07-28", "", "latest"] {
            assert!(check_version(&headers(&[(PROTOCOL_VERSION, bad)])).is_err(), "{bad}");
        }
    }
}
