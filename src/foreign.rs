//! The sign-ins that other bridges have stored, for `mcp-tether auth import`. Reads, and changes nothing.
//!
//! * [`mcp_remote`]: two files for each sign-in, named by a digest of the URL and of flags.
//! * [`mcp_stdio`]: one file for all, by URL.
//!
//! Knows no network and no OAuth: what is told here is what the files say.

pub mod mcp_remote;
pub mod mcp_stdio;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};

use crate::limits::MAX_FOREIGN_STORE;
use crate::secret::Secret;

/// A sign-in of another bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The file that the tokens are in.
    pub file: PathBuf,
    /// The access token.
    pub access_token: Secret,
    /// `token_type`, where it is said.
    pub token_type: Option<String>,
    /// The refresh token.
    pub refresh_token: Option<Secret>,
    /// The id token.
    pub id_token: Option<Secret>,
    /// When the access token expires, in Unix seconds.
    pub expires_at: Option<u64>,
    /// The scope that was granted.
    pub scope: Option<String>,
    /// The scope that was asked for.
    pub requested_scope: Option<String>,
    /// The authorization server, where it is said.
    pub issuer: Option<String>,
    /// The client that the tokens are for, where it is said.
    pub client: Option<Client>,
    /// What is sent as `resource`.
    pub resource: Resource,
}

/// The client of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: Option<Secret>,
    /// When that expires, in Unix seconds.
    pub secret_expires_at: Option<u64>,
    /// `token_endpoint_auth_method`.
    pub method: Option<String>,
    /// The first of its redirect URIs.
    pub redirect_uri: Option<String>,
    /// The authorization server that knows it, where it is said.
    pub issuer: Option<String>,
}

/// What is sent as `resource` (RFC 8707), as far as the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resource {
    /// They say nothing about it.
    #[default]
    Unsaid,
    /// Nothing is sent.
    Omitted,
    /// This is.
    Given(String),
}

/// Why there is nothing to take.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The operating system.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it has to be.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and nothing of what it holds.
        what: &'static str,
    },
}

/// An object, and when it was written, in Unix seconds.
type Dated = (Map<String, Value>, u64);

/// A file that holds one JSON object, and when it was written, in Unix seconds; none if it does not exist.
fn object(path: &Path) -> Result<Option<Dated>, ForeignError> {
    let failed = |source| ForeignError::Io { path: path.to_owned(), source };
    let unusable = |what| ForeignError::Unusable { path: path.to_owned(), what };
    let about = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        about => about.map_err(failed)?,
    };
    // A pipe could keep us waiting for ever.
    if !about.is_file() {
        return Err(unusable("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FOREIGN_STORE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_FOREIGN_STORE {
        return Err(unusable("it is too large"));
    }
    let written = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let members = members(&bytes).ok_or_else(|| unusable("it is no JSON object"))?;
    Ok(Some((members, written.unwrap_or_default().as_secs())))
}

/// The JSON object that a file holds.
pub fn members(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(bytes).ok()
}

/// A text that is not empty.
fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    let text = members.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn secret(members: &Map<String, Value>, name: &str) -> Option<Secret> {
    text(members, name).map(Secret::new)
}

/// A number of something since the beginning of 1970, or of seconds; fractions are dropped.
fn count(members: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = members.get(name)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range is checked
    let whole = |number: f64| (0.0..1e15).contains(&number).then_some(number as u64);
    value.as_u64().or_else(|| whole(value.as_f64()?))
}
