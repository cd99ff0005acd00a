//! What real token endpoints answer, made into what the specification says (pure): errors under
//! HTTP 200, form-encoded bodies, numbers as strings, `null` members.

use http::StatusCode;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::json;
use crate::order;

/// The body is neither JSON nor a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither JSON nor a form")]
pub struct Unreadable;

/// The answer as RFC 6749 writes it: 200 with the members of section 5.1, or 400 with those of 5.2.
///
/// # Errors
/// If nothing in it can be read.
pub fn normalise(
    status: u16,
    form: bool,
    body: &[u8],
) -> Result<(StatusCode, Vec<u8>), Unreadable> {
    let members = members(form, body).ok_or(Unreadable)?;
    let text = |name: &str| string(&members, name);
    if let Some((error, said)) = error(&members) {
        let description = text("error_description").or(said).or_else(|| text("message"));
        let body = json!({ "error": error, "error_description": description });
        return Ok((StatusCode::BAD_REQUEST, body.to_string().into_bytes()));
    }
    if !(200..300).contains(&status) {
        return Err(Unreadable);
    }
    let mut out = Map::new();
    for name in ["access_token", "refresh_token", "id_token", "issued_token_type"] {
        if let Some(value) = text(name) {
            out.insert(name.to_owned(), value.into());
        }
    }
    let token_type = text("token_type").unwrap_or_else(|| "bearer".into());
    out.insert("token_type".into(), token_type.to_ascii_lowercase().into());
    if let Some(seconds) = members.get("expires_in").and_then(seconds) {
        out.insert("expires_in".into(), seconds.into());
    }
    let scope = match members.get("scope") {
        Some(Value::Array(scopes)) => {
            let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
            Some(scopes.join(" "))
        }
        _ => text("scope"),
    };
    if let Some(scope) = scope.filter(|scope| !scope.trim().is_empty()) {
        out.insert("scope".into(), scope.into());
    }
    Ok((StatusCode::OK, Value::Object(out).to_string().into_bytes()))
}

/// The code of an error.
pub fn error_code(body: &[u8]) -> Option<String> {
    members(false, body).and_then(|members| string(&members, "error"))
}

/// Whether an error says that it will pass (RFC 6749, section 4.1.2.1, which token endpoints use as
/// well).
pub fn is_transient(body: &[u8]) -> bool {
    matches!(
        error_code(body).as_deref(),
        Some("temporarily_unavailable" | "server_error" | "slow_down")
    )
}

/// Whether an error is about the `resource` parameter: `invalid_target` (RFC 8707, section 2), or
/// what Entra says in its place.
pub fn rejects_resource(code: &str, description: &str) -> bool {
    code == "invalid_target"
        || description.contains("AADSTS901002")
        || description.contains("AADSTS9010010")
}

/// Whether an answer is about a code that nobody has entered yet, or about one that is no good
/// (RFC 8628, section 3.5), whatever its status.
pub fn is_about_a_code(form: bool, body: &[u8]) -> bool {
    let error = members(form, body).as_ref().and_then(error);
    error.is_some_and(|(code, _)| {
        WAITING.contains(&&*code) || matches!(&*code, "expired_token" | "access_denied")
    })
}

/// What token endpoints say while nobody has entered the code, GitHub and Entra included.
pub const WAITING: [&str; 2] = ["authorization_pending", "slow_down"];

pub(super) fn members(form: bool, body: &[u8]) -> Option<Map<String, Value>> {
    if let Ok(Value::Object(members)) = serde_json::from_slice(body) {
        return Some(members);
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let begins = ["access_token=", "error=", "device_code="];
    let looks_like_form = begins.into_iter().any(|name| text.starts_with(name));
    if !form && !looks_like_form {
        return None;
    }
    let pairs = form_urlencoded::parse(text.as_bytes());
    Some(order::map(pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into()))))
}

