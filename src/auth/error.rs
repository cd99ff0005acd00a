//! Why there is no right to send a request.

use std::sync::Arc;

use super::authorization_response::ResponseError;
use super::callback::CallbackError;
use super::discovery::DiscoveryError;
use super::registration::RegistrationError;
use super::shared::Place;
use super::token::TokenError;
use crate::error::{Failure, FailureKind};
use crate::store::StoreError;

/// Why there is no right to send a request: a sentence with the host and the next step.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthError {
    /// A credential of the person's own.
    #[error(
        "the configured Authorization header was refused by {host}; check it, or use --oauth to sign in"
    )]
    ConfiguredRefused {
        /// The MCP server.
        host: String,
    },
    /// A browser would be needed.
    #[error(
        "{host} asks for authorization and nothing valid is stored; run: mcp-tether login {server}"
    )]
    NeedsLogin {
        /// The MCP server.
        host: String,
        /// Its URL, as it may be shown.
        server: String,
    },
    /// More scope would be needed, and no browser may be opened.
    #[error(
        "{host} asks for the scope \u{201c}{scope}\u{201d}, which the stored sign-in lacks; run: mcp-tether login {server} --scope \"{scope}\""
    )]
    MissingScope {
        /// The MCP server.
        host: String,
        /// Its URL, as it may be shown.
        server: String,
        /// Everything that would have to be asked for.
        scope: String,
    },
    /// The server keeps wanting more.
    #[error(
        "{host} asks for more scope again and again; if it is right to, run: mcp-tether login {server} --scope SCOPES"
    )]
    TooManyStepUps {
        /// The MCP server.
        host: String,
        /// Its URL, as it may be shown.
        server: String,
    },
    /// What has just been obtained does not help.
    #[error(
        "{host} refuses the access token that was just obtained for it{said}; its authorization server or --scope, --resource may not fit"
    )]
    StillRefused {
        /// The MCP server.
        host: String,
        /// What it says.
        said: String,
    },
    /// What proves that the token is ours is refused because of the time.
    #[error("{host} refuses the proof that goes with the access token (DPoP): {trouble}")]
    Clock {
        /// Who refuses it.
        host: String,
        /// What is wrong with the clock, and the next step.
        trouble: String,
    },
    /// Every nonce leads to the next one.
    #[error(
        "{host} asks for another DPoP nonce again and again; try again later, or use --dpop never"
    )]
    NonceAgain {
        /// The MCP server.
        host: String,
    },
    /// Somebody has to sign in, and knows of it only from here.
    #[error("sign in to {host} {}and try again; open", with_code(.place))]
    SignInNeeded {
        /// The MCP server.
        host: String,
        /// Where.
        place: Place,
    },
    /// Nobody entered the codes that were given out.
    #[error(
        "nobody entered a code for {host} before it expired, {times} times; run: mcp-tether login {server}"
    )]
    CodesExpired {
        /// The MCP server.
        host: String,
        /// Its URL, as it may be shown.
        server: String,
        /// How many there were.
        times: usize,
    },
    /// A token that needs nobody was refused.
    #[error("--grant {grant}: {said}; {next}")]
    NotGranted {
        /// The grant.
        grant: &'static str,
        /// Who refused, and why.
        said: String,
        /// The next step.
        next: &'static str,
    },
    /// Nobody signed in in time.
    #[error(
        "nobody signed in to {host} within {seconds} s (--auth-timeout); try again, or run: mcp-tether login {server}"
    )]
    TimedOut {
        /// The MCP server.
        host: String,
        /// Its URL, as it may be shown.
        server: String,
        /// The limit.
        seconds: u64,
    },
    /// The bridge ends, and the sign-in with it.
    #[error("the bridge ended before anybody signed in to {host}; run: mcp-tether login {server}")]
    Ending {
        /// The MCP server.
        host: String,
        /// Its URL, as it may be shown.
        server: String,
    },
    /// There is nowhere to keep anything.
    #[error(
        "signing in needs a folder to keep credentials in; set HOME or MCP_TETHER_HOME, or use a --grant that needs nobody"
    )]
    NoHome,
    /// The authorization server cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The authorization server was not found.
    #[error(transparent)]
    Discovery(Arc<DiscoveryError>),
    /// Registering as a client.
    #[error(transparent)]
    Registration(Arc<RegistrationError>),
    /// What came back from the browser.
    #[error(transparent)]
    Response(Arc<ResponseError>),
    /// The token endpoint.
    #[error(transparent)]
    Token(Arc<TokenError>),
    /// The callback listener.
    #[error(transparent)]
    Callback(Arc<CallbackError>),
    /// The credential store.
    #[error("{}{}", .0, or_elsewhere(.0))]
    Store(Arc<StoreError>),
}

