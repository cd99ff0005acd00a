//! JSON with a version.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::error::StoreError;
use super::record::VERSION;
use crate::secret::wiped::{Growing, Wiped};

/// Every format has this member.
#[derive(serde::Deserialize)]
struct Head {
    #[serde(default)]
    version: u32,
}

/// Reads what [`encode`] wrote. What cannot be read at all is as good as absent: it says so in the
/// log, and the next sign-in replaces it.
///
/// # Errors
/// [`StoreError::Newer`].
pub(super) fn decode<T: DeserializeOwned>(
    name: &str,
    bytes: &[u8],
) -> Result<Option<T>, StoreError> {
    let found = serde_json::from_slice::<Head>(bytes).map_or(0, |head| head.version);
    if found > VERSION {
        return Err(StoreError::Newer { found });
    }
    Ok(serde_json::from_slice(bytes).map_or_else(
        |error| {
            // The text of the error may quote a value.
            let kind = match error.classify() {
                Category::Data => "a member is missing or of another type",
                _ => "it is no JSON",
            };
            log::warn!("the stored record {name} is damaged ({kind}) and is ignored");
            None
        },
        Some,
    ))
}

/// As JSON.
///
/// # Errors
/// None that is known.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Wiped, StoreError> {
    let mut bytes = Growing::default();
    serde_json::to_writer(&mut bytes, value)
        .map_err(|_| StoreError::Internal("it does not become JSON"))?;
    Ok(bytes.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TokenRecord;

    /// A record as the first release wrote it, with members that it did not know.
    const GOLDEN: &str = include_str!("golden/token-v1.json");

    #[test]
    fn records_of_the_first_release_are_read_and_written_back_equal() {
        let record: TokenRecord = decode("x", GOLDEN.as_bytes()).unwrap().unwrap();
        assert_eq!(record.client.client_secret.as_ref().unwrap().expose(), "fake-client-secret");
        assert_eq!(record.expires_at, Some(1_800_003_600));
        assert_eq!(record.other["later"]["nested"][1], 2);
        let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&encode(&record).unwrap()).unwrap();
        assert_eq!(written, golden);
    }

    #[test]
    fn records_without_optional_members_are_read() {
        let mut value: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
        let required = [
            "version",
            "server",
            "profile",
            "resource",
            "issuer",
            "client",
            "token_endpoint",
            "access_token",
            "obtained_at",
        ];
        value.as_object_mut().unwrap().retain(|name, _| required.contains(&name.as_str()));
        let record: TokenRecord = decode("x", value.to_string().as_bytes()).unwrap().unwrap();
        assert_eq!((record.refresh_token, record.expires_at), (None, None));
    }

    #[test]
    fn damaged_is_absent_and_newer_is_an_error() {
        for damaged in ["", "{", "null", "[]", r#"{"version":1}"#] {
            assert!(decode::<TokenRecord>("x", damaged.as_bytes()).unwrap().is_none(), "{damaged}");
        }
        let error = decode::<TokenRecord>("x", br#"{"version":2,"renamed":true}"#).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2 }), "{error}");
    }
}
