//! A header for a request, and what to do when it was refused.
//!
//! The grant is chosen in one place, [`Authorizer::answer`]: a token that somebody else has obtained
//! meanwhile, then the refresh token, then the person.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::challenge::{self, Challenge};
use super::discovery::discover;
use super::error::AuthError;
use super::held::Held;
use super::settings::{Mode, Settings};
use super::shared::{Login, Want};
use super::web::Web;
use super::{refresh, scope};
use crate::http::client::Settings as Connection;
use crate::limits::{MAX_CHALLENGES, MAX_EXCERPT};
use crate::secret::{Redactor, shown};
use crate::store::{Store, TokenRecord};

/// The right to send requests to one server.
pub struct Authorizer {
    pub(super) settings: Settings,
    pub(super) web: Web,
    /// None where there is no place to keep anything.
    pub(super) store: Option<Store>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) held: Mutex<Held>,
    /// One look-up or refresh at a time.
    flight: tokio::sync::Mutex<()>,
    /// The sign-in of this process, if there is one.
    pub(super) login: watch::Sender<Login>,
    pub(super) running: Mutex<Option<AbortHandle>>,
    /// The last refusal that was to be answered.
    pub(super) refused: Mutex<Option<Refused>>,
    /// Held by a refresh, whoever has asked for it and gone.
    pub(super) refreshing: Arc<Semaphore>,
}

/// What a request was sent with.
#[derive(Clone)]
pub struct Credential {
    header: HeaderValue,
    generation: u64,
}

/// What has been done for one request already.
#[derive(Debug, Default)]
pub struct Progress {
    challenges: usize,
    refreshed: bool,
    signed_in: bool,
}

impl Progress {
    /// Somebody has signed in for it just now.
    pub fn signed_in() -> Progress {
        Progress { signed_in: true, ..Progress::default() }
    }
}

/// Whether a person may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Yes, and waited for as long as the sign-in may take.
    Anybody,
    /// Yes, but where they can know of it only from the error, they are waited for no longer than
    /// this.
    Within(Duration),
    /// No.
    Nobody,
}

/// A refusal that can be answered.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What the server asks for.
    pub challenge: Challenge,
    /// 403 `insufficient_scope`: the token is good, but not for this.
    pub step_up: bool,
}

impl Credential {
    /// The value of `Authorization`.
    pub fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// Whether this process has another token than the one it began with.
    pub fn is_renewed(&self) -> bool {
        self.generation > 1
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential {}", self.generation)
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorizer for {}", self.shown())
    }
}

impl Authorizer {
    /// Touches neither network nor store.
    pub fn new(
        settings: Settings,
        connection: &Connection,
        store: Option<Store>,
        redactor: Arc<Redactor>,
    ) -> Authorizer {
        let web =
            Web::new(connection, settings.server.clone(), settings.allow_http, redactor.clone());
        Authorizer {
            settings,
            web,
            store,
            redactor,
            held: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
            login: watch::channel(Login::Idle).0,
            running: Mutex::default(),
            refused: Mutex::default(),
            refreshing: Arc::new(Semaphore::new(1)),
        }
    }

    /// What to send with a request: the stored token, refreshed if its time is up. Servers without a
    /// stored token cost one look at a file that is not there, once.
    pub async fn credential(self: &Arc<Self>) -> Option<Credential> {
        if !self.uses_oauth() {
            return None;
        }
        if let Some(settled) = self.settled() {
            return settled;
        }
        let _flight = self.flight.lock().await;
        self.load().await;
        if let Some(settled) = self.settled() {
            return settled;
        }
        let record = self.held().record();
        if let Some(record) = record.filter(|record| record.refresh_token.is_some())
            && !self.held().refresh_is_paused()
        {
            let before = self.begin_refresh();
            if let Err(error) = refresh::refresh(self, &record).await {
                tracing::warn!("the access token could not be refreshed: {error}");
            }
            self.end_refresh(before);
        }
        self.held_credential()
    }

