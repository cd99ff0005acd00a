//! What token and device authorization endpoints answer: whatever comes out is an answer of the specification.
//!
//! Input: a byte for the status (a capital letter for a form), then the body.

use mcp_tether::auth::{device_answer, token_answer};
use serde_json::Value;

/// One input.
pub fn run(input: &[u8]) {
    let Some((choice, body)) = input.split_first() else { return };
    let status = 100 * u16::from(choice % 6) + 100;
    let form = choice.is_ascii_uppercase();
    for (token, answer) in [
        (true, token_answer::normalise(status, form, body)),
        (false, device_answer::normalise(status, form, body)),
    ] {
        let Ok((status, body)) = answer else { continue };
        let value: Value = serde_json::from_slice(&body).expect("it is JSON");
        if status.as_u16() == 400 {
            assert!(value["error"].is_string());
            continue;
        }
        assert_eq!(status.as_u16(), 200);
        assert!(value.get("error").is_none());
        if token {
            let kind = value["token_type"].as_str().expect("it has a type");
            assert_eq!(kind, kind.to_ascii_lowercase());
            assert!(value.get("expires_in").is_none_or(Value::is_u64));
            assert!(
                value
                    .get("scope")
                    .and_then(Value::as_str)
                    .is_none_or(|scope| !scope.trim().is_empty())
            );
        } else {
            assert!(value["expires_in"].is_u64() && value["interval"].is_u64());
        }
        // What has been made regular is left as it is.
        let again = if token { token_answer::normalise } else { device_answer::normalise }(
            200, false, &body,
        );
        let (_, again) = again.expect("it is an answer");
        assert_eq!(serde_json::from_slice::<Value>(&again).expect("it is JSON"), value);
    }
    if token_answer::is_transient(body) {
        assert!(token_answer::error_code(body).is_some());
    }
}
