//! Signs every request to a server, with credentials that are renewed in time.
//!
//! They are obtained before the first request, shortly before they expire, and once after a refusal. Any
//! number of requests wait for the same attempt, which goes on when they are cancelled.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use url::Url;

use super::Settings;
use super::connector::Client;
use super::credentials::{self, CredentialError, Obtained};
use super::{refusal, signature};
use crate::error::{Failure, FailureKind};
use crate::http::client;
use crate::http::{Sign, Signer};
use crate::limits::{AWS_CREDENTIALS_MARGIN, AWS_CREDENTIALS_PAUSE};
use crate::secret::{Redactor, Secret};

/// Signs for one server. Clones are the same one.
#[derive(Clone)]
pub struct AwsSigner(Arc<Inner>);

struct Inner {
    settings: Settings,
    connection: client::Settings,
    redactor: Arc<Redactor>,
    held: Mutex<Held>,
    /// Held by an attempt, whoever waits for it.
    flight: Arc<tokio::sync::Mutex<()>>,
    /// Seconds by which the clock of the server is ahead of ours, where that matters.
    ahead: AtomicI64,
}

#[derive(Default)]
struct Held {
    current: Option<Current>,
    generation: u64,
    /// When the last attempt ended.
    attempted: Option<Instant>,
    /// When an attempt was last made because of a refusal.
    renewed: Option<Instant>,
    failed: Option<CredentialError>,
}

/// Credentials, and which ones they are.
#[derive(Clone)]
struct Current {
    credentials: Credentials,
    renewal: String,
    generation: u64,
}

impl AwsSigner {
    /// Obtains nothing yet. What has to be asked over the network for credentials is asked as `connection`
    /// says.
    pub fn new(
        settings: Settings,
        connection: &client::Settings,
        redactor: Arc<Redactor>,
    ) -> AwsSigner {
        AwsSigner(Arc::new(Inner {
            settings,
            connection: connection.clone(),
            redactor,
            held: Mutex::default(),
            flight: Arc::default(),
            ahead: AtomicI64::new(0),
        }))
    }
}

impl fmt::Debug for AwsSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsSigner for {:?}", self.0.settings.place)
    }
}

impl Signer for AwsSigner {
    fn signing(&self) -> BoxFuture<'_, Result<Box<dyn Sign>, Failure>> {
        Box::pin(async {
            let current = self
                .0
                .current()
                .await
                .map_err(|error| Failure::new(FailureKind::Unauthorized, error.to_string()))?;
            let signing = Signing {
                inner: self.0.clone(),
                current: Mutex::new(current),
                ahead: AtomicI64::new(0),
                clock: AtomicBool::new(false),
            };
            Ok(Box::new(signing) as Box<dyn Sign>)
        })
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time as the server has it.
    fn now(&self) -> SystemTime {
        moved(self.ahead.load(Relaxed))
    }

    /// Credentials that are good as far as can be known.
    async fn current(self: &Arc<Self>) -> Result<Current, CredentialError> {
        if let Some(settled) = self.settled() {
            return settled;
        }
        let flight = self.flight.clone().lock_owned().await;
        if let Some(settled) = self.settled() {
            return settled;
        }
        self.attempt(flight).await
    }

    /// What there is, where nothing has to be obtained.
    fn settled(&self) -> Option<Result<Current, CredentialError>> {
        let held = self.held();
        let paused = held.attempted.is_some_and(|at| at.elapsed() < AWS_CREDENTIALS_PAUSE);
        let left = held.current.as_ref().map(|current| self.time_left(&current.credentials));
        match (&held.current, left) {
            (Some(current), Some(left))
                if left > AWS_CREDENTIALS_MARGIN || paused && !left.is_zero() =>
            {
                Some(Ok(current.clone()))
            }
            _ => held.failed.clone().filter(|_| paused).map(Err),
        }
    }

    fn time_left(&self, credentials: &Credentials) -> Duration {
        match credentials.expiry() {
            None => Duration::MAX,
            Some(expiry) => expiry.duration_since(self.now()).unwrap_or_default(),
        }
    }

    /// Obtains credentials in a task of its own: what it has learnt is not lost when nobody waits.
    async fn attempt(
        self: &Arc<Self>,
        flight: OwnedMutexGuard<()>,
    ) -> Result<Current, CredentialError> {
        let inner = self.clone();
        let attempt = tokio::spawn(async move {
            let client = Client::new(&inner.connection, inner.redactor.clone());
            let outcome = credentials::obtain(&inner.settings, client, &inner.redactor).await;
            let outcome = inner.take(outcome);
            drop(flight);
            outcome
        });
        attempt.await.unwrap_or_else(|_| {
            Err(CredentialError {
                cause: "AWS credentials were not obtained because of an internal error".into(),
                next: "see what happens with -vv".into(),
            })
        })
    }

