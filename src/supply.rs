//! Headers whose value is somewhere else: in a file, in the store, in what a command prints.
//!
//! * [`words`]: a command line without a shell (pure).
//! * [`output`]: what a command has printed, as headers (pure).
//! * [`run`]: running it, within limits; any command that prints a secret.
//!
//! A [`Supplier`] obtains them before the first request, whoever sends it, and once more where the server
//! refuses a request that had them. Any number of requests wait for the same attempt, which goes on when
//! they are cancelled. What it has is published, and `transport` adds it to every request.

pub mod output;
pub mod run;
pub mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Failure, FailureKind};
use crate::limits::HEADER_COMMAND_PAUSE;
use crate::secret::{Redactor, Secret, file};
use crate::store::{Store, StoreError};
use crate::tasks;

/// Where the value of one header is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The header.
    pub header: HeaderName,
    /// What stands in front of the value: `Bearer`.
    pub scheme: Option<String>,
    /// Where the rest is.
    pub place: Place,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    File(PathBuf),
    /// In the store, under this name.
    Keyring(String),
}

/// A command that prints headers (`--header-command`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// How long what it prints is good for; without it until the server refuses it.
    pub ttl: Option<Duration>,
    /// Headers that it may not print, because they are the bridge's own.
    pub reserved: &'static [HeaderName],
}

/// All that has to be obtained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// One header each.
    pub single: Vec<Source>,
    /// Further values for the same headers.
    pub besides: HeaderMap,
    /// Any number of them.
    pub command: Option<Command>,
    /// An `Authorization` among them is left out: somebody is about to sign in.
    pub without_authorization: bool,
}

impl Sources {
    /// Whether there is nothing to obtain.
    pub fn is_empty(&self) -> bool {
        self.single.is_empty() && self.command.is_none()
    }
}

/// Why a header could not be obtained: a sentence with the next step, without a value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SupplyError {
    /// A file.
    #[error("--header {header}: {reason}")]
    File {
        /// The header.
        header: HeaderName,
        /// Why.
        reason: String,
    },
    /// There is no such secret.
    #[error("--header {header}: there is no secret {name}; run: mcp-tether secret set {name}")]
    Missing {
        /// The header.
        header: HeaderName,
        /// The secret.
        name: String,
    },
    /// The store.
    #[error("--header {header}: the secret {name} cannot be read: {reason}")]
    Store {
        /// The header.
        header: HeaderName,
        /// The secret.
        name: String,
        /// What the store says.
        reason: Arc<StoreError>,
    },
    /// There is no store.
    #[error("--header {0}: there is no folder for secrets; set HOME or MCP_TETHER_HOME")]
    NoStore(HeaderName),
    /// It is no value of a header.
    #[error("--header {0}: the value contains a character that a header cannot have")]
    Value(HeaderName),
    /// The command.
    #[error("--header-command: {program} {reason}")]
    Command {
        /// The program's bare name.
        program: String,
        /// What it did.
        reason: String,
    },
    /// A defect of the bridge.
    #[error("the headers could not be obtained because of an internal error")]
    Internal,
}

impl SupplyError {
    /// The failure of a request to the server `shown` that could not be sent for this reason.
    pub fn failure(&self, shown: &str) -> Failure {
        let mut failure = Failure::new(FailureKind::Unauthorized, self.to_string()).at(shown);
        failure.unsent = true;
        failure
    }
}

/// Which attempt's headers a request had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);

/// Obtains headers. Clones are the same one.
#[derive(Clone)]
pub struct Supplier(Arc<Inner>);

struct Inner {
    sources: Sources,
    store: Option<Store>,
    redactor: Arc<Redactor>,
    state: watch::Sender<State>,
    headers: watch::Sender<HeaderMap>,
}

#[derive(Default)]
struct State {
    generation: u64,
    /// The last generation whose headers differ from those before.
    changed: u64,
    /// An attempt is under way.
    running: bool,
    /// When there were headers for the first time, or anew; none if they have to be obtained.
    obtained: Option<Instant>,
    /// The last attempt failed.
    failed: Option<(Instant, SupplyError)>,
    /// When they were last obtained because the server refused the former ones.
    renewed: Option<Instant>,
}

impl std::fmt::Debug for Supplier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Supplier")
    }
}

/// What somebody who needs headers does next.
enum Next {
    Go(Generation),
    Fail(SupplyError),
    Start,
    Wait,
}

impl Supplier {
    /// Obtains nothing yet.
    pub fn new(sources: Sources, store: Option<Store>, redactor: Arc<Redactor>) -> Supplier {
        let (state, headers) =
            (watch::channel(State::default()).0, watch::channel(HeaderMap::new()).0);
        Supplier(Arc::new(Inner { sources, store, redactor, state, headers }))
    }

    /// What there is at any time.
    pub fn headers(&self) -> watch::Receiver<HeaderMap> {
        self.0.headers.subscribe()
    }

    /// Returns when there are headers that are good as far as can be known.
    ///
    /// # Errors
    /// Why there are none. For [`HEADER_COMMAND_PAUSE`] everybody gets the same error.
    pub async fn ready(&self) -> Result<Generation, SupplyError> {
        if self.0.sources.is_empty() {
            return Ok(Generation::default());
        }
        let mut changes = self.0.state.subscribe();
        let before = changes.borrow_and_update().generation;
        loop {
            match self.next(before) {
                Next::Go(generation) => return Ok(generation),
                Next::Fail(error) => return Err(error),
                Next::Start => {
                    tasks::spawn(attempt(self.0.clone()));
                }
                Next::Wait => {}
            }
            // The sender lives as long as this.
            let _ = changes.changed().await;
        }
    }

