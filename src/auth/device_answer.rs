//! What device authorization endpoints answer (RFC 8628, section 3.2), made into what the
//! specification says (pure): `verification_url`, numbers as strings, form-encoded bodies.

use http::StatusCode;
use serde_json::{Map, Value};

use super::token_answer::{self, Unreadable, error, members, seconds, string};
use crate::limits::{DEVICE_CODE_LIFE, DEVICE_INTERVAL};

/// Members, and by what other names they come.
const TEXTS: [(&str, &[&str]); 4] = [
    ("device_code", &[]),
    ("user_code", &[]),
    ("verification_uri", &["verification_url"]),
    ("verification_uri_complete", &["verification_url_complete"]),
];

/// The answer as RFC 8628 writes it: 200 with the members of section 3.2, or 400 with an error.
///
/// # Errors
/// If nothing in it can be read.
pub fn normalise(
    status: u16,
    form: bool,
    body: &[u8],
) -> Result<(StatusCode, Vec<u8>), Unreadable> {
    let members = members(form, body).ok_or(Unreadable)?;
    if error(&members).is_some() || !(200..300).contains(&status) {
        return token_answer::normalise(status, form, body);
    }
    let mut out = Map::new();
    for (name, others) in TEXTS {
        let names = std::iter::once(&name).chain(others);
        if let Some(value) = names.into_iter().find_map(|name| string(&members, name)) {
            out.insert(name.to_owned(), value.into());
        }
    }
    let number =
        |name: &str, otherwise: u64| members.get(name).and_then(seconds).unwrap_or(otherwise);
    out.insert("expires_in".into(), number("expires_in", DEVICE_CODE_LIFE.as_secs()).into());
    // None at all is allowed, and less than nothing is not meant.
    out.insert("interval".into(), number("interval", DEVICE_INTERVAL.as_secs()).into());
    Ok((StatusCode::OK, Value::Object(out).to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &str) -> (u16, Value) {
        let (status, body) = normalise(status, false, body.as_bytes()).unwrap();
        (status.as_u16(), serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn answers_of_real_servers() {
        let plain = json!({
            "device_code": "fake-d", "user_code": "WDJB-MJHT",
            "verification_uri": "https://as.example/device", "expires_in": 900, "interval": 5,
        });
        for body in [
            r#"{"device_code":"fake-d","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device","expires_in":900,"interval":5}"#,
            // Google, and servers that write numbers as strings.
            r#"{"device_code":"fake-d","user_code":"WDJB-MJHT","verification_url":"https://as.example/device","expires_in":"900"}"#,
            // Entra.
            r#"{"device_code":"fake-d","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device","expires_in":900,"interval":null,"message":"To sign in, use"}"#,
            // GitHub.
            "device_code=fake-d&expires_in=900&interval=5&user_code=WDJB-MJHT&verification_uri=https%3A%2F%2Fas.example%2Fdevice",
        ] {
            assert_eq!(read(200, body), (200, plain.clone()), "{body}");
        }
        let complete = read(200, r#"{"verification_uri_complete":"https://as.example/d?c=1"}"#).1;
        assert_eq!(complete["verification_uri_complete"], "https://as.example/d?c=1");
        assert_eq!(complete["expires_in"], 300);
    }

    #[test]
    fn errors_and_rubbish() {
        let (status, body) = read(401, r#"{"error":"unauthorized_client"}"#);
        assert_eq!((status, &body["error"]), (400, &json!("unauthorized_client")));
        assert_eq!(read(200, "error=device_flow_disabled").1["error"], "device_flow_disabled");
        for (status, body) in [(200, "<html>"), (404, "{}"), (200, "[]"), (500, "")] {
            assert_eq!(normalise(status, false, body.as_bytes()), Err(Unreadable), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(status in 100..600u16, form: bool, body: Vec<u8>) {
            if let Ok((_, body)) = normalise(status, form, &body) {
                let value: Value = serde_json::from_slice(&body).unwrap();
                assert!(value["error"].is_string() || value["expires_in"].is_u64());
            }
        }
    }
}