/// The next step, where nothing can be written.
fn or_elsewhere(error: &StoreError) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match error {
        StoreError::Io { source, .. }
            if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) =>
        {
            "; set MCP_TETHER_HOME to a folder that can be written to, or use a --grant that needs nobody"
        }
        _ => "",
    }
}

impl AuthError {
    /// Whether the reason will pass: nothing was refused, something could not be reached.
    pub fn transient(&self) -> Option<&Failure> {
        match self {
            AuthError::Discovery(error) => match &**error {
                DiscoveryError::Transient(failure) => Some(failure),
                _ => None,
            },
            AuthError::Token(error) => match &**error {
                TokenError::Transient(failure) => Some(failure),
                _ => None,
            },
            AuthError::Registration(error) => match &**error {
                RegistrationError::Transient(failure) => Some(failure),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether this machine's clock is the reason, which no sign-in mends.
    pub fn is_clock(&self) -> bool {
        let token = |error: &TokenError| matches!(error, TokenError::Clock { .. });
        match self {
            AuthError::Clock { .. } => true,
            AuthError::Token(error) => token(error),
            _ => false,
        }
    }

    /// Whether a code that a person has typed is not known, so that they may have mistyped it.
    pub(super) fn is_wrong_code(&self) -> bool {
        matches!(self, AuthError::Token(error) if error.is_invalid_grant())
    }

    /// Whether the authorization server does not let this client do what it asks for, by what it
    /// says.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            AuthError::Token(error) => matches!(**error, TokenError::Refused { .. }),
            AuthError::Registration(error) => matches!(**error, RegistrationError::Refused { .. }),
            _ => false,
        }
    }

    /// Whether the server asks for authorization, and offers no way to sign in.
    pub fn is_not_offered(&self) -> bool {
        matches!(self, AuthError::Discovery(error)
            if matches!(**error, DiscoveryError::NotOffered { .. }))
    }

    /// The failure of a request that could not be sent for this reason, at the server `shown`.
    pub fn failure(&self, shown: &str) -> Failure {
        if let Some(failure) = self.transient() {
            let mut failure = failure.clone();
            failure.message = format!("signing in is not possible now: {}", failure.message);
            return failure;
        }
        let mut failure = Failure::new(FailureKind::Unauthorized, self.to_string()).at(shown);
        failure.unsent = true;
        if let AuthError::SignInNeeded { place, .. } = self {
            failure.sign_in_url = Some(place.url.clone());
            failure.sign_in_code = place.code.clone();
        }
        failure
    }
}

fn with_code(place: &Place) -> String {
    place.code.as_ref().map(|code| format!("with the code {code} ")).unwrap_or_default()
}

macro_rules! from {
    ($($source:ident => $variant:ident),*) => {$(
        impl From<$source> for AuthError {
            fn from(error: $source) -> AuthError {
                AuthError::$variant(Arc::new(error))
            }
        }
    )*};
}

from!(DiscoveryError => Discovery, RegistrationError => Registration, ResponseError => Response,
    TokenError => Token, CallbackError => Callback, StoreError => Store);
