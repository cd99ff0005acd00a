//! Every bound on foreign input and on waiting, with its reason.
//!
//! Values that a person can change have their flag named here; the rest are fixed. Nothing in the
//! bridge grows or waits without one of these. `docs/security.md` has all of them, with what happens beyond them.
//!
//! * `messages`: messages, and what waits on their way.
//! * `network`: connections, responses and streams.
//! * `eras`: finding out the era of a server, and translating.
//! * `sign_in`: signing in.
//! * `kept`: what is kept: the keyring, files, secrets from elsewhere, AWS.
//! * `shown`: what people get to see: errors, logs, traces.
//! * `commands`: commands, and the configurations of clients.

mod commands;
mod eras;
mod kept;
mod messages;
mod network;
mod shown;
mod sign_in;

pub use self::commands::*;
pub use self::eras::*;
pub use self::kept::*;
pub use self::messages::*;
pub use self::network::*;
pub use self::shown::*;
pub use self::sign_in::*;
