//! One text as a discovery document, and as the URL that documents are looked for with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_tether::auth::metadata::{
    ResourceMetadata, ServerMetadata, canonical, covers, issuer_urls, resource_urls,
};
use url::Url;

fuzz_target!(|input: &[u8]| {
    if let Some(found) = ServerMetadata::parse(input) {
        let text = serde_json::to_vec(&found).expect("it is plain data");
        assert_eq!(ServerMetadata::parse(&text), Some(found.clone()));
        assert_eq!(serde_json::from_slice::<ServerMetadata>(&text).expect("it is JSON"), found);
    }
    let _ = ResourceMetadata::parse(input);
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
});
