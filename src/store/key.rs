//! Names of records: digests, so that any text makes a file name.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Names the tokens of one (resource, issuer, client, profile).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordKey(String);

/// Names the registration at one (issuer, redirect URI, profile).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(String);

/// Names what is known of one (server URL, profile).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServerKey(String);

impl RecordKey {
    /// The key of the tokens for `resource` that `issuer` gave to `client_id`.
    pub fn new(resource: &str, issuer: &str, client_id: &str, profile: &str) -> RecordKey {
        RecordKey(digest(&[resource, issuer, client_id, profile]))
    }

    /// What it is called in the keyring and as a file.
    pub(super) fn name(&self) -> String {
        format!("token-{self}")
    }
}

impl ClientKey {
    /// The key of the registration of `redirect_uri` at `issuer`.
    pub fn new(issuer: &str, redirect_uri: &str, profile: &str) -> ClientKey {
        ClientKey(digest(&[issuer, redirect_uri, profile]))
    }

    /// What it is called in the keyring and as a file.
    pub(super) fn name(&self) -> String {
        format!("client-{}", self.0)
    }
}

impl ServerKey {
    pub(super) fn new(server: &str, profile: &str) -> ServerKey {
        ServerKey(digest(&[server, profile]))
    }

    /// The file of a non-secret note about it.
    pub(super) fn file(&self) -> String {
        format!("{}.json", self.0)
    }

    /// What a sign-in under way is called in the keyring and as a file.
    pub(super) fn login(&self) -> String {
        format!("login-{}", self.0)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RecordKey> for String {
    fn from(key: RecordKey) -> String {
        key.0
    }
}

impl TryFrom<String> for RecordKey {
    type Error = &'static str;

    /// Only what [`RecordKey::new`] makes: keys become file names.
    fn try_from(text: String) -> Result<RecordKey, &'static str> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(RecordKey(text))
        } else {
            Err("not the key of a record")
        }
    }
}

/// SHA-256 of texts, each with its length before it, so that no two lists run together; in hex.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_everything_apart() {
        let key = RecordKey::new("r", "i", "c", "p");
        assert_eq!(key, RecordKey::new("r", "i", "c", "p"));
        for other in
            [("ri", "", "c", "p"), ("r", "ic", "", "p"), ("r", "i", "c", "q"), ("", "ri", "c", "p")]
        {
            assert_ne!(key, RecordKey::new(other.0, other.1, other.2, other.3));
        }
    }

    #[test]
    fn keys_never_change() {
        // Records are found by these names: another digest would lose every sign-in.
        assert_eq!(
            RecordKey::new("https://mcp.example/", "https://as.example", "abc", "default").name(),
            "token-f870ec9461936319f368b2659a2eae294636aefa1f3058a2f96cafae80709dad"
        );
        assert_eq!(
            ClientKey::new("https://as.example", "http://127.0.0.1:20000/callback", "default")
                .name(),
            "client-4e175aa1d759190ecfd0616c490b829cfb7000b55455a7d9b29b5fb0f2fba70c"
        );
    }

    #[test]
    fn only_digests_are_keys() {
        let key = RecordKey::new("r", "i", "c", "p");
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<RecordKey>(&text).unwrap(), key);
        for bad in ["", "../../etc/passwd", &"A".repeat(64), &"a".repeat(63)] {
            assert!(RecordKey::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