    /// What to do, with the attempt marked as begun if it is to be begun. What was obtained after `before`
    /// is good however short its time is.
    fn next(&self, before: u64) -> Next {
        let mut next = Next::Wait;
        self.0.state.send_if_modified(|state| {
            next = if state.running {
                Next::Wait
            } else if state
                .obtained
                .is_some_and(|at| state.generation > before || self.0.is_good(at))
            {
                Next::Go(Generation(state.generation))
            } else if let Some((at, error)) = &state.failed
                && at.elapsed() < HEADER_COMMAND_PAUSE
            {
                Next::Fail(error.clone())
            } else {
                state.running = true;
                Next::Start
            };
            false
        });
        next
    }

    /// Whether a request that was refused with this status should be sent again, because there are other
    /// headers now than those it had. Obtains them anew if need be.
    ///
    /// # Errors
    /// Why there are none any more.
    pub async fn refused(&self, status: u16, had: Generation) -> Result<bool, SupplyError> {
        if self.0.sources.is_empty() || status != 401 {
            return Ok(false);
        }
        let mut current = false;
        self.0.state.send_if_modified(|state| {
            current = state.generation == had.0 && !state.running;
            let paused = state.renewed.is_some_and(|at| at.elapsed() < HEADER_COMMAND_PAUSE);
            if current && !paused {
                state.renewed = Some(Instant::now());
                state.obtained = None;
                current = false;
            }
            false
        });
        if current {
            return Ok(false);
        }
        let now = self.ready().await?;
        // What a command prints may be good although it is the same: the server may only have been slow
        // to know of it.
        let renewed = now != had;
        let differ = self.0.state.borrow().changed > had.0;
        Ok(renewed && (self.0.sources.command.is_some() || differ))
    }
}

impl Inner {
    fn is_good(&self, obtained: Instant) -> bool {
        let ttl = self.sources.command.as_ref().and_then(|command| command.ttl);
        ttl.is_none_or(|ttl| obtained.elapsed() < ttl)
    }

    async fn obtain(&self) -> Result<HeaderMap, SupplyError> {
        let mut all = self.sources.besides.clone();
        for source in &self.sources.single {
            let secret = self.single(source).await?;
            let text = match &source.scheme {
                Some(scheme) => Secret::new(format!("{scheme} {}", secret.expose().trim())),
                None => Secret::new(secret.expose().trim().to_owned()),
            };
            let value = HeaderValue::from_str(text.expose())
                .map_err(|_| SupplyError::Value(source.header.clone()))?;
            self.redactor.learn_header(text);
            all.append(source.header.clone(), value);
        }
        if let Some(command) = &self.sources.command {
            let program = words::shown(&command.words);
            let begun = Instant::now();
            let printed = run::headers(command, &self.redactor).await.map_err(|reason| {
                SupplyError::Command { program: program.clone(), reason: reason.to_string() }
            })?;
            let (count, took) = (printed.len(), begun.elapsed().as_millis());
            log::debug!("{program} printed {count} headers in {took} ms");
            // Takes the place of what is configured.
            all.extend(printed);
        }
        if self.sources.without_authorization {
            all.remove(http::header::AUTHORIZATION);
        }
        for value in all.values_mut() {
            value.set_sensitive(true);
        }
        Ok(all)
    }

    async fn single(&self, source: &Source) -> Result<Secret, SupplyError> {
        let header = source.header.clone();
        match &source.place {
            Place::File(path) => {
                let read = file::read_soon(path).await;
                read.map_err(|reason| SupplyError::File { header, reason })
            }
            Place::Keyring(name) => {
                let Some(store) = &self.store else { return Err(SupplyError::NoStore(header)) };
                let name = name.clone();
                match store.secret(&name).await {
                    Ok(Some(secret)) => Ok(secret),
                    Ok(None) => Err(SupplyError::Missing { header, name }),
                    Err(reason) => {
                        Err(SupplyError::Store { header, name, reason: Arc::new(reason) })
                    }
                }
            }
        }
    }
}

/// One attempt. However it ends, those who wait hear of it.
async fn attempt(inner: Arc<Inner>) {
    struct Ended<'a> {
        inner: &'a Inner,
        /// Whether there are other headers now.
        outcome: Result<bool, SupplyError>,
    }
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            let outcome = std::mem::replace(&mut self.outcome, Ok(false));
            self.inner.state.send_modify(|state| {
                state.running = false;
                state.obtained = outcome.is_ok().then(Instant::now);
                state.generation += u64::from(outcome.is_ok());
                if let Ok(true) = outcome {
                    state.changed = state.generation;
                }
                state.failed = outcome.err().map(|error| (Instant::now(), error));
            });
        }
    }
    let mut ended = Ended { inner: &inner, outcome: Err(SupplyError::Internal) };
    ended.outcome = inner.obtain().await.map(|headers| {
        let differ = *inner.headers.borrow() != headers;
        inner.headers.send_replace(headers);
        differ
    });
    if let Err(error) = &ended.outcome {
        log::warn!("{error}");
    }
}

#[cfg(test)]
mod tests;
