//! `mcp-tether logout`: forgetting sign-ins.

use std::sync::Arc;

use super::remote::{start_log, start_trace};
use super::{CommandError, say, stores};
use crate::auth::logout::{Revocation, logout};
use crate::auth::web::Web;
use crate::cli::LogoutArgs;
use crate::config::{Env, Places, connection, sign_in};
use crate::error::ExitCode;
use crate::limits::{KEYRING_PATIENCE, MAX_LOGGED_TEXT};
use crate::logging::Log;
use crate::secret::{Redactor, shown};

/// Revokes and deletes what is stored for one server, or for all of them.
pub(super) async fn run(
    args: &LogoutArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, false, log)?;
    let store = stores(Places::find(env), sign_in::choice(&args.store), KEYRING_PATIENCE)?;
    let mut settings = connection(&args.connection, env)?;
    let redactor = Arc::new(Redactor::default());
    let trace = start_trace(&args.log, log, "logout", "")?;
    settings.observer = trace.map(|trace| Arc::new(trace.watch(redactor.clone())) as _);
    let wanted = args.connection.url.as_deref();
    let wanted = wanted.map(|url| crate::config::server_url(url, true)).transpose()?;
    let mut failed = false;
    let mut found = false;
    for entry in store.entries()? {
        let chosen = match &wanted {
            Some(url) => entry.server == shown(url) && entry.profile == args.store.profile,
            None => args.all,
        };
        let Ok(server) = url::Url::parse(&entry.server) else { continue };
        if !chosen {
            continue;
        }
        found = true;
        let name =
            format!("{} ({})", shown(&server), redactor.clean(&entry.profile, MAX_LOGGED_TEXT));
        let web = Web::new(&settings, server, args.connection.allow_http, redactor.clone());
        match logout(&web, &store, &entry).await {
            Ok(Revocation::Done) => say(&format!("{name}: signed out, tokens revoked"))?,
            Ok(Revocation::NotOffered) => say(&format!(
                "{name}: signed out; the server offers no revocation, tokens live until they expire"
            ))?,
            Ok(Revocation::NotProven) => say(&format!(
                "{name}: signed out; the token of --grant was not revoked and lives until it expires"
            ))?,
            Ok(Revocation::NothingStored) => say(&format!("{name}: forgotten"))?,
            Ok(Revocation::Failed(reason)) => {
                say(&format!("{name}: signed out; the tokens could not be revoked: {reason}"))?;
            }
            Err(error) => {
                failed = true;
                log::error!("{name}: {error}");
            }
        }
    }
    if !found {
        say("nothing is stored for it")?;
    }
    Ok(if failed { ExitCode::Usage } else { ExitCode::Success })
}
