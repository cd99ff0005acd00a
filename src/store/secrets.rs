//! What a person has put into the store under a name (`mcp-tether secret`), for `keyring:NAME`.
//!
//! In the keyring it is an item like any other program would write it: service `mcp-tether`, user NAME,
//! the value as its password. So what other programs have put there is found as well. In a file it is a
//! record like a sign-in. A note says which, and keeps the name, which the file's name only has a digest of.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::StoreError;
use super::marker::{self, Kept, Marker};
use super::record::VERSION;
use super::vault::{Choice, Vaults};
use super::{Store, file, format, lock, to_the_end};
use crate::limits::{LOCK_TIMEOUT, MAX_SECRET, MAX_SECRET_NAME, MAX_SECRETS_LISTED};
use crate::order;
use crate::secret::Secret;

/// The name of a secret: something that can be typed, and not what a record of ours is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName(String);

/// What records of ours begin with in the keyring, with a digest behind it.
const RECORDS: [&str; 3] = ["token-", "client-", "login-"];

/// What notes on secrets begin with.
const PREFIX: &str = "secret-";

/// The member of a note with the name.
const NAME: &str = "name";

/// A secret in a file.
#[derive(Serialize, Deserialize)]
struct SecretRecord {
    version: u32,
    value: Secret,
}

/// Whether it begins with the digest of a record.
fn is_digest(text: &str) -> bool {
    text.len() >= 64 && text.bytes().take(64).all(|b| b.is_ascii_hexdigit())
}

impl SecretName {
    /// Checks a name.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(name: &str) -> Result<SecretName, &'static str> {
        if name.is_empty() || name.trim() != name {
            return Err("a name is not empty, and has no space at its ends");
        }
        if name.chars().count() > MAX_SECRET_NAME || name.chars().any(char::is_control) {
            return Err("a name has at most 100 characters, and no control characters");
        }
        let digest = RECORDS.iter().find_map(|prefix| name.strip_prefix(prefix));
        if digest.is_some_and(is_digest) {
            return Err("sign-ins are called like this");
        }
        Ok(SecretName(name.to_owned()))
    }

    /// What its note and its file are called.
    fn record(&self) -> String {
        format!("{PREFIX}{:x}", Sha256::digest(&self.0))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Store {
    /// The secret that is called `name`; none also where that cannot be a name.
    ///
    /// # Errors
    /// [`StoreError::NoKeyring`] where it may be in a keyring that does not say, [`StoreError::Io`],
    /// [`StoreError::Newer`].
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        match SecretName::new(name) {
            Ok(name) => self.0.vaults.secret(&name).await,
            Err(_) => Ok(None),
        }
    }

    /// Keeps a secret, in the place of a former one, and says where.
    ///
    /// # Errors
    /// See [`Store`], and [`StoreError::Busy`].
    pub async fn write_secret(&self, name: &SecretName, value: Secret) -> Result<Kept, StoreError> {
        let (store, name) = (self.clone(), name.clone());
        to_the_end(async move {
            let path = lock::path(&store.0.places.state, &name.record());
            let _lock = lock::acquire(&path, LOCK_TIMEOUT).await?;
            store.0.vaults.write_secret(&name, value).await
        })
        .await
    }

    /// Removes a secret, and tells whether there was one.
    ///
    /// # Errors
    /// See [`Store`], and [`StoreError::Busy`].
    pub async fn remove_secret(&self, name: &SecretName) -> Result<bool, StoreError> {
        let (store, name) = (self.clone(), name.clone());
        to_the_end(async move {
            let path = lock::path(&store.0.places.state, &name.record());
            let _lock = lock::acquire(&path, LOCK_TIMEOUT).await?;
            store.0.vaults.remove_secret(&name).await
        })
        .await
    }

    /// The names of the secrets that were kept by [`Store::write_secret`], in order, and where each is.
    /// The keyring is not asked.
    ///
    /// # Errors
    /// If the notes cannot be read.
    pub fn secrets(&self) -> Result<Vec<(String, Kept)>, StoreError> {
        let state = &self.0.places.state;
        let folder = marker::folder(state);
        let files = file::list(&folder, MAX_SECRETS_LISTED);
        let mut found = Vec::new();
        for path in files.map_err(StoreError::io("read", &folder))? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !stem.starts_with(PREFIX) {
                continue;
            }
            match Marker::load(state, &stem) {
                Ok(Some(marker)) => {
                    if let Some(Value::String(name)) = marker.other.get(NAME) {
                        found.push((name.clone(), marker.vault));
                    }
                }
                Ok(None) => {}
                Err(error) => log::warn!("{} is skipped: {error}", path.display()),
            }
        }
        order::sort_by(&mut found, |one, other| one.0.cmp(&other.0));
        Ok(found)
    }
}

