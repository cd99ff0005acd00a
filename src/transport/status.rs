//! HTTP statuses as failures, with what the body says about them.

use std::time::Duration;

use http::StatusCode;

use crate::error::{Failure, FailureKind};
use crate::jsonrpc::member;
use crate::limits::MAX_EXCERPT;
use crate::secret::Redactor;

/// The failure that `status` with `body` means. `advice` takes the place of the usual next step.
pub fn failure(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
    advice: Option<&str>,
    redactor: &Redactor,
) -> Failure {
    let (kind, next_step) = match status.as_u16() {
        401 => (
            FailureKind::Unauthorized,
            "the server wants authorization; check --header Authorization",
        ),
        403 => (FailureKind::Unauthorized, "the server refuses these credentials or this origin"),
        404 => (FailureKind::HttpStatus, "there is no MCP endpoint at this URL; check its path"),
        405 => (FailureKind::HttpStatus, "this URL takes no POST; check its path"),
        406 | 415 => {
            (FailureKind::HttpStatus, "the server does not speak Streamable HTTP as specified")
        }
        413 => (FailureKind::HttpStatus, "the message is too large for the server"),
        429 => (FailureKind::RateLimited, "too many requests; wait and try again"),
        503 => (FailureKind::RateLimited, "the server is unavailable; wait and try again"),
        502 | 504 => {
            (FailureKind::HttpStatus, "a gateway cannot reach the server; try again later")
        }
        500.. => (FailureKind::HttpStatus, "the server failed; try again or look at its log"),
        _ => (FailureKind::HttpStatus, "the server refused the request"),
    };
    let said = excerpt(body, redactor);
    let mut text = format!("HTTP {}", status.as_u16());
    if let Some(reason) = status.canonical_reason() {
        text.push(' ');
        text.push_str(reason);
    }
    if !said.is_empty() {
        text.push_str(&format!(" (\u{201c}{said}\u{201d})"));
    }
    text.push_str(": ");
    text.push_str(advice.unwrap_or(next_step));
    if let (FailureKind::RateLimited, Some(wait)) = (kind, retry_after) {
        text.push_str(&format!(", in {} s", wait.as_secs()));
    }
    let mut failure = Failure::new(kind, text).with_status(status.as_u16());
    failure.retry_after = retry_after;
    failure
}

/// What a body says, in a few words: the message of a JSON error, the title of an HTML page, or the
/// first line of text.
pub fn excerpt(body: &[u8], redactor: &Redactor) -> String {
    let paths: [&[&str]; 5] =
        [&["error", "message"], &["error_description"], &["message"], &["detail"], &["error"]];
    let said = paths.iter().find_map(|path| member::lookup_string(body, path));
    let said = said.or_else(|| title(body)).unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    });
    redactor.clean(&said, MAX_EXCERPT)
}

/// The text of the `title` element of an HTML page.
fn title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = text.get(start..end)?.trim();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts() {
        let redactor = Redactor::default();
        for (body, said) in [
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"No valid session"},"id":null}"#,
                "No valid session",
            ),
            (r#"{"error":"invalid_token","error_description":"expired"}"#, "expired"),
            (r#"{"error":"invalid_token"}"#, "invalid_token"),
            ("<!DOCTYPE html><HTML><head><Title lang=en>\n Sign in </title></head>", "Sign in"),
            ("\n\n Forbidden \nby policy", "Forbidden"),
            ("", ""),
            ("<title", "<title"),
        ] {
            assert_eq!(excerpt(body.as_bytes(), &redactor), said, "{body}");
        }
    }

    #[test]
    fn the_wait_is_told() {
        let failure = failure(
            StatusCode::SERVICE_UNAVAILABLE,
            Some(Duration::from_secs(120)),
            b"maintenance",
            None,
            &Redactor::default(),
        );
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert!(failure.message.contains("maintenance") && failure.message.ends_with("in 120 s"));
    }
}
