//! One text as a discovery document, and as the URL that documents are looked for with.
use mcp_tether::auth::metadata::{
    ResourceMetadata, ServerMetadata, canonical, covers, issuer_urls, resource_urls,
};
use serde_json::Value;
use url::Url;

/// One input.
pub fn run(input: &[u8]) {
    if let Some(found) = ServerMetadata::parse(input) {
        let text = serde_json::to_vec(&found).expect("it is plain data");
        // As it is kept, one endpoint stands elsewhere than in a document.
        let document = ServerMetadata { mtls_token_endpoint: None, ..found.clone() };
        assert_eq!(ServerMetadata::parse(&text), Some(document));
        assert_eq!(serde_json::from_slice::<ServerMetadata>(&text).expect("it is JSON"), found);
    }
    if let Some(found) = ResourceMetadata::parse(input) {
        let document = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
        let all: Value = serde_json::from_slice(document).expect("it was read as JSON");
        assert_eq!(all["resource"], found.resource[..]);
        let listed = all["authorization_servers"].as_array();
        for server in &found.authorization_servers {
            assert!(listed.is_some_and(|all| all.contains(&server[..].into())), "it is made up");
        }
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(url) = Url::parse(text) else { return };
    if !matches!(url.scheme(), "http" | "https") {
        return;
    }
    for place in resource_urls(&url).into_iter().chain(issuer_urls(&url)) {
        assert_eq!(place.origin(), url.origin());
        assert!(place.username().is_empty() && place.password().is_none());
        assert!(place.path().contains("/.well-known/"));
    }
    assert!(covers(&canonical(&url), &url));
    assert!(covers(&url.origin().ascii_serialization(), &url));
}
