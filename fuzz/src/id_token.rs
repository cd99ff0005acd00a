//! Id tokens, whatever their claims: what is taken was meant for us.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_tether::auth::openid::{Expected, check, subject};
use mcp_tether::limits::ID_TOKEN_LEEWAY;
use mcp_tether::secret::Secret;
use serde_json::Value;

/// One input.
pub fn run(input: &[u8]) {
    let expected =
        Expected { issuer: "i", client_id: "c", nonce: Some("n"), subject: None, now: 1_000 };
    let claims = Secret::new(format!("e30.{}.x", URL_SAFE_NO_PAD.encode(input)));
    if let Ok(identity) = check(Some(&claims), &expected) {
        assert_eq!(subject(&claims), Some(identity.subject));
        let Ok(Value::Object(claims)) = serde_json::from_slice(input) else {
            // Deeper than a tree may be, in a member that nobody reads.
            return;
        };
        assert_eq!((&claims["iss"], &claims["nonce"]), (&"i".into(), &"n".into()));
        assert!(match &claims["aud"] {
            Value::Array(all) =>
                all.contains(&"c".into())
                    && (all.len() == 1 || claims.get("azp") == Some(&"c".into())),
            one => one == "c",
        });
        assert!(
            claims["exp"].as_f64().is_some_and(|at| at + ID_TOKEN_LEEWAY.as_secs_f64() > 1_000.0)
        );
    }
    let token = Secret::new(String::from_utf8_lossy(input).into_owned());
    let _ = check(Some(&token), &expected);
}
