//! What a command has printed, as headers: no line of it gets into another header, and none of ours is replaced.

use http::HeaderName;
use mcp_tether::limits::MAX_COMMAND_HEADERS;
use mcp_tether::supply::output::parse;

/// One input.
pub fn run(input: &[u8]) {
    let reserved = [HeaderName::from_static("mcp-session-id")];
    match parse(input, &reserved) {
        Ok(headers) => {
            assert!((1..=MAX_COMMAND_HEADERS).contains(&headers.len()));
            assert!(!headers.contains_key(&reserved[0]) && !headers.contains_key("accept"));
            for value in headers.values() {
                assert!(!value.as_bytes().contains(&b'\n') && !value.as_bytes().contains(&b'\r'));
                assert_eq!(value.as_bytes(), value.as_bytes().trim_ascii());
            }
            // Lines and JSON say the same.
            if headers.values().all(|value| value.to_str().is_ok()) {
                let lines: Vec<String> = headers
                    .iter()
                    .map(|(name, value)| {
                        format!("{name}: {}", value.to_str().expect("it is ASCII"))
                    })
                    .collect();
                assert_eq!(parse(lines.join("\n").as_bytes(), &reserved).as_ref(), Ok(&headers));
            }
        }
        Err(error) => {
            // A message that names a header, and never a value.
            assert!(error.to_string().starts_with("printed "));
        }
    }
}