    /// Tells those who watch that somebody has to wait; returns what was before.
    fn begin_refresh(&self) -> Option<Login> {
        let mut before = None;
        self.login.send_if_modified(|login| {
            if !login.is_busy() {
                before = Some(std::mem::replace(login, Login::Refreshing));
            }
            before.is_some()
        });
        before
    }

    fn end_refresh(&self, before: Option<Login>) {
        let Some(before) = before else { return };
        self.login.send_if_modified(|login| {
            let still = matches!(login, Login::Refreshing);
            if still {
                *login = before;
            }
            still
        });
    }

    /// Whether a response with this status and these `WWW-Authenticate` fields is something to be
    /// answered here.
    pub fn refused<'a>(
        &self,
        status: u16,
        fields: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Refused> {
        if self.settings.mode == Mode::Off || !matches!(status, 401 | 403) {
            return None;
        }
        let challenge = challenge::parse(fields);
        let step_up = challenge.error.as_deref() == Some("insufficient_scope");
        let configured = self.settings.mode == Mode::Configured;
        (status == 401 || (step_up && !configured)).then_some(Refused { challenge, step_up })
    }

    /// Obtains what a refused request lacked. `Ok` means that it should be sent again.
    ///
    /// With `asking` a person is asked if need be. Dropping the future does not end the sign-in,
    /// which others may wait for.
    ///
    /// # Errors
    /// Why it cannot be obtained.
    pub async fn answer(
        self: &Arc<Self>,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
        asking: Asking,
    ) -> Result<(), AuthError> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
        if self.settings.mode == Mode::Configured {
            return Err(AuthError::ConfiguredRefused { host: self.host() });
        }
        progress.challenges += 1;
        if progress.challenges > MAX_CHALLENGES || progress.signed_in && !refused.step_up {
            let error = self.still_refused(refused);
            // Signing in once more would not help the next request either.
            self.login.send_if_modified(|login| {
                let done = matches!(login, Login::Done);
                if done {
                    *login = Login::Failed { at: Instant::now(), error: error.clone() };
                }
                done
            });
            return Err(error);
        }
        let want = {
            let _flight = self.flight.lock().await;
            match self.without_a_person(refused, used, progress).await? {
                Some(want) => want,
                None => return Ok(()),
            }
        };
        if self.settings.mode == Mode::Stored || asking == Asking::Nobody {
            return Err(match &want.scope {
                Some(scope) if refused.step_up => AuthError::MissingScope {
                    host: self.host(),
                    server: self.shown(),
                    scope: scope.clone(),
                },
                _ => AuthError::NeedsLogin { host: self.host(), server: self.shown() },
            });
        }
        let patience = match asking {
            Asking::Within(patience) => Some(patience),
            Asking::Anybody | Asking::Nobody => None,
        };
        self.join(want, patience).await?;
        progress.signed_in = true;
        Ok(())
    }

    /// Everything short of asking a person. `None` if that was enough.
    async fn without_a_person(
        self: &Arc<Self>,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
    ) -> Result<Option<Want>, AuthError> {
        self.load().await;
        let sent = used.map(|used| used.generation);
        if self.held().credential().is_some_and(|now| Some(now.generation) != sent) {
            return Ok(None);
        }
        let record = self.held().record();
        let mut want = Want {
            challenge: refused.challenge.clone(),
            refused: record.as_ref().map(|record| record.access_token.clone()),
            ..Want::default()
        };
        if refused.step_up
            && let Some(record) = &record
        {
            let had = record.requested_scope.as_deref().or(record.scope.as_deref());
            let union = scope::union(had, refused.challenge.scope.as_deref());
            // Asked for already: the server will not be satisfied.
            if progress.signed_in && had == union.as_deref() {
                return Err(self.still_refused(refused));
            }
            want.scope = union;
        }
        if self.adopt(&want).await? {
            return Ok(None);
        }
        let Some(record) = record else { return Ok(Some(want)) };
        if refused.step_up {
            return Ok(Some(want));
        }
        // Where the tokens belong now. If that cannot be found out, they still belong where they
        // came from.
        let known = Some(record.issuer.as_str());
        if let Ok(found) = discover(&self.web, &refused.challenge, known).await {
            let moved = found.metadata.issuer != record.issuer;
            want.discovered = Some(found);
            if moved {
                tracing::warn!(
                    "{} now names another authorization server than {}; what is stored is not sent there",
                    self.host(),
                    self.redactor.clean(&record.issuer, MAX_EXCERPT)
                );
                return Ok(Some(want));
            }
        }
        if record.refresh_token.is_some() && !progress.refreshed {
            progress.refreshed = true;
            match refresh::refresh(self, &record).await {
                Ok(()) => return Ok(None),
                Err(error) if error.transient().is_some() => return Err(error),
                // However it was refused: a person can mend it. Until then the record stays, unless
                // it is certainly dead.
                Err(AuthError::NeedsLogin { .. } | AuthError::Token(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(want))
    }

    /// Ends a sign-in that is under way: nobody is left to profit from it. Another process may go
    /// on waiting for it.
    pub fn give_up(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.abort();
        }
        self.login.send_replace(Login::Failed {
            at: Instant::now(),
            error: AuthError::Ending { host: self.host(), server: self.shown() },
        });
    }

    /// What is at hand, without a look-up and a refresh: for the very end.
    pub fn at_hand(&self) -> Option<Credential> {
        self.held_credential()
    }

    /// Returns when no refresh is under way: one that was cut off may have spent the refresh token
    /// without anybody knowing the new one.
    pub async fn settled_down(&self) {
        // It is never closed.
        let _ = self.refreshing.acquire().await;
    }

    /// Whether what was sent last was a token of ours.
    pub fn is_signed_in(&self) -> bool {
        self.held().header.is_some()
    }

    /// Whether somebody is signing in.
    pub fn is_signing_in(&self) -> bool {
        self.login.borrow().is_running()
    }

    /// The sign-in as it goes on.
    pub fn watch(&self) -> watch::Receiver<Login> {
        self.login.subscribe()
    }

    /// The MCP server's host, for the reader.
    pub fn host(&self) -> String {
        self.settings.server.host_str().unwrap_or("the server").to_owned()
    }

    /// The MCP server's URL, as it may be shown.
    pub fn shown(&self) -> String {
        shown(&self.settings.server)
    }

    /// The MCP server's URL and the profile, which together name a sign-in.
    pub fn name(&self) -> (&str, &str) {
        (self.settings.server.as_str(), &self.settings.profile)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a record from now on.
    pub(super) fn hold(&self, record: TokenRecord) {
        for secret in
            [Some(&record.access_token), record.refresh_token.as_ref(), record.id_token.as_ref()]
                .into_iter()
                .flatten()
        {
            self.redactor.learn(secret.clone());
        }
        self.held().hold(record, self.settings.use_id_token);
    }

    pub(super) fn store(&self) -> Result<&Store, AuthError> {
        self.store.as_ref().ok_or(AuthError::NoHome)
    }

    fn uses_oauth(&self) -> bool {
        matches!(self.settings.mode, Mode::Interactive | Mode::Stored) && self.store.is_some()
    }

    /// What to send, where that needs no look-up and no refresh.
    fn settled(&self) -> Option<Option<Credential>> {
        let held = self.held();
        (held.loaded && !held.refresh_is_due()).then(|| held.credential())
    }

    fn held_credential(&self) -> Option<Credential> {
        self.held().credential()
    }

    fn still_refused(&self, refused: &Refused) -> AuthError {
        let said = refused.challenge.error_description.as_deref();
        let said = said.or(refused.challenge.error.as_deref()).unwrap_or_default();
        let said = self.redactor.clean(said, MAX_EXCERPT);
        let said = if said.is_empty() { said } else { format!(" (\u{201c}{said}\u{201d})") };
        AuthError::StillRefused { host: self.host(), said }
    }
}

impl Held {
    fn credential(&self) -> Option<Credential> {
        let header = self.header.clone()?;
        Some(Credential { header, generation: self.generation })
    }
}
