//! Files of administrators, and that a pattern of theirs covers the URL that it is.
use mcp_tether::config::enterprise::document::{Enterprise, Pattern};
use url::Url;

/// One input.
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    if let Ok(found) = Enterprise::parse(input) {
        assert!(found.servers.iter().all(|server| !server.patterns.is_empty()));
    }
    if let (Ok(pattern), Ok(url)) = (Pattern::parse(input), Url::parse(input))
        && !input.contains('*')
    {
        assert!(pattern.covers(&url));
    }
}