impl Vaults {
    async fn secret(&self, name: &SecretName) -> Result<Option<Secret>, StoreError> {
        let record = name.record();
        let marker = Marker::load(&self.places.state, &record)?;
        if marker.as_ref().is_some_and(|marker| marker.vault == Kept::File) {
            let path = self.file(&record);
            let bytes = file::read(&path).map_err(StoreError::io("read", &path))?;
            let found = bytes.map(|bytes| format::decode::<SecretRecord>(&record, &bytes));
            return Ok(found.transpose()?.flatten().map(|found| found.value));
        }
        match self.text(name).await {
            // Who keeps nothing there looks for nothing there.
            Err(_) if marker.is_none() && self.choice == Choice::File => Ok(None),
            text => Ok(text?.map(Secret::new)),
        }
    }

    async fn text(&self, name: &SecretName) -> Result<Option<String>, StoreError> {
        let item = name.0.clone();
        let text = self.keyring.run(move |items| items.text(&item)).await;
        text.map_err(|error| StoreError::NoKeyring { why: error.to_string() })
    }

    async fn write_secret(&self, name: &SecretName, value: Secret) -> Result<Kept, StoreError> {
        if value.expose().len() > MAX_SECRET {
            return Err(StoreError::TooLarge { size: value.expose().len() });
        }
        let (state, record) = (&self.places.state, name.record());
        let path = self.file(&record);
        let old = Marker::load(state, &record)?;
        let was_in_keyring = old.as_ref().is_some_and(|old| old.vault == Kept::Keyring);
        let mut kept = Kept::File;
        if self.choice != Choice::File {
            let (item, text) = (name.0.clone(), value.clone());
            let written = self.keyring.run(move |items| items.set_text(&item, text.expose())).await;
            match written {
                Ok(()) => kept = Kept::Keyring,
                Err(error) if self.choice == Choice::Keyring => {
                    return Err(StoreError::NoKeyring { why: error.to_string() });
                }
                Err(error) => self.fall_back(&error),
            }
        }
        file::sweep(&path);
        if kept == Kept::File {
            let bytes = format::encode(&SecretRecord { version: VERSION, value })?;
            file::write(&path, &bytes).map_err(StoreError::io("write", &path))?;
        }
        let mut old = old.unwrap_or_else(|| Marker::new(kept));
        old.other.insert(NAME.to_owned(), Value::String(name.0.clone()));
        Marker::save(state, &record, Some(old), kept, false)?;
        if kept == Kept::Keyring {
            file::remove(&path).map_err(StoreError::io("remove", &path))?;
        } else if was_in_keyring && let Err(error) = self.remove_text(name).await {
            log::warn!("the keyring may keep the former {name} ({error})");
        }
        Ok(kept)
    }

    async fn remove_text(&self, name: &SecretName) -> Result<(), StoreError> {
        let item = name.0.clone();
        let removed = self.keyring.run(move |items| items.delete(&item)).await;
        removed.map_err(|error| StoreError::NoKeyring { why: error.to_string() })
    }

