//! The keyring of this system: macOS Keychain, Windows Credential Manager, elsewhere the Secret
//! Service.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};

#[cfg(windows)]
use crate::limits::KEYRING_ITEM_BYTES;
use crate::secret::{neutralise, truncate};

use super::items::{Items, KeyringError};

/// What all items of ours belong to.
const SERVICE: &str = "mcp-tether";

/// Bytes that one item takes here.
#[cfg(windows)]
pub const ITEM_BYTES: usize = KEYRING_ITEM_BYTES;

/// Bytes that one item takes here.
#[cfg(not(windows))]
pub const ITEM_BYTES: usize = crate::limits::MAX_STORED;

/// Characters of what a keyring says of its trouble.
const EXPLANATION: usize = 120;

struct System(Arc<CredentialStore>);

/// Connects to the keyring. May block for ever.
///
/// # Errors
/// If there is none.
pub fn open() -> Result<Box<dyn Items>, KeyringError> {
    #[cfg(windows)]
    let store = windows_native_keyring_store::Store::new();
    #[cfg(target_vendor = "apple")]
    let store = apple_native_keyring_store::keychain::Store::new();
    #[cfg(all(unix, not(target_vendor = "apple")))]
    let store = dbus_secret_service_keyring_store::Store::new();
    Ok(Box::new(System(store.map_err(explain)?)))
}

impl System {
    fn entry(&self, name: &str) -> Result<Entry, KeyringError> {
        Entry::new_in_store(&self.0, SERVICE, name).map_err(explain)
    }
}

impl Items for System {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, KeyringError> {
        found(self.entry(name)?.get_secret())
    }

    fn set(&self, name: &str, bytes: &[u8]) -> Result<(), KeyringError> {
        self.entry(name)?.set_secret(bytes).map_err(explain)
    }

    fn delete(&self, name: &str) -> Result<(), KeyringError> {
        found(self.entry(name)?.delete_credential()).map(drop)
    }

    fn text(&self, name: &str) -> Result<Option<String>, KeyringError> {
        found(self.entry(name)?.get_password())
    }

    fn set_text(&self, name: &str, text: &str) -> Result<(), KeyringError> {
        self.entry(name)?.set_password(text).map_err(explain)
    }
}

fn found<T>(result: Result<T, Error>) -> Result<Option<T>, KeyringError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(explain(error)),
    }
}

/// In words for the reader. What the item holds is never among them.
fn explain(error: Error) -> KeyringError {
    match error {
        Error::PlatformFailure(error) => KeyringError::Failed(brief(&error.to_string())),
        Error::NoStorageAccess(error) => KeyringError::Locked(brief(&error.to_string())),
        Error::TooLong(_, most) => KeyringError::TooLarge(most as usize),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeyringError::Damaged,
        Error::Ambiguous(items) => {
            KeyringError::Failed(format!("it has {} items of one name", items.len()))
        }
        error => KeyringError::Failed(brief(&error.to_string())),
    }
}

fn brief(text: &str) -> String {
    truncate(&neutralise(text), EXPLANATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do_and_hold_no_secret() {
        let platform = |text: &str| text.to_owned().into();
        let cases = [
            (
                Error::NoStorageAccess(platform("prompt\ndismissed")),
                "it is locked: prompt dismissed",
            ),
            (Error::PlatformFailure(platform("no bus")), "no bus"),
            (Error::BadEncoding(b"fake-secret".to_vec()), "an item in it is damaged"),
            (
                Error::BadDataFormat(b"fake-secret".to_vec(), platform("fake-secret")),
                "an item in it is damaged",
            ),
            (Error::TooLong("password".into(), 2560), "it takes at most 2560 bytes"),
            (Error::Ambiguous(Vec::new()), "it has 0 items of one name"),
        ];
        for (error, text) in cases {
            assert_eq!(explain(error).to_string(), text);
        }
        assert_eq!(found::<()>(Err(Error::NoEntry)), Ok(None));
    }
}
