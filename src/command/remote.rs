//! What commands share that speak with one server: log, store, authorizer, endpoint.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::CommandError;
use crate::auth::Authorizer;
use crate::bridge::access::Access;
use crate::bridge::verdict::Verdict;
use crate::bridge::{Attached, Settings, TransportChoice};
use crate::cache::Cache;
use crate::cli::LogArgs;
use crate::config::Target;
use crate::http::Http;
use crate::logging::{self, Log};
use crate::secret::Redactor;
use crate::stdio::writer::Inbox;
use crate::store::Store;
use crate::transport::Endpoint;

/// A server, ready to be spoken to.
pub(super) struct Remote {
    pub endpoint: Endpoint,
    pub transport: TransportChoice,
    pub authorizer: Arc<Authorizer>,
    pub store: Option<Store>,
    pub cache: Option<Cache>,
}

impl Remote {
    /// Opens no connection and no store. One call to the keyring may take `patience`.
    pub fn new(
        target: Target,
        max_message: usize,
        patience: Duration,
    ) -> Result<Remote, CommandError> {
        crate::http::client::install_crypto_provider();
        let Target { url, headers, connection, transport, sign_in, redactor } = target;
        let http = Http::new(&connection, &url, redactor.clone())?;
        let endpoint = Endpoint::new(http, url, headers, max_message, redactor.clone());
        let cache = sign_in.places.as_ref().map(|places| Cache::new(places.cache.clone()));
        let store = sign_in.places.map(|places| Store::new(places, sign_in.store, patience));
        let authorizer = Authorizer::new(sign_in.settings, &connection, store.clone(), redactor);
        Ok(Remote { endpoint, transport, authorizer: Arc::new(authorizer), store, cache })
    }
}

impl Remote {
    /// A bridge to the server in this process.
    pub fn attach(self, settings: Settings, redactor: Arc<Redactor>) -> (Attached, Inbox) {
        let server = self.authorizer.name().0.to_owned();
        let verdict = Verdict::new(settings.protocol, self.cache.clone(), server);
        let access = Access::new(self.authorizer, self.cache);
        Attached::new(self.endpoint, access, verdict, settings, redactor)
    }
}

/// Starts the log, and takes care that a panic says only where it happened.
pub(super) fn start_log(args: &LogArgs, log: &mut Option<Log>) -> Result<(), CommandError> {
    keep_log(args, log, logging::start(args.verbose, args.log_file.as_deref()))
}

/// The same for a command that says itself what went wrong: only where to sign in is said besides.
pub(super) fn start_quiet_log(args: &LogArgs, log: &mut Option<Log>) -> Result<(), CommandError> {
    keep_log(
        args,
        log,
        logging::start_quietly(args.verbose, args.log_file.as_deref(), "mcp_tether::auth"),
    )
}

fn keep_log(
    args: &LogArgs,
    log: &mut Option<Log>,
    started: io::Result<Log>,
) -> Result<(), CommandError> {
    let log_file = args.log_file.as_deref();
    *log = Some(started.map_err(|source| match log_file {
        Some(path) => CommandError::Log { path: path.into(), source },
        None => source.into(),
    })?);
    std::panic::set_hook(Box::new(|panic| {
        // Only where: the message could hold anything.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("internal error at {place}");
    }));
    Ok(())
}