    async fn remove_secret(&self, name: &SecretName) -> Result<bool, StoreError> {
        let (state, record) = (&self.places.state, name.record());
        let path = self.file(&record);
        let marker = Marker::load(state, &record)?;
        let there = match marker.as_ref().map(|marker| marker.vault) {
            Some(Kept::File) => true,
            Some(Kept::Keyring) => {
                self.remove_text(name).await?;
                true
            }
            // Another program may have put it into the keyring.
            None if self.choice == Choice::File => false,
            None => {
                let there = self.text(name).await?.is_some();
                if there {
                    self.remove_text(name).await?;
                }
                there
            }
        };
        file::sweep(&path);
        file::remove(&path).map_err(StoreError::io("remove", &path))?;
        Marker::remove(state, &record)?;
        Ok(there)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Places;
    use crate::store::calls::Calls;
    use crate::store::items::KeyringError;
    use crate::store::memory::Memory;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    /// A store below `home` whose keyring is `items`, or none.
    fn store(home: &tempfile::TempDir, choice: Choice, items: Option<&Memory>) -> Store {
        let items = items.cloned();
        let open = move || match &items {
            Some(items) => Ok(Box::new(items.clone()) as _),
            None => Err(KeyringError::Failed("there is none".into())),
        };
        let calls = Calls::new(open, Duration::from_secs(60));
        Store::with(Places::below(home.path()), choice, calls)
    }

    #[tokio::test]
    async fn a_secret_is_in_one_place_and_found_in_either() {
        let home = tempfile::tempdir().unwrap();
        let items = Memory::default();
        let auto = store(&home, Choice::Auto, Some(&items));
        let files = store(&home, Choice::File, Some(&items));
        let credentials = home.path().join("credentials");
        let count = || std::fs::read_dir(&credentials).map_or(0, Iterator::count);
        assert!(auto.secret("a b").await.unwrap().is_none());
        assert_eq!(auto.write_secret(&name("a b"), secret("fake-1")).await.unwrap(), Kept::Keyring);
        assert_eq!(items.all()["a b"], b"fake-1");
        assert_eq!((items.all().len(), count()), (1, 0));
        assert_eq!(files.secret("a b").await.unwrap(), Some(secret("fake-1")));
        assert_eq!(files.write_secret(&name("a b"), secret("fake-2")).await.unwrap(), Kept::File);
        assert_eq!((items.all().len(), count()), (0, 1));
        assert_eq!(auto.secret("a b").await.unwrap(), Some(secret("fake-2")));
        auto.write_secret(&name("Z"), secret("fake-3")).await.unwrap();
        let listed = [("Z".to_owned(), Kept::Keyring), ("a b".to_owned(), Kept::File)];
        assert_eq!(files.secrets().unwrap(), listed);
        auto.write_secret(&name("a b"), secret("fake-4")).await.unwrap();
        assert_eq!((items.all().len(), count()), (2, 0));
        for name in ["Z", "a b"].map(name) {
            assert!(auto.remove_secret(&name).await.unwrap());
            assert!(!auto.remove_secret(&name).await.unwrap());
        }
        assert_eq!((items.all().len(), files.secrets().unwrap().len()), (0, 0));
        assert!(auto.leftovers().orphans.is_empty());
    }

    #[tokio::test]
    async fn what_other_programs_have_put_into_the_keyring_is_found_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let items = Memory::default();
        items.all().insert("k".into(), b"fake".to_vec());
        let store = store(&home, Choice::Auto, Some(&items));
        assert_eq!(store.secret("k").await.unwrap(), Some(secret("fake")));
        assert!(store.secrets().unwrap().is_empty());
        assert!(store.remove_secret(&name("k")).await.unwrap());
        assert!(items.all().is_empty());
    }

    #[tokio::test]
    async fn without_a_keyring_a_file_will_do_unless_it_is_demanded() {
        let home = tempfile::tempdir().unwrap();
        let demanded = store(&home, Choice::Keyring, None);
        let error = demanded.write_secret(&name("k"), secret("fake")).await.unwrap_err();
        assert!(matches!(error, StoreError::NoKeyring { .. }), "{error}");
        assert!(demanded.secret("k").await.is_err());
        assert!(store(&home, Choice::File, None).secret("k").await.unwrap().is_none());
        let auto = store(&home, Choice::Auto, None);
        assert_eq!(auto.write_secret(&name("k"), secret("fake")).await.unwrap(), Kept::File);
        assert_eq!(auto.secret("k").await.unwrap(), Some(secret("fake")));
        let large = secret(&"x".repeat(MAX_SECRET + 1));
        let error = auto.write_secret(&name("k"), large).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn names_that_cannot_be_taken_for_a_sign_in() {
        let digest = "0123456789abcdef".repeat(4);
        for bad in ["", " a", "a ", "a\nb", &"x".repeat(MAX_SECRET_NAME + 1)] {
            assert!(SecretName::new(bad).is_err(), "{bad:?}");
        }
        for record in RECORDS {
            assert!(SecretName::new(&format!("{record}{digest}")).is_err(), "{record}");
            assert!(SecretName::new(&format!("{record}{digest}.a0")).is_err(), "{record}");
            assert!(SecretName::new(&format!("{record}of-mine")).is_ok(), "{record}");
        }
        assert!(SecretName::new("ärger/key @1").is_ok());
    }
}
