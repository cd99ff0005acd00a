//! What commands share that speak with one server: log, store, authorizer, endpoint.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::CommandError;
use crate::auth::Authorizer;
use crate::aws;
use crate::bridge::access::Access;
use crate::bridge::verdict::Verdict;
use crate::bridge::{Attached, Settings, TransportChoice};
use crate::cache::Cache;
use crate::cli::LogArgs;
use crate::config::{self, Target};
use crate::http::{Http, client};
use crate::logging::{self, Listener, Log, Verbosity};
use crate::secret::Redactor;
use crate::stdio::tap::OptionalTap;
use crate::stdio::writer::Inbox;
use crate::store::Store;
use crate::supply::Supplier;
use crate::trace::Trace;
use crate::transport::Endpoint;

/// A server, ready to be spoken to.
pub(super) struct Remote {
    pub endpoint: Endpoint,
    pub transport: TransportChoice,
    pub authorizer: Arc<Authorizer>,
    pub supplier: Supplier,
    pub store: Option<Store>,
    pub cache: Option<Cache>,
    tap: OptionalTap,
}

impl Remote {
    /// Opens no connection and no store. One call to the keyring may take `patience`.
    pub fn new(
        target: Target,
        max_message: usize,
        patience: Duration,
    ) -> Result<Remote, CommandError> {
        let Target { url, headers, supply, connection, transport, sign_in, aws, redactor, tap } =
            target;
        let http = Http::new(&connection, &url, redactor.clone())?;
        let endpoint = Endpoint::new(http, url, headers, max_message, redactor.clone());
        let cache = sign_in.places.as_ref().map(|places| Cache::new(places.cache.clone()));
        let store = sign_in.places.map(|places| Store::new(places, sign_in.store, patience));
        let supplier = Supplier::new(supply, store.clone(), redactor.clone());
        let endpoint = endpoint.with_supplied(supplier.headers());
        let endpoint = signed(endpoint, aws, &connection, &redactor);
        let authorizer = Authorizer::new(sign_in.settings, &connection, store.clone(), redactor);
        let authorizer = Arc::new(authorizer);
        Ok(Remote { endpoint, transport, authorizer, supplier, store, cache, tap })
    }
}

/// Where requests are to be signed, they are.
fn signed(
    endpoint: Endpoint,
    aws: Option<aws::Settings>,
    connection: &client::Settings,
    redactor: &Arc<Redactor>,
) -> Endpoint {
    #[cfg(feature = "aws")]
    if let Some(aws) = aws {
        let signer = aws::AwsSigner::new(aws, connection, redactor.clone());
        return endpoint.with_signer(Arc::new(signer));
    }
    // Without the feature nothing gets here with settings for it.
    #[cfg(not(feature = "aws"))]
    let _ = (aws, connection, redactor);
    endpoint
}

impl Remote {
    /// A bridge to the server in this process.
    pub fn attach(self, settings: Settings, redactor: Arc<Redactor>) -> (Attached, Inbox) {
        let server = self.authorizer.name().0.to_owned();
        let verdict = Verdict::new(settings.protocol, self.cache.clone(), server);
        let access = Access::new(self.authorizer, self.supplier, self.cache);
        Attached::new(self.endpoint, access, verdict, settings, redactor, self.tap)
    }
}

/// Begins the trace, if one is asked for, and takes care that it is ended with the log. `server` is an
/// address as it may be shown.
pub(super) fn start_trace(
    args: &LogArgs,
    log: &Option<Log>,
    command: &str,
    server: &str,
) -> Result<Option<Trace>, CommandError> {
    let Some(file) = &args.trace else { return Ok(None) };
    let max = config::trace_size(&args.trace_max_size)?;
    let trace = Trace::start(file, max, command, server)
        .map_err(|source| CommandError::Trace { path: file.clone(), source })?;
    if let Some(log) = log {
        log.attach(Box::new(trace.clone()));
    }
    Ok(Some(trace))
}

fn verbosity(args: &LogArgs) -> Verbosity {
    Verbosity { shown: args.verbose, quiet: false, heard: args.trace.is_some() }
}

/// Starts the log, and takes care that a panic says only where it happened.
pub(super) fn start_log(
    args: &LogArgs,
    quiet: bool,
    log: &mut Option<Log>,
) -> Result<(), CommandError> {
    let verbosity = Verbosity { quiet, ..verbosity(args) };
    keep_log(args, log, logging::start(verbosity, args.log_file.as_deref()))
}

/// The same for a command that says itself what went wrong: only where to sign in is said besides.
pub(super) fn start_quiet_log(args: &LogArgs, log: &mut Option<Log>) -> Result<(), CommandError> {
    keep_log(
        args,
        log,
        logging::start_quietly(verbosity(args), args.log_file.as_deref(), "mcp_tether::auth"),
    )
}

/// The same where a trace may begin at any time.
pub(super) fn start_listened_log(
    args: &LogArgs,
    log: &mut Option<Log>,
    listener: Box<dyn Listener>,
) -> Result<(), CommandError> {
    let verbosity = Verbosity { shown: args.verbose, quiet: false, heard: true };
    let started = logging::start_quietly(verbosity, args.log_file.as_deref(), "mcp_tether::auth");
    keep_log(args, log, started)?;
    if let Some(log) = log {
        log.attach(listener);
    }
    Ok(())
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
        log::error!("internal error at {place}");
    }));
    Ok(())
}
