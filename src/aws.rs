//! Requests as AWS wants them where it knows callers by their AWS credentials: signed with Signature
//! Version 4, as in front of Bedrock AgentCore, API Gateway and Lambda.
//!
//! * [`place`]: which service in which region (pure).
//! * `profiles`: the configuration files that AWS tools share (pure, but for reading them).
//!
//! With the feature `aws`:
//!
//! * `signature`: of one request (pure).
//! * `credentials`: obtaining them, by the crates of AWS; `connector`: their HTTP is ours. `process`: ending a
//!   `credential_process` that hangs.
//! * `refusal`: what it means when a signed request is refused (pure).
//! * `signer`: all of it together, for an endpoint.
//!
//! The only owner of the crates of AWS.

#[cfg(feature = "aws")]
mod connector;
#[cfg(feature = "aws")]
mod credentials;
pub mod place;
#[cfg(feature = "aws")]
mod process;
pub mod profiles;
#[cfg(feature = "aws")]
mod refusal;
#[cfg(feature = "aws")]
mod signature;
#[cfg(feature = "aws")]
mod signer;

use self::place::Place;
use self::profiles::Files;
use crate::secret::Secret;

#[cfg(feature = "aws")]
pub use signer::AwsSigner;

/// Whether this build can sign.
pub const AVAILABLE: bool = cfg!(feature = "aws");

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What for.
    pub place: Place,
    /// The profile that was named on the command line. Nothing but this is used then.
    pub profile: Option<String>,
    /// Keys in the environment, which count more than any other profile.
    pub keys: Option<Keys>,
    /// The profile that is used otherwise.
    pub ambient_profile: String,
    /// Where profiles are.
    pub files: Files,
    /// The region of the services that give credentials, where that is not the one of the profile.
    pub region: Option<String>,
}

/// Credentials that are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`, which is no secret.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Secret,
    /// `AWS_SESSION_TOKEN`, of temporary ones.
    pub token: Option<Secret>,
}

impl Settings {
    /// The profile that counts.
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(&self.ambient_profile)
    }
}
