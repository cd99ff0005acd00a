//! What a server names as an address, in an `endpoint` event and in `Location`: nothing is sent to another origin.
//!
//! Input: a byte for the status, then the address.

use http::{HeaderValue, Method, StatusCode};
use mcp_tether::http::redirect::{Decision, decide};
use mcp_tether::transport::http_sse::post_address;
use url::Url;

const BASE: &str = "http://a.example/x/y?z=1";

/// One input.
pub fn run(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let base = Url::parse(BASE).expect("a URL");
    if let Ok(address) = post_address(&base, &base, text) {
        near(&base, &address);
    }
    let status = StatusCode::from_u16(300 + u16::from(choice % 10)).expect("a status");
    let Ok(location) = HeaderValue::from_bytes(text) else { return };
    for method in [Method::GET, Method::POST] {
        match decide(&method, status, &base, Some(&location)) {
            Decision::Follow(address) => {
                assert!(status.is_redirection() && status != StatusCode::NOT_MODIFIED);
                let keeps = matches!(status.as_u16(), 307 | 308);
                assert!(keeps || method == Method::GET, "it would become a GET");
                near(&base, &address);
            }
            Decision::Refuse(reason) => assert!(!reason.contains(|c: char| c.is_control())),
            Decision::None => {}
        }
    }
}

/// The same host; the step to https is allowed, and to nothing else.
fn near(base: &Url, address: &Url) {
    assert_eq!((address.host(), address.port()), (base.host(), base.port()), "{address}");
    assert!(matches!(address.scheme(), "http" | "https"), "{address}");
    assert!(address.username().is_empty() && address.password().is_none(), "{address}");
    assert!(address.fragment().is_none(), "{address}");
}