pub(super) fn string(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `error`, and what it says itself: some gateways send `{"error": {"code": …, "message": …}}`.
pub(super) fn error(members: &Map<String, Value>) -> Option<(String, Option<String>)> {
    match members.get("error")? {
        Value::String(code) if !code.is_empty() => Some((code.clone(), None)),
        Value::Object(error) => {
            let message = string(error, "message");
            let names = ["code", "status", "type"];
            let code = names.iter().find_map(|name| string(error, name));
            Some((code.or_else(|| message.clone())?, message))
        }
        _ => None,
    }
}

/// A number of seconds, as a number or a string. What is no time ahead tells nothing: a token that
/// expires at once would be refreshed for every request.
pub(super) fn seconds(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // 2^53: beyond it f64 skips numbers.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range is checked
    (1.0..=9_007_199_254_740_992.0).contains(&seconds).then_some(seconds as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> (u16, Value) {
        let (status, body) = normalise(status, false, body.as_bytes()).unwrap();
        (status.as_u16(), serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn answers_of_real_servers() {
        let plain = json!({"access_token": "fake-a", "token_type": "bearer"});
        for (body, more) in [
            (r#"{"access_token":"fake-a","token_type":"Bearer"}"#, json!({})),
            (r#"{"access_token":"fake-a"}"#, json!({})),
            (
                r#"{"access_token":"fake-a","token_type":"BEARER","expires_in":"3600"}"#,
                json!({"expires_in": 3600}),
            ),
            (r#"{"access_token":"fake-a","expires_in":3599.9}"#, json!({"expires_in": 3599})),
            (r#"{"access_token":"fake-a","expires_in":-1}"#, json!({})),
            (r#"{"access_token":"fake-a","expires_in":0}"#, json!({})),
            (r#"{"access_token":"fake-a","expires_in":"never"}"#, json!({})),
            (r#"{"access_token":"fake-a","expires_in":"inf"}"#, json!({})),
            (r#"{"access_token":"fake-a","expires_in":1e300}"#, json!({})),
            (r#"{"access_token":"fake-a","error":null,"token_type":null}"#, json!({})),
            (r#"{"access_token":"fake-a","id_token":"fake-i"}"#, json!({"id_token": "fake-i"})),
            (
                r#"{"access_token":"fake-a","expires_in":null,"refresh_token":null,"scope":null}"#,
                json!({}),
            ),
            (r#"{"access_token":"fake-a","refresh_token":""}"#, json!({})),
            (r#"{"access_token":"fake-a","scope":["a","b"]}"#, json!({"scope": "a b"})),
            ("access_token=fake-a&scope=a%20b&token_type=bearer", json!({"scope": "a b"})),
        ] {
            let mut expected = plain.clone();
            expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(read(200, body), (200, expected), "{body}");
        }
    }

    #[test]
    fn errors_of_real_servers() {
        for (status, body, code, said) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"gone"}"#,
                "invalid_grant",
                Some("gone"),
            ),
            (200, r#"{"error":"bad_verification_code"}"#, "bad_verification_code", None),
            (200, r#"{"ok":false,"error":"invalid_code"}"#, "invalid_code", None),
            (
                200,
                "error=bad_refresh_token&error_description=gone",
                "bad_refresh_token",
                Some("gone"),
            ),
            (401, r#"{"error":{"code":"gone","message":"no"}}"#, "gone", Some("no")),
            (
                400,
                r#"{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}"#,
                "INVALID_ARGUMENT",
                Some("no"),
            ),
        ] {
            let (status, body) = read(status, body);
            assert_eq!((status, body["error"].as_str()), (400, Some(code)));
            assert_eq!(body["error_description"].as_str(), said);
        }
        for (status, body) in
            [(403, "Forbidden"), (200, "<html>"), (500, "{}"), (200, "[]"), (200, "")]
        {
            assert_eq!(normalise(status, false, body.as_bytes()), Err(Unreadable), "{body}");
        }
    }

    #[test]
    fn errors_that_pass() {
        assert!(is_transient(br#"{"error":"temporarily_unavailable"}"#));
        assert!(is_transient(b"error=server_error"));
        assert!(!is_transient(br#"{"error":"invalid_grant"}"#) && !is_transient(b"<html>"));
    }

    #[test]
    fn resources_that_are_not_liked() {
        assert!(rejects_resource("invalid_target", ""));
        assert!(rejects_resource("invalid_request", "AADSTS9010010: The resource parameter"));
        assert!(!rejects_resource("invalid_grant", "the resource owner"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(status in 100..600u16, form: bool, body: Vec<u8>) {
            if let Ok((_, body)) = normalise(status, form, &body) {
                let value: Value = serde_json::from_slice(&body).unwrap();
                assert!(value["error"].is_string() || value["token_type"].is_string());
            }
        }
    }
}