    fn take(&self, outcome: Result<Obtained, CredentialError>) -> Result<Current, CredentialError> {
        let mut held = self.held();
        held.attempted = Some(Instant::now());
        match outcome {
            Ok(Obtained { credentials, renewal }) => {
                self.redactor.learn(Secret::new(credentials.secret_access_key().to_owned()));
                if let Some(token) = credentials.session_token() {
                    self.redactor.learn(Secret::new(token.to_owned()));
                }
                let same = held
                    .current
                    .as_ref()
                    .is_some_and(|current| are_same(&current.credentials, &credentials));
                held.generation += u64::from(!same);
                let current = Current { credentials, renewal, generation: held.generation };
                log::debug!(
                    "AWS credentials were obtained{}",
                    match self.time_left(&current.credentials) {
                        Duration::MAX => ", which do not expire".to_owned(),
                        left => format!(", which expire in {} s", left.as_secs()),
                    }
                );
                held.failed = None;
                if self.time_left(&current.credentials).is_zero() {
                    let error = CredentialError {
                        cause: "the AWS credentials have expired by the clock of this machine"
                            .into(),
                        next: current.renewal,
                    };
                    log::warn!("{error}");
                    held.failed = Some(error.clone());
                    return Err(error);
                }
                held.current = Some(current.clone());
                Ok(current)
            }
            Err(error) => {
                log::warn!("{error}");
                held.failed = Some(error.clone());
                let current = held.current.clone();
                // They may have expired by less than the clocks differ; the server has the last word.
                current
                    .filter(|current| !self.time_left(&current.credentials).is_zero())
                    .ok_or(error)
            }
        }
    }

    /// Other credentials than the refused ones of generation `had`, if there are any.
    async fn renewed(self: &Arc<Self>, had: u64) -> Option<Current> {
        let other = |current: &Current| current.generation != had;
        let flight = self.flight.clone().lock_owned().await;
        {
            let mut held = self.held();
            if let Some(current) = held.current.clone().filter(other) {
                return Some(current);
            }
            // A server that refuses everything is no reason to run a program each time.
            if held.renewed.is_some_and(|at| at.elapsed() < AWS_CREDENTIALS_PAUSE) {
                return None;
            }
            held.renewed = Some(Instant::now());
        }
        self.attempt(flight).await.ok().filter(other)
    }
}

/// The time of a clock that is ahead of ours by so many seconds.
fn moved(ahead: i64) -> SystemTime {
    let by = Duration::from_secs(ahead.unsigned_abs());
    let now = SystemTime::now();
    let moved = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
    moved.unwrap_or(now)
}

fn are_same(one: &Credentials, other: &Credentials) -> bool {
    let parts = |credentials: &Credentials| {
        let token = credentials.session_token().map(str::to_owned);
        let key = credentials.access_key_id().to_owned();
        (key, credentials.secret_access_key().to_owned(), token)
    };
    parts(one) == parts(other)
}

/// What one request is signed with.
struct Signing {
    inner: Arc<Inner>,
    current: Mutex<Current>,
    /// [`Inner::ahead`] as it was when it was signed.
    ahead: AtomicI64,
    /// It was refused for the sake of the clock, which is corrected now.
    clock: AtomicBool,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing for {:?}", self.inner.settings.place)
    }
}

impl Signing {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sign for Signing {
    fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), Failure> {
        let (credentials, place) = (&self.current().credentials, &self.inner.settings.place);
        let ahead = self.inner.ahead.load(Relaxed);
        self.ahead.store(ahead, Relaxed);
        signature::add(method, url, headers, body, credentials, place, moved(ahead))
            .map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))
    }

    fn heard(&self, _: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
        if !matches!(status.as_u16(), 401 | 403) {
            return false;
        }
        let ahead = self.ahead.load(Relaxed);
        if let Some(more) = refusal::clock(headers, moved(ahead)) {
            let ahead = ahead.saturating_add(more);
            log::warn!(
                "the clock of the server is {} min {} of this machine's; requests are signed by \
                 the server's",
                ahead.unsigned_abs() / 60,
                if ahead < 0 { "behind that" } else { "ahead" },
            );
            self.inner.ahead.store(ahead, Relaxed);
            self.clock.store(true, Relaxed);
        }
        true
    }

    fn renew(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            if self.clock.swap(false, Relaxed) {
                return true;
            }
            let had = self.current().generation;
            let Some(current) = self.inner.renewed(had).await else { return false };
            log::info!("the server refused AWS credentials; there are others now");
            *self.current() = current;
            true
        })
    }

    fn advice(&self, status: StatusCode, headers: &HeaderMap) -> Option<String> {
        refusal::advice(status, headers, &self.inner.settings.place, &self.current().renewal)
    }
}
