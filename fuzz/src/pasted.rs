//! What a person pastes at the end of a sign-in: only what has our state, or none, gets through.

use mcp_tether::auth::pasted::read;
use mcp_tether::secret::Secret;

const ADDRESS: &str = "http://127.0.0.1:1/c";

/// One input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (ours, other) = (Secret::new("st".into()), Secret::new("another".into()));
    let Ok(found) = read(text, ADDRESS, &ours) else { return };
    let response = &found.response;
    assert!(response.code.is_some() || response.error.is_some());
    if let Some(code) = &response.code {
        assert!(!code.expose().is_empty());
    }
    // With a state it is good for this sign-in alone, without one for any.
    let elsewhere = read(text, ADDRESS, &other);
    assert_eq!(elsewhere.is_ok(), found.partial, "{elsewhere:?}");
    // Spaces and quotes around it make no difference.
    assert_eq!(
        read(&format!("  \"{}\" \n", text.trim()), ADDRESS, &ours).is_ok(),
        text.len() < 4_000 || text.trim().len() < 4_000
    );
}
