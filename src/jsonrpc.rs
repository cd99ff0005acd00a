//! JSON-RPC 2.0 messages as bytes with a head: nothing is ever rebuilt from a parsed tree.
//!
//! * [`message`]: [`Message`], one checked message and the few members that relaying needs.
//! * [`received`]: [`Received`], a payload with what was found out while it arrived, by [`skeleton`].
//! * [`id`]: [`Id`] and [`IdKey`], spelling kept and equality by value.
//! * [`batch`]: splitting a batch into its members.
//! * [`salvage`]: finding the id in text that is not JSON.
//! * [`framing`]: making a message one line of output.
//! * [`member`]: looking up one member without reading the rest, and answers of our own.
//! * [`splice`]: changing a few members without touching the rest.
//!
//! Pure: no I/O, no clock, no runtime.

pub mod batch;
pub mod framing;
pub mod id;
pub mod member;
pub mod message;
pub mod received;
pub mod salvage;
pub mod skeleton;
pub mod splice;

pub use id::{Id, IdKey};
pub use message::{Invalid, Kind, Message, Source};
pub use received::Received;

/// Invalid JSON was received (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i32 = -32700;
/// The JSON is not a valid request (JSON-RPC 2.0, section 5.1).
pub const INVALID_REQUEST: i32 = -32600;
/// The method does not exist (JSON-RPC 2.0, section 5.1).
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The parameters are wrong (JSON-RPC 2.0, section 5.1).
pub const INVALID_PARAMS: i32 = -32602;
