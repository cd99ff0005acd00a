//! What a keyring is to us: named items of bytes.

use std::time::Duration;

/// Why a keyring did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none, or it is in trouble. A new connection may help.
    #[error("{0}")]
    Failed(String),
    /// It does not let us in.
    #[error("it is locked: {0}")]
    Locked(String),
    /// It has not answered. It may be asking a person to unlock it.
    #[error("it has not answered within {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// An item is not what we wrote.
    #[error("an item in it is damaged")]
    Damaged,
    /// More bytes than it takes.
    #[error("it takes at most {0} bytes")]
    TooLarge(usize),
}

/// A keyring that has been opened. Every call may block for ever.
pub trait Items: Send + Sync {
    /// An item; `None` if there is none.
    ///
    /// # Errors
    /// If the keyring does not say.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, KeyringError>;

    /// Writes an item.
    ///
    /// # Errors
    /// If it may not have been written.
    fn set(&self, name: &str, bytes: &[u8]) -> Result<(), KeyringError>;

    /// Removes an item, if there is one.
    ///
    /// # Errors
    /// If it may still be there.
    fn delete(&self, name: &str) -> Result<(), KeyringError>;

    /// A text that a person has put there; `None` if there is none.
    ///
    /// # Errors
    /// If the keyring does not say.
    fn text(&self, name: &str) -> Result<Option<String>, KeyringError>;

    /// Puts a text there for a person.
    ///
    /// # Errors
    /// If it may not have been written.
    fn set_text(&self, name: &str, text: &str) -> Result<(), KeyringError>;
}
