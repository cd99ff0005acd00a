//! Credentials, kept in the keyring of the operating system, or where there is none in a file that
//! only its owner can read.
//!
//! * [`places`]: where files go on this system.
//! * [`record`]: what is kept: tokens, client registrations, a sign-in under way. Versioned.
//! * [`index`]: which servers have a record, without a secret, so that a server without one never
//!   costs a call to the keyring.
//! * [`lock`]: one writer at a time on this machine. Writing takes the lock by value, so that an
//!   unlocked write does not compile.
//! * [`vault`]: keyring or file, chosen once; [`keyring`], [`parts`] and [`file`] are its insides.
//!
//! Knows no network and no OAuth.

pub mod places;
pub mod record;

pub use places::Places;
pub use record::{ClientAuth, ClientRecord, LoginRecord, TokenRecord};
