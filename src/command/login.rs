//! `mcp-tether login`: signing in to a server, now.

use bytes::Bytes;
use serde_json::json;

use super::remote::{Remote, start_log};
use super::{CommandError, say};
use crate::auth::discovery::DiscoveryError;
use crate::auth::settings::Mode;
use crate::auth::{Asking, AuthError, Credential, Progress, Refused};
use crate::cli::LoginArgs;
use crate::config::Target;
use crate::error::{ExitCode, Failure, FailureKind};
use crate::limits::{KEYRING_PATIENCE, KEYRING_TIMEOUT, MAX_MESSAGE_SIZE, RECOVERY_STEP_TIMEOUT};
use crate::logging::Log;
use crate::transport::{Reply, SessionHeaders};

/// Signs in, and makes sure that the server accepts the outcome.
pub(super) async fn run(
    args: &LoginArgs,
    env: crate::config::Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, log)?;
    let mut target = Target::resolve(&args.connection, &args.sign_in, env)?;
    target.headers.remove(http::header::AUTHORIZATION);
    target.sign_in.settings.mode = if args.silent { Mode::Stored } else { Mode::Interactive };
    let patience = if args.silent { KEYRING_TIMEOUT } else { KEYRING_PATIENCE };
    let remote = Remote::new(target, MAX_MESSAGE_SIZE, patience)?;
    let outcome = if args.silent { remote.silent().await } else { remote.by_hand().await };
    match outcome {
        Ok(text) => {
            say(&text)?;
            Ok(ExitCode::Success)
        }
        Err(failure) => {
            tracing::error!("{failure}");
            Ok(exit_code(failure.kind))
        }
    }
}

/// The exit code of a command that ends by a failure.
pub(super) fn exit_code(kind: FailureKind) -> ExitCode {
    match kind {
        FailureKind::Unauthorized => ExitCode::Unauthorized,
        FailureKind::Dns
        | FailureKind::Connect
        | FailureKind::Tls
        | FailureKind::Timeout
        | FailureKind::RateLimited
        | FailureKind::StreamLost => ExitCode::Unreachable,
        _ => ExitCode::Usage,
    }
}

impl Remote {
    async fn silent(&self) -> Result<String, Failure> {
        let shown = self.endpoint.shown();
        let mut progress = Progress::default();
        loop {
            let credential = self.authorizer.credential().await;
            let reply = self.initialize(credential.as_ref()).await?;
            let Some(refused) = self.refused(&reply) else {
                let host = self.authorizer.host();
                return match credential {
                    _ if !reply.status().is_success() => Err(reply.into_failure().await),
                    Some(_) => Ok(format!("signed in to {host}")),
                    None => Ok(format!("{host} asked for no authorization")),
                };
            };
            self.authorizer
                .answer(&refused, credential.as_ref(), &mut progress, Asking::Nobody)
                .await
                .map_err(|error| error.failure(&shown))?;
        }
    }

    async fn by_hand(&self) -> Result<String, Failure> {
        let shown = self.endpoint.shown();
        let host = self.authorizer.host();
        let reply = self.initialize(None).await?;
        // Some servers ask only later, for what is worth protecting.
        let challenge = self.refused(&reply).map(|refused| refused.challenge);
        let asked = challenge.is_some();
        if !asked && !reply.status().is_success() && reply.status().as_u16() != 400 {
            return Err(reply.into_failure().await);
        }
        drop(reply);
        let signed_in = self.authorizer.sign_in_by_hand(&challenge.unwrap_or_default()).await;
        match signed_in {
            Err(AuthError::Discovery(error))
                if !asked && matches!(*error, DiscoveryError::NotOffered { .. }) =>
            {
                return Ok(format!("{host} asks for no authorization"));
            }
            outcome => outcome.map_err(|error| error.failure(&shown))?,
        }
        let credential = self.authorizer.credential().await;
        let reply = self.initialize(credential.as_ref()).await?;
        if let Some(refused) = self.refused(&reply) {
            let mut progress = Progress::signed_in();
            self.authorizer
                .answer(&refused, credential.as_ref(), &mut progress, Asking::Nobody)
                .await
                .map_err(|error| error.failure(&shown))?;
        }
        let place = match &self.store {
            Some(store) => store.vault_in_use().await.to_string(),
            None => String::new(),
        };
        Ok(format!("signed in to {host}; stored in {place}"))
    }

    fn refused(&self, reply: &Reply) -> Option<Refused> {
        self.authorizer.refused(reply.status().as_u16(), reply.authenticate())
    }

    /// A handshake that is not gone through with: only whether the server lets us in is of interest.
    async fn initialize(&self, credential: Option<&Credential>) -> Result<Reply, Failure> {
        let request = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "mcp-tether", "version": env!("CARGO_PKG_VERSION") },
            },
        });
        let authorization = credential.map(Credential::header);
        let none = SessionHeaders::default();
        let post = self.endpoint.post(Bytes::from(request.to_string()), &none, authorization, None);
        let reply =
            tokio::time::timeout(RECOVERY_STEP_TIMEOUT, post).await.unwrap_or_else(|_| {
                let text = format!(
                    "{} did not answer within {} s",
                    self.authorizer.host(),
                    RECOVERY_STEP_TIMEOUT.as_secs()
                );
                Err(Failure::new(FailureKind::Timeout, text).at(&self.endpoint.shown()))
            })?;
        if let Some(session) = reply.session_id() {
            let headers = SessionHeaders { session: Some(session), version: None };
            let delete = self.endpoint.delete(&headers, authorization);
            // A server that does not end sessions on request forgets them by itself.
            let _ = tokio::time::timeout(crate::limits::DELETE_TIMEOUT, delete).await;
        }
        Ok(reply)
    }
}
