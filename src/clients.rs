//! The configuration files of MCP clients, and the servers that are named in them.
//!
//! * [`places`]: which files each client has, on each system.
//! * `file`: reading one of them. [`document`]: JSON with comments, TOML or YAML as a tree; [`layout`]:
//!   the same with places in the text.
//! * [`servers`]: where the servers are in it, and what each of them is. [`launch`]: which program is
//!   behind `npx`, `cmd /c` and so on. [`arguments`]: those of bridges.
//! * [`form`]: how each client writes an entry. [`edit`]: changing one in the text of a file.
//! * [`migration`]: from another bridge's arguments to ours. [`private`]: what of a file is not shown.
//! * [`save`]: putting the changed file in its place.
//! * [`template`]: texts with placeholders, which the client fills in.
//!
//! Reads, recognises and rewrites. Nothing here connects, and only `file` and [`save`] touch the disk. What a
//! client would refuse to read is read all the same where its meaning is plain.

pub mod arguments;
pub mod document;
pub mod edit;
pub mod file;
pub mod form;
pub mod launch;
pub mod layout;
pub mod migration;
pub mod places;
pub mod private;
pub mod save;
pub mod servers;
pub mod template;

pub use file::{FileError, load};
pub use launch::Launched;
pub use places::{Client, KnownFile, System};
pub use servers::{Bridge, BridgeKind, Kind, Remote, Server, Wire};
pub use template::{Missing, Plain, Template};
